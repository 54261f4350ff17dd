"""The renderer for a device, and one call that draws with it."""

from __future__ import annotations

import torch

from mouselift.errors import MissingExtraError
from mouselift.geometry.camera import Camera
from mouselift.render.base import WHITE, Colour, Gaussians, RenderCamera, Renderer, Rendering


def renderer_for(device: torch.device) -> Renderer:
    """gsplat for Gaussians that live on a CUDA device, else the compiled renderer for CPUs.

    MissingExtraError, with the line that installs it, where numba or gsplat is missing: no silent slow way round.
    """
    if device.type == "cuda":
        from mouselift.render.gsplat_backend import GsplatRenderer, load_gsplat

        return GsplatRenderer(load_gsplat())
    try:
        from mouselift.render.cpu import CpuRenderer  # compiled at first use, kept on disk
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the `cpu` renderer needs numba ({error}); install it with: pip install 'mouselift[train]'"
        ) from None
    return CpuRenderer()


def render_gaussians(gaussians: Gaussians, camera: Camera, *, background: Colour = WHITE) -> Rendering:
    """Draws Gaussians as a pinhole camera sees them, on the device that they live on.

    `colour` [3, h, w] lies over `background` (red, green, blue in 0..1), `alpha` [h, w] is 0..1; pixel (j, i) has its
    centre at (i + 0.5, j + 0.5). Gradients flow to the Gaussians. CalibrationError for a lens or a skew;
    MissingExtraError where numba (CPU) or gsplat (CUDA) is missing.

    Example:
        >>> camera = load_sample(Path("out/mouse7/sample_000007")).views[0].camera
        >>> w_first, grey = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.full((1, 3), 0.5)
        >>> ball = Gaussians(torch.zeros(1, 3), torch.full((1, 3), 0.1), w_first, torch.tensor([0.9]), grey)
        >>> render_gaussians(ball, camera).colour.shape
    """
    return renderer_for(gaussians.positions.device).render(gaussians, RenderCamera.of(camera), background)
