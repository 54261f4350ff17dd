"""Which patches become tokens, and which pixels Gaussians: those near the subject's mask, packed over the batch.

No position is learned, so leaving tokens out changes nothing else in the network. Samples keep different numbers of
them; the shorter ones are filled up at their end with what nobody attends to or draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mouselift.array_types import Bool, Float, Int64

Pixels = Bool[Tensor, "b v h w"]
Patches = Bool[Tensor, "b v rows columns"]


def near_subject(alpha: Float[Tensor, "b v h w"], margin: int) -> Pixels:
    """Pixels within `margin` pixels (across, down or both) of one that is not fully transparent."""
    there = (alpha > 0).to(alpha.dtype)
    return F.max_pool2d(there, 2 * margin + 1, stride=1, padding=margin) > 0


def touched_patches(pixels: Pixels, patch: int) -> Patches:
    """Patches with at least one of the pixels."""
    return F.max_pool2d(pixels.float(), patch) > 0


def patches_near(alpha: Float[Tensor, "b v h w"], margin: int, patch: int) -> tuple[int, ...]:
    """How many patches of each sample come near its subject, all its views together."""
    return tuple(touched_patches(near_subject(alpha, margin), patch).flatten(1).sum(dim=1).tolist())


@dataclass(frozen=True, eq=False)
class Packing:
    """Of n image tokens (or pixels, in token order) a sample the kept ones, m at most."""

    index: Int64[Tensor, "b m"]  # in order; 0 where a sample has fewer
    counts: tuple[int, ...]  # kept ones of each sample

    @classmethod
    def of(cls, keep: Bool[Tensor, "b n"]) -> Packing:
        """A sample that keeps none keeps its first: a network needs one."""
        flat = keep.clone()
        flat[:, 0] |= ~flat.any(dim=1)
        counts = tuple(flat.sum(dim=1).tolist())
        index = torch.zeros(len(flat), max(counts), dtype=torch.int64, device=flat.device)
        for row, own in zip(index, flat, strict=True):
            found = own.nonzero()[:, 0]
            row[: len(found)] = found
        return cls(index, counts)

    def take(self, values: Float[Tensor, "b n c"]) -> Float[Tensor, "b m c"]:
        return values.gather(1, self.index[..., None].expand(-1, -1, values.shape[2]))

    def real(self, before: int) -> Bool[Tensor, "b k"] | None:
        """False for what fills a sample up, k = before + m, the first `before` tokens being all real; None: nothing."""
        longest = self.index.shape[1]
        if min(self.counts) == longest:
            return None
        ends = torch.tensor(self.counts, device=self.index.device)[:, None] + before
        return torch.arange(before + longest, device=self.index.device) < ends
