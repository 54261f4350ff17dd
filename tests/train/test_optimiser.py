"""What trains, its schedule against the specification, clipping, and gradients that are not finite."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pytest
import torch

from mouselift.errors import MissingExtraError
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.lora import LoRAConfig
from mouselift.train.config import TrainConfig
from mouselift.train.memory import _saved
from mouselift.train.optimiser import Optimiser, adamw, freeze, rate_factor

CPU = torch.device("cpu")
Make = Callable[..., TrainConfig]


def with_gradients(model: GSLRM, value: float = 1.0) -> None:
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, value)


def test_schedule_is_the_specified_one() -> None:
    found = [rate_factor(t, 500, 20_000) for t in (250, 500, 5000, 10_250)]
    assert found == pytest.approx([0.5, 1.0, 0.874255, 0.5], abs=1e-6)
    assert rate_factor(0, 0, 10) == 1.0


def test_vectors_do_not_decay(config: Make) -> None:
    model = GSLRM(config().network)
    matrices, vectors = adamw(model, config(), CPU).param_groups
    assert matrices["weight_decay"] == 0.05
    assert vectors["weight_decay"] == 0.0
    assert {p.ndim for p in vectors["params"]} == {1}
    assert any(p is model.gaussian_position_embeddings for p in matrices["params"])
    assert len(matrices["params"]) + len(vectors["params"]) == len(list(model.parameters()))


def test_lora_trains_exactly_what_it_says(config: Make) -> None:
    chosen = config(lora=LoRAConfig(rank=2, layers=("attn.fc",), also_train=("gaussian_upsampler",)))
    model = GSLRM(chosen.network)
    names = freeze(model, chosen)
    assert sorted(names) == sorted(
        [f"transformer_layers.{k}.attn.fc.lora_{f}" for k in (0, 1) for f in "ab"]
        + ["gaussian_upsampler.layernorm.weight", "gaussian_upsampler.linear.weight"]
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = Optimiser(model, chosen, CPU)
    for update in range(4):
        with_gradients(model)
        optimiser.step(update)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(names)


def test_last_blocks_leave_the_others_alone(config: Make) -> None:
    chosen = config(last_blocks=1)
    model = GSLRM(chosen.network)
    names = freeze(model, chosen)
    assert {name.split(".")[1] for name in names if name.startswith("transformer_layers")} == {"1"}
    assert {name.split(".")[0] for name in names} == {
        "transformer_layers",
        "gaussian_upsampler",
        "pixel_gaussian_decoder",
    }


def test_gradients_are_clipped_to_the_norm(config: Make) -> None:
    model = GSLRM(config().network)
    freeze(model, config())
    optimiser = Optimiser(model, config(clip=0.5), CPU)
    seen: list[float] = []
    optimiser.inner.register_step_pre_hook(
        lambda *_: seen.append(float(torch.cat([p.grad.flatten() for p in model.parameters()]).norm()))  # pyright: ignore
    )
    with_gradients(model)
    count = sum(p.numel() for p in model.parameters())
    assert optimiser.step(1).norm == pytest.approx(count**0.5, rel=1e-4)
    assert seen == pytest.approx([0.5], rel=1e-4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_gradients_that_are_not_finite_change_nothing_and_are_counted(config: Make, bad: float) -> None:
    model = GSLRM(config().network)
    freeze(model, config())
    optimiser = Optimiser(model, config(ema=0.9), CPU)
    with_gradients(model)
    optimiser.step(10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mean = {name: value.clone() for name, value in optimiser.ema.items()}
    with_gradients(model)
    next(model.parameters()).grad[0, 0] = bad  # pyright: ignore[reportOptionalSubscript]
    assert not optimiser.step(11).taken
    assert optimiser.skipped == 1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, mean[name]) for name, value in optimiser.ema.items())
    with_gradients(model)
    assert optimiser.step(12).taken


def test_running_mean_is_what_is_saved_and_the_weights_come_back(config: Make) -> None:
    model = GSLRM(config().network)
    freeze(model, config())
    optimiser = Optimiser(model, config(ema=0.5, warmup=0), CPU)
    first = model.gaussian_position_embeddings.detach().clone()
    with_gradients(model)
    optimiser.step(0)
    now = model.gaussian_position_embeddings.detach().clone()
    with optimiser.averaged():
        torch.testing.assert_close(model.gaussian_position_embeddings.detach(), (first + now) / 2)
    assert torch.equal(model.gaussian_position_embeddings, now)


def test_eight_bits_come_from_the_library_or_are_refused(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for bitsandbytes, which is 125 MB; `test_eight_bits_themselves` takes the library where it is."""
    chosen = config(optimiser="adamw8bit")
    model = GSLRM(chosen.network)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mouselift\[adamw8bit\]'"):
        adamw(model, chosen, CPU)
    library = ModuleType("bitsandbytes")
    library.optim = SimpleNamespace(AdamW8bit=torch.optim.AdamW)  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "bitsandbytes", library)
    eight, plain = adamw(model, chosen, CPU), adamw(model, config(), CPU)
    for a, b in zip(eight.param_groups, plain.param_groups, strict=True):
        assert (a["lr"], a["betas"], a["weight_decay"], len(a["params"])) == (
            b["lr"], b["betas"], b["weight_decay"], len(b["params"])
        )  # fmt: skip


def test_eight_bits_themselves(config: Make) -> None:
    """Saved and loaded, the next steps are equal to the bit; means take what `memory` says."""
    pytest.importorskip("bitsandbytes")
    chosen = config(optimiser="adamw8bit", network=replace(config().network, width=64))
    torch.manual_seed(0)
    model = GSLRM(chosen.network)
    freeze(model, chosen)
    whole = Optimiser(model, chosen, CPU)
    other = GSLRM(chosen.network)
    freeze(other, chosen)
    resumed = Optimiser(other, chosen, CPU)
    for update in range(6):
        if update == 3:
            file = io.BytesIO()
            torch.save(whole.state(), file)
            file.seek(0)
            resumed.load(torch.load(file, weights_only=True))
        for each in (whole, resumed)[: 1 if update < 3 else 2]:
            random = torch.Generator().manual_seed(update)
            for parameter in each.model.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=random)
            each.step(update + 5)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    states = [each for each in whole.inner.state.values() if each["state1"].dtype == torch.uint8]
    held = sum(each[key].nbytes for each in states for key in ("state1", "state2", "absmax1", "absmax2"))
    large = [p for p in model.parameters() if p.numel() >= 4096]
    assert held == 8 * sum(p.numel() for p in large) - _saved(large)
