"""The ends of streams: a pause takes no image away, a cut numbers none wrongly; empty places of an AVI are gaps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.error import FFmpegError

from mouselift.capture.tracks import time_gaps
from mouselift.media.picture_order import Place, complete_until, places_of
from mouselift.media.video import VideoReader
from mouselift.media.video_index import probe

MakeVideo = Callable[..., Path]
COUNT = 64
CODECS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"g": "12", "bf": "3", "x264-params": "scenecut=0"}),
    "h264, open groups": ("libx264", {"g": "12", "bf": "3", "x264-params": "scenecut=0:open-gop=1"}),
    "h264, one group": ("libx264", {"g": "300", "bf": "3", "x264-params": "scenecut=0:b-pyramid=strict"}),
    "h264, interlaced": ("libx264", {"g": "12", "bf": "2", "x264-params": "tff=1"}),
    "h265": ("libx265", {"x265-params": "keyint=12:bframes=3:log-level=none:pools=1"}),
    "h265, open groups": ("libx265", {"x265-params": "keyint=12:bframes=3:open-gop=1:log-level=none:pools=1"}),
    "mpeg2": ("mpeg2video", {"g": "12", "bf": "2", "qscale": "3"}),
    "mpeg1": ("mpeg1video", {"g": "12", "bf": "2", "qscale": "3"}),
}
FILES = [
    *((codec, name) for codec in CODECS for name in ("a.mkv", "a.ts", "a.nut")),
    *((codec, "a.flv") for codec in CODECS if codec.startswith("h264")),
]


def made(make_video: MakeVideo, codec: str, name: str, count: int, leave_out: tuple[int, ...]) -> Path:
    encoder, options = CODECS[codec]
    return make_video(name, count, encoder, "yuv420p", options, noise=True, rate=30, leave_out=leave_out)


def levels(path: Path) -> list[np.ndarray]:
    """Every image, decoded in order, as far as it goes."""
    out = []
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for packet in container.demux(video=0):
            try:
                out += [frame.to_ndarray(format="gray") for frame in packet.decode()]
            except FFmpegError:
                continue
    return out


def read(path: Path) -> list[np.ndarray | None]:
    info = probe(path)
    found = VideoReader(info).read(range(info.frames))
    return [None if image is None else image.frame.to_ndarray(format="gray") for _, image in found]


def same(found: list[np.ndarray | None], expected: list[np.ndarray]) -> bool:
    return all(a is not None and np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def without_last(path: Path, out: Path, packets: int) -> Path:
    """As a recorder leaves it that was stopped between two packets."""
    with av.open(str(path)) as source, av.open(str(out), "w") as container:
        stream = source.streams.video[0]
        copy: Any = container.add_stream_from_template(stream)
        stored = [packet for packet in source.demux(stream) if packet.size]
        for packet in stored[:-packets]:
            packet.stream = copy
            container.mux(packet)
    return out


@pytest.mark.parametrize("before", [COUNT - 1, COUNT - 2, COUNT - 3])
@pytest.mark.parametrize(("codec", "name"), FILES)
def test_a_pause_near_the_end_takes_no_image_away(codec: str, name: str, before: int, make_video: MakeVideo) -> None:
    path = made(make_video, codec, name, COUNT + 30, tuple(range(before, before + 30)))
    info = probe(path)
    assert info.frames == len(levels(path)) == COUNT
    assert same(read(path), levels(path))
    assert info.times is not None
    gap = np.flatnonzero(np.diff(info.times) > 10 * np.median(np.diff(info.times)))
    assert gap.tolist() == [before - 1]


@pytest.mark.parametrize("pause", [(), (57, 58, 59, 60), (20, 21, 22, 62, 63, 64)])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        (codec, suffix)
        for codec in CODECS
        for suffix in (".mkv", ".mp4", ".avi")
        if (codec[:4], suffix) != ("h265", ".avi")
    ],
)
def test_after_a_cut_no_image_gets_another_number(
    codec: str, suffix: str, pause: tuple[int, ...], make_video: MakeVideo, tmp_path: Path
) -> None:
    whole = made(make_video, codec, f"a{suffix}", COUNT + len(pause), pause)
    clean = levels(whole)
    kept = []
    for packets in range(1, 10):
        path = without_last(whole, tmp_path / f"{packets}{suffix}", packets)
        found = read(path)
        assert same(found, clean[: len(found)])
        kept.append(len(found))
    assert kept[0] >= COUNT - 5  # of which at most four wait for the last packet
    assert len(set(kept)) > 3


def test_counts_that_go_by_the_clock_do_not_tell() -> None:
    """Some encoders count on over images that were lost: then a pause is taken for a hole, as without counts."""
    shown = [Place(0, 2 * number) for number in (*range(20), *range(30, 40), 80)]
    assert complete_until(shown, 30, ragged=False) is None
    even = [Place(0, 2 * number) for number in range(40)]
    assert complete_until(even, 36, ragged=False) == 40
    assert complete_until([*even[:38], *even[39:]], 36, ragged=False) == 38
    assert complete_until([*even[:38], Place(1, 0, first=True)], 36, ragged=False) == 39
    assert complete_until([*even[:38], Place(1, 2)], 36, ragged=False) == 38
    assert complete_until(even[:4], 3, ragged=False) is None
    assert complete_until(even[::-1], 36, ragged=False) is None


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg2video", "mpeg1video", "mpeg4", "vp9"])
def test_counts_of_anything_are_read_or_not_told(codec: str) -> None:
    rng = np.random.default_rng(3)
    for trial in range(300):
        size = int(rng.integers(0, 80))
        record = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
        packets = [b"\0\0\1" + rng.integers(0, 256, 40, dtype=np.uint8).tobytes() for _ in range(3)]
        if trial % 2:
            record = (b"\1" if codec == "h264" else b"\1\1\1\1") + record
        assert places_of(codec, record, packets) is None or len(packets) == 3


AVIS = {
    "motion JPEG": ("mjpeg", {}, "yuvj420p"),
    "raw levels": ("rawvideo", {}, "gray"),
    "MPEG-4": ("mpeg4", {"g": "12", "bf": "0"}, "yuv420p"),
    "MPEG-4, B frames": ("mpeg4", {"g": "12", "bf": "2"}, "yuv420p"),
    "MPEG-2, B frames": ("mpeg2video", {"g": "12", "bf": "2", "qscale": "3"}, "yuv420p"),
    "H.264": ("libx264", {"g": "12", "bf": "0"}, "yuv420p"),
    "H.264, B frames": ("libx264", {"g": "12", "bf": "2"}, "yuv420p"),
    "FFV1": ("ffv1", {}, "yuv420p"),
}
LOST = (5, 6, 7, 20, 30, 31, 47)


def by_opencv(path: Path) -> list[np.ndarray]:
    capture, out = cv2.VideoCapture(str(path)), []
    while (found := capture.read())[0]:
        out.append(cv2.cvtColor(found[1], cv2.COLOR_BGR2GRAY))
    return out


@pytest.mark.parametrize("kind", AVIS)
def test_empty_places_of_an_avi_are_gaps(kind: str, make_video: MakeVideo) -> None:
    """A recorder leaves a place empty for each image that it lost: the file's count holds them, decoders pass them."""
    codec, options, pixels = AVIS[kind]
    path = make_video("a.avi", 50, codec, pixels, options, noise=True, rate=30, leave_out=LOST)
    info, clean = probe(path), levels(path)
    assert info.frames == info.promised == len(clean) == len(by_opencv(path)) == 50 - len(LOST)
    assert same(read(path), clean)
    assert info.times is not None
    held = [number for number in range(50) if number not in LOST]
    inside = len(held) - 3  # the last two may come out of their order: an AVI does not keep how late
    assert (np.diff(info.times)[:inside] == np.diff(held)[:inside]).all()
    assert time_gaps(info)[:3].tolist() == [4, 16, 25]


