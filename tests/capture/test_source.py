"""A capture as a source of frames: cameras in step, what does not fit found or refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.capture.capture import MASK_JOB, Capture, CaptureCamera
from mouselift.capture.mask_values import OPACITY
from mouselift.capture.source import CaptureSource
from mouselift.errors import CaptureError, MaskError, VideoError
from mouselift.geometry.camera import Camera
from mouselift.inspect.facts import LostFrames
from mouselift.inspect.lost_frames import lost_frames
from mouselift.media.images import FrameSet, FrameSource

MakeVideo = Callable[..., Path]
NumberOf = Callable[[np.ndarray], int]
B = {"bf": "3", "g": "12"}
SIZE = (96, 64)


def capture(path: Path, cameras: Sequence[CaptureCamera], numbering: str | None = None) -> Capture:
    rig = path / "rig", "dannce", (), numbering
    return Capture(path / "capture.toml", "mm", None, tuple(cameras), (), None, None, *rig)


def view(
    name: str,
    video: Path | None = None,
    images: Path | None = None,
    mask: Path | None = None,
    offset: int = 0,
    crop: tuple[int, int] = (0, 0),
    mask_first: int | None = None,
) -> CaptureCamera:
    camera = Camera(SIZE[0] + crop[0], SIZE[1] + crop[1], 100.0, 100.0, 60.0, 40.0, np.eye(4), name=name)
    return CaptureCamera(name, camera, video, images, mask, offset, crop, mask_first=mask_first)


def numbers(sets: list[FrameSet], number_of: NumberOf) -> list[list[int | None]]:
    return [[None if v.image is None else number_of(v.image.rgb()[:, :, 1]) for v in s.views] for s in sets]


def folder_of(path: Path, wanted: Sequence[int], start: int, value: Callable[[int], np.ndarray]) -> Path:
    path.mkdir()
    for i, number in enumerate(wanted):
        assert cv2.imwrite(str(path / f"f_{start + number:05d}.png"), value(i))
    return path


def block(number: int) -> np.ndarray:
    """A mask whose box tells its number."""
    mask = np.zeros((SIZE[1], SIZE[0]), dtype=np.uint8)
    mask[5:20, 5 : 6 + number] = 255
    return mask


def width_of(mask: np.ndarray | None) -> int | None:
    return None if mask is None else int((mask[10] > 127).sum()) - 1


@pytest.fixture
def pair(make_video: MakeVideo, tmp_path: Path) -> CaptureSource:
    videos = [make_video(f"{n}.mp4", count=40, options={**B, "g": g}) for n, g in (("a", "12"), ("b", "7"))]
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


def test_frame_offsets(make_video: MakeVideo, number_of: NumberOf, tmp_path: Path) -> None:
    """number in the file = frame on the common timeline + frame_offset."""
    video = make_video("a.mp4", count=40, options=B)
    source = CaptureSource(capture(tmp_path, [view("A", video), view("B", video.parent / "a.mp4", offset=3)]))
    assert numbers(list(source.read([0, 10])), number_of)[0][0] == 0
    other = make_video("o.mp4", count=43, options=B)
    early = make_video("e.mp4", count=38, options=B)
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


def test_two_cameras_on_one_file(make_video: MakeVideo, number_of: NumberOf, tmp_path: Path) -> None:
    """Unusual (a trial recording of one camera twice), but the readers must not disturb each other."""
    video = make_video("a.mp4", count=40, options=B)
    source = CaptureSource(capture(tmp_path, [view("A", video), view("B", video, offset=3)]))
    assert numbers(list(source.read([0, 4, 5, 20])), number_of) == [[0, 3], [4, 7], [5, 8], [20, 23]]


def test_the_camera_is_that_of_the_image(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B)
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


@pytest.mark.parametrize("start", [0, 1, 17])
def test_masks_by_place_belong_to_images_in_order(start: int, tmp_path: Path) -> None:
    """Masks in one file know no numbers: the first is that of the first image, whatever its number."""
    images = folder_of(tmp_path / "p", range(12), start, block)
    np.save(tmp_path / "m.npy", np.stack([block(number) for number in range(12)]))
    masked = view("A", images=images, mask=tmp_path / "m.npy")
    source = CaptureSource(capture(tmp_path, [masked, view("B", images=images)]))
    assert [width_of(s.views[0].mask) for s in source.read([0, 7, 11])] == [0, 7, 11]
    (images / f"f_{start + 4:05d}.png").unlink()
    np.save(tmp_path / "m.npy", np.stack([block(number) for number in range(11)]))
    with pytest.raises(MaskError, match=r"have 11, numbered with gaps: which mask belongs to which image"):
        CaptureSource(capture(tmp_path, [masked, view("B", images=images)], "common"))


def test_masks_of_some_frames_only(make_video: MakeVideo, tmp_path: Path) -> None:
    """Their names are source frame numbers; whether from 0 or 1 is said, not guessed."""
    video = make_video("a.mp4", count=40, options=B)
    labelled = [3, 10, 11, 39]
    masks = folder_of(tmp_path / "m", labelled, 0, lambda i: block(labelled[i]))
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=masks, mask_first=0), view("B", video)]))
    found = {s.frame: width_of(s.views[0].mask) for s in source.read([0, 3, 10, 12, 39])}
    assert found == {0: None, 3: 3, 10: 10, 12: None, 39: 39}
    run = folder_of(tmp_path / "run", range(10, 20), 0, lambda i: block(10 + i))  # consecutive, yet not from the start
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=run, mask_first=0), view("B", video)]))
    assert [width_of(s.views[0].mask) for s in source.read([9, 10, 15])] == [None, 10, 15]
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=run, mask_first=1), view("B", video)]))
    assert [width_of(s.views[0].mask) for s in source.read([8, 9, 14])] == [None, 10, 15]


def test_masks_that_may_count_from_0_or_1_are_asked_about(make_video: MakeVideo, tmp_path: Path) -> None:
    """One missing file never changes what the others mean: ffmpeg's 000001 is image 0, labellers' is image 1."""
    video = make_video("a.mp4", count=40, options=B)
    some = folder_of(tmp_path / "m", range(1, 39), 0, lambda i: block(i))
    with pytest.raises(
        MaskError, match=r"38 masks numbered 1 to 38 for 40 images: is mask 1 that of image 1 .*image 0"
    ):
        CaptureSource(capture(tmp_path, [view("A", video, mask=some), view("B", video)]))
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=some, mask_first=1), view("B", video)]))
    assert [width_of(s.views[0].mask) for s in source.read([0, 5, 38])] == [0, 5, None]
    (tmp_path / MASK_JOB).write_text("{}")  # mouselift's own count from 0
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=some), view("B", video)]))
    assert [width_of(s.views[0].mask) for s in source.read([0, 1, 6])] == [None, 0, 5]


def test_masks_count_as_other_cameras_masks_do(make_video: MakeVideo, tmp_path: Path) -> None:
    """The first camera's masks are whole, so they tell how the others, some of which are missing, are numbered."""
    video = make_video("a.mp4", count=40, options=B)
    for start in (0, 1):
        whole = folder_of(tmp_path / f"whole{start}", range(40), start, block)
        some = folder_of(tmp_path / f"some{start}", range(3, 30), start, lambda i: block(3 + i))
        cameras = [view("A", video, mask=whole), view("B", video, mask=some)]
        for s in CaptureSource(capture(tmp_path, cameras)).read([2, 3, 17, 30]):
            assert [width_of(v.mask) for v in s.views] == [s.frame, s.frame if s.frame in range(3, 30) else None]


