"""Memory of a step from tensors without data. Against measured peaks: benchmarks/train_memory.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mouselift.cli.app import run
from mouselift.errors import ModelError
from mouselift.models.gslrm.config import GSLRMConfig, weight_count
from mouselift.models.lora import LoRAConfig
from mouselift.train import memory
from mouselift.train.config import RECIPES, TrainConfig, rtx3060, tiny_cpu
from mouselift.train.memory import RESERVED, check_card, fitting, step_memory

Make = Callable[..., TrainConfig]
NETWORK = GSLRMConfig(width=128, head_width=32, layers=3)


def test_parts_that_are_known_exactly(config: Make) -> None:
    chosen = config(network=NETWORK, size=64, ema=0.9)
    count = weight_count(NETWORK)
    found = step_memory(chosen)
    assert found.parameters == found.trained == count
    assert found.weights == 4 * count
    # two means and the running one; a step counter of 4 bytes a tensor
    assert found.optimiser == pytest.approx(12 * count, abs=1000)
    assert 0 <= found.gradients <= 4 * count


def test_recomputing_and_fewer_views_save_what_they_should(config: Make) -> None:
    plain = config(network=replace(NETWORK, layers=6), size=64)
    whole, recomputed = step_memory(plain), step_memory(replace(plain, recompute=True))
    assert recomputed.activations < 0.45 * whole.activations
    assert step_memory(replace(plain, batch=2 * plain.batch)).activations > 1.9 * whole.activations
    assert step_memory(replace(plain, inputs=2)).activations < 0.75 * whole.activations
    assert step_memory(replace(plain, precision="bfloat16")).activations < whole.activations


def test_lora_keeps_states_of_its_factors_only(config: Make) -> None:
    found = step_memory(config(network=NETWORK, size=64, checkpoint=Path("any"), lora=LoRAConfig(rank=4)))
    assert found.trained == NETWORK.layers * 4 * (4 * 128 + 2 * 128 + 2 * (128 + 512))
    assert found.optimiser == pytest.approx(8 * found.trained, rel=0.01)


def test_what_would_fit_is_said(config: Make) -> None:
    chosen = config(network=NETWORK, size=64)
    budget = RESERVED + 0.9 * step_memory(chosen).peak
    said = fitting(chosen, budget)
    assert said
    assert not any(text.startswith("--precision float32") for text in said)
    with pytest.raises(ModelError, match=r"give --size"):
        step_memory(replace(chosen, size=None))


def test_a_card_that_is_too_small_is_refused(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = config(network=replace(NETWORK, layers=1), size=None)
    needed = step_memory(chosen, 64).on_card()
    check_card(chosen, 64, needed)
    with pytest.raises(ModelError, match=r"that are free on the card, a step needs about (.|\n)*would fit: recompute"):
        check_card(chosen, 64, RESERVED + 0.9 * (needed - RESERVED))
    monkeypatch.setattr(memory, "fitting", lambda *_: [])
    with pytest.raises(ModelError, match="take a larger card"):
        check_card(chosen, 64, RESERVED)


@pytest.mark.slow  # a released network's step on tensors without data: 20 s of one core
def test_the_recipe_for_twelve_gigabytes_fits_into_eleven() -> None:
    assert step_memory(rtx3060()).on_card() < 11e9


def test_dry_run_says_it_and_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = replace(tiny_cpu(), network=replace(tiny_cpu().network, layers=1))
    monkeypatch.setitem(RECIPES, "tiny_cpu", lambda: small)
    assert run(["train", "tiny_cpu", "--dry-run"]) == 0
    assert "fits in 12 GB" in capsys.readouterr().out
    assert run(["train", "tiny_cpu", "--dry-run", "--card", "0.5"]) == 1
    assert "does not fit in 0.5 GB" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert run(["train", "tiny_cpu"]) == 2
    assert "expected RECIPE DATASET OUT" in capsys.readouterr().err
