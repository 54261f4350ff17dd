"""Holes and bites are seen in one mask alone, at any size; whole animals have hardly any."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mouselift.inspect.agreement import mask_findings
from mouselift.inspect.facts import MaskFacts
from mouselift.masks.quality import FrameRecord, ViewRecord, summarise
from mouselift.masks.torn import GOOD_TORN, torn_share
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig, scaled_rig


@pytest.fixture(scope="module")
def silhouettes() -> list[np.ndarray]:
    """Of six cameras at three instants: walking, turning, rearing."""
    rig = scaled_rig(markerless_rig(), 0.5)
    mouse, motion = Mouse(), Motion(rig.arena, 4)
    meshes = [mouse.posed(motion.pose(time)).mesh for time in (0.6, 2.1, 3.9)]
    return [render_silhouette(mesh, camera, 2) >= 128 for mesh in meshes for camera in rig.cameras]


def bitten(mask: np.ndarray, share: float) -> np.ndarray:
    """Without the middle of the trunk: what an earlier place of the animal covered."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    hole = np.zeros(mask.shape, np.uint8)
    radius = min(0.65 * float(depth.max()), np.sqrt(share * mask.sum() / np.pi))
    return mask & ~(cv2.circle(hole, (int(x), int(y)), round(radius), 1, -1) > 0)


def test_whole_animals_are_whole(silhouettes: list[np.ndarray]) -> None:
    shares = [share for mask in silhouettes if (share := torn_share(mask)) is not None]
    assert len(shares) == len(silhouettes)
    assert max(shares) < 0.045
    assert np.median(shares) < 0.02


@pytest.mark.parametrize("share", [0.07, 0.15, 0.25])
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_a_hole_is_seen_at_any_size(silhouettes: list[np.ndarray], scale: float, share: float) -> None:
    for mask in silhouettes:
        own = cv2.resize(
            bitten(mask, share).astype(np.uint8), None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST
        )
        found = torn_share(own > 0)
        assert found is not None
        assert found > GOOD_TORN


def test_what_is_too_small_says_nothing() -> None:
    assert torn_share(np.zeros((100, 100), dtype=bool)) is None
    dot = np.zeros((100, 100), dtype=bool)
    dot[40:52, 40:52] = True
    assert torn_share(dot) is None
    line = np.zeros((600, 600), dtype=bool)
    line[300, 50:550] = True  # a tail alone: no trunk
    assert torn_share(line) is None


def test_it_is_said(silhouettes: list[np.ndarray]) -> None:
    records = [
        FrameRecord(k, tuple(ViewRecord("ok", int(m.sum()), torn=torn_share(m)) for m in (mask, bitten(mask, 0.15))))
        for k, mask in enumerate(silhouettes)
    ]
    whole, torn = summarise(("whole", "torn"), records)
    assert "torn" not in whole.verdict
    assert "it is torn: holes and bites are" in torn.verdict
    facts = [MaskFacts(q.camera, 18, 0, 0, 0, 0, 0, None, None, q) for q in (whole, torn)]
    assert [(f.code, f.camera) for f in mask_findings(facts)] == [("mask-torn", "torn")]
