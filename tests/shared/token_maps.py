"""Token order back to images, for tests of the network."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def unpatchify(
    values: Float[Tensor, "b pixels c"], views: int, height: int, width: int, patch: int
) -> Float[Tensor, "b {views} c {height} {width}"]:
    """Values a pixel in token order, as the per-pixel Gaussians come, back to images: undoes `patchify`."""
    b, _, c = values.shape
    grid = values.reshape(b, views, height // patch, width // patch, patch, patch, c)
    return grid.permute(0, 1, 6, 2, 4, 3, 5).reshape(b, views, c, height, width)