def test_masks_whose_numbers_leave_one_reading(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B)
    from_one = folder_of(tmp_path / "one", [1, 7, 40], 0, lambda i: block(i))
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=from_one), view("B", video)]))
    assert [width_of(s.views[0].mask) for s in source.read([0, 6, 7, 39])] == [0, 1, None, 2]
    from_zero = folder_of(tmp_path / "zero", [0, 7], 0, lambda i: block(i))
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=from_zero), view("B", video)]))
    assert [width_of(s.views[0].mask) for s in source.read([0, 6, 7])] == [0, None, 1]


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


def test_masks_follow_their_images_offset(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B)
    masks = folder_of(tmp_path / "m", range(40), 1, block)
    source = CaptureSource(capture(tmp_path, [view("A", video), view("B", video, mask=masks, offset=5)]))
    assert [width_of(s.views[1].mask) for s in source.read([0, 12])] == [5, 17]


def test_mask_video_from_its_luma(
    make_video: MakeVideo, number_of: NumberOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Numbered images show more levels than masks do.
    monkeypatch.setattr("mouselift.capture.source.look_at_masks", lambda *_: OPACITY)
    video = make_video("a.mp4", count=40, options=B)
    lossy, exact = (
        make_video("m.mp4", count=40, options={"g": "9"}),
        make_video("g.mkv", count=40, codec="ffv1", pix_fmt="gray"),
    )
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=lossy), view("B", video, mask=exact)]))
    for s in source.read([0, 11, 39], images=False):
        for v in s.views:
            assert v.mask is not None
            assert v.mask.shape == (SIZE[1], SIZE[0])
            assert number_of(v.mask) == s.frame
    with_ripples = source.tracks[0]
    assert with_ripples.masks is not None


