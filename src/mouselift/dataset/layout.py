"""Where the samples of a dataset lie: folders with a cameras file, gathered in one folder or named by lists."""

from __future__ import annotations

import logging
import os
import shlex
import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath

from mouselift.dataset.collection import datasets_of, is_collection
from mouselift.dataset.mistaken import what_it_is
from mouselift.errors import DatasetError, UnreachableError, check_name
from mouselift.foreign import short_text
from mouselift.limits import LIST_BYTES, PATH_CHARACTERS, limited_bytes
from mouselift.media.numbered_names import number_of

LOG = logging.getLogger(__name__)

CAMERAS_FILE = "opencv_cameras.json"
_OF_THE_DRIVE = "lost+found"  # at the top of a file system, for root only
LISTS = {"train": "data_train.txt", "val": "data_val.txt"}


def lies_inside(folder: Path, path: Path) -> bool:
    """Whether `path`, with links followed, lies in `folder`. A link may lead to any file of the user's."""
    if os.name != "nt" and _has_no_links(str(folder), str(path)):  # Windows has junctions besides links
        return True
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a NUL in the path
        return False


def _has_no_links(folder: str, path: str) -> bool:
    """Whether `path` is plainly one below `folder`: a sixth of the time of following its every part, twice."""
    if not path.startswith(f"{folder}/") or "\0" in path:
        return False
    parts, at = path[len(folder) + 1 :].split("/"), folder
    for part in parts:
        at = f"{at}/{part}"
        if part == ".." or os.path.islink(at):
            return False
    return True


def is_file(path: Path) -> bool:
    """False too for a path that the system takes for none: too long, or with a NUL. UnreachableError where nothing
    says whether there is one: permission is denied, or the drive fails."""
    return stat.S_ISREG(_mode(path))


def is_folder(path: Path, of_others: bool = False) -> bool:
    """As `is_file`. of_others: written on another machine or by another user, whose folders may be closed: False."""
    return stat.S_ISDIR(_mode(path, of_others))


def _mode(path: Path, of_others: bool = False) -> int:
    """0 where nothing is. Not `Path.is_file`, which takes outages for nothing from Python 3.14 on."""
    try:
        return os.stat(path).st_mode
    except ValueError:
        return 0
    except OSError as error:
        if not (of_others and isinstance(error, PermissionError)):
            UnreachableError.on_outage(path, error, "looked into")
        return 0


def find_samples(path: Path) -> list[Path]:
    """Sample folders of a dataset: those in the folder `path`, that folder itself, or those that a list file names.

    Of a collection (`prepare --out`): those of its recordings, one after the other. DatasetError: nothing there, or a
    list that `listed_samples` refuses. OptionError: a folder's name that no list can hold.
    """
    if path.is_file() and path.suffix == ".toml":
        raise DatasetError(f"{path}: expected a folder of samples, or a list file; {what_it_is(path.parent)}")
    if path.is_file():
        return listed_samples(path)
    if not path.is_dir():
        raise DatasetError(f"{path}: no such dataset; expected a folder of samples, or a list file (data_train.txt)")
    if (path / CAMERAS_FILE).is_file():
        return [path]
    if is_collection(path):
        return [sample for dataset in datasets_of(path).values() for sample in find_samples(dataset)]
    with UnreachableError.reading(path), os.scandir(path) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    found = [path / name for name in names if _is_sample(path / name)]
    if not found:
        raise DatasetError(f"{path}: expected folders with {CAMERAS_FILE}, found none; {what_it_is(path)}")
    for folder in found:
        check_name(folder.name)
    return sorted(found, key=lambda folder: sample_order(folder.name))


def _is_sample(folder: Path) -> bool:
    """UnreachableError where it cannot be looked into: a sample that is passed over would be none of the dataset."""
    try:
        return (folder / CAMERAS_FILE).exists()
    except OSError as error:
        if folder.name == _OF_THE_DRIVE:
            return False
        raise UnreachableError.because(folder, f"cannot be looked into now ({error.strerror or error})") from error


def sample_names(folders: Sequence[Path]) -> list[str]:
    """What tells samples apart: the folder's name, and where several recordings have samples, `recording/sample`."""
    parents = {folder.parent.absolute() for folder in folders}
    if len(parents) < 2:
        return [folder.name for folder in folders]
    common = os.path.commonpath(parents)
    return [folder.absolute().relative_to(common).as_posix() for folder in folders]


