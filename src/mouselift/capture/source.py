"""A capture as a source of frames: its cameras' videos or image folders and masks, in step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from mouselift.array_types import Array, Levels
from mouselift.capture.capture import Capture, CaptureCamera
from mouselift.dataset.source import DatasetSource
from mouselift.errors import CaptureError, MaskError
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.media.frames import FrameSet, Image, ViewFrame
from mouselift.media.images import ArrayImage, ImageFolder, as_levels, as_rgb, read_numbered
from mouselift.media.video import VideoImage, VideoInfo, VideoReader, probe

_IMAGES_PER_BLOCK = 64  # image folders can be cut anywhere: large enough to keep a worker busy
# Lossy codecs leave ripples near 0 and 255 around a mask's edge; between the two the edge is kept soft.
_RIPPLE_LOW, _RIPPLE_HIGH = 32, 223
_QUIET = np.clip(np.round((np.arange(256) - _RIPPLE_LOW) * 255.0 / (_RIPPLE_HIGH - _RIPPLE_LOW)), 0, 255).astype(
    np.uint8
)


@dataclass(frozen=True, eq=False)
class Track:
    """One camera's images, or its masks: a video or a folder, and where its numbering starts."""

    media: VideoInfo | ImageFolder
    shift: int  # number in the file = frame on the common timeline + shift

    @property
    def path(self) -> Path:
        return self.media.path

    @property
    def size(self) -> tuple[int, int]:
        return self.media.width, self.media.height

    @property
    def end(self) -> int:
        """One past the last frame, on the common timeline."""
        last = self.media.frames if isinstance(self.media, VideoInfo) else max(self.media.files) + 1
        return last - self.shift

    def keys(self) -> np.ndarray | None:
        """Frames (common timeline) at which decoding can start; None: anywhere."""
        return self.media.keys - self.shift if isinstance(self.media, VideoInfo) else None


@dataclass(frozen=True, eq=False)
class CameraTracks:
    name: str
    camera: Camera  # of the images
    images: Track
    masks: Track | None


