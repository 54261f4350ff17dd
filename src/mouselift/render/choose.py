"""Which renderer: by name, or the fastest that this machine can run."""

from __future__ import annotations

from typing import Literal

import torch

from mouselift.errors import MissingExtraError
from mouselift.render.base import Renderer

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
        from mouselift.render.torch_tiles import ReferenceRenderer

        return ReferenceRenderer()
    try:
        from mouselift.render.cpu import CpuRenderer  # compiled at first use, kept on disk
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the `cpu` renderer needs numba ({error}); install it with: pip install 'mouselift[train]'"
        ) from None
    return CpuRenderer()
