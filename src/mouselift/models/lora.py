"""Low-rank adaptation: y = W x + (alpha / rank) B A x with W frozen (Hu et al., 2021, arXiv:2106.09685).

The adapted layers keep their names, so the frozen weights keep the checkpoint's keys; the factors lie next to them as
`<layer>.lora_a` and `<layer>.lora_b`. B begins at zero: an adapted network begins as the one it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mouselift.array_types import Float
from mouselift.errors import ModelError

ATTENTION = ("attn.to_qkv", "attn.fc")
MLP = ("mlp.mlp.0", "mlp.mlp.2")


@dataclass(frozen=True)
class LoRAConfig:
    """What is adapted. ValueError for a rank below one."""

    rank: int = 16
    alpha: float = 16.0  # the factors' product is weighed by alpha / rank
    layers: tuple[str, ...] = ATTENTION + MLP  # linear layers by the ends of their names
    also_train: tuple[str, ...] = ()  # parameters by the beginnings of their names, such as "pixel_gaussian_decoder"

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.layers:
            raise ValueError(f"LoRAConfig: expected rank >= 1 and some layers, got {self.rank} and {self.layers}")


class LoRALinear(nn.Linear):
    """A frozen linear layer plus a low-rank update that trains. Takes over the layer's weight and bias."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.scale = alpha / rank
        device = layer.weight.device
        # float32 whatever the frozen weight's precision is: an optimiser's steps vanish in bfloat16
        self.lora_a = nn.Parameter(torch.empty(rank, layer.in_features, device=device))
        self.lora_b = nn.Parameter(torch.zeros(layer.out_features, rank, device=device))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, input: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        low = F.linear(input.to(self.lora_a.dtype), self.lora_a)
        update = F.linear(low, self.lora_b) * self.scale
        frozen = F.linear(input, self.weight, self.bias)
        return frozen + update.to(frozen.dtype)

    def merged(self) -> nn.Linear:
        """One plain layer with the same map; the sum is taken in float64."""
        layer = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        layer.weight = nn.Parameter(_sum(self.weight.detach(), self.lora_a.detach(), self.lora_b.detach(), self.scale))
        layer.bias = self.bias
        return layer


def inject(model: nn.Module, config: LoRAConfig) -> list[str]:
    """Adapts `model` in place and freezes all else; the names of the parameters that train.

    ModelError where an entry of `layers` or `also_train` meets nothing, or the model is adapted already.
    """
    if any(True for _ in _adapted(model)):
        raise ModelError("inject: this model has LoRA factors already; merge them first (models.lora.merge)")
    found = {
        end: [name for name, module in model.named_modules() if _ends(name, end) and isinstance(module, nn.Linear)]
        for end in config.layers
    }
    names = [name for name, _ in model.named_parameters()]
    found |= {start: [name for name in names if _starts(name, start)] for start in config.also_train}
    nothing = [wanted for wanted, names in found.items() if not names]
    if nothing:
        raise ModelError(f"inject: no linear layer or parameter of the model answers to {', '.join(nothing)}")
    model.requires_grad_(False)
    for name in dict.fromkeys(name for end in config.layers for name in found[end]):
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        model.set_submodule(name, LoRALinear(layer, config.rank, config.alpha))
    for start in config.also_train:
        for name in found[start]:
            model.get_parameter(name).requires_grad_(True)
    return trainable(model)


def merge(model: nn.Module) -> int:
    """Folds all factors into their layers, in place; how many. Gradients of frozen parameters stay off."""
    layers = list(_adapted(model))
    for name, layer in layers:
        plain = layer.merged()
        plain.requires_grad_(layer.weight.requires_grad)
        model.set_submodule(name, plain)
    return len(layers)


def merged_state(model: nn.Module, weights: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The state dict that `merge` would leave, on the CPU; the model stays as it is.

    weights: the model's whole ones, where it holds only a part of each.
    """
    state = {name: value.detach().cpu() for name, value in (weights or model.state_dict()).items()}
    for name, layer in _adapted(model):
        a, b = (state.pop(f"{name}.{factor}") for factor in ("lora_a", "lora_b"))
        state[f"{name}.weight"] = _sum(state[f"{name}.weight"], a, b, layer.scale)
    return state


def trainable(model: nn.Module) -> list[str]:
    """Names of the parameters that train."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def _sum(weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    return (weight.double() + scale * (b.double() @ a.double())).to(weight.dtype)


def _adapted(model: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    yield from ((name, module) for name, module in model.named_modules() if isinstance(module, LoRALinear))


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith(f".{end}")


def _starts(name: str, start: str) -> bool:
    return name == start or name.startswith(f"{start}.")
