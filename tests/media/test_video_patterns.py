"""Whatever is asked for, in whatever order: the images are those of a plain read by another decoder, as many of them.

Bit for bit: grey levels made by FFmpeg from a plain sequential decode. OpenCV gives the count and the order; its pixels
went to BGR and back, so they are compared to within rounding, which tells any image of these from its neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from mouselift.errors import VideoError
from mouselift.media.video import VideoReader
from mouselift.media.video_image import VideoImage
from mouselift.media.video_index import VideoInfo, probe

MakeVideo = Callable[..., Path]
COUNT = 64
X264_REFRESH = {"x264-params": "intra-refresh=1:keyint=20:bframes=0"}
X265 = "keyint=12:bframes=3:log-level=none:pools=1:"

# name of the file, encoder, its options, pixel format
KINDS: dict[str, tuple[str, str, dict[str, str], str]] = {
    "intra refresh": ("a.mp4", "libx264", X264_REFRESH, "yuv420p"),
    "intra refresh, Matroska": ("a.mkv", "libx264", X264_REFRESH, "yuv420p"),
    "intra refresh, transport stream": ("a.ts", "libx264", X264_REFRESH, "yuv420p"),
    "open groups": ("a.mp4", "libx264", {"bf": "3", "g": "12", "x264-params": "open-gop=1:scenecut=0"}, "yuv420p"),
    "open groups, QuickTime": ("a.mov", "libx264", {"bf": "3", "g": "12", "x264-params": "open-gop=1"}, "yuv420p"),
    "AVI knows no order of presentation": ("a.avi", "libx264", {"g": "12", "bf": "3"}, "yuv420p"),
    "FLV": ("a.flv", "libx264", {"g": "12", "bf": "2"}, "yuv420p"),
    "raw H.264": ("a.h264", "libx264", {"g": "12", "bf": "2"}, "yuv420p"),
    "HEVC, leading images": ("a.mp4", "libx265", {"x265-params": X265 + "open-gop=1"}, "yuv420p"),
    "HEVC, decodable leading images": ("a.mkv", "libx265", {"x265-params": X265 + "open-gop=0:radl=2"}, "yuv420p"),
    "HEVC, temporal layers": ("a.mp4", "libx265", {"x265-params": X265 + "temporal-layers=3"}, "yuv420p"),
    "AV1": ("a.mp4", "libsvtav1", {"crf": "20", "preset": "12", "g": "10"}, "yuv420p"),
    "AV1, WebM": ("a.webm", "libsvtav1", {"crf": "20", "preset": "12", "g": "10"}, "yuv420p"),
    "VP9, hidden images": ("a.webm", "libvpx-vp9", {"g": "16", "lag-in-frames": "16", "cpu-used": "5"}, "yuv420p"),
    "VP8": ("a.webm", "libvpx", {"g": "16", "cpu-used": "5"}, "yuv420p"),
    "MPEG-2 program stream": ("a.mpg", "mpeg2video", {"g": "12", "bf": "2", "qscale": "3"}, "yuv420p"),
    "MPEG-2, DVD": ("a.vob", "mpeg2video", {"g": "12", "bf": "2", "qscale": "3"}, "yuv420p"),
    "MPEG-2 transport stream": ("a.ts", "mpeg2video", {"g": "12", "bf": "2", "qscale": "3"}, "yuv420p"),
    "MPEG-1": ("a.mpg", "mpeg1video", {"g": "12", "bf": "2"}, "yuv420p"),
    "raw MPEG-1": ("a.m1v", "mpeg1video", {"g": "12", "bf": "2"}, "yuv420p"),
    "raw MPEG-2": ("a.m2v", "mpeg2video", {"g": "12", "bf": "2", "qscale": "3"}, "yuv420p"),
    "MPEG-4": ("a.avi", "mpeg4", {"g": "12", "bf": "2", "qscale": "2"}, "yuv420p"),
    "H.263, every packet flagged as key frame": ("a.avi", "h263p", {"g": "12"}, "yuv420p"),
    "Windows Media": ("a.wmv", "wmv2", {"g": "12"}, "yuv420p"),
    "motion JPEG": ("a.avi", "mjpeg", {}, "yuvj420p"),
    "FFV1 in groups": ("a.mkv", "ffv1", {"g": "12", "context": "1"}, "yuv420p"),
    "ProRes": ("a.mov", "prores_ks", {}, "yuv422p10le"),
    "raw levels": ("a.avi", "rawvideo", {}, "gray"),
}  # fmt: skip
UNREAD_BY_OPENCV = ("AV1",)  # its wheel has no software decoder for it
BASES = {
    "mp4": ("a.mp4", "libx264", {"g": "10", "bf": "2"}, "yuv420p"),
    "hevc": ("a.mp4", "libx265", {"x265-params": X265 + "open-gop=1"}, "yuv420p"),
    "ts": ("a.ts", "libx264", {"g": "12", "bf": "2"}, "yuv420p"),
    "mkv": ("a.mkv", "libx264", {"g": "12", "bf": "3", "x264-params": "open-gop=1:scenecut=0"}, "yuv420p"),
    "refresh": ("a.ts", "libx264", X264_REFRESH, "yuv420p"),
    "mpeg4": ("a.avi", "mpeg4", {"g": "12", "bf": "2"}, "yuv420p"),
    "mpg": ("a.mpg", "mpeg2video", {"g": "12", "bf": "2"}, "yuv420p"),
    "raw": ("a.h264", "libx264", {"g": "12", "bf": "2"}, "yuv420p"),
}


def written(make_video: MakeVideo, kind: tuple[str, str, dict[str, str], str]) -> Path:
    name, codec, options, pixels = kind
    size = (176, 144) if codec == "h263p" else (96, 64)
    return make_video(name, count=COUNT, codec=codec, options=options, pix_fmt=pixels, size=size, noise=True, rate=30)


@cache
def plain(path: Path) -> list[np.ndarray]:
    """Every image, decoded in order."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def by_opencv(path: Path) -> list[np.ndarray]:
    capture, out = cv2.VideoCapture(str(path)), []
    while (found := capture.read())[0]:
        out.append(cv2.cvtColor(found[1], cv2.COLOR_BGR2GRAY))
    return out


