"""Video: every image is the one that was asked for, or None; never another one."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mouselift.errors import VideoError
from mouselift.media.video import Trust, VideoReader
from mouselift.media.video_image import VideoImage
from mouselift.media.video_index import VideoInfo, probe

MakeVideo = Callable[..., Path]
NumberOf = Callable[[np.ndarray], int]
COUNT = 130

KINDS: dict[str, dict[str, Any]] = {
    "h264 with B frames": {"name": "b.mp4", "options": {"bf": "3", "g": "24"}},
    "h264 with a pyramid of B frames": {"name": "p.mp4", "options": {"bf": "5", "b-pyramid": "normal", "g": "30"}},
    "h264, open groups of images": {
        "name": "open.mp4",
        "options": {"bf": "3", "g": "20", "x264-params": "open-gop=1:scenecut=0"},
    },
    "h264, short groups": {"name": "short.mp4", "options": {"bf": "2", "g": "5"}},
    "h264, one group": {"name": "one.mp4", "options": {"bf": "3", "g": "1000"}},
    "h264, key frames only": {"name": "intra.mp4", "options": {"g": "1"}},
    "h264, no B frames": {"name": "nob.mp4", "options": {"bf": "0", "g": "12"}},
    "h264 in Matroska": {"name": "b.mkv", "options": {"bf": "3", "g": "24"}},
    "h264 in a transport stream": {"name": "b.ts", "options": {"bf": "3", "g": "24"}},
    "h265, open groups": {
        "name": "h265.mp4",
        "codec": "libx265",
        "options": {"x265-params": "keyint=20:bframes=3:open-gop=1:log-level=none:pools=1"},
    },
    "FFV1 grey": {"name": "grey.mkv", "codec": "ffv1", "pix_fmt": "gray"},
    "MPEG-4 in AVI": {"name": "old.avi", "codec": "mpeg4", "options": {"g": "12", "qscale": "2"}},
    "MPEG-4 in AVI with B frames": {"name": "oldb.avi", "codec": "mpeg4", "options": {"g": "12", "bf": "2"}},
    "motion JPEG": {"name": "m.avi", "codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "a rate that is no whole number": {"name": "ntsc.mp4", "options": {"bf": "3", "g": "24"}, "rate": 29.97},
}


@pytest.fixture(scope="session", params=list(KINDS))
def kind(request: pytest.FixtureRequest, make_video: MakeVideo) -> VideoInfo:
    return probe(make_video(count=COUNT, **KINDS[request.param]))


def decoded_in_order(path: Path) -> list[np.ndarray]:
    """The plain way: decode everything, count calls."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def read(info: VideoInfo, wanted: Sequence[int], reader: VideoReader | None = None) -> dict[int, VideoImage | None]:
    own = reader if reader is not None else VideoReader(info)
    try:
        return dict(own.read(wanted))
    finally:
        if reader is None:
            own.close()


def check(found: dict[int, VideoImage | None], wanted: Sequence[int], number_of: NumberOf) -> None:
    """The number burnt into each image is the number asked for."""
    assert list(found) == list(wanted)
    assert [None if p is None else number_of(p.luma()) for p in found.values()] == list(wanted)


SELECTIONS = {
    "all": list(range(COUNT)),
    "every 5th": list(range(0, COUNT, 5)),
    "every 37th, over key frames": list(range(3, COUNT, 37)),
    "two": [7, 121],
    "the last": [COUNT - 1],
    "neighbours about key frames": [18, 19, 20, 21, 22, 23, 24, 25, 40, 41, 59, 60, 61],
}


@pytest.mark.parametrize("selection", list(SELECTIONS))
def test_the_image_asked_for(kind: VideoInfo, selection: str, number_of: NumberOf) -> None:
    assert kind.frames == COUNT
    check(read(kind, SELECTIONS[selection]), SELECTIONS[selection], number_of)


def test_same_pixels_as_decoding_everything(kind: VideoInfo) -> None:
    whole = decoded_in_order(kind.path)
    wanted = list(range(1, COUNT, 11))
    for frame, image in read(kind, wanted).items():
        assert image is not None
        if image.frame.format.name == "gray":
            np.testing.assert_array_equal(image.luma(), whole[frame])
        else:
            np.testing.assert_array_equal(image.frame.to_ndarray(format="gray"), whole[frame])


