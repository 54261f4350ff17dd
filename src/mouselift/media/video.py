"""Video by PyAV, frame-exact: which images there are and what they show does not depend on which are asked for.

Every packet carries its place in the order of presentation (`video_index`) through the decoder, so an image is known by
its packet, not by counting calls. Reading goes forward; it jumps only where the gap to the next wanted image passes an
access point. Packets after a jump are compared with the index; what cannot be reached by a jump is reached by reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mouselift.errors import UnreachableError, VideoError
from mouselift.media.images import require_readable
from mouselift.media.video_image import VideoImage
from mouselift.media.video_index import BROKEN_OFF, DECODER, PROGRAM_STREAM, VideoInfo

_VAIN = 2  # readings from the start that brought nothing: then a missing image is believed


class VideoReader:
    """Reads wanted images of one video in ascending order; keeps the file open between calls."""

    def __init__(self, info: VideoInfo) -> None:
        self.info = info
        self._container: InputContainer | None = None
        self._seekable = True
        self._program_stream = False
        self._plainly = False  # from the start, every image: where jumping or leaving out has lost one
        self._vain = 0
        self._decoded: Iterator[tuple[int, VideoFrame]] | None = None
        self._held: tuple[int, VideoFrame] | None = None  # decoded, but beyond the image that was looked for
        self._next = 0  # number of the next image that sequential decoding delivers
        self._first = 0  # packet at which decoding started
        table = info.packets
        if table is not None:  # views whose elements are plain numbers: they are asked for with every packet
            self._stamps, self._sizes, self._leads = table.stamps.data, table.sizes.data, table.leads.data
        self._starts = frozenset([0] if table is None else table.starts.tolist())
        self._wanted: frozenset[int] = frozenset()  # ranks
        self._left: set[int] = set()  # of the wanted, those whose packets the decoder has still to get
        self._last = -1  # image that was asked for
        self._ends = False  # what is asked for next should be beyond another access point
        self._drained = False  # the decoder was told that nothing follows
        self._skipped: set[int] = set()  # ranks of images that may not have been decoded
        self._trust = Trust()

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = self._decoded = self._held = None

    def read(self, wanted: Sequence[int]) -> Iterator[tuple[int, VideoImage | None]]:
        """(number, image) for each wanted number; None where the file ends before it or it is damaged.

        Damage: a fault that the decoder reports spoils all that is decoded after it, up to the next access point.
        UnreachableError where the file cannot be read, or is another one than was indexed. VideoError where an image
        has another size than the first: no camera is calibrated for both.
        """
        table = self.info.packets
        inside = [frame for frame in wanted if 0 <= frame < self.info.frames]
        self._wanted = frozenset() if table is None else frozenset(table.images[inside].tolist())
        self._left, self._ends = set(self._wanted), self._nothing_follows(inside)
        if self._drained:  # what the guess was wrong about is read from an access point again
            self._decoded = self._held = None
        for frame in wanted:
            image = self._image(frame) if 0 <= frame < self.info.frames else None
            if image is not None and (image.width, image.height) != (self.info.width, self.info.height):
                raise VideoError(
                    f"{self.info.path}: image {frame} is {image.width}x{image.height}, the first is "
                    f"{self.info.width}x{self.info.height}: the size changes in the stream. Two recordings in one "
                    "file? Cut it there"
                )
            yield frame, image

    def _nothing_follows(self, wanted: Sequence[int]) -> bool:
        """Whether the next image, as far from the last as that from the one before, is reached by a jump.

        Then the decoder is drained, not fed on until it gives the last image (H.264 of 30 images a group, every tenth
        wanted: an eighth of the decoding, `benchmarks/prepare_speed.py`). A wrong guess costs time alone.
        """
        before, self._last = [self._last, *wanted][-2:-1], wanted[-1] if wanted else self._last
        if self.info.packets is None or not self.info.packets.droppable or not wanted or before[0] < 0:
            return False
        following = 2 * wanted[-1] - before[0]
        return following >= self.info.frames or (
            following > wanted[-1] and self.info.key_before(following) > wanted[-1]
        )

    def glimpse(self, key: int) -> VideoImage | None:
        """The image at an access point, decoded from its packet alone; None where that does not give it.

        For a look at what a video is like: faults that only later packets would show go unseen.
        """
        table = self.info.packets
        if table is None or key not in self.info.keys:
            return None
        self._decoded = self._held = None  # reading starts afresh
        place = int(table.starts[self.info.keys.searchsorted(key)])
        try:
            _, packet = next(self._packets(place))
            packet.pts = int(table.images[key])
            context = packet.stream.codec_context
            context.skip_frame = "DEFAULT"
            frames = [*packet.decode(), *context.decode(None)]
        except (_Astray, FFmpegError):
            return None
        shown = place + self._leads[place] == table.images[key] and len(frames) == 1 and not frames[0].is_corrupt
        return VideoImage(frames[0], self.info.orientation) if shown else None

    def _image(self, frame: int) -> VideoImage | None:
        try:
            image = self._looked_for(frame)
        except _Astray:
            self._seekable, self._decoded = False, None
            image = self._looked_for(frame)
        except _NotAStart:
            self._plainly, self._decoded = True, None
            image = self._looked_for(frame)
        exact = self._plainly or (self._first == 0 and not self._skipped and not self._drained)
        if image is None and not exact and not self._trust.reported and self._vain < _VAIN:
            self._plainly, self._decoded = True, None
            image = self._looked_for(frame)
            if image is None:  # it is not there, however it is looked for
                self._plainly, self._decoded = False, None
                self._vain += 1
        return image

    def _looked_for(self, frame: int) -> VideoImage | None:
        table, key = self.info.packets, 0 if self._plainly else self.info.key_before(frame)
        skipped = table is not None and int(table.images[frame]) in self._skipped
        if self._decoded is None or frame < self._next or key > self._next or skipped:
            self._start_at(key)
            if table is not None:
                self._left = {rank for rank in self._wanted if rank >= table.images[frame]}
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
            pass  # an image is lost where images are counted: those after it have no number
        self._decoded = None
        return None

    def _take(self) -> tuple[int, VideoFrame] | None:
        if self._held is not None:
            found, self._held = self._held, None
            return found
        return None if self._decoded is None else next(self._decoded, None)

    def _start_at(self, key: int) -> None:
        table = self.info.packets
        self._held, self._next = None, 0 if table is None else key
        self._first = 0 if table is None else int(table.starts[self.info.keys.searchsorted(key)])
        self._skipped.clear()
        self._drained = False
        self._trust = Trust()
        self._decoded = self._numbered(self._decode(self._packets(self._first)))

    def _open(self) -> InputContainer:
        if self._container is not None:
            self._container.close()
            self._container = None
        try:
            self._container = av.open(str(self.info.path))
        except FFmpegError as error:
            raise UnreachableError.because(self.info.path, f"cannot be opened any more ({error})") from error
        self._program_stream = self._container.format.name == PROGRAM_STREAM
        self._container.streams.video[0].codec_context.options = DECODER
        self._container.streams.video[0].codec_context.thread_count = 1  # processes share the work, not threads
        return self._container

    def _packets(self, first: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """(place in the file, packet) from the packet `first` on, the last one empty: each one the packet that was
        indexed. By seeking, or, where that has led astray, by skipping from the start."""
        table, count = self.info.packets, self.info.packet_count
        target = self._stamp(first) if self._seekable and first > 0 and table is not None else None
        container = self._container if target is not None and self._container is not None else self._open()
        place: int | None = 0
        if target is not None:
            place = None
            try:
                container.seek(target, stream=container.streams.video[0], backward=True)
            except FFmpegError:
                raise _Astray from None
        position = 0
        try:
            for packet in container.demux(container.streams.video[0]):
                if place is None:
                    if self._is(packet, first) and packet.is_keyframe:
                        place = first
                    elif packet.size == 0 or (target is not None and packet.dts is not None and packet.dts > target):
                        raise _Astray
                    else:
                        continue
                if packet.size == 0:
                    if place == count:
                        yield place, packet
                    break
                if not self._is(packet, place):
                    break
                position = packet.pos or position
                if place >= first:
                    yield place, packet
                place += 1
        except BROKEN_OFF:
            pass
        if place != count:
            if target is not None:
                raise _Astray
            require_readable(self.info.path, position)
            raise UnreachableError.because(
                self.info.path, f"reads differently from when it was indexed, from image {place} of {count} on"
            )

    def _stamp(self, place: int) -> int:
        return self._stamps[place + self._leads[place]]

    def _is(self, packet: Packet[VideoStream], place: int) -> bool:
        if place >= self.info.packet_count:
            return False
        if self.info.packets is None:
            return True
        return packet.size == self._sizes[place] and packet.pts == self._stamp(place)

    def _is_cut(self, rank: int) -> bool:
        """Of the last packet: whether the index took it for no image."""
        return self.info.packets is not None and self.info.packets.number(rank) is None

    def _decode(self, packets: Iterator[tuple[int, Packet[VideoStream]]]) -> Iterator[VideoFrame]:
        table, began, complete = self.info.packets, False, False
        for place, packet in packets:
            rank: int | None = None
            if packet.size:
                rank = place if table is None else place + self._leads[place]
                if self._program_stream and place == self.info.packet_count - 1 and self._is_cut(rank):
                    continue  # decoding it spoils the one before
                packet.pts = rank
                if self._program_stream:  # the mark of the last piece is on what ends in it: whole pictures
                    packet.is_corrupt = False
                if table is not None and table.droppable:
                    # An image that nobody refers to and nobody wants need not be decoded: the others stay exact.
                    wanted = self._plainly or rank in self._wanted
                    packet.stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
                    if not wanted:
                        self._skipped.add(rank)
                self._trust.submit(rank, place in self._starts, packet.is_corrupt)
                complete = not self._left  # and this is one packet more, whose faults spoil the one before
                self._left.discard(rank)
            elif table is not None and table.droppable:
                packet.stream.codec_context.skip_frame = "DEFAULT"
            try:
                frames = packet.decode()
            except FFmpegError:
                if table is None:
                    raise  # images are numbered by counting, and one is lost: nothing after it has a number
                self._trust.fault(rank)
                self._trust.reported |= began  # before the first image: a cut took what these packets refer to
                continue
            began |= bool(frames)
            for frame in frames:
                self._came_out(frame)
            yield from frames
            if complete and self._ends and not self._plainly and packet.size:
                self._drained = True
                packet.stream.codec_context.skip_frame = "DEFAULT"
                for frame in packet.stream.codec_context.decode(None):
                    self._came_out(frame)
                    yield frame
                return

    def _came_out(self, frame: VideoFrame) -> None:
        if frame.is_corrupt:
            self._trust.fault(frame.pts)
        if frame.pts is not None:
            self._skipped.discard(frame.pts)

    def _numbered(self, frames: Iterator[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
        table, first = self.info.packets, self._first
        for decoded in frames:
            if table is None:
                yield self._next, decoded
                continue
            if decoded.pts is None:
                continue
            if first and decoded.pts == first + self._leads[first] and not decoded.key_frame:
                raise _NotAStart
            number = table.number(decoded.pts)
            # Before the access point: left-overs of an open group of images.
            if number is not None and number >= self._next:
                yield number, decoded


class _Astray(Exception):
    """A seek did not lead to the packets that were indexed."""


class _NotAStart(Exception):
    """The file says key frame, the decoder says it is none."""


class Trust:
    """Which images a fault in the data has spoilt: all decoded after it, until the next access point starts afresh.

    Only faults that the decoder reports are known: H.264 has no checksums, and damage that still parses passes.
    """

    def __init__(self) -> None:
        self.reported = False  # the decoder refused a packet
        self._group: list[int] = []  # ranks in decoding order since the last access point
        self._before: list[int] = []  # the same of the group of images before
        self._broken = False
        self._leading = False  # images shown before this group's first refer to a broken group
        self._spoilt: set[int | None] = set()

    def holds(self, rank: int | None) -> bool:
        return rank not in self._spoilt

    def submit(self, rank: int, starts: bool, corrupt: bool) -> None:
        if starts:
            self._before, self._group = self._group, []
            self._leading, self._broken = self._broken, False
        self._group.append(rank)
        if self._broken or (self._leading and rank < self._group[0]):
            self._spoilt.add(rank)
        if corrupt:
            self.fault(rank)

    def fault(self, rank: int | None) -> None:
        """Something went wrong at the packet or the image of this rank.

        The packet before it is spoilt too: damage seldom starts at a packet's edge, and a decoder accepts a bad tail.
        """
        if rank in self._before:
            self._leading = True
            self._spoilt.update(self._before[max(self._before.index(rank) - 1, 0) :])
            self._spoilt.update(r for r in self._group if r < self._group[0])
            return
        self._broken = True
        self._spoilt.update(self._group[max(self._group.index(rank) - 1, 0) :] if rank in self._group else self._group)
