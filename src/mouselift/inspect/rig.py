"""Facts of the rig: where the cameras stand, what they see, and what about the calibration looks wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mouselift.array_types import Vector3
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Pinhole
from mouselift.geometry.triangulation import meeting_point
from mouselift.inspect.facts import CameraFacts, PairFacts, triple

_GRID = 33  # pixels a side at which the lens is tried
_FAR = 0.25  # principal point off the middle, over the longer side
_FOCAL_SPREAD = 1.3  # over the median of cameras with images of the same size
_ASPECT = 0.02
_NARROW = 5.0  # degrees between two cameras: nearly the same view
_SHALLOW = 25.0  # degrees: the widest angle of a rig that hardly sees depth


@dataclass(frozen=True, eq=False)
class RecordedCamera:
    """One camera with what its files are."""

    camera: Camera  # of the images
    frames: int
    rate: float
    frame_offset: int
    source: str
    masks: int


def common_view(cameras: Sequence[Camera]) -> Vector3 | None:
    """Where the rays through the images' middles meet: the subject's position, for want of masks. None: nowhere."""
    rays = np.concatenate([_middle_ray(camera) for camera in cameras])
    try:
        return meeting_point(np.stack([camera.centre for camera in cameras]), rays)
    except ValueError:
        return None


def camera_facts(recorded: RecordedCamera, centre: Vector3 | None, up: Vector3 | None) -> CameraFacts:
    """Facts of one camera; `centre`: the subject's position in the world."""
    camera = recorded.camera
    away = camera.centre - (centre if centre is not None else np.zeros(3))
    elevation, azimuth = (None, None) if up is None or centre is None else _angles(away, up)
    off = np.hypot(camera.cx - camera.width / 2, camera.cy - camera.height / 2) / max(camera.width, camera.height)
    upright = None if up is None else round(float(-camera.R_cam_world[1] @ up), 4)
    return CameraFacts(
        name=camera.name,
        size=(camera.width, camera.height),
        focal=round(camera.focal, 3),
        aspect=round(camera.fx / camera.fy, 6),
        principal=(round(camera.cx, 3), round(camera.cy, 3)),
        principal_off=round(float(off), 4),
        field=_field(camera),
        lens=_describe_lens(camera),
        folds=round(_folded(camera), 4),
        position=triple(camera.centre, 4),
        looks=triple(_middle_ray(camera)[0], 6),
        distance=round(float(np.linalg.norm(away)), 4),
        elevation=elevation,
        azimuth=azimuth,
        upright=upright,
        frames=recorded.frames,
        rate=recorded.rate,
        frame_offset=recorded.frame_offset,
        source=recorded.source,
        masks=recorded.masks,
    )


def pair_facts(cameras: Sequence[Camera], centre: Vector3) -> tuple[PairFacts, ...]:
    """Every two cameras: distance, and the angle under which `centre` sees them."""
    out = []
    for a, b in combinations(cameras, 2):
        da, db = a.centre - centre, b.centre - centre
        cosine = float(da @ db) / max(float(np.linalg.norm(da) * np.linalg.norm(db)), 1e-300)
        angle = float(np.degrees(np.arccos(min(1.0, max(-1.0, cosine)))))
        baseline = float(np.linalg.norm(a.centre - b.centre))
        out.append(PairFacts(a.name, b.name, round(baseline, 4), round(angle, 3)))
    return tuple(out)


def rig_findings(
    recorded: Sequence[RecordedCamera], facts: Sequence[CameraFacts], pairs: Sequence[PairFacts]
) -> Iterator[Finding]:
    """What about the calibration is unusual. Sound rigs can have any one of these: warnings, not errors."""
    yield from _copies([r.camera for r in recorded])
    for fact in facts:
        yield from _camera_findings(fact, [f.focal for f in facts if f.size == fact.size])
    near = [pair for pair in pairs if pair.angle < _NARROW]
    for pair in near:
        text = (
            f"cameras {pair.first} and {pair.second}: {pair.angle:.1f} degrees apart as the subject sees them: nearly "
            "one view, which adds little. If they stand apart in the lab, one calibration is a copy of the other"
        )
        yield Finding.of("baseline-small", text, camera=pair.second, value=pair.angle, limit=_NARROW)
    widest = max((min(pair.angle, 180 - pair.angle) for pair in pairs), default=0.0)
    if pairs and widest < _SHALLOW:
        text = (
            f"no two cameras see the subject from more than {widest:.0f} degrees apart (or from opposite sides): "
            "depth is poorly determined, and faults along it stay unseen"
        )
        yield Finding.of("rig-narrow", text, value=widest, limit=_SHALLOW)


