"""What a run is: its samples, what must be equal for it to go on, and each of its starts."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import torch

import mouselift
from mouselift.dataset.layout import LISTS, has_lists
from mouselift.dataset.open_store import open_store, split_stores
from mouselift.dataset.store import SampleStore
from mouselift.errors import DatasetError
from mouselift.fingerprint import file_digest
from mouselift.train.config import TrainConfig

# of the config: a run and its continuation may differ in them, but not in the product of the last two and the number
# of processes
_PLACES = ("device", "readers", "save_minutes", "log_to", "facelift_file", "shard_weights", "batch", "accumulate")
_TOGETHER = "samples an update (batch x accumulate x processes)"


def split(dataset: Path) -> tuple[SampleStore, SampleStore]:
    """(training, validation) samples: by the lists where there are some, else the last tenth validates."""
    by_lists = split_stores(dataset)
    if by_lists is not None:
        return by_lists
    found = open_store(dataset)
    count = max(1, len(found) // 10)
    if len(found) < 2:
        raise DatasetError(f"{dataset}: expected at least two samples, to train and to validate, got {len(found)}")
    return found.take(range(len(found) - count)), found.take(range(len(found) - count, len(found)))


def training_list(dataset: Path) -> Path:
    """The list of what is trained on, where a folder has both lists (they may name samples elsewhere); else the
    dataset."""
    return dataset / LISTS["train"] if has_lists(dataset) else dataset


def identity(config: TrainConfig, train: SampleStore, val: SampleStore, processes: int) -> dict[str, object]:
    """What must be equal for a run to go on: all that decides the weights."""
    said = {key: value for key, value in config.as_json().items() if key not in _PLACES}
    said[_TOGETHER] = config.samples_an_update(processes)
    for key, path in (("checkpoint", config.checkpoint), ("vgg", config.vgg)):
        said[key] = None if path is None else {"file": path.name, "sha256": file_digest(path)}
    return {"config": said, "dataset": {"train": _fingerprint(train), "val": _fingerprint(val)}}


def _fingerprint(samples: SampleStore) -> dict[str, object]:
    """Names, cameras, and the sizes of the images; the same for folders and their shards."""
    digest = hashlib.sha256()
    for place in range(len(samples)):
        facts = samples.facts(place)
        digest.update(f"{facts.name}\n{facts.cameras_sha256}\n".encode())
        for name, size in facts.images:
            digest.update(f"{name} {size}\n".encode())
    return {"samples": len(samples), "sha256": digest.hexdigest()}


def note_start(out: Path, update: int, config: TrainConfig, processes: int, device: torch.device, audit: str) -> None:
    """A line for every start of the run: where it began, on what, with which versions."""
    root = Path(mouselift.__file__).parent
    git = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    said = {
        "update": update,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "device": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "processes": processes,
        **{key: getattr(config, key) for key in ("batch", "accumulate", "shard_weights")},
        "threads": torch.get_num_threads(),
        "mouselift": mouselift.__version__,
        "git": git.stdout.strip() or None,
        "torch": str(torch.__version__),
        "python": sys.version.split()[0],
        "machine": platform.platform(),
        "audit": audit,
    }
    with (out / "starts.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(said) + b"\n")
