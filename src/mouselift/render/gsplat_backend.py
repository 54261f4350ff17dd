"""gsplat (Apache-2.0) on CUDA: never imported where there is no CUDA device, because it starts a compiler then."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mouselift.array_types import Float
from mouselift.errors import MissingExtraError
from mouselift.render.base import (
    DILATION,
    MIN_QUATERNION,
    NEAR,
    WHITE,
    Colour,
    Gaussians,
    RenderCamera,
    Renderer,
    Rendering,
)

_FAR = 1e10  # world units: no far plane


def load_gsplat() -> Any:
    """The module. MissingExtraError where there is no CUDA device, or gsplat is not installed."""
    if not torch.cuda.is_available():
        raise MissingExtraError(
            "the gsplat renderer needs a CUDA device, and torch.cuda.is_available() is False; use the `cpu` renderer"
        )
    try:
        return importlib.import_module("gsplat")
    except ImportError as error:
        raise MissingExtraError(
            f"the gsplat renderer needs gsplat ({error}); install it with: pip install 'mouselift[gpu]'"
        ) from None


@dataclass(frozen=True, eq=False)
class GsplatRenderer(Renderer):
    """Same conventions by gsplat's classic mode: pixel centres at +0.5, dilation 0.3, near plane 0.2, no far plane.

    Differentiable to the Gaussians and to the pose, not to the intrinsics. Checked here against the argument shapes of
    gsplat's documentation only: no CUDA device was at hand. Compare images with the reference before relying on it.
    """

    module: Any  # gsplat, or what stands in for it in tests

    def render(self, gaussians: Gaussians, camera: RenderCamera, background: Colour = WHITE) -> Rendering:
        """As `Renderer.render`. The result is on the Gaussians' device, float32."""
        kept = _usable(gaussians)
        device = gaussians.positions.device
        colours = gaussians.colours_seen_from(camera.centre)[kept].float()
        rotations = torch.nn.functional.normalize(gaussians.rotations[kept].float(), dim=1)
        image, alpha, _ = self.module.rasterization(
            means=gaussians.positions[kept].float(),  # [N, 3]
            quats=rotations,  # [N, 4], w first
            scales=gaussians.scales[kept].float(),  # [N, 3]
            opacities=gaussians.opacities[kept].float(),  # [N]
            colors=colours,  # [N, 3]: harmonics are evaluated here, so the clamp at 0 is ours
            viewmats=camera.T_cam_world.to(device, torch.float32)[None],  # [C, 4, 4], world to camera
            Ks=_matrix(camera.intrinsics).to(device, torch.float32)[None],  # [C, 3, 3]
            width=camera.width,
            height=camera.height,
            near_plane=NEAR,
            far_plane=_FAR,
            eps2d=DILATION,
            backgrounds=torch.tensor([background], dtype=torch.float32, device=device),  # [C, 3]
            render_mode="RGB",
            rasterize_mode="classic",
            packed=False,
        )
        return Rendering(image[0].permute(2, 0, 1), alpha[0, :, :, 0])


def _usable(gaussians: Gaussians) -> Tensor:
    """Indices of those that are finite in float32 and have a rotation: CUDA kernels do not look."""
    with torch.no_grad():
        g = gaussians
        parts = (g.positions, g.scales, g.rotations, g.opacities[:, None], g.colours.flatten(1))
        good = torch.stack([torch.isfinite(part.float()).all(dim=1) for part in parts]).all(dim=0)
        return torch.nonzero(good & (g.rotations.norm(dim=1) > MIN_QUATERNION))[:, 0]


def _matrix(intrinsics: Float[Tensor, "4"]) -> Float[Tensor, "3 3"]:
    fx, fy, cx, cy = intrinsics.unbind()
    zero, one = torch.zeros_like(fx), torch.ones_like(fx)
    return torch.stack([fx, zero, cx, zero, fy, cy, zero, zero, one]).reshape(3, 3)