def sample_order(name: str) -> tuple[bool, int, str]:
    """Key to sort samples by: the number at the end of the name, then those without one by name."""
    number = number_of(name)
    return number is None, number or 0, name


def has_lists(dataset: Path) -> bool:
    """Whether it is a folder that says what is trained on and what validates."""
    return dataset.is_dir() and all((dataset / name).is_file() for name in LISTS.values())


def split_samples(dataset: Path, split: str) -> list[Path]:
    """The folders of split "train" or "val" of a prepared dataset (its folder)."""
    file = dataset / f"data_{split}.txt"
    if not file.is_file():
        there = ", ".join(sorted(path.name for path in dataset.glob("data_*.txt"))) or "none"
        raise DatasetError(f"{file}: no such list; lists in that folder: {there}. Was the preparation finished?")
    return listed_samples(file)


def listed_samples(file: Path) -> list[Path]:
    """The folders that a list names, one a line, in its order.

    Lists hold absolute paths. Where one is not there any more, its end is looked for in the list's own folder: the
    dataset was moved as a whole, and a warning says so. DatasetError with the line's number: nowhere to be found, more
    than one place, listed twice; or an empty list.
    """
    found: dict[Path, int] = {}
    moved: list[tuple[str, Path]] = []
    for number, line in lines_of(file):
        folder = _located(file, number, line)
        if folder in found:
            raise DatasetError(f"{file}: lines {found[folder]} and {number} name the same sample {folder}")
        found[folder] = number
        if not is_folder(file.parent / line, of_others=True):
            moved.append((line, folder))
    if not found:
        raise DatasetError(f"{file}: expected one sample folder a line, found none; is the split empty?")
    if moved:
        _warn(
            f"{file}: {len(moved)} of {len(found)} lines name folders that are gone, and the samples of that name here "
            f"are taken; the first: {moved[0][0]}, taken: {moved[0][1]}. FaceLift's own trainer finds none of them: "
            f"`mouselift lists {shlex.quote(str(file.parent))}` rewrites the lists"
        )
    return list(found)


def lines_of(file: Path) -> list[tuple[int, str]]:
    """(number from 1, text) of a list's lines, empty ones left out. DatasetError where it is none, or a line is too
    long for a path; UnreachableError where it cannot be read now."""
    try:
        lines = limited_bytes(file, LIST_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        UnreachableError.on_outage(file, error)
        raise DatasetError(f"{file}: expected one sample folder a line, got: {error}") from None
    out = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    for number, line in out:
        if len(line) > PATH_CHARACTERS:
            raise DatasetError(
                f"{file}: line {number}: expected a sample's folder, got {len(line):,} characters: {short_text(line)}"
            )
    return out


def sample_here(file: Path, number: int, line: str) -> Path | None:
    """The sample in the list's own folder that a line's end fits; None where none does. DatasetError where two do."""
    flavour = PureWindowsPath if "\\" in line else PurePosixPath
    parts = [part for part in flavour(line).parts if part not in (".", "..")]
    ends = [file.parent.joinpath(*parts[k:]) for k in range(1 if flavour(line).anchor else 0, len(parts))]
    there = list(dict.fromkeys(path.resolve() for path in ends if is_file(path / CAMERAS_FILE)))
    if len(there) > 1:
        raise DatasetError(
            f"{file}: line {number}: {short_text(line, 600)}: its end fits {there[0]} and {there[1]}; "
            "delete one of them"
        )
    return there[0] if there else None


@lru_cache(maxsize=64)
def _warn(text: str) -> None:
    """Once: the lists of a dataset are read by several parts of one command."""
    LOG.warning("%s", text)


def _located(file: Path, number: int, line: str) -> Path:
    as_written = file.parent / line  # an absolute line stays as it is
    if is_folder(as_written, of_others=True):
        return as_written.resolve()
    here = sample_here(file, number, line)
    if here is not None:
        return here
    is_folder(as_written)  # an error where it is another user's, and no sample of its name is here
    raise DatasetError(
        f"{file}: line {number}: expected a sample's folder, got {short_text(line, 600)}, which is not there, "
        f"nor is its end in {file.parent}; was the sample deleted, or the list moved without its samples?"
    )
