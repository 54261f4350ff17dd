"""A capture as a source of frames: its cameras' videos or image folders and masks, in step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from itertools import repeat
from pathlib import Path

import numpy as np

from mouselift.array_types import Array, Int64, Levels
from mouselift.capture.capture import Capture, CaptureCamera, first_numbers, masks_of, media_of
from mouselift.capture.made_masks import said_of_masks
from mouselift.capture.mask_files import Masks
from mouselift.capture.mask_numbers import certain_first_masks, mask_track
from mouselift.capture.timeline import problem_of
from mouselift.capture.tracks import CameraTracks, Track, check_overlap, different_times
from mouselift.dataset.source import DatasetSource
from mouselift.errors import CaptureError, MaskError
from mouselift.media.images import ArrayImage, FrameSet, Image, ImageFolder, ViewFrame, as_rgb, read_numbered
from mouselift.media.video import VideoReader
from mouselift.media.video_image import VideoImage
from mouselift.media.video_index import VideoInfo

_IMAGES_PER_BLOCK = 64  # image folders can be cut anywhere: large enough to keep a worker busy


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
        counted = certain_first_masks((found, media[name]) for name, found in masks.items())
        self.tracks = tuple(
            _open_camera(camera, capture, media[camera.name], firsts[camera.name], masks[camera.name], counted)
            for camera in capture.cameras
        )
        check_overlap(capture.path, self.tracks)
        self.findings = (*different_times(self.tracks), *said_of_masks(masks.values()))
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
    masks = None if found is None else mask_track(capture.path, camera, found, images, counted)
    return CameraTracks(camera.name, camera.image_camera(images.size), images, masks)


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
