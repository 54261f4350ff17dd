"""What `mouselift init FOLDER` finds: rig, videos and masks of a folder, and what had to be assumed, in words.

Which video (or image folder) belongs to which camera is told by exact name tokens in its path, never by order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mouselift.calibration.anipose_project import AniposeProject, project_of
from mouselift.calibration.registry import FORMATS, load_rig
from mouselift.calibration.rig import Rig
from mouselift.capture.camera_names import CameraNames, counted_elsewhere
from mouselift.capture.capture import first_numbers, masks_of, media_of
from mouselift.capture.capture_toml import CameraEntry, CaptureSpec
from mouselift.capture.leftovers import unknown_files
from mouselift.capture.mask_search import search_masks
from mouselift.capture.mask_values import look_at_masks
from mouselift.capture.recording_choice import Choice, choose_masks, choose_recording
from mouselift.capture.recordings import listed, masks_beside, media_below
from mouselift.capture.rig_search import FoundRig, files_of, find_rig, relative
from mouselift.capture.synchronise import Synchronised, by_sync, by_times
from mouselift.capture.turned_images import oriented
from mouselift.capture.unit_and_up import unit_and_up
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.errors import CaptureError, MaskError
from mouselift.keypoints.registry import find_keypoints
from mouselift.media.images import ImageFolder
from mouselift.media.mask_stack import MaskStack
from mouselift.media.video_index import VideoInfo

TO_DECIDE = "TO DECIDE"  # marks what only the user can say


@dataclass(frozen=True)
class Discovery:
    """A capture as found. `spec` is what `write_capture_toml` takes; the others are sentences."""

    folder: Path
    spec: CaptureSpec
    found: tuple[str, ...]
    assumed: tuple[str, ...]
    left: tuple[str, ...] = ()  # found and not used, with the reason

    @property
    def comments(self) -> tuple[str, ...]:
        """Lines for the head of the capture.toml."""
        return (
            "Written by `mouselift init`. Format: docs/reference/capture-toml.md.",
            *(f"Found: {line}" for line in self.found),
            *(f"Assumed: {line}" for line in self.assumed),
            *(f"Not used: {line}" for line in self.left),
        )


def discover(
    folder: Path,
    *,
    rig: Path | None = None,
    variant: str | None = None,
    unused: Collection[str] = (),
    videos: Path | None = None,
    recording: str | None = None,
    chunk: int | None = None,
    numbering: str | None = None,
    times: str | None = None,
) -> Discovery:
    """Recognise a recording's layout; nothing is written.

    `rig` (file or folder), `variant`, `unused`, `videos` (where they lie, if not in `folder`), `recording` (a piece of
    the videos' path), `chunk` (its first frame), `numbering` (`first_numbers`) and `times` (`by_times`) settle what is
    ambiguous.
    CaptureError or CalibrationError where something is missing or stays ambiguous, with the candidates.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise CaptureError(f"{folder}: no such folder; expected the folder of a recording")
    has_samples = (folder / CAMERAS_FILE).is_file() or next(folder.glob(f"[!.]*/{CAMERAS_FILE}"), None) is not None
    if rig is None and has_samples:
        return _dataset(folder)
    project = project_of(folder)
    found_rig = find_rig(folder, rig, project)
    rig_format, rig_file = found_rig.format, found_rig.path
    calibration = load_rig(rig_file, rig_format, variant, unused)
    place = videos.resolve() if videos is not None else folder
    project = project_of(rig_file) if project is None else project
    board = project.calibration_videos if project is not None else None
    paths = list(media_below(place, masks=False, skip=board))
    beside = masks_beside(paths)
    paths = [path for path in paths if path not in beside]
    names = CameraNames.of(place, calibration.names, project, paths, unused)
    choice = choose_recording(names, place, paths, chunk, recording, relative(rig_file, folder))
    chosen = choice.recording
    names = replace(names, folder=folder)
    found_masks = search_masks(names, beside if place == folder else ())
    masks, mask_words, mask_left = choose_masks(names, choice, found_masks)
    found = [
        f"{rig_format} rig: {relative(rig_file, folder)}, cameras {', '.join(calibration.names)}",
        *calibration.evidence,
        *_said_of(project, names),
        *choice.words,
    ]
    unit, up, unit_words = unit_and_up(calibration, project)
    assumed = [*calibration.assumed, *unit_words]
    if found_rig.above:
        assumed.append(f"the calibration above this folder, {relative(rig_file, folder)}, is this recording's")
    missing = [name for name in calibration.names if name not in chosen.files]
    assumed += _without_media(names, choice, place, missing, paths)
    synced = by_sync(folder, rig_format, rig_file, chosen.first)
    bound = _bound(names, calibration, choice, masks, mask_words, synced, times, numbering)
    found += bound.found
    assumed += bound.assumed
    keypoints = find_keypoints(folder)
    if len(keypoints) == 1:
        found.append(f"Keypoints in 3D: {relative(keypoints[0], folder)}; `mouselift inspect` lays them on the masks")
    spec = CaptureSpec(
        unit=unit,
        up=up,
        rig_file=rig_file,
        rig_format=rig_format,
        rig_variant=variant,
        unused=(*unused, *missing),
        cameras=bound.cameras,
        numbering=bound.numbering,
        keypoints=keypoints[0] if len(keypoints) == 1 else None,
    )
    left = [
        *_not_taken(keypoints if len(keypoints) > 1 else (), folder),
        *(f"{relative(path, folder)}: another calibration ({kind})" for kind, path in found_rig.others),
        # As it stands in the file: a camera may be left out because it is a copy of another, which `load_rig` refuses.
        *(_of_unused(FORMATS[rig_format].read(rig_file, variant), calibration, folder) if unused else ()),
        *choice.left,
        *mask_left,
        *bound.left,
    ]
    used = [
        *_files_of(found_rig, calibration, project),
        *paths,
        *bound.files,
        *found_masks.looked_at,
        *keypoints,
    ]
    left += unknown_files(names, used, [*found, *assumed, *left])
    return Discovery(folder, spec, tuple(found), tuple(assumed), tuple(left))


@dataclass(frozen=True)
class _Bound:
    """Cameras with their files, and which image shows which instant; what is said of that."""

    cameras: tuple[CameraEntry, ...]
    numbering: str | None
    found: list[str]
    assumed: list[str]
    left: tuple[str, ...]
    files: tuple[Path, ...]  # of times, used or not


def _bound(
    names: CameraNames,
    calibration: Rig,
    choice: Choice,
    masks: dict[str, Path],
    mask_words: Sequence[str],
    synced: Synchronised,
    times: str | None,
    numbering: str | None,
) -> _Bound:
    """The cameras that the chosen recording has files of, in the rig's order."""
    found: list[str] = []
    assumed = [*synced.assumed]
    entries: list[CameraEntry] = []
    for name in calibration.names:
        if name in choice.recording.files:
            entry, known, guessed = oriented(_entry(name, choice.recording.files[name], masks), calibration[name])
            entries.append(entry)
            found += known
            assumed += guessed
    media = {entry.name: media_of(entry) for entry in entries}
    timed = by_times(names, choice.recording, media, times, bool(synced.offsets or synced.runs))
    entries = [_in_step(entry, synced, timed) for entry in entries]
    assumed += timed.assumed
    found += [*synced.found, *timed.found]
    found += [*(_described(name, each, names.folder) for name, each in media.items()), *mask_words]
    found += _mask_values(entries)
    numbering, words = _numbering(names.folder, media, numbering)
    found += words
    if not (synced.found or timed.found or numbering == "common"):
        assumed += _counts_differ(media)
    return _Bound(tuple(entries), numbering, found, assumed, timed.left, timed.files)


def _in_step(entry: CameraEntry, synced: Synchronised, timed: Synchronised) -> CameraEntry:
    """With the offset and the lost images that DANNCE's sync tells, and those that times do, which come before."""
    runs = timed.runs.get(entry.name, synced.runs.get(entry.name, ()))
    return replace(entry, frame_offset=synced.offsets.get(entry.name, 0), image_runs=runs)


def _not_taken(keypoints: Sequence[Path], folder: Path) -> Iterator[str]:
    for path in keypoints:
        yield f"{relative(path, folder)}: one of several files of keypoints, none taken; name one by keypoints = ..."


def _of_unused(whole: Rig, calibration: Rig, folder: Path) -> Iterator[str]:
    """Files of cameras that are left out, where each has its own."""
    used = {whole.file, *(camera.source for camera in calibration.cameras)}
    for camera in whole.cameras:
        if camera.name not in calibration.names and camera.source not in used:
            yield f"{relative(camera.source, folder)}: of camera {camera.name}, which --unused leaves out"


def _files_of(found: FoundRig, calibration: Rig, project: AniposeProject | None) -> Iterator[Path]:
    """What was read for the rig, or is told as another one."""
    yield from files_of(found.format, found.path)
    yield from (camera.source for camera in calibration.cameras)
    yield from (path for _, path in found.others if path.is_file())
    if project is not None:
        yield project.file


def _without_media(
    names: CameraNames, choice: Choice, place: Path, missing: Sequence[str], paths: Sequence[Path]
) -> Iterator[str]:
    """Cameras of the rig that the recording has no video of; CaptureError where names are counted otherwise."""
    elsewhere = {name: path for group in choice.sets for name, path in group.files.items() if name in missing}
    if none := [name for name in missing if name not in elsewhere]:
        if (apart := counted_elsewhere(names, none, paths)) is not None:
            raise CaptureError(
                f"{names.folder}: the rig's camera {apart[0]} has no video, and {apart[1]} has one: counted from 0 on "
                "one side and from 1 on the other, each video would get its neighbour's camera. Rename the videos or "
                f"the rig's cameras; if {apart[0]} recorded nothing, say --unused {apart[0]}"
            )
        yield f"no video carries the name of {', '.join(none)}: left out ([rig] unused)"
    if elsewhere:
        yield (
            f"{', '.join(elsewhere)} recorded nothing that is named as {choice.recording.words}, only "
            f"{listed(list(elsewhere.values()), place)}: left out ([rig] unused); rename what belongs together"
        )


def _numbering(
    folder: Path, media: Mapping[str, VideoInfo | ImageFolder], told: str | None
) -> tuple[str | None, list[str]]:
    """How image folders are numbered (`first_numbers`), and a sentence; CaptureError where two readings are left.

    A folder with gaps does not count its own images, so its numbers are the trigger's.
    """
    folders = {name: found for name, found in media.items() if isinstance(found, ImageFolder)}
    gaps = any(not found.complete for found in folders.values())
    kind = told or ("common" if gaps else None)
    steps = {name: int(np.median(np.diff(sorted(found.files)))) for name, found in folders.items() if found.frames > 1}
    if told is None and len(set(steps.values())) > 1:
        shown = ", ".join(f"{name} {step}" for name, step in steps.items())
        raise CaptureError(
            f"{folder}: image numbers go up by different steps ({shown}). Either equal numbers show one instant, and "
            "cameras recorded at different rates (say --numbering common), or some count otherwise: number those anew"
        )
    try:
        start = first_numbers(media, kind)
    except CaptureError as error:
        raise CaptureError(f"{folder}: {error}; say which with --numbering common or --numbering own") from None
    if kind != "common":
        return kind, [] if kind is None else ["Images are numbered from each camera's own first, as asked"]
    end = max((max(found.files) for found in folders.values()), default=0)
    lost = {name: end + 1 - start[name] - found.frames for name, found in folders.items()}
    words = ", ".join(f"{name} {count}" for name, count in lost.items() if count) or "none"
    reason = "as asked" if told else "since some are missing in between"
    return "common", [f"Equal image numbers show one instant, {reason}; images lost: {words}"]


def _counts_differ(media: Mapping[str, VideoInfo | ImageFolder]) -> Iterator[str]:
    """Where nothing says which images are missing: cameras may have stopped apart, or lost images on the way."""
    counts = {name: found.frames for name, found in media.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        yield (
            f"cameras have different numbers of images ({shown}), and nothing that is read says which are missing: "
            "their first images show one instant, and some stopped earlier. Had they lost images before, views would "
            "show different instants from there on; `mouselift inspect` tells by the images, times of images "
            "(CAMERA_timestamps.csv) settle it"
        )


def _said_of(project: AniposeProject | None, names: CameraNames) -> Iterator[str]:
    """Whether cam_regex tells the cameras."""
    if names.project is not None and names.project.cam_regex is not None:
        yield f"cameras are told by cam_regex = {names.project.cam_regex.pattern!r} of {names.project.file}"
    elif project is not None and project.cam_regex is not None:
        yield (
            f"cam_regex = {project.cam_regex.pattern!r} of {project.file} finds no camera of the rig in any video: "
            "names are looked for as words"
        )


def _entry(name: str, media: Path, masks: dict[str, Path]) -> CameraEntry:
    video, images = (media, None) if media.is_file() else (None, media)
    return CameraEntry(name, video, images, masks.get(name))


def _mask_values(entries: Sequence[CameraEntry]) -> Iterator[str]:
    """What the values of the masks mean, cameras that agree in one sentence; what only the user can decide."""
    said: dict[str, list[str]] = {}
    for entry in entries:
        if (masks := masks_of(entry)) is not None:
            try:
                how = f"{masks.words}; " if isinstance(masks, MaskStack) else ""
                words = f"Values of the masks: {how}{look_at_masks(str(entry.mask), masks).words}"
            except MaskError as error:
                words = f"{TO_DECIDE}: {error}"
            said.setdefault(words, []).append(entry.name)
    for words, names in said.items():
        yield words if len(names) == len(entries) else f"{', '.join(names)}: {words}"


def _described(name: str, media: VideoInfo | ImageFolder, folder: Path) -> str:
    shown, size = relative(media.path, folder), f"{media.width}x{media.height}"
    if isinstance(media, VideoInfo):
        which = f"; the first of {media.streams} videos in it" if media.streams > 1 else ""
        return f"{name}: {shown}, {size}, {media.frames} frames{which}"
    return f"{name}: {len(media.numbers)} images in {shown}, {size}"


def _dataset(folder: Path) -> Discovery:
    samples = find_samples(folder)
    spec = CaptureSpec(unit="normalised", up=(0.0, 0.0, 1.0), dataset=folder)
    names = samples[0].name if len(samples) == 1 else f"{len(samples)} samples, {samples[0].name} .. {samples[-1].name}"
    found = (f"FaceLift-format dataset: {names}",)
    return Discovery(folder, spec, found, ("+Z is up, as in FaceLift's samples",))
