"""Keypoints of a disc: inside, near its edge, beside it, outside the image."""

from __future__ import annotations

import time

import numpy as np

from mouselift.geometry.camera import Camera
from mouselift.keypoints.off_mask import facts_of
from mouselift.keypoints.on_mask import REACH, OnMaskTally, on_mask

T = np.eye(4)
T[2, 3] = 100.0
CAMERA = Camera(200, 160, 100.0, 100.0, 100.0, 80.0, T, name="a")  # a world unit is a pixel


def disc(x: float, y: float, radius: float) -> np.ndarray:
    j, i = np.mgrid[:160, :200] + 0.5
    return ((i - x) ** 2 + (j - y) ** 2 < radius**2) * np.uint8(255)


def test_a_point_counts_as_on_the_mask_up_to_the_reach() -> None:
    mask = disc(100, 80, 40)
    reach = REACH * np.sqrt((mask > 0).sum())
    x = np.array([0.0, 39.0, 40 + reach - 1.0, 40 + reach + 1.5, np.nan, 150.0])
    points = np.stack([x, np.zeros(6), np.zeros(6)], axis=1)
    counts, on = on_mask(CAMERA, mask, points)
    assert counts.tolist() == [True, True, True, True, False, True]  # the subject is whole: outside the image is off
    assert on.tolist() == [True, True, True, False, False, False]
    counts, _ = on_mask(CAMERA, disc(180, 80, 40), points)
    assert counts.tolist() == [True, True, True, True, False, False]  # cut by the border: nothing is known beyond it


def test_shares_by_camera_and_by_name() -> None:
    tally = OnMaskTally(["a", "b"], ("nose", "tail"))
    points = np.array([[0.0, 0.0, 0.0], [30.0, 0.0, 0.0]])
    other = Camera(200, 160, 100.0, 100.0, 170.0, 80.0, T, name="b")  # shifted by 70 px
    tally.add([CAMERA, other], [disc(100, 80, 40)] * 2, points)
    tally.add([CAMERA, other], [None, np.zeros((160, 200), np.uint8)], points)
    assert tally.share(camera="a") == 1.0
    assert tally.share(camera="b") == 0.0
    assert tally.share(name="nose") == 0.5
    assert tally.share() == 0.5
    assert tally.instants == 2
    assert OnMaskTally(["a"], ("nose",)).share() is None


def test_the_points_of_a_whole_surface_are_counted_soon() -> None:
    """A mesh's corners as keypoints: looking each name up in a list took 20 s for 30,000."""
    names = [f"corner {k}" for k in range(30_000)]
    tally = OnMaskTally(["a", "b"], names)
    tally.seen += 2
    tally.on += 1
    began = time.process_time()
    both = tally.merged(tally).in_order_of(tally)
    facts = facts_of("a.csv", "anipose", (), both)
    assert time.process_time() - began < 8  # 0.3 s
    assert facts.names.keys() == set(names)
    assert facts.share == 0.5
