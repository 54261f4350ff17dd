"""Which reader takes a file of keypoints, and where a recording's folder holds one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mouselift.errors import CaptureError
from mouselift.keypoints.anipose import read_anipose
from mouselift.keypoints.dannce import read_dannce
from mouselift.keypoints.keypoints import Keypoints
from mouselift.keypoints.sleap import read_sleap

READERS: dict[str, Callable[[Path, float], Keypoints]] = {
    ".mat": read_dannce,
    ".csv": read_anipose,
    ".h5": read_sleap,
    ".hdf5": read_sleap,
    ".slp": read_sleap,
}
# Names that tools give to files of 3D points: others are named in capture.toml by hand.
_FOUND = ("**/save_data_AVG.mat", "**/points3d.h5", "**/pose-3d/*.csv")
_DEEP = 4  # folders below the recording's


def load_keypoints(path: Path, rate: float, offset: int = 0) -> Keypoints:
    """Keypoints of DANNCE, Label3D, SLEAP or anipose, by the file's suffix. rate: the recording's frames per second.

    offset: the file's number of a frame less the recording's.

    Example:
        >>> load_keypoints(Path("recordings/mouse7/DANNCE/save_data_AVG.mat"), 100.0).words  # doctest: +SKIP
    """
    if not path.is_file():
        raise CaptureError(f"keypoints: no such file: {path}")
    if path.suffix.lower() not in READERS:
        raise CaptureError(f"{path}: keypoints: expected {', '.join(READERS)}, got {path.suffix or 'no suffix'}")
    return READERS[path.suffix.lower()](path, rate).moved(offset)


def find_keypoints(folder: Path) -> list[Path]:
    """Files below a recording's folder whose names say that they hold 3D points."""
    found = {path for pattern in _FOUND for path in folder.glob(pattern) if path.is_file()}
    return sorted(path for path in found if len(path.relative_to(folder).parts) <= _DEEP)
