"""The fast warp against its slow twin, and what it promises about alpha, background and errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from mouselift.errors import MaskError, VideoError
from mouselift.framing.framing import PRESETS
from mouselift.framing.plan import ViewPlan
from mouselift.framing.planning import plan_sample
from mouselift.geometry.outlines import Silhouette
from mouselift.prepare.resample import ALPHA_FLOOR, composited, straight, warp_view
from resample_reference import reference_view

# OpenCV 4 rounds positions to 1/32 of a pixel from the box's corner.
BOX_LEVELS = 2 if int(cv2.__version__.split(".")[0]) >= 5 else 8


def view_at(scale: float, shot: Any, up: Any) -> ViewPlan:
    """A look-at view of the shot at a given scale, the frame just large enough."""
    plan = plan_sample(PRESETS["canonical"], shot.cameras, shot.silhouettes, up)
    view = plan.views[1]
    size = int(110 * scale) + 16
    target = view.source.turned(view.target.R_cam_world @ view.source.R_cam_world.T).pinhole(
        view.source.focal * scale, (size * 0.22 + 0.31, size / 2 - 0.17), (size, size)
    )
    return replace(view, target=target, scale=scale, focal=target.fx, box=(0, 0, size, size))


def inside_psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """dB over pixels that are wholly subject, colours only."""
    solid = reference[..., 3] > 254.5
    for axis in (0, 1):
        for step in (1, 2, -1, -2):
            solid &= np.roll(solid, step, axis)
    assert solid.sum() > 200
    error = image[..., :3][solid] - reference[..., :3][solid]
    return float(20 * np.log10(255 / np.sqrt((error.astype(float) ** 2).mean())))


@pytest.mark.parametrize(
    ("scale", "least"), [(1.4, 46.0), (1.0, 46.0), (0.8, 46.0), (0.55, 45.0), (0.4, 45.0), (0.2, 45.0)]
)
def test_inside_the_subject(scale: float, least: float, shot: Any, up: Any, fur: Any, image_of: Any) -> None:
    view = view_at(scale, shot, up)
    image = warp_view(view, image_of(fur), shot.masks[1])
    assert inside_psnr(image, reference_view(view, fur, shot.masks[1], samples=3)) >= least


@pytest.mark.parametrize("fault", [{"x": 0.5, "y": 0.0}, {"x": 0.0, "y": 0.5}, {"x": 0.0, "y": 0.0, "zoom": 1.01}])
@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_the_comparison_notices(
    scale: float, fault: dict[str, float], shot: Any, up: Any, fur: Any, image_of: Any, faulty: Any
) -> None:
    view = view_at(scale, shot, up)
    wrong = warp_view(faulty(view, **fault), image_of(fur), shot.masks[1])
    assert inside_psnr(wrong, reference_view(view, fur, shot.masks[1], samples=3)) < 43.0


def test_an_untouched_view_keeps_its_pixels(shot: Any, fur: Any, image_of: Any) -> None:
    """Scale 1, no lens, a shift by whole pixels: linear reading gives the very pixels back."""
    source = replace(shot.cameras[0], fx=700.0, fy=700.0, skew=0.0, lens=type(shot.cameras[0].lens)())
    target = replace(source.pinhole(700.0, (source.cx - 100, source.cy - 60), (256, 256)))
    view = ViewPlan(source, target, 1.0, 700.0, 1.0, 1.0, True, 0.0, None, None, (0, 0, 256, 256), False, False)
    solid = np.full(fur.shape[:2], 255, dtype=np.uint8)
    image = warp_view(view, image_of(fur), solid, interpolation="linear")
    assert np.array_equal(image[..., :3], fur[60:316, 100:356])
    assert (image[..., 3] == 255).all()
    default = warp_view(view, image_of(fur), solid)[4:-4, 4:-4, :3].astype(float)
    assert np.abs(default - fur[64:312, 104:352]).mean() < 1.0
    half = replace(view, target=replace(target, cx=target.cx + 0.5))
    assert not np.array_equal(warp_view(half, image_of(fur), solid, interpolation="linear")[..., :3], image[..., :3])


@pytest.mark.parametrize("scale", [1.3, 1.0, 0.7, 0.4])
def test_edges_on_white_do_not_brighten(scale: float, shot: Any, up: Any, image_of: Any) -> None:
    """A dark subject before a bright wall, composited on white: the rim is no lighter than the twin's."""
    view = view_at(scale, shot, up)
    mask = shot.masks[1]
    share = mask[..., None] / 255.0
    scene = np.rint(share * 60 + (1 - share) * 200).astype(np.uint8).repeat(3, axis=2)
    on_white = composited(warp_view(view, image_of(scene), mask), (255, 255, 255))[..., :3].astype(float)
    # The truth: the subject alone, level 60, by its exact share of each pixel.
    alpha = reference_view(view, np.full_like(scene, 60), mask, samples=3)[..., 3:] / 255
    truth = 60 * alpha + 255 * (1 - alpha)
    rim = (alpha[..., 0] > 0.02) & (alpha[..., 0] < 0.98)
    assert rim.sum() > 100
    assert abs((on_white - truth)[rim].mean()) < 16.0
    twin = reference_view(view, scene, mask, samples=3)
    twin_on_white = twin[..., :3] + 255 - twin[..., 3:]
    assert abs((on_white - twin_on_white)[rim].mean()) <= 4.0


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_background_is_exactly_nothing(preset: str, shot: Any, up: Any, fur: Any, image_of: Any) -> None:
    plan = plan_sample(PRESETS[preset], shot.cameras, shot.silhouettes, up)
    for view, mask in zip(plan.views, shot.masks, strict=True):
        image = warp_view(view, image_of(fur), mask)
        assert image.shape == (512, 512, 4)
        alpha = image[..., 3]
        assert not image[alpha == 0].any()
        assert ((alpha == 0) | (alpha >= ALPHA_FLOOR)).all()
        assert (alpha > 0).mean() > 0.05
        assert not (alpha[0].any() or alpha[-1].any() or alpha[:, 0].any() or alpha[:, -1].any()) or view.clipped


