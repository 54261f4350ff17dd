"""A camera on a circle about the origin: turntable cameras, a video and a sheet of stills."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from av.error import FFmpegError
from torch import Tensor

from mouselift.array_types import Array, Float, ImageRGB, UInt8, Vector3
from mouselift.atomic import whole_file
from mouselift.errors import VideoError
from mouselift.framing.framing import PRETRAINED_DISTANCE
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.media.encode import VideoWriter

_START_DEG = 270.0  # azimuth of the first camera: before the subject, which faces -Y
_GOP = 30  # frames from one that players can jump to to the next
_QUALITY = 12  # x264's crf: hardly to be told from lossless, and any player opens it


def orbit_camera(
    azimuth_deg: float,
    elevation_deg: float = 0.0,
    radius: float = PRETRAINED_DISTANCE,
    fov_deg: float = 50.0,
    size: int = 512,
    target: Vector3 | None = None,
) -> Camera:
    """A square camera that looks at `target` (the origin by default), world +Z up, counter-clockwise about +Z.

    `fov_deg` is the full horizontal field, so f = size / 2 / tan(fov / 2). The defaults are those of the release.
    ValueError straight above or below, where "up" says nothing.
    """
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    away = np.array([math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), 0.0])
    away[2] = math.sin(elevation)
    middle = target if target is not None else np.zeros(3)
    T_cam_world = looking_at(middle, middle + radius * away)
    focal = size / 2 / math.tan(math.radians(fov_deg) / 2)
    return Camera(size, size, focal, focal, size / 2, size / 2, T_cam_world, name=f"orbit_{azimuth_deg:g}")


def turntable(
    count: int = 150,
    elevation_deg: float = 0.0,
    radius: float = PRETRAINED_DISTANCE,
    fov_deg: float = 50.0,
    size: int = 512,
) -> list[Camera]:
    """One turn of `count` cameras, first at azimuth 270 degrees, then counter-clockwise; the last is not the first."""
    steps = [_START_DEG + 360.0 * i / count for i in range(count)]
    return [orbit_camera(azimuth, elevation_deg, radius, fov_deg, size) for azimuth in steps]


def levels_of(image: Float[Tensor, "c h w"]) -> UInt8[Array, "h w c"]:
    """An image of 0..1 as 8 bit levels, rounded; what is brighter than 1 becomes 255."""
    return (image.detach().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy()


def write_video(path: Path, frames: Iterable[ImageRGB], fps: float = 30.0) -> None:
    """MP4 (H.264, 4:2:0, BT.709), whole or not at all.

    OutputError: the file exists. VideoError: there are no frames, their sizes are odd or differ, or the encoder fails.
    """
    with whole_file(path) as temporary:
        images = iter(frames)
        first = next(images, None)
        if first is None:
            raise VideoError(f"{path}: expected at least one frame, got none")
        size = first.shape[1], first.shape[0]
        try:
            with VideoWriter(temporary, size, fps, _GOP, _QUALITY, "bt709", "medium", index_first=True) as writer:
                for image in chain([first], images):
                    writer.write(image)
        except FFmpegError as error:
            raise VideoError(f"{path}: FFmpeg cannot write this video: {error}") from error


def still_sheet(stills: Sequence[ImageRGB], columns: int = 4, gap: int = 4) -> UInt8[Array, "sheet_h sheet_w 3"]:
    """Images of one size in a grid on light grey, row by row. ValueError where there are none or sizes differ."""
    shapes = {still.shape for still in stills}
    if len(shapes) != 1:
        raise ValueError(f"still_sheet: expected images of one size, got sizes {sorted(shapes)}")
    height, width = stills[0].shape[:2]
    across = min(columns, len(stills))
    down = -(-len(stills) // across)
    sheet = np.full((down * (height + gap) + gap, across * (width + gap) + gap, 3), 226, dtype=np.uint8)
    for index, still in enumerate(stills):
        y, x = gap + index // across * (height + gap), gap + index % across * (width + gap)
        sheet[y : y + height, x : x + width] = still
    return sheet
