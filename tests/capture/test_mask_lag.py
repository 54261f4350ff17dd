"""Masks of the images before or after theirs: views agree, so that the images alone tell."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.capture.mask_lag import mask_lags
from mouselift.capture.tracks import CameraTracks, Track
from mouselift.geometry.camera import Camera
from mouselift.media.images import ImageFolder

SIZE = (128, 96)
COUNT = 60
CAMERA = Camera.from_matrices(
    np.array([[100.0, 0, 64], [0, 100, 48], [0, 0, 1]]), np.eye(3), np.zeros(3), SIZE, name="Camera1"
)


def disc(number: int, speed: float, radius: float = 11) -> np.ndarray:
    """[h, w] 0 or 255: it goes round, several times in COUNT images."""
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    angle = speed * number / 24
    return np.uint8(255) * (np.hypot(u - 64 - 24 * np.cos(angle), v - 48 - 24 * np.sin(angle)) < radius)


def recording(
    folder: Path, shift: int, speed: float, every: int = 1, contrast: int = 90, grown: int = 0
) -> CameraTracks:
    """Images of a disc on an uneven floor; masks of the image `shift` later, their disc `grown` px larger."""
    rng = np.random.default_rng(3)
    floor = cv2.GaussianBlur(rng.integers(40, 160, SIZE[::-1]).astype(np.uint8), (0, 0), 3)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for number in range(COUNT):
        image = np.where(disc(number, speed) > 0, floor + np.uint8(contrast), floor)
        cv2.imwrite(str(folder / f"images/{number:04d}.png"), np.dstack([image] * 3))
        if number % every == 0:
            cv2.imwrite(str(folder / f"masks/{number:04d}.png"), disc(number + shift, speed, 11 + grown))
    images, masks = (ImageFolder.scan(folder / kind, masks=kind == "masks") for kind in ("images", "masks"))
    return CameraTracks("Camera1", CAMERA, Track(images, 0), Track(masks, 0))


@pytest.mark.parametrize(("shift", "said"), [(1, "1 image later"), (-1, "1 image earlier"), (2, "2 images later")])
def test_masks_of_other_images_are_said(tmp_path: Path, shift: int, said: str) -> None:
    (found,) = mask_lags([recording(tmp_path, shift, speed=3.0)])
    assert (found.code, found.severity, found.camera) == ("masks-lag", "warning", "Camera1")
    assert f"fit the images {said}" in found.message
    assert f"is that of frame n {'+' if shift > 0 else '-'} {abs(shift)}" in found.message


def test_a_slow_subject_shows_a_larger_lag(tmp_path: Path) -> None:
    (found,) = mask_lags([recording(tmp_path, 8, speed=0.5)])
    assert "about 8 images later" in found.message


@pytest.mark.parametrize(("speed", "contrast"), [(3.0, 90), (0.5, 90), (0.0, 90), (3.0, 0), (8.0, 20)])
def test_right_masks_are_not_doubted(tmp_path: Path, speed: float, contrast: int) -> None:
    """Fast, slow, at rest, not seen at all, hardly seen."""
    assert list(mask_lags([recording(tmp_path, 0, speed, contrast=contrast)])) == []


@pytest.mark.parametrize("grown", [-4, -2, 2, 4])
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0, 3.0])
def test_right_masks_that_are_too_large_or_too_small_are_not_doubted(tmp_path: Path, grown: int, speed: float) -> None:
    """Their outline lies beside the subject's, which those of other images cross."""
    assert list(mask_lags([recording(tmp_path, 0, speed, grown=grown)])) == []


@pytest.mark.parametrize("grown", [-1, 1])
def test_masks_of_other_images_are_said_though_they_are_too_large_or_too_small(tmp_path: Path, grown: int) -> None:
    (found,) = mask_lags([recording(tmp_path, 1, speed=3.0, grown=grown)])
    assert "1 image later" in found.message


def test_masks_of_every_tenth_image_have_no_neighbours(tmp_path: Path) -> None:
    assert list(mask_lags([recording(tmp_path, 1, speed=3.0, every=10)])) == []


def test_lost_images_are_no_lag(tmp_path: Path) -> None:
    """Image runs: masks go by the images' numbers."""
    track = recording(tmp_path, 0, speed=3.0)
    assert track.masks is not None
    runs = ((0, 0, 20), (25, 20, 40))
    lost = CameraTracks(
        "Camera1", CAMERA, Track(track.images.media, 0, runs=runs), Track(track.masks.media, 0, runs=runs)
    )
    assert list(mask_lags([lost])) == []
    late = CameraTracks(
        "Camera1", CAMERA, Track(track.images.media, 0, runs=runs), Track(track.masks.media, 1, runs=runs)
    )
    (found,) = mask_lags([late])
    assert "1 image later" in found.message
