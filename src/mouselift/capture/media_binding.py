"""Which video (or image folder) belongs to which camera: by exact name tokens in its path, never by order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mouselift.errors import CaptureError

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
_MASK_FOLDER = re.compile(r"(^|[_\-. ])(masks?|silhouettes?|segmentations?|simpleclick)([_\-. ]|$)", re.IGNORECASE)
_OTHER_FOLDER = re.compile(r"^(calib.*|com|dannce|predictions?|results?|truth|\..*)$", re.IGNORECASE)
_PREPARED = "dataset.json"  # a dataset that mouselift made of this recording
_DEPTH = 4  # videos/Camera1/<ticks>/<first>.mp4
_SHOWN = 12  # candidates that a message lists


@dataclass(frozen=True)
class Media:
    """A video file or image folder that carries a camera's name."""

    path: Path
    camera: str
    pattern: str  # its path with {camera}, # for folders of digits and * for the first frame
    first: int | None  # first frame, where the file is named by it


@dataclass(frozen=True)
class MediaSet:
    """One recording: at most one file a camera."""

    pattern: str
    first: int | None
    files: dict[str, Path]

    @property
    def words(self) -> str:
        return self.pattern if self.first is None else self.pattern.replace("*", str(self.first))


def find_media(folder: Path, names: Sequence[str], masks: bool) -> tuple[list[MediaSet], list[Path]]:
    """Recordings below `folder` (its masks, with `masks`), and the files that carry no camera's name.

    CaptureError where one file carries two cameras' names, or two files of a recording carry the same.
    """
    sets: dict[tuple[str, int | None], MediaSet] = {}
    strangers: list[Path] = []
    for path in _candidates(folder, masks):
        media = _named(folder, path, names)
        if media is None:
            strangers.append(path)
            continue
        group = sets.setdefault((media.pattern, media.first), MediaSet(media.pattern, media.first, {}))
        if media.camera in group.files:
            raise CaptureError(
                f"{folder}: two files for camera {media.camera}: {group.files[media.camera]} and {path}; move one of "
                "them away, or write capture.toml by hand"
            )
        group.files[media.camera] = path
    return sorted(sets.values(), key=lambda s: (s.pattern, s.first or 0)), strangers


def choose(
    sets: Sequence[MediaSet], names: Sequence[str], folder: Path, first: int | None, match: str | None
) -> tuple[MediaSet, list[str]]:
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


def listed(paths: Sequence[Path], folder: Path) -> str:
    """Paths for a message, relative to `folder`, cut when there are many."""
    shown = ", ".join(path.relative_to(folder).as_posix() for path in paths[:_SHOWN])
    return shown + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")


def is_mask_folder(name: str) -> bool:
    return _MASK_FOLDER.search(name) is not None


def _candidates(folder: Path, masks: bool) -> Iterator[Path]:
    """Videos and image folders below `folder`, sorted; below mask folders only, or outside them only."""
    pending = [(folder, 0, False)]
    while pending:
        here, depth, inside = pending.pop(0)
        entries = sorted(here.iterdir())
        yield from (
            path for path in entries if inside == masks and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
        )
        if depth and inside == masks and any(path.suffix.lower() in IMAGE_SUFFIXES for path in entries):
            yield here
        if depth < _DEPTH:
            pending += [
                (path, depth + 1, inside or is_mask_folder(path.name))
                for path in entries
                if path.is_dir() and not _OTHER_FOLDER.match(path.name) and not (path / _PREPARED).is_file()
            ]


def _named(folder: Path, path: Path, names: Sequence[str]) -> Media | None:
    """The camera whose name is a token of the path; the innermost part that carries one decides."""
    parts = list(path.relative_to(folder).parts)
    if path.is_file():
        parts[-1] = path.stem
    for index in reversed(range(len(parts))):
        found = [name for name in names if _token(name).search(parts[index])]
        if len(found) > 1:
            raise CaptureError(f"{path}: carries the names of several cameras: {', '.join(found)}; expected one")
        if found:
            return _media(path, parts, index, found[0])
    return None


def _media(path: Path, parts: list[str], index: int, camera: str) -> Media:
    shown = ["#" if part.isdigit() else part for part in parts]
    shown[index] = _token(camera).sub("{camera}", parts[index], count=1)
    last = parts[-1] if index != len(parts) - 1 else _token(camera).sub("", parts[-1], count=1)
    digits = re.fullmatch(r"[_\-. ]*(\d+)[_\-. ]*", last)
    first = int(digits[1]) if digits and path.is_file() else None
    if first is not None:
        shown[-1] = "*" if index != len(parts) - 1 else shown[-1].replace(digits[1] if digits else "", "*")
    suffix = path.suffix if path.is_file() else ""
    return Media(path, camera, "/".join(shown) + suffix, first)


def _token(name: str) -> re.Pattern[str]:
    """`name` with no letter or digit at either side, in any case; "cam" or "camera" may stand before it.

    A number is a camera's name only with that word before it, or alone: other numbers in a path mean other things.
    """
    word = r"(?<![A-Za-z0-9])cam(?:era)?[_\-]?"
    if name.isdigit():
        return re.compile(rf"^{name}$|{word}{name}(?![A-Za-z0-9])", re.IGNORECASE)
    return re.compile(rf"(?:(?<![A-Za-z0-9])|{word}){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE)