# What does not fit together.


def codes(source: CaptureSource) -> list[tuple[str, str | None, int | None]]:
    return [(f.code, f.camera, f.frame) for f in source.findings]


def test_a_video_three_frames_short(make_video: MakeVideo, number_of: NumberOf, tmp_path: Path) -> None:
    full, short = make_video("a.mp4", count=40, options=B), make_video("short.mp4", count=37, options=B)
    source = CaptureSource(capture(tmp_path, [view("A", full), view("B", short)]))
    assert codes(source) == [("video-short", "B", 37)]
    said = str(source.findings[0])
    assert "camera B" in said
    assert "ends 3 frames before camera A (at frame 37 of 40)" in said
    assert numbers(list(source.read([36, 37, 39])), number_of) == [[36, 36], [37, None], [39, None]]


def test_a_truncated_video(make_video: MakeVideo, number_of: NumberOf, tmp_path: Path) -> None:
    full = make_video("a.mp4", count=40, options=B)
    fast = make_video("fast.mp4", count=40, options=B, faststart=True)
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
    full = make_video("a.mp4", count=40, options=B)
    holes = make_video("holes.mkv", count=40, options={"bf": "0"}, leave_out=(17, 18, 30))
    source = CaptureSource(capture(tmp_path, [view("A", full), view("B", holes)]))
    assert codes(source) == [("video-gap", "B", 16), ("video-short", "B", 37)]
    lost = list(lost_frames(source.tracks))
    assert lost == [LostFrames("B", ((17, 2), (28, 1)), 3, kept_place=False)]
    assert "its time stamps jump at 2 places, first after image 16" in source.findings[0].message


def test_another_frame_rate(make_video: MakeVideo, tmp_path: Path) -> None:
    slow = make_video("slow.mp4", count=40, options=B, rate=50)
    source = CaptureSource(capture(tmp_path, [view("A", make_video("a.mp4", count=40, options=B)), view("B", slow)]))
    assert codes(source) == [("video-rate", "B", None)]
    assert "50 frames/s, camera A has 100" in source.findings[0].message


def test_a_mask_video_with_another_frame_count_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    video, mask = make_video("a.mp4", count=40, options=B), make_video("mask38.mp4", count=38)
    with pytest.raises(MaskError, match=r"camera A: mask .*mask38\.mp4: has 38 frames, its images \(a\.mp4\) have 40"):
        CaptureSource(capture(tmp_path, [view("A", video, mask=mask), view("B", video)]))


def test_masks_of_another_size_are_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B)
    wide = make_video("wide.mp4", count=40, size=(128, 64))
    with pytest.raises(MaskError, match=r"wide\.mp4: is 128x64, its images are 96x64"):
        CaptureSource(capture(tmp_path, [view("A", video, mask=wide), view("B", video)]))
    small = folder_of(tmp_path / "m", range(40), 0, lambda i: block(i)[:32])
    with pytest.raises(MaskError, match=r"is 96x32, its images are 96x64"):
        CaptureSource(capture(tmp_path, [view("A", video, mask=small), view("B", video)]))


def test_masks_beyond_the_images_are_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B)
    late = folder_of(tmp_path / "m", [5, 41], 0, block)
    with pytest.raises(MaskError, match="holds 2 masks numbered 5 to 41, but its images end at 39"):
        CaptureSource(capture(tmp_path, [view("A", video, mask=late), view("B", video)]))


def test_images_with_gaps_are_refused(tmp_path: Path) -> None:
    holes = folder_of(tmp_path / "p", [0, 1, 3], 0, block)
    with pytest.raises(CaptureError, match=r"numbered differently: A 0 to 3 \(3 images\)"):
        CaptureSource(capture(tmp_path, [view("A", images=holes), view("B", images=holes)]))


def test_a_camera_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="camera A: expected `video` or `images`"):
        CaptureSource(capture(tmp_path, [view("A"), view("B")]))
    with pytest.raises(VideoError, match="no such video file"):
        CaptureSource(capture(tmp_path, [view("A", tmp_path / "gone.mp4"), view("B")]))
