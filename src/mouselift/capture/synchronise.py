"""Which images show one instant, by what files say: DANNCE's sync, times beside the recording, stamps of videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mouselift.array_types import Array, Int64
from mouselift.atomic import visible
from mouselift.calibration.dannce_files import sync_rows
from mouselift.capture.camera_names import CameraNames
from mouselift.capture.clocks import Alignment, align, ticks_of
from mouselift.capture.recordings import Recording
from mouselift.capture.timeline import LOST, Runs, runs_of
from mouselift.capture.timestamps import (
    TimeFiles,
    Times,
    check_numbers,
    cut,
    find_times,
    read_times,
    seconds,
    stamps,
    unread_times,
    unwrapped,
)
from mouselift.errors import CaptureError
from mouselift.foreign import first_few
from mouselift.media.images import ImageFolder
from mouselift.media.video_index import VideoInfo

_SHOWN = 3  # files that a line names
_TOLD = "; say which with --times common or --times own, or leave times aside with --times ignore"


@dataclass(frozen=True)
class Synchronised:
    """Keys of the cameras' tables, and what `init` says."""

    offsets: dict[str, int] = field(default_factory=dict)
    runs: dict[str, Runs] = field(default_factory=dict)
    found: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def by_sync(folder: Path, rig_format: str, rig_file: Path, first: int | None) -> Synchronised:
    """By `sync` of DANNCE's files: offsets where rows differ by constants, else runs. first: of a chunk of videos."""
    if rig_format != "dannce":
        return Synchronised()
    files = [rig_file] if rig_file.suffix == ".mat" else visible(folder.glob("*_dannce.mat"))
    for file in files:
        rows, problem = sync_rows(file)
        if problem is not None:
            return Synchronised(assumed=(problem,))
        if not rows:
            continue
        ahead = np.array(list(rows.values())) - np.min(list(rows.values()), axis=0)
        if not np.ptp(ahead, axis=1).any():
            offsets = {name: int(steps[0]) for name, steps in zip(rows, ahead, strict=True)}
            if any(offsets.values()):
                words = ", ".join(f"{name} {frames}" for name, frames in offsets.items() if frames)
                said = f"Frames ahead of the other cameras, by sync of {file.name} (frame_offset): {words}"
                return Synchronised(offsets, found=(said,))
            continue
        if first:
            said = (
                f"{file.name}: by sync, frames were lost on the way; it counts from the recording's start, the videos "
            )
            return Synchronised(assumed=(f"{said}from frame {first}: it is not applied",))
        return _by_rows(file, rows)
    return Synchronised()


def _by_rows(file: Path, rows: Mapping[str, Int64[Array, " t"]]) -> Synchronised:
    """An image that two instants share shows one of them, and nothing says which: both are lost."""
    steps = {name: np.diff(row) for name, row in rows.items()}
    if any(len(step) and ((step < 0).any() or (step == 1).mean() < 0.5) for step in steps.values()):
        said = f"{file.name}: sync does not count the images of each camera up by one: it is not applied"
        return Synchronised(assumed=(said,))
    first = min(int(row[0]) for row in rows.values())
    runs: dict[str, Runs] = {}
    words: list[str] = []
    for name, row in rows.items():
        images, inverse, count = np.unique(row, return_inverse=True, return_counts=True)
        once = np.flatnonzero(count[inverse] == 1)
        frames = np.full(int(images[-1]) + 1, LOST, dtype=np.int64)
        frames[row[once]] = first + once
        runs[name] = runs_of(frames)
        words.append(f"{name} {len(row) - len(once)} lost, {int(images[-1] - images[0]) + 1 - len(images)} left out")
    said = f"Image of each frame by sync of {file.name} (image_runs); {', '.join(words)}"
    return Synchronised(runs=runs, found=(said,))


def by_times(
    names: CameraNames,
    recording: Recording,
    media: Mapping[str, VideoInfo | ImageFolder],
    told: str | None,
    synced: bool,
) -> Synchronised:
    """By files of times, else by time stamps of videos where some have gaps.

    told: "common", "own" (`align`) or "ignore". synced: DANNCE's sync decides already.
    CaptureError with both readings where times leave it open.
    """
    files = {name: found for name, found in find_times(names, recording.files).items() if name in media}
    paths = tuple(found.path for found in files.values())
    others = tuple(path for found in files.values() for path in found.others)
    numbered = any(isinstance(found, ImageFolder) and not found.complete for found in media.values())
    if told == "ignore" or (files and (synced or numbered)):
        why = "as asked" if told == "ignore" else "sync decides" if synced else "numbers of the images decide"
        return Synchronised(left=tuple(f"{path.name}: times, {why}" for path in paths), files=(*paths, *others))
    if synced:
        return Synchronised()
    unread = dict(unread_times(names)) if not files else {}
    try:
        if files:
            times = {name: read_times(found.path) for name, found in files.items()}
            aligned = _by_files(times, recording, media, told, (*paths, *others))
            for name, found in files.items():
                _check_same(name, times[name], found, recording, media[name])
            return aligned
        stamped = _by_stamps(media, told)
        return replace(stamped, left=tuple(_for_each_reason(names.folder, unread)), files=tuple(unread))
    except CaptureError as error:
        raise CaptureError(f"{names.folder}: {error}{_TOLD}") from None


