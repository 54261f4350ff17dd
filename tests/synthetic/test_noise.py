"""Every fault of `Noise` shows in the written capture, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.errors import CaptureError
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import Rig
from mouselift.synthetic.truth import Truth
from noise import Noise, spoil_capture
from other_rigs import cut_rig

Reader = Callable[[Path], np.ndarray]
Make = Callable[..., tuple[Truth, np.ndarray, np.ndarray]]


@pytest.fixture
def make(small_rig: Rig, tmp_path: Path, frames_of: Reader) -> Make:
    """(truth, masks [view, frame, h, w], images of view 0) of a capture with some noise."""

    def write(noise: Noise, lag: Mapping[int, int] | None = None) -> tuple[Truth, np.ndarray, np.ndarray]:
        rig = Rig(small_rig.cameras[:2], small_rig.arena)
        spec = CaptureSpec(frames=3, rig=rig, fps=5.0, images="png", masks="png", lag=lag or {})
        truth = write_capture(tmp_path / "c", spec)
        spoil_capture(tmp_path / "c", noise)
        masks = [frames_of(tmp_path / "c" / "masks" / f"Camera{i}")[..., 0] for i in (1, 2)]
        return truth, np.stack(masks), frames_of(tmp_path / "c" / "images" / "Camera1")

    return write


def clean(truth: Truth) -> np.ndarray:
    return np.stack([[render_silhouette(truth.mesh(f), c, 3) for f in range(3)] for c in truth.cameras])


def near(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a.astype(int) - b.astype(int)).max() <= 1)


def test_no_noise(make: Make) -> None:
    truth, masks, _ = make(Noise())
    assert near(masks, clean(truth))


def test_dilated_masks(make: Make) -> None:
    truth, masks, _ = make(Noise(dilate_px={1: 3}))
    exact = clean(truth)
    assert near(masks[0], exact[0])
    fat = np.stack([cv2.dilate(m, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))) for m in exact[1]])
    assert near(masks[1], fat)
    assert (masks[1] > 127).sum() > 1.15 * (exact[1] > 127).sum()


def test_missing_tail(make: Make) -> None:
    truth, masks, _ = make(Noise(tail_missing=(0,)))
    exact = clean(truth)
    lost = (exact[0] > 127) & (masks[0] <= 127)
    assert (masks[0] <= exact[0]).all()
    assert 60 < lost.sum() / 3 < 0.4 * (exact[0] > 127).sum() / 3
    assert near(masks[1], exact[1])


def test_holes_and_specks(make: Make) -> None:
    truth, masks, _ = make(Noise(holes=2, hole_px=3, specks=3, speck_px=2))
    exact = clean(truth)
    assert ((exact == 255) & (masks == 0)).reshape(6, -1).sum(axis=1).min() >= 14
    assert ((exact == 0) & (masks == 255)).reshape(6, -1).sum(axis=1).min() >= 8


def test_missing_masks(make: Make) -> None:
    truth, masks, _ = make(Noise(missing={1: (0, 2)}))
    exact = clean(truth)
    assert not masks[1, 0].any()
    assert not masks[1, 2].any()
    assert near(masks[1, 1], exact[1, 1])
    assert near(masks[0], exact[0])
    with pytest.raises(CaptureError, match=r"no frame \[9\]"):
        Noise(missing={0: (9,)}).check(2, 3)


def test_a_lagging_camera_shows_the_past(make: Make) -> None:
    truth, masks, images = make(Noise(), lag={0: 1})
    exact = clean(truth)
    assert near(masks[1], exact[1])
    assert near(masks[0, 1:], exact[0, :2])
    assert not near(masks[0, 1], exact[0, 1])
    assert dict(truth.lag) == {0: 1}
    darkest = images[2].astype(int).sum(axis=2)[exact[0, 1] == 255]
    assert darkest.mean() < images[2].astype(int).sum(axis=2)[exact[0, 1] == 0].mean()  # the image lags with it


def test_a_cut_subject_keeps_an_exact_camera(small_rig: Rig, tmp_path: Path, frames_of: Reader) -> None:
    rig = Rig(small_rig.cameras[:2], small_rig.arena)
    spec = CaptureSpec(frames=2, rig=rig, fps=5.0, images="png", masks="png")
    whole = write_capture(tmp_path / "whole", spec)
    _, x = np.nonzero(render_silhouette(whole.mesh(0), whole.cameras[0]))
    box = (0, 10, int(x.mean()) // 2 * 2, 250)
    truth = write_capture(tmp_path / "cut", replace(spec, rig=cut_rig(rig, 0, box)))
    with pytest.raises(CaptureError, match="does not lie in its 288 x 256 image"):
        cut_rig(rig, 1, (0, 0, 999, 10))
    camera = truth.cameras[0]
    assert (camera.width, camera.height) == (box[2], 240)
    assert (camera.cx, camera.cy) == (rig.cameras[0].cx, rig.cameras[0].cy - 10)
    masks = frames_of(tmp_path / "cut" / "masks" / "Camera1")[..., 0]
    np.testing.assert_array_equal(masks, frames_of(tmp_path / "whole" / "masks" / "Camera1")[:, 10:250, : box[2], 0])
    assert masks[0][:, -1].any()  # the border cuts the animal
    assert near(masks[0], render_silhouette(truth.mesh(0), camera, 3))
    assert near(
        frames_of(tmp_path / "cut" / "images" / "Camera1"),
        frames_of(tmp_path / "whole" / "images" / "Camera1")[:, 10:250, : box[2]],
    )


def test_sensor_noise(make: Make) -> None:
    _, _, noisy = make(Noise(sensor_sigma=4.0))
    corner = noisy[:, :40, :40].astype(float)
    frame_to_frame = np.diff(corner, axis=0).std() / np.sqrt(2)
    assert frame_to_frame == pytest.approx(4.0, rel=0.1)


def test_lossy_masks(small_rig: Rig, tmp_path: Path, frames_of: Reader) -> None:
    spec = CaptureSpec(frames=2, rig=Rig(small_rig.cameras[:1], small_rig.arena), mask_crf=38)
    truth = write_capture(tmp_path / "c", spec)
    seen = frames_of(tmp_path / "c" / "masks" / "Camera1.mp4")[0, ..., 0]
    exact = render_silhouette(truth.mesh(0), truth.cameras[0], 3)
    assert np.abs(seen.astype(int) - exact).max() > 40
    union = ((seen > 127) | (exact > 127)).sum()
    assert ((seen > 127) & (exact > 127)).sum() / union > 0.9
