"""Whole runs: what they leave, kill and resume, inputs that do not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mouselift.atomic import TEMPORARY
from mouselift.data.sample import Batch
from mouselift.errors import CheckpointError, DatasetError, ModelError, OutputError
from mouselift.export.registry import export
from mouselift.models.gslrm.config import tiny
from mouselift.models.gslrm.facelift import load_gslrm, read_state, save_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.lora import LoRAConfig
from mouselift.run_lock import LOCK
from mouselift.train import loop
from mouselift.train.config import TrainConfig, box, tiny_cpu
from mouselift.train.gradients import BatchLosses
from mouselift.train.log import read_log
from mouselift.train.loop import train_model
from mouselift.train.optimiser import Optimiser
from mouselift.train.options import TrainOptions
from mouselift.train.state import load_state
from mouselift.train.views import with_views

Make = Callable[..., TrainConfig]


class Killed(BaseException):
    """Ends a run as a signal does: nothing is saved."""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_state(folder / "last.safetensors")[0]


def equal(a: Path, b: Path) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_run_leaves_what_it_says(config: Make, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = train_model(config(validate_every=6, keep_every=5), dataset, out)
    assert done.updates == 12
    assert done.skipped == 0
    assert {path.name for path in out.iterdir() if path.name != LOCK} == {
        "train.json", "last.safetensors", "best.safetensors", "update_000005.safetensors", "update_000010.safetensors",
        "state.pt", "log.jsonl", "starts.jsonl", "validation",
    }  # fmt: skip
    lines = read_log(out)
    assert [line.update for line in lines if line.kind == "update"] == list(range(1, 13))
    validations = [line for line in lines if line.kind == "validation"]
    assert [line.update for line in validations] == [1, 6, 12]
    assert all(set(line.views) == {"cam4"} for line in validations)
    assert all("cam4" not in line.views for line in lines if line.kind == "update")
    assert done.best_psnr == max(validations, key=lambda line: line.merit).psnr
    assert load_gslrm(out / "last.safetensors").config == config().network
    said = json.loads((out / "train.json").read_text(encoding="utf-8"))
    assert said["identity"]["config"]["hold_out"] == ["cam4"]
    assert said["complete"]
    start = json.loads((out / "starts.jsonl").read_text(encoding="utf-8"))
    assert start["torch"] == str(torch.__version__)


def test_loss_falls_along_the_recorded_curve(config: Make, dataset: Path, tmp_path: Path) -> None:
    """The curve is of this code, on one thread; other processors round otherwise, hence the tolerance."""
    train_model(config(updates=40), dataset, tmp_path / "run")
    losses = [line.loss for line in read_log(tmp_path / "run") if line.loss is not None]
    means = [float(np.mean(losses[at : at + 10])) for at in (0, 10, 20, 30)]
    assert means == pytest.approx(GOLDEN, rel=0.02)
    assert means[-1] < 0.7 * means[0]


GOLDEN = (0.12933, 0.10453, 0.09074, 0.08576)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_killed_anywhere_and_resumed_equals_undisturbed(
    config: Make, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    """Killed before, inside and after updates, with and without a state just saved; running mean and LoRA included."""
    start = tmp_path / "start.safetensors"
    torch.manual_seed(3)
    save_gslrm(GSLRM(config().network), start)
    lora = LoRAConfig(rank=2, also_train=("pixel_gaussian_decoder",))
    chosen = config(
        accumulate=accumulate, ema=0.8, checkpoint=start, lora=lora, validate_every=4, save_minutes=1e-9, updates=8
    )
    train_model(chosen, dataset, tmp_path / "whole")

    real_step, real_gradients = Optimiser.step, loop.add_gradients
    calls = {"left": 0}

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            calls["left"] -= 1
            if calls["left"] == 0:
                raise Killed
            return real(*args, **kwargs)

        return call

    random = np.random.default_rng(accumulate)
    kills = 0
    while True:
        rare = kills % 2 == 1  # every second time nothing is saved between the kills
        again = replace(chosen, save_minutes=1e9 if rare else 1e-9)
        calls["left"] = int(random.integers(2, 9))
        with monkeypatch.context() as patch:
            patch.setattr(Optimiser, "step", dying(real_step))
            patch.setattr(loop, "add_gradients", dying(real_gradients))
            try:
                train_model(again, dataset, tmp_path / "killed")
                break
            except Killed:
                kills += 1
        assert kills < 40
    assert kills >= 3
    assert equal(tmp_path / "whole", tmp_path / "killed")
    undisturbed, resumed = read_log(tmp_path / "whole"), read_log(tmp_path / "killed")
    assert [(line.update, line.kind, line.loss, line.norm, line.psnr) for line in undisturbed] == [
        (line.update, line.kind, line.loss, line.norm, line.psnr) for line in resumed
    ]


def test_a_run_on_folders_goes_on_with_their_shards(
    config: Make, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of an epoch of 8 samples; the audit of shards is among what the start does."""
    chosen = config(updates=4, save_minutes=1e-9)
    train_model(chosen, dataset, tmp_path / "whole", checked=False)
    real, steps = Optimiser.step, iter([True] * 2)

    def dying(self: Optimiser, update: int) -> object:
        if not next(steps, False):
            raise Killed
        return real(self, update)

    with monkeypatch.context() as patch:
        patch.setattr(Optimiser, "step", dying)
        with pytest.raises(Killed):
            train_model(chosen, dataset, tmp_path / "run", checked=False)
    export(dataset, tmp_path / "shards", "webdataset")
    train_model(chosen, tmp_path / "shards", tmp_path / "run")
    starts = [json.loads(line) for line in (tmp_path / "run/starts.jsonl").read_text().splitlines()]
    assert [start["update"] for start in starts] == [0, 2]
    assert starts[1]["audit"] != "unchecked"
    assert equal(tmp_path / "whole", tmp_path / "run")


