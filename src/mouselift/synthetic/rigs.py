"""Camera rigs from parameters, and the arena that they look at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Lens
from mouselift.geometry.similarity import look_at


@dataclass(frozen=True)
class Arena:
    """A round floor at z = 0 in which the animal moves, millimetres."""

    x: float = 0.0  # centre
    y: float = 0.0
    radius: float = 90.0  # all of the animal stays inside


@dataclass(frozen=True, eq=False)
class Rig:
    """Calibrated cameras (world in millimetres, +Z up, floor at z = 0) and the arena that all of them see."""

    cameras: tuple[Camera, ...]
    arena: Arena

    def __post_init__(self) -> None:
        names = [camera.name for camera in self.cameras]
        if not names or len(set(names)) != len(names) or "" in names:
            raise CalibrationError(f"rig: expected at least one camera and distinct names, got {names}")


def aimed_camera(
    name: str,
    size: tuple[int, int],
    K: tuple[float, float, float, float, float],
    lens: Lens,
    position: tuple[float, float, float],
    target: tuple[float, float, float],
    roll_deg: float = 0.0,
) -> Camera:
    """A camera at `position` that looks at `target`. K = (fx, fy, skew, cx, cy); size = (width, height)."""
    R = look_at(np.subtract(target, position).astype(np.float64), np.array([0.0, 0.0, -1.0]))
    c, s = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    R = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ R
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, -R @ np.asarray(position, dtype=np.float64)
    fx, fy, skew, cx, cy = K
    return Camera(*size, fx, fy, cx, cy, T, lens, skew, name)


# (fx, fy, skew, cx, cy), (k1, k2, p1, p2, k3), position, target, roll: round numbers like those of the six-camera
# rig of markerless_mouse_1 (1152 x 1024, 246 to 414 mm from the origin), no two cameras alike
_MARKERLESS = (
    ((1668.0, 1675.0, -5.7, 604.0, 493.0), (-0.16, 0.93, -0.0012, -0.0039, -2.6),
     (-199.0, -130.0, 63.0), (60.0, 52.0, 47.0), 0.8),
    ((1638.0, 1649.0, 1.5, 618.0, 434.0), (-0.15, 0.88, -0.0108, -0.0014, -2.9),
     (322.0, 216.0, 146.0), (60.0, 52.0, 55.0), -1.7),
    ((1657.0, 1665.0, -0.9, 617.0, 480.0), (-0.085, 0.04, -0.0023, -0.0065, 0.25),
     (24.0, 356.0, 71.0), (57.0, 52.0, 49.0), 1.2),
    ((1669.0, 1674.0, -5.9, 583.0, 549.0), (-0.10, 0.05, 0.0006, -0.0010, -0.98),
     (328.0, -65.0, 63.0), (62.0, 50.0, 47.0), -0.5),
    ((1665.0, 1672.0, -1.3, 640.0, 461.0), (-0.078, -0.16, -0.0083, 0.0018, 0.53),
     (-230.0, 167.0, 142.0), (60.0, 52.0, 53.0), -0.4),
    ((1668.0, 1673.0, -4.9, 614.0, 523.0), (-0.066, -0.07, 0.0017, -0.0006, 0.15),
     (115.0, -236.0, 157.0), (62.0, 50.0, 45.0), 0.9),
)  # fmt: skip


def markerless_rig() -> Rig:
    """Six cameras as in the recording markerless_mouse_1: skew, strong distortion, off-centre principal points."""
    cameras = tuple(
        aimed_camera(f"Camera{i}", (1152, 1024), intrinsics, BrownConrady(k1, k2, p1, p2, k3), position, target, roll)
        for i, (intrinsics, (k1, k2, p1, p2, k3), position, target, roll) in enumerate(_MARKERLESS, start=1)
    )
    return Rig(cameras, Arena(60.0, 52.0, 90.0))


def demo_rig() -> Rig:
    """`markerless_rig` at half the image size: seconds instead of minutes, the same lenses and places."""
    return scaled_rig(markerless_rig(), 0.5)


def scaled_rig(rig: Rig, factor: float) -> Rig:
    """The same rig with images of `factor` times the size. CalibrationError where that is no whole number of pixels."""
    for camera in rig.cameras:
        if any(size * factor != round(size * factor) for size in (camera.width, camera.height)):
            raise CalibrationError(
                f"camera {camera.name!r}: {camera.width} x {camera.height} times {factor} is not a whole number of "
                "pixels"
            )
    return Rig(tuple(scaled_camera(camera, factor) for camera in rig.cameras), rig.arena)


def scaled_camera(camera: Camera, factor: float | int) -> Camera:
    """That of the same image at `factor` times the size: with centres at +0.5 all intrinsics simply scale."""
    return replace(
        camera, width=round(camera.width * factor), height=round(camera.height * factor), fx=camera.fx * factor,
        fy=camera.fy * factor, skew=camera.skew * factor, cx=camera.cx * factor, cy=camera.cy * factor,
    )  # fmt: skip
