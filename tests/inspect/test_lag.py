"""The late camera is found, by the right sign; the offset cures it; a resting animal decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mouselift.capture.capture import load_capture
from mouselift.inspect.facts import Inspection
from mouselift.inspect.inspect_capture import inspect_capture
from mouselift.inspect.lag import LagTables, about_the_instant, lag_facts, lag_findings, solve
from mouselift.inspect.options import InspectOptions


def codes(found: Inspection) -> list[tuple[str, str | None]]:
    return [(finding.code, finding.camera) for finding in found.findings]


def test_the_late_camera_is_found_and_the_offset_cures_it(late_recording: Path) -> None:
    found = inspect_capture(load_capture(late_recording), InspectOptions(instants=14, lag=3))
    assert {fact.camera: fact.best for fact in found.lag} == {"Camera1": 0, "Camera2": 2, "Camera3": 0}
    (finding,) = [f for f in found.findings if f.code == "camera-lags"]
    assert (finding.severity, finding.camera, finding.value) == ("error", "Camera2", 2.0)
    assert "frame_offset = 2" in finding.message
    assert found.failed
    late = next(fact for fact in found.lag if fact.camera == "Camera2")
    assert late.best_px is not None
    assert late.zero_px is not None
    assert late.best_px < 0.25 < 1.0 < late.zero_px
    assert late.fine == pytest.approx(2.0, abs=0.15)
    assert codes(found) == [("camera-lags", "Camera2")]

    toml = late_recording / "capture.toml"
    text = toml.read_text()
    toml.write_text(text.replace('name = "Camera2"\n', 'name = "Camera2"\nframe_offset = 2\n'))
    try:
        cured = inspect_capture(load_capture(late_recording), InspectOptions(instants=14, lag=3))
        toml.write_text(text.replace('name = "Camera2"\n', 'name = "Camera2"\nframe_offset = 3\n'))
        over = inspect_capture(load_capture(late_recording), InspectOptions(instants=14, lag=3))
    finally:
        toml.write_text(text)
    assert [fact.best for fact in cured.lag] == [0, 0, 0]
    assert not cured.failed
    assert cured.agreement is not None
    assert cured.agreement.all_px < 0.2
    (finding,) = [f for f in over.findings if f.code == "camera-lags"]
    assert finding.value == -1.0
    assert "frame_offset = 2" in finding.message  # what stands there already is counted in


def test_a_resting_animal_decides_nothing(record: Callable[..., Path]) -> None:
    """2000 images a second: the animal hardly moves from one to the next."""
    found = inspect_capture(
        load_capture(record([4.9 + k / 2000 for k in range(14)], lag={1: 2})), InspectOptions(instants=10, lag=2)
    )
    assert found.lag == ()
    assert "rests" in found.lag_said
    assert not found.failed


def test_masks_of_every_third_frame_cannot_decide(record: Callable[..., Path]) -> None:
    found = inspect_capture(
        load_capture(record([0.6 + k / 25 for k in range(12)], every=3)), InspectOptions(instants=12, lag=1)
    )
    assert found.lag == ()
    assert found.instants == (0, 3, 6, 9)
    assert "masks of 3 consecutive frames" in found.lag_said
    assert "mouselift mask" in found.lag_said


def test_a_recording_too_short_for_lag_is_looked_at_whole(record: Callable[..., Path]) -> None:
    """With the neighbours that lag needs, two of its twelve instants would be left, and no path to speak of."""
    found = inspect_capture(load_capture(record([0.6 + k / 25 for k in range(12)])), InspectOptions())
    assert found.instants == tuple(range(12))
    assert found.lag == ()
    assert found.lag_said == "Not measured: it needs 20 frames, the recording has 12."


def test_no_lag_asked_for(steady: Path) -> None:
    found = inspect_capture(load_capture(steady), InspectOptions(instants=4, lag=0))
    assert found.lag == ()
    assert found.read == len(found.instants) == 4


def tables(
    offsets: list[int], reach: int = 3, instants: int = 12, noise: float = 0.3, motion: float = 2.0
) -> LagTables:
    """Pairs whose residual grows with the distance between their true offsets; exact but for `noise`."""
    rng = np.random.default_rng(1)
    apart = np.arange(-2 * reach, 2 * reach + 1)
    rows = []
    views = len(offsets)
    for _ in range(instants):
        row = []
        for i in range(views):
            for j in range(i + 1, views):
                off = np.abs(apart - (offsets[i] - offsets[j])) * motion
                row.append(np.sqrt(np.hypot(off, 0.2) + noise * rng.random(off.shape)))
        rows.append(row)
    names = tuple(f"cam{i}" for i in range(views))
    return LagTables(names, reach, tuple(range(instants)), np.array(rows, dtype=np.float32))


@pytest.mark.parametrize("offsets", [[0, 0, 0, 0], [0, 2, 0, 0], [0, -3, 0, 0], [1, 0, 0, -2], [0, 3, 0, 0, 3], [0, 2]])
def test_all_offsets_are_found_together(offsets: list[int]) -> None:
    assert solve(tables(offsets)) == offsets


def test_only_framesabout_the_instant_are_compared() -> None:
    """[a, b] of a window of seven: what frame a of one camera costs against frame b of the other."""
    a, b = np.indices((7, 7))
    cost = np.abs(a - b - 1.0)
    np.testing.assert_allclose(about_the_instant(cost), np.abs(np.arange(-6, 7) - 1.0))
    aside = np.where(np.abs(a + b - 6) > 2, 100.0, 0.0)  # half frames
    np.testing.assert_allclose(about_the_instant(cost + aside), np.abs(np.arange(-6, 7) - 1.0))
    own = np.where((a == 3) & (b == 3), 100.0, 0.0)  # its neighbours (2, 2) and (4, 4) count half each
    np.testing.assert_allclose(about_the_instant(own), 50.0 * (np.arange(-6, 7) == 0))


def test_masks_that_happen_to_be_good_in_some_frames_do_not_look_like_a_lag() -> None:
    """Every camera has its own good frame in each window: were frames free to choose, those would be chosen."""
    rng, size = np.random.default_rng(2), 7
    a, b = np.indices((size, size))
    rows = []
    for _ in range(60):
        good = rng.integers(2, 5, 4)
        row = []
        for i, j in combinations(range(4), 2):
            bad = 2.0 * (a != good[i]) + 2.0 * (b != good[j])
            row.append(about_the_instant(0.5 * np.abs(a - b) + bad))
        rows.append(row)
    lags = LagTables(tuple("abcd"), 3, tuple(range(60)), np.array(rows, dtype=np.float32))
    assert solve(lags) == [0, 0, 0, 0]
    assert [fact.best for fact in lag_facts(lags, [0] * 4)] in ([0] * 4, [None] * 4)


def test_what_most_cameras_share_is_called_nought() -> None:
    assert solve(tables([1, 1, 0, 1])) == [0, 0, -1, 0]


def test_noise_alone_is_no_lag() -> None:
    """400 recordings of four cameras whose residuals have nothing to do with time: hardly a camera is accused."""
    rng = np.random.default_rng(0)
    accused = 0
    for _ in range(400):
        values = rng.gamma(2.0, 1.0, (20, 6, 13)).astype(np.float32)
        facts = lag_facts(LagTables(("a", "b", "c", "d"), 3, tuple(range(20)), values), [0] * 4)
        accused += sum(fact.best not in (None, 0) for fact in facts)
    assert accused <= 4


def test_lost_frames_are_told_from_a_constant_lag() -> None:
    early, late = tables([0, 0, 0, 0]), tables([0, 2, 0, 0])
    both = LagTables(early.names, 3, tuple(range(24)), np.concatenate([early.tables, late.tables]))
    found = list(lag_findings(lag_facts(both, [0] * 4), both, [0] * 4))
    assert ("lag-changes", "cam1") in [(f.code, f.camera) for f in found]
    assert [f.code for f in lag_findings(lag_facts(late, [0] * 4), late, [0] * 4)] == ["camera-lags"]
