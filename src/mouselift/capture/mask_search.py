"""Which files and folders below a recording hold masks, and of which cameras: one camera each, or all in one.

What was found and cannot be used is told with its reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mouselift.atomic import visible
from mouselift.capture.camera_names import CameraNames, token
from mouselift.capture.mask_files import STACK_SUFFIXES, carries, names_inside, object_folders, open_masks
from mouselift.capture.recordings import MASK_FOLDER, OTHER_FOLDER, Recording, media_below
from mouselift.dataset.description import DATASET_FILE
from mouselift.errors import CaptureError, MaskError, MissingExtraError, UnreachableError, VideoError
from mouselift.foreign import first_few
from mouselift.media.annotations import NothingMarkedError
from mouselift.media.array_files import frame_files
from mouselift.media.array_masks import ARRAY_SUFFIXES
from mouselift.media.coco_masks import NotCocoError, read_coco
from mouselift.media.images import IMAGE_SUFFIXES

_ANNOTATIONS = re.compile(r"(^|[_\-. ])(annotations?|instances|coco)([_\-. ]|$)", re.IGNORECASE)
_ALIKE = 3  # files that are named for one reason
_DEPTH = 4  # as of other media


@dataclass(frozen=True)
class MaskSearch:
    """own: paths that carry one camera's name; shared: files and folders in which names tell the cameras."""

    own: tuple[Path, ...]
    shared: tuple[Recording, ...]
    left: tuple[str, ...]  # with the reason
    looked_at: tuple[Path, ...]


def search_masks(names: CameraNames, beside: Sequence[Path] = ()) -> MaskSearch:
    """All masks below `names.folder`, of any recording; beside: those that lie among its videos."""
    folder = names.folder
    found = (*media_below(folder, masks=True), *beside)
    own = list(dict.fromkeys(_object_parent(names, path) for path in found))
    shared: list[Recording] = []
    left: list[str] = []
    alike: dict[tuple[Path, str], list[str]] = {}  # files of one folder that are left for one reason
    for path in [path for path in own if path.is_dir()]:
        if _camera(names, path) is None and (cameras := _inside(names, _images(path))):
            shared.append(_recording(names, path, cameras))
            own.remove(path)
    stacks = list(_stack_files(folder))
    for path in stacks:
        shown = path.relative_to(folder).as_posix()
        try:
            named = names.find(path)
            of_one = named is not None and (path.is_dir() or path.suffix.lower() in ARRAY_SUFFIXES)
            inside = [] if of_one else _inside(names, names_inside(path))
            cameras = inside or ([named.camera] if named is not None else [])
            if not cameras:
                left.append(f"{shown}: {names.why_not(path)}")
                continue
            empty = _without_masks(path, cameras) if inside else {}
            if len(empty) == len(cameras):
                raise next(iter(empty.values()))
            cameras = [camera for camera in cameras if camera not in empty]
            left += [f"{shown}: {camera}: {_reason(error, path)}" for camera, error in empty.items()]
            if not inside:
                open_masks(path, (cameras[0],))
        except (CaptureError, MaskError, MissingExtraError, VideoError) as error:
            alike.setdefault((path.parent, _reason(error, path)), []).append(shown)
            continue
        if inside:
            shared.append(_recording(names, path, cameras))
            strange = [name for name in names_inside(path) if not _inside(names, [name])]
            left += [f"{shown}: {len(strange)} entries such as {strange[0]}: no camera's name"] if strange else []
        else:
            own.append(path)
    left += [f"{first_few(files, _ALIKE)}: {reason}" for (_, reason), files in alike.items()]
    return MaskSearch(
        tuple(own), tuple(shared), tuple(left), (*own, *(r for s in shared for r in s.files.values()), *stacks)
    )


def _without_masks(path: Path, cameras: Sequence[str]) -> dict[str, NothingMarkedError]:
    """The cameras of which a shared file lists images and marks none. The errors of `open_masks` for all others."""
    found: dict[str, NothingMarkedError] = {}
    for camera in cameras:
        try:
            open_masks(path, (camera,))
        except NothingMarkedError as error:
            found[camera] = error
    return found


def _stack_files(folder: Path) -> Iterator[Path]:
    """Files of arrays and annotations below mask folders or named as masks, and COCO's that are named so; folders of
    arrays where each holds one frame."""
    pending = [(folder, 0, False)]
    while pending:
        here, depth, inside = pending.pop(0)
        entries = visible(here.iterdir())
        images = any(path.suffix.lower() in IMAGE_SUFFIXES for path in entries)
        frames = set() if images or not inside else set(frame_files(entries))
        if frames:
            yield here
        for path in entries:
            if path in frames:
                continue
            if path.is_dir():
                dataset = (path / DATASET_FILE).is_file() or OTHER_FOLDER.match(path.name)
                if depth < _DEPTH and not dataset:
                    pending.append((path, depth + 1, inside or MASK_FOLDER.search(path.name) is not None))
            elif path.suffix.lower() in STACK_SUFFIXES and _may_hold_masks(path, inside):
                yield path


def _may_hold_masks(path: Path, inside: bool) -> bool:
    named = inside or MASK_FOLDER.search(path.stem) is not None
    if path.suffix.lower() != ".json":
        return named
    if not named and not _ANNOTATIONS.search(path.stem) and not _ANNOTATIONS.search(path.parent.name):
        return False
    try:
        return bool(read_coco(path))
    except NotCocoError:
        return False
    except (UnreachableError, MaskError):
        return True  # `search_masks` says why
    except VideoError:
        return False


def _object_parent(names: CameraNames, path: Path) -> Path:
    """The folder above, where it is a camera's and holds a folder of masks for each of several objects."""
    inner = any(token(name).search(path.name) for name in names.names)
    if not path.is_dir() or inner or path.parent == names.folder or _camera(names, path.parent) is None:
        return path
    return path.parent if len(object_folders(path.parent)) > 1 else path


def _camera(names: CameraNames, path: Path) -> str | None:
    """The camera's name; "" where a path carries several."""
    try:
        named = names.find(path)
    except CaptureError:
        return ""
    return None if named is None else named.camera


def _inside(names: CameraNames, inside: Sequence[str]) -> list[str]:
    """The cameras that names inside a file or folder carry."""
    return [name for name in names.names if any(carries((name,), one) for one in inside)]


def _images(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if Path(e.name).suffix.lower() in IMAGE_SUFFIXES)


def _recording(names: CameraNames, path: Path, cameras: Sequence[str]) -> Recording:
    return Recording(path.relative_to(names.folder).as_posix(), None, dict.fromkeys(cameras, path))


def _reason(error: Exception, path: Path) -> str:
    text = str(error)
    several = "carries the names of several cameras"
    return several if several in text else text.removeprefix(f"{path}: ")
