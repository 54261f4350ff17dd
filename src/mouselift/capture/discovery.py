"""What `mouselift init FOLDER` finds: rig, videos and masks of a folder, and what had to be assumed, in words.

Which video (or image folder) belongs to which camera is told by exact name tokens in its path, never by order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mouselift.atomic import visible
from mouselift.calibration.registry import FORMATS, load_rig, rig_at, rigs_in
from mouselift.calibration.rig import Rig, RigCamera
from mouselift.capture.capture import media_of
from mouselift.capture.capture_toml import CameraEntry, CaptureSpec
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.errors import CaptureError
from mouselift.media.images import IMAGE_SUFFIXES, ImageFolder
from mouselift.media.video import VideoInfo, probe

_CALIBRATION_FOLDERS = ("calibration", "calib", "calib_params", "calib_params/*")
_VIDEO_SUFFIXES = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".mjpeg"}
    | {".h264", ".264", ".h265", ".265", ".hevc"}  # raw streams, as small camera computers write them
)
_MASK_FOLDER = re.compile(r"(^|[_\-. ])(masks?|silhouettes?|segmentations?|simpleclick)([_\-. ]|$)", re.IGNORECASE)
_OTHER_FOLDER = re.compile(r"^(calib.*|com|dannce|predictions?|results?|truth|\..*)$", re.IGNORECASE)
_PREPARED = "dataset.json"  # a dataset that mouselift made of this recording
_DEPTH = 4  # videos/Camera1/<ticks>/<first>.mp4
_SHOWN = 12  # candidates that a message lists


@dataclass(frozen=True)
class Discovery:
    """A capture as found. `spec` is what `write_capture_toml` takes; `found` and `assumed` are sentences."""

    folder: Path
    spec: CaptureSpec
    found: tuple[str, ...]
    assumed: tuple[str, ...]

    @property
    def comments(self) -> tuple[str, ...]:
        """Lines for the head of the capture.toml."""
        return (
            "Written by `mouselift init`. Format: docs/reference/capture-toml.md.",
            *(f"Found: {line}" for line in self.found),
            *(f"Assumed: {line}" for line in self.assumed),
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
) -> Discovery:
    """Recognise a recording's layout; nothing is written.

    `rig` (file or folder), `variant`, `unused`, `videos` (where they lie, if not in `folder`), `recording` (a piece of
    the videos' path) and `chunk` (its first frame) settle what is ambiguous. CaptureError or CalibrationError where
    something is missing or stays ambiguous, with the candidates.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise CaptureError(f"{folder}: no such folder; expected the folder of a recording")
    has_samples = (folder / CAMERAS_FILE).is_file() or next(folder.glob(f"*/{CAMERAS_FILE}"), None) is not None
    if rig is None and has_samples:
        return _dataset(folder)
    rig_format, rig_file = _one_rig(folder, rig)
    calibration = load_rig(rig_file, rig_format, variant, unused)
    place = videos.resolve() if videos is not None else folder
    chosen, words = _recording(place, calibration, chunk, recording)
    masks, mask_words = _masks(folder, calibration, chosen)
    found = [
        f"{rig_format} rig: {_relative(rig_file, folder)}, cameras {', '.join(calibration.names)}",
        *calibration.evidence,
        *words,
    ]
    assumed = list(_assumptions(calibration))
    missing = [name for name in calibration.names if name not in chosen.files]
    if missing:
        assumed.append(f"no video carries the name of {', '.join(missing)}: left out ([rig] unused)")
    entries: list[CameraEntry] = []
    for name in calibration.names:
        if name in chosen.files:
            entry, known, guessed = _oriented(_entry(name, chosen.files[name], masks), calibration[name])
            entries.append(entry)
            found += known
            assumed += guessed
    found += [*(_described(entry, folder) for entry in entries), *mask_words]
    spec = CaptureSpec(
        unit="mm",
        up=(0.0, 0.0, 1.0) if FORMATS[rig_format].z_up else None,
        rig_file=rig_file,
        rig_format=rig_format,
        rig_variant=variant,
        unused=(*unused, *missing),
        cameras=tuple(entries),
    )
    return Discovery(folder, spec, tuple(found), tuple(assumed))


def _one_rig(folder: Path, rig: Path | None) -> tuple[str, Path]:
    """(format, path) of the one that was asked for, or of the only one in the folder's usual places."""
    if rig is not None:
        return rig_at(rig)
    places = [folder, *(place for pattern in _CALIBRATION_FOLDERS for place in sorted(folder.glob(pattern)))]
    found = [one for place in places if place.is_dir() for one in rigs_in(place)]
    if not any(rig_format == "dannce" for rig_format, _ in found):  # a folder of params files before its copies
        found += [("dannce", file) for file in visible(folder.glob("*_dannce.mat"))]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{path.relative_to(folder).as_posix() or '.'} ({kind})" for kind, path in found)
        raise CaptureError(f"{folder}: several calibrations: {names}; say which with --rig PATH")
    raise CaptureError(
        f"{folder}: no calibration recognised. Expected one of: calibration/hires_cam1_params.mat ... or "
        "*_dannce.mat (DANNCE), new_cam.pkl (MAMMAL), calibration.toml (Anipose), Camera_*.yaml (JARVIS), or a "
        f"dataset of folders with {CAMERAS_FILE}; name it with --rig PATH if it lies elsewhere"
    )


def _recording(place: Path, rig: Rig, chunk: int | None, match: str | None) -> tuple[_Recording, list[str]]:
    sets, strangers = _find_media(place, rig.names, masks=False)
    videos = [group for group in sets if all(path.is_file() for path in group.files.values())]
    sets = videos or sets
    if not sets or max(len(group.files) for group in sets) < 2:
        seen = f"; files that carry no camera's name: {_listed(strangers, place)}" if strangers else ""
        raise CaptureError(
            f"{place}: no videos that carry the names of the rig's cameras ({', '.join(rig.names)}) as a word of their "
            f"path{seen}. Rename them, point to them with --videos FOLDER, or write capture.toml by hand, with "
            "rig_name where the names differ: which camera took which video is never guessed."
        )
    chosen, words = _choose(sets, rig.names, place, chunk, match)
    odd = [path for path in strangers if path.suffix.lower() in _VIDEO_SUFFIXES]
    if odd:
        words.append(f"Not used, for want of a camera's name: {_listed(odd, place)}")
    return chosen, words


def _masks(folder: Path, rig: Rig, recording: _Recording) -> tuple[dict[str, Path], list[str]]:
    """Masks of the recording's cameras; of the same chunk where masks come in chunks."""
    sets, _ = _find_media(folder, rig.names, masks=True)
    sets = [group for group in sets if group.first in (None, recording.first) or recording.first is None]
    shared = [len(group.files.keys() & recording.files.keys()) for group in sets]
    if not any(shared):
        return {}, ["No masks; `mouselift mask` can make them."]
    best = [group for group, count in zip(sets, shared, strict=True) if count == max(shared)]
    if len(best) > 1:
        names = ", ".join(group.words for group in best)
        return {}, [f"Several sets of masks, none taken: {names}; name one by `mask = ...` for each camera"]
    without = [name for name in recording.files if name not in best[0].files]
    words = [f"Masks: {best[0].words}" + (f"; none for {', '.join(without)}" if without else "")]
    return best[0].files, words


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
    if entry.mask is not None:
        mask = ImageFolder.scan(entry.mask) if entry.mask.is_dir() else probe(entry.mask)
        sizes["the masks' size"] = mask.width, mask.height
    evidence = {what: size for what, size in sizes.items() if shown != stored and size in (shown, stored)}
    if not evidence:
        return entry, [], [f"{tag}: images are turned so, as OpenCV and players show them"]
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


def _described(entry: CameraEntry, folder: Path) -> str:
    media = media_of(entry)
    shown, size = _relative(media.path, folder), f"{media.width}x{media.height}"
    if isinstance(media, VideoInfo):
        return f"{entry.name}: {shown}, {size}, {media.frames} frames"
    return f"{entry.name}: images in {shown}, {size}"


def _assumptions(rig: Rig) -> Iterator[str]:
    if FORMATS[rig.format].z_up:
        heights = [float(-camera.R_cam_world[:, 2] @ camera.t_cam_world) for camera in rig.cameras]
        yield (
            f"+Z is up and the unit is mm, as {rig.format} rigs are made (camera heights z = {min(heights):.0f} .. "
            f"{max(heights):.0f})"
        )
        return
    yield f"the unit is mm ({rig.format} writes it in units of the calibration board)"
    yield (
        f'nothing says which way is up ({rig.format}\'s world is arbitrary): `up` is not set; add up = "+z" or '
        "up = [x, y, z] before `prepare`"
    )


def _dataset(folder: Path) -> Discovery:
    samples = find_samples(folder)
    spec = CaptureSpec(unit="normalised", up=(0.0, 0.0, 1.0), dataset=folder)
    names = samples[0].name if len(samples) == 1 else f"{len(samples)} samples, {samples[0].name} .. {samples[-1].name}"
    found = (f"FaceLift-format dataset: {names}",)
    return Discovery(folder, spec, found, ("+Z is up, as in FaceLift's samples",))


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


@dataclass(frozen=True)
class _Recording:
    """At most one video or image folder a camera."""

    pattern: str  # the files' path with {camera}, # for folders of digits and * for the first frame
    first: int | None  # first frame, where the files are named by it
    files: dict[str, Path]

    @property
    def words(self) -> str:
        return self.pattern if self.first is None else self.pattern.replace("*", str(self.first))


def _find_media(folder: Path, names: Sequence[str], masks: bool) -> tuple[list[_Recording], list[Path]]:
    """Recordings below `folder` (its masks, with `masks`), and the files that carry no camera's name.

    CaptureError where one file carries two cameras' names, or two files of a recording carry the same.
    """
    sets: dict[tuple[str, int | None], _Recording] = {}
    strangers: list[Path] = []
    for path in _candidates(folder, masks):
        named = _named(folder, path, names)
        if named is None:
            strangers.append(path)
            continue
        camera, pattern, first = named
        group = sets.setdefault((pattern, first), _Recording(pattern, first, {}))
        if camera in group.files:
            raise CaptureError(
                f"{folder}: two files for camera {camera}: {group.files[camera]} and {path}; move one of them away, "
                "or write capture.toml by hand"
            )
        group.files[camera] = path
    return sorted(sets.values(), key=lambda s: (s.pattern, s.first or 0)), strangers


def _choose(
    sets: Sequence[_Recording], names: Sequence[str], folder: Path, first: int | None, match: str | None
) -> tuple[_Recording, list[str]]:
    """The recording to take, and why. Of several chunks: `first`, or the earliest that most cameras share.

    `match`: a piece of the path of the recording that is meant. CaptureError where several recordings compete, or what
    was asked for is none of them.
    """
    if match is not None:
        fitting = [group for group in sets if match.lower() in group.words.lower()]
        if not fitting:
            there = ", ".join(sorted({group.pattern for group in sets}))
            raise CaptureError(f"{folder}: no recording has {match!r} in its path; there is {there}")
        sets = fitting
    most = max(len(group.files) for group in sets)
    full = [group for group in sets if len(group.files) == most]
    patterns = sorted({group.pattern for group in full})
    if len(patterns) > 1:
        raise CaptureError(
            f"{folder}: several recordings have {most} of {len(names)} cameras: {', '.join(patterns)}; "
            "say which with --recording and a piece of its path"
        )
    chunks = {group.first: group for group in full}
    if first is not None:
        if first not in chunks:
            given = ", ".join(str(key) for key in chunks if key is not None) or "none"
            raise CaptureError(f"{folder}: no recording that starts at frame {first}; there is {given}")
        return chunks[first], [f"Recording that starts at frame {first}, as asked: {chunks[first].words}"]
    chosen = full[0]
    if len(full) == 1:
        return chosen, [f"Recording: {chosen.words}"]
    others = ", ".join(str(group.first) for group in full[1:_SHOWN])
    more = ", ..." if len(full) > _SHOWN else ""
    return chosen, [
        f"Recording: {chosen.words}, the earliest of {len(full)} chunks; the others start at frame {others}{more} "
        "(take one with --chunk FRAME)"
    ]


def _listed(paths: Sequence[Path], folder: Path) -> str:
    """Paths for a message, relative to `folder`, cut when there are many."""
    shown = ", ".join(path.relative_to(folder).as_posix() for path in paths[:_SHOWN])
    return shown + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")


def _candidates(folder: Path, masks: bool) -> Iterator[Path]:
    """Videos and image folders below `folder`, sorted; below mask folders only, or outside them only."""
    pending = [(folder, 0, False)]
    while pending:
        here, depth, inside = pending.pop(0)
        entries = visible(here.iterdir())
        yield from (
            path for path in entries if inside == masks and path.suffix.lower() in _VIDEO_SUFFIXES and path.is_file()
        )
        if depth and inside == masks and any(path.suffix.lower() in IMAGE_SUFFIXES for path in entries):
            yield here
        if depth < _DEPTH:
            pending += [
                (path, depth + 1, inside or _MASK_FOLDER.search(path.name) is not None)
                for path in entries
                if path.is_dir() and not _OTHER_FOLDER.match(path.name) and not (path / _PREPARED).is_file()
            ]


def _named(folder: Path, path: Path, names: Sequence[str]) -> tuple[str, str, int | None] | None:
    """(camera, pattern, first frame) by the camera's name in the path; the innermost part that carries one decides."""
    parts = list(path.relative_to(folder).parts)
    if path.is_file():
        parts[-1] = path.stem
    for index in reversed(range(len(parts))):
        found = [name for name in names if _token(name).search(parts[index])]
        if len(found) > 1:
            raise CaptureError(f"{path}: carries the names of several cameras: {', '.join(found)}; expected one")
        if found:
            return found[0], *_pattern(path, parts, index, found[0])
    return None


def _pattern(path: Path, parts: list[str], index: int, camera: str) -> tuple[str, int | None]:
    shown = ["#" if part.isdigit() else part for part in parts]
    shown[index] = _token(camera).sub("{camera}", parts[index], count=1)
    last = parts[-1] if index != len(parts) - 1 else _token(camera).sub("", parts[-1], count=1)
    digits = re.fullmatch(r"[_\-. ]*(\d+)[_\-. ]*", last)
    if not path.is_file():
        return "/".join(shown), None
    if digits:
        shown[-1] = "*" if index != len(parts) - 1 else shown[-1].replace(digits[1], "*")
    return "/".join(shown) + path.suffix, int(digits[1]) if digits else None


def _token(name: str) -> re.Pattern[str]:
    """`name` with no letter or digit at either side, in any case; "cam" or "camera" may stand before it.

    A number is a camera's name only with that word before it, or alone: other numbers in a path mean other things.
    """
    word = r"(?<![A-Za-z0-9])cam(?:era)?[_\-]?"
    if name.isdigit():
        return re.compile(rf"^{name}$|{word}{name}(?![A-Za-z0-9])", re.IGNORECASE)
    return re.compile(rf"(?:(?<![A-Za-z0-9])|{word}){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE)
