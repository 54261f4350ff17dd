"""Sizes, order and precision of the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mouselift.errors import ModelError
from mouselift.models.gslrm.config import GSLRMConfig, check_memory, forward_bytes, released, tiny, weight_count
from mouselift.models.gslrm.model import GSLRM, patchify
from token_maps import unpatchify

KEYS = Path(__file__).parents[1] / "golden/state_dict_keys.json"


def on_meta(config: GSLRMConfig) -> GSLRM:
    with torch.device("meta"):
        return GSLRM(config)


def test_released_keys_load_strictly() -> None:
    content = json.loads(KEYS.read_text())
    expected = {
        key: torch.empty(value["shape"], device="meta")
        for key, value in content["keys"].items()
        if not key.startswith("loss_calculator.")
    }
    assert len(expected) == 151
    model = on_meta(released())
    model.load_state_dict(expected, strict=True, assign=True)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == content["n_params_model"] == weight_count(released())


def test_sizes_of_the_release() -> None:
    config = released()
    assert (config.width // config.head_width, config.parameters) == (16, 14)
    assert config.tokens(6, 512, 512) == 24_578
    assert config.gaussians(6, 512, 512) == 1_572_866


@pytest.mark.parametrize(
    "wrong", [{"width": 65}, {"layers": 0}, {"sh_degree": 4}, {"global_gaussians": -1}, {"patch_size": 0}]
)
def test_impossible_configurations(wrong: dict[str, Any]) -> None:
    sizes: dict[str, Any] = {"width": 64, "head_width": 16, "layers": 2}
    with pytest.raises(ValueError, match="GSLRMConfig"):
        GSLRMConfig(**{**sizes, **wrong})


def test_patches_row_by_row_channel_fastest() -> None:
    maps = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(1, 2, 3, 4, 6)
    tokens = patchify(maps, 2)
    assert tokens.shape == (1, 12, 12)
    # view 1, patch row 1, patch column 2, pixel (1, 0) of the patch, channel 2
    assert tokens[0, 6 + 3 + 2, (1 * 2 + 0) * 3 + 2] == maps[0, 1, 2, 3, 4]
    back = unpatchify(tokens.reshape(1, 48, 3), 2, 4, 6, 2)
    assert torch.equal(back, maps)


def test_view_order_only_moves_gaussians(mini: Any) -> None:
    order = [2, 0, 1]
    with torch.no_grad():
        straight = mini.model(mini.image, mini.c2w, mini.fxfycxcy)
        shuffled = mini.model(mini.image[:, order], mini.c2w[:, order], mini.fxfycxcy[:, order])
    for name in ("xyz", "features", "scaling", "rotation", "opacity"):
        a, b = getattr(straight, name), getattr(shuffled, name)
        torch.testing.assert_close(a[:, :2], b[:, :2], rtol=0, atol=2e-6)
        a, b = (x[:, 2:].unflatten(1, (3, -1)) for x in (a, b))
        torch.testing.assert_close(a[:, order], b, rtol=0, atol=2e-6)
        assert not torch.allclose(a, b, rtol=0, atol=1e-3)  # unsorted they differ


def test_pixels_gaussians_lie_on_their_rays(mini: Any) -> None:
    from mouselift.data.rays import nearest_points, pixel_rays

    found = mini.stages()["xyz"][:, 2:]
    o, d = pixel_rays(mini.c2w, mini.fxfycxcy, 16, 24)
    xyz = unpatchify(found, 3, 16, 24, 8)
    assert torch.linalg.cross(xyz - o, d, dim=2).abs().max() < 1e-5
    assert ((xyz - nearest_points(o, d)).norm(dim=2) <= 1.8 + 1e-5).all()
    _, half = pixel_rays(mini.c2w, mini.fxfycxcy + torch.tensor([0, 0, 0.5, 0.5]), 16, 24)
    assert torch.linalg.cross(xyz - o, half, dim=2).abs().max() > 1e-3  # half a pixel is noticed


def test_more_channels_are_not_looked_at(mini: Any) -> None:
    alpha = torch.rand(1, 3, 1, 16, 24)
    with_alpha = mini.stages(image=torch.cat([mini.image, alpha], dim=2))
    assert torch.equal(with_alpha["xyz"], mini.stages()["xyz"])


def test_checkpointed_activations_give_the_same_gradients() -> None:
    torch.manual_seed(0)
    model = GSLRM(tiny())
    image, c2w = torch.rand(1, 2, 4, 16, 16), torch.eye(4).repeat(1, 2, 1, 1)
    K = torch.tensor([17.0, 17.0, 8.0, 8.0]).repeat(1, 2, 1)
    gradients = []
    for again in (False, True):
        model.checkpoint_activations = again
        model.zero_grad()
        found = model(image, c2w, K)
        (found.xyz.square().sum() + found.opacity.sum() + found.features.sum()).backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert len(gradients[0]) == len(list(model.parameters()))
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-6, atol=1e-7)


def test_lower_precision_keeps_norms_and_heads(mini: Any) -> None:
    model = GSLRM(mini.model.config)
    model.load_state_dict(mini.model.state_dict())
    model.lower_precision(torch.bfloat16)
    kinds = {name: parameter.dtype for name, parameter in model.named_parameters()}
    low = {name for name, kind in kinds.items() if kind == torch.bfloat16}
    assert low == {
        name
        for name in kinds
        if name.startswith("patch_embedder.") or (name.startswith("transformer_layers.") and ".norm" not in name)
    }
    with torch.no_grad():
        found = model(mini.image, mini.c2w, mini.fxfycxcy)
    assert found.xyz.dtype == torch.float32
    assert 0 < (found.xyz - mini.out["xyz"]).abs().max() < 0.05


def test_progress_counts_blocks(mini: Any) -> None:
    heard: list[tuple[str, int, int]] = []
    with torch.no_grad():
        mini.model(mini.image, mini.c2w, mini.fxfycxcy, progress=lambda *said: heard.append(said))
    assert heard == [("transformer", 1, 2), ("transformer", 2, 2)]


@pytest.mark.parametrize(
    ("size", "cameras", "words"),
    [
        ((1, 3, 3, 16, 20), 3, "divisible by 8, got 16 x 20"),
        ((1, 3, 5, 16, 16), 3, "3 or 4 channels"),
        ((1, 3, 3, 16, 16), 2, "is a view missing"),
        ((1, 0, 3, 16, 16), 0, "at least one sample and one view"),
    ],
)
def test_sizes_that_do_not_fit(size: tuple[int, ...], cameras: int, words: str) -> None:
    model = GSLRM(tiny())
    with pytest.raises(ModelError, match=words):
        model(torch.rand(size), torch.eye(4).repeat(1, cameras, 1, 1), torch.ones(1, cameras, 4))


def test_more_views_than_memory() -> None:
    with pytest.raises(ModelError, match=r"100000 views at 512 x 512: .* GB that\s+are free, needed are about"):
        check_memory(released(), 100_000, 512, 512)
    assert check_memory(tiny(), 2, 32, 32) == forward_bytes(tiny(), 2, 32, 32)
    assert 2e9 < forward_bytes(released(), 6, 512, 512) < 6e9
    assert forward_bytes(released(), 6, 512, 512, dtype=torch.bfloat16) < 0.7 * forward_bytes(released(), 6, 512, 512)