def test_the_saved_weights_are_the_running_mean(config: Make, dataset: Path, tmp_path: Path) -> None:
    train_model(config(ema=0.8, updates=3, warmup=0), dataset, tmp_path / "run")
    found = load_state(tmp_path / "run", torch.device("cpu"))
    assert found is not None
    mean, saved = found[1]["ema"], weights(tmp_path / "run")
    assert mean.keys() == saved.keys()
    assert all(torch.equal(saved[key], value) for key, value in mean.items())
    assert not any(torch.equal(saved[key], value) for key, value in found[1]["weights"].items())


def test_another_seed_gives_other_weights(config: Make, dataset: Path, tmp_path: Path) -> None:
    train_model(config(updates=3), dataset, tmp_path / "a")
    train_model(config(updates=3), dataset, tmp_path / "b", TrainOptions(seed=1))
    train_model(config(updates=3, readers=1), dataset, tmp_path / "c")
    assert not equal(tmp_path / "a", tmp_path / "b")
    assert equal(tmp_path / "a", tmp_path / "c")  # whoever reads the samples


def test_a_batch_that_is_not_finite_leaves_a_finite_model(
    config: Make, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.add_gradients
    seen = {"calls": 0}

    def poisoned(model: GSLRM, *args: object, **kwargs: object) -> BatchLosses:
        found = real(model, *args, **kwargs)  # pyright: ignore[reportArgumentType]
        seen["calls"] += 1
        if seen["calls"] == 4:
            model.input_layer_norm.weight.grad[0] = float("nan")  # pyright: ignore
        return found

    monkeypatch.setattr(loop, "add_gradients", poisoned)
    done = train_model(config(), dataset, tmp_path / "run")
    assert done.skipped == 1
    assert [line.update for line in read_log(tmp_path / "run") if not line.taken] == [4]
    assert all(torch.isfinite(value).all() for value in weights(tmp_path / "run").values())


def test_other_options_do_not_go_on_in_the_same_folder(config: Make, dataset: Path, tmp_path: Path) -> None:
    train_model(config(updates=2), dataset, tmp_path / "run")
    with pytest.raises(DatasetError, match=r"config.learning_rate: there 0.001, now 0.5"):
        train_model(config(updates=2), dataset, tmp_path / "run", TrainOptions(learning_rate=0.5))
    train_model(config(updates=2), dataset, tmp_path / "run", TrainOptions(readers=1))  # finished: nothing to do
    assert [line.update for line in read_log(tmp_path / "run")] == [1, 2]


def test_a_dataset_that_changed_does_not_go_on(config: Make, dataset: Path, tmp_path: Path) -> None:
    own = tmp_path / "balls"
    shutil.copytree(dataset, own)
    train_model(config(updates=2), own, tmp_path / "run")
    cameras = own / "sample_000003/opencv_cameras.json"
    cameras.write_text(cameras.read_text(encoding="utf-8").replace('"fx"', ' "fx"', 1), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"dataset.train.sha256"):
        train_model(config(updates=2), own, tmp_path / "run")


def test_views_that_are_named_are_the_ones_that_train(config: Make, dataset: Path, tmp_path: Path) -> None:
    seen = loop.add_gradients
    given: set[tuple[str, ...]] = set()

    def looking(model: GSLRM, renderer: object, losses: object, batch: Batch, **kwargs: object) -> BatchLosses:
        given.update(tuple(batch.views[k][j] for j in places.tolist()) for k, places in enumerate(batch.inputs))
        return seen(model, renderer, losses, batch, **kwargs)  # pyright: ignore[reportArgumentType]

    options = TrainOptions(input_views=("cam4", "cam0"), target_views=("cam4", "cam1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "add_gradients", looking)
        train_model(config(updates=3, validate_every=3), dataset, tmp_path / "run", options)
    assert given == {("cam0", "cam4")}
    lines = read_log(tmp_path / "run")
    assert {name for line in lines if line.kind == "update" for name in line.views} == {"cam1", "cam4"}
    assert {name for line in lines if line.kind == "validation" for name in line.views} == {"cam3"}
    said = json.loads((tmp_path / "run/train.json").read_text(encoding="utf-8"))["identity"]["config"]
    assert (said["inputs"], said["hold_out"]) == (2, ["cam3"])
    for changes, words in (
        ({"input_views": ("cam0",)}, "input_views: expected 3 different views"),
        ({"targets": 3, "target_views": ("cam0",)}, "how many"),
        ({"hold_out": ("cam1",), "target_views": ("cam1",)}, "never sees cam1"),
    ):
        with pytest.raises(ModelError, match=words):
            config(**changes)
    with pytest.raises(DatasetError, match="expected the view top"):
        train_model(config(), dataset, tmp_path / "none", TrainOptions(target_views=("top",)))


def test_cameras_that_do_not_match_are_refused(config: Make, large_dataset: Path, tmp_path: Path) -> None:
    """One view's focal length off by a tenth, in all samples."""
    own = tmp_path / "balls"
    shutil.copytree(large_dataset, own)
    for file in own.glob("*/opencv_cameras.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        for key in ("fx", "fy"):
            content["frames"][2][key] *= 1.1
        file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"cameras do not belong to its pixels(.|\n)*--unchecked"):
        train_model(config(updates=1), own, tmp_path / "run")
    assert train_model(config(updates=1), own, tmp_path / "run", checked=False).updates == 1
    assert train_model(config(updates=1), large_dataset, tmp_path / "right").updates == 1


def test_an_unfinished_dataset_is_said_to_be_one(
    config: Make, dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = Path(shutil.copytree(dataset, tmp_path / "balls"))
    (own / "dataset.json").write_text('{"complete": false}')
    train_model(config(updates=1), own, tmp_path / "run", checked=False)
    assert "the preparation was not finished" in caplog.text


def test_a_range_of_inputs_fits_rigs_of_fewer_cameras() -> None:
    """Recipe `box`: three to six views in. One view is held out where four or more are there, as always."""
    names = ("a", "b", "c", "d", "e", "f", "g")
    for count, inputs, held in ((3, 3, "none"), (4, 3, "d"), (5, 4, "e"), (6, 5, "f"), (7, 6, "g")):
        taken = with_views(box(), names[:count])
        assert (taken.inputs, taken.hold_out) == (inputs, (held,)), count
    assert with_views(replace(box(), hold_out=("none",)), names[:4]).inputs == 4
    assert with_views(replace(box(), hold_out=("a", "c")), names[:5]).inputs == 3
    with pytest.raises(DatasetError, match=r"expected 3 views of which 3 go in; the sample has 2.*Let fewer go in"):
        with_views(box(), names[:2])
    with pytest.raises(DatasetError, match="expected 4 views"):  # no range: what is asked for, or nothing
        with_views(tiny_cpu(), names[:3])


def test_what_does_not_fit_is_refused_by_name(config: Make, dataset: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_gslrm(GSLRM(tiny()), other)
    with pytest.raises(CheckpointError, match=r"other.safetensors: holds GSLRMConfig\(width=64"):
        train_model(config(checkpoint=other), dataset, tmp_path / "a")
    with pytest.raises(DatasetError, match=r"expected 6 views of which 6 go in; the sample has 5"):
        train_model(config(inputs=6), dataset, tmp_path / "b")
    with pytest.raises(DatasetError, match=r"expected the view top"):
        train_model(config(hold_out=("top",)), dataset, tmp_path / "c")
    with pytest.raises(ModelError, match=r"size: expected a multiple of 8"):
        train_model(config(), dataset, tmp_path / "d", TrainOptions(size=30))
    with pytest.raises(ModelError, match=r"recipe: expected one of tiny_cpu, box, rtx3060, full, cluster, got 'rtx'"):
        train_model("rtx", dataset, tmp_path / "e")
    with pytest.raises(ModelError, match=r"give a checkpoint"):
        train_model("rtx3060", dataset, tmp_path / "f")
    assert not any((tmp_path / name).exists() for name in "cdef")


def test_a_full_disk_leaves_the_last_good_state(
    config: Make, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    train_model(config(updates=12), dataset, tmp_path / "whole")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        real = loop.save_state
        saves = {"done": 0}

        def save(*args: object) -> None:
            saves["done"] += 1
            if saves["done"] == 4:
                patch.setattr(torch, "save", full)
            real(*args)  # pyright: ignore[reportArgumentType]

        patch.setattr(loop, "save_state", save)
        with pytest.raises(OutputError, match=r"state.pt: the disk is full"):
            train_model(config(save_minutes=1e-9), dataset, out)
    assert not list(out.glob(f"{TEMPORARY}*"))
    train_model(config(), dataset, out)
    assert equal(tmp_path / "whole", out)
