"""Captures of small numbered images and masks, made without a capture.toml."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mouselift.capture.capture import Capture, CaptureCamera
from mouselift.geometry.camera import Camera
from mouselift.media.images import FrameSet

NumberOf = Callable[[np.ndarray], int]
B_FRAMES = {"bf": "3", "g": "12"}  # options of `make_video`
SIZE = (96, 64)


def capture(path: Path, cameras: Sequence[CaptureCamera], numbering: str | None = None) -> Capture:
    rig = path / "rig", "dannce", (), numbering
    return Capture(path / "capture.toml", "mm", None, tuple(cameras), (), None, None, *rig)


def view(
    name: str,
    video: Path | None = None,
    images: Path | None = None,
    mask: Path | None = None,
    offset: int = 0,
    crop: tuple[int, int] = (0, 0),
    mask_first: int | None = None,
) -> CaptureCamera:
    camera = Camera(SIZE[0] + crop[0], SIZE[1] + crop[1], 100.0, 100.0, 60.0, 40.0, np.eye(4), name=name)
    return CaptureCamera(name, camera, video, images, mask, offset, crop, mask_first=mask_first)


def numbers(sets: list[FrameSet], number_of: NumberOf) -> list[list[int | None]]:
    return [[None if v.image is None else number_of(v.image.rgb()[:, :, 1]) for v in s.views] for s in sets]


def folder_of(path: Path, wanted: Sequence[int], start: int, value: Callable[[int], np.ndarray]) -> Path:
    path.mkdir()
    for i, number in enumerate(wanted):
        assert cv2.imwrite(str(path / f"f_{start + number:05d}.png"), value(i))
    return path


def block(number: int) -> np.ndarray:
    """A mask whose box tells its number."""
    mask = np.zeros((SIZE[1], SIZE[0]), dtype=np.uint8)
    mask[5:20, 5 : 6 + number] = 255
    return mask


def width_of(mask: np.ndarray | None) -> int | None:
    return None if mask is None else int((mask[10] > 127).sum()) - 1
