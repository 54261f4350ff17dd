"""Are a camera's images turned as their orientation tag says? Told by what fits only one reading.

Sizes tell, of the calibration and of masks, where width and height differ. Where both readings have one size, masks
tell: a subject differs from what is around it, so an image changes across the subject's outline; across the same
outline in another place of the image it changes as images do anywhere. Both readings are tried on a few images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np

from mouselift.array_types import Array, Levels, Mask
from mouselift.calibration.rig import RigCamera
from mouselift.capture.capture import masks_of, media_of
from mouselift.capture.capture_toml import CameraEntry
from mouselift.capture.mask_files import Masks
from mouselift.capture.mask_values import look_at_masks
from mouselift.capture.outline_steepness import MOST, TIMES, steepness_along
from mouselift.errors import CaptureError, MaskError
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.media.images import ImageFolder, as_levels
from mouselift.media.video import VideoReader
from mouselift.media.video_image import VideoImage
from mouselift.media.video_index import VideoInfo
from mouselift.sampling import evenly_spaced

_LOOKED_AT = 9  # images
_FEWEST = 3


def oriented(entry: CameraEntry, calibrated: RigCamera) -> tuple[CameraEntry, list[str], list[str]]:
    """Whether the images are turned as their tag says, by what only one of the two sizes fits; found, assumed.

    Without such evidence they are, as OpenCV, players and labelling tools show them. CaptureError where the
    calibration fits only one and the masks only the other.
    """
    media = media_of(entry)
    if media.orientation.as_stored:
        return _turned_masks(entry, media)
    shown = media.width, media.height
    stored = media.orientation.size(shown)
    tag = f"{entry.name}: its tag says {media.orientation.words}"
    sizes = {"the calibrated size": calibrated.crop_size or calibrated.size}
    if (mask := masks_of(entry)) is not None:
        sizes["the masks' size"] = mask.width, mask.height
    evidence = {what: size for what, size in sizes.items() if shown != stored and size in (shown, stored)}
    if not evidence:
        on_turned = None if mask is None else _made_on_turned(media, mask)
        if on_turned is None:
            unknown = (
                "" if mask is None else "; the masks' outlines do not tell whether masks were made so: look at them"
            )
            return entry, [], [f"{tag}: images are turned so, as OpenCV and players show them{unknown}"]
        if on_turned:
            return entry, [f"{tag}: images are turned so; the masks' outlines follow only such images"], []
        left = (
            f"{tag}: left aside (as_stored = true); the masks' outlines follow only images that are not turned. "
            "The calibration is taken to be of these too"
        )
        return replace(entry, as_stored=True), [], [left]
    words = " and ".join(f"{what} ({width}x{height})" for what, (width, height) in evidence.items())
    if len(set(evidence.values())) > 1:
        raise CaptureError(
            f"{media.path}: {tag}: {shown[0]}x{shown[1]} turned, {stored[0]}x{stored[1]} as stored; {words} contradict "
            "each other. Make the masks on the images that the cameras were calibrated with"
        )
    if shown in evidence.values():
        return entry, [f"{tag}: images are turned so; {words} fit only that"], []
    left = f"{tag}: left aside (as_stored = true); {words} fit only images that are not turned"
    return replace(entry, as_stored=True), [left], []


def _turned_masks(entry: CameraEntry, media: VideoInfo | ImageFolder) -> tuple[CameraEntry, list[str], list[str]]:
    """`oriented` of images without a tag: are their masks turned as a tag of their own says?

    Tools that turn images hand the tag on all the same, and are then turned twice.
    """
    mask = masks_of(entry)
    if mask is None or mask.orientation.as_stored:
        return entry, [], []
    shown = mask.width, mask.height
    stored = mask.orientation.size(shown)
    tag = f"{entry.name}: a tag of its masks says {mask.orientation.words}, its images have none"
    if shown != stored and (media.width, media.height) in (shown, stored):
        fits: bool | None = (media.width, media.height) == shown
        evidence = f"the images' size ({media.width}x{media.height}) fits"
    else:
        fits = None if shown != stored else _made_on_turned(media, mask, mask.orientation.stored)
        evidence = "the masks' outlines fit"
    if fits is None:
        return (
            entry,
            [],
            [f"{tag}: masks are turned so; their outlines do not tell whether that is right: look at them"],
        )
    if fits:
        return entry, [f"{tag}: masks are turned so; {evidence} only that"], []
    return (
        replace(entry, as_stored=True),
        [],
        [f"{tag}: left aside (as_stored = true); {evidence} only masks as stored"],
    )


def _made_on_turned(
    media: VideoInfo | ImageFolder, masks: Masks, other: Callable[[Mask], Mask] | None = None
) -> bool | None:
    """Whether the masks belong to the images as shown (True) or as stored (False); None: outlines do not tell.

    media: with an orientation; masks: of the size of its images, as shown and as stored. other: what the second reading
    makes of a mask, where it is not the images that are turned.
    """
    numbers = evenly_spaced(sorted(_numbers(media) & _numbers(masks)), _LOOKED_AT)
    try:
        values = look_at_masks(str(masks.path), masks)
        ratios = [
            ratio
            for image, mask in zip(_images(media, numbers), _images(masks, numbers), strict=True)
            if image is not None
            and mask is not None
            and (ratio := _ratio(luma_of(image), values.levels(mask) >= HALF_LEVEL, other or media.orientation.shown))
            is not None
        ]
    except MaskError:  # said where the values of all masks are looked at
        return None
    if len(ratios) < _FEWEST:
        return None
    middle, turned = float(np.median(ratios)), float(np.mean(np.array(ratios) > 1))
    if middle >= TIMES and turned >= MOST:
        return True
    return False if middle <= 1 / TIMES and turned <= 1 - MOST else None


def _numbers(media: VideoInfo | Masks) -> set[int]:
    return set(range(media.frames)) if isinstance(media, VideoInfo) else set(media.held)


def _images(media: VideoInfo | Masks, numbers: Sequence[int]) -> Iterator[VideoImage | Array | None]:
    """One for each number."""
    if not isinstance(media, VideoInfo):
        yield from map(media.read, numbers)
        return
    with closing(VideoReader(media)) as reader:
        for _, image in reader.read(numbers):
            yield image


def luma_of(image: VideoImage | Array) -> Levels:
    return image.luma() if isinstance(image, VideoImage) else as_levels(image)


def _ratio(image: Levels, mask: Mask, other: Callable[[Mask], Mask]) -> float | None:
    """How much steeper the image is along the mask's outline than along that of the mask turned as the image was."""
    if image.shape != mask.shape or not mask.any() or mask.all():
        return None
    shown, stored = steepness_along(image, (mask, np.ascontiguousarray(other(mask))))
    return shown / stored if stored else None
