"""Sample folders of a dataset's splits: `data_train.txt` and `data_val.txt`, one folder a line."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from mouselift.errors import DatasetError
from mouselift.io.dataset import CAMERAS_FILE, find_samples


def split_samples(dataset: Path, split: str) -> list[Path]:
    """The folders of split "train" or "val" of a prepared dataset (its folder)."""
    file = dataset / f"data_{split}.txt"
    if not file.is_file():
        there = ", ".join(sorted(path.name for path in dataset.glob("data_*.txt"))) or "none"
        raise DatasetError(f"{file}: no such list; lists in that folder: {there}. Was the preparation finished?")
    return listed_samples(file)


def samples_of(path: Path) -> list[Path]:
    """The folders of a list file, of a folder of samples, or one sample's folder itself."""
    return listed_samples(path) if path.is_file() else find_samples(path)


def listed_samples(file: Path) -> list[Path]:
    """The folders that a list names, in its order.

    Lists hold absolute paths. Where none is there any more, the end of the path is looked for in the list's own folder:
    the dataset was moved as a whole. DatasetError with the line's number: nowhere to be found, more than one place, no
    sample, listed twice; or an empty list.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: expected a list, one sample folder a line, got: {error}") from None
    found: dict[Path, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        folder = _located(file, number, line.strip())
        if folder in found:
            raise DatasetError(f"{file}: lines {found[folder]} and {number} name the same sample {folder}")
        found[folder] = number
    if not found:
        raise DatasetError(f"{file}: expected one sample folder a line, found none; is the split empty?")
    return list(found)


def _located(file: Path, number: int, line: str) -> Path:
    as_written = file.parent / line  # an absolute line stays as it is
    if (as_written / CAMERAS_FILE).is_file():
        return as_written.resolve()
    flavour = PureWindowsPath if "\\" in line else PurePosixPath
    parts = [part for part in flavour(line).parts if part not in (".", "..")]
    ends = [file.parent.joinpath(*parts[k:]) for k in range(1, len(parts))]
    there = list(dict.fromkeys(path.resolve() for path in ends if (path / CAMERAS_FILE).is_file()))
    if len(there) == 1:
        return there[0]
    if there:
        raise DatasetError(f"{file}: line {number}: {line} is gone, and its end fits {there[0]} and {there[1]}")
    raise DatasetError(
        f"{file}: line {number}: expected a folder with {CAMERAS_FILE}, got {line}, which is not there, nor is its end "
        f"in {file.parent}; was the sample deleted, or the list moved without its samples?"
    )
