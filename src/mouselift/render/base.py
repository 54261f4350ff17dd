"""What every renderer shares: Gaussians, their colours, the camera, the image, and the conventions as numbers.

Conventions: OpenCV axes; pixel (j, i) has its centre at (i + 0.5, j + 0.5), so a point
(x, y, z) of the camera's frame falls on (fx x/z + cx, fy y/z + cy) wherever the principal point lies. Each Gaussian is
projected to first order (EWA: Zwicker et al. 2001), its image's covariance is dilated by 0.3 px^2 without changing
its opacity, and the Gaussians are laid over one another front to back by the depth z of their centres; equal depths
keep their order. A pixel takes part of a Gaussian where its alpha there is at least 1/255, exactly: no tile or radius
decides that. (The release also cuts at 3 standard deviations, in whole tiles; its images lack tails of up to 1.1 %.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from mouselift.array_types import Bool, Float
from mouselift.errors import CalibrationError
from mouselift.gaussians.files import SH_DC, Splats
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.similarity import Similarity

NEAR = 0.2  # world units: what lies at z <= this is not drawn
DILATION = 0.3  # px^2, added to the diagonal of the image's covariance
SLOPE_LIMIT = 1.3  # x/z and y/z are held within this times half the field's tangent where the projection is linearised
MAX_ALPHA = 0.99
MIN_ALPHA = 1 / 255
MIN_TRANSMITTANCE = 1e-4  # a Gaussian that would leave less light than this is not drawn, nor what lies behind it
MAX_VARIANCE = 1e30  # px^2: a Gaussian whose image is wider counts as not finite
MIN_QUATERNION = 1e-6  # length below which a rotation has no direction
# factors of the real spherical harmonics of degree 1 to 3
_C1 = math.sqrt(3 / (4 * math.pi))
_C2, _C2_0, _C2_2 = math.sqrt(15 / (4 * math.pi)), math.sqrt(5 / (16 * math.pi)), math.sqrt(15 / (16 * math.pi))
_C3_0, _C3_1 = math.sqrt(7 / (16 * math.pi)), math.sqrt(21 / (32 * math.pi))
_C3_2, _C3_3 = math.sqrt(105 / (16 * math.pi)), math.sqrt(35 / (32 * math.pi))

Colour = tuple[float, float, float]  # red, green, blue; 0..1 is dark..bright
WHITE: Colour = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Gaussians:
    """n 3D Gaussians after all activations: what a network gives and a renderer draws.

    Any device; one floating type; gradients flow. Files hold their stored form, `gaussians.files.Splats`.

        gaussians = Gaussians.from_splats(read_splats(Path("sample_000007/gaussians.ply")), device="cuda")
    """

    positions: Float[Tensor, "n 3"]  # world
    scales: Float[Tensor, "n 3"]  # standard deviations along the own axes, world units, positive
    rotations: Float[Tensor, "n 4"]  # quaternions, w first, of any length but zero: own axes to world
    opacities: Float[Tensor, " n"]  # 0..1
    colours: Float[Tensor, "n 3"] | Float[Tensor, "n k 3"]  # plain, or spherical harmonics, k = (degree + 1)^2

    def __post_init__(self) -> None:
        n, k = len(self.positions), self.colours.shape[1] if self.colours.ndim == 3 else 1
        sizes = [len(part) for part in (self.scales, self.rotations, self.opacities, self.colours)]
        if sizes != [n] * 4 or k not in (1, 4, 9, 16):
            raise ValueError(f"Gaussians: expected {n} of all parts and 1, 4, 9 or 16 harmonics, got {sizes} and {k}")

    def __len__(self) -> int:
        return len(self.positions)

    @classmethod
    def from_stored(
        cls,
        positions: Float[Tensor, "n 3"],
        harmonics: Float[Tensor, "n k 3"],
        opacities: Float[Tensor, " n"],
        scales: Float[Tensor, "n 3"],
        rotations: Float[Tensor, "n 4"],
    ) -> Gaussians:
        """From what models give and files hold: opacities are logits, scales natural logs."""
        return cls(positions, scales.exp(), rotations, opacities.sigmoid(), harmonics)

    @classmethod
    def from_splats(cls, splats: Splats, device: torch.device | str = "cpu") -> Gaussians:
        """From a file's content, float32."""
        parts = (splats.positions, splats.harmonics, splats.opacities, splats.scales, splats.rotations)
        return cls.from_stored(*(torch.tensor(part, device=device) for part in parts))

    def on(self, device: torch.device) -> Gaussians:
        """On another device."""
        parts = (self.positions, self.scales, self.rotations, self.opacities, self.colours)
        return Gaussians(*(part.to(device) for part in parts))

    def chosen(self, kept: Bool[Tensor, " n"]) -> Gaussians:
        """Some of them, in their order."""
        parts = (self.positions, self.scales, self.rotations, self.opacities, self.colours)
        return Gaussians(*(part[kept] for part in parts))

    def to_splats(self) -> Splats:
        """For a file. Opacities of exactly 0 and 1 are held to 1e-7 from there: their logits are infinite."""
        harmonics = self.colours if self.colours.ndim == 3 else ((self.colours - 0.5) / SH_DC)[:, None]
        opacities = self.opacities.double().clamp(1e-7, 1 - 1e-7).logit()
        parts = (self.positions, harmonics, opacities, self.scales.log(), self.rotations)
        return Splats(*(part.detach().float().cpu().numpy() for part in parts))

    def colours_seen_from(self, centre: Float[Tensor, "3"]) -> Float[Tensor, "n 3"]:
        """Plain colours as a camera at `centre` (world) sees them."""
        if self.colours.ndim == 2:
            return self.colours
        return colours_from(self.colours, self.positions, centre.to(self.positions))

    def in_world(self, new_old: Similarity) -> Gaussians:
        """The same Gaussians in a world changed by `new_old`. ValueError for harmonics above degree 0."""
        if self.colours.ndim == 3 and self.colours.shape[1] > 1:
            raise ValueError("Gaussians.in_world: harmonics above degree 0 do not turn with the world here")
        R = torch.tensor(new_old.R_new_old).to(self.positions)
        origin = torch.tensor(new_old.origin_old).to(self.positions)
        return Gaussians(
            new_old.scale * (self.positions - origin) @ R.T,
            new_old.scale * self.scales,
            _turned(new_old.R_new_old, self.rotations),
            self.opacities,
            self.colours,
        )


