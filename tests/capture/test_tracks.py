"""Cameras on the common timeline: offsets, and recordings that do not cover the same time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mouselift.capture.source import CaptureSource
from mouselift.errors import CaptureError
from mouselift.inspect.facts import LostFrames
from mouselift.inspect.lost_frames import lost_frames
from small_captures import B_FRAMES, NumberOf, capture, numbers, view

MakeVideo = Callable[..., Path]


def codes(source: CaptureSource) -> list[tuple[str, str | None, int | None]]:
    return [(f.code, f.camera, f.frame) for f in source.findings]


def test_a_video_three_frames_short(make_video: MakeVideo, number_of: NumberOf, tmp_path: Path) -> None:
    full, short = make_video("a.mp4", count=40, options=B_FRAMES), make_video("short.mp4", count=37, options=B_FRAMES)
    source = CaptureSource(capture(tmp_path, [view("A", full), view("B", short)]))
    assert codes(source) == [("video-short", "B", 37)]
    said = str(source.findings[0])
    assert "camera B" in said
    assert "ends 3 frames before camera A (at frame 37 of 40)" in said
    assert numbers(list(source.read([36, 37, 39])), number_of) == [[36, 36], [37, None], [39, None]]


def test_a_truncated_video(make_video: MakeVideo, number_of: NumberOf, tmp_path: Path) -> None:
    full = make_video("a.mp4", count=40, options=B_FRAMES)
    fast = make_video("fast.mp4", count=40, options=B_FRAMES, faststart=True)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(fast.read_bytes()[: int(fast.stat().st_size * 0.8)])
    source = CaptureSource(capture(tmp_path, [view("A", full), view("B", broken)]))
    assert [c for c, _, _ in codes(source)] == ["video-truncated", "video-short"]
    end = source.tracks[1].images.end
    assert 0 < end < 40
    assert f"the header promises 40 frames, {end} can be read" in source.findings[0].message
    assert numbers(list(source.read([end - 1, 39])), number_of) == [[end - 1, end - 1], [39, None]]


def test_frames_lost_in_between(make_video: MakeVideo, tmp_path: Path) -> None:
    """A recorder that drops frames leaves a jump in the time stamps."""
    full = make_video("a.mp4", count=40, options=B_FRAMES)
    holes = make_video("holes.mkv", count=40, options={"bf": "0"}, leave_out=(17, 18, 30))
    source = CaptureSource(capture(tmp_path, [view("A", full), view("B", holes)]))
    assert codes(source) == [("video-gap", "B", 16), ("video-short", "B", 37)]
    lost = list(lost_frames(source.tracks))
    assert lost == [LostFrames("B", ((17, 2), (28, 1)), 3, kept_place=False)]
    assert "its time stamps jump at 2 places, first after image 16" in source.findings[0].message


def test_another_frame_rate(make_video: MakeVideo, tmp_path: Path) -> None:
    slow = make_video("slow.mp4", count=40, options=B_FRAMES, rate=50)
    source = CaptureSource(
        capture(tmp_path, [view("A", make_video("a.mp4", count=40, options=B_FRAMES)), view("B", slow)])
    )
    assert codes(source) == [("video-rate", "B", None)]
    assert "50 frames/s, camera A has 100" in source.findings[0].message


def test_frame_offsets(make_video: MakeVideo, number_of: NumberOf, tmp_path: Path) -> None:
    """number in the file = frame on the common timeline + frame_offset."""
    video = make_video("a.mp4", count=40, options=B_FRAMES)
    source = CaptureSource(capture(tmp_path, [view("A", video), view("B", video.parent / "a.mp4", offset=3)]))
    assert numbers(list(source.read([0, 10])), number_of)[0][0] == 0
    other = make_video("o.mp4", count=43, options=B_FRAMES)
    early = make_video("e.mp4", count=38, options=B_FRAMES)
    source = CaptureSource(
        capture(tmp_path, [view("A", video), view("B", other, offset=3), view("C", early, offset=-2)])
    )
    assert list(source.frames) == list(range(40))
    assert source.findings == ()  # all end together
    assert numbers(list(source.read([0, 1, 2, 20, 39])), number_of) == [
        [0, 3, None],
        [1, 4, None],
        [2, 5, 0],
        [20, 23, 18],
        [39, 42, 37],
    ]


def test_a_camera_that_shares_no_frame_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    """Not made into a timeline of 10^12 frames."""
    cameras = [view("a", make_video("a.mp4", 8)), view("b", make_video("b.mp4", 8), offset=-(10**12))]
    with pytest.raises(CaptureError, match=r"camera a: its images are frames 0 \.\. 7 .*is frame_offset right"):
        CaptureSource(capture(tmp_path, cameras))
