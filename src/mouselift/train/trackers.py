"""Experiment trackers that a run is told to feed: TensorBoard, Weights & Biases. The log's own lines stay as they are.

Each library is imported only where it is asked for. A tracker gets the lines of `train.log` and the pictures of
validations; what it makes of them decides nothing of the weights.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mouselift.errors import MissingExtraError
from mouselift.media.images import read_image
from mouselift.train.log import LogLine
from mouselift.train.options import TrackerName

FOLDERS: dict[TrackerName, str] = {"tensorboard": "tensorboard", "wandb": "wandb"}  # in the run's


@runtime_checkable  # for the run-time type checks of the tests
class Tracker(Protocol):
    """Follows one run."""

    def add(self, line: LogLine, picture: Path | None = None) -> None:
        """A finished update, or a validation with its picture."""
        ...

    def close(self) -> None:
        """The run has ended, or was stopped by an error."""
        ...


class TensorBoard:
    """Event files in OUT/tensorboard. What a continuation makes again takes the place of what was there."""

    def __init__(self, folder: Path, update: int, config: dict[str, Any]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(_missing("tensorboard", error)) from None
        self._writer: Any = SummaryWriter(folder / FOLDERS["tensorboard"], purge_step=update + 1 if update else None)
        if not update:
            self._writer.add_text("config", "\n".join(f"    {key}: {value}" for key, value in config.items()), 0)

    def add(self, line: LogLine, picture: Path | None = None) -> None:
        for name, value in scalars(line).items():
            self._writer.add_scalar(name, value, line.update)
        if picture is not None:
            self._writer.add_image("validation/held_out", read_image(picture)[:, :, :3], line.update, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """One run a folder; WANDB_MODE=offline keeps it on this machine, in OUT/wandb.

    The update is a field of its own: what a continuation logs again is the same, and the service takes no step twice.
    """

    def __init__(self, folder: Path, update: int, config: dict[str, Any]) -> None:
        try:
            wandb = importlib.import_module("wandb")  # nothing here knows its types
        except ImportError as error:
            raise MissingExtraError(_missing("wandb", error)) from None
        self._wandb: Any = wandb
        own = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]  # the same folder goes on in the same run
        self._run = self._wandb.init(
            project="mouselift", name=folder.name, id=own, resume="allow", dir=str(folder), config=config
        )
        self._run.define_metric("*", step_metric="update")

    def add(self, line: LogLine, picture: Path | None = None) -> None:
        values: dict[str, Any] = {"update": line.update, **scalars(line)}
        if picture is not None:
            values["validation/held_out"] = self._wandb.Image(str(picture))
        self._run.log(values)

    def close(self) -> None:
        self._run.finish()


TRACKERS: dict[TrackerName, Callable[[Path, int, dict[str, Any]], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


def trackers(names: Sequence[TrackerName], folder: Path, update: int, config: dict[str, Any]) -> list[Tracker]:
    """Those asked for, of a run that goes on after `update`. MissingExtraError names the line that installs one."""
    return [TRACKERS[name](folder, update, config) for name in dict.fromkeys(names)]


def scalars(line: LogLine) -> dict[str, float]:
    """A line's numbers by the names that trackers show, grouped by what stands before the slash."""
    kind = "train" if line.kind == "update" else line.kind
    single = ("loss", "rate", "norm", "covered", "seconds", "waited", "psnr", "iou")
    found = {f"{kind}/{name}": value for name in single if (value := getattr(line, name)) is not None}
    found |= {f"losses/{name}": value for name, value in line.parts.items()}
    found |= {f"{kind}_views/{name}": value for name, value in line.views.items()}
    if line.kind == "update":
        found["train/skipped"] = float(not line.taken)
    return found


def _missing(name: TrackerName, error: ImportError) -> str:
    return f"--log-to {name} needs the package {name} ({error}); install it with: pip install 'mouselift[{name}]'"
