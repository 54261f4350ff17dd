"""What trains, the optimiser, its schedule, and one guarded step."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mouselift.errors import MissingExtraError
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.lora import inject, trainable
from mouselift.train.config import TrainConfig
from mouselift.train.ranks import sharded_as, whole_here


def freeze(model: GSLRM, config: TrainConfig) -> list[str]:
    """Leaves on what the config lets train; its names. LoRA's factors begin by torch's generator (seed it)."""
    if config.lora is not None:
        return inject(model, config.lora)
    model.requires_grad_(True)
    if config.last_blocks is not None:
        model.requires_grad_(False)
        open_blocks = list(model.transformer_layers)[len(model.transformer_layers) - config.last_blocks :]
        for part in (*open_blocks, model.gaussian_upsampler, model.pixel_gaussian_decoder):
            part.requires_grad_(True)
    return trainable(model)


def rate_factor(update: int, warmup: int, updates: int) -> float:
    """Share of the learning rate at an update, counted from 0: update / warmup, then half a cosine down to 0."""
    if update < warmup:
        return update / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (update - warmup) / max(1, updates - warmup)))


def adamw(model: nn.Module, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    """Two groups: matrices decay, vectors (norms) do not; LoRA's factors are matrices."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for _, p in named if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for _, p in named if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimiser == "adamw8bit":
        return _bitsandbytes().optim.AdamW8bit(groups, lr=config.learning_rate, betas=config.betas)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=device.type == "cuda")


def _bitsandbytes() -> Any:
    """MissingExtraError names the line that installs it: never another optimiser instead."""
    try:
        return importlib.import_module("bitsandbytes")
    except ImportError as error:
        raise MissingExtraError(
            f"--optimiser adamw8bit needs the package bitsandbytes ({error}); install it with: "
            "pip install 'mouselift[adamw8bit]'"
        ) from None


@dataclass(frozen=True)
class Step:
    """What one update did."""

    norm: float  # of the gradient before it was clipped
    taken: bool  # False: the gradient was not finite, and nothing changed


@dataclass(eq=False)
class Optimiser:
    """AdamW, schedule, gradient scaling for float16, and the running mean of the weights."""

    model: nn.Module
    config: TrainConfig
    device: torch.device
    skipped: int = 0  # updates whose gradient was not finite
    ema: dict[str, Tensor] = field(default_factory=dict)  # of what trains; empty: none is kept
    inner: torch.optim.Optimizer = field(init=False)
    scaler: torch.amp.GradScaler = field(init=False)

    def __post_init__(self) -> None:
        self.inner = adamw(self.model, self.config, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.config.precision == "float16")
        if self.config.ema:
            self.ema = {name: p.detach().clone() for name, p in self._named()}

    def step(self, update: int) -> Step:
        """Clips and applies the gradients that were gathered, and forgets them. Not finite: skipped and counted."""
        rate = self.config.learning_rate * rate_factor(update, self.config.warmup, self.config.updates)
        for group in self.inner.param_groups:
            group["lr"] = rate
        self.scaler.unscale_(self.inner)
        norm = float(whole_here(nn.utils.clip_grad_norm_([p for _, p in self._named()], self.config.clip)))
        taken = math.isfinite(norm)
        if taken:
            self.scaler.step(self.inner)
            self._average()
        else:
            self.skipped += 1
        self.scaler.update()
        self.inner.zero_grad(set_to_none=True)
        return Step(norm, taken)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the model holds the running mean of its weights, where one is kept: what is validated and saved."""
        with torch.no_grad():
            own = {name: p.detach().clone() for name, p in self._named()} if self.ema else {}
            try:
                for name, parameter in self._named() if self.ema else ():
                    parameter.copy_(self.ema[name])
                yield
            finally:
                for name, parameter in self._named() if self.ema else ():
                    parameter.copy_(own[name])

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, weights that train included."""
        return {
            "weights": {name: p.detach() for name, p in self._named()},
            "adamw": self.inner.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": self.ema,
            "skipped": self.skipped,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """What `state` gave, whole, on this device. KeyError where a weight is missing."""
        named = dict(self._named())
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(sharded_as(state["weights"][name], parameter))
        of_each = dict(enumerate(p for group in self.inner.param_groups for p in group["params"]))
        moments = {
            number: {key: sharded_as(value, of_each[number]) for key, value in found.items()}
            for number, found in state["adamw"]["state"].items()
        }
        self.inner.load_state_dict({**state["adamw"], "state": moments})
        self.scaler.load_state_dict(state["scaler"])
        self.ema = {name: sharded_as(value.to(self.device), named[name]) for name, value in state["ema"].items()}
        self.skipped = state["skipped"]

    def _average(self) -> None:
        with torch.no_grad():
            for name, parameter in self._named() if self.ema else ():
                self.ema[name].lerp_(parameter, 1.0 - self.config.ema)

    def _named(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
