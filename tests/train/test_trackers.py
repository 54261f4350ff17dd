"""What trackers are given, by stand-ins of the two libraries: these would add 200 MB to what CI installs.

With tensorboard 2.21.0 and wandb 0.31.0 (offline) themselves it was run by hand: `--log-to tensorboard wandb`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mouselift.errors import MissingExtraError
from mouselift.train import loop
from mouselift.train.config import TrainConfig
from mouselift.train.log import LogLine, read_log
from mouselift.train.loop import train_model
from mouselift.train.options import TrainOptions
from mouselift.train.trackers import scalars

Make = Callable[..., TrainConfig]


class Heard:
    """A writer of TensorBoard, or a run of W&B, that keeps what it is told."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.args, self.options = args, options
        self.scalars: list[tuple[str, float, int]] = []
        self.images: list[tuple[str, tuple[int, ...], int]] = []
        self.logged: list[dict[str, Any]] = []
        self.text = self.closed = False

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def add_text(self, *_: Any) -> None:
        self.text = True

    def add_image(self, name: str, image: np.ndarray, step: int, dataformats: str) -> None:
        assert dataformats == "HWC"
        assert image.dtype == np.uint8
        self.images.append((name, image.shape, step))

    def close(self) -> None:
        self.closed = True

    def define_metric(self, name: str, step_metric: str) -> None:
        assert (name, step_metric) == ("*", "update")

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    finish = close


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> list[Heard]:
    """The libraries' stand-ins are there; what was opened, in order."""
    opened: list[Heard] = []

    def opening(*args: Any, **options: Any) -> Heard:
        opened.append(Heard(*args, **options))
        return opened[-1]

    board, wandb = ModuleType("torch.utils.tensorboard"), ModuleType("wandb")
    board.SummaryWriter = wandb.init = opening  # pyright: ignore[reportAttributeAccessIssue]
    wandb.Image = lambda path: Path(path)  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    return opened


def test_both_get_the_log(config: Make, dataset: Path, tmp_path: Path, libraries: list[Heard]) -> None:
    chosen = config(updates=4, validate_every=4, log_to=("tensorboard", "wandb"))
    train_model(chosen, dataset, tmp_path / "run")
    board, wandb = libraries
    lines = read_log(tmp_path / "run")
    wanted = [(name, value, line.update) for line in lines for name, value in scalars(line).items()]
    assert board.scalars == wanted
    assert [{**scalars(line), "update": line.update} for line in lines] == [
        {name: value for name, value in values.items() if name != "validation/held_out"} for values in wandb.logged
    ]
    assert [name for name, *_ in wanted if name.startswith("validation")] == [
        "validation/seconds", "validation/psnr", "validation/iou", "validation_views/cam4"
    ] * 2  # fmt: skip
    assert [(name, step) for name, _, step in board.images] == [("validation/held_out", 1), ("validation/held_out", 4)]
    pictures = [values["validation/held_out"].name for values in wandb.logged if "validation/held_out" in values]
    assert pictures == ["update_000001.jpg", "update_000004.jpg"]
    assert (board.closed, wandb.closed, board.text) == (True, True, True)
    assert board.options == {"purge_step": None}
    assert (wandb.options["dir"], wandb.options["resume"]) == (str(tmp_path / "run"), "allow")


def test_a_continuation_goes_on_in_the_same_run_whoever_follows(
    config: Make, dataset: Path, tmp_path: Path, libraries: list[Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    options = TrainOptions(log_to=("tensorboard", "wandb"))
    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_validate", killed)
        with pytest.raises(KeyboardInterrupt):
            train_model(config(updates=4, validate_every=3, save_minutes=1e-9), dataset, tmp_path / "run", options)
    assert all(heard.closed for heard in libraries)
    train_model(config(updates=4, validate_every=3, save_minutes=1e-9), dataset, tmp_path / "run", options)
    first, second = libraries[1], libraries[3]
    assert first.options["id"] == second.options["id"]
    train_model(config(updates=4, validate_every=3, save_minutes=1e-9), dataset, tmp_path / "run")  # none: no other run
    assert len(libraries) == 4


def test_a_library_that_is_not_there_is_named(
    config: Make, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "wandb", None)
    for name in ("tensorboard", "wandb"):
        with pytest.raises(MissingExtraError, match=rf"pip install 'mouselift\[{name}\]'"):
            train_model(config(updates=1), dataset, tmp_path / name, TrainOptions(log_to=(name,)))
        assert read_log(tmp_path / name) == []


def test_names_are_grouped_and_nothing_is_lost() -> None:
    line = LogLine(update=7, loss=0.5, parts={"l2": 0.25}, views={"a": 0.125}, taken=False)
    assert scalars(line) == {"train/loss": 0.5, "losses/l2": 0.25, "train_views/a": 0.125, "train/skipped": 1.0}
