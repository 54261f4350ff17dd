"""A capture as a source of frames: its cameras' videos or image folders and masks, in step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

import msgspec
import numpy as np

from mouselift.array_types import Array, Int64, Levels
from mouselift.capture.capture import MASK_JOB, MASK_REPORT, Capture, CaptureCamera, first_numbers, masks_of, media_of
from mouselift.capture.mask_files import Masks
from mouselift.capture.mask_values import OPACITY, MaskValues, look_at_masks
from mouselift.capture.timeline import LOST, Runs, images_at, problem_of
from mouselift.dataset.source import DatasetSource
from mouselift.errors import CaptureError, MaskError
from mouselift.findings import Finding
from mouselift.foreign import json_as
from mouselift.geometry.camera import Camera
from mouselift.media.images import (
    ArrayImage,
    FrameSet,
    Image,
    ImageFolder,
    NumberedImages,
    ViewFrame,
    as_rgb,
    read_numbered,
)
from mouselift.media.video import VideoReader
from mouselift.media.video_image import VideoImage
from mouselift.media.video_index import VideoInfo

_IMAGES_PER_BLOCK = 64  # image folders can be cut anywhere: large enough to keep a worker busy


@dataclass(frozen=True, eq=False)
class Track:
    """One camera's images, or its masks: a video or a folder, and where its numbering starts."""

    media: VideoInfo | NumberedImages
    shift: int  # number in the file = frame on the common timeline + shift
    values: MaskValues = OPACITY  # of masks
    runs: Runs = ()  # images on the common timeline, before `shift`; none: image n shows frame n

    @property
    def path(self) -> Path:
        return self.media.path

    @property
    def size(self) -> tuple[int, int]:
        return self.media.width, self.media.height

    @property
    def begin(self) -> int:
        """The first frame that may have an image, on the common timeline."""
        return self.runs[0][0] if self.runs else -self.shift

    @property
    def end(self) -> int:
        """One past the last frame, on the common timeline."""
        if self.runs:
            frame, _, count = self.runs[-1]
            return frame + count
        last = self.media.frames if isinstance(self.media, VideoInfo) else self.media.last + 1
        return last - self.shift

    def numbers(self, frames: Sequence[int]) -> list[int]:
        """The number in the file of each frame; `LOST` where the camera has no image of it."""
        return self.placed(np.asarray(frames, dtype=np.int64)).tolist()

    def placed(self, frames: Int64[Array, " f"]) -> Int64[Array, " f"]:
        """As `numbers`, of many frames."""
        if not self.runs:
            return frames + self.shift
        images = images_at(self.runs, frames)
        return np.where(images == LOST, LOST, images + self.shift)

    @property
    def held(self) -> Collection[int]:
        """The frames that the file holds."""
        if self.runs:
            inside = [f for frame, _, count in self.runs for f in range(frame, frame + count)]
            numbers = self.numbers(inside)
            present = range(self.media.frames) if isinstance(self.media, VideoInfo) else set(self.media.held)
            return {frame for frame, number in zip(inside, numbers, strict=True) if number in present}
        if isinstance(self.media, VideoInfo):
            return range(-self.shift, self.end)
        return {number - self.shift for number in self.media.held}


@dataclass(frozen=True, eq=False)
class CameraTracks:
    name: str
    camera: Camera  # of the images
    images: Track
    masks: Track | None

    def finding(self, code: str, text: str, frame: int | None = None) -> Finding:
        return Finding.of(code, f"camera {self.name}: {text}", camera=self.name, frame=frame)


