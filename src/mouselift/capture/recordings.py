"""Videos, image folders and masks below a folder, grouped to recordings of at most one file a camera."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mouselift.atomic import visible
from mouselift.capture.camera_names import CameraNames
from mouselift.dataset.description import DATASET_FILE
from mouselift.errors import CaptureError
from mouselift.foreign import first_few
from mouselift.media.images import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".mjpeg"}
    | {".3gp", ".asf", ".f4v", ".m2v", ".mxf", ".nut", ".ogv", ".vob"}
    | {".h264", ".264", ".h265", ".265", ".hevc"}  # raw streams, as small camera computers write them
)
MASK_FOLDER = re.compile(
    r"(^|[_\-. ])(masks?|silhouettes?|seg(mentation)?s?|annotations?|mattes?|simpleclick)([_\-. ]|$)", re.IGNORECASE
)
OTHER_FOLDER = re.compile(r"^(calib.*|com|dannce|predictions?|results?|truth|\..*)$", re.IGNORECASE)
_DEPTH = 4  # videos/Camera1/<ticks>/<first>.mp4
SHOWN = 12  # candidates that a message lists


@dataclass(frozen=True)
class Recording:
    """At most one video or image folder a camera."""

    pattern: str  # the files' path with {camera}, # for folders of digits and * for the first frame
    first: int | None  # first frame, where the files are named by it
    files: dict[str, Path]

    @property
    def words(self) -> str:
        return self.pattern if self.first is None else self.pattern.replace("*", str(self.first))

    def shared_parts(self, other: Recording) -> int:
        """How many parts of the two paths agree: masks of one recording carry its name, or lie in its folder."""
        return len(_parts(self.pattern) & _parts(other.pattern))


def _parts(pattern: str) -> set[str]:
    """Parts of a path that tell one recording from another; the suffix of a file is no part of its name."""
    *folders, last = pattern.split("/")
    return {*folders, last.rsplit(".", 1)[0] if "." in last else last} - {"{camera}", "#", "*"}


def find_media(names: CameraNames, paths: Sequence[Path], masks: bool) -> tuple[list[Recording], list[Path]]:
    """The recordings that `paths` make up, and the paths that carry no camera's name.

    CaptureError where one file carries two cameras' names, or two files of a recording carry the same.
    """
    sets: dict[tuple[str, int | None], Recording] = {}
    unnamed: list[Path] = []
    for path in paths:
        named = names.find(path, only_regex=not masks)
        if named is None:
            unnamed.append(path)
            continue
        group = sets.setdefault((named.pattern, named.first), Recording(named.pattern, named.first, {}))
        if named.camera in group.files:
            raise CaptureError(
                f"{names.folder}: two files for camera {named.camera}: {group.files[named.camera]} and {path}; move "
                "one of them away, or write capture.toml by hand"
            )
        group.files[named.camera] = path
    return sorted(sets.values(), key=lambda s: (s.pattern, s.first or 0)), unnamed


def joined(sets: Sequence[Recording]) -> list[Recording]:
    """Recordings of one file a camera whose names differ in digits besides are one: recorders write the time at which
    each camera started into its file's name. Where a camera has several such files, which belong together is open."""
    alike: dict[str, list[Recording]] = {}
    for group in sets:
        alike.setdefault(re.sub(r"\d+", "*", group.pattern), []).append(group)
    out: list[Recording] = []
    for pattern, groups in alike.items():
        cameras = [camera for group in groups for camera in group.files]
        if len(groups) > 1 and len(set(cameras)) == len(cameras):
            files = {camera: path for group in groups for camera, path in group.files.items()}
            groups = [Recording(pattern, None, files)]
        out += groups
    return out


def masks_beside(paths: Sequence[Path]) -> list[Path]:
    """Videos that are named as another one in their folder and as masks: cam1_mask.mp4 beside cam1.mp4."""
    videos = {(path.parent, path.stem.lower()) for path in paths if path.is_file()}
    return [
        path
        for path in paths
        if path.is_file()
        and MASK_FOLDER.search(path.stem)
        and (path.parent, MASK_FOLDER.sub("", path.stem).lower()) in videos
    ]


def listed(paths: Sequence[Path], folder: Path) -> str:
    """Paths for a message, relative to `folder`, cut when there are many."""
    return first_few([path.relative_to(folder).as_posix() for path in paths], SHOWN)


def media_below(folder: Path, masks: bool, skip: str | None = None) -> Iterator[Path]:
    """Videos and image folders below `folder`, sorted; below mask folders only, or outside them only.

    skip: the name of a folder that is not searched, besides those that never hold a recording.
    """
    pending = [(folder, 0, False)]
    while pending:
        here, depth, inside = pending.pop(0)
        entries = visible(here.iterdir())
        yield from (
            path for path in entries if inside == masks and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
        )
        if depth and inside == masks and any(path.suffix.lower() in IMAGE_SUFFIXES for path in entries):
            yield here
        if depth < _DEPTH:
            pending += [
                (path, depth + 1, inside or MASK_FOLDER.search(path.name) is not None)
                for path in entries
                if path.is_dir()
                and not OTHER_FOLDER.match(path.name)
                and path.name != skip
                and not (path / DATASET_FILE).is_file()
            ]
