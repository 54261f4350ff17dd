"""What packets say about themselves: right on written streams (test_video_patterns), and no crash on any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.media.access_points import Packets

CODECS = ("h264", "hevc", "av1", "vp8", "vp9", "mpeg2video", "mpeg4", "wmv2")
AVCC, HVCC = bytes([1, 100, 0, 11, 255, 225]), bytes([1] * 21 + [3])


@given(st.sampled_from(CODECS), st.sampled_from([None, b"", AVCC, HVCC]), st.binary(min_size=1, max_size=200))
def test_any_bytes_are_answered(codec: str, extradata: bytes | None, data: bytes) -> None:
    packets = Packets(codec, extradata, intra_only=False)
    for prefix in (b"", b"\0\0\1", b"\0\0\1\x06\x06", b"\0\0\1\x41"):
        view = memoryview(prefix + data)
        assert packets.starts(view) in (True, False)
        assert packets.shows(view) in (True, False)
        packets.note_order(view)


def _h264(*units: bytes) -> memoryview:
    return memoryview(b"".join(b"\0\0\0\1" + unit for unit in units))


I_SLICE, P_SLICE, B_SLICE = bytes([0x41, 0b10110000]), bytes([0x41, 0b11000000]), bytes([0x01, 0b10100000])
EXACT_NOW, EXACT_LATER, ABOUT = (bytes([6, 6, 1, bits, 0x80]) for bits in (0b11000100, 0b00101100, 0b10000100))


@pytest.mark.parametrize(
    ("units", "starts"),
    [
        ((bytes([0x65, 0x88]),), True),  # IDR
        ((EXACT_NOW, I_SLICE), True),  # an open group
        ((EXACT_LATER, P_SLICE), False),  # intra refresh
        ((EXACT_LATER, I_SLICE), False),
        ((EXACT_NOW, P_SLICE), False),
        ((ABOUT, I_SLICE), False),
        ((I_SLICE,), False),  # nothing promises that later images refer to none before it
    ],
)
def test_where_decoding_of_h264_can_start(units: tuple[bytes, ...], starts: bool) -> None:
    assert Packets("h264", None, intra_only=False).starts(_h264(*units)) is starts


def test_a_b_slice_is_noticed() -> None:
    packets = Packets("h264", None, intra_only=False)
    packets.note_order(_h264(P_SLICE))
    assert not packets.backward
    packets.note_order(_h264(B_SLICE))
    assert packets.backward


def test_a_splice_before_an_open_group_hides_its_leading_images() -> None:
    packets = Packets("hevc", None, intra_only=False)
    kinds = [19, 1, 21, 8, 1, 16, 8, 1]  # IDR, trailing, CRA, RASL, trailing, BLA, RASL, trailing
    units = [memoryview(bytes([0, 0, 1, kind << 1, 1, 128])) for kind in kinds]
    assert [packets.shows(unit) for unit in units] == [True] * 6 + [False, True]
    cut = Packets("hevc", None, intra_only=False)
    assert [cut.shows(unit) for unit in units[2:5]] == [True, False, True]
