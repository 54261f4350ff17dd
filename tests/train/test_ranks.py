"""Two processes against one with the same samples an update; what one of them suffers ends both with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mouselift.errors import DatasetError, ModelError
from mouselift.models.gslrm.facelift import read_state
from mouselift.train import loop
from mouselift.train.config import TrainConfig
from mouselift.train.log import read_log
from mouselift.train.loop import train_model
from mouselift.train.ranks import Ranks
from rank_faults import bad_sample, killed, no_gradient, refusal
from two_processes import Job, train_together

Make = Callable[..., TrainConfig]


def check_same(a: Path, b: Path, updates: int) -> None:
    """Losses, figures of validations and weights, within 1e-5; and which updates were taken."""
    first, second = read_log(a), read_log(b)
    assert [(line.update, line.kind, line.taken) for line in first] == [
        (line.update, line.kind, line.taken) for line in second
    ]
    assert sum(line.kind == "update" for line in first) == updates
    for one, two in zip(first, second, strict=True):
        for key in ("loss", "psnr", "iou", "rate"):
            assert getattr(one, key) == pytest.approx(getattr(two, key), abs=1e-5, nan_ok=True)
        if one.taken:
            assert one.norm == pytest.approx(two.norm, abs=1e-5)
        assert one.parts == pytest.approx(two.parts, abs=1e-5)
        assert one.views == pytest.approx(two.views, abs=1e-5)
    for name in ("last.safetensors", "best.safetensors"):
        weights, others = read_state(a / name)[0], read_state(b / name)[0]
        assert weights.keys() == others.keys()
        for key, value in weights.items():
            torch.testing.assert_close(value, others[key], atol=1e-5, rtol=0.0)


def test_two_processes_are_one_run(
    config: Make, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one start of two processes, for they are dear: a gradient that is not finite, a refusal, an error of the
    second, and a kill in a sharded run, which one process then ends."""
    alone = config(batch=2, updates=7, ema=0.8, warmup=1, validate_every=6, validation_samples=1)
    each = replace(alone, batch=1)
    sharded = replace(each, shard=True, save_minutes=1e-9)
    jobs = [
        Job(each, tmp_path / "nan", no_gradient),
        Job(each, tmp_path / "refused", refusal),
        Job(each, tmp_path / "failed", bad_sample),
        Job(sharded, tmp_path / "killed", killed),
    ]
    (first, second), codes = train_together(jobs, dataset)
    assert codes == [0, -9]

    assert (first[0], second[0]) == ("", "")
    no_gradient_here(monkeypatch)
    assert train_model(alone, dataset, tmp_path / "nan-alone", checked=False).skipped == 1
    check_same(tmp_path / "nan", tmp_path / "nan-alone", 7)
    assert [line.update for line in read_log(tmp_path / "nan") if not line.taken] == [3]
    monkeypatch.undo()

    assert first[1] == "DatasetError: these cameras are wrong"
    assert "process 1 of 2 stops" in second[1]
    assert "Process 0: DatasetError: these cameras are wrong" in second[1]
    assert second[2] == "DatasetError: sample_000005: cannot be read"
    assert "Process 1: DatasetError: sample_000005: cannot be read" in first[2]
    assert "another one ended without a word" in first[3]

    train_model(alone, dataset, tmp_path / "whole", checked=False)
    assert [line.update for line in read_log(tmp_path / "killed") if line.kind == "update"] == [1, 2, 3, 4]
    with pytest.raises(DatasetError, match=r"samples an update \(batch x accumulate x processes\): there 2, now 1"):
        train_model(each, dataset, tmp_path / "killed", checked=False)
    train_model(alone, dataset, tmp_path / "killed", checked=False)
    check_same(tmp_path / "killed", tmp_path / "whole", 7)


def no_gradient_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "add_gradients", loop.add_gradients)  # so that it comes back
    no_gradient(rank=1)


def test_one_card_for_several_processes_is_refused() -> None:
    with pytest.raises(ModelError, match=r"cuda:1 is one card for 2 processes; leave it out"):
        Ranks(rank=0, count=2).device("cuda:1")


def test_float16_is_not_sharded(config: Make) -> None:
    with pytest.raises(ModelError, match=r"shard: expected float32 or bfloat16, got float16"):
        config(shard=True, precision="float16").check_ready()
