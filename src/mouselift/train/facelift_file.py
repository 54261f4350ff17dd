"""A run's weights as FaceLift's own loader takes them: `{"model": ...}` in a .pt, with the VGG19 of its loss.

That loader is strict about all 183 keys of the release, so a file with the network's 151 alone is refused there. The
VGG's 32 come from the checkpoint that the run began from, unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mouselift.atomic import whole_file
from mouselift.models.gslrm.facelift import State, read_state
from mouselift.train.perceptual import PREFIX, vgg_weights

FACELIFT = "last_facelift.pt"


def facelift_state(network: Mapping[str, Tensor], vgg: Mapping[str, Tensor]) -> State:
    """All keys of the release's "model" entry: the network's, and conv1.weight .. conv16.bias under their prefix."""
    return {**network, **{PREFIX + name: value for name, value in vgg.items()}}


def write_facelift_file(weights: Path, release: Path, out: Path) -> None:
    """`weights` (last.safetensors) and the VGG of `release` into `out`, replaced whole; float32.

    CheckpointError where the release's file does not hold the VGG.
    """
    state = facelift_state(read_state(weights)[0], vgg_weights(release))
    with whole_file(out, replace=True) as temporary:
        torch.save({"model": {key: value.float().contiguous() for key, value in state.items()}}, temporary)
