"""What tells an input from another: two runs into one folder must have read the same. Of recordings, at no cost.

Contents only, no times and no places: what was copied or moved is the same input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from mouselift.atomic import visible
from mouselift.errors import DatasetError, UnreachableError

_OF_A_FILE = 1 << 20  # bytes, at three places: recordings have many gigabytes
# Of each file of a folder, at both ends: a PNG ends with checksums over all its pixels. 10,000 files: 0.5 s.
_OF_AN_IMAGE = 1 << 10


def fingerprint(*paths: Path) -> str:
    """16 hex digits from sizes and parts of contents: of a file, and of the files of a folder with their names.

    UnreachableError where one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        with UnreachableError.reading(path):
            for piece in _of_folder(path) if path.is_dir() else _of_file(path):
                digest.update(piece)
    return digest.hexdigest()[:16]


def file_digest(path: Path) -> str:
    """sha256 of a file's whole content. DatasetError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from None


def sample_fingerprint(folder: Path) -> str:
    """Of a prepared sample: its cameras and images."""
    return fingerprint(folder, *(path for path in [folder / "images"] if path.is_dir()))


def _of_file(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    yield str(size).encode()
    with path.open("rb") as handle:
        for start in sorted({0, max(0, size // 2), max(0, size - _OF_A_FILE)}):
            handle.seek(start)
            yield handle.read(_OF_A_FILE)


def _of_folder(path: Path) -> Iterator[bytes]:
    for entry in visible(path.iterdir()):
        if entry.is_file():
            with entry.open("rb", buffering=0) as handle:
                size = entry.stat().st_size
                yield f"{entry.name}:{size};".encode()
                yield handle.read(_OF_AN_IMAGE)
                handle.seek(max(0, size - _OF_AN_IMAGE))
                yield handle.read(_OF_AN_IMAGE)
