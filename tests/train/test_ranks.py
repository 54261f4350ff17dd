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
from rank_faults import no_gradient
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


def run_alone(config: Make, **changes: object) -> TrainConfig:
    return config(batch=2, updates=6, ema=0.8, warmup=1, validate_every=5, validation_samples=1, **changes)


def test_two_processes_are_one_run(
    config: Make, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a gradient that is not finite in one of them: both skip that update, and count it."""
    alone = run_alone(config)
    status, said = train_together(Job(replace(alone, batch=1), dataset, tmp_path / "two", "no_gradient"))
    assert status == 0, said
    monkeypatch.setattr(loop, "add_gradients", loop.add_gradients)  # so that it comes back
    no_gradient(rank=1)
    assert train_model(alone, dataset, tmp_path / "one", checked=False).skipped == 1
    check_same(tmp_path / "two", tmp_path / "one", 6)
    assert [line.update for line in read_log(tmp_path / "two") if not line.taken] == [3]


@pytest.mark.slow  # eight processes that load torch: half a minute of CPU
def test_a_killed_sharded_run_is_ended_by_one_process(config: Make, dataset: Path, tmp_path: Path) -> None:
    alone = run_alone(config)
    each = replace(alone, batch=1, shard_weights=True, save_minutes=1e-9)
    status, said = train_together(Job(each, dataset, tmp_path / "killed", "killed"))
    assert status != 0
    assert "Signal 9 (SIGKILL)" in said
    assert [line.update for line in read_log(tmp_path / "killed") if line.kind == "update"] == [1, 2, 3, 4]
    with pytest.raises(DatasetError, match=r"samples an update \(batch x accumulate x processes\): there 2, now 1"):
        train_model(each, dataset, tmp_path / "killed", checked=False)
    train_model(alone, dataset, tmp_path / "killed", checked=False)
    train_model(alone, dataset, tmp_path / "whole", checked=False)
    check_same(tmp_path / "killed", tmp_path / "whole", 6)


@pytest.mark.slow  # as above
def test_a_whole_sharded_run_is_the_same(config: Make, dataset: Path, tmp_path: Path) -> None:
    alone = run_alone(config, accumulate=2)
    status, said = train_together(Job(replace(alone, batch=1, shard_weights=True), dataset, tmp_path / "two"))
    assert status == 0, said
    train_model(alone, dataset, tmp_path / "one", checked=False)
    check_same(tmp_path / "two", tmp_path / "one", 6)


@pytest.mark.slow  # as above
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("refusal", "Process 0: DatasetError: these cameras are wrong"),
        ("bad_sample", "Process 1: DatasetError: sample_000005: cannot be read"),
    ],
)
def test_the_reason_of_one_is_said_by_both(config: Make, dataset: Path, tmp_path: Path, fault: str, words: str) -> None:
    status, said = train_together(Job(replace(run_alone(config), batch=1), dataset, tmp_path / "out", fault))
    assert status != 0
    assert words in said
    assert "of 2 stops, for another one did" in said


def test_one_card_for_several_processes_is_refused() -> None:
    with pytest.raises(ModelError, match=r"cuda:1 is one card for 2 processes; leave it out"):
        Ranks(rank=0, count=2).device("cuda:1")


def test_float16_is_not_sharded(config: Make) -> None:
    with pytest.raises(ModelError, match=r"shard weights: expected float32 or bfloat16, got float16"):
        config(shard_weights=True, precision="float16").check_ready()
