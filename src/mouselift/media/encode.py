"""Writers of images: H.264 videos, folders of PNGs, JPEG. One frame in memory."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from mouselift.array_types import ImageRGB, Levels
from mouselift.errors import VideoError

ColourTag = Literal["bt709", "untagged"]


class VideoWriter:
    """H.264, yuv420p. Encoded by one thread: equal frames give equal bytes."""

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: float,
        gop: int,
        crf: int,
        colour: ColourTag = "untagged",
        preset: str = "veryfast",
        index_first: bool = False,
    ) -> None:
        """`size` = (width, height), both even (VideoError otherwise: 4:2:0 halves them).

        "bt709" converts with that matrix and says so in the stream; "untagged" converts with BT.601
        and says nothing, as OpenCV and plain ffmpeg pipes do. index_first: an MP4 that plays while it is loaded.
        """
        if size[0] % 2 or size[1] % 2:
            raise VideoError(f"{path}: H.264 with 4:2:0 colours needs an even size, got {size[0]} x {size[1]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._size, self._colour = path, size, colour
        self._container = av.open(str(path), "w", container_options={"movflags": "faststart"} if index_first else {})
        # x264's macroblock tree reads memory that nobody wrote: with it, equal frames gave up to 40 different files
        options = {"crf": str(crf), "preset": preset, "x264-params": "log-level=none:mbtree=0"}
        stream = self._container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.gop_size, context.thread_count = gop, 1
        if colour == "bt709":
            # the numbers of ITU-T H.273: BT.709 is 1 in all three tables
            context.colorspace, context.color_primaries, context.color_trc = Colorspace.ITU709, 1, 1
            context.color_range = ColorRange.MPEG
        self._stream = stream

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, image: ImageRGB | Levels) -> None:
        """One frame: RGB, or a mask (written as three equal channels)."""
        rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
        if (rgb.shape[1], rgb.shape[0]) != self._size:
            raise VideoError(
                f"{self._path}: expected a frame of {self._size[0]} x {self._size[1]}, "
                f"got {rgb.shape[1]} x {rgb.shape[0]}"
            )
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        space = Colorspace.ITU709 if self._colour == "bt709" else Colorspace.ITU601
        planes = frame.reformat(format="yuv420p", dst_colorspace=space, dst_color_range=ColorRange.MPEG)
        self._container.mux(self._stream.encode(planes))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


class PngWriter:
    """A folder of PNGs named by frame: 000000.png, 000001.png, ..."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._next = folder, 0

    def __enter__(self) -> PngWriter:
        return self

    def write(self, image: ImageRGB | Levels) -> None:
        """One frame: RGB, or a mask (one grey channel)."""
        path = self._folder / f"{self._next:06d}.png"
        good, data = cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)
        if not good:
            raise VideoError(f"{path}: OpenCV could not encode an image of shape {image.shape}")
        path.write_bytes(data.tobytes())
        self._next += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""


FrameWriter = VideoWriter | PngWriter


def encode_jpeg(image: ImageRGB, quality: int) -> bytes:
    """A JPEG file's content. quality: 0..100."""
    good, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError("encode_jpeg: the image cannot be encoded")
    return data.tobytes()
