"""Low-rank adaptation: what trains, what it changes, and that merging changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mouselift.errors import CheckpointError, ModelError
from mouselift.models.gslrm.facelift import save_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.lora import ATTENTION, LoRAConfig, inject, merge, trainable

LAYERS = ("attn.to_qkv", "attn.fc", "mlp.mlp.0", "mlp.mlp.2")


def lora_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Of the state, the factors: what fine-tuning adds."""
    state = model.state_dict()
    return {name: value.clone() for name, value in state.items() if name.endswith((".lora_a", ".lora_b"))}


def copy_of(golden: Any) -> GSLRM:
    model = GSLRM(golden.model.config)
    model.load_state_dict(golden.model.state_dict())
    return model


def run(model: GSLRM, golden: Any) -> torch.Tensor:
    found = model(golden.image, golden.c2w, golden.fxfycxcy)
    return torch.cat([found.xyz, found.features.flatten(2), found.scaling, found.rotation, found.opacity], dim=-1)


def trained(model: GSLRM, golden: Any, steps: int = 3) -> None:
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        run(model, golden).square().mean().backward()
        optimiser.step()


def test_exactly_the_factors_train(mini: Any) -> None:
    model = copy_of(mini)
    names = inject(model, LoRAConfig(rank=4))
    expected = {
        f"transformer_layers.{i}.{layer}.{factor}"
        for i in (0, 1)
        for layer in LAYERS
        for factor in ("lora_a", "lora_b")
    }
    assert set(names) == expected == set(trainable(model))
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert count == 2 * 4 * ((32 + 96) + (32 + 32) + (32 + 128) + (128 + 32))


def test_choice_of_layers_and_what_trains_besides(mini: Any) -> None:
    model = copy_of(mini)
    names = inject(model, LoRAConfig(4, layers=ATTENTION, also_train=("pixel_gaussian_decoder",)))
    assert len([name for name in names if "lora" in name]) == 8
    assert {name for name in names if "lora" not in name} == {
        "pixel_gaussian_decoder.0.weight",
        "pixel_gaussian_decoder.1.weight",
    }


def test_begins_as_it_was_and_training_moves_only_factors(mini: Any) -> None:
    model = copy_of(mini)
    before = run(model, mini)
    inject(model, LoRAConfig(rank=4, alpha=8.0))
    assert torch.equal(run(model, mini), before)
    trained(model, mini)
    assert (run(model, mini) - before).abs().max() > 1e-4
    state, frozen = model.state_dict(), mini.model.state_dict()
    assert all(torch.equal(state[key], value) for key, value in frozen.items())
    assert all(factor.abs().max() > 0 for factor in lora_state(model).values())


def test_merging_changes_nothing(mini: Any) -> None:
    model = copy_of(mini)
    inject(model, LoRAConfig(rank=4, alpha=8.0))
    trained(model, mini)
    adapted = run(model, mini)
    assert merge(model) == 8
    assert model.state_dict().keys() == mini.model.state_dict().keys()
    torch.testing.assert_close(run(model, mini), adapted, rtol=0, atol=2e-6)
    assert merge(model) == 0


def test_a_wrong_weight_of_the_update_is_noticed(mini: Any) -> None:
    model = copy_of(mini)
    inject(model, LoRAConfig(rank=4, alpha=8.0))
    trained(model, mini)
    adapted = run(model, mini)
    layer: Any = model.get_submodule("transformer_layers.0.attn.to_qkv")
    layer.scale *= 1.01
    merge(model)
    assert (run(model, mini) - adapted).abs().max() > 2e-6


def test_factors_alone_round_trip(mini: Any) -> None:
    model, other = copy_of(mini), copy_of(mini)
    inject(model, LoRAConfig(rank=4))
    trained(model, mini)
    inject(other, LoRAConfig(rank=4))
    assert not other.load_state_dict(lora_state(model), strict=False).unexpected_keys
    assert torch.equal(run(model, mini), run(other, mini))
    with pytest.raises(RuntimeError, match=r"size mismatch for transformer_layers\.0"):
        other.load_state_dict({key: value[:2] for key, value in lora_state(model).items()}, strict=False)


def test_low_precision_below_full_precision_factors(mini: Any) -> None:
    model = copy_of(mini).lower_precision(torch.bfloat16)
    inject(model, LoRAConfig(rank=4))
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    trained(model, mini, 1)
    assert all(torch.isfinite(value).all() for value in lora_state(model).values())


def test_mistakes_are_named(mini: Any, tmp_path: Any) -> None:
    model = copy_of(mini)
    with pytest.raises(ModelError, match=r"answers to attn\.qkv"):
        inject(model, LoRAConfig(layers=("attn.qkv",)))
    with pytest.raises(ModelError, match="answers to pixel_head"):
        inject(model, LoRAConfig(also_train=("pixel_head",)))
    assert len(trainable(model)) == len(list(model.parameters()))  # nothing was changed
    inject(model, LoRAConfig())
    with pytest.raises(ModelError, match="LoRA factors already"):
        inject(model, LoRAConfig())
    with pytest.raises(CheckpointError, match="lora_a"):
        save_gslrm(model, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="rank >= 1"):
        LoRAConfig(rank=0)
