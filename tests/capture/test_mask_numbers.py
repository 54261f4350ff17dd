"""Which mask shows which image: by number, by order, or asked about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mouselift.capture.made_masks import MASK_JOB
from mouselift.capture.mask_levels import OPACITY
from mouselift.capture.source import CaptureSource
from mouselift.errors import MaskError
from small_captures import B_FRAMES, SIZE, NumberOf, block, capture, folder_of, view, width_of

MakeVideo = Callable[..., Path]


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


@pytest.mark.parametrize("start", [0, 1, 17])
def test_masks_counted_anew_beside_images_with_gaps_are_refused(start: int, tmp_path: Path) -> None:
    """Tools that take a folder's images in order count them from 0: behind a gap equal numbers are other images."""
    held = [0, 1, 2, 3, 5, 6, 9, 10, 11]
    images = folder_of(tmp_path / "p", held, start, lambda i: block(held[i]))
    masks = folder_of(tmp_path / "m", range(9), 0, block)
    cameras = [view("A", images=images, mask=masks), view("B", images=images)]
    with pytest.raises(MaskError, match=rf"9 masks numbered 0 to 8 .* 9 images .* {start} to {start + 11} with gaps"):
        CaptureSource(capture(tmp_path, cameras, "common"))
    named = folder_of(tmp_path / "n", held, start, lambda i: block(held[i]))
    cameras = [view("A", images=images, mask=named), view("B", images=images)]
    source = CaptureSource(capture(tmp_path, cameras, "common"))
    assert [width_of(s.views[0].mask) for s in source.read([0, 4, 5, 11])] == [0, None, 5, 11]


def test_masks_named_as_their_images_have_their_numbers(tmp_path: Path) -> None:
    """`id` counts triggers in the images' names, and so it does in the masks', where it could be an object's."""
    held = [0, 1, 2, 3, 5, 6, 9, 10, 11]
    images, masks = (folder_of(tmp_path / kind, held, 0, lambda i: block(held[i])) for kind in "pm")
    for place, number in enumerate(held):
        for folder in (images, masks):
            (folder / f"f_{number:05d}.png").rename(folder / f"frame{place:04d}_id{number:05d}.png")
    (masks / "frame0004_id00005.png").unlink()
    cameras = [view("A", images=images, mask=masks), view("B", images=images)]
    source = CaptureSource(capture(tmp_path, cameras, "common"))
    assert [width_of(s.views[0].mask) for s in source.read([0, 3, 4, 5, 6, 11])] == [0, 3, None, None, 6, 11]


def test_masks_of_some_frames_only(make_video: MakeVideo, tmp_path: Path) -> None:
    """Their names are source frame numbers; whether from 0 or 1 is said, not guessed."""
    video = make_video("a.mp4", count=40, options=B_FRAMES)
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
    video = make_video("a.mp4", count=40, options=B_FRAMES)
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
    video = make_video("a.mp4", count=40, options=B_FRAMES)
    for start in (0, 1):
        whole = folder_of(tmp_path / f"whole{start}", range(40), start, block)
        some = folder_of(tmp_path / f"some{start}", range(3, 30), start, lambda i: block(3 + i))
        cameras = [view("A", video, mask=whole), view("B", video, mask=some)]
        for s in CaptureSource(capture(tmp_path, cameras)).read([2, 3, 17, 30]):
            assert [width_of(v.mask) for v in s.views] == [s.frame, s.frame if s.frame in range(3, 30) else None]


def test_masks_whose_numbers_leave_one_reading(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B_FRAMES)
    from_one = folder_of(tmp_path / "one", [1, 7, 40], 0, lambda i: block(i))
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=from_one), view("B", video)]))
    assert [width_of(s.views[0].mask) for s in source.read([0, 6, 7, 39])] == [0, 1, None, 2]
    from_zero = folder_of(tmp_path / "zero", [0, 7], 0, lambda i: block(i))
    source = CaptureSource(capture(tmp_path, [view("A", video, mask=from_zero), view("B", video)]))
    assert [width_of(s.views[0].mask) for s in source.read([0, 6, 7])] == [0, None, 1]


def test_masks_follow_their_images_offset(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B_FRAMES)
    masks = folder_of(tmp_path / "m", range(40), 1, block)
    source = CaptureSource(capture(tmp_path, [view("A", video), view("B", video, mask=masks, offset=5)]))
    assert [width_of(s.views[1].mask) for s in source.read([0, 12])] == [5, 17]


def test_mask_video_from_its_luma(
    make_video: MakeVideo, number_of: NumberOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Numbered images show more levels than masks do.
    monkeypatch.setattr("mouselift.capture.mask_numbers.look_at_masks", lambda *_: OPACITY)
    video = make_video("a.mp4", count=40, options=B_FRAMES)
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


def test_a_mask_video_with_another_frame_count_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    video, mask = make_video("a.mp4", count=40, options=B_FRAMES), make_video("mask38.mp4", count=38)
    with pytest.raises(MaskError, match=r"camera A: mask .*mask38\.mp4: has 38 frames, its images \(a\.mp4\) have 40"):
        CaptureSource(capture(tmp_path, [view("A", video, mask=mask), view("B", video)]))


def test_masks_of_another_size_are_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B_FRAMES)
    wide = make_video("wide.mp4", count=40, size=(128, 64))
    with pytest.raises(MaskError, match=r"wide\.mp4: is 128x64, its images are 96x64"):
        CaptureSource(capture(tmp_path, [view("A", video, mask=wide), view("B", video)]))
    small = folder_of(tmp_path / "m", range(40), 0, lambda i: block(i)[:32])
    with pytest.raises(MaskError, match=r"is 96x32, its images are 96x64"):
        CaptureSource(capture(tmp_path, [view("A", video, mask=small), view("B", video)]))


def test_masks_beyond_the_images_are_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video("a.mp4", count=40, options=B_FRAMES)
    late = folder_of(tmp_path / "m", [5, 41], 0, block)
    with pytest.raises(MaskError, match="holds 2 masks numbered 5 to 41, but its images end at 39"):
        CaptureSource(capture(tmp_path, [view("A", video, mask=late), view("B", video)]))
