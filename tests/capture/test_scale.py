"""Units are tested against what can be filmed at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mouselift.calibration.rig import RigCamera
from mouselift.capture.discovery import discover
from mouselift.capture.scale import Scale, declared_unit, three
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.similarity import look_at


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


# name: distance of the cameras, what they see across there, mm; side of a square of the board that such a rig is given
ANIMALS = {
    "fly": (94.0, 8.0, 2.0),
    "fly, near": (24.0, 6.0, 1.0),
    "mouse": (400.0, 350.0, 10.0),
    "rat": (900.0, 1000.0, 25.0),
    "monkey": (2500.0, 2500.0, 60.0),
    "person": (4500.0, 5000.0, 100.0),
}
LENGTHS = {"mm": 1.0, "cm": 10.0, "m": 1000.0}


def _ring(distance: float, across: float) -> list[RigCamera]:
    """Four cameras that look at the origin and see `across` there."""
    f = 640 * distance / across
    K = np.array([[f, 0, 320.0], [0, f, 240.0], [0, 0, 1]])
    cameras = []
    for k in range(4):
        T = np.array([np.cos(1.3 * k), np.sin(1.3 * k), 0.4]) * distance / np.hypot(1, 0.4)
        R = look_at(-T, np.array([0.0, 0.0, -1.0]))
        cameras.append(RigCamera(f"c{k}", Path("rig"), K, R, -R @ T, Pinhole(), (640, 480)))
    return cameras


@pytest.mark.parametrize("unit", [*LENGTHS, "squares"])
@pytest.mark.parametrize("animal", ANIMALS)
def test_every_reading_that_is_possible_is_said_with_its_sizes(animal: str, unit: str) -> None:
    """A mouse in cm has the numbers of a fly in mm: the true unit is taken, or named beside the one that is."""
    distance, across, square = ANIMALS[animal]
    factor = square if unit == "squares" else LENGTHS[unit]
    taken, words = declared_unit(_ring(distance / factor, across / factor))
    if unit == "squares":
        assert "squares of the calibration board" in words
        assert taken == "unknown" or 'or "unknown" in capture.toml' in words or 'unit = "unknown"' in words
        return
    if taken == "unknown":
        assert {"cm": "centimetres", "m": "metres"}[unit] in words
        return
    sizes = [f"{three(v / 1000)} m" if v >= 1000 else f"{three(v)} mm" for v in (distance, across)]
    if taken == unit:
        assert f"{sizes[0]} from where they look and see {sizes[1]} there" in words
    else:
        assert f"in {unit} {sizes[0]} and {sizes[1]}" in words
        assert f'"{unit}"' in words


def test_what_a_format_says_is_compared_with_what_can_be() -> None:
    unit, words = declared_unit(_ring(0.4, 0.35), "mm")
    assert unit == "mm"
    assert words.startswith(
        "cameras are 0.4 mm from where they look and see 0.35 mm there, which none can be; in m 400 mm"
    )
    assert words.endswith('if so, unit = "m" in capture.toml')
    unit, words = declared_unit(_ring(0.4, 0.35), "m")
    assert (unit, words) == ("m", "cameras are 400 mm from where they look and see 350 mm there")