class CaptureSource:
    """`FrameSource` over a capture. Opening it indexes every file; `findings` says what does not fit together.

    Raises CaptureError, VideoError or MaskError where nothing can be read as promised. An image that one
    camera lacks (short or damaged video) is no error here: its `ViewFrame.image` is None.
    """

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        media = {camera.name: media_of(camera) for camera in capture.cameras}
        try:
            firsts = first_numbers(media, capture.numbering)
        except CaptureError as error:
            raise CaptureError(f'{capture.path}: {error}; say numbering = "common" or "own" at its head') from None
        masks = {camera.name: masks_of(camera) for camera in capture.cameras}
        fitting = [_fitting(found, media[name]) for name, found in masks.items() if not _every_nth(found, media[name])]
        counted = {told[0] for told in fitting if len(told) == 1}
        self.tracks = tuple(
            _open_camera(camera, capture, media[camera.name], firsts[camera.name], masks[camera.name], counted)
            for camera in capture.cameras
        )
        _check_overlap(capture, self.tracks)
        self.findings = (*_compare(self.tracks), *_said_of_masks(masks.values()))
        self._readers: dict[tuple[str, bool], VideoReader] = {}  # camera, whether its masks

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_readers": {}}  # open files stay in the process that opened them

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(track.name for track in self.tracks)

    @property
    def frames(self) -> range:
        """The common timeline, from 0 to the end of the longest recording."""
        return range(max(track.images.end for track in self.tracks))

    @property
    def rate(self) -> float:
        """Of the first camera's video, frames per second; 0 where it does not say."""
        return self.tracks[0].images.media.rate

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file or folder that is read."""
        found = [self.capture.rig_file]
        for track in self.tracks:
            found += [track.images.path, *([track.masks.path] if track.masks else [])]
        return tuple(found)

    def blocks(self, frames: Sequence[int] | Int64[Array, " f"]) -> list[Sequence[int]]:
        first, numbers = self.tracks[0].images, np.fromiter(frames, dtype=np.int64)
        if isinstance(first.media, VideoInfo):
            # A lost frame is read with the images before it.
            images = np.maximum.accumulate(first.placed(numbers))
            group = np.searchsorted(first.media.keys, images, side="right")
        else:
            group = np.arange(len(numbers)) // _IMAGES_PER_BLOCK
        edges = np.flatnonzero(np.diff(group)) + 1
        return [_block(part) for part in np.split(numbers, edges) if part.size]

    def read(self, frames: Sequence[int], images: bool = True) -> Iterator[FrameSet]:
        nothing = repeat(None)
        colour = [map(_image, self._read(t.name, t.images, frames)) if images else nothing for t in self.tracks]
        masks = [self._levels(track, frames) if track.masks else nothing for track in self.tracks]
        for frame in frames:
            views = [
                ViewFrame(track.camera, next(c), next(m), f"{track.name} ({track.images.path.name}) frame {frame}")
                for track, c, m in zip(self.tracks, colour, masks, strict=True)
            ]
            yield FrameSet(int(frame), tuple(views))

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _read(
        self, camera: str, track: Track, frames: Sequence[int], masks: bool = False
    ) -> Iterator[VideoImage | Array | None]:
        numbers = track.numbers(frames)
        if isinstance(track.media, VideoInfo):
            # Not by path: two tracks on one file, at different offsets, each need their own place in it.
            found = self._readers.setdefault((camera, masks), VideoReader(track.media)).read(numbers)
        else:
            found = read_numbered(track.media, numbers)
        return (image for _, image in found)

    def _levels(self, track: CameraTracks, frames: Sequence[int]) -> Iterator[Levels | None]:
        assert track.masks is not None
        for frame, found in zip(frames, self._read(track.name, track.masks, frames, masks=True), strict=True):
            try:
                yield None if found is None else track.masks.values.levels(found)
            except MaskError as error:
                raise MaskError(f"camera {track.name}, frame {frame}: mask {track.masks.path}: {error}") from None


def _block(frames: Int64[Array, " f"]) -> Sequence[int]:
    """A range, which takes no memory, where they follow one another."""
    first, last = int(frames[0]), int(frames[-1])
    return range(first, last + 1) if last - first + 1 == len(frames) else frames.tolist()


def _image(found: VideoImage | Array | None) -> Image | None:
    return ArrayImage(as_rgb(found)) if isinstance(found, np.ndarray) else found


def _open_camera(
    camera: CaptureCamera,
    capture: Capture,
    media: VideoInfo | ImageFolder,
    first: int,
    found: Masks | None,
    counted: Set[int],
) -> CameraTracks:
    if problem := problem_of(camera.image_runs, media.frames):
        raise CaptureError(f"{capture.path}: camera {camera.name}: image_runs: {problem} ({media.path})")
    images = Track(media, first + camera.frame_offset, runs=camera.image_runs)
    masks = None if found is None else _open_masks(camera, found, images, capture, counted)
    return CameraTracks(camera.name, camera.image_camera(images.size), images, masks)


def _open_masks(camera: CaptureCamera, media: Masks, images: Track, capture: Capture, counted: Set[int]) -> Track:
    """counted: the first numbers of those cameras' masks that leave no choice; tools count all cameras alike."""
    here = f"{capture.path}: camera {camera.name}: mask {media.path}"
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
    possible = (told,) if told is not None else (0,) if _of_ours(masks) else (0, 1)
    return [first for first in possible if first <= masks.first and masks.last - first < images.frames]