def wrong(info: VideoInfo, wanted: list[int], reader: VideoReader) -> list[tuple[int, str]]:
    clean = plain(info.path)
    found: list[tuple[int, VideoImage | None]] = list(reader.read(wanted))
    assert [number for number, _ in found] == wanted
    missing = [(number, "missing") for number, image in found if image is None]
    return missing + [
        (number, "another image")
        for number, image in found
        if image is not None and not np.array_equal(image.frame.to_ndarray(format="gray"), clean[number])
    ]


@pytest.fixture(scope="module", params=list(KINDS))
def case(request: pytest.FixtureRequest, make_video: MakeVideo) -> tuple[str, VideoInfo]:
    return request.param, probe(written(make_video, KINDS[request.param]))


def test_as_many_images_as_opencv_reads_in_its_order(case: tuple[str, VideoInfo]) -> None:
    name, info = case
    clean = plain(info.path)
    assert info.frames == len(clean) == COUNT
    if name.startswith(UNREAD_BY_OPENCV):
        return
    theirs = by_opencv(info.path)
    assert len(theirs) == info.frames
    worst = max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(clean, theirs, strict=True))
    neighbour = min(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(clean[1:], theirs[:-1], strict=True))
    assert worst < 3 < 6 < neighbour


def test_any_subset_is_what_a_plain_read_gives(case: tuple[str, VideoInfo]) -> None:
    _, info = case
    shared = VideoReader(info)

    @given(st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=12, unique=True).map(sorted))
    def check(wanted: list[int]) -> None:
        assert wrong(info, wanted, shared) == []

    check()
    for step in (1, 4, 10, 37):
        assert wrong(info, list(range(0, COUNT, step)), VideoReader(info)) == []
    edges = [*info.keys.tolist(), COUNT]
    for start, end in itertools.pairwise(edges):  # the blocks of workers
        assert wrong(info, list(range(start, end)), VideoReader(info)) == []
    for step in (4, 7, 10):  # a worker's own, and those of cameras whose access points are others
        for shift in (0, 3):
            kept = [list(range(a + shift, min(b + shift, COUNT), step)) for a, b in itertools.pairwise(edges)]
            assert [wrong(info, block, shared) for block in kept if block] == [[] for block in kept if block]
    shared.close()


