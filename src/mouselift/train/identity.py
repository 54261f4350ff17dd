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
from mouselift.dataset.layout import CAMERAS_FILE, LISTS, find_samples, split_samples
from mouselift.dataset.sample import read_sample
from mouselift.errors import DatasetError
from mouselift.run_folder import file_digest
from mouselift.train.config import TrainConfig

# of the config: a run and its continuation may differ in them, but not in the product of the last two and the number
# of processes
_PLACES = ("device", "readers", "save_minutes", "log_to", "facelift_file", "shard", "batch", "accumulate")
_TOGETHER = "samples an update (batch x accumulate x processes)"


def split(dataset: Path) -> tuple[list[Path], list[Path]]:
    """(training, validation) samples: by the lists where there are some, else the last tenth validates."""
    if training_list(dataset) != dataset:
        return split_samples(dataset, "train"), split_samples(dataset, "val")
    found = find_samples(dataset)
    count = max(1, len(found) // 10)
    if len(found) < 2:
        raise DatasetError(f"{dataset}: expected at least two samples, to train and to validate, got {len(found)}")
    return found[:-count], found[-count:]


def training_list(dataset: Path) -> Path:
    """The list of what is trained on, where a folder has both lists (they may name samples elsewhere); else the
    dataset."""
    whole = dataset.is_dir() and all((dataset / name).is_file() for name in LISTS.values())
    return dataset / LISTS["train"] if whole else dataset


def identity(config: TrainConfig, train: list[Path], val: list[Path], processes: int) -> dict[str, object]:
    """What must be equal for a run to go on: all that decides the weights."""
    said = {key: value for key, value in config.as_json().items() if key not in _PLACES}
    said[_TOGETHER] = config.samples_an_update(processes)
    for key, path in (("checkpoint", config.checkpoint), ("vgg", config.vgg)):
        said[key] = None if path is None else {"file": path.name, "sha256": file_digest(path)}
    return {"config": said, "dataset": {"train": _fingerprint(train), "val": _fingerprint(val)}}


def _fingerprint(samples: list[Path]) -> dict[str, object]:
    """Names, cameras, and the sizes of the images."""
    digest = hashlib.sha256()
    for folder in samples:
        digest.update(f"{folder.name}\n{file_digest(folder / CAMERAS_FILE)}\n".encode())
        for view in read_sample(folder).views:
            digest.update(f"{view.path.name} {view.path.stat().st_size}\n".encode())
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
        **{key: getattr(config, key) for key in ("batch", "accumulate", "shard")},
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
