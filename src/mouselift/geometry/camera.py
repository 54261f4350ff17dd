"""The camera: intrinsics, lens and pose in one frozen value.

Convention (docs/concepts/conventions.md): pixel (row j, column i) covers [i, i+1) x [j, j+1), its
centre is (i + 0.5, j + 0.5); OpenCV axes (x right, y down, z forward); x_cam = R x_world + t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mouselift.array_types import Array, Float64, Matrix3, Matrix4, Points2, Points3, Vector3, frozen
from mouselift.errors import CalibrationError
from mouselift.geometry.lens import Lens, OnFold, Pinhole
from mouselift.geometry.similarity import Similarity, check_rotation

# What other conventions' principal points lack to this one, added where a rig file is read:
ONE_BASED = -0.5  # MATLAB: the top-left pixel's centre is (1, 1)
ZERO_BASED = 0.5  # OpenCV: it is (0, 0)

_CENTRE_TOLERANCE = 1e-9  # relative to the camera's distance from the world's origin


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated view.

    `T_cam_world` maps world points to the camera frame; its rotation must be orthonormal, det +1.
    `skew` (pixels per normalised y) exists for input only: prepared cameras have none.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    T_cam_world: Matrix4
    lens: Lens = field(default_factory=Pinhole)
    skew: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        for key in ("fx", "fy", "cx", "cy", "skew"):
            object.__setattr__(self, key, float(getattr(self, key)))
        try:
            object.__setattr__(self, "T_cam_world", frozen(self.T_cam_world, (4, 4), "T_cam_world"))
            self._check()
        except ValueError as error:
            raise CalibrationError(f"camera {self.name!r}: {error}") from None

    def _check(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"expected a positive image size, got {self.width} x {self.height}")
        intrinsics = [self.fx, self.fy, self.cx, self.cy, self.skew]
        if not all(map(math.isfinite, intrinsics)) or not np.isfinite(self.T_cam_world).all():
            raise ValueError(f"intrinsics or pose are not finite: fx fy cx cy skew = {intrinsics}")
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(f"expected positive focal lengths, got fx = {self.fx}, fy = {self.fy}")
        check_rotation(self.R_cam_world, "rotation")
        if self.T_cam_world[3].tolist() != [0.0, 0.0, 0.0, 1.0]:
            raise ValueError(f"last row of T_cam_world: expected 0 0 0 1, got {self.T_cam_world[3].tolist()}")

    @classmethod
    def from_matrices(
        cls,
        K: Matrix3,
        R_cam_world: Matrix3,
        t_cam_world: Float64[Array, "3"],
        size: tuple[int, int],
        lens: Lens | None = None,
        name: str = "",
    ) -> Camera:
        """From K (upper triangular, K[2,2] = 1, this project's pixel convention) and a w2c pose; size = (w, h).

        CalibrationError where K has another layout or the camera is impossible.
        """
        if K[1, 0] != 0 or not np.array_equal(K[2], [0.0, 0.0, 1.0]):
            raise CalibrationError(
                f"camera {name!r}: K: expected upper triangular with last row 0 0 1, got {K.tolist()}; a K that is "
                "transposed (MATLAB, DANNCE, JARVIS) must be turned round by its reader"
            )
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = R_cam_world, t_cam_world
        return cls(*size, K[0, 0], K[1, 1], K[0, 2], K[1, 2], T, lens if lens is not None else Pinhole(), K[0, 1], name)

    @property
    def K(self) -> Matrix3:
        return np.array([[self.fx, self.skew, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def R_cam_world(self) -> Matrix3:
        return self.T_cam_world[:3, :3]

    @property
    def t_cam_world(self) -> Vector3:
        return self.T_cam_world[:3, 3]

    @cached_property
    def centre(self) -> Vector3:
        """Camera centre in the world: -R^T t."""
        return frozen(-self.R_cam_world.T @ self.t_cam_world, (3,), "centre")

    @property
    def focal(self) -> float:
        """sqrt(fx fy), pixels."""
        return float(np.sqrt(self.fx * self.fy))

    def to_cam(self, points_world: Points3) -> Points3:
        return points_world @ self.R_cam_world.T + self.t_cam_world

    def pixels_of(self, xy: Points2) -> Points2:
        """Rays on the normalised plane (x/z, y/z) -> pixels; NaN where the lens folds."""
        d = self.lens.distort(xy)
        return np.stack([self.fx * d[:, 0] + self.skew * d[:, 1] + self.cx, self.fy * d[:, 1] + self.cy], axis=1)

    def project(self, points_world: Points3) -> Points2:
        """World points -> pixels; NaN behind the camera (z <= 0) and beyond the lens's fold."""
        p = self.to_cam(points_world)
        with np.errstate(divide="ignore", invalid="ignore"):
            xy = np.where(p[:, 2:] > 0, p[:, :2] / p[:, 2:], np.nan)
        return self.pixels_of(xy)

    def depth(self, points_world: Points3) -> Float64[Array, " n"]:
        """z in the camera frame, world units."""
        return self.to_cam(points_world)[:, 2]

    def normalised(self, pixels: Points2, on_fold: OnFold = "raise") -> Points2:
        """Pixels -> rays on the normalised plane (x/z, y/z): skew and lens undone. LensFoldError as `lens`."""
        y = (pixels[:, 1] - self.cy) / self.fy
        x = (pixels[:, 0] - self.cx - self.skew * y) / self.fx
        return self.lens.undistort(np.array([x, y]).T, on_fold)

    def at_depth_one(self, pixels: Points2, on_fold: OnFold = "raise") -> Points3:
        """(x/z, y/z, 1) in the camera frame: as `normalised`."""
        out = np.ones((len(pixels), 3))
        out[:, :2] = self.normalised(pixels, on_fold)
        return out

    def rays(self, pixels: Points2, on_fold: OnFold = "raise") -> Points3:
        """Unit directions in the world, from the camera centre, through `pixels`."""
        d = self.at_depth_one(pixels, on_fold) @ self.R_cam_world
        return d / np.sqrt((d * d).sum(axis=1, keepdims=True))

    def unproject(self, pixels: Points2, depth: Float64[Array, " n"]) -> Points3:
        """Pixels at the given depth (z in the camera frame) -> world points: the inverse of `project`."""
        return (self.at_depth_one(pixels) * depth[:, None] - self.t_cam_world) @ self.R_cam_world

    def turned(self, Q_new_old: Matrix3) -> Camera:
        """The camera turned about its own centre: R' = Q R, t' = Q t. Its pixels must be resampled with it."""
        T = self.T_cam_world.copy()
        T[:3] = Q_new_old @ T[:3]
        return replace(self, T_cam_world=T)

    def pinhole(self, focal: float, principal: tuple[float, float], size: tuple[int, int]) -> Camera:
        """A distortion-free camera at the same pose: square pixels, `focal` in pixels, size = (w, h)."""
        return Camera(*size, focal, focal, *principal, self.T_cam_world, name=self.name)

    def cropped(self, x0: float, y0: float, size: tuple[int, int] | None = None) -> Camera:
        """The camera of the image whose top-left corner lies at (x0, y0) of this one."""
        width, height = size if size is not None else (self.width, self.height)
        return replace(self, cx=self.cx - x0, cy=self.cy - y0, width=width, height=height)

    def in_world(self, new_old: Similarity) -> Camera:
        """The same camera in a world changed by `new_old`: R' = R Q^T, C' = s Q (C - c)."""
        T = np.eye(4)
        T[:3, :3] = self.R_cam_world @ new_old.R_new_old.T
        T[:3, 3] = -T[:3, :3] @ new_old.apply(self.centre[None])[0]
        return replace(self, T_cam_world=T)


@dataclass(frozen=True, eq=False)
class Reframe:
    """The exact change from `source` (any lens) to `target`, a pinhole at the same centre; ValueError otherwise.

    Undistort, de-skew, turn, zoom and crop in one map: `target` *is* the camera of the resampled image, for every
    depth, as of any image change that keeps the camera's centre.
    """

    source: Camera
    target: Camera

    def __post_init__(self) -> None:
        gap = float(np.linalg.norm(self.source.centre - self.target.centre))
        if gap > _CENTRE_TOLERANCE * max(1.0, float(np.linalg.norm(self.source.centre))):
            raise ValueError(f"Reframe: the camera centres are {gap:.3g} apart; moving a centre changes parallax")
        if not isinstance(self.target.lens, Pinhole):
            raise ValueError("Reframe: the target must be a pinhole")

    def to_source(self, target_pixels: Points2) -> Points2:
        """Target pixels -> source pixels; NaN where the source lens has no such ray."""
        return _carried(target_pixels, self.target, self.source)

    def to_target(self, source_pixels: Points2) -> Points2:
        """Source pixels -> target pixels; NaN behind the target camera. LensFoldError as `Camera.normalised`."""
        return _carried(source_pixels, self.source, self.target)


def _carried(pixels: Points2, old: Camera, new: Camera) -> Points2:
    """Pixels of one camera -> pixels of another at its centre."""
    ray = old.at_depth_one(pixels) @ (new.R_cam_world @ old.R_cam_world.T).T
    with np.errstate(divide="ignore", invalid="ignore"):
        return new.pixels_of(np.where(ray[:, 2:] > 0, ray[:, :2] / ray[:, 2:], np.nan))
