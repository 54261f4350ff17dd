"""What the first bits of a packet say: can decoding start at it, is an image shown by it, may it be left out?

Containers flag key frames, but mean different things by it. Decoding that starts at a packet is exact where nothing
before it is referred to: an IDR picture, an open group's I picture that its encoder promises to be exact, a shown key
frame. Intra refresh flags P pictures from which the image becomes whole some images later: no start. The syntax is
that of ITU-T H.264 (7.3), H.265 (7.3), H.262 (6.2), RFC 6386 (9.1), and the VP9 and AV1 bitstream specifications.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

LOOKED_AT = 1 << 16  # bytes of a packet; parameter sets and messages come first and are short
_H264_SLICE, _H264_IDR, _H264_MESSAGE = 1, 5, 6
_RECOVERY_POINT = 6
_SLICES_I, _SLICES_B = (2, 7), (1, 6)
_HEVC_PICTURES = 32  # NAL types below carry slices
_HEVC_RASL, _HEVC_BLA, _HEVC_IRAP = (8, 9), (16, 17, 18), range(16, 24)


class Packets:
    """Reads the packets of one stream, in decoding order; remembers what later ones depend on."""

    def __init__(self, codec: str, extradata: bytes | None, intra_only: bool) -> None:
        self._codec, self._intra_only = codec, intra_only
        self._length = length_size(codec, extradata or b"")
        self._irap_seen = False
        self._broken_group = False  # HEVC: leading images of the last random access point cannot be decoded
        # Codecs whose decoders leave out images that no other refers to, exactly and at once.
        self.droppable = codec in ("h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4")
        self.backward = False  # a B picture was seen: images are not stored in the order in which they are shown

    def starts(self, data: memoryview) -> bool:
        """Is decoding that starts at this packet, flagged as key frame, exact from its image on?"""
        if self._intra_only:
            return True
        head = bytes(data[:LOOKED_AT])
        if self._codec == "h264":
            return self._starts_h264(head)
        if self._codec == "hevc":
            return self._hevc_type(head) in _HEVC_IRAP
        if self._codec in ("mpeg1video", "mpeg2video"):
            return b"\0\0\1\xb3" in head  # the sequence header, without which a fresh decoder knows no size
        if self._codec == "mpeg4":
            at = head.find(b"\0\0\1\xb6")
            return 0 <= at < len(head) - 4 and head[at + 4] >> 6 == 0
        if self._codec in ("vp8", "vp9", "av1"):
            return {"vp8": _starts_vp8, "vp9": _starts_vp9, "av1": _starts_av1}[self._codec](head)
        return self._codec not in ("vvc", "gif", "apng")  # the others' flags were right in every file tried

    def shows(self, data: memoryview) -> bool:
        """Does the decoder put out an image for this packet, when all is well? Called for every packet, in order."""
        if self._codec == "vp8":
            return bool(data[0] & 0x10)
        if self._codec == "vp9":
            return any(shown for _, shown in _vp9_frames(bytes(data)))
        if self._codec != "hevc":
            return True
        kind = self._hevc_type(bytes(data[:LOOKED_AT]))
        if kind in _HEVC_IRAP:  # a stream that begins with an open group, or was spliced before one
            self._broken_group = kind in _HEVC_BLA or not self._irap_seen
            self._irap_seen = True
        return not (kind in _HEVC_RASL and self._broken_group)

    def note_order(self, data: memoryview) -> None:
        """Look whether the packet holds a B picture, which may refer to images shown later (H.264 only)."""
        if self._codec == "h264":
            slices = (unit for kind, unit in self._units(bytes(data[:LOOKED_AT])) if kind in (_H264_SLICE, _H264_IDR))
            self.backward |= any(_slice_type(unit) in _SLICES_B for unit in itertools.islice(slices, 1))

    def _starts_h264(self, head: bytes) -> bool:
        exact = False
        for kind, unit in self._units(head):
            if kind == _H264_IDR:
                return True
            if kind == _H264_MESSAGE:
                exact |= _exact_recovery(unit)
            if kind == _H264_SLICE:
                return exact and _slice_type(unit) in _SLICES_I
        return False

    def _hevc_type(self, head: bytes) -> int | None:
        for _, unit in self._units(head):
            kind = unit[0] >> 1 & 0x3F
            if kind < _HEVC_PICTURES:
                if len(unit) > 1 and unit[1] & 7 > 1:
                    self.droppable = False  # "not referred to" holds within a temporal layer only
                return kind
        return None

    def _units(self, head: bytes) -> Iterator[tuple[int, bytes]]:
        """(H.264's type, bytes)."""
        return ((unit[0] & 0x1F, unit) for unit in nal_units(head, self._length))


def nal_units(head: bytes, length: int) -> Iterator[bytes]:
    """NAL units of a packet's beginning, without those that do not start in `head`. length: as `length_size`."""
    at = 0
    while length and at + length < len(head):
        size = int.from_bytes(head[at : at + length], "big")
        at += length
        if unit := head[at : at + size]:
            yield unit
        at += size
    if not length:
        yield from filter(None, head.split(b"\0\0\1")[1:])


def length_size(codec: str, extradata: bytes) -> int:
    """Bytes of the lengths before NAL units, as MP4 and Matroska store them; 0 where start codes part them."""
    if codec == "h264" and len(extradata) > 4 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) > 21 and extradata[:3] not in (b"\0\0\0", b"\0\0\1"):
        return (extradata[21] & 3) + 1
    return 0