@pytest.mark.parametrize("kind", ["motion JPEG", "MPEG-4", "H.264"])
def test_a_cut_avi_with_empty_places_is_said_to_be_cut(kind: str, make_video: MakeVideo, tmp_path: Path) -> None:
    codec, options, pixels = AVIS[kind]
    whole = make_video("a.avi", 50, codec, pixels, options, noise=True, rate=30, leave_out=LOST)
    data = whole.read_bytes()
    path = tmp_path / "cut.avi"
    for share in (0.7, 0.8, 0.9):
        path.write_bytes(data[: int(share * len(data))])
        info = probe(path)
        assert info.times is not None
        empty = int(info.times[-1]) + 1 - info.frames
        assert info.frames < info.promised == 50 - empty
        assert empty >= (3 if info.frames > 6 else 0)


@pytest.mark.parametrize("codec", ["mpeg2video", "mpeg1video"])
@pytest.mark.parametrize("size", [(96, 64), (320, 240)])  # many pictures in the last piece of the file, and none whole
def test_a_cut_program_stream_holds_its_whole_pictures(
    codec: str, size: tuple[int, int], make_video: MakeVideo, tmp_path: Path
) -> None:
    """A picture that the cut goes through is not counted; whole ones in the file's last piece are not given up."""
    options = {"g": "12", "bf": "2", "qscale": "3"}
    whole = make_video("a.mpg", 40, codec, "yuv420p", options, size=size, noise=True, rate=30)
    clean, data = levels(whole), whole.read_bytes()
    path, given_up = tmp_path / "cut.mpg", 0
    for cut in np.linspace(len(data) // 2, len(data) - 2500, 60).astype(int).tolist():
        path.write_bytes(data[:cut])
        found, plain = read(path), levels(path)
        assert all(a is None or np.array_equal(a, b) for a, b in zip(found, clean, strict=False))
        right = next((n for n, (a, b) in enumerate(zip(plain, clean, strict=False)) if not np.array_equal(a, b)), None)
        good = sum(image is not None for image in found)
        given_up = max(given_up, (len(plain) if right is None else right) - good)
        assert len(found) <= len(plain)
    assert given_up <= 2
