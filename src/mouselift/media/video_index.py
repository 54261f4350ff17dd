"""What a video holds, by demultiplexing alone: numbers of images, their times, where decoding can start.

The sorted presentation times give every image its number. Packets are remembered in the order of the file, so that
a reader knows, wherever a seek has landed, which packet it got, and that it is the one that was indexed.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from array import array
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mouselift.array_types import Array, Int32, Int64
from mouselift.errors import UnreachableError, VideoError
from mouselift.limits import IMAGE_PIXELS, check_image_size
from mouselift.media.access_points import Packets
from mouselift.media.images import require_readable
from mouselift.media.orientation import UPRIGHT, Orientation, of_display_matrix
from mouselift.media.stream_end import certain, certain_unordered, delayed, slots_of

DECODER = {"max_pixels": str(IMAGE_PIXELS)}  # to FFmpeg's decoders: the size may change in the stream
_FIRST_PACKETS = 300  # in which an image must be decoded for its orientation to be known
BROKEN_OFF = (FFmpegError, IndexError)  # of demultiplexing; IndexError: PyAV, where damage looks like a new stream
PROGRAM_STREAM = "mpeg"  # FFmpeg's name of the container
_NO_TIME = -(2**63)  # FFmpeg's own mark of a packet without a time stamp
_FIRST_IMAGES = 6  # of a cut stream: more than come out before its order is that of their times


@dataclass(frozen=True, eq=False)
class PacketTable:
    """Every packet, hidden ones too, in the order of the file, which is that of decoding.

    It stays for as long as the recording is read, so arrays that say the same are one, over all cameras.
    """

    stamps: Int64[Array, " p"]  # presentation times, by rank
    sizes: Array  # bytes
    leads: Array  # rank - place in the file. The rank is the place in the order of presentation, hidden packets counted
    images: Int32[Array, " n"]  # ascending ranks of the packets that show images: image number -> rank
    starts: Int64[Array, " k"]  # packets at which decoding can start: the k-th for images from the k-th key on
    droppable: bool  # images that nobody refers to can be left out

    def rank(self, place: int) -> int:
        """It names a packet."""
        return place + int(self.leads[place])

    def number(self, rank: int) -> int | None:
        """Of the image that a packet shows; None where it is hidden, or beyond what can be read."""
        found = int(np.searchsorted(self.images, rank))
        return found if found < len(self.images) and self.images[found] == rank else None


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """What demultiplexing tells about a video; of what is decoded, only the first image."""

    path: Path
    width: int  # as shown: turned as `orientation` says
    height: int
    rate: float  # frames per second; 0 where the file does not say
    frames: int  # images that can be read
    promised: int  # images that the header promises; 0 where it does not say
    times: Int64[Array, " n"] | None  # sorted presentation times; None: not stamped, read by counting
    keys: Int64[Array, " k"]  # image numbers at which decoding can start
    packets: PacketTable | None  # None: not stamped
    packet_count: int
    orientation: Orientation = UPRIGHT  # applied to every image that is read
    aspect: float = 1.0  # width of a pixel / its height
    streams: int = 1  # of video in the file, cover pictures left aside; the first is read

    def key_before(self, frame: int) -> int:
        return int(self.keys[max(int(np.searchsorted(self.keys, frame, side="right")) - 1, 0)])


def probe(path: Path, as_stored: bool = False) -> VideoInfo:
    """Index a video. VideoError where it cannot be opened or holds no image; UnreachableError where it cannot be read.

    as_stored: leave its display matrix aside. Else images are turned by it, as players, FFmpeg and OpenCV do.
    """
    with UnreachableError.reading(path):
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
            info, entry, packet = _index(path, container)
            check_image_size(info.width, info.height)
            first = _first_alone(path, info, entry, packet)
        first = first or _first_images(path, info, entry)
        if first.in_order is False or (info.packets is None and entry > 0):
            info = _by_counting(info, _count(path))
        elif info.packets is None and info.times is not None:
            info = replace(
                info, times=None if first.delay is None else _one(delayed(info.times, first.delay)[: info.frames])
            )
        elif first.rank is not None:
            info = _from(info, first.rank)
    except (*BROKEN_OFF, ValueError) as error:
        require_readable(path)
        raise VideoError(
            f"{path}: cannot be opened as a video ({error}); truncated or not finished? "
            "Copy it again, or repair it with `ffmpeg -i in.mp4 -c copy out.mp4`"
        ) from error
    return _turned(info, first.orientation)


def _turned(info: VideoInfo, orientation: Orientation) -> VideoInfo:
    """With the size as shown of one as stored, or the other way round."""
    width, height = orientation.size((info.width, info.height))
    aspect = 1 / info.aspect if orientation.transposed else info.aspect
    return replace(info, width=width, height=height, aspect=aspect, orientation=orientation)


@dataclass(frozen=True)
class _First:
    """What decoding the first images tells."""

    orientation: Orientation = UPRIGHT
    rank: int | None = None  # of the first that comes out; None where damage may have cost others before it
    in_order: bool = True  # they come out in the order of their times
    delay: int | None = None  # packets that go in before the first comes out; None where damage may have cost some


def _first_alone(path: Path, info: VideoInfo, entry: int, packet: Packet[VideoStream]) -> _First | None:
    """From the file's first packet, where that is the first image shown: no other can come out before it.

    None where nothing comes of it. The container stays at its end.
    """
    table = info.packets
    if table is None or entry or table.rank(0) or table.images[0]:
        return None
    packet.pts = 0
    with contextlib.suppress(FFmpegError):
        packet.stream.codec_context.options = DECODER
        frames = [*packet.decode(), *packet.stream.codec_context.decode(None)]
        if frames and frames[0].pts == 0:
            return _First(_orientation(path, frames[0]), 0)
    return None


def _first_images(path: Path, info: VideoInfo, entry: int) -> _First:
    """entry: the first packet at which decoding can start. A stream that begins before it was cut.

    FFmpeg hands the container's display matrix on with every image.
    """
    table = info.packets
    damaged, delay = False, None
    out: list[int] = []
    orientation: Orientation | None = None
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.options = DECODER
        packets = container.demux(container.streams.video[0])
        for place, packet in enumerate(itertools.islice(packets, _FIRST_PACKETS)):
            if table is not None and packet.size and place < len(table.leads):
                packet.pts = table.rank(place)
            try:
                frames = packet.decode()
            except FFmpegError:
                damaged |= place >= entry
                continue
            if frames and orientation is None:
                orientation = _orientation(path, frames[0])
            if frames and delay is None:
                delay = place
            out += [frame.pts for frame in frames if frame.pts is not None]
            if frames and len(out) >= (_FIRST_IMAGES if entry else 1):
                break
    if table is None or damaged or not out:
        return _First(orientation or UPRIGHT, delay=None if damaged or entry else delay)
    return _First(orientation or UPRIGHT, out[0], out == sorted(set(out)))


def _orientation(path: Path, frame: VideoFrame) -> Orientation:
    data = frame.side_data.get("DISPLAYMATRIX")
    found = UPRIGHT if data is None else of_display_matrix(np.frombuffer(memoryview(data), "<i4").tolist())
    if found is None:
        raise VideoError(
            f"{path}: its display matrix turns images by other than right angles; re-encode it upright: "
            "ffmpeg -i in.mp4 -crf 12 out.mp4"
        )
    return found


def _count(path: Path) -> int:
    """Images that come out, by decoding all: where times do not tell, and the first images lack what they refer to."""
    found = 0
    with av.open(str(path)) as container:
        try:
            container.streams.video[0].codec_context.options = DECODER
            for packet in container.demux(container.streams.video[0]):
                with contextlib.suppress(FFmpegError):
                    found += len(packet.decode())
        except BROKEN_OFF:
            pass  # truncated
    return found


def _by_counting(info: VideoInfo, frames: int) -> VideoInfo:
    return replace(info, frames=frames, times=None, keys=np.zeros(1, dtype=np.int64), packets=None)


def _from(info: VideoInfo, first: int) -> VideoInfo:
    """Without the images before the first that a decoder puts out: a cut took what they refer to, and no player or
    library counts them."""
    table = info.packets
    lost = 0 if table is None else int(np.searchsorted(table.images, first))
    if table is None or info.times is None or lost == 0:
        return info
    inside = info.keys > lost
    keys = np.concatenate([[0], info.keys[inside] - lost])
    starts = np.concatenate([[0], table.starts[inside]])
    table = replace(table, images=table.images[lost:], starts=starts)
    promised = max(info.promised - lost, 0)
    return replace(
        info, frames=info.frames - lost, promised=promised, times=info.times[lost:], keys=keys, packets=table
    )


@dataclass(eq=False)
class _Seen:
    """The packets of a stream, as demultiplexing gave them."""

    first: Packet[VideoStream] | None = None
    times: array[int] = field(default_factory=lambda: array("q"))  # _NO_TIME: not stamped
    # What is added to the times, so that a recorder's second start goes on where its first ended.
    offsets: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("i"))
    shown: bytearray = field(default_factory=bytearray)
    starts: list[int] = field(default_factory=list)
    last_dts: int | None = None
    in_order: bool = False  # of presentation
    decoding: array[int] = field(default_factory=lambda: array("q"))  # times of decoding, of an AVI alone
    whole: bool = True  # nothing says that the end is cut off


def _demultiplexed(path: Path, container: InputContainer, look: Packets) -> _Seen:
    stream = container.streams.video[0]
    seen = _Seen(in_order=bool(stream.codec_context.has_b_frames))
    offset, position, latest, before = 0, 0, None, None
    avi, program_stream = container.format.name == "avi", container.format.name == PROGRAM_STREAM
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if seen.first is None:
                seen.first = packet
            data = memoryview(packet)
            if packet.is_keyframe and look.starts(data):
                seen.starts.append(len(seen.times))
                if seen.last_dts is not None and packet.pts is not None and packet.pts < seen.last_dts:
                    shown = (t + add for t, add in zip(seen.times, seen.offsets, strict=True) if t != _NO_TIME)
                    offset = max(shown, default=0) + (packet.duration or 1) - packet.pts
            if seen.in_order and packet.pts is not None:
                seen.in_order = latest is None or packet.pts > latest
                latest = packet.pts
                if seen.in_order and not look.backward:
                    look.note_order(data)
            seen.times.append(_NO_TIME if packet.pts is None else packet.pts)
            seen.offsets.append(offset)
            seen.sizes.append(packet.size)
            seen.shown.append(look.shows(data) and not packet.is_discard)
            if avi and packet.dts is not None:
                seen.decoding.append(packet.dts)
            before, seen.last_dts = seen.last_dts, packet.dts
            seen.whole = not packet.is_corrupt and (seen.whole or not program_stream)
            position = packet.pos or position
    except BROKEN_OFF:
        require_readable(path, position)
        seen.whole = False  # a truncated file: what came before is good; `promised` tells that more was expected
    if program_stream and seen.shown and not seen.whole:
        # The mark of the file's last piece is on all pictures that end in it, and not on the one that the cut is in.
        seen.shown[-1], seen.last_dts = False, before
    if not any(seen.shown):
        edited = "; its edit list leaves all out: `ffmpeg -ignore_editlist 1 -i in.mp4 -c copy out.mp4`"
        raise VideoError(f"{path}: holds no image{edited if seen.times else ''}")
    return seen


def _index(path: Path, container: InputContainer) -> tuple[VideoInfo, int, Packet[VideoStream]]:
    """The index, the place of the first packet at which decoding can start, and the file's first packet."""
    if not container.streams.video:
        raise VideoError(f"{path}: expected a video stream, found none")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"{path}: expected a codec that FFmpeg decodes, got one that it does not know; damaged?")
    context, codec = stream.codec_context, stream.codec_context.codec
    look = Packets(codec.canonical_name, context.extradata, codec.intra_only)
    seen = _demultiplexed(path, container, look)
    assert seen.first is not None  # or there would be no image
    count, shown = len(seen.times), np.frombuffer(seen.shown, dtype=bool)
    # An edit list may leave packets out altogether: those of the header's count are not all expected.
    listed = len(stream.index_entries) if stream.frames and "mp4" in container.format.name else stream.frames
    slots = slots_of(np.frombuffer(seen.decoding, dtype=np.int64), count)
    if slots is not None and listed:
        listed = max(listed - (int(slots[-1]) + 1 - count), 0)
    info = VideoInfo(
        path,
        context.width,
        context.height,
        rate=float(stream.average_rate) if stream.average_rate else 0.0,
        frames=int(shown.sum()),
        promised=max(listed - int((~shown).sum()), 0),
        times=None,
        keys=np.zeros(1, dtype=np.int64),
        packets=None,
        packet_count=count,
        aspect=float(stream.sample_aspect_ratio or 1.0),
        streams=sum(not each.disposition & Disposition.attached_pic for each in container.streams.video),
    )
    entry = seen.starts[0] if seen.starts else 0
    # Where a container stores no order of presentation (AVI), FFmpeg takes that of decoding for it.
    avi = codec.canonical_name == "hevc" and container.format.name == "avi"
    # Of MPEG-1 without a container its times are guesses, wrong ones in the first group where images are out of order.
    raw = codec.canonical_name == "mpeg1video" and container.format.name == "mpegvideo"
    unordered = raw or (seen.in_order and (look.backward or avi))
    stamps = np.array(seen.times, dtype=np.int64)
    if (stamps == _NO_TIME).any() or unordered:
        empty = slots is not None and slots[-1] - slots[0] >= count
        sure = certain_unordered(path, count) if unordered and shown.all() else count
        info = replace(info, frames=min(info.frames, sure), times=slots if empty else None)
        return info, entry, seen.first
    shown_at = stamps + np.frombuffer(seen.offsets, dtype=np.int64)
    order = np.argsort(shown_at, kind="stable")
    ranks = np.empty(count, dtype=np.int32)
    ranks[order] = np.arange(count)
    images = np.flatnonzero(shown[order]).astype(np.int32)
    times = shown_at[order[images]]
    if (np.diff(times) == 0).any():  # two images of one time: their order is not known
        return info, entry, seen.first
    in_order = bool((order[1:] > order[:-1]).all())
    if slots is not None and in_order:
        times = slots[images]  # FFmpeg's presentation times of H.264 in AVI are those of the images after
    # Every packet that came is in the table of an MP4 that was written at its end (fragments list theirs as they go);
    # of an AVI, the last place that its header counts is taken.
    tables = "mp4" in container.format.name or slots is not None
    complete = seen.whole and count >= listed > 0 and stream.frames >= listed and tables
    if seen.last_dts is not None:
        end, whole = seen.last_dts + seen.offsets[-1], seen.whole and count >= listed
        guessed = container.format.name == PROGRAM_STREAM or (slots is not None and not in_order)
        sure = certain(path, times, order[images].astype(np.int32), count, end, whole, complete, guessed)
        times, images = times[:sure], images[:sure]
    keys, starts = _keys(np.array(seen.starts, dtype=np.int64), ranks, images)
    leads, sizes = _narrow(ranks - np.arange(count)), _narrow(np.frombuffer(seen.sizes, dtype=np.int32))
    table = PacketTable(_one(stamps[order]), _one(sizes), _one(leads), _one(images), starts, look.droppable)
    return replace(info, frames=len(times), times=_one(times), keys=keys, packets=table), entry, seen.first


def _narrow(values: Array) -> Array:
    """The same integers in as few bytes each as they need."""
    least, most = int(values.min()), int(values.max())
    return values.astype(np.min_scalar_type(min(least, -1 - most) if least < 0 else most))


_arrays: WeakValueDictionary[bytes, Array] = WeakValueDictionary()


def _one(values: Array) -> Array:
    """The array of these numbers that an index holds already, where one does: videos of one rig are cut alike."""
    values.setflags(write=False)
    return _arrays.setdefault(values.dtype.char.encode() + hashlib.sha256(values.data).digest(), values)


def _keys(starts: np.ndarray, ranks: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(image numbers, packets): from a packet on, images from that number on are exact. The first is the file's start.

    Of several for one number (hidden packets before it) the last is the shortest way.
    """
    numbers = np.searchsorted(images, ranks[starts])
    inside = (numbers < len(images)) & (numbers > 0)
    last = dict(zip(numbers[inside].tolist(), starts[inside].tolist(), strict=True))
    keys = sorted(last)
    return np.array([0, *keys], dtype=np.int64), np.array([0, *(last[key] for key in keys)], dtype=np.int64)