def _unescaped(unit: bytes) -> bytes:
    return unit.replace(b"\0\0\3", b"\0\0")


def _golomb(data: bytes, bit: int) -> tuple[int, int]:
    """(value, next bit) of an unsigned Exp-Golomb code; missing bits read as one."""
    zeros = 0
    while not _bit(data, bit + zeros):
        zeros += 1
    value = 0
    for i in range(zeros + 1):
        value = value << 1 | _bit(data, bit + zeros + i)
    return value - 1, bit + 2 * zeros + 1


def _bit(data: bytes, bit: int) -> int:
    return data[bit >> 3] >> (7 - (bit & 7)) & 1 if bit >> 3 < len(data) else 1


def _slice_type(unit: bytes) -> int:
    head = _unescaped(unit[:24])
    return _golomb(head, _golomb(head, 8)[1])[0]


def _exact_recovery(unit: bytes) -> bool:
    """Does the message say: exact from this very image on?"""
    data, at = _unescaped(unit), 1
    while at + 2 < len(data):
        numbers = []
        for _ in range(2):  # type and size of the message, each a run of 255s and a rest
            value = 0
            while at < len(data) - 1 and data[at] == 255:
                value, at = value + 255, at + 1
            numbers.append(value + data[at])
            at += 1
            if at >= len(data):
                return False
        if numbers[0] == _RECOVERY_POINT:
            count, bit = _golomb(data, 8 * at)
            return count == 0 and bool(_bit(data, bit))  # recovery_frame_cnt, exact_match_flag
        at += numbers[1]
    return False


def _starts_vp8(head: bytes) -> bool:
    return not head[0] & 1


def _starts_vp9(head: bytes) -> bool:
    return next(_vp9_frames(head), (False, False))[0]


def _vp9_frames(data: bytes) -> Iterator[tuple[bool, bool]]:
    """(key frame, shown) of each frame in a packet: one, or the parts of a superframe, whose index is at its end."""
    sizes = [len(data)]
    marker = data[-1]
    width, count = (marker >> 3 & 3) + 1, (marker & 7) + 1
    length = 2 + width * count
    if marker & 0xE0 == 0xC0 and len(data) > length and data[-length] == marker:
        index = data[-length + 1 : -1]
        sizes = [int.from_bytes(index[i * width : (i + 1) * width], "little") for i in range(count)]
    at = 0
    for size in sizes:
        bit = 8 * at + 4 + (data[at] >> 4 & 3 == 3) if at < len(data) else 0
        if size and at < len(data):
            repeats = _bit(data, bit)
            yield not repeats and not _bit(data, bit + 1), bool(repeats or _bit(data, bit + 2))
        at += size


def _starts_av1(head: bytes) -> bool:
    """A key frame that is shown at once: what follows refers to nothing before it."""
    at = 0
    while at < len(head):
        kind, extended, sized = head[at] >> 3 & 15, head[at] >> 2 & 1, head[at] >> 1 & 1
        at += 1 + extended
        size = 0
        for i in range(8 if sized else 0):
            if at >= len(head):
                return False
            size |= (head[at] & 127) << 7 * i
            at += 1
            if not head[at - 1] & 128:
                break
        if kind in (3, 6):  # frame header, frame: show_existing_frame 0, frame_type 00, show_frame 1
            return at < len(head) and head[at] >> 4 == 1
        if not sized:
            return False
        at += size
    return False