def _for_each_reason(folder: Path, files: Mapping[Path, str]) -> Iterator[str]:
    for why in dict.fromkeys(files.values()):
        alike = [path.relative_to(folder).as_posix() for path, reason in files.items() if reason == why]
        yield f"{first_few(alike, _SHOWN)}: {why}"


def _by_files(
    times: Mapping[str, Times],
    recording: Recording,
    media: Mapping[str, VideoInfo | ImageFolder],
    told: str | None,
    paths: tuple[Path, ...],
) -> Synchronised:
    if without := [name for name in media if name not in times]:
        raise CaptureError(f"there are times for {', '.join(times)}, none for {', '.join(without)}")
    in_seconds, units = {}, set[str]()
    kept: dict[str, Times] = {}
    wraps: list[str] = []
    for name in media:
        kept[name], wrap = unwrapped(_of_images(name, times[name], media[name], recording.first))
        wraps += [f"{name} at {wrap:,.0f}"] if wrap else []
    for name, found in kept.items():
        in_seconds[name], unit = seconds(name, found, media[name].rate)
        units.add(unit)
    if len(units) > 1:
        raise CaptureError(f"times are in different units: {', '.join(sorted(units))}; name the columns")
    aligned = align(in_seconds, told)
    for name, found in kept.items():
        check_numbers(name, found, aligned.ticks[name].ticks)
    where = ", ".join(sorted({path.name for path in paths}))
    started = f"; clocks that start again, here going on: {', '.join(wraps)}" if wraps else ""
    return _aligned(f"Times of images ({where}; unit {units.pop()}{started})", aligned, told, paths)


def _check_same(
    name: str, times: Times, files: TimeFiles, recording: Recording, media: VideoInfo | ImageFolder
) -> None:
    """CaptureError where another file with times of the camera lost images at other places: one of the two is wrong.

    What cannot be read, or leaves its images open, decides nothing.
    """
    for path in files.others:
        try:
            ticks = [
                ticks_of(name, seconds(name, unwrapped(found)[0], media.rate)[0]).ticks
                for found in (_of_images(name, each, media, recording.first) for each in (times, read_times(path)))
            ]
        except CaptureError:
            continue
        if not np.array_equal(ticks[0], ticks[1]):
            at = int(np.flatnonzero(ticks[0] != ticks[1])[0])
            raise CaptureError(
                f"camera {name}: {files.path} and {path} tell different times: image {at} is number {ticks[0][at]} by "
                f"the first and {ticks[1][at]} by the other. Move the one away that is wrong"
            )


def _of_images(name: str, times: Times, media: VideoInfo | ImageFolder, first: int | None) -> Times:
    """One time an image; of a chunk that is named by its first frame, its part."""
    count, held = len(times.values), media.frames
    if count != held and first and count >= first + held:
        return cut(times, first, held)
    if count != held:
        raise CaptureError(
            f"camera {name}: {times.path} has {count} times, {media.path} has {held} images: which image has no "
            "counterpart cannot be told"
        )
    return times


def _by_stamps(media: Mapping[str, VideoInfo | ImageFolder], told: str | None) -> Synchronised:
    videos = {name: found for name, found in media.items() if isinstance(found, VideoInfo)}
    if len(videos) < len(media) or any(found.times is None or found.frames < 3 for found in videos.values()):
        return Synchronised()
    found = {name: stamped for name, video in videos.items() if (stamped := stamps(video)) is not None}
    if len(found) < len(media) or not any(_has_gaps(stamped) for stamped in found.values()):
        return Synchronised()
    return _aligned("Time stamps of the videos", align(found, told), told, ())


def _has_gaps(times: np.ndarray) -> bool:
    steps = np.diff(times)
    return bool((steps > 1.5 * np.median(steps)).any())


def _aligned(source: str, aligned: Alignment, told: str | None, paths: tuple[Path, ...]) -> Synchronised:
    words = ", ".join(
        f"{name} {1 / found.period:.4g}/s, {found.lost} lost, off by up to {found.residual * 1e3:.2g} ms"
        for name, found in aligned.ticks.items()
    )
    if aligned.plain:
        return Synchronised(found=(f"{source}: no image was lost ({words})",), files=paths)
    runs = {name: runs_of(frames) for name, frames in aligned.frames.items()}
    starts = "" if told == "common" else "the first images of all cameras show one instant"
    assumed = (f"{starts}: {'as asked' if told else 'their times are equal'}",) if starts else ()
    return Synchronised(
        runs=runs, found=(f"{source}; lost images are gaps (image_runs): {words}",), assumed=assumed, files=paths
    )