def _turned(R_new_old: np.ndarray, rotations: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """Quaternions of R times the given rotations."""
    x, y, z, w = Rotation.from_matrix(R_new_old).as_quat().tolist()
    left = [[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]]
    return rotations @ torch.tensor(left).to(rotations).T


def harmonics_at(directions: Float[Tensor, "n 3"], degree: int) -> Float[Tensor, "n k"]:
    """The (degree + 1)^2 real spherical harmonics at unit `directions`. ValueError for a degree outside 0..3.

    Signs and order as splat files have them: m = -l .. l, with the Condon-Shortley phase, so that
    Y_1 = 0.4886 (-y, z, -x).
    """
    if not 0 <= degree <= 3:
        raise ValueError(f"spherical harmonics: expected a degree of 0 to 3, got {degree}")
    x, y, z = directions.unbind(dim=1)
    out = [torch.full_like(x, SH_DC)]
    if degree >= 1:
        out += [-_C1 * y, _C1 * z, -_C1 * x]
    if degree >= 2:
        out += [_C2 * x * y, -_C2 * y * z, _C2_0 * (3 * z * z - 1), -_C2 * x * z, _C2_2 * (x * x - y * y)]
    if degree >= 3:
        out += [
            -_C3_3 * y * (3 * x * x - y * y),
            2 * _C3_2 * x * y * z,
            -_C3_1 * y * (5 * z * z - 1),
            _C3_0 * z * (5 * z * z - 3),
            -_C3_1 * x * (5 * z * z - 1),
            _C3_2 * z * (x * x - y * y),
            -_C3_3 * x * (x * x - 3 * y * y),
        ]
    return torch.stack(out, dim=1)


def colours_from(
    harmonics: Float[Tensor, "n k 3"], positions: Float[Tensor, "n 3"], centre: Float[Tensor, "3"]
) -> Float[Tensor, "n 3"]:
    """Colours as a camera at `centre` (world) sees them: sum + 0.5, not below 0, no upper limit."""
    degree = math.isqrt(harmonics.shape[1]) - 1
    if degree == 0:
        return (SH_DC * harmonics[:, 0] + 0.5).clamp_min(0.0)
    # what is not finite is kept apart: in the gradient, zero times NaN would be NaN
    good = torch.isfinite(harmonics).all(dim=2).all(dim=1) & torch.isfinite(positions).all(dim=1)
    away = torch.where(good[:, None], positions - centre, 1.0)
    directions = away / away.norm(dim=1, keepdim=True).clamp_min(1e-12)
    safe = torch.where(good[:, None, None], harmonics, 0.0)
    colours = (torch.einsum("nk,nkc->nc", harmonics_at(directions, degree), safe) + 0.5).clamp_min(0.0)
    return torch.where(good[:, None], colours, torch.nan)


@dataclass(frozen=True, eq=False)
class RenderCamera:
    """A pinhole camera for renderers. Gradients flow to the tensors where the renderer says so."""

    T_cam_world: Float[Tensor, "4 4"]  # OpenCV axes
    intrinsics: Float[Tensor, "4"]  # fx, fy, cx, cy, pixels
    width: int
    height: int

    @classmethod
    def of(cls, camera: Camera) -> RenderCamera:
        """Of a prepared camera, float64. CalibrationError for a lens or a skew: the image must be resampled first."""
        if not isinstance(camera.lens, Pinhole) or camera.skew != 0.0:
            raise CalibrationError(
                f"camera {camera.name!r}: renderers draw pinhole cameras without skew, got {camera.lens} with skew "
                f"{camera.skew}; prepare the sample first, or use `Camera.pinhole`"
            )
        intrinsics = torch.tensor([camera.fx, camera.fy, camera.cx, camera.cy], dtype=torch.float64)
        return cls(torch.tensor(camera.T_cam_world), intrinsics, camera.width, camera.height)

    @classmethod
    def posed(cls, c2w: Float[Tensor, "4 4"], fxfycxcy: Float[Tensor, "4"], width: int, height: int) -> RenderCamera:
        """Of a view as datasets hold it: T_world_cam and pixels; float64, on the CPU."""
        return cls(torch.linalg.inv(c2w.double().cpu()), fxfycxcy.double().cpu(), width, height)

    @property
    def centre(self) -> Float[Tensor, "3"]:
        """Camera centre, world."""
        return -self.T_cam_world[:3, :3].T @ self.T_cam_world[:3, 3]


@dataclass(frozen=True, eq=False)
class Rendering:
    """One image."""

    colour: Float[Tensor, "3 h w"]  # over the background; not clamped above
    alpha: Float[Tensor, "h w"]  # 1 - the light that the background gives


@runtime_checkable  # for the run-time type checks of the tests
class Renderer(Protocol):
    """Draws Gaussians. A renderer that inherits from this draws many images one after the other."""

    def render(self, gaussians: Gaussians, camera: RenderCamera, background: Colour = WHITE) -> Rendering:
        """The image, of the Gaussians' device and floating type.

        What cannot be seen is left out and gets zero gradients: behind `NEAR`, outside the image, below 1/255
        opaque, not finite, or without a rotation. Neither values nor gradients are ever NaN.
        """
        ...

    def render_all(
        self, shots: Sequence[tuple[Gaussians, RenderCamera]], background: Colour = WHITE
    ) -> list[Rendering]:
        """Many images, of one or several samples: values and gradients are those of `render`, image by image."""
        return [self.render(gaussians, camera, background) for gaussians, camera in shots]


def draw(renderer: Renderer, gaussians: Gaussians, camera: RenderCamera, background: Colour = WHITE) -> Rendering:
    """The image that a camera takes, without gradients."""
    with torch.no_grad():
        return renderer.render(gaussians, camera, background)
