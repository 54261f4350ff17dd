"""Which images a cut-off end lacks, by the numbers that pictures carry in their order of presentation.

Images are stored in the order of decoding: the last ones of a cut stream may lack predecessors that were due to be
stored after them. Times do not tell such a hole from a pause of the recorder. Pictures are counted besides: H.264's and
H.265's picture order count, MPEG-1's and MPEG-2's temporal reference go on over a pause, and jump at a hole. The syntax
is that of ITU-T H.264 (7.3, 8.2.1), H.265 (7.3, 8.3.1), H.262 (6.3.9) and ISO/IEC 14496-15 (5.3.3, 8.3.3).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mouselift.media.access_points import length_size, nal_units

OUT_OF_ORDER = 16  # images that may be stored before one that is shown earlier, by the standards
WINDOW = 6 * OUT_OF_ORDER  # packets at the end that are looked at: the step must show before those out of order
_RAGGED = 2 * OUT_OF_ORDER  # images whose neighbours may lie before the window
_STEPS = 4  # that must agree before the step of a stream's count is known
_HEAD = 256  # bytes of a unit: headers are shorter
_TEMPORAL_REFERENCE = ("mpeg1video", "mpeg2video")


@dataclass(frozen=True, order=True)
class Place:
    """A picture's place in the order of presentation. Counts begin anew with each group."""

    group: int
    number: int
    first: bool = False  # nothing of its group is shown before it


def places_of(codec: str, extradata: bytes | None, packets: Sequence[bytes]) -> list[Place] | None:
    """Of consecutive packets in the order of decoding; None where one does not say."""
    try:
        if codec in _TEMPORAL_REFERENCE:
            return list(_temporal_references(packets))
        return list(_counts(codec, extradata or b"", packets)) if codec in ("h264", "hevc") else None
    except (LookupError, ValueError):
        return None


def complete_until(shown: Sequence[Place], sure: int, ragged: bool, step: int | None = None) -> int | None:
    """How many of images in the order of their times lack no predecessor; None where their counts do not tell.

    sure: so many lack none for certain. ragged: other images were stored before these. step: from one image to the
    next, where the standard says it.
    """
    if any(a >= b for a, b in itertools.pairwise(shown)):
        return None
    known = shown[_RAGGED if ragged else 0 : sure]
    steps = {b.number - a.number for a, b in itertools.pairwise(known) if a.group == b.group}
    if len(steps | ({step} if step else set())) != 1 or (step is None and len(known) <= _STEPS):
        return None
    step = step or steps.pop()
    for i in range(max(sure, 1), len(shown)):
        before, here = shown[i - 1], shown[i]
        if not (here.number - before.number == step if here.group == before.group else here.first):
            return i
    return len(shown)


def step_of(codec: str) -> int | None:
    """Of the counts, from one image to the next; None where encoders choose it."""
    return 1 if codec in _TEMPORAL_REFERENCE else None


def _temporal_references(packets: Iterable[bytes]) -> Iterator[Place]:
    group = 0
    for data in packets:
        at = data.index(b"\0\0\1\0")
        group += b"\0\0\1\xb8" in data[:at]
        number = data[at + 4] << 2 | data[at + 5] >> 6
        yield Place(group, number, number == 0)


@dataclass(frozen=True)
class _Count:
    """What a slice says of its picture's count."""

    low: int
    bits: int  # that `low` has; higher ones follow from the count before
    new: bool = False  # a group begins
    first: bool = False  # nothing of the group is shown before it
    referred: bool = True  # the next counts are relative to it


def _counts(codec: str, extradata: bytes, packets: Iterable[bytes]) -> Iterator[Place]:
    length = length_size(codec, extradata)
    syntax = _H264() if codec == "h264" else _H265()
    for unit in syntax.configured(extradata) if length else nal_units(extradata, 0):
        syntax.count(unit)
    group, last, high = 0, None, 0
    for data in packets:
        found = next((said for unit in nal_units(data, length) if (said := syntax.count(unit)) is not None), None)
        if found is None:
            raise ValueError("no picture")
        if found.new:
            group, last, high = group + 1, found.low, 0
        ahead = found.low - (found.low if last is None else last)
        half = 1 << (found.bits - 1)
        turn = high + (ahead <= -half) - (ahead > half)
        yield Place(group, (turn << found.bits) + found.low, found.first)
        if found.referred or last is None:
            last, high = found.low, turn