def _copies(cameras: Sequence[Camera]) -> Iterator[Finding]:
    """Intrinsics that occur twice. (Poses that do are refused on loading.)"""
    for a, b in combinations(cameras, 2):
        if np.abs(a.T_cam_world - b.T_cam_world).max() < 1e-9 * max(1.0, float(np.abs(a.centre).max())):
            text = (
                f"cameras {a.name} and {b.name} have one and the same pose; expected every camera at its own place. "
                "One calibration was copied over the other: calibrate again, or leave the wrong one out"
            )
            yield Finding.of("calibration-copied", text, camera=b.name)
        elif a.lens == b.lens and not isinstance(a.lens, Pinhole) and np.array_equal(a.K, b.K):
            text = (
                f"cameras {a.name} and {b.name} have the same focal length, principal point and lens to the last "
                "digit: right where one calibration was meant for both; cameras calibrated apart never agree so"
            )
            yield Finding.of("intrinsics-shared", text, camera=b.name)


def _camera_findings(fact: CameraFacts, focals: Sequence[float]) -> Iterator[Finding]:
    if fact.folds > 0:
        text = (
            f"camera {fact.name}: its lens model ({fact.lens}) maps two rays to one pixel in {fact.folds:.1%} of the "
            "image; expected one ray a pixel everywhere. Calibrate with the board in the corners too, or with fewer "
            "coefficients; a subject that gets there is refused"
        )
        yield Finding.of("lens-folds", text, camera=fact.name, value=fact.folds, limit=0.0)
    if fact.principal_off > _FAR:
        text = (
            f"camera {fact.name}: principal point ({fact.principal[0]:.0f}, {fact.principal[1]:.0f}) in an image of "
            f"{fact.size[0]}x{fact.size[1]}, {fact.principal_off:.0%} of its side off the middle: sound for a part of "
            "a sensor (is crop_offset right?) or a shifted lens, else a sign of another image size"
        )
        yield Finding.of("principal-far", text, camera=fact.name, value=fact.principal_off, limit=_FAR)
    usual = float(np.median(focals))
    spread = max(fact.focal / usual, usual / fact.focal)
    if len(focals) > 2 and spread > _FOCAL_SPREAD:
        text = (
            f"camera {fact.name}: focal length {fact.focal:.0f} px, the others with images of this size have about "
            f"{usual:.0f}: right for another lens, else it was calibrated at another image size"
        )
        yield Finding.of("focal-differs", text, camera=fact.name, value=spread, limit=_FOCAL_SPREAD)
    if abs(fact.aspect - 1) > _ASPECT:
        yield Finding.of(
            "pixels-not-square",
            f"camera {fact.name}: fx / fy = {fact.aspect:.4f}; sensors have square pixels, so the images were "
            "stretched, or the calibration is off",
            severity="warning",
            camera=fact.name,
            value=abs(fact.aspect - 1),
            limit=_ASPECT,
            advice="",
        )


def _middle_ray(camera: Camera) -> np.ndarray:
    """[1, 3] unit world ray through the image's middle; the optical axis where the lens folds there."""
    ray = camera.rays(np.array([[camera.width / 2, camera.height / 2]]), "nan")
    return ray if np.isfinite(ray).all() else camera.R_cam_world[2:3].copy()


def _field(camera: Camera) -> tuple[float, float] | None:
    w, h = float(camera.width), float(camera.height)
    ends = np.array([[0.0, h / 2], [w, h / 2], [w / 2, 0.0], [w / 2, h]])
    rays = camera.rays(ends, "nan")
    if not np.isfinite(rays).all():
        return None
    across, down = (float(np.degrees(np.arccos(np.clip(a @ b, -1, 1)))) for a, b in (rays[:2], rays[2:]))
    return round(across, 2), round(down, 2)


def _folded(camera: Camera) -> float:
    """Share of a grid over the image, edges included, that has no ray."""
    x, y = np.meshgrid(np.linspace(0, camera.width, _GRID), np.linspace(0, camera.height, _GRID))
    xy = camera.normalised(np.stack([x.ravel(), y.ravel()], axis=1), "nan")
    return float((~np.isfinite(xy)).any(axis=1).mean())


def _describe_lens(camera: Camera) -> str:
    lens = camera.lens
    if isinstance(lens, Fisheye):
        return f"fisheye k1 {lens.k1:.3g}"
    if isinstance(lens, BrownConrady):
        return f"k1 {lens.k1:.3g}, k2 {lens.k2:.3g}"
    return "none"


def _angles(away: np.ndarray, up: Vector3) -> tuple[float, float]:
    """(elevation, azimuth) in degrees; azimuth from the world's x axis (y where x is up), about up."""
    first = np.array([1.0, 0.0, 0.0]) if abs(up[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    first = first - up * float(first @ up)
    first = first / np.linalg.norm(first)
    second = np.cross(up, first)
    high = float(away @ up)
    elevation = np.degrees(np.arcsin(np.clip(high / max(float(np.linalg.norm(away)), 1e-300), -1, 1)))
    azimuth = np.degrees(np.arctan2(float(away @ second), float(away @ first)))
    return round(float(elevation), 2), round(float(azimuth), 2)