def remuxed(path: Path, out: Path, skip: int = 0, hide: int = 0) -> Path:
    """Packets copied as `ffmpeg -c copy` does: without the first `skip`, or with `hide` images behind an edit list."""
    with av.open(str(path)) as source, av.open(str(out), "w") as container:
        stream = source.streams.video[0]
        copy: Any = container.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.size]
        zero = sorted(p.pts for p in packets if p.pts is not None)[hide] if hide else 0
        for packet in packets[skip:]:
            if hide and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - zero, packet.dts - zero
            packet.stream = copy
            container.mux(packet)
    return out


@pytest.mark.parametrize("hide", [1, 7, 10, 13])
@pytest.mark.parametrize("base", ["mp4", "hevc"])
def test_packets_hidden_by_an_edit_list_are_referred_to_and_not_counted(
    base: str, hide: int, make_video: MakeVideo, tmp_path: Path
) -> None:
    info = probe(remuxed(written(make_video, BASES[base]), tmp_path / "cut.mp4", hide=hide))
    assert info.frames == info.promised == len(by_opencv(info.path)) == COUNT - hide
    for step in (1, 5, 16):
        assert wrong(info, list(range(0, info.frames, step)), VideoReader(info)) == []
    assert wrong(info, [2], VideoReader(info)) == []


@pytest.mark.parametrize("skip", [5, 12, 13])
@pytest.mark.parametrize("base", ["ts", "mkv", "refresh", "mpeg4", "mpg", "raw"])
def test_a_stream_cut_inside_a_group_is_counted_from_the_first_image_that_comes_out(
    base: str, skip: int, make_video: MakeVideo, tmp_path: Path
) -> None:
    whole = written(make_video, BASES[base])
    info = probe(remuxed(whole, tmp_path / f"cut{whole.suffix}", skip=skip))
    assert info.frames == len(plain(info.path)) == len(by_opencv(info.path))
    for step in (1, 6):
        assert wrong(info, list(range(0, info.frames, step)), VideoReader(info)) == []


@pytest.mark.parametrize("base", ["mp4", "hevc", "ts", "mkv", "refresh", "mpg", "raw", "vp9"])
def test_images_at_uneven_times_are_those_of_a_plain_read(base: str, make_video: MakeVideo) -> None:
    name, codec, options, pixels = {**BASES, "vp9": KINDS["VP9, hidden images"]}[base]
    out = set(np.random.default_rng(4).choice(np.arange(1, 90), 40, replace=False).tolist()) | set(range(30, 45))
    left = tuple(sorted(out))
    path = make_video(name, 120, codec, pixels, options, noise=True, rate=30, leave_out=left)
    info = probe(path)
    assert info.frames == len(plain(path)) == len(by_opencv(path)) == 120 - len(left)
    for step in (1, 4, 13):
        assert wrong(info, list(range(0, info.frames, step)), VideoReader(info)) == []


@pytest.mark.parametrize("base", ["mp4", "hevc"])
def test_a_pause_before_the_last_images_of_a_whole_file_takes_none_away(base: str, make_video: MakeVideo) -> None:
    """The table of an MP4 lists all images: nothing was cut off, whatever their times."""
    name, codec, options, pixels = BASES[base]
    left = tuple(range(62, 300))
    path = make_video(name, 302, codec, pixels, options, noise=True, rate=30, leave_out=left)
    info = probe(path)
    assert info.frames == info.promised == len(plain(path)) == len(by_opencv(path)) == COUNT
    assert wrong(info, [3, 61, 62, 63], VideoReader(info)) == []


def test_a_recorder_that_starts_its_clock_again(make_video: MakeVideo, tmp_path: Path) -> None:
    path = tmp_path / "two.ts"
    path.write_bytes(written(make_video, BASES["ts"]).read_bytes() * 2)
    info = probe(path)
    assert info.frames == len(plain(path)) == 2 * COUNT
    bad = wrong(info, list(range(0, info.frames, 3)), VideoReader(info))
    # At the seam the demultiplexer marks a packet as damaged, and what was stored with it is not believed.
    assert all(what == "missing" and abs(number - COUNT) < 6 for number, what in bad)


