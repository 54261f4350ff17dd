"""Names of cameras in formats that name images only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath


def image_names(files: Sequence[str]) -> list[str]:
    """A camera's name for each image: its folder's where every image has its own, else the image's own."""
    paths = [PurePosixPath(name.replace("\\", "/")) for name in files]
    for names in (
        [path.parent.name for path in paths] if len({path.parent for path in paths}) == len(paths) else [],
        [path.stem for path in paths],
    ):
        if len(set(names)) == len(paths) and all(names):
            return names
    return [str(path.parent / path.stem) for path in paths]