class CaptureSource:
    """`FrameSource` over a capture. Opening it indexes every file; `findings` says what does not fit together.

    Raises CaptureError, VideoError or MaskError where nothing can be read as promised. An image that one
    camera lacks (short or damaged video) is no error here: its `ViewFrame.image` is None.
    """

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.tracks = tuple(_open_camera(camera, capture) for camera in capture.cameras)
        self.findings = tuple(_compare(self.tracks))
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
        media = self.tracks[0].images.media
        return media.rate if isinstance(media, VideoInfo) else 0.0

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file or folder that is read."""
        found = [self.capture.rig_file]
        for track in self.tracks:
            found += [track.images.path, *([track.masks.path] if track.masks else [])]
        return tuple(found)

    def blocks(self, frames: Sequence[int]) -> list[list[int]]:
        keys = self.tracks[0].images.keys()
        numbers = np.asarray(frames, dtype=np.int64)
        if keys is None:
            group = np.arange(len(numbers)) // _IMAGES_PER_BLOCK
        else:
            group = np.searchsorted(keys, numbers, side="right")
        edges = np.flatnonzero(np.diff(group)) + 1
        return [part.tolist() for part in np.split(numbers, edges) if part.size]

    def read(self, frames: Sequence[int], images: bool = True) -> Iterator[FrameSet]:
        colour = [self._images(track, frames, images) for track in self.tracks]
        masks = [self._masks(track, frames) for track in self.tracks]
        for index, frame in enumerate(frames):
            views = [
                ViewFrame(track.camera, next(c), next(m), f"{track.name} ({track.images.path.name}) frame {frame}")
                for track, c, m in zip(self.tracks, colour, masks, strict=True)
            ]
            yield FrameSet(int(frames[index]), tuple(views))

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _reader(self, camera: str, masks: bool, info: VideoInfo) -> VideoReader:
        # Not by path: two tracks on one file, at different offsets, each need their own place in it.
        return self._readers.setdefault((camera, masks), VideoReader(info))

    def _images(self, track: CameraTracks, frames: Sequence[int], wanted: bool) -> Iterator[Image | None]:
        media, numbers = track.images.media, [frame + track.images.shift for frame in frames]
        if not wanted:
            yield from (None for _ in frames)
        elif isinstance(media, VideoInfo):
            yield from (image for _, image in self._reader(track.name, False, media).read(numbers))
        else:
            for _, decoded in read_numbered(media, numbers):
                yield None if decoded is None else ArrayImage(as_rgb(decoded))

    def _masks(self, track: CameraTracks, frames: Sequence[int]) -> Iterator[Levels | None]:
        if track.masks is None:
            yield from (None for _ in frames)
            return
        media, numbers = track.masks.media, [frame + track.masks.shift for frame in frames]
        if isinstance(media, VideoInfo):
            yield from (
                None if p is None else mask_levels(p) for _, p in self._reader(track.name, True, media).read(numbers)
            )
        else:
            for _, decoded in read_numbered(media, numbers):
                yield None if decoded is None else as_levels(decoded)


def mask_levels(image: VideoImage) -> Levels:
    """A mask image's levels from its luma plane, a lossy codec's ripples removed."""
    return image.luma() if image.frame.format.name == "gray" else image.luma(curve=_QUIET)


def _open_camera(camera: CaptureCamera, capture: Capture) -> CameraTracks:
    if camera.video is not None:
        images = Track(probe(camera.video), camera.frame_offset)
    elif camera.images is not None:
        folder = ImageFolder.scan(camera.images)
        if not folder.complete:
            raise CaptureError(
                f"{capture.path}: camera {camera.name}: {folder.path}: expected consecutive images, found "
                f"{len(folder.files)} between numbers {folder.first} and {max(folder.files)}"
            )
        images = Track(folder, folder.first + camera.frame_offset)
    else:
        raise CaptureError(f"{capture.path}: camera {camera.name}: expected `video` or `images`, found neither")
    masks = None if camera.mask is None else _open_masks(camera, camera.mask, images, capture)
    return CameraTracks(camera.name, camera.image_camera(images.size), images, masks)


def _open_masks(camera: CaptureCamera, path: Path, images: Track, capture: Capture) -> Track:
    here = f"{capture.path}: camera {camera.name}: mask {path}"
    media = ImageFolder.scan(path) if path.is_dir() else probe(path)
    count = images.media.frames if isinstance(images.media, VideoInfo) else len(images.media.files)
    if isinstance(media, VideoInfo):
        if media.frames != count:
            raise MaskError(
                f"{here}: has {media.frames} frames, its images ({images.path.name}) have {count}: which mask "
                "belongs to which image cannot be told. Export the masks again, or as PNGs named by frame number"
            )
        masks = Track(media, images.shift)
    elif media.complete and len(media.files) == count:
        masks = Track(media, media.first + camera.frame_offset)
    else:  # masks of some frames only carry the numbers of their source frames, counted from 0
        first = images.media.first if isinstance(images.media, ImageFolder) else 0
        masks = Track(media, first + camera.frame_offset)
        if max(media.files) - first >= count:
            raise MaskError(
                f"{here}: holds {len(media.files)} masks up to number {max(media.files)}, but its images end at "
                f"{count - 1 + first}: expected one mask an image, or names that are source frame numbers"
            )
    if masks.size != images.size:
        raise MaskError(
            f"{here}: is {masks.size[0]}x{masks.size[1]}, its images are {images.size[0]}x{images.size[1]}; "
            "masks must be made on the same images"
        )
    return masks


def time_gaps(info: VideoInfo) -> Int64[Array, " g"]:
    """Numbers of the images after which a time stamp, or more, is missing; none where the file has no stamps."""
    if info.times is None or len(info.times) < 3:
        return np.zeros(0, dtype=np.int64)
    steps = np.diff(info.times)
    return np.flatnonzero(steps > 1.5 * np.median(steps))


def _compare(tracks: Sequence[CameraTracks]) -> Iterator[Finding]:
    """Findings about recordings that do not cover the same time."""
    longest = max(tracks, key=lambda track: track.images.end)
    for track in tracks:
        media = track.images.media
        if isinstance(media, VideoInfo) and media.promised > media.frames:
            yield Finding.of(
                "video-truncated",
                f"camera {track.name}: {media.path}: the header promises {media.promised} frames, "
                f"{media.frames} can "
                "be read; copy the file again if more were recorded",
                camera=track.name,
                frame=media.frames,
            )
        if isinstance(media, VideoInfo) and (gaps := time_gaps(media)).size:
            yield Finding.of(
                "video-gap",
                f"camera {track.name}: {media.path}: its time stamps jump at {gaps.size} places, "
                "first after image "
                f"{gaps[0]}; images are counted in order, so where frames were lost, later ones lag. Record again, "
                "or list the frame after the jump under `jumps`",
                camera=track.name,
                frame=int(gaps[0]) - track.images.shift,
            )
        missing = longest.images.end - track.images.end
        if missing:
            yield Finding.of(
                "video-short",
                f"camera {track.name}: {track.images.path}: ends {missing} frames before camera {longest.name} "
                f"(at frame {track.images.end} of {longest.images.end}); where frames were lost in between, its "
                "images lag from there on",
                camera=track.name,
                frame=track.images.end,
            )
        if isinstance(media, VideoInfo) and isinstance(longest.images.media, VideoInfo):
            rate, expected = media.rate, longest.images.media.rate
            if rate and expected and abs(rate - expected) > 0.001 * expected:
                yield Finding.of(
                    "video-rate",
                    f"camera {track.name}: {media.path}: {rate:g} frames/s, camera {longest.name} has "
                    f"{expected:g}; "
                    "frames of one number may not show one instant",
                    camera=track.name,
                )


def open_source(capture: Capture) -> CaptureSource | DatasetSource:
    """The frames of a capture, or of a FaceLift-format dataset used as one."""
    return CaptureSource(capture) if capture.dataset is None else DatasetSource(capture.dataset)
