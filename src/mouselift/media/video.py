"""Video by PyAV: indexed once, read in order, frame-exact.

The index comes from demultiplexing alone: the sorted presentation times give every image its
number, so a decoded image is known by its time stamp, not by counting calls. Reading goes forward;
it jumps only where the gap to the next wanted image passes a key frame.

Colours are made in a region only, with the samples where the standard puts them: chroma of 4:2:0 video is sited at the
left luma column and midway between two rows (MPEG-2 and H.264 default) and interpolated bilinearly from there.
Nearest-neighbour chroma, the usual shortcut, shifts colours by up to a pixel against the outline.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Int64, UInt8

from mouselift.array_types import Array, ImageRGB, Levels
from mouselift.errors import VideoError
from mouselift.media.orientation import UPRIGHT, Box, Orientation, of_display_matrix

_FIRST_PACKETS = 300  # in which an image must be decoded for its orientation to be known
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
# Kr, Kb of the colour matrices (ITU-R BT.601 and BT.709), by FFmpeg's number of the colour space.
_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
_BT601 = 6  # what FFmpeg and OpenCV assume for untagged video


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """What demultiplexing tells about a video; of what is decoded, only the first image's orientation."""

    path: Path
    width: int  # as shown: turned as `orientation` says
    height: int
    rate: float  # frames per second; 0 where the file does not say
    frames: int  # images that can be read
    promised: int  # images that the header promises; 0 where it does not say
    times: Int64[Array, " n"] | None  # sorted presentation times; None: not stamped, read by counting
    keys: Int64[Array, " k"]  # image numbers at which decoding can start
    orientation: Orientation = UPRIGHT  # applied to every image that is read
    aspect: float = 1.0  # width of a pixel / its height

    def key_before(self, frame: int) -> int:
        return int(self.keys[max(int(np.searchsorted(self.keys, frame, side="right")) - 1, 0)])


def probe(path: Path, as_stored: bool = False) -> VideoInfo:
    """Index a video. VideoError where it cannot be opened or holds no image.

    as_stored: leave its display matrix aside. Else images are turned by it, as players, FFmpeg and OpenCV do.
    """
    if not path.is_file():
        raise VideoError(f"{path}: no such video file; expected the file that capture.toml names")
    state = path.stat()
    info = _probe(path, state.st_size, state.st_mtime_ns)
    if not as_stored or info.orientation.as_stored:
        return info
    return replace(_turned(info, info.orientation), orientation=UPRIGHT)


@lru_cache(maxsize=256)
def _probe(path: Path, size: int, changed: int) -> VideoInfo:
    """Indexed once while the file stays as it is: loading a capture and opening its source both ask."""
    try:
        with av.open(str(path)) as container:
            info = _index(path, container)
        orientation = _orientation(path)
    except (FFmpegError, ValueError) as error:
        raise VideoError(
            f"{path}: cannot be opened as a video ({error}); truncated or not finished? "
            "Copy it again, or repair it with `ffmpeg -i in.mp4 -c copy out.mp4`"
        ) from error
    return _turned(info, orientation)


def _turned(info: VideoInfo, orientation: Orientation) -> VideoInfo:
    """With the size as shown of one as stored, or the other way round."""
    width, height = orientation.size((info.width, info.height))
    aspect = 1 / info.aspect if orientation.transposed else info.aspect
    return replace(info, width=width, height=height, aspect=aspect, orientation=orientation)


def _orientation(path: Path) -> Orientation:
    """Of the first image that can be decoded: FFmpeg hands the container's display matrix on with every image."""
    with av.open(str(path)) as container:
        for packet in itertools.islice(container.demux(container.streams.video[0]), _FIRST_PACKETS):
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            if frames:
                data = frames[0].side_data.get("DISPLAYMATRIX")
                if data is None:
                    return UPRIGHT
                found = of_display_matrix(np.frombuffer(memoryview(data), dtype="<i4").tolist())
                if found is None:
                    raise VideoError(
                        f"{path}: its display matrix turns images by other than right angles; re-encode it upright: "
                        "ffmpeg -i in.mp4 -crf 12 out.mp4"
                    )
                return found
    return UPRIGHT


