"""Every stage of the network against numbers that the released code gave (golden/README.md)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mouselift.data.rays import pixel_rays
from token_maps import unpatchify

TOLERANCE = 2e-5


def difference(found: Tensor, expected: Tensor) -> float:
    return float((found.reshape(expected.shape) - expected).abs().max())


def worst(found: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, float]:
    return {key: difference(found[key], value) for key, value in expected.items() if key in found}


def test_every_stage(golden: Any) -> None:
    apart = worst(golden.stages(), golden.out)
    elsewhere = {"ray_o", "ray_d", "pixelalign_xyz"}  # in the next test
    never_run = {"xyz_if_clip_active"}  # the clamp that the release has and never used
    assert set(golden.out) - elsewhere - never_run == set(apart)
    assert max(apart.values()) < TOLERANCE, apart


def test_rays_and_positions_as_images(golden: Any) -> None:
    b, v, _, h, w = golden.image.shape
    origins, directions = pixel_rays(golden.c2w, golden.fxfycxcy, h, w)
    xyz = unpatchify(golden.stages()["xyz"][:, 2:], v, h, w, 8)
    for name, found in (("ray_o", origins), ("ray_d", directions), ("pixelalign_xyz", xyz)):
        if name in golden.out:
            assert difference(found, golden.out[name]) < TOLERANCE, name
    assert xyz.shape == (b, v, 3, h, w)


def test_half_a_pixel_one_per_cent_and_a_transposed_pose_are_noticed(golden: Any) -> None:
    half = golden.fxfycxcy + torch.tensor([0.0, 0.0, 0.5, 0.5])
    zoomed = golden.fxfycxcy * torch.tensor([1.01, 1.01, 1.0, 1.0])
    turned = golden.c2w.clone()
    turned[..., :3, :3] = turned[..., :3, :3].mT.clone()
    for fault in ({"fxfycxcy": half}, {"fxfycxcy": zoomed}, {"c2w": turned}):
        apart = worst(golden.stages(**fault), golden.out)
        assert apart["input_channels"] > 20 * TOLERANCE
        assert apart["xyz"] > 20 * TOLERANCE


def test_images_read_column_by_column_are_noticed(mini: Any) -> None:
    pixels = mini.image.flip(-1)
    assert worst(mini.stages(image=pixels), mini.out)["img_tokens"] > 20 * TOLERANCE


def test_under_autocast_the_heads_stay_float32(mini: Any) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = mini.stages()
    assert all(found[name].dtype == torch.float32 for name in ("raw_params", "xyz", "opacity", "tokens_layer1"))
    assert found["attn_out_layer0"].dtype == torch.bfloat16
    assert TOLERANCE < difference(found["xyz"], mini.out["xyz"]) < 0.05
