"""SLEAP in 3D: `points3d.h5` of sleap-anipose, and `.slp` projects whose sessions hold triangulated points.

* `tracks` [frames, animals, keypoints, 3], a row a frame from 0; names from `node_names` where there are some.
* `sessions_json`: per session `frame_group_dicts`, each with `frame_idx` and `instance_groups` of `points` [k, 3] and
  a `score`; names from the skeleton in the metadata. Projects from format 2.8 on store points otherwise: refused.

The world and unit are those of the calibration. Needs h5py (extra `hdf5`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mouselift.calibration.sleap_session import sessions_in
from mouselift.errors import CalibrationError, CaptureError
from mouselift.foreign import doubles, json_of, whole_numbers
from mouselift.hdf5_file import array_of, is_dataset, member, opened, text_of
from mouselift.keypoints.keypoints import Keypoints, in_order, numbered
from mouselift.limits import MAT_BYTES


def read_sleap(path: Path, rate: float) -> Keypoints:
    """CaptureError: no 3D points, or of several animals. MissingExtraError without h5py."""
    try:
        with opened(path, "SLEAP's 3D keypoints") as file:
            tracks = member(file, "tracks")
            return _tracks(path, file, tracks) if is_dataset(tracks) else _sessions(path, file)
    except CalibrationError as error:
        raise CaptureError(str(error)) from None


def _tracks(path: Path, file: Any, tracks: Any) -> Keypoints:
    shape = tuple(tracks.shape)
    if len(shape) != 4 or shape[3] != 3:
        two = "; these are SLEAP's 2D tracks, which sleap-anipose triangulates" if 2 in shape else ""
        raise CaptureError(f"{path}: tracks: expected [frames, animals, keypoints, 3], got {shape}{two}")
    if shape[1] != 1:
        raise CaptureError(f"{path}: tracks: holds {shape[1]} animals; expected one: save each apart")
    points = array_of(tracks, "tracks", MAT_BYTES).astype(np.float64)[:, 0]
    nodes = member(file, "node_names")
    names = numbered(shape[2]) if nodes is None else tuple(text_of(name) for name in array_of(nodes, "node_names"))
    return in_order(path, "sleap", np.arange(len(points)), points, names, None, ("row n is frame n",))


def _sessions(path: Path, file: Any) -> Keypoints:
    sessions = member(file, "sessions_json")
    if sessions is None:
        newer = " (its session_data is of format 2.8)" if "session_data" in file else ""
        raise CaptureError(f"{path}: expected tracks, or sessions with 3D points{newer}; export points3d.h5")
    found: dict[int, tuple[np.ndarray, float]] = {}
    for session in sessions_in(sessions, MAT_BYTES):
        for group in session.get("frame_group_dicts", []):
            placed = [each for each in group["instance_groups"] if each.get("points")]
            (frame,) = whole_numbers([group["frame_idx"]], name="frame_idx")
            if len(placed) > 1 or (placed and frame in found):
                raise CaptureError(f"{path}: frame {frame}: holds several animals or sessions; expected one")
            if placed:
                rows = [[np.nan if v is None else v for v in row or (None,) * 3] for row in placed[0]["points"]]
                found[frame] = doubles(rows).reshape(-1, 3), float(doubles(placed[0].get("score") or np.nan))
    if not found:
        raise CaptureError(f"{path}: its sessions hold no 3D points; triangulate them, or export points3d.h5")
    frames = np.array(sorted(found), dtype=np.int64)
    points = np.stack([found[int(frame)][0] for frame in frames])
    names = _skeleton(file, points.shape[1]) or numbered(points.shape[1])
    scores = np.array([found[int(frame)][1] for frame in frames])
    return in_order(path, "sleap", frames, points, names, np.repeat(scores[:, None], points.shape[1], axis=1))


def _skeleton(file: Any, count: int) -> tuple[str, ...] | None:
    """Names of the first skeleton's nodes; None where they are not told as expected."""
    try:
        content = json_of(text_of(file["metadata"].attrs["json"]))
        ids = [node["id"] for node in content["skeletons"][0]["nodes"]]
        names = tuple(str(content["nodes"][number]["name"]) for number in ids)
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return names if len(names) == count else None
