"""The perceptual loss of the release: VGG19's features, average pooling, weights that the user's checkpoint holds.

Images in 0..1 enter as 255 * rgb less ImageNet's means. Features after the ReLU of convolutions 2, 4, 6, 10 and 14;
loss = (L1 of the images + sum of the features' L1, each divided by `_DIVISORS`) / 255, L1 being the mean absolute
difference. The first term adds a plain L1 loss, so that equal features alone are not enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, relu

from mouselift.array_types import Float
from mouselift.errors import CheckpointError
from mouselift.models.gslrm.facelift import State, check_weights, read_state

PREFIX = "loss_calculator.perceptual_loss_module.net."  # in the released checkpoint
CHANNELS = (64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512)
_POOLED_AFTER = (2, 4, 8, 12)  # convolutions after which the image is halved
_READ = {2: 2.6, 4: 4.8, 6: 3.7, 10: 5.6, 14: 1.5 / 10}  # convolution -> what its features' difference is divided by
_MEANS = (123.68, 116.779, 103.939)  # red, green, blue
_LEAST = 16  # pixels a side: four halvings


@dataclass(frozen=True, eq=False)
class PerceptualLoss:
    """Frozen; gradients flow to the first image only."""

    state: State  # conv1.weight ... conv14.bias, float32

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> PerceptualLoss:
        """From a checkpoint that holds the release's loss, or a state dict with conv1.weight .. conv16.bias.

        CheckpointError: no file, no such weights, other shapes, numbers that are not finite.
        """
        own = vgg_weights(path)
        used = {key: own[key].float().to(device) for key in _shapes() if int(key[4:].split(".")[0]) <= max(_READ)}
        return cls(used)

    def __call__(self, a: Float[Tensor, "3 h w"], b: Float[Tensor, "3 h w"]) -> Float[Tensor, ""]:
        """Of two images in 0..1, at least 16 pixels a side (ValueError)."""
        if min(a.shape[1:]) < _LEAST:
            raise ValueError(f"PerceptualLoss: expected at least {_LEAST} pixels a side, got {tuple(a.shape[1:])}")
        means = torch.tensor(_MEANS, device=a.device)[:, None, None]
        x, y = 255.0 * a[None].float() - means, 255.0 * b[None].float() - means
        total = (x - y).abs().mean()
        for number in range(1, max(_READ) + 1):
            weight, bias = self.state[f"conv{number}.weight"], self.state[f"conv{number}.bias"]
            x = relu(conv2d(x, weight, bias, padding=1))
            with torch.no_grad():
                y = relu(conv2d(y, weight, bias, padding=1))
            if number in _READ:
                total = total + (x - y).abs().mean() / _READ[number]
            if number in _POOLED_AFTER:
                x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)
        return total / 255.0


def vgg_weights(path: Path) -> State:
    """conv1.weight .. conv16.bias of such a file, as they are stored. CheckpointError as `PerceptualLoss.load`."""
    state = {key.removeprefix("module."): value for key, value in read_state(path)[0].items()}
    own = {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}
    own = own or {key: value for key, value in state.items() if key.startswith("conv")}
    if not own:
        raise CheckpointError(
            f"{path}: expected the perceptual loss's weights ({PREFIX}conv1.weight ...), found none of them; give "
            "a checkpoint that holds them (vgg), or train without that loss"
        )
    check_weights(path, own, _shapes(), "the 32 weights of VGG19's convolutions", "Another network's?")
    return own


def _shapes() -> dict[str, tuple[int, ...]]:
    out: dict[str, tuple[int, ...]] = {}
    for number, (before, channels) in enumerate(zip((3, *CHANNELS), CHANNELS, strict=False), start=1):
        out[f"conv{number}.weight"] = (channels, before, 3, 3)
        out[f"conv{number}.bias"] = (channels,)
    return out