def test_the_identity_check_notices_a_neighbour(kind: VideoInfo, number_of: NumberOf) -> None:
    found = read(kind, [10, 11])
    with pytest.raises(AssertionError):
        check({10: found[11], 11: found[10]}, [10, 11], number_of)


@pytest.mark.parametrize("seed", range(3))
def test_calls_in_any_order_on_one_reader(kind: VideoInfo, seed: int, number_of: NumberOf) -> None:
    """Workers read block after block, forwards, backwards and side by side, with one reader."""
    rng = np.random.default_rng(seed)
    reader = VideoReader(kind)
    for _ in range(12):
        start = int(rng.integers(COUNT - 10))
        wanted = sorted(rng.choice(np.arange(start, start + 10), size=int(rng.integers(1, 6)), replace=False).tolist())
        check(read(kind, wanted, reader), wanted, number_of)
    reader.close()


def test_one_image_a_call(kind: VideoInfo, number_of: NumberOf) -> None:
    """What one call skipped, because nobody wanted it, the next may want."""
    reader = VideoReader(kind)
    for frame in range(30, 60):
        check(read(kind, [frame], reader), [frame], number_of)
    for frame in (59, 31, 8, 0):
        check(read(kind, [frame], reader), [frame], number_of)
    reader.close()
    check(read(kind, [5], reader), [5], number_of)  # a closed reader opens its file again
    reader.close()


def test_a_glimpse_is_the_image_at_an_access_point(kind: VideoInfo, number_of: NumberOf) -> None:
    """From one packet, and reading goes on as if there had been none."""
    reader, plain = VideoReader(kind), decoded_in_order(kind.path)
    for key in kind.keys.tolist()[:3]:
        image = reader.glimpse(key)
        if image is None:  # no jump leads there, and the whole is read
            assert kind.path.suffix == ".ts"
            continue
        np.testing.assert_array_equal(image.frame.to_ndarray(format="gray"), plain[key])
        check(read(kind, [key + 1], reader), [key + 1], number_of)
    between = sorted(set(range(kind.frames)) - set(kind.keys.tolist()))
    assert all(reader.glimpse(number) is None for number in between[:1])


def test_beyond_the_ends_there_is_nothing(kind: VideoInfo) -> None:
    found = read(kind, [-3, 0, COUNT, COUNT + 100])
    assert [p is None for p in found.values()] == [True, False, True, True]


def test_key_frames_are_where_decoding_can_start(kind: VideoInfo) -> None:
    assert kind.keys[0] == 0
    assert (np.diff(kind.keys) > 0).all()
    assert kind.key_before(0) == 0
    for key in kind.keys[1:3].tolist():
        assert (kind.key_before(key), kind.key_before(key - 1) < key) == (key, True)
    if kind.path.name == "short.mp4":
        assert kind.keys.tolist() == list(range(0, COUNT, 5))


