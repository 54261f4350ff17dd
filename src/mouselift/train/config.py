"""A training run as one frozen value, and the recipes that give it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from mouselift.data.moves import Augmentation
from mouselift.errors import ModelError
from mouselift.models.gslrm.config import GSLRMConfig, from_scratch, released
from mouselift.models.lora import LoRAConfig
from mouselift.train.options import OptimiserName, TrackerName, TrainOptions, TrainPrecision


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What each part of the loss is multiplied with; 0 leaves it out. ModelError below 0 or where all are 0."""

    l2: float = 1.0  # mean squared difference over the whole image
    foreground: float = 0.0  # the same over the subject's pixels
    ssim: float = 0.0  # 1 - SSIM
    perceptual: float = 0.0  # features of VGG19; needs their weights
    alpha: float = 0.0  # mean squared difference of the silhouettes
    effective_rank: float = 0.0  # Gaussians that are needles
    opacity: float = 0.0  # Gaussians that are neither there nor gone

    def __post_init__(self) -> None:
        values = [getattr(self, name) for name in self.__dataclass_fields__]
        if min(values) < 0:
            raise ModelError(f"losses: expected weights of at least 0, got {self}")
        if not (self.l2 or self.foreground or self.ssim or self.perceptual):
            raise ModelError("losses: expected at least one that compares colours (l2, foreground, ssim, perceptual)")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All that decides what a run does. ModelError for numbers that are out of range or do not fit together."""

    recipe: str
    network: GSLRMConfig
    updates: int  # steps of the optimiser
    learning_rate: float  # after the warm-up
    checkpoint: Path | None = None  # weights to begin from; None: random ones
    lora: LoRAConfig | None = None  # low-rank factors train, and what they name
    last_blocks: int | None = None  # only so many transformer blocks train, and the heads; None: all
    # data
    size: int | None = None  # pixels a side; None: as stored
    inputs: int = 4  # views that go in, drawn anew for each sample
    input_views: tuple[str, ...] = ()  # these go in instead, by name, in every sample; then `inputs` is their number
    fewest_inputs: int | None = None  # how many go in is drawn for each batch, so many to `inputs`; None: `inputs`
    targets: int | None = None  # views that are rendered and compared, inputs among them; None: all not held out
    target_views: tuple[str, ...] = ()  # these are compared instead, by name, whether they go in or not
    hold_out: tuple[str, ...] = ()  # views that training never sees; (): the first sample's last; ("none",): none
    augment: Augmentation | None = None
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    seed: int = 0
    # optimisation
    batch: int = 1  # samples at a time, in each process
    accumulate: int = 1  # batches an update
    optimiser: OptimiserName = "adamw"  # adamw8bit: its means in 8 bits (extra `adamw8bit`)
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05  # of matrices; none for vectors (norms)
    warmup: int = 500  # updates
    clip: float = 1.0  # norm of the gradient
    ema: float = 0.0  # decay of the weights' running mean; 0: none
    precision: TrainPrecision = "float32"
    recompute: bool = False  # keep only the tokens between blocks, compute the rest anew in the backward pass
    losses: LossWeights = field(default_factory=LossWeights)
    vgg: Path | None = None  # weights of the perceptual loss; None: those in the checkpoint
    shard_weights: bool = False  # each of several processes keeps a part of every weight (FSDP2); else each keeps all
    views_at_once: int = 1  # targets drawn before their gradients are taken: bounds the renderer's memory
    # following
    validate_every: int = 0  # updates; 0: never
    validation_samples: int = 8
    keep_every: int = 0  # updates; 0: the last and the best weights only
    save_minutes: float = 5.0  # between states on disk
    readers: int = 1  # processes that read ahead; the result does not depend on them
    facelift_file: bool = False  # at the end, also the file that FaceLift's own loader takes
    log_to: tuple[TrackerName, ...] = ()  # trackers that are fed beside the log
    device: str | None = None

    def __post_init__(self) -> None:
        least = {"updates": 1, "inputs": 1, "batch": 1, "accumulate": 1, "views_at_once": 1, "validation_samples": 1}
        least |= {"warmup": 0, "validate_every": 0, "keep_every": 0, "readers": 0}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ModelError(f"{name}: expected at least {smallest}, got {getattr(self, name)}")
        for name in ("learning_rate", "clip", "save_minutes"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ModelError(f"{name}: expected a positive number, got {getattr(self, name)}")
        if not 0 <= self.ema < 1 or self.weight_decay < 0:
            raise ModelError(f"expected 0 <= ema < 1 and weight_decay >= 0, got {self.ema} and {self.weight_decay}")
        if self.targets is not None and self.targets < self.inputs:
            raise ModelError(f"expected as many targets as inputs at least, got {self.targets} and {self.inputs}")
        self._check_names()
        if self.size is not None and (self.size < 1 or self.size % self.network.patch_size):
            raise ModelError(f"size: expected a multiple of {self.network.patch_size} pixels, got {self.size}")
        if self.lora is not None and self.last_blocks is not None:
            raise ModelError("expected either lora or last_blocks, got both: each says what trains")
        if self.last_blocks is not None and not 0 <= self.last_blocks <= self.network.layers:
            raise ModelError(f"last_blocks: expected 0 .. {self.network.layers}, got {self.last_blocks}")

    def _check_names(self) -> None:
        if self.input_views and len(set(self.input_views)) != self.inputs:
            raise ModelError(
                f"input_views: expected {self.inputs} different views (inputs), got {', '.join(self.input_views)}"
            )
        if self.fewest_inputs is not None and not 1 <= self.fewest_inputs <= self.inputs:
            raise ModelError(f"fewest_inputs: expected 1 .. {self.inputs} (inputs), got {self.fewest_inputs}")
        if self.target_views and self.targets is not None:
            raise ModelError("expected either targets (how many) or target_views (which), got both")
        both = sorted(set(self.hold_out) & {*self.input_views, *self.target_views})
        if both:
            raise ModelError(
                f"hold_out: training never sees {', '.join(both)}, but input_views or target_views name it"
            )

    def check_ready(self) -> None:
        """Before a run. ModelError where weights are needed that no file gives."""
        if (self.lora is not None or self.last_blocks is not None) and self.checkpoint is None:
            raise ModelError("weights that stay as they are must come from somewhere: give a checkpoint (--checkpoint)")
        if self.facelift_file and self.checkpoint is None and self.vgg is None:
            raise ModelError("facelift_file: FaceLift's loader wants VGG19's weights too: give a checkpoint with them")
        if self.losses.perceptual and self.checkpoint is None and self.vgg is None:
            raise ModelError("the perceptual loss needs VGG19's weights: give a checkpoint that holds them, or vgg")
        if self.shard_weights and self.precision == "float16":
            raise ModelError(
                "shard weights: expected float32 or bfloat16, got float16, whose scaling is not shared over ranks"
            )
        if self.shard_weights and self.optimiser == "adamw8bit":
            raise ModelError(
                "shard weights: expected the optimiser adamw, got adamw8bit, whose means cannot be divided"
            )

    def samples_an_update(self, processes: int) -> int:
        """Of all processes together."""
        return self.batch * self.accumulate * processes

    @property
    def vgg_file(self) -> Path:
        """Where VGG19's weights are; `check_ready` says where there is no such file."""
        return self.vgg or self.checkpoint or Path()

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the run's description."""
        return msgspec.to_builtins(self, enc_hook=str)


