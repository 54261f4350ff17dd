"""What lies in a recording's folder and is not used, in few lines, each with its reason."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mouselift.capture.camera_names import CameraNames
from mouselift.capture.recordings import MASK_FOLDER, SHOWN, Recording
from mouselift.dataset.collection import CAPTURE_FILE
from mouselift.dataset.description import DATASET_FILE
from mouselift.errors import CaptureError
from mouselift.foreign import first_few

_MOST_FILES = 5000  # of a folder that is counted; a larger one is told by that number
_EVERYWHERE = re.compile(r"\.|(readme|licen[cs]e|changelog|thumbs\.db|desktop\.ini)", re.IGNORECASE)  # not told of
_EVIDENCE = (".mat", ".pickle", ".json")
_NAMED = 3  # files of one kind in one folder that are named one by one


def other_recordings(sets: Sequence[Recording], chosen: Recording, raw: str | None) -> Iterator[str]:
    """The recordings that were found and not taken; chunks of the chosen one are told where it is chosen."""
    for group in sets:
        if group.pattern == chosen.pattern:
            continue
        if raw is not None and f"/{raw}/" not in f"/{group.pattern}":
            reason = f"config.toml has the recordings in {raw}"
        elif len(group.files) < len(chosen.files):
            reason = f"of {_cameras(group)}, the recording has {len(chosen.files)}"
        elif any(path.is_dir() for path in group.files.values()):
            reason = "images beside videos"
        else:
            reason = "another recording"
        yield f"{group.words}: {reason}"


def _cameras(group: Recording) -> str:
    return f"{len(group.files)} camera{'s' * (len(group.files) != 1)}"


def unknown_files(names: CameraNames, used: Collection[Path], said: Sequence[str]) -> list[str]:
    """Files below the folder that nothing read, in one line for all, and a line each for those among masks.

    used: files and folders that serve; said: sentences, a file that one of them names is mentioned already.
    """
    told = {path.resolve() for path in used}
    # A link lies in one folder and its target in another: neither is left over.
    parents = {parent.resolve() for parent in {parent for path in {*used, *told} for parent in path.parents}}
    masks: list[str] = []
    others: list[str] = []
    for path, words in _unread(names.folder, told, parents, "\n".join(said)):
        shown = f"{path.relative_to(names.folder).as_posix()}{words}"
        if any(MASK_FOLDER.search(part) for part in path.relative_to(names.folder).parts):
            masks.append(f"{shown}: {_why(names, path)}")
        else:
            others.append(shown)
    lines = masks[:SHOWN] + ([f"and {len(masks) - SHOWN} more among masks"] if len(masks) > SHOWN else [])
    if others:
        lines.append(f"{first_few(others, SHOWN)}: not what init looks for")
    return lines


def _why(names: CameraNames, path: Path) -> str:
    if path.is_dir():
        return "holds nothing that is read as masks"
    if not path.exists():
        return "cannot be read now"
    try:
        named = names.find(path) is not None
    except CaptureError:
        return "carries the names of several cameras"
    return f"{path.suffix or 'such files'} are not read as masks" if named else names.why_not(path)


def _unread(folder: Path, told: Collection[Path], parents: Collection[Path], said: str) -> Iterator[tuple[Path, str]]:
    """(path, words after it) of files that are neither told of nor said; a folder without any that are, as a whole.

    parents: the folders of what is told of.
    """
    files: dict[str, list[Path]] = {}
    with os.scandir(folder) as entries:
        listed = sorted(Path(entry) for entry in entries if not _EVERYWHERE.match(entry.name))
    for path in listed:
        if path.resolve() in told or path.name.startswith(CAPTURE_FILE):
            continue
        if _dangles(path):
            yield path, f" (a link to {path.readlink()}, which is not there)"
        elif not path.is_dir():
            if not os.access(path, os.R_OK):
                yield path, " (cannot be read now)"
            elif not _mentioned(path.name, said):
                files.setdefault(path.suffix.lower(), []).append(path)
        elif path.resolve() in parents or MASK_FOLDER.search(path.name):
            yield from _unread(path, told, parents, said)
        elif (path / DATASET_FILE).is_file():
            yield path, "/ (a prepared dataset)"
        elif words := _content(path, said):
            yield path, f"/ ({words})"
    for suffix, paths in files.items():
        if len(paths) <= _NAMED:
            yield from ((path, "") for path in paths)
        else:
            yield paths[0], f" and {len(paths) - 1} more {suffix or 'files'}"


def _content(folder: Path, said: str) -> str:
    """Files by suffix of a folder and below it; empty where all are mentioned."""
    counts: Counter[str] = Counter()
    closed: list[OSError] = []
    for at, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        counts.update(
            f"{Path(name).suffix.lower() or name}{' linked to nothing' * _dangles(Path(at, name))}"
            for name in files
            if not name.startswith(".") and not _mentioned(name, said)
        )
        if counts.total() > _MOST_FILES:
            return f"more than {_MOST_FILES} files"
    words = [f"{count} {suffix}" for suffix, count in counts.most_common(_NAMED)]
    return ", ".join([*words, *(["cannot be looked into now"] if closed else [])])


def _dangles(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _mentioned(name: str, said: str) -> bool:
    """Evidence is named by its file name; other files could share theirs with a camera's, such as 0.mp4."""
    return (
        Path(name).suffix.lower() in _EVIDENCE
        and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", said) is not None
    )
