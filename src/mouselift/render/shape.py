"""The shape of Gaussians: balls, discs and needles."""

from __future__ import annotations

import torch
from torch import Tensor

from mouselift.array_types import Float

_EPSILON = 1e-6
_NEEDLE = 1e-5  # added to the effective rank less 1, so that a perfect needle has a finite loss


def effective_rank(log_scales: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """exp(entropy of the normalised squared scales): 3 for a ball, 2 for a disc, 1 for a needle.

    Roy and Vetterli, EUSIPCO 2007; for Gaussians Hyung et al., NeurIPS 2024 (arXiv:2406.11672).
    """
    share = torch.softmax(2.0 * log_scales, dim=1)
    return torch.exp(-(share * torch.log(share.clamp_min(1e-12))).sum(dim=1))


def needles(log_scales: Float[Tensor, "n 3"], opacities: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Mean of max(-log(effective rank - 1), 0), weighted by opacity: 0 from rank 2 up.

    The weights carry no gradient: fading a needle out is no way to be rid of the loss.
    """
    weight = opacities.detach()
    each = (-torch.log(effective_rank(log_scales) - 1.0 + _NEEDLE)).clamp_min(0.0)
    return (each * weight).sum() / weight.sum().clamp_min(_EPSILON)