def test_jumping_decodes_less(make_video: MakeVideo, number_of: NumberOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jump over key frames does not decode what lies between."""
    info = probe(make_video(count=COUNT, **KINDS["h264 with B frames"]))
    starts: list[int] = []
    start_at = VideoReader._start_at
    monkeypatch.setattr(VideoReader, "_start_at", lambda self, key: (starts.append(key), start_at(self, key))[1])
    wanted = [0, 1, 2, 30, 47, 48, 110]
    check(read(info, wanted), wanted, number_of)
    assert starts == [0, 24, 96] or starts == [0, 24, 48, 96]


def test_after_the_last_image_before_a_jump_nothing_is_decoded(
    make_video: MakeVideo, number_of: NumberOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder gives what it holds; a guess that the next image is beyond an access point may be wrong."""
    info = probe(make_video(count=COUNT, **KINDS["h264 with B frames"]))
    given: list[int] = []
    submit = Trust.submit
    monkeypatch.setattr(Trust, "submit", lambda self, rank, *how: (given.append(rank), submit(self, rank, *how))[1])
    blocks, reader = [[0, 8, 16], [24, 32, 40], [48, 56, 64]], VideoReader(info)
    for block in blocks:
        check(read(info, block, reader), block, number_of)
    assert reader._drained
    fewer = len(given)
    for block in ([68], [69, 70], [71]):
        check(read(info, block, reader), block, number_of)
    given.clear()
    monkeypatch.setattr(VideoReader, "_nothing_follows", lambda *_: False)
    for block in blocks:
        check(read(info, block, reader), block, number_of)
    assert len(given) > fewer
    reader.close()


def test_facts(make_video: MakeVideo) -> None:
    info = probe(make_video(count=COUNT, **KINDS["h264 with B frames"]))
    assert (info.width, info.height, info.frames, info.promised, info.rate) == (96, 64, COUNT, COUNT, 100.0)
    again = pickle.loads(pickle.dumps(info))
    assert (again.path, again.frames) == (info.path, COUNT)


# Broken files.


def cut(path: Path, out: Path, share: float) -> Path:
    data = path.read_bytes()
    out.write_bytes(data[: int(len(data) * share)])
    return out


@pytest.mark.parametrize("options", [{"bf": "3", "g": "24"}, {"bf": "5", "b-pyramid": "normal", "g": "1000"}])
@pytest.mark.parametrize("share", [0.9, 0.77, 0.63, 0.5, 0.42])
@pytest.mark.parametrize("name", ["fast.mp4", "cut.mkv", "cut.ts"])
def test_a_truncated_file_ends_early(
    name: str, share: float, options: dict[str, str], make_video: MakeVideo, number_of: NumberOf, tmp_path: Path
) -> None:
    """What is left is numbered rightly, and hardly more is lost than was cut off."""
    whole = make_video(name, count=COUNT, options=options, faststart=name.endswith("mp4"))
    broken = cut(whole, tmp_path / name, share)
    info = probe(broken)
    with av.open(str(broken)) as container:
        readable = sum(1 for packet in container.demux(video=0) if packet.size)
    assert readable - 6 <= info.frames < COUNT
    if name.endswith("mp4"):
        assert info.promised == COUNT
    found = read(info, range(COUNT))
    numbers = [None if p is None else number_of(p.luma()) for p in found.values()]
    there = [n for n in numbers if n is not None]
    assert all(n is None or n == i for i, n in enumerate(numbers))
    assert there == list(range(len(there)))
    assert len(there) >= info.frames - 1


def test_a_truncated_file_without_its_index_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    whole = make_video("slow.mp4", count=COUNT, options={"g": "24"})
    broken = cut(whole, tmp_path / "slow.mp4", 0.8)
    with pytest.raises(VideoError, match=r"slow\.mp4: cannot be opened as a video .*truncated") as caught:
        probe(broken)
    assert str(tmp_path) in str(caught.value)


def overwritten(path: Path, start: int, count: int, value: int = 0xFF) -> Path:
    data = bytearray(path.read_bytes())
    data[start : start + count] = bytes([value]) * count
    path.write_bytes(bytes(data))
    return path


def packets(path: Path) -> list[tuple[int, int, int]]:
    """(image number, position in the file, bytes) in the order of the file."""
    info = probe(path)
    assert info.times is not None
    with av.open(str(path)) as container:
        found = [(p.pts, p.pos, p.size) for p in container.demux(video=0) if p.size]
    return [(int(np.searchsorted(info.times, pts or 0)), int(pos or 0), size) for pts, pos, size in found]


def wrong_pixels(found: dict[int, VideoImage | None], clean: list[np.ndarray]) -> list[int]:
    return [n for n, p in found.items() if p is not None and not np.array_equal(_gray(p), clean[n])]


GROUPS = [{"bf": "3", "g": "24"}, {"bf": "3", "g": "24", "x264-params": "open-gop=1"}]


@pytest.mark.parametrize("packet", [26, 47, 48, 49, 50, 59, 71, 72, 73])
@pytest.mark.parametrize("options", GROUPS)
def test_damage_loses_images_but_shows_no_wrong_ones(
    packet: int, options: dict[str, str], make_video: MakeVideo, tmp_path: Path
) -> None:
    options = {**options, "sc_threshold": "0"}
    whole = make_video("b.mp4", count=COUNT, options=options, faststart=True, noise=True)
    clean, info = decoded_in_order(whole), probe(whole)
    (tmp_path / "b.mp4").write_bytes(whole.read_bytes())
    # Two whole packets: of one that is half good the decoder may accept the rest, as H.264 has no checksums.
    _, start, _ = packets(whole)[packet]
    _, following, length = packets(whole)[packet + 1]
    broken = probe(overwritten(tmp_path / "b.mp4", start, following + length - start))
    found = read(broken, range(COUNT))
    assert wrong_pixels(found, clean) == []
    lost = [n for n, p in found.items() if p is None]
    first_key = int(info.keys[max(int(np.searchsorted(info.keys, lost[0], side="right")) - 1, 0)])
    assert 1 <= len(lost) <= 24 + 4
    assert lost[-1] < first_key + 48  # after the next key frame all is well again
    # Asked for a few only, forwards and backwards, on one reader: the same answers.
    reader = VideoReader(broken)
    blocks = [range(first, first + 24, 8) for first in range(0, COUNT - 24, 24)]  # the last image of each by draining
    for wanted in (range(1, COUNT, 9), [70], [50], [30, 31], range(44, 90), *blocks):
        some = read(broken, wanted, reader)
        assert wrong_pixels(some, clean) == []
        assert {n for n, p in some.items() if p is None} <= set(lost)
    reader.close()


def test_without_distrust_wrong_images_would_pass(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**GROUPS[0], "sc_threshold": "0"}
    whole = make_video("b.mp4", count=COUNT, options=options, faststart=True, noise=True)
    (tmp_path / "b.mp4").write_bytes(whole.read_bytes())
    _, position, size = packets(whole)[49]
    broken = probe(overwritten(tmp_path / "b.mp4", position, size))
    monkeypatch.setattr("mouselift.media.video.Trust.holds", lambda self, time: True)
    assert len(wrong_pixels(read(broken, range(COUNT)), decoded_in_order(whole))) > 5


@pytest.mark.parametrize("name", ["b.mkv", "b.ts"])
@pytest.mark.parametrize("seed", range(4))
def test_packets_lost_in_the_middle_show_as_a_gap_in_time(
    name: str, seed: int, make_video: MakeVideo, number_of: NumberOf, tmp_path: Path
) -> None:
    """These containers skip what they cannot parse. Images are counted in order, and the gap is on record."""
    whole = make_video(name, count=COUNT, options={"bf": "3", "g": "24"}, noise=True)
    data = whole.read_bytes()
    (tmp_path / name).write_bytes(data)
    info = probe(overwritten(tmp_path / name, int(len(data) * (0.4 + 0.05 * seed)), 200))
    assert info.times is not None
    steps = np.diff(info.times)
    missing = np.concatenate([[0], np.cumsum(np.round(steps / np.median(steps)).astype(int) - 1)])
    assert missing[-1] == COUNT - info.frames
    numbers = {n: number_of(p.luma()) for n, p in read(info, range(COUNT)).items() if p is not None}
    after_next_key = [n for n in numbers if n > int(np.argmax(missing > 0)) + 48 or n + missing[n] < 40]
    assert [numbers[n] for n in after_next_key] == [n + missing[n] for n in after_next_key]
    assert len(after_next_key) > 30


def _gray(image: VideoImage | None) -> np.ndarray:
    assert image is not None
    return image.frame.to_ndarray(format="gray")


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4: no such video file"):
        probe(tmp_path / "gone.mp4")
    for content in (b"", b"not a video at all" * 50):
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(content)
        with pytest.raises(VideoError, match=r"bad\.mp4: cannot be opened as a video"):
            probe(bad)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(VideoError, match="expected a video stream, found none"):
        probe(path)


def test_a_file_that_vanishes_after_indexing(make_video: MakeVideo, tmp_path: Path) -> None:
    whole = make_video("b.mp4", count=COUNT, options={"bf": "3", "g": "24"})
    path = tmp_path / "b.mp4"
    path.write_bytes(whole.read_bytes())
    info = probe(path)
    path.unlink()
    with pytest.raises(VideoError, match="cannot be opened any more"):
        read(info, [3])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(make_video: MakeVideo) -> None:
    info = probe(make_video("long.mp4", count=500, size=(640, 480), options={"bf": "3", "g": "48"}))

    def resident() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    reader = VideoReader(info)
    for _, image in reader.read(range(60)):
        assert image is not None
        image.rgb()
    before = resident()
    for _, image in reader.read(range(60, 500)):
        assert image is not None
        image.rgb()
    reader.close()
    assert resident() - before < 8.0