class _Bits:
    """A unit's header. IndexError behind its end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data[:_HEAD].replace(b"\0\0\3", b"\0\0"), 0

    def u(self, count: int) -> int:
        value = 0
        for at in range(self._at, self._at + count):
            value = value << 1 | self._data[at >> 3] >> (7 - (at & 7)) & 1
        self._at += count
        return value

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def pass_ue(self, count: int) -> None:
        for _ in range(count):
            self.ue()

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -code // 2


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    return data[at + 2 : end], end


class _H264:
    """Of its parameter sets: what comes before the count in a slice."""

    def __init__(self) -> None:
        self._sequences: dict[int, tuple[bool, int, bool, int]] = {}
        self._sequence_of: dict[int, int] = {}

    @staticmethod
    def configured(record: bytes) -> Iterator[bytes]:
        at = 5
        for mask in (31, 255):  # a byte with the count of sequence sets, these, one with that of picture sets, these
            count, at = record[at] & mask, at + 1
            for _ in range(count):
                unit, at = _sized(record, at)
                yield unit

    def count(self, unit: bytes) -> _Count | None:
        """None for what is no slice; it may be a parameter set, which is kept."""
        kind, bits = unit[0] & 31, _Bits(unit[1:])
        if kind == 7:
            self._read_sequence(bits)
        elif kind == 8:
            self._sequence_of[bits.ue()] = bits.ue()
        elif kind in (1, 5):
            bits.pass_ue(2)
            separate, frame_bits, frames_only, low_bits = self._sequences[self._sequence_of[bits.ue()]]
            bits.u(2 * separate + frame_bits)
            if not frames_only and bits.u(1):
                bits.u(1)
            if kind == 5:
                bits.ue()
            return _Count(bits.u(low_bits), low_bits, kind == 5, kind == 5, bool(unit[0] >> 5 & 3))
        return None

    def _read_sequence(self, bits: _Bits) -> None:
        profile, _, number, separate = bits.u(8), bits.u(16), bits.ue(), False
        if profile in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135):
            chroma = bits.ue()
            separate = chroma == 3 and bool(bits.u(1))
            bits.pass_ue(2)
            bits.u(1)
            if bits.u(1):
                for k in range(12 if chroma == 3 else 8):
                    if bits.u(1):
                        _pass_scaling_list(bits, 16 if k < 6 else 64)
        frame_bits = bits.ue() + 4
        if bits.ue():
            raise ValueError("counts of another type: no picture is stored before one that is shown earlier, mostly")
        low_bits = bits.ue() + 4
        bits.ue()
        bits.u(1)
        bits.pass_ue(2)
        self._sequences[number] = (separate, frame_bits, bool(bits.u(1)), low_bits)


def _pass_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


class _H265:
    """As `_H264`."""

    def __init__(self) -> None:
        self._sequences: dict[int, tuple[bool, int]] = {}
        self._pictures: dict[int, tuple[int, bool, int]] = {}

    @staticmethod
    def configured(record: bytes) -> Iterator[bytes]:
        at = 23
        for _ in range(record[22]):  # arrays: a byte with the kind of their units, two with their count
            count, at = int.from_bytes(record[at + 1 : at + 3], "big"), at + 3
            for _ in range(count):
                unit, at = _sized(record, at)
                yield unit

    def count(self, unit: bytes) -> _Count | None:
        """None for what is no slice; it may be a parameter set, which is kept."""
        kind, layer, bits = unit[0] >> 1 & 63, unit[1] & 7, _Bits(unit[2:])
        if kind == 33:
            self._read_sequence(bits)
        elif kind == 34:
            number, sequence, _, output, extra = bits.ue(), bits.ue(), bits.u(1), bits.u(1), bits.u(3)
            self._pictures[number] = (sequence, bool(output), extra)
        elif kind < 32 and bits.u(1):
            if kind >= 16:
                bits.u(1)
            sequence, output, extra = self._pictures[bits.ue()]
            separate, low_bits = self._sequences[sequence]
            bits.u(extra)
            bits.ue()
            bits.u(output + 2 * separate)
            new = 16 <= kind <= 20
            low = 0 if kind in (19, 20) else bits.u(low_bits)
            # Leading pictures and those of a higher temporal layer, or without reference within theirs, are left out.
            referred = layer == 1 and not 6 <= kind <= 9 and (kind > 14 or kind % 2 == 1)
            return _Count(low, low_bits, new, kind == 20, referred)
        return None

    def _read_sequence(self, bits: _Bits) -> None:
        layers = bits.u(4 + 3) & 7
        bits.u(1 + 88 + 8)
        present = [(bits.u(1), bits.u(1)) for _ in range(layers)]
        if layers:
            bits.u(2 * (8 - layers))
        for profile, level in present:
            bits.u(88 * profile + 8 * level)
        number, chroma = bits.ue(), bits.ue()
        separate = chroma == 3 and bool(bits.u(1))
        bits.pass_ue(2)
        bits.pass_ue(4 * bits.u(1) + 2)
        self._sequences[number] = (separate, bits.ue() + 4)
