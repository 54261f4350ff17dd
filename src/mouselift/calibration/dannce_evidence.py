"""What lies beside a DANNCE rig and tells how it is to be read: labels, centres of mass, calibration.json.

r: both readings are compared on the same pixels. Principal point: detected pixels and cameras agree best after a shift
of 0 or of 1 px, according to how both are counted; the shift is estimated with its uncertainty and decides only where
it excludes the other value. A distance between optical axes is a hint and decides nothing: on real rigs it points the
wrong way one time in three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.atomic import matching, visible
from mouselift.calibration.dannce_files import RawCamera, camera_names, json_cameras, load_mat, struct_fields
from mouselift.calibration.dannce_variant import Proof
from mouselift.calibration.pixel_shift import Sightings, pixel_shift
from mouselift.calibration.rig import RigCamera
from mouselift.calibration.safe_pickle import load_pickle
from mouselift.errors import CalibrationError, LensFoldError, MissingExtraError
from mouselift.geometry.camera import ONE_BASED, ZERO_BASED, Camera
from mouselift.geometry.triangulation import meeting_point, ray_distances, triangulate

_GOOD_PX = 10.0  # hand labels and detected centres agree to a few pixels on a sound rig; a wrong r misses by hundreds
_CLEARLY = 3.0  # the other reading must be this many times worse
_MAX_ROWS = 40  # rows of a file that are looked at for r: enough for a median
_MAX_SHIFT_ROWS = 400  # for the shift: more rows, a smaller uncertainty
_EXACT = 1e-6  # calibration.json holds the same doubles
_EXACT_PX = 1e-3  # labels that are projections of this very calibration, written as doubles
_FITS, _EXCLUDES = 2.0, 5.0  # standard errors: a shift fits its value, and excludes the other
_SIDE = 16  # image sides of cameras and codecs are multiples of it (height: of half of it)

Views = Mapping[str, Camera | None]  # cameras in the file's own pixel base; None where r is no rotation


def proofs_near(path: Path, raws: Sequence[RawCamera]) -> list[Proof]:
    """All within reach: calibration.json in the rig's folder, *_dannce.mat and com/*.pickle there or one above."""
    folders = [path, path.parent] if path.is_dir() else [path.parent]
    labels = [file for folder in folders for file in matching(folder, "*_dannce.mat")]
    if path.is_file():
        labels = [path, *(file for file in labels if file != path)]
    pickles = [
        file for folder in folders for name in ("com", "COM") for file in visible((folder / name).glob("*.pickle"))
    ]
    file = folders[0] / "calibration.json"
    exact = {camera.name: camera for camera in json_cameras(file)} if file.is_file() else {}
    return [
        *([_proof_of_json(raws, exact)] if exact else []),
        *(_proof(file, raws, load_mat, _labels, 1) for file in labels),
        *(_proof(file, raws, load_pickle, _centres, 0) for file in pickles),
        *_proof_of_middle(raws),
    ]


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


