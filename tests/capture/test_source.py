"""A capture as a source of frames: cameras in step, what does not fit found or refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from mouselift.capture.source import CaptureSource
from mouselift.errors import CaptureError, VideoError
from mouselift.media.images import FrameSource
from small_captures import B_FRAMES, SIZE, NumberOf, block, capture, folder_of, numbers, view, width_of

MakeVideo = Callable[..., Path]


@pytest.fixture
def pair(make_video: MakeVideo, tmp_path: Path) -> CaptureSource:
    videos = [make_video(f"{n}.mp4", count=40, options={**B_FRAMES, "g": g}) for n, g in (("a", "12"), ("b", "7"))]
    return CaptureSource(capture(tmp_path, [view("A", videos[0]), view("B", videos[1])]))


def test_views_in_step(pair: CaptureSource, number_of: NumberOf) -> None:
    source: FrameSource = pair
    assert source.cameras == ("A", "B")
    assert list(source.frames) == list(range(40))
    assert source.rate == 100.0
    wanted = [0, 1, 5, 13, 30, 39]
    sets = list(source.read(wanted))
    assert [s.frame for s in sets] == wanted
    assert numbers(sets, number_of) == [[n, n] for n in wanted]
    assert all(v.mask is None for s in sets for v in s.views)
    assert sets[2].views[1].where == "B (b.mp4) frame 5"
    assert pair.findings == ()
    # Masks only: no image is decoded.
    assert all(v.image is None for s in source.read([3, 4], images=False) for v in s.views)


def test_blocks_lose_nothing_and_can_be_read_apart(pair: CaptureSource, number_of: NumberOf) -> None:
    wanted = list(range(1, 40, 2))
    blocks = pair.blocks(wanted)
    assert [n for part in blocks for n in part] == wanted
    assert [part[0] for part in blocks] == [1, 13, 25, 37]  # cut where the first camera's key frames are
    for part in [*blocks, *reversed(blocks)]:
        assert numbers(list(pair.read(part)), number_of) == [[n, n] for n in part]
    for n in range(20, 34):  # one at a time, by one process
        assert numbers(list(pair.read([n])), number_of) == [[n, n]]
    assert pair.blocks([]) == []
    pair.close()
    assert numbers(list(pair.read([7])), number_of) == [[7, 7]]


def test_it_travels_to_other_processes(pair: CaptureSource, number_of: NumberOf) -> None:
    list(pair.read([3]))  # files are open now
    again: CaptureSource = pickle.loads(pickle.dumps(pair))
    assert again.cameras == pair.cameras
    assert numbers(list(again.read([2, 38])), number_of) == [[2, 2], [38, 38]]
    again.close()


def test_two_cameras_on_one_file(make_video: MakeVideo, number_of: NumberOf, tmp_path: Path) -> None:
    """Unusual (a trial recording of one camera twice), but the readers must not disturb each other."""
    video = make_video("a.mp4", count=40, options=B_FRAMES)
    source = CaptureSource(capture(tmp_path, [view("A", video), view("B", video, offset=3)]))
    assert numbers(list(source.read([0, 4, 5, 20])), number_of) == [[0, 3], [4, 7], [5, 8], [20, 23]]


def test_the_camera_is_that_of_the_image(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B_FRAMES)
    source = CaptureSource(capture(tmp_path, [view("A", video), view("B", video, crop=(10, 20))]))
    shown = next(iter(source.read([0]))).views[1].camera
    assert (shown.cx, shown.cy, shown.width, shown.height) == (50.0, 20.0, *SIZE)


@pytest.mark.parametrize("start", [0, 1])
def test_image_folders_number_from_0_or_1(start: int, tmp_path: Path) -> None:
    count = 70
    images = folder_of(tmp_path / "p", range(count), start, block)
    masks = folder_of(tmp_path / "m", range(count), start, block)
    other = folder_of(tmp_path / "q", range(count), 0, block)
    cameras = [view("A", images=images, mask=masks), view("B", images=other)]
    source = CaptureSource(capture(tmp_path, cameras, "own" if start else None))
    assert list(source.frames) == list(range(count))
    assert source.findings == ()
    assert source.rate == 0.0
    for s in source.read([0, 7, count - 1]):
        for v in s.views:
            assert v.image is not None
            assert width_of(v.image.rgb()[:, :, 1]) == s.frame
        assert width_of(s.views[0].mask) == s.frame
    assert [len(part) for part in source.blocks(range(count))] == [64, 6]


def test_image_numbers_that_differ_are_asked_about(tmp_path: Path) -> None:
    """A trigger numbers images: a camera that lost some has gaps, not a shift."""
    full = folder_of(tmp_path / "full", range(12), 0, block)
    late = folder_of(tmp_path / "late", range(3, 15), 0, lambda i: block(3 + i))
    holes = folder_of(tmp_path / "holes", [0, 1, 4, 5], 0, lambda i: block([0, 1, 4, 5][i]))
    for other in (late, holes):
        cameras = [view("A", images=full, mask=full), view("B", images=other, mask=other)]
        with pytest.raises(CaptureError, match=r"numbered differently: A 0 to 11 .*\(common\).*\(own\)"):
            CaptureSource(capture(tmp_path, cameras))
        for s in CaptureSource(capture(tmp_path, cameras, "common")).read(range(15)):
            for v in s.views:
                for found in (width_of(v.mask), None if v.image is None else width_of(v.image.rgb()[:, :, 1])):
                    assert found in (s.frame, None)
            there = s.frame in range(3, 15) if other is late else s.frame in (0, 1, 4, 5)
            assert (s.views[1].image is not None) == there
    own = CaptureSource(capture(tmp_path, [view("A", images=full), view("B", images=late, mask=late)], "own"))
    assert [width_of(s.views[1].mask) for s in own.read([0, 2])] == [3, 5]
    with pytest.raises(CaptureError, match="not consecutive"):
        CaptureSource(capture(tmp_path, [view("A", images=full), view("B", images=holes)], "own"))


def test_images_with_gaps_are_refused(tmp_path: Path) -> None:
    holes = folder_of(tmp_path / "p", [0, 1, 3], 0, block)
    with pytest.raises(CaptureError, match=r"numbered differently: A 0 to 3 \(3 images\)"):
        CaptureSource(capture(tmp_path, [view("A", images=holes), view("B", images=holes)]))


def test_a_camera_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="camera A: expected `video` or `images`"):
        CaptureSource(capture(tmp_path, [view("A"), view("B")]))
    with pytest.raises(VideoError, match="no such video file"):
        CaptureSource(capture(tmp_path, [view("A", tmp_path / "gone.mp4"), view("B")]))
