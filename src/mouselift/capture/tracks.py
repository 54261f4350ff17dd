"""Cameras on the common timeline: which frames each one's images and masks show, and cameras that cover other times."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mouselift.array_types import Array, Int64
from mouselift.capture.mask_levels import OPACITY, MaskValues
from mouselift.capture.timeline import LOST, Runs, images_at
from mouselift.errors import CaptureError
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.media.images import NumberedImages
from mouselift.media.video_index import VideoInfo


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


def time_gaps(info: VideoInfo) -> Int64[Array, " g"]:
    """Numbers of the images after which a time stamp, or more, is missing; none where the file has no stamps."""
    if info.times is None or len(info.times) < 3:
        return np.zeros(0, dtype=np.int64)
    steps = np.diff(info.times)
    return np.flatnonzero(steps > 1.5 * np.median(steps))


def check_overlap(file: Path, tracks: Sequence[CameraTracks]) -> None:
    """CaptureError where a camera shares no frame with any other: one wrong number makes a timeline of any length."""
    for track in tracks:
        begin, end = track.images.begin, track.images.end
        others = [other.images for other in tracks if other is not track]
        if others and not any(max(begin, other.begin, 0) < min(end, other.end) for other in others):
            raise CaptureError(
                f"{file}: camera {track.name}: its images are frames {begin} .. {end - 1} of the common "
                "timeline, at which no other camera has one; expected cameras that overlap in time: is frame_offset "
                "right?"
            )


def different_times(tracks: Sequence[CameraTracks]) -> Iterator[Finding]:
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
