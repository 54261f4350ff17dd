"""LPIPS with VGG16 features: Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018. The user brings the weights.

Definition (section 3, equation 1): features after relu1_2, 2_2, 3_3, 4_3 and 5_3 of VGG16 (Simonyan and Zisserman
2014); each pixel's channels scaled to unit length; squared differences weighted by channel, mean over pixels; sum of
the five layers. Images enter in -1..1, less `SHIFT`, over `SCALE` (ImageNet's statistics on that range).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

from mouselift.array_types import Float
from mouselift.errors import CheckpointError
from mouselift.models.gslrm.facelift import State, check_weights, read_state

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
CHANNELS = (64, 128, 256, 512, 512)
# numbers of the convolutions among VGG16's layers, as state dicts name them; between rows the image is halved
CONVOLUTIONS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
_EPSILON = 1e-10  # added to a pixel's length: all channels may be zero


@dataclass(frozen=True, eq=False)
class Lpips:
    """The distance of two images; 0 for equal ones."""

    state: State  # float32, keys and shapes as `_shapes` says

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> Lpips:
        """From a `.pt` or `.safetensors` state dict: `net.slice1.0.weight` ... and `lin0.model.1.weight` ...

        (or `lins.0.model.1.weight` ...; both where they are equal). Read without running code. CheckpointError: no
        file, cut short, holds code; a weight missing, unexpected, of another shape or not finite; or input constants
        (`scaling_layer.*`) of another version.
        """
        state = _checked(path, read_state(path)[0])
        return cls({key: value.float().to(device) for key, value in state.items()})

    def __call__(self, a: Float[Tensor, "3 h w"], b: Float[Tensor, "3 h w"]) -> float:
        """Of two images in 0..1. ValueError below 16 pixels a side: nothing is left after four halvings."""
        if min(a.shape[1:]) < 16:
            raise ValueError(f"Lpips: expected at least 16 x 16 pixels, got {a.shape[2]} x {a.shape[1]}")
        device = self.state["lin0.model.1.weight"].device
        shift, scale = (torch.tensor(v, device=device)[:, None, None] for v in (SHIFT, SCALE))
        total = 0.0
        with torch.no_grad():
            x = ((2 * torch.stack([a, b]).to(device) - 1) - shift) / scale
            for s, layers in enumerate(CONVOLUTIONS):
                x = max_pool2d(x, 2) if s else x
                for k in layers:
                    name = f"net.slice{s + 1}.{k}"
                    x = relu(conv2d(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], padding=1))
                unit = x / (x.square().sum(dim=1, keepdim=True).sqrt() + _EPSILON)
                total += float(conv2d((unit[:1] - unit[1:]).square(), self.state[f"lin{s}.model.1.weight"]).mean())
        return total


def _shapes() -> dict[str, tuple[int, ...]]:
    """Every weight that must be there."""
    out: dict[str, tuple[int, ...]] = {}
    before = 3
    for s, (layers, channels) in enumerate(zip(CONVOLUTIONS, CHANNELS, strict=True)):
        for k in layers:
            out[f"net.slice{s + 1}.{k}.weight"] = (channels, before, 3, 3)
            out[f"net.slice{s + 1}.{k}.bias"] = (channels,)
            before = channels
        out[f"lin{s}.model.1.weight"] = (1, channels, 1, 1)
    return out


def _checked(path: Path, given: State) -> State:
    """The weights under their first names. CheckpointError unless they are all there, and nothing else."""
    state: State = {}
    for key, value in given.items():
        name = "lin" + key.removeprefix("lins.") if key.startswith("lins.") else key
        if name in state and not torch.equal(state[name], value):
            raise CheckpointError(f"{path}: {key} and {name} are the same weights under two names, but differ")
        state[name] = value
    for key, expected in (("scaling_layer.shift", SHIFT), ("scaling_layer.scale", SCALE)):
        found = state.pop(key, None)
        if found is not None and not torch.allclose(found.flatten().double(), torch.tensor(expected).double()):
            raise CheckpointError(f"{path}: {key}: expected {expected}, got {tuple(found.flatten().tolist())}")
    shapes = _shapes()
    whose = f"the {len(shapes)} weights of LPIPS with VGG16, features and linear layers in one state dict"
    check_weights(path, state, shapes, whose, "Weights of AlexNet, or the linear layers alone?")
    return state
