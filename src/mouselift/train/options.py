"""What a training run is asked for beside its recipe. Nothing heavy is loaded here: `--help` reads it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

RecipeName = Literal["tiny_cpu", "box", "rtx3060", "full", "cluster"]
TrainPrecision = Literal["float32", "bfloat16", "float16"]
OptimiserName = Literal["adamw", "adamw8bit"]
TrackerName = Literal["tensorboard", "wandb"]  # of train.trackers


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Fields of the recipe to change; what is not given stays as the recipe says."""

    checkpoint: Path | None = None
    """The network's weights: FaceLift's released .pt, or .safetensors of mouselift; where training begins."""
    optimiser: OptimiserName | None = None
    """adamw8bit keeps AdamW's two means in 8 bits (bitsandbytes): 2 bytes a weight that trains in place of 8."""
    updates: int | None = None
    """Steps of the optimiser."""
    learning_rate: float | None = None
    """Of the optimiser, after the warm-up."""
    batch: int | None = None
    """Samples at a time; in each process, where torchrun started several."""
    accumulate: int | None = None
    """Batches whose gradients make one update."""
    size: int | None = None
    """Pixels a side, to which images are resized with their cameras; 256 needs a quarter of the memory of 512."""
    inputs: int | None = None
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
    readers: int | None = None
    """Processes that read samples ahead; 0: none."""
    validate_every: int | None = None
    """Updates between two validations on views that were held out; 0: never."""
    keep_every: int | None = None
    """Updates between two sets of weights that are kept beside the last and the best; 0: none."""
    facelift_file: bool | None = None
    """At the end also write last_facelift.pt, which FaceLift's own loader takes: the network and, from the checkpoint,
    its VGG."""
    log_to: tuple[TrackerName, ...] = ()
    """Also follow the run with tensorboard or wandb (WANDB_MODE=offline: on this machine alone); the log's own lines
    stay."""
    seed: int | None = None
    """Of the first weights, the order of samples and the choice of views."""

    @property
    def changes(self) -> dict[str, object]:
        """The fields that are given."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value for name, value in given.items() if value is not None and value != () and value is not False
        }
