"""What a training step needs of a card's memory, known without the card: one step on tensors that have no data.

The network's forward and backward pass and the optimiser's step run under torch's fake tensors, which know shapes and
types only; every storage that is made is counted until it dies. The renderer cannot run so: its share is a formula.
Counted is what tensors hold. What a driver and an allocator take on top is stated apart: `RESERVED` on CUDA.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from mouselift.errors import ModelError
from mouselift.models.gslrm.config import HULL_CHANNELS
from mouselift.models.gslrm.model import GSLRM
from mouselift.train.config import TrainConfig
from mouselift.train.gradients import network_gaussians
from mouselift.train.optimiser import Optimiser, freeze

RESERVED = 0.8e9  # bytes of a card that CUDA's context, its libraries' work spaces and fragments take; not measured
_SPLAT = 250  # bytes a Gaussian of a view that is drawn with gradients (`render.cpu`, and its activated copy's: 2 x 56)
_TILES = 8  # that a Gaussian of pixels touches in a view, in the mean
_TILE = 42  # bytes for each, with gradients
_LEAST_8BIT, _BLOCK_8BIT = 4096, 256  # of bitsandbytes: smaller tensors keep float32; numbers that share a scale
_PIXEL = 3 * 4 * 6  # of an image that is drawn: colour, alpha, target, their differences and gradients


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes at the peak of a step, by what holds them."""

    weights: int
    gradients: int
    optimiser: int  # its two means, and the running mean of the weights
    activations: int  # what the network's passes keep and hold at once
    renderer: int  # Gaussians, their gradients, the images of one group of views
    trained: int  # parameters that train
    parameters: int

    @property
    def peak(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.renderer

    def on_card(self) -> float:
        """With what CUDA itself takes."""
        return self.peak + RESERVED


def step_memory(config: TrainConfig, side: int | None = None, patches: int | None = None) -> MemoryEstimate:
    """Of one update. side: where the config keeps the dataset's own size; ModelError where neither says it.

    patches: of a view, that the subject touches, where the network leaves the others out; None: all of them, the most
    that can be.
    """
    size = config.size or side
    if size is None:
        raise ModelError("the memory depends on the images' size: give --size, or a dataset")
    if patches is not None and config.network.mask_margin is None:
        raise ModelError("patches: this network makes tokens of all patches, whatever the subject touches")
    patch = config.network.patch_size
    # The network does not know where its patches lie: fewer of them are a smaller image.
    shape = (size, size) if patches is None else (patch, patches * patch)
    gaussians = config.batch * config.network.gaussians(config.inputs, *shape)
    drawn = gaussians // config.batch * config.views_at_once
    renderer = drawn * (_SPLAT + _TILES * _TILE) + config.views_at_once * size * size * _PIXEL
    with FakeTensorMode(allow_non_fake_inputs=False):
        model = _model(config)
        plain = replace(config, precision=_computed(config), optimiser="adamw")  # a library's kernels take no fakes
        optimiser = Optimiser(model, plain, torch.device("cpu"))
        counter = _Counter(model, optimiser)
        with counter:
            _step(model, optimiser, config, shape, counter, renderer)
            counter.again()  # the first step makes the optimiser's means; from the second on they are there
            _step(model, optimiser, config, shape, counter, renderer)
    parameters = list(model.parameters())
    found = counter.at_peak()
    if config.optimiser == "adamw8bit":
        found = replace(found, optimiser=found.optimiser - _saved([p for p in parameters if p.requires_grad]))
    return replace(
        found,
        trained=sum(p.numel() for p in parameters if p.requires_grad),
        parameters=sum(p.numel() for p in parameters),
    )


def _saved(trained: Sequence[Tensor]) -> int:
    """Bytes that two means in 8 bits take less than in 32: tensors of `_LEAST_8BIT` numbers and more, in blocks with a
    float32 each."""
    large = [p.numel() for p in trained if p.numel() >= _LEAST_8BIT]
    return sum(2 * (4 * count - count - 4 * -(-count // _BLOCK_8BIT)) for count in large)


def check_card(config: TrainConfig, side: int, free: float) -> None:
    """Before a run: ModelError where a step needs more than `free` bytes, with what would fit.

    A network that leaves patches out needs less than is counted here: of it, nothing is said.
    """
    if config.network.mask_margin is not None:
        return
    needed = step_memory(config, side).on_card()
    if needed <= free:
        return
    helps = fitting(config, free, side)
    raise ModelError(
        f"{config.recipe}: expected at most the {free / 1e9:.1f} GB that are free on the card, a step needs about "
        f"{needed / 1e9:.1f} GB (mouselift train {config.recipe} --dry-run); "
        + (f"would fit: {'; '.join(helps)}" if helps else "no smaller step that is known here fits: take a larger card")
    )


def fitting(config: TrainConfig, budget: float, side: int | None = None) -> list[str]:
    """What would make a step fit in `budget` bytes, the mildest first, in words with the figures."""
    said: list[str] = []
    size = config.size or side
    for text, change in _changes(config, size):
        needed = step_memory(change, side).on_card()
        if needed <= budget:
            said.append(f"{text}: {needed / 1e9:.1f} GB")
    return said


def _changes(config: TrainConfig, size: int | None) -> Iterable[tuple[str, TrainConfig]]:
    if not config.recompute:
        yield "recompute blocks in the backward pass (recompute=True)", replace(config, recompute=True)
    if config.batch > 1:
        more = config.accumulate * config.batch
        yield f"--batch 1 --accumulate {more}", replace(config, batch=1, accumulate=more, recompute=True)
    if config.precision == "float32":
        yield "--precision bfloat16", replace(config, precision="bfloat16", batch=1, recompute=True)
    if config.optimiser == "adamw":
        yield "--optimiser adamw8bit", replace(config, optimiser="adamw8bit", batch=1, recompute=True)
    patch = config.network.patch_size
    for share in (0.75, 0.5):
        if size is not None:
            smaller = max(patch, int(size * share) // patch * patch)
            yield f"--size {smaller}", replace(config, size=smaller, batch=1, recompute=True)
    if config.inputs > 2:
        yield f"--inputs {config.inputs - 1}", replace(config, inputs=config.inputs - 1, batch=1, recompute=True)


def _computed(config: TrainConfig) -> Any:
    """float16's scaler counts numbers that a fake tensor does not have; its memory is none."""
    return "bfloat16" if config.precision == "float16" else config.precision


def _model(config: TrainConfig) -> GSLRM:
    """With the config's own choice of what trains; initial values are not asked for."""
    given = torch.nn.init.trunc_normal_
    torch.nn.init.trunc_normal_ = lambda tensor, **_: (
        tensor
    )  # a loop until all values are within bounds: fakes have none
    try:
        model = GSLRM(replace(config.network, mask_margin=None))  # masks would have to be looked at
    finally:
        torch.nn.init.trunc_normal_ = given
    model.checkpoint_activations = config.recompute
    freeze(model, config)
    return model.train()


def _step(
    model: GSLRM, optimiser: Optimiser, config: TrainConfig, shape: tuple[int, int], counter: _Counter, renderer: int
) -> None:
    b, v = config.batch, config.inputs
    image, c2w, fxfycxcy = torch.empty(b, v, 4, *shape), torch.empty(b, v, 4, 4), torch.empty(b, v, 4)
    hull = torch.empty(b, v, HULL_CHANNELS, *shape) if config.network.needs_hull else None
    stored = network_gaussians(model, image, c2w, fxfycxcy, _computed(config), hull)
    leaves = stored.each(lambda part: part.detach().clone())
    gradients = [torch.empty_like(part) for part in leaves.parts]
    counter.note(renderer)  # while the network's graph and the Gaussians' gradients are held
    pairs = [(end, g) for end, g in zip(stored.parts, gradients, strict=True) if end.requires_grad]
    del leaves, stored
    torch.autograd.backward([end for end, _ in pairs], [g for _, g in pairs])
    del gradients, pairs
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], config.clip, foreach=False)
    optimiser.inner.step()
    optimiser.inner.zero_grad(set_to_none=True)


class _Counter(TorchDispatchMode):
    """Bytes of all storages that live, by whom they belong to; the sums at the moment of the largest."""

    def __init__(self, model: GSLRM, optimiser: Optimiser) -> None:
        super().__init__()
        self._parameters, self._optimiser = list(model.parameters()), optimiser
        self._weights, self._mean = _bytes(self._parameters), _bytes(list(optimiser.ema.values()))
        self._live: dict[int, int] = {}
        self._now = 0  # bytes besides weights and running mean, which were there before
        self._known = {t.untyped_storage()._cdata for t in (*self._parameters, *optimiser.ema.values())}
        self._peak = self._sums(0, 0, 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in _tensors(out):
            self._add(tensor)
        return out

    def note(self, extra: int = 0) -> None:
        """Compares the present sums, `extra` bytes of a renderer among them, with the largest so far."""
        if self._weights + self._mean + self._now + extra > self._peak.peak:
            gradients = _bytes([p.grad for p in self._parameters if p.grad is not None])
            means = [t for state in self._optimiser.inner.state.values() for t in state.values()]
            self._peak = self._sums(gradients, _bytes([t for t in means if isinstance(t, Tensor)]), extra)

    def again(self) -> None:
        """Forgets the largest."""
        self._peak = self._sums(0, 0, 0)

    def _sums(self, gradients: int, means: int, renderer: int) -> MemoryEstimate:
        rest = self._now - gradients - means
        return MemoryEstimate(self._weights, gradients, means + self._mean, rest, renderer, 0, 0)

    def at_peak(self) -> MemoryEstimate:
        return self._peak

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._live or key in self._known:
            return
        size = storage.nbytes()
        self._live[key] = size
        self._now += size
        weakref.finalize(storage, self._remove, key)
        self.note()

    def _remove(self, key: int) -> None:
        self._now -= self._live.pop(key, 0)


def _bytes(tensors: Sequence[Tensor | None]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)


def _tensors(value: Any) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