def test_vp8_packets_that_show_nothing_are_not_counted(tmp_path: Path) -> None:
    """The flag that shows an image is taken from one packet, as encoders do for alternate references."""
    path = tmp_path / "hidden.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=Fraction(30), options={"g": "16"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        packets = []
        for number in range(40):
            image = np.random.default_rng(number).integers(0, 255, (64, 96), dtype=np.uint8)
            image[:] = cv2.blur(image, (9, 9))
            frame = av.VideoFrame.from_ndarray(image, format="gray").reformat(format="yuv420p")
            frame.pts = number
            packets += stream.encode(frame)
        packets += stream.encode()
        for number, packet in enumerate(packets):
            if number in (5, 21):
                data = bytearray(bytes(packet))
                data[0] &= ~0x10
                packet.update(bytes(data))
            container.mux(packet)
    info = probe(path)
    assert info.frames == len(plain(path)) == len(by_opencv(path)) == 38
    for step in (1, 4):
        assert wrong(info, list(range(0, 38, step)), VideoReader(info)) == []


def test_where_a_seek_leads_astray_images_are_reached_by_reading(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(written(make_video, BASES["mp4"]))
    plain(info.path)
    seek = InputContainer.seek

    class Lost:
        """A container that lands behind what was asked for."""

        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def seek(self, offset: int, **options: Any) -> None:
            seek(self.inner, offset + 12 * 512, **{**options, "backward": False})

    opened = VideoReader._open

    def lost(reader: VideoReader) -> Any:
        reader._container = container = Lost(opened(reader))  # pyright: ignore[reportAttributeAccessIssue]
        return container

    monkeypatch.setattr(VideoReader, "_open", lost)
    assert wrong(info, [3, 25, 44, 60], VideoReader(info)) == []
    assert wrong(info, list(range(0, COUNT, 11)), VideoReader(info)) == []


@pytest.mark.parametrize("base", list(BASES))
def test_damage_anywhere_ends_in_an_error_for_the_user_or_in_missing_images(
    base: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    whole = written(make_video, BASES[base]).read_bytes()
    rng = np.random.default_rng(7)
    for trial in range(12):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 1 + trial):
            data[place] = int(rng.integers(256))
        path = tmp_path / f"{trial}{Path(BASES[base][0]).suffix}"
        path.write_bytes(data)
        try:
            info = probe(path)
            for wanted in (range(info.frames), range(0, info.frames, 7)):
                assert [number for number, _ in VideoReader(info).read(wanted)] == list(wanted)
        except VideoError as error:
            assert path.name in str(error)  # noqa: PT017


def test_a_codec_that_nobody_knows_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(written(make_video, BASES["mp4"]).read_bytes().replace(b"avc1", b"xxx1"))
    with pytest.raises(VideoError, match=r"a\.mp4: expected a codec"):
        probe(path)


@pytest.mark.parametrize("kind", [("a.h264", "libx264", {"g": "12"}, "yuv420p"), ("a.mjpeg", "mjpeg", {}, "yuvj420p")])
def test_a_stream_that_changes_its_size_is_refused_there(make_video: MakeVideo, tmp_path: Path, kind: Any) -> None:
    """Two recordings glued together: no camera is calibrated for both."""
    name, codec, options, pixels = kind
    parts = [make_video(name, 20, codec, pixels, options, size) for size in ((96, 64), (128, 80))]
    path = tmp_path / name
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    info = probe(path)
    assert info.frames == 40
    assert all(image is not None for _, image in VideoReader(info).read(range(0, 20, 3)))
    with pytest.raises(VideoError, match=r"image 27 is 128x80, the first is 96x64: the size changes"):
        list(VideoReader(info).read([3, 27]))


def test_several_videos_in_a_file_are_counted(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("one.mp4", count=12)
    path = tmp_path / "two.mkv"
    with av.open(str(source)) as read, av.open(str(path), "w") as out:
        streams = [out.add_stream_from_template(read.streams.video[0]) for _ in range(2)]
        for packet in read.demux(read.streams.video[0]):
            if packet.size:
                packet.stream = streams[0]
                out.mux(packet)
    assert probe(path).streams == 2
    assert probe(source).streams == 1


def test_an_edit_list_that_leaves_all_out_is_named(make_video: MakeVideo, tmp_path: Path) -> None:
    data = bytearray(make_video("edited.mp4", options={"bf": "2"}).read_bytes())
    entry = data.index(b"elst") + 12
    data[entry : entry + 4] = bytes(4)  # its duration
    path = tmp_path / "edited.mp4"
    path.write_bytes(data)
    with pytest.raises(VideoError, match="its edit list leaves all out: `ffmpeg -ignore_editlist 1"):
        probe(path)