def tiny_cpu() -> TrainConfig:
    """From random weights on two CPU cores in minutes: 64 px, 1.4 million parameters. A demonstration, no product."""
    return TrainConfig(
        recipe="tiny_cpu",
        network=from_scratch(),
        updates=1500,
        learning_rate=1e-3,
        warmup=50,
        batch=2,
        size=64,
        inputs=4,
        augment=Augmentation(world_turn=True),
        losses=LossWeights(l2=1.0, foreground=0.3, alpha=0.3),
        validate_every=250,
        device="cpu",
    )


def box() -> TrainConfig:
    """The small network that comes with mouselift: 128 px, three to six views, 2.9 million parameters, two CPU cores.

    From random weights in hours (experiments/box), or on from those that come with it (`checkpoint`).
    """
    return replace(
        tiny_cpu(),
        recipe="box",
        network=replace(from_scratch(), width=192, pixel_width=0.02),  # FaceLift's cameras at 128 px
        updates=4000,
        warmup=100,
        batch=8,
        size=128,
        inputs=6,
        fewest_inputs=3,
        ema=0.995,
        validate_every=500,
        validation_samples=24,
    )


def rtx3060() -> TrainConfig:
    """The released network on one 12 GB card: 384 px, four views in, LoRA, bfloat16. Give `checkpoint`."""
    return TrainConfig(
        recipe="rtx3060",
        network=released(),
        lora=LoRAConfig(rank=16, also_train=("pixel_gaussian_decoder", "gaussian_upsampler")),
        updates=8000,
        learning_rate=1e-5,
        warmup=500,
        batch=1,
        accumulate=4,
        size=384,
        inputs=4,
        precision="bfloat16",
        recompute=True,
        losses=LossWeights(l2=1.0, foreground=0.3, alpha=0.3),
        validate_every=500,
        readers=2,
    )


def full() -> TrainConfig:
    """The released network whole, on a card of 24 GB and more: 512 px, perceptual loss. Give `checkpoint`."""
    return replace(
        rtx3060(),
        recipe="full",
        lora=None,
        learning_rate=1e-6,
        batch=2,
        accumulate=1,
        size=512,
        clip=50.0,
        losses=LossWeights(l2=1.0, perceptual=0.5, alpha=0.3),
    )


def cluster() -> TrainConfig:
    """`full` on several cards, a process each, started by torchrun. Give `checkpoint`.

    The learning rate is the one reported for two samples an update; it is not scaled with the number of cards.
    """
    return replace(full(), recipe="cluster", readers=4)


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    recipe.__name__: recipe for recipe in (tiny_cpu, box, rtx3060, full, cluster)
}


def resolve(recipe: str | TrainConfig, options: TrainOptions) -> TrainConfig:
    """The recipe's config with the options' changes. ModelError for a recipe that does not exist."""
    if isinstance(recipe, str) and recipe not in RECIPES:
        raise ModelError(f"recipe: expected one of {', '.join(RECIPES)}, got {recipe!r}")
    config = RECIPES[recipe]() if isinstance(recipe, str) else recipe
    changes = options.changes
    if options.input_views and options.inputs is None:
        changes["inputs"] = len(options.input_views)
    return replace(config, **changes)  # pyright: ignore[reportArgumentType]