def _index(path: Path, container: InputContainer) -> VideoInfo:
    if not container.streams.video:
        raise VideoError(f"{path}: expected a video stream, found none")
    stream = container.streams.video[0]
    times: list[int | None] = []
    keys: list[int] = []
    last_dts: int | None = None
    whole = True
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.is_keyframe:
                keys.append(packet.pts if packet.pts is not None else len(times))
            times.append(packet.pts)
            last_dts, whole = packet.dts, not packet.is_corrupt
    except FFmpegError:
        whole = False  # a truncated file: what came before is good, and `promised` tells that more was expected
    if not times:
        raise VideoError(f"{path}: holds no image")
    context = stream.codec_context
    stamped = [t for t in times if t is not None]
    if len(stamped) == len(times) and len(set(stamped)) == len(stamped):
        order = np.sort(np.array(stamped, dtype=np.int64))
        if last_dts is not None:
            order = _certain(order, last_dts, whole and len(times) >= stream.frames)
        inside = [key for key in keys if key <= order[-1]]
        key_frames = np.unique(np.searchsorted(order, np.array(inside, dtype=np.int64)))
    else:
        order, key_frames = None, np.zeros(1, dtype=np.int64)
    rate = float(stream.average_rate) if stream.average_rate else 0.0
    aspect = float(stream.sample_aspect_ratio or 1.0)
    keys_found = np.asarray(key_frames if key_frames.size else [0], dtype=np.int64)
    frames = len(times) if order is None else len(order)
    size = context.width, context.height
    return VideoInfo(path, *size, rate, frames, stream.frames, order, keys_found, aspect=aspect)


def _certain(order: np.ndarray, last_dts: int, whole: bool) -> np.ndarray:
    """The sorted times without those whose number a cut-off end leaves open.

    Images are stored in decoding order: after a cut, one shown later than the last stored image was due
    for decoding may have lost predecessors. Where nothing says that the end is cut, a gap there does.
    """
    sure = int(np.searchsorted(order, last_dts, side="right"))
    if whole:
        steps = np.diff(order)
        gaps = np.flatnonzero(steps[max(sure - 1, 0) :] > 1.5 * np.median(steps)) if steps.size else steps
        sure = max(sure, 1) + int(gaps[0]) if gaps.size else len(order)
    return order[: max(sure, 1)]


@dataclass(frozen=True, eq=False)
class VideoImage:
    """A decoded image; planes stay as the decoder left them until a region is asked for."""

    frame: VideoFrame
    orientation: Orientation = UPRIGHT

    @property
    def width(self) -> int:
        return self._size[0]

    @property
    def height(self) -> int:
        return self._size[1]

    @property
    def _size(self) -> tuple[int, int]:
        return self.orientation.size((self.frame.width, self.frame.height))

    def _stored_box(self, box: Box | None) -> Box:
        return self.orientation.stored_box(box if box is not None else (0, 0, *self._size), self._size)

    @property
    def _full_range(self) -> bool:
        return self.frame.format.name.startswith("yuvj") or self.frame.color_range == _FULL_RANGE

    def rgb(self, box: Box | None = None) -> ImageRGB:
        x0, y0, x1, y1 = stored = self._stored_box(box)
        if self.frame.format.name in ("yuv420p", "yuvj420p"):
            y, u, v = (plane(self.frame, i) for i in range(3))
            colours = region_rgb(y, u, v, stored, rgb_from_yuv(int(self.frame.colorspace), self._full_range))
        else:
            colours = self.frame.to_ndarray(format="rgb24")[y0:y1, x0:x1]
        return self.orientation.shown(colours)

    def luma(self, box: Box | None = None, curve: UInt8[Array, "256"] | None = None) -> Levels:
        """Brightness levels 0..255 (the Y plane, brought to full range), then through `curve` where given."""
        x0, y0, x1, y1 = self._stored_box(box)
        name = self.frame.format.name
        if name.startswith("yuv") and "p1" not in name:
            levels = full_range_levels(self._full_range)
            part = _looked_up(plane(self.frame, 0)[y0:y1, x0:x1], levels if curve is None else curve[levels])
        else:
            grey = plane(self.frame, 0) if name == "gray" else self.frame.to_ndarray(format="gray")
            part = np.asarray(grey[y0:y1, x0:x1], dtype=np.uint8)
            part = part if curve is None else curve[part]
        return self.orientation.shown(part)


def _looked_up(plane: np.ndarray, table: UInt8[Array, "256"]) -> Levels:
    """table[plane]. Where the table maps the darkest levels to 0 (masks), only the rest's box is looked up."""
    dark = int(np.argmax(table > 0))  # levels below give 0
    if dark == 0:
        return np.asarray(cv2.LUT(plane, table))
    out = np.zeros(plane.shape, dtype=np.uint8)
    rows, columns = np.flatnonzero(plane.max(axis=1) >= dark), np.flatnonzero(plane.max(axis=0) >= dark)
    if rows.size:
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        out[box] = cv2.LUT(plane[box], table)
    return out


def plane(frame: VideoFrame, index: int) -> np.ndarray:
    """[h, w] a planar frame's own memory: 0 luma, 1 and 2 the colour differences (u, v)."""
    own = frame.planes[index]
    return np.frombuffer(memoryview(own), dtype=np.uint8).reshape(own.height, own.line_size)[:, : own.width]