def _every_nth(masks: Masks | None, images: VideoInfo | NumberedImages) -> int:
    """n, where a folder's masks without gaps may be of every n-th image of a video, counted anew; else 0.

    So they are where a tool was given images that had been extracted at a lower rate.
    """
    if isinstance(images, NumberedImages) or not isinstance(masks, NumberedImages) or masks.from_zero:
        return 0
    if not masks.complete or masks.first > 1 or not 1 < masks.frames < images.frames or _of_ours(masks):
        return 0
    near = images.frames // masks.frames
    steps = (n for n in (near, near + 1) if n > 1)
    return next((n for n in steps if masks.frames in (images.frames // n, -(-images.frames // n))), 0)


def _of_ours(masks: Masks) -> bool:
    """Made by `mouselift mask`, which names masks by the numbers of their images."""
    return (masks.path.parent / MASK_JOB).is_file()


class _MaskReport(msgspec.Struct):
    """Of the report that `mouselift mask` leaves beside its masks."""

    contradiction: str = ""
    blamed: tuple[str, ...] = ()


def _said_of_masks(masks: Iterable[Masks | None]) -> Iterator[Finding]:
    """That masks were made with cameras that contradict what they see: nothing made of them can tell any more."""
    for folder in dict.fromkeys(found.path.parent for found in masks if found is not None and _of_ours(found)):
        with suppress(ValueError, OSError):  # not finished, or damaged: `mouselift mask` says so
            said = json_as((folder / MASK_REPORT).read_bytes(), _MaskReport)
            yield from contradiction_findings(said.contradiction and f"{folder}: {said.contradiction}", said.blamed)


def contradiction_findings(text: str, cameras: Sequence[str]) -> Iterator[Finding]:
    """Of `masks.uncut.CameraTest`; none where nothing is wrong."""
    if text:
        yield Finding.of("cameras-contradict", text, camera=cameras[0] if len(cameras) == 1 else None)


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


def time_gaps(info: VideoInfo) -> Int64[Array, " g"]:
    """Numbers of the images after which a time stamp, or more, is missing; none where the file has no stamps."""
    if info.times is None or len(info.times) < 3:
        return np.zeros(0, dtype=np.int64)
    steps = np.diff(info.times)
    return np.flatnonzero(steps > 1.5 * np.median(steps))


def _check_overlap(capture: Capture, tracks: Sequence[CameraTracks]) -> None:
    """CaptureError where a camera shares no frame with any other: one wrong number makes a timeline of any length."""
    for track in tracks:
        begin, end = track.images.begin, track.images.end
        others = [other.images for other in tracks if other is not track]
        if others and not any(max(begin, other.begin, 0) < min(end, other.end) for other in others):
            raise CaptureError(
                f"{capture.path}: camera {track.name}: its images are frames {begin} .. {end - 1} of the common "
                "timeline, at which no other camera has one; expected cameras that overlap in time: is frame_offset "
                "right?"
            )


def _compare(tracks: Sequence[CameraTracks]) -> Iterator[Finding]:
    """Findings about recordings that do not cover the same time."""
    longest = max(tracks, key=lambda track: track.images.end)
    for track in tracks:
        media, end = track.images.media, track.images.end
        if isinstance(media, VideoInfo) and media.promised > media.frames:
            text = (
                f"{media.path}: the header promises {media.promised} frames, {media.frames} can be read; copy the file "
                "again if more were recorded"
            )
            yield track.finding("video-truncated", text, media.frames)
        if isinstance(media, VideoInfo) and not track.images.runs and (gaps := time_gaps(media)).size:
            text = (
                f"{media.path}: its time stamps jump at {gaps.size} places, first after image {gaps[0]}; images are "
                "counted in order, so where frames were lost, later ones lag. Record again, or list the frame after "
                "the jump under `jumps`"
            )
            yield track.finding("video-gap", text, int(gaps[0]) - track.images.shift)
        if missing := longest.images.end - end:
            text = (
                f"{media.path}: ends {missing} frames before camera {longest.name} (at frame {end} of "
                f"{longest.images.end}); where frames were lost in between, its images lag from there on"
            )
            yield track.finding("video-short", text, end)
        rate, expected = media.rate, longest.images.media.rate
        if rate and expected and abs(rate - expected) > 0.001 * expected:
            text = (
                f"{media.path}: {rate:g} frames/s, camera {longest.name} has {expected:g}; frames of one number may "
                "not show one instant"
            )
            yield track.finding("video-rate", text)


def open_source(capture: Capture) -> CaptureSource | DatasetSource:
    """The frames of a capture, or of a FaceLift-format dataset used as one."""
    return CaptureSource(capture) if capture.dataset is None else DatasetSource(capture.dataset)


def masked_frames(source: CaptureSource | DatasetSource) -> Sequence[int]:
    """Frames for which every camera that has masks has one; empty where no camera has any."""
    if isinstance(source, DatasetSource):
        return source.frames
    tracks = [track.masks for track in source.tracks if track.masks is not None]
    count = np.zeros(len(source.frames), dtype=np.int64)  # of cameras that have a mask of the frame
    for track in tracks:
        held = np.fromiter(track.held, dtype=np.int64)
        count[held[(held >= 0) & (held < len(count))]] += 1
    common = np.flatnonzero(count == len(tracks)) if tracks else count[:0]
    found = common if common.size else np.flatnonzero(count)
    return source.frames if len(found) == len(source.frames) else found.tolist()
