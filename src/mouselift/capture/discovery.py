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
from mouselift.calibration.rig import Rig, RigCamera
from mouselift.capture.camera_names import CameraNames, counted_elsewhere
from mouselift.capture.capture import first_numbers, masks_of, media_of
from mouselift.capture.capture_toml import CameraEntry, CaptureSpec
from mouselift.capture.leftovers import other_recordings, unknown_files
from mouselift.capture.mask_search import MaskSearch, search_masks
from mouselift.capture.mask_values import look_at_masks
from mouselift.capture.recordings import Recording, choose, find_media, joined, listed, masks_beside, media_below
from mouselift.capture.rig_search import find_rig, relative
from mouselift.capture.scale import declared_unit
from mouselift.capture.synchronise import by_sync, by_times
from mouselift.capture.turned_masks import made_on_turned
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.errors import CaptureError, MaskError
from mouselift.keypoints.registry import find_keypoints
from mouselift.media.images import ImageFolder
from mouselift.media.mask_stack import MaskStack
from mouselift.media.video_index import VideoInfo


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
    choice = _recording(names, place, paths, chunk, recording, relative(rig_file, folder))
    chosen = choice.recording
    names = replace(names, folder=folder)
    found_masks = search_masks(names, beside if place == folder else ())
    masks, mask_words, mask_left = _masks(names, choice, found_masks)
    found = [
        f"{rig_format} rig: {relative(rig_file, folder)}, cameras {', '.join(calibration.names)}",
        *calibration.evidence,
        *_said_of(project, names),
        *choice.words,
    ]
    told = FORMATS[rig_format].unit
    unit, unit_words = declared_unit(calibration.cameras) if told is None else (told, "")
    if rig_format == "anipose" and project is not None and project.square is not None:
        squares = f"{project.file} gives a square of its board the side {project.square:g}"
        unit_words = "; ".join(words for words in (squares, unit_words) if words)
        unit = "unknown" if unit == "mm" and project.square == 1 else unit  # no board has squares of 1 mm
    assumed = [*calibration.assumed, *_assumptions(calibration, unit, unit_words)]
    if found_rig.above:
        assumed.append(f"the calibration above this folder, {relative(rig_file, folder)}, is this recording's")
    missing = [name for name in calibration.names if name not in chosen.files]
    elsewhere = {name: path for group in choice.sets for name, path in group.files.items() if name in missing}
    if none := [name for name in missing if name not in elsewhere]:
        if (apart := counted_elsewhere(names, none, paths)) is not None:
            raise CaptureError(
                f"{folder}: the rig's camera {apart[0]} has no video, and {apart[1]} has one: counted from 0 on one "
                "side and from 1 on the other, each video would get its neighbour's camera. Rename the videos or the "
                f"rig's cameras; if {apart[0]} recorded nothing, say --unused {apart[0]}"
            )
        assumed.append(f"no video carries the name of {', '.join(none)}: left out ([rig] unused)")
    if elsewhere:
        assumed.append(
            f"{', '.join(elsewhere)} recorded nothing that is named as {chosen.words}, only "
            f"{listed(list(elsewhere.values()), place)}: left out ([rig] unused); rename what belongs together"
        )
    synced = by_sync(folder, rig_format, rig_file, chosen.first)
    assumed += synced.assumed
    entries: list[CameraEntry] = []
    for name in calibration.names:
        if name in chosen.files:
            entry, known, guessed = _oriented(_entry(name, chosen.files[name], masks), calibration[name])
            runs = synced.runs.get(name, ())
            entries.append(replace(entry, frame_offset=synced.offsets.get(name, 0), image_runs=runs))
            found += known
            assumed += guessed
    media = {entry.name: media_of(entry) for entry in entries}
    timed = by_times(names, choice.recording, media, times, bool(synced.offsets or synced.runs))
    entries = [replace(each, image_runs=timed.runs.get(each.name, each.image_runs)) for each in entries]
    assumed += timed.assumed
    found += [
        *synced.found,
        *timed.found,
        *(_described(name, each, folder) for name, each in media.items()),
        *mask_words,
    ]
    found += _mask_values(entries)
    numbering, number_words = _numbering(folder, media, numbering)
    found += number_words
    if not (synced.found or timed.found or numbering == "common"):
        assumed += _counts_differ(media)
    keypoints = find_keypoints(folder)
    if len(keypoints) == 1:
        found.append(f"Keypoints in 3D: {relative(keypoints[0], folder)}; `mouselift inspect` lays them on the masks")
    spec = CaptureSpec(
        unit=unit,
        up=(0.0, 0.0, 1.0) if FORMATS[rig_format].z_up else None,
        rig_file=rig_file,
        rig_format=rig_format,
        rig_variant=variant,
        unused=(*unused, *missing),
        cameras=tuple(entries),
        numbering=numbering,
        keypoints=keypoints[0] if len(keypoints) == 1 else None,
    )
    left = [
        *(
            f"{relative(path, folder)}: one of several files of keypoints, none taken; name one by keypoints = ..."
            for path in (keypoints if len(keypoints) > 1 else ())
        ),
        *(f"{relative(path, folder)}: another calibration ({kind})" for kind, path in found_rig.others),
        *choice.left,
        *mask_left,
        *timed.left,
    ]
    used = [
        *([rig_file] if rig_file.is_file() else []),
        *(camera.source for camera in calibration.cameras),
        *(path for _, path in found_rig.others if path.is_file()),
        *paths,
        *timed.files,
        *found_masks.looked_at,
        *([project.file] if project is not None else []),
        *keypoints,
    ]
    left += unknown_files(names, used, [*found, *assumed, *left])
    return Discovery(folder, spec, tuple(found), tuple(assumed), tuple(left))


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
            f"cameras have different numbers of images ({shown}), and nothing says which are missing: their first "
            "images show one instant, and some stopped earlier. Had they lost images before, views would show "
            "different instants from there on; `mouselift inspect` tells by the images, times of images "
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


