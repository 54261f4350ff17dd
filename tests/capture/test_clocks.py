"""Times of images to a common timeline: equal to the truth image by image, or refused."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from mouselift.capture.clocks import align
from mouselift.capture.timeline import LOST, images_at, problem_of, runs_of
from mouselift.errors import CaptureError

PERIOD = 1 / 100


def rig(seed: int, *, offset: bool = False, ppm: float = 0.0, jitter: float = 0.1):
    """True frames and times of three cameras that lost images at random; the first image of all is kept."""
    rng = np.random.default_rng(seed)
    ticks, times = {}, {}
    for index in range(3):
        lost = rng.choice(np.arange(1, 1999), size=rng.integers(1, 40), replace=False)
        kept = np.setdiff1d(np.arange(2000), lost)
        rate = PERIOD * (1 + ppm * 1e-6 * index)
        own = kept * rate + rng.uniform(-jitter, jitter, len(kept)) * PERIOD
        ticks[f"c{index}"] = kept
        times[f"c{index}"] = own + (rng.uniform(1, 1e6) if offset else 0.0)
    return ticks, times


def agree(found, truth) -> bool:
    return all(np.array_equal(found[name], truth[name]) for name in truth)


@pytest.mark.parametrize("seed", range(20))
def test_random_losses_and_jitter(seed: int) -> None:
    truth, times = rig(seed)
    assert agree(align(times).frames, truth)
    shifted = {name: np.r_[found[:500], found[500:] + 1] for name, found in truth.items()}
    assert not agree(align(times).frames, shifted)


@pytest.mark.parametrize("seed", range(10))
def test_own_clocks_with_drift_and_epochs(seed: int) -> None:
    truth, times = rig(seed, offset=True, ppm=300.0)
    assert agree(align(times, "own").frames, truth)
    with pytest.raises(CaptureError, match=r"common.*own"):
        align(times)


@pytest.mark.parametrize("seed", range(10))
def test_one_clock_and_a_late_camera(seed: int) -> None:
    truth, times = rig(seed)
    for name, late in (("c1", 7), ("c2", 3)):
        times[name], truth[name] = times[name][late:], truth[name][late:]
    first = min(int(found[0]) for found in truth.values())
    assert agree(align(times, "common").frames, {name: found - first for name, found in truth.items()})
    with pytest.raises(CaptureError, match=r"common.*own"):
        align(times)


def test_long_gap() -> None:
    ticks = np.r_[0:300, 900:1500]
    whole = np.arange(1500)
    stamped = {"a": np.rint(ticks * PERIOD * 3.3333 * 1e3) / 1e3, "b": np.rint(whole * PERIOD * 3.3333 * 1e3) / 1e3}
    assert agree(align(stamped).frames, {"a": ticks, "b": whole})  # stamps in whole milliseconds


def test_what_is_refused() -> None:
    times = np.arange(100) * PERIOD
    with pytest.raises(CaptureError, match="do not increase at image 50"):
        align({"a": np.where(np.arange(100) == 50, 0.0, times), "b": times})
    with pytest.raises(CaptureError, match="different rates"):
        align({"a": times, "b": times * 2, "c": times})
    late = times.copy()
    late[40] += 0.8 * PERIOD
    with pytest.raises(CaptureError, match="images 40 and 41"):
        align({"a": late, "b": times})


@pytest.mark.parametrize("written", [1e-3, 1e-2, 1 / 64, 1 / 128])
@pytest.mark.parametrize("rate", [24, 29.97, 30, 50, 60, 100, 120, 240, 400, 500])
def test_rounded_times_are_read_or_refused(written: float, rate: float) -> None:
    """Whole milliseconds, Windows' clock of 64 ticks a second, float32: never gaps that there were not."""
    rng = np.random.default_rng(int(rate))
    for lost in (0, 1, 5, 20):
        kept = np.setdiff1d(np.arange(240), rng.choice(np.arange(1, 240), size=lost, replace=False))
        stamped = np.rint((kept / rate + rng.uniform()) / written) * written
        found = None
        with suppress(CaptureError):
            found = align({"a": stamped, "b": stamped}).frames["a"]
        assert np.array_equal(found, kept) if found is not None else written * rate > 0.3


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_the_frames(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = np.sort(rng.choice(200, size=120, replace=False))
    left_out = rng.random(120) < 0.1
    frames[left_out] = LOST
    runs = runs_of(frames)
    expected = np.full(210, LOST)
    expected[frames[~left_out]] = np.flatnonzero(~left_out)
    np.testing.assert_array_equal(images_at(runs, range(210)), expected)
    assert problem_of(runs, 120) is None
    assert problem_of(runs, int(np.flatnonzero(~left_out)[-1])) is not None
