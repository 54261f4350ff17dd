"""Files that a verb writes: never over a user's own unasked, never into the input."""

from __future__ import annotations

from pathlib import Path

from mouselift.errors import DatasetError


def check_new(path: Path, force: bool, dataset: Path) -> None:
    """Before any work: DatasetError where `path` is taken (without --force), lies in `dataset`, or has no folder."""
    if path.is_dir():
        raise DatasetError(f"{path}: is a folder; expected the name of a file to write")
    if path.exists() and not force:
        raise DatasetError(f"{path}: exists already; choose another name, or give --force to replace it")
    if dataset.is_dir() and path.resolve().is_relative_to(dataset.resolve()):
        raise DatasetError(f"{path}: lies in the dataset {dataset}; nothing is written there, choose another place")
    if not path.resolve().parent.is_dir():
        raise DatasetError(f"{path}: no such folder: {path.resolve().parent}; make it first")


def write_new(path: Path, data: bytes, force: bool) -> None:
    """All of the bytes or no file. DatasetError where it came to exist meanwhile, or cannot be written."""
    try:
        if force:
            temporary = path.with_name(f".writing-{path.name}")
            temporary.write_bytes(data)
            temporary.replace(path)
        else:
            with path.open("xb") as stream:
                stream.write(data)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written: {error.strerror or error}") from None