@lru_cache(maxsize=16)
def rgb_from_yuv(colorspace: int, full_range: bool) -> Array:
    """[3, 4] affine map from (Y, U, V) levels to RGB levels."""
    kr, kb = _WEIGHTS.get(colorspace, _WEIGHTS[_BT601])
    kg = 1 - kr - kb
    chroma = np.array([[0.0, 2 * (1 - kr)], [-2 * kb * (1 - kb) / kg, -2 * kr * (1 - kr) / kg], [2 * (1 - kb), 0.0]])
    y_gain, c_gain, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    linear = np.concatenate([np.full((3, 1), y_gain), chroma * c_gain], axis=1)
    return np.concatenate([linear, linear @ [[-black], [-128.0], [-128.0]]], axis=1).astype(np.float32)


@lru_cache(maxsize=2)
def full_range_levels(full_range: bool) -> UInt8[Array, "256"]:
    """Look-up table from luma samples to levels 0..255."""
    y = np.arange(256, dtype=np.float64)
    return (y if full_range else np.clip(np.round((y - 16) * 255 / 219), 0, 255)).astype(np.uint8)


def region_rgb(
    y: UInt8[Array, "h w"], u: UInt8[Array, "ch cw"], v: UInt8[Array, "ch cw"], box: Box, matrix: Array
) -> UInt8[Array, "rows columns 3"]:
    """Colours of `box` of a 4:2:0 image; the same values whatever the box."""
    x0, y0, x1, y1 = box
    # One more chroma sample on every side, so that a region's edge interpolates as the whole image would.
    cx0, cy0 = max(x0 // 2 - 1, 0), max(y0 // 2 - 1, 0)
    cx1, cy1 = min((x1 + 1) // 2 + 1, u.shape[1]), min((y1 + 1) // 2 + 1, u.shape[0])
    part = (slice(y0 - 2 * cy0, y1 - 2 * cy0), slice(x0 - 2 * cx0, x1 - 2 * cx0))
    chroma = (_upsampled(plane[cy0:cy1, cx0:cx1])[part] for plane in (u, v))
    yuv = cv2.merge([y[y0:y1, x0:x1], *chroma])
    return np.asarray(cv2.transform(yuv, matrix), dtype=np.uint8)


def _upsampled(plane: UInt8[Array, "ch cw"]) -> UInt8[Array, "h w"]:
    """Twice the size, rows midway between samples, columns on them: luma (i, j) reads chroma (i / 2, (j - 0.5) / 2).

    Indices count from the first sample's centre. Two passes of 8 bits: a quarter of the time of one warp.
    """
    rows, columns = plane.shape
    tall = np.asarray(cv2.resize(plane, (columns, 2 * rows), interpolation=cv2.INTER_LINEAR))
    right = np.concatenate([tall[:, 1:], tall[:, -1:]], axis=1)
    between = cv2.addWeighted(tall, 0.5, right, 0.5, 0.0)
    return np.asarray(cv2.merge([tall, between])).reshape(2 * rows, 2 * columns)


class VideoReader:
    """Reads wanted images of one video in ascending order; keeps the file open between calls."""

    def __init__(self, info: VideoInfo) -> None:
        self.info = info
        self._container: InputContainer | None = None
        self._seekable = True
        self._decoded: Iterator[tuple[int, VideoFrame]] | None = None
        self._held: tuple[int, VideoFrame] | None = None  # decoded, but beyond the image that was looked for
        self._next = 0  # number of the next image that sequential decoding delivers
        self._wanted: frozenset[int] = frozenset()  # time stamps
        self._skipped: set[int] = set()  # time stamps of images that may not have been decoded
        self._trust = Trust()

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = self._decoded = self._held = None

    def read(self, wanted: Sequence[int]) -> Iterator[tuple[int, VideoImage | None]]:
        """(number, image) for each wanted number; None where the file ends before it or it is damaged.

        Damage: a fault that the decoder reports spoils all that is decoded after it, up to the next key frame.
        """
        times = self.info.times
        inside = [frame for frame in wanted if 0 <= frame < self.info.frames]
        self._wanted = frozenset() if times is None else frozenset(times[inside].tolist())
        for frame in wanted:
            yield frame, self._image(frame) if 0 <= frame < self.info.frames else None

    def _image(self, frame: int) -> VideoImage | None:
        times, key = self.info.times, self.info.key_before(frame)
        skipped = times is not None and int(times[frame]) in self._skipped
        if self._decoded is None or frame < self._next or key > self._next or skipped:
            self._start_at(key)
        try:
            while (found := self._take()) is not None:
                number, decoded = found
                if number > frame:  # the wanted one could not be decoded
                    self._held, self._next = found, frame + 1
                    return None
                self._next = number + 1
                if number == frame:
                    good = not decoded.is_corrupt and self._trust.holds(decoded.pts)
                    return VideoImage(decoded, self.info.orientation) if good else None
        except FFmpegError:
            pass  # the file ends or cannot be parsed on: this image is missing
        self._decoded = None
        return None

    def _take(self) -> tuple[int, VideoFrame] | None:
        if self._held is not None:
            found, self._held = self._held, None
            return found
        return None if self._decoded is None else next(self._decoded, None)

    def _start_at(self, key: int) -> None:
        self._held, self._next = None, 0 if self.info.times is None else key
        self._skipped.clear()
        self._trust = Trust()
        self._decoded = self._numbered(self._decode(self._packets(key)))

    def _open(self) -> InputContainer:
        if self._container is not None:
            self._container.close()
        try:
            self._container = av.open(str(self.info.path))
        except FFmpegError as error:
            raise VideoError(f"{self.info.path}: cannot be opened any more ({error})") from error
        self._container.streams.video[0].codec_context.thread_count = 1  # processes share the work, not threads
        return self._container

    def _packets(self, key: int) -> Iterator[Packet[VideoStream]]:
        """Packets from the key frame on: by seeking, or, where that lands behind it, by skipping from the start."""
        times = self.info.times
        if key == 0 or times is None:
            container = self._open()
            yield from container.demux(container.streams.video[0])
            return
        time = int(times[key])
        for seek in (True, False) if self._seekable else (False,):
            container = self._container if seek and self._container is not None else self._open()
            stream = container.streams.video[0]
            if seek:
                container.seek(time, stream=stream, backward=True)
            started = False
            for packet in container.demux(stream):
                started = started or packet.pts == time
                if started:
                    yield packet
                elif seek and packet.dts is not None and packet.dts > time:
                    break
            if started:
                return
            self._seekable = False

    def _decode(self, packets: Iterator[Packet[VideoStream]]) -> Iterator[VideoFrame]:
        for packet in packets:
            if self._wanted:
                # An image that nobody refers to and nobody wants need not be decoded: the others stay exact.
                wanted = packet.pts in self._wanted or packet.size == 0
                packet.stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
                if not wanted and packet.pts is not None:
                    self._skipped.add(packet.pts)
            self._trust.submit(packet)
            try:
                frames = packet.decode()
            except FFmpegError:
                if self.info.times is None:
                    raise  # images are numbered by counting, and one is lost: nothing after it has a number
                self._trust.fault(packet.pts)
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self._trust.fault(frame.pts)
                if frame.pts is not None:
                    self._skipped.discard(frame.pts)
            yield from frames

    def _numbered(self, frames: Iterator[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
        times = self.info.times
        for decoded in frames:
            if times is None:
                yield self._next, decoded
                continue
            if decoded.pts is None:
                continue
            number = int(np.searchsorted(times, decoded.pts))
            # Before the key frame: left-overs of an open group of images; unknown times: never ours.
            if number < self._next or number >= len(times) or times[number] != decoded.pts:
                continue
            yield number, decoded


class Trust:
    """Which images a fault in the data has spoilt: all decoded after it, until the next key frame starts afresh.

    Only faults that the decoder reports are known: H.264 has no checksums, and damage that still parses passes.
    """

    def __init__(self) -> None:
        self._group: list[int] = []  # time stamps in decoding order since the last key frame
        self._before: list[int] = []  # the same of the group of images before
        self._broken = False
        self._leading = False  # images shown before this group's key frame refer to a broken group
        self._spoilt: set[int | None] = set()

    def holds(self, time: int | None) -> bool:
        return time not in self._spoilt

    def submit(self, packet: Packet[VideoStream]) -> None:
        if packet.pts is None:
            return
        if packet.is_keyframe:
            self._before, self._group = self._group, []
            self._leading, self._broken = self._broken, False
        self._group.append(packet.pts)
        if self._broken or (self._leading and packet.pts < self._group[0]):
            self._spoilt.add(packet.pts)
        if packet.is_corrupt:
            self.fault(packet.pts)

    def fault(self, time: int | None) -> None:
        """Something went wrong at the packet or the image with this time stamp.

        The packet before it is spoilt too: damage seldom starts at a packet's edge, and a decoder accepts a bad tail.
        """
        if time in self._before:
            self._leading = True
            self._spoilt.update(self._before[max(self._before.index(time) - 1, 0) :])
            self._spoilt.update(t for t in self._group if t < self._group[0])
            return
        self._broken = True
        self._spoilt.update(self._group[max(self._group.index(time) - 1, 0) :] if time in self._group else self._group)
