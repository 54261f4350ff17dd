"""What a run leaves in its folder: weights that others load, the state to go on from, the log.

OUT/train.json         the resolved config, the dataset's fingerprint, versions: what two runs must share
OUT/last.safetensors   the latest weights, as `reconstruct` takes them (LoRA's factors merged)
OUT/best.safetensors   those with the best held-out views: foreground PSNR and overlap (`LogLine.merit`)
OUT/update_000500.safetensors   kept every so often, where asked
OUT/state.pt           weights that train, optimiser, running mean, counters
OUT/log.jsonl          a line an update; validations among them
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mouselift.atomic import whole_file
from mouselift.errors import CheckpointError
from mouselift.models.gslrm.facelift import save_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.lora import merged_state

STATE = "state.pt"


@dataclass
class RunState:
    """Where a run stands, beside its weights."""

    update: int = 0  # finished
    best: float = float("-inf")  # of the best validation, `LogLine.merit`
    best_psnr: float = float("-inf")  # its foreground PSNR, dB


def save_state(folder: Path, state: RunState, optimiser: Mapping[str, Any]) -> None:
    """Whole or not at all. OutputError where the disk is full: the state before stays."""
    with whole_file(folder / STATE, replace=True) as temporary, temporary.open("wb") as file:
        torch.save({"update": state.update, "best": (state.best, state.best_psnr), "optimiser": optimiser}, file)


def load_state(folder: Path, device: torch.device) -> tuple[RunState, dict[str, Any]] | None:
    """What `save_state` wrote; None where there is none. CheckpointError where the file is none of ours."""
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        found = torch.load(path, map_location=device, weights_only=True)
        return RunState(found["update"], *found["best"]), found["optimiser"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: expected the state of a training run, got a file that cannot be read ({error}); remove it to "
            "begin anew"
        ) from None


def save_weights(model: GSLRM, path: Path, weights: Mapping[str, Tensor] | None = None) -> None:
    """The network as others load it: LoRA merged, float32, made on the CPU. weights: as `merged_state`."""
    with torch.device("meta"):
        own = GSLRM(model.config)
    own.load_state_dict(merged_state(model, weights), strict=True, assign=True)
    save_gslrm(own, path, overwrite=True)
