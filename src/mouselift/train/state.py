"""What a run leaves in its folder: weights that others load, the state to go on from, the log.

OUT/train.json         the resolved config, the dataset's fingerprint, versions: what two runs must share
OUT/last.safetensors   the latest weights, as `reconstruct` takes them (LoRA's factors merged)
OUT/best.safetensors   those with the best held-out foreground PSNR
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

import msgspec
import torch

from mouselift.atomic import whole_file, write_whole
from mouselift.errors import CheckpointError
from mouselift.models.gslrm.facelift import save_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.lora import merged_state

DESCRIPTION, STATE, LOG = "train.json", "state.pt", "log.jsonl"
LAST, BEST = "last.safetensors", "best.safetensors"


class LogLine(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One update, or one validation."""

    update: int  # finished, so from 1
    kind: str = "update"
    loss: float | None = None  # weighted
    parts: dict[str, float] = {}  # unweighted
    views: dict[str, float] = {}  # each target camera's weighted loss; of a validation its foreground PSNR
    rate: float | None = None
    norm: float | None = None  # of the gradient before clipping
    taken: bool = True  # False: the gradient was not finite
    covered: float | None = None  # mean alpha drawn over that of the targets
    seconds: float | None = None
    waited: float | None = None  # of these seconds, for data
    psnr: float | None = None  # dB, held-out views, foreground
    iou: float | None = None


@dataclass
class RunState:
    """Where a run stands, beside its weights."""

    update: int = 0  # finished
    best: float = float("-inf")  # held-out foreground PSNR


def save_state(folder: Path, state: RunState, optimiser: Mapping[str, Any]) -> None:
    """Whole or not at all. OutputError where the disk is full: the state before stays."""
    with whole_file(folder / STATE, replace=True) as temporary, temporary.open("wb") as file:
        torch.save({"update": state.update, "best": state.best, "optimiser": optimiser}, file)


def load_state(folder: Path, device: torch.device) -> tuple[RunState, dict[str, Any]] | None:
    """What `save_state` wrote; None where there is none. CheckpointError where the file is none of ours."""
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        found = torch.load(path, map_location=device, weights_only=True)
        return RunState(found["update"], found["best"]), found["optimiser"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: expected the state of a training run, got a file that cannot be read ({error}); remove it to "
            "begin anew"
        ) from None


def save_weights(model: GSLRM, *paths: Path) -> None:
    """The network as others load it: LoRA merged, float32, made on the CPU."""
    with torch.device("meta"):
        own = GSLRM(model.config)
    own.load_state_dict(merged_state(model), strict=True, assign=True)
    for path in paths:
        save_gslrm(own, path, overwrite=True)


def read_log(folder: Path) -> list[LogLine]:
    """All whole lines."""
    path = folder / LOG
    lines: list[LogLine] = []
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            lines.append(msgspec.json.decode(line, type=LogLine))
        except msgspec.DecodeError:  # a killed run was writing it
            continue
    return lines


def cut_log(folder: Path, update: int) -> None:
    """Forgets what was logged after `update`: those updates are made again."""
    kept = [line for line in read_log(folder) if line.update <= update]
    write_whole(folder / LOG, b"".join(msgspec.json.encode(line) + b"\n" for line in kept), replace=True)


def append_log(folder: Path, line: LogLine) -> None:
    with (folder / LOG).open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")