def _proof(
    file: Path,
    raws: Sequence[RawCamera],
    load: Callable[[Path], Any],
    compare: Callable[[Any, Views], tuple[float, Sightings]],
    base: int,
) -> Proof:
    """One file's proof; a file that cannot serve is named with its reason, and decides nothing.

    `base`: from what its pixels are counted.
    """
    found: dict[bool, tuple[float, Sightings]] = {}
    try:
        content = load(file)
        for r_transposed in (True, False):
            found[r_transposed] = compare(content, {raw.name: raw.camera(r_transposed) for raw in raws})
    except (CalibrationError, MissingExtraError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        return Proof(f"{file.name} was of no use as evidence: {error}.")
    residuals = {r_transposed: residual for r_transposed, (residual, _) in found.items()}
    words = (
        f"{file.name}: median reprojection residual {residuals[True]:.3g} px with r transposed, "
        f"{residuals[False]:.3g} px with r as it stands."
    )
    best = min(residuals, key=residuals.__getitem__)
    if not (residuals[best] < _GOOD_PX and residuals[not best] > _CLEARLY * residuals[best] + 1.0):
        return Proof(words)
    one_based, said = _base_of_shift(found[best][1], base)
    return Proof(words + said, best, one_based)


def _labels(content: Mapping[str, Any], cameras: Views) -> tuple[float, Sightings]:
    """Median |project(data_3d) - data_2d| over labelled points, and the labelled points; pixels of the file's own base.

    No sightings where the labels are projections of this very calibration: they are counted as it is, whatever that is.
    """
    if "labelData" not in content:
        raise ValueError("it holds no labelData")
    cells = np.ravel(content["labelData"])
    distances: list[np.ndarray] = []
    points: dict[int, list[tuple[Camera, np.ndarray]]] = {}
    for name, cell in zip(camera_names(content, len(cells)), cells, strict=True):
        camera = cameras.get(name)
        if name not in cameras:
            continue
        if camera is None:
            return float("inf"), []
        fields = struct_fields(cell)
        seen = np.asarray(fields["data_2d"], dtype=np.float64)[:_MAX_ROWS].reshape(-1, 2)
        world = np.asarray(fields["data_3d"], dtype=np.float64)[:_MAX_ROWS].reshape(-1, 3)
        known = np.isfinite(seen).all(axis=1) & np.isfinite(world).all(axis=1) & (world != 0).any(axis=1)
        projected = camera.project(world[known])
        distances.append(np.linalg.norm(projected - seen[known], axis=1))
        for index in np.flatnonzero(known).tolist():
            points.setdefault(index, []).append((camera, seen[index]))
    if not distances or not sum(len(d) for d in distances):
        raise ValueError(f"it labels none of the cameras {', '.join(cameras)}")
    residual = float(np.median(np.nan_to_num(np.concatenate(distances), nan=np.inf)))
    if residual < _EXACT_PX:
        return residual, []
    return residual, [([c for c, _ in p], np.stack([s for _, s in p])) for p in points.values() if len(p) > 2]


def _centres(content: Any, cameras: Views) -> tuple[float, Sightings]:
    """Median reprojection residual of the point where the rays through the detected centres meet, and the centres."""
    known = {name: camera for name, camera in cameras.items() if camera is not None}
    if len(known) < len(cameras):
        return float("inf"), []
    if not isinstance(content, dict):
        raise ValueError("expected a dict of samples")
    sightings: Sightings = []
    for sample in list(content.values())[:_MAX_SHIFT_ROWS]:
        names = [name for name in known if isinstance(sample, dict) and name in sample]
        if len(names) < 3:
            continue
        pixels = np.array([np.ravel(sample[name]["COM"]) for name in names], dtype=np.float64)
        if np.isfinite(pixels).all():
            sightings.append(([known[name] for name in names], pixels))
    if not sightings:
        raise ValueError(f"it has no sample with three of the cameras {', '.join(cameras)}")
    residuals = [np.linalg.norm(_misses(*one, 0.0), axis=1) for one in sightings[:_MAX_ROWS]]
    return float(np.median(np.concatenate(residuals))), sightings


def _misses(views: Sequence[Camera], pixels: np.ndarray, shift: float) -> np.ndarray:
    """[v, 2]: projection of the rays' meeting point less the pixels, both after the shift; infinite where none meet."""
    try:
        point = triangulate(views, pixels + shift).point
    except (LensFoldError, ValueError):
        return np.full((len(views), 2), np.inf)
    projected = np.concatenate([camera.project(point[None]) for camera in views])
    return np.nan_to_num(projected - (pixels + shift), nan=np.inf)


def _base_of_shift(sightings: Sightings, base: int) -> tuple[bool | None, str]:
    """(principal point is 1-based, words) by the shift after which pixels counted from `base` meet best."""
    shift = pixel_shift(sightings[:_MAX_SHIFT_ROWS])
    if shift is None:
        return None, ""
    error = shift.error
    counted = shift.value + base  # 1: the camera counts from 1; 0: from 0
    words = f" Its pixels, counted from {base}, and the cameras agree best after {shift.value:+.2f} +- {error:.2f} px"
    step = _step(np.concatenate([pixels.ravel() for _, pixels in sightings]))
    for one_based in (True, False):
        if abs(counted - one_based) <= _FITS * error and abs(counted - (not one_based)) >= _EXCLUDES * error:
            if step > 1:  # rounded down to every other pixel or so: off by half a step or by none
                return (
                    None,
                    f"{words}: of a {int(one_based)}-based principal point, as a hint, for they go in steps of {step}.",
                )
            return one_based, f"{words}: the principal point is {int(one_based)}-based."
    return None, f"{words}: that does not tell from what the principal point is counted."


def _step(values: np.ndarray) -> int:
    """The largest whole step that all values are multiples of, but for an offset; 1 for fractions."""
    if not np.all(values == np.round(values)):
        return 1
    return max(int(np.gcd.reduce((values - values.min()).astype(np.int64))), 1)


def _proof_of_json(raws: Sequence[RawCamera], exact: Mapping[str, RigCamera]) -> Proof:
    """How every camera must be read to equal the one in calibration.json."""
    shared = [raw for raw in raws if raw.name in exact]
    r_fits = [flag for flag in (True, False) if shared and all(_same_r(raw, flag, exact[raw.name]) for raw in shared)]
    k_fits = [flag for flag in (True, False) if shared and all(_same_k(raw, flag, exact[raw.name]) for raw in shared)]
    same_place = all(_close(raw.t, exact[raw.name].t_cam_world) for raw in shared)
    if len(r_fits) != 1 or not same_place:
        return Proof("calibration.json beside the rig does not tell how r is to be read.")
    r = "transposed" if r_fits[0] else "as it stands"
    if len(k_fits) != 1:
        return Proof(f"calibration.json beside the rig holds the same poses with r {r}, and another K.", r_fits[0])
    words = f"calibration.json beside the rig holds the same cameras with r {r} and a {int(k_fits[0])}-based principal"
    return Proof(f"{words} point.", r_fits[0], k_fits[0])


def _same_r(raw: RawCamera, transposed: bool, other: RigCamera) -> bool:
    return _close(raw.r.T if transposed else raw.r, other.R_cam_world)


def _same_k(raw: RawCamera, one_based: bool, other: RigCamera) -> bool:
    K = np.array(raw.upright_k())
    K[:2, 2] += ONE_BASED if one_based else ZERO_BASED
    return _close(K, other.K)


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=_EXACT, atol=_EXACT))


def _proof_of_middle(raws: Sequence[RawCamera]) -> list[Proof]:
    """A calibration that fixed the principal point in the image's middle: (W - 1) / 2 from 0, (W + 1) / 2 from 1."""
    middles = np.array([raw.upright_k()[:2, 2] for raw in raws])
    fits = [
        one_based
        for one_based in (True, False)
        if not np.any((2 * middles + (-1 if one_based else 1)) % np.array([_SIDE, _SIDE // 2]))
    ]
    if len(fits) != 1:
        return []
    width, height = (2 * middles[0] + (-1 if fits[0] else 1)).astype(int).tolist()
    words = (
        f"The principal point of every camera is the middle of an image ({width}x{height}) counted from {int(fits[0])}."
    )
    return [Proof(words, None, fits[0])]