@dataclass(frozen=True)
class _Choice:
    """`sets`: all recordings that were found; `words`: why this one; `left`: what is not used."""

    recording: Recording
    sets: list[Recording]
    words: tuple[str, ...]
    left: tuple[str, ...]


def _recording(
    names: CameraNames, place: Path, paths: Sequence[Path], chunk: int | None, match: str | None, rig: str
) -> _Choice:
    """The recording to take, and the reasons."""
    sets, strangers = find_media(names, paths, masks=False)
    named, sets = sets, joined(sets)
    videos = [group for group in sets if all(path.is_file() for path in group.files.values())]
    raw_folder = None
    if names.project is not None and match is None:  # anipose draws on copies of its videos
        raw = [group for group in videos if f"/{names.project.videos_raw}/" in f"/{group.pattern}"]
        raw_folder, videos = (names.project.videos_raw, raw) if raw else (None, videos)
    taken = videos or sets
    if not taken or max(len(group.files) for group in taken) < 2:
        seen = f"; files that carry no camera's name: {listed(strangers, place)}" if strangers else ""
        if taken:
            files = listed([path for group in taken for path in group.files.values()], place)
            raise CaptureError(
                f"{place}: expected files whose names differ in the camera's name only, or one file a camera; found "
                f"{files}: their names do not tell which belong together{seen}. Rename them, or move those of other "
                "recordings away"
            )
        raise CaptureError(
            f"{place}: no videos that carry the names of the rig's cameras ({', '.join(names.names)}; by {rig}) as a "
            f"word of their path{seen}. Rename them, point to them with --videos FOLDER, or write capture.toml by "
            "hand, with rig_name where the names differ: which camera took which video is never guessed."
        )
    chosen, words = choose(taken, names.names, place, chunk, match)
    if chosen not in named:
        words.append(
            f"The names of {chosen.words} differ in other digits too: taken for one recording, the first images of all "
            "cameras for one instant"
        )
    left = [*other_recordings(sets, chosen, raw_folder)]
    strange: dict[str, list[Path]] = {}
    for path in strangers:
        strange.setdefault(names.why_not(path), []).append(path)
    left += [f"{listed(paths, place)}: {why}" for why, paths in strange.items()]
    return _Choice(chosen, sets, tuple(words), tuple(left))


def _masks(names: CameraNames, choice: _Choice, masks: MaskSearch) -> tuple[dict[str, Path], list[str], list[str]]:
    """Masks of the recording's cameras, of the same chunk where masks come in chunks; what was found, what is left."""
    recording, left = choice.recording, list(masks.left)
    sets, strangers = find_media(names, masks.own, masks=True)
    sets = [*joined(sets), *masks.shared]
    left += [f"{listed(strangers, names.folder)}: {names.why_not(strangers[0])}"] if strangers else []
    fitting: list[Recording] = []
    for group in sets:
        other = max((group.shared_parts(one) for one in choice.sets if one.pattern != recording.pattern), default=0)
        if other > group.shared_parts(recording):
            left.append(f"{group.words}: masks of another recording")
        elif recording.first is not None and group.first not in (None, recording.first):
            left.append(f"{group.words}: masks of another chunk")
        else:
            fitting.append(group)
    shared = [len(group.files.keys() & recording.files.keys()) for group in fitting]
    if not any(shared):
        return {}, ["No masks; `mouselift mask` can make them."], left
    best = [group for group, count in zip(fitting, shared, strict=True) if count == max(shared)]
    left += [f"{group.words}: masks of fewer cameras" for group in fitting if group not in best]
    if len(best) > 1:
        nearest = max(group.shared_parts(recording) for group in best)
        closest = [group for group in best if group.shared_parts(recording) == nearest]
        if len(closest) > 1:
            words = ", ".join(group.words for group in best)
            return {}, [f"Several sets of masks, none taken: {words}; name one by `mask = ...` for each camera"], left
        left += [
            f"{group.words}: other masks, less like the recording's name" for group in best if group not in closest
        ]
        best = closest
    without = [name for name in recording.files if name not in best[0].files]
    words = [f"Masks: {best[0].words}" + (f"; none for {', '.join(without)}" if without else "")]
    return best[0].files, words, left


