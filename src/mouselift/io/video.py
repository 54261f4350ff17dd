"""Video by PyAV: indexed once, read in order, frame-exact.

The index comes from demultiplexing alone: the sorted presentation times give every picture its
number, so a decoded picture is known by its time stamp, not by counting calls. Reading goes forward;
it jumps only where the gap to the next wanted picture passes a key frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Int64

from mouselift.core.types import Array, ImageRGB, Levels
from mouselift.errors import VideoError
from mouselift.io.frames import Box
from mouselift.io.yuv import full_range_levels, region_rgb, rgb_from_yuv

_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """What demultiplexing tells about a video; nothing is decoded."""

    path: Path
    width: int
    height: int
    rate: float  # frames per second; 0 where the file does not say
    frames: int  # pictures that can be read
    promised: int  # pictures that the header promises; 0 where it does not say
    times: Int64[Array, " n"] | None  # sorted presentation times; None: not stamped, read by counting
    keys: Int64[Array, " k"]  # picture numbers at which decoding can start

    def key_before(self, frame: int) -> int:
        return int(self.keys[max(int(np.searchsorted(self.keys, frame, side="right")) - 1, 0)])


def probe(path: Path) -> VideoInfo:
    """Index a video. Raises VideoError where it cannot be opened or holds no picture."""
    if not path.is_file():
        raise VideoError(f"{path}: no such video file; expected the file that capture.toml names")
    state = path.stat()
    return _probe(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _probe(path: Path, size: int, changed: int) -> VideoInfo:
    """Indexed once while the file stays as it is: loading a capture and opening its source both ask."""
    try:
        with av.open(str(path)) as container:
            return _index(path, container)
    except (FFmpegError, ValueError) as error:
        raise VideoError(
            f"{path}: cannot be opened as a video ({error}); truncated or not finished? "
            "Copy it again, or repair it with `ffmpeg -i in.mp4 -c copy out.mp4`"
        ) from error


def _index(path: Path, container: InputContainer) -> VideoInfo:
    if not container.streams.video:
        raise VideoError(f"{path}: expected a video stream, found none")
    stream = container.streams.video[0]
    times: list[int | None] = []
    keys: list[int] = []
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.is_keyframe:
                keys.append(packet.pts if packet.pts is not None else len(times))
            times.append(packet.pts)
    except FFmpegError:
        pass  # a truncated file: what came before is good, and `promised` tells that more was expected
    if not times:
        raise VideoError(f"{path}: holds no picture")
    context = stream.codec_context
    stamped = [t for t in times if t is not None]
    if len(stamped) == len(times) and len(set(stamped)) == len(stamped):
        order = np.sort(np.array(stamped, dtype=np.int64))
        key_frames = np.unique(np.searchsorted(order, np.array(keys, dtype=np.int64)))
    else:
        order, key_frames = None, np.zeros(1, dtype=np.int64)
    rate = float(stream.average_rate) if stream.average_rate else 0.0
    keys_found = np.asarray(key_frames if key_frames.size else [0], dtype=np.int64)
    return VideoInfo(path, context.width, context.height, rate, len(times), stream.frames, order, keys_found)


@dataclass(frozen=True, eq=False)
class VideoPicture:
    """A decoded picture; planes stay as the decoder left them until a region is asked for."""

    frame: VideoFrame

    @property
    def width(self) -> int:
        return self.frame.width

    @property
    def height(self) -> int:
        return self.frame.height

    @property
    def _full_range(self) -> bool:
        return self.frame.format.name.startswith("yuvj") or self.frame.color_range == _FULL_RANGE

    def rgb(self, box: Box | None = None) -> ImageRGB:
        x0, y0, x1, y1 = box if box is not None else (0, 0, self.width, self.height)
        if self.frame.format.name in ("yuv420p", "yuvj420p"):
            y, u, v = (_plane(self.frame, i) for i in range(3))
            return region_rgb(y, u, v, (x0, y0, x1, y1), rgb_from_yuv(int(self.frame.colorspace), self._full_range))
        return np.ascontiguousarray(self.frame.to_ndarray(format="rgb24")[y0:y1, x0:x1])

    def luma(self, box: Box | None = None) -> Levels:
        """Brightness levels 0..255 (the Y plane, brought to full range)."""
        x0, y0, x1, y1 = box if box is not None else (0, 0, self.width, self.height)
        name = self.frame.format.name
        if name.startswith("yuv") and "p1" not in name:
            return full_range_levels(self._full_range)[_plane(self.frame, 0)[y0:y1, x0:x1]]
        if name == "gray":
            return _plane(self.frame, 0)[y0:y1, x0:x1].copy()
        return np.ascontiguousarray(self.frame.to_ndarray(format="gray")[y0:y1, x0:x1])


def _plane(frame: VideoFrame, index: int) -> np.ndarray:
    plane = frame.planes[index]
    return np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


class VideoReader:
    """Reads wanted pictures of one video in ascending order; keeps the file open between calls."""

    def __init__(self, info: VideoInfo) -> None:
        self.info = info
        self._container: InputContainer | None = None
        self._decoded: Iterator[VideoFrame] | None = None
        self._next = 0  # number of the next picture that sequential decoding delivers
        self._wanted: frozenset[int] = frozenset()  # time stamps

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = self._decoded = None

    def read(self, wanted: Sequence[int]) -> Iterator[tuple[int, VideoPicture | None]]:
        """(number, picture) for each wanted number; None where the file ends before it or it is damaged."""
        times = self.info.times
        inside = [frame for frame in wanted if 0 <= frame < self.info.frames]
        self._wanted = frozenset() if times is None else frozenset(times[inside].tolist())
        for frame in wanted:
            yield frame, self._picture(frame) if 0 <= frame < self.info.frames else None

    def _picture(self, frame: int) -> VideoPicture | None:
        key = self.info.key_before(frame)
        if self._decoded is None or frame < self._next or key > self._next:
            self._start_at(key)
        try:
            for number, decoded in self._numbered():
                self._next = number + 1
                if number == frame:
                    return None if decoded.is_corrupt else VideoPicture(decoded)
                if number > frame:
                    break
        except FFmpegError:
            pass  # damaged data: this picture is missing; the next one restarts at its key frame
        self._decoded = None
        return None

    def _start_at(self, key: int) -> None:
        container = self._container
        if container is None or key == 0 or self.info.times is None:
            container = self._open()
        stream = container.streams.video[0]
        if key > 0 and self.info.times is not None:
            container.seek(int(self.info.times[key]), stream=stream, backward=True)
        self._next = 0 if self.info.times is None else key
        self._decoded = self._decode(container, stream)

    def _open(self) -> InputContainer:
        self.close()
        try:
            self._container = av.open(str(self.info.path))
        except FFmpegError as error:
            raise VideoError(f"{self.info.path}: cannot be opened any more ({error})") from error
        self._container.streams.video[0].codec_context.thread_count = 1  # processes share the work, not threads
        return self._container

    def _decode(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        context = stream.codec_context
        for packet in container.demux(stream):
            if self._wanted:
                # A picture that nobody refers to and nobody wants need not be decoded: the others stay exact.
                context.skip_frame = "DEFAULT" if packet.pts in self._wanted or packet.size == 0 else "NONREF"
            yield from packet.decode()

    def _numbered(self) -> Iterator[tuple[int, VideoFrame]]:
        assert self._decoded is not None
        times = self.info.times
        for decoded in self._decoded:
            if times is None:
                yield self._next, decoded
                continue
            if decoded.pts is None:
                continue
            number = int(np.searchsorted(times, decoded.pts))
            # Before the key frame: left-overs of an open group of pictures; unknown times: never ours.
            if number < self._next or number >= len(times) or times[number] != decoded.pts:
                continue
            yield number, decoded
