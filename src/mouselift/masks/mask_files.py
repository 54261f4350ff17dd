"""Masks on disk: a lossless grey video per camera, or PNGs named by the camera's own frame numbers.

Both are written under a hidden name and renamed when whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.error import FFmpegError

from mouselift.array_types import Levels
from mouselift.atomic import whole_file
from mouselift.errors import MaskError, OutputError
from mouselift.media.png import encode_png

_DIGITS = 6


def png_name(number: int) -> str:
    """File name of a mask by the camera's own frame number (counted as its video or image folder counts)."""
    return f"{number:0{_DIGITS}d}.png"


def write_mask(folder: Path, number: int, levels: Levels) -> None:
    """One PNG, whole or not at all. OutputError where it cannot be written; finished masks are kept then."""
    with whole_file(folder / png_name(number), replace=True) as temporary:
        temporary.write_bytes(encode_png(levels))


def read_mask(path: Path) -> Levels:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise MaskError(f"{path}: cannot be decoded; delete it and run again")
    return np.asarray(image, dtype=np.uint8)


def write_video(path: Path, images: Iterable[Levels], size: tuple[int, int], rate: float) -> None:
    """FFV1 in Matroska, grey, every image a key frame, the same bytes every time; size = (width, height).

    OutputError where it cannot be written; nothing is left behind then.
    """
    with whole_file(path, replace=True) as temporary:
        try:
            _encode(temporary, images, size, rate)
        except FFmpegError as error:
            raise OutputError(f"{path}: the mask video cannot be written ({error})") from error


def _encode(path: Path, images: Iterable[Levels], size: tuple[int, int], rate: float) -> None:
    steps = Fraction(rate if rate > 0 else 25).limit_denominator(1001)
    with av.open(str(path), "w", format="matroska", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("ffv1", rate=steps, options={"flags": "+bitexact", "level": "3", "slices": "4"})
        stream.width, stream.height, stream.pix_fmt = *size, "gray"
        stream.codec_context.gop_size = 1
        stream.codec_context.thread_count = 1  # slices in a fixed order
        for number, levels in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format="gray")
            frame.pts = number
            frame.time_base = 1 / steps
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