def _entry(name: str, media: Path, masks: dict[str, Path]) -> CameraEntry:
    video, images = (media, None) if media.is_file() else (None, media)
    return CameraEntry(name, video, images, masks.get(name))


def _oriented(entry: CameraEntry, calibrated: RigCamera) -> tuple[CameraEntry, list[str], list[str]]:
    """Whether the images are turned as their tag says, by what only one of the two sizes fits; found, assumed.

    Without such evidence they are, as OpenCV, players and labelling tools show them. CaptureError where the
    calibration fits only one and the masks only the other.
    """
    media = media_of(entry)
    if media.orientation.as_stored:
        return entry, [], []
    shown = media.width, media.height
    stored = media.orientation.size(shown)
    tag = f"{entry.name}: its tag says {media.orientation.words}"
    sizes = {"the calibrated size": calibrated.crop_size or calibrated.size}
    if (mask := masks_of(entry)) is not None:
        sizes["the masks' size"] = mask.width, mask.height
    evidence = {what: size for what, size in sizes.items() if shown != stored and size in (shown, stored)}
    if not evidence:
        on_turned = None if mask is None else made_on_turned(media, mask)
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


def _mask_values(entries: Sequence[CameraEntry]) -> Iterator[str]:
    """What the values of the masks mean, cameras that agree in one sentence; what only the user can decide."""
    said: dict[str, list[str]] = {}
    for entry in entries:
        if (masks := masks_of(entry)) is not None:
            try:
                how = f"{masks.words}; " if isinstance(masks, MaskStack) else ""
                words = f"Values of the masks: {how}{look_at_masks(str(entry.mask), masks).words}"
            except MaskError as error:
                words = f"TO DECIDE: {error}"
            said.setdefault(words, []).append(entry.name)
    for words, names in said.items():
        yield words if len(names) == len(entries) else f"{', '.join(names)}: {words}"


def _described(name: str, media: VideoInfo | ImageFolder, folder: Path) -> str:
    shown, size = relative(media.path, folder), f"{media.width}x{media.height}"
    if isinstance(media, VideoInfo):
        which = f"; the first of {media.streams} videos in it" if media.streams > 1 else ""
        return f"{name}: {shown}, {size}, {media.frames} frames{which}"
    return f"{name}: images in {shown}, {size}"


def _assumptions(rig: Rig, unit: str, unit_words: str) -> Iterator[str]:
    if FORMATS[rig.format].unit is not None:
        why = "the scale of its world is arbitrary" if unit == "unknown" else f"{rig.format} writes it"
        yield f"the unit is {unit}: {why}"
    elif unit != "mm":
        yield f"the unit is {unit}, against the habit of {rig.format} rigs: {unit_words}"
    if FORMATS[rig.format].z_up:
        heights = [float(-camera.R_cam_world[:, 2] @ camera.t_cam_world) for camera in rig.cameras]
        units = " and the unit is mm" if unit == "mm" else ""
        yield (
            f"+Z is up{units}, as {rig.format} rigs are made (camera heights z = {min(heights):.3g} .. "
            f"{max(heights):.3g})"
        )
        return
    if unit == "mm" and FORMATS[rig.format].unit is None:
        told = f"; {unit_words}" if unit_words else ""
        yield f"the unit is mm ({rig.format} writes it in units of the calibration board){told}"
    yield (
        f"nothing says which way is up ({rig.format}'s world is arbitrary): `up` is not set, and `mask` and `prepare` "
        'need it: add up = "+z" (or another axis) or up = [x, y, z]'
    )


def _dataset(folder: Path) -> Discovery:
    samples = find_samples(folder)
    spec = CaptureSpec(unit="normalised", up=(0.0, 0.0, 1.0), dataset=folder)
    names = samples[0].name if len(samples) == 1 else f"{len(samples)} samples, {samples[0].name} .. {samples[-1].name}"
    found = (f"FaceLift-format dataset: {names}",)
    return Discovery(folder, spec, found, ("+Z is up, as in FaceLift's samples",))
