"""Units are tested against what can be filmed at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mouselift.capture.discovery import discover
from mouselift.capture.scale import Scale, three


@pytest.mark.parametrize(
    ("unit", "distances", "subject", "words"),
    [
        ("mm", (0.9, 1.1), None, 'In m it would be usual: unit = "m"'),
        ("mm", (0.3, 0.31), 0.08, 'In m it would be usual: unit = "m"'),
        ("m", (305.0, 340.0), 80.0, 'In mm or cm it would be usual: unit = "mm"'),
        ("mm", (12.0, 13.0), 3.2, "squares of the calibration board"),
        ("um", (300.0, 310.0), 80.0, 'In mm or cm it would be usual: unit = "mm"'),
    ],
)
def test_what_nothing_is_like_is_warned_of(unit: str, distances, subject: float | None, words: str) -> None:
    (finding,) = Scale(unit, distances, subject).findings()
    assert finding.code == "unit-doubtful"
    assert finding.severity == "warning"
    assert words in finding.message


@pytest.mark.parametrize(
    ("unit", "distances", "subject"),
    [
        ("mm", (240.0, 380.0), 60.0),  # a mouse
        ("mm", (60.0, 90.0), 1.2),  # a fly
        ("m", (4.0, 9.0), 1.5),  # a horse
        ("cm", (24.0, 38.0), 6.0),
        ("mm", (300.0, 310.0), None),
        ("unknown", (0.1, 0.1), 1e9),
        ("normalised", (2.7, 2.7), 0.6),
    ],
)
def test_what_people_film_is_not(unit: str, distances, subject: float | None) -> None:
    assert not list(Scale(unit, distances, subject).findings())


def test_large_numbers_have_no_exponent() -> None:
    """A cow's rig in micrometres."""
    assert [three(value) for value in (7.796e6, 999.96, 1512.0, 46.93, 0.4)] == [
        "7,800,000",
        "1,000",
        "1,510",
        "46.9",
        "0.4",
    ]


def test_the_words_name_the_unit() -> None:
    assert Scale("mm", (240.0, 380.0, 300.0), 61.2).words == (
        "the subject is about 61.2 mm across, the cameras are 300 mm from the subject (240 .. 380)"
    )


@pytest.mark.parametrize(("factor", "unit"), [(1.0, "mm"), (0.001, "m"), (0.04, "unknown")])
def test_init_does_not_call_metres_or_squares_millimetres(
    factor: float, unit: str, tmp_path: Path, truth, write
) -> None:
    scaled = [replace(camera, skew=0.0, T_cam_world=_moved(camera.T_cam_world, factor)) for camera in truth]
    write.anipose(tmp_path / "calibration.toml", scaled)
    for camera in truth:
        write.video(tmp_path / f"videos/{camera.name}.mp4")
    found = discover(tmp_path)
    assert found.spec.unit == unit
    line = next(line for line in found.assumed if "the unit is" in line)
    assert ("none can be" in line) == (unit != "mm")


def _moved(T: np.ndarray, factor: float) -> np.ndarray:
    out = T.copy()
    out[:3, 3] *= factor
    return out


@pytest.mark.parametrize(("side", "unit"), [("25", "mm"), ("1.0", "unknown")])
def test_the_side_of_the_boards_squares_is_told_and_1_is_no_millimetre(
    side: str, unit: str, tmp_path: Path, truth, write
) -> None:
    write.anipose(tmp_path / "calibration/calibration.toml", [replace(camera, skew=0.0) for camera in truth])
    (tmp_path / "config.toml").write_text(f"[calibration]\nboard_square_side_length = {side}\n")
    for camera in truth:
        write.video(tmp_path / f"videos-raw/{camera.name}.mp4")
    found = discover(tmp_path)
    assert found.spec.unit == unit
    assert any(f"a square of its board the side {float(side):g}" in line for line in found.assumed)
