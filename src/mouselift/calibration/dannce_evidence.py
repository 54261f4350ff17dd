"""Evidence for how a DANNCE rig stores r: labels, centres of mass, and the calibration.json that some writers add.

Each proof compares both readings of r. A distance between optical axes is reported as a hint and decides nothing:
on real rigs it points the wrong way one time in three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.calibration.dannce_files import (
    RawCamera,
    Variant,
    camera_names,
    load_mat,
    struct_fields,
    to_rig_camera,
)
from mouselift.calibration.rig import RigCamera
from mouselift.calibration.safe_pickle import load_pickle
from mouselift.errors import CalibrationError, LensFoldError
from mouselift.geometry.camera import Camera
from mouselift.geometry.triangulation import meeting_point, ray_distances, triangulate

_GOOD_PX = 10.0  # hand labels and detected centres agree to a few pixels on a sound rig; a wrong r misses by hundreds
_CLEARLY = 3.0  # the other reading must be this many times worse
_MAX_ROWS = 40  # rows of a file that are looked at: enough for a median
_EXACT = 1e-6  # calibration.json holds the same doubles


@dataclass(frozen=True)
class Proof:
    """What one file says. `verdict`: r is transposed; None: it does not say."""

    words: str
    verdict: bool | None


def gather(
    path: Path, raws: Sequence[RawCamera], variants: Sequence[Variant], exact: Mapping[str, RigCamera]
) -> list[Proof]:
    """All proofs within reach: `*_dannce.mat` and com/*.pickle in the rig's folder or the one above."""
    folders = [path, path.parent] if path.is_dir() else [path.parent]
    labels = [file for folder in folders for file in sorted(folder.glob("*_dannce.mat"))]
    if path.is_file():
        labels = [path, *(file for file in labels if file != path)]
    pickles = [
        file for folder in folders for name in ("com", "COM") for file in sorted((folder / name).glob("*.pickle"))
    ]
    proofs = [_from_json(raws, variants, exact)] if exact else []
    proofs += [_guarded(file, raws, _label_residuals) for file in labels]
    proofs += [_guarded(file, raws, _com_residuals) for file in pickles]
    return [proof for proof in proofs if proof is not None]


def axis_hint(raws: Sequence[RawCamera]) -> str:
    """Mean distance of the optical axes from the point nearest to them, for both readings of r."""
    parts: list[str] = []
    for r_transposed in (True, False):
        cameras = [raw.camera(r_transposed) for raw in raws]
        if len(cameras) < 2 or any(camera is None for camera in cameras):
            return "Optical axes: no hint."
        origins = np.stack([camera.centre for camera in cameras if camera is not None])
        axes = np.stack([camera.R_cam_world[2] for camera in cameras if camera is not None])
        try:
            distance = float(ray_distances(meeting_point(origins, axes), origins, axes).mean())
        except ValueError:
            return "Optical axes: parallel, no hint."
        parts.append(f"{distance:.0f} with r {'transposed' if r_transposed else 'as it stands'}")
    return f"Optical axes miss their common point by {', '.join(parts)} (world units; a hint only)."


def _guarded(file: Path, raws: Sequence[RawCamera], measure: Any) -> Proof | None:
    """One file's proof; a file that cannot serve is named with its reason, and decides nothing."""
    try:
        residuals: dict[bool, float] = {
            r_transposed: measure(file, {raw.name: raw.camera(r_transposed) for raw in raws})
            for r_transposed in (True, False)
        }
    except (CalibrationError, ValueError) as error:
        return Proof(f"{file.name} was of no use as evidence: {error}.", None)
    words = (
        f"{file.name}: median reprojection residual {residuals[True]:.3g} px with r transposed, "
        f"{residuals[False]:.3g} px with r as it stands."
    )
    best = min(residuals, key=lambda key: residuals[key])
    clear = residuals[best] < _GOOD_PX and residuals[not best] > _CLEARLY * residuals[best] + 1.0
    return Proof(words, best if clear else None)


def _label_residuals(file: Path, cameras: Mapping[str, Camera | None]) -> float:
    """Median |project(data_3d) - data_2d| over all labelled points, in the file's own pixel base."""
    content = load_mat(file)
    if "labelData" not in content:
        raise ValueError("it holds no labelData")
    cells = np.ravel(content["labelData"])
    distances: list[np.ndarray] = []
    for name, cell in zip(camera_names(content, len(cells)), cells, strict=True):
        camera = cameras.get(name)
        if name not in cameras:
            continue
        if camera is None:
            return float("inf")
        fields = struct_fields(cell)
        seen = np.asarray(fields["data_2d"], dtype=np.float64)[:_MAX_ROWS].reshape(-1, 2)
        world = np.asarray(fields["data_3d"], dtype=np.float64)[:_MAX_ROWS].reshape(-1, 3)
        known = np.isfinite(seen).all(axis=1) & np.isfinite(world).all(axis=1) & (world != 0).any(axis=1)
        projected = camera.project(world[known])
        distances.append(np.linalg.norm(projected - seen[known], axis=1))
    if not distances or not sum(len(d) for d in distances):
        raise ValueError(f"it labels none of the cameras {', '.join(cameras)}")
    return float(np.median(np.nan_to_num(np.concatenate(distances), nan=np.inf)))


def _com_residuals(file: Path, cameras: Mapping[str, Camera | None]) -> float:
    """Median reprojection residual of the point where the rays through the detected centres meet."""
    if any(camera is None for camera in cameras.values()):
        return float("inf")
    content = load_pickle(file)
    if not isinstance(content, dict):
        raise ValueError("expected a dict of samples")
    residuals: list[np.ndarray] = []
    for sample in list(content.values())[:_MAX_ROWS]:
        names = [name for name in cameras if isinstance(sample, dict) and name in sample]
        seen = [cameras[name] for name in names]
        views = [camera for camera in seen if camera is not None]
        if len(views) < 3:
            continue
        pixels = np.array([np.ravel(sample[name]["COM"]) for name in names], dtype=np.float64)
        if np.isfinite(pixels).all():
            residuals.append(_meeting_residual(views, pixels))
    if not residuals:
        raise ValueError(f"it has no sample with three of the cameras {', '.join(cameras)}")
    return float(np.median(np.concatenate(residuals)))


def _meeting_residual(views: Sequence[Camera], pixels: np.ndarray) -> np.ndarray:
    try:
        residual = triangulate(views, pixels).residual_px(views, pixels)
    except (LensFoldError, ValueError):
        return np.full(len(views), np.inf)
    return np.nan_to_num(residual, nan=np.inf)


def _from_json(raws: Sequence[RawCamera], variants: Sequence[Variant], exact: Mapping[str, RigCamera]) -> Proof | None:
    """The variants under which every camera equals the one in calibration.json."""
    shared = [raw for raw in raws if raw.name in exact]
    fits = [variant for variant in variants if shared and all(_equal(raw, variant, exact[raw.name]) for raw in shared)]
    if len(fits) != 1:
        return Proof("calibration.json beside the rig does not tell the variant.", None)
    return Proof(
        f"calibration.json beside the rig holds the same cameras if read as {fits[0].words}.", fits[0].r_transposed
    )


def _equal(raw: RawCamera, variant: Variant, other: RigCamera) -> bool:
    if raw.k_transposed() != variant.k_transposed:
        return False
    try:
        camera = to_rig_camera(raw, variant)
    except CalibrationError:
        return False
    return all(
        np.allclose(a, b, rtol=_EXACT, atol=_EXACT)
        for a, b in (
            (camera.K, other.K),
            (camera.R_cam_world, other.R_cam_world),
            (camera.t_cam_world, other.t_cam_world),
        )
    )
