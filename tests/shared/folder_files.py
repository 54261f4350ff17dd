"""What a folder holds, to compare two of them."""

from __future__ import annotations

from pathlib import Path


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file's bytes; the folder's own path in them, as lists hold it, made relative."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().replace(str(folder.resolve()).encode(), b"OUT")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
