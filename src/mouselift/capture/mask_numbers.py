"""Which mask shows which image of its camera: told by numbers where files have them, by order where they do not.

Nothing is guessed: MaskError where two readings of the numbers are left, with what would settle it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from pathlib import Path

from mouselift.capture.capture import CaptureCamera
from mouselift.capture.made_masks import made_by_us
from mouselift.capture.mask_files import Masks
from mouselift.capture.mask_values import look_at_masks
from mouselift.capture.tracks import Track
from mouselift.errors import MaskError
from mouselift.media.images import ImageFolder, NumberedImages
from mouselift.media.video_index import VideoInfo


def certain_first_masks(cameras: Iterable[tuple[Masks | None, VideoInfo | NumberedImages]]) -> Set[int]:
    """The numbers that cameras give to the first image's mask, of those that leave no choice. (masks, images) each.

    Tools count all cameras alike, so these tell how the others' masks are numbered.
    """
    fitting = [_fitting(masks, images) for masks, images in cameras if not _every_nth(masks, images)]
    return {told[0] for told in fitting if len(told) == 1}


def mask_track(file: Path, camera: CaptureCamera, media: Masks, images: Track, counted: Set[int]) -> Track:
    """A camera's masks on the timeline of its images. file: the capture.toml; counted: `certain_first_masks`."""
    here = f"{file}: camera {camera.name}: mask {media.path}"
    media = _by_names(media, images.media)
    count = images.media.frames
    if isinstance(media, VideoInfo) or media.positional:
        gaps = isinstance(images.media, NumberedImages) and not images.media.complete
        if media.frames != count or gaps:
            lost = ", numbered with gaps" if gaps else ""
            raise MaskError(
                f"{here}: has {media.frames} frames, its images ({images.path.name}) have {count}{lost}: which mask "
                "belongs to which image cannot be told. Export the masks again, or as PNGs named by frame number"
            )
        masks = Track(media, images.shift - (images.media.first if isinstance(images.media, ImageFolder) else 0))
    elif media.from_zero:
        if media.last >= count or (isinstance(images.media, NumberedImages) and not images.media.complete):
            raise MaskError(
                f"{here}: counts images from 0 to {media.last}; expected {count} images ({images.path.name}) of which "
                "none is missing in between"
            )
        masks = Track(media, images.shift - (images.media.first if isinstance(images.media, ImageFolder) else 0))
    elif isinstance(images.media, ImageFolder) and set(media.numbers) <= images.media.files.keys():
        masks = Track(media, images.shift)  # the same numbers are the same images
    elif (
        media.complete and media.frames == count and isinstance(images.media, ImageFolder) and not images.media.complete
    ):
        raise MaskError(
            f"{here}: holds {count} masks numbered {media.first} to {media.last} without a gap; its {count} images "
            f"({images.path.name}) are numbered {images.media.first} to {images.media.last} with gaps: equal numbers "
            "are not one image. Name the masks by the numbers of their images"
        )
    elif media.complete and media.frames == count:
        offset = images.media.first - media.first if isinstance(images.media, ImageFolder) else -media.first
        masks = Track(media, images.shift - offset)
    else:
        masks = Track(media, images.shift + _first_mask(here, media, images.media, camera.mask_first, counted))
    if masks.size != images.size:
        raise MaskError(
            f"{here}: is {masks.size[0]}x{masks.size[1]}, its images are {images.size[0]}x{images.size[1]}; "
            f"masks must be made on the same images{_resized(masks.size, images.size)}"
        )
    return replace(masks, values=look_at_masks(here, media, camera.mask_object), runs=images.runs)


def _by_names(masks: Masks, images: VideoInfo | NumberedImages) -> Masks:
    """Masks that are named as their images have the images' numbers, whatever the names' words say."""
    if not isinstance(masks, ImageFolder) or not isinstance(images, ImageFolder):
        return masks
    named = {path.stem: number for number, path in images.files.items()}
    files = {named.get(path.stem, -1): path for path in masks.files.values()}
    alike = len(files) == len(masks.files) and -1 not in files
    return replace(masks, files=dict(sorted(files.items()))) if alike and files != masks.files else masks


def _resized(size: tuple[int, int], images: tuple[int, int]) -> str:
    """What may have been done to masks of another size."""
    if size == images[::-1]:
        return ". Rows and columns exchanged, or turned by 90 degrees?"
    if size[0] * images[1] == size[1] * images[0]:
        scale = images[0] / size[0]
        return f". Scaled? cv2.resize(mask, None, fx={scale:g}, fy={scale:g}, interpolation=0) undoes it"
    return ""


def _fitting(masks: Masks | None, images: VideoInfo | NumberedImages, told: int | None = None) -> Sequence[int]:
    """The numbers that the first image's mask may have in a folder of masks beside a video. told: by capture.toml."""
    if (
        not isinstance(masks, NumberedImages)
        or masks.positional
        or masks.from_zero
        or isinstance(images, NumberedImages)
    ):
        return ()
    if masks.complete and masks.frames == images.frames:
        return (masks.first,)
    possible = (told,) if told is not None else (0,) if made_by_us(masks) else (0, 1)
    return [first for first in possible if first <= masks.first and masks.last - first < images.frames]


def _every_nth(masks: Masks | None, images: VideoInfo | NumberedImages) -> int:
    """n, where a folder's masks without gaps may be of every n-th image of a video, counted anew; else 0.

    So they are where a tool was given images that had been extracted at a lower rate.
    """
    if isinstance(images, NumberedImages) or not isinstance(masks, NumberedImages) or masks.from_zero:
        return 0
    if not masks.complete or masks.first > 1 or not 1 < masks.frames < images.frames or made_by_us(masks):
        return 0
    near = images.frames // masks.frames
    steps = (n for n in (near, near + 1) if n > 1)
    return next((n for n in steps if masks.frames in (images.frames // n, -(-images.frames // n))), 0)


def _first_mask(
    here: str, masks: NumberedImages, images: VideoInfo | NumberedImages, told: int | None, counted: Set[int]
) -> int:
    """The number of the first image's mask, where a folder holds masks of some images only. MaskError: it is open."""
    lowest = masks.first
    holds = f"{here}: holds {masks.frames} masks numbered {lowest} to {masks.last}"
    if isinstance(images, NumberedImages):
        raise MaskError(
            f"{holds}, its images are numbered {images.first} to {images.last}: expected one mask an image, or "
            "the numbers of the images"
        )
    fitting = _fitting(masks, images, told)
    if len(fitting) > 1 and len(counted) == 1:
        fitting = [first for first in fitting if first in counted]
    if not fitting:
        raise MaskError(
            f"{holds}, but its images end at {images.frames - 1}: expected one mask an image, or names that are source "
            "frame numbers"
        )
    step = 0 if told is not None or counted else _every_nth(masks, images)
    if step:
        raise MaskError(
            f"{holds} for {images.frames} images: are these the first {masks.frames} images, or one in {step}, "
            f"counted anew? Say mask_first = {lowest} for this camera in capture.toml if the first; else name them by "
            "the numbers of their images"
        )
    if len(fitting) > 1:
        raise MaskError(
            f"{holds} for {images.frames} images: is mask {lowest} that of image {lowest} (numbers from 0) or of image "
            f"{lowest - 1} (from 1, as ffmpeg counts)? Say mask_first = 0 or mask_first = 1 for this camera in "
            "capture.toml, or export a mask of every image"
        )
    return fitting[0]
