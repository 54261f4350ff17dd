"""What a training run is asked for beside its recipe. Nothing heavy is loaded here: `--help` reads it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from mouselift.ranges import PROCESSES, OptionalCount, OptionalFrame, OptionalSide, Range, Ranged

RecipeName = Literal["tiny_cpu", "box", "rtx3060", "full", "cluster"]
TrainPrecision = Literal["float32", "bfloat16", "float16"]
OptimiserName = Literal["adamw", "adamw8bit"]
TrackerName = Literal["tensorboard", "wandb"]  # of train.trackers


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Ranged):
    """Fields of the recipe to change; what is not given stays as the recipe says.

    OptionError for numbers out of range.
    """

    checkpoint: Path | None = None
    """The network's weights: FaceLift's released .pt, or .safetensors of mouselift; where training begins."""
    optimiser: OptimiserName | None = None
    """adamw8bit keeps AdamW's two means in 8 bits (bitsandbytes): 2 bytes a weight that trains in place of 8."""
    updates: OptionalCount = None
    """Steps of the optimiser."""
    learning_rate: Annotated[float | None, Range(1e-12, 1e3)] = None
    """Of the optimiser, after the warm-up."""
    batch: OptionalCount = None
    """Samples at a time; in each process, where torchrun started several."""
    accumulate: OptionalCount = None
    """Batches whose gradients make one update."""
    size: OptionalSide = None
    """Pixels a side, to which images are resized with their cameras; 256 needs a quarter of the memory of 512."""
    inputs: Annotated[int | None, Range(1, 1 << 10)] = None
    """Views that go in, drawn anew for each sample."""
    input_views: tuple[str, ...] = ()
    """Instead: the views that go in, by name, the same in every sample."""
    target_views: tuple[str, ...] = ()
    """Views that are rendered and compared, by name (default: all that are not held out)."""
    hold_out: tuple[str, ...] = ()
    """Views that are kept from the network, by name (default: the first sample's last view), or `none`."""
    precision: TrainPrecision | None = None
    """Of the network's linear layers while training."""
    shard_weights: bool = False
    """Each of several processes keeps a part of every weight only (FSDP2); else each keeps all."""
    device: str | None = None
    """cpu, cuda or cuda:1; CUDA where there is one, by default."""
    readers: Annotated[int | None, Range(0, PROCESSES)] = None
    """Processes that read samples ahead; 0: none."""
    validate_every: OptionalFrame = None
    """Updates between two validations on views that were held out; 0: never."""
    keep_every: OptionalFrame = None
    """Updates between two sets of weights that are kept beside the last and the best; 0: none."""
    facelift_file: bool | None = None
    """At the end also write last_facelift.pt, which FaceLift's own loader takes: the network and, from the checkpoint,
    its VGG."""
    log_to: tuple[TrackerName, ...] = ()
    """Also follow the run with tensorboard or wandb (WANDB_MODE=offline: on this machine alone); the log's own lines
    stay."""
    seed: Annotated[int | None, Range(0, (1 << 63) - 1)] = None
    """Of the first weights, the order of samples and the choice of views."""

    @property
    def changes(self) -> dict[str, object]:
        """The fields that are given."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value for name, value in given.items() if value is not None and value != () and value is not False
        }
