"""Drawing Gaussians: by a renderer's name, or by the fastest that this machine can run."""

from __future__ import annotations

from typing import Literal

import torch

from mouselift.errors import MissingExtraError
from mouselift.geometry.camera import Camera
from mouselift.render.base import WHITE, Colour, Gaussians, Renderer, Rendering, View

RendererName = Literal["auto", "cpu", "gsplat", "reference"]


def make_renderer(name: RendererName = "auto") -> Renderer:
    """`auto`: gsplat where there is a CUDA device, else `cpu`. `reference` only ever by name: it is slow.

    MissingExtraError, with the line that installs it, where numba or gsplat is missing: no silent slow way round.
    """
    if name == "auto":
        name = "gsplat" if torch.cuda.is_available() else "cpu"
    if name == "gsplat":
        from mouselift.render.gsplat_backend import GsplatRenderer

        return GsplatRenderer.load()
    if name == "reference":
        from mouselift.render.reference import ReferenceRenderer

        return ReferenceRenderer()
    try:
        from mouselift.render.cpu import CpuRenderer  # compiled at first use, kept on disk
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the `cpu` renderer needs numba ({error}); install it with: pip install 'mouselift[train]'"
        ) from None
    return CpuRenderer()


def renderer_for(device: torch.device) -> Renderer:
    """The fastest for Gaussians that live on `device`. MissingExtraError as `make_renderer`."""
    return make_renderer("gsplat" if device.type == "cuda" else "cpu")


def render_gaussians(gaussians: Gaussians, camera: Camera, *, background: Colour = WHITE) -> Rendering:
    """Draws Gaussians as a pinhole camera sees them, on the device that they live on.

    `colour` [3, h, w] lies over `background` (red, green, blue in 0..1), `alpha` [h, w] is 0..1; pixel (j, i) has its
    centre at (i + 0.5, j + 0.5). Gradients flow to the Gaussians. CalibrationError for a lens or a skew;
    MissingExtraError where numba (CPU) or gsplat (CUDA) is missing.

        gaussians = Gaussians.from_splats(read_splats(Path("sample_000007/gaussians.ply")))
        image = render_gaussians(gaussians, orbit_camera(azimuth_deg=270, size=512)).colour
    """
    return renderer_for(gaussians.positions.device).render(gaussians, View.of(camera), background)