@pytest.mark.parametrize("interpolation", ["linear", "cubic", "quintic"])
def test_the_box_loses_nothing(interpolation: Any, shot: Any, up: Any, fur: Any, image_of: Any) -> None:
    """Resampling the subject's box or the whole frame: the same image."""
    for size in (512, 150):
        framing = replace(PRESETS["per-view"], size=size)
        for view, mask in zip(plan_sample(framing, shot.cameras, shot.silhouettes, up).views, shot.masks, strict=True):
            part = warp_view(view, image_of(fur), mask, interpolation=interpolation).astype(int)
            whole = warp_view(replace(view, box=None), image_of(fur), mask, interpolation=interpolation)
            assert np.array_equal(part[..., 3] > 0, whole[..., 3] > 0)
            # Near alpha 0 a level of the premultiplied colour is many of the straight one.
            solid = whole[..., 3] > 128
            assert np.abs(part[solid] - whole[solid]).max() <= BOX_LEVELS


def test_a_colour_as_background(shot: Any, up: Any, fur: Any, image_of: Any) -> None:
    view = plan_sample(PRESETS["per-sample"], shot.cameras, shot.silhouettes, up).views[0]
    bare = warp_view(view, image_of(fur), shot.masks[0])
    white = warp_view(view, image_of(fur), shot.masks[0], background=(255, 200, 0))
    assert (white[..., 3] == 255).all()
    assert (white[bare[..., 3] == 0] == [255, 200, 0, 255]).all()
    solid = bare[..., 3] == 255
    assert np.array_equal(white[solid], bare[solid])


def test_noise_of_lossy_masks_is_not_the_subject(shot: Any, up: Any, fur: Any, image_of: Any) -> None:
    view = plan_sample(PRESETS["per-sample"], shot.cameras, shot.silhouettes, up).views[0]
    noisy = np.maximum(shot.masks[0], np.random.default_rng(0).integers(0, 4, shot.masks[0].shape, dtype=np.uint8))
    clean = warp_view(view, image_of(fur), shot.masks[0])[..., 3]
    near = cv2.dilate((clean > 0).astype(np.uint8), np.ones((5, 5), dtype=np.uint8)) > 0
    assert not warp_view(view, image_of(fur), noisy)[..., 3][~near].any()
    speck = np.maximum(noisy, (noisy == 3).astype(np.uint8) * 30)  # the check notices what is above the floor
    assert warp_view(view, image_of(fur), speck)[..., 3][~near].any()


def test_a_subject_at_the_sensor_border(shot: Any, up: Any, fur: Any, image_of: Any) -> None:
    """Outside the source image there is background, not a smeared border."""
    camera = shot.cameras[0]
    mask = np.zeros(fur.shape[:2], dtype=np.uint8)
    mask[100:300, :120] = 255
    silhouettes = [Silhouette.from_mask(mask > 127), *shot.silhouettes[1:]]
    view = plan_sample(PRESETS["per-view"], shot.cameras, silhouettes, up).views[0]
    assert view.cut
    image = warp_view(view, image_of(fur), mask)
    edge = view.reframe.to_target(np.array([[-1.5, 150.0], [-1.5, 250.0], [3.0, 200.0]]))
    assert image[int(edge[0, 1]), int(edge[0, 0]), 3] == 0
    assert image[int(edge[1, 1]), int(edge[1, 0]), 3] == 0
    assert image[int(edge[2, 1]), int(edge[2, 0]), 3] == 255
    assert camera.name == view.name


def test_a_subject_outside_the_frame_is_an_empty_image(shot: Any, up: Any, fur: Any, image_of: Any) -> None:
    view = plan_sample(PRESETS["per-sample"], shot.cameras, shot.silhouettes, up).views[0]
    away = replace(view, target=replace(view.target, cx=5000.0), box=(512, 0, 512, 300))
    assert not warp_view(away, image_of(fur), shot.masks[0]).any()
    assert not warp_view(replace(away, box=None), image_of(fur), shot.masks[0]).any()


def test_sizes_must_agree(shot: Any, up: Any, fur: Any, image_of: Any) -> None:
    view = plan_sample(PRESETS["per-sample"], shot.cameras, shot.silhouettes, up).views[2]
    with pytest.raises(VideoError, match="cam2: expected an image of the calibrated size 480 x 420, got 420 x 480"):
        warp_view(view, image_of(np.ascontiguousarray(fur.transpose(1, 0, 2))), shot.masks[2])
    with pytest.raises(MaskError, match="cam2: expected a mask of the image's size 480 x 420, got 420 x 480"):
        warp_view(view, image_of(fur), np.ascontiguousarray(shot.masks[2].T))


def test_straight_alpha() -> None:
    pixels = np.array([[[100, 50, 0, 128], [7, 7, 7, 7], [200, 10, 255, 255], [40, 0, 0, 20]]], dtype=np.uint8)
    assert straight(pixels).tolist() == [[[199, 100, 0, 128], [0, 0, 0, 0], [200, 10, 255, 255], [255, 0, 0, 20]]]


def test_the_same_view_twice_is_the_same_image(shot: Any, up: Any, fur: Any, image_of: Any) -> None:
    view = plan_sample(PRESETS["canonical"], shot.cameras, shot.silhouettes, up).views[3]
    first, second = (warp_view(view, image_of(fur), shot.masks[3]) for _ in range(2))
    assert np.array_equal(first, second)
