"""A similarity of the world changes no picture: a network in the subject's own world gives the same Gaussians."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mouselift.models.gslrm.config import GSLRMConfig
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.gslrm.stored import StoredGaussians
from mouselift.models.gslrm.subject_world import subject_world

VIEWS, SIZE, FOCAL = 4, 32, 40.0
CENTRE = torch.tensor([0.3, -0.2, 0.1])


def rig(distance: float, focal: float) -> tuple[Tensor, Tensor]:
    """(c2w [1, v, 4, 4], fxfycxcy [1, v, 4]): cameras on a ring that look at CENTRE."""
    poses = []
    for angle in torch.linspace(0, 4.5, VIEWS):
        z = torch.stack([angle.cos(), angle.sin(), torch.tensor(-0.4)])
        z = z / z.norm()
        x = torch.linalg.cross(z, torch.tensor([0.0, 0.0, 1.0]))
        x = x / x.norm()
        pose = torch.eye(4)
        pose[:3, :3] = torch.stack([x, torch.linalg.cross(z, x), z], dim=1)
        pose[:3, 3] = CENTRE - distance * z
        poses.append(pose)
    K = torch.tensor([focal, focal, SIZE / 2, SIZE / 2]).repeat(VIEWS, 1)
    return torch.stack(poses)[None], K[None]


def disc() -> Tensor:
    """[1, v, 4, h, w]: the ball about CENTRE, as every camera sees it."""
    at = torch.arange(SIZE) + 0.5 - SIZE / 2
    alpha = (at[:, None] ** 2 + at[None] ** 2 < 64.0).float().expand(1, VIEWS, 1, SIZE, SIZE)
    colour = torch.rand((1, VIEWS, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(3))
    return torch.cat([colour * alpha + 1 - alpha, alpha], dim=2)


def test_the_subject_is_where_its_rays_meet_and_pixels_have_one_width() -> None:
    c2w, K = rig(2.7, FOCAL)
    world = subject_world(disc()[:, :, 3], c2w, K, 0.02)
    assert world.centre[0].tolist() == pytest.approx(CENTRE.tolist(), abs=2e-3)  # pulled to the origin by 1e-3
    moved = world.cameras(c2w)
    assert (moved[..., :3, 3].norm(dim=-1) / FOCAL).tolist()[0] == pytest.approx([0.02] * VIEWS, rel=1e-3)
    half_a_pixel = subject_world(disc()[:, :, 3], c2w, K - torch.tensor([0, 0, 0.5, 0.5]), 0.02)
    assert not torch.allclose(half_a_pixel.centre, world.centre, atol=2e-3)


def test_views_without_a_subject_say_nothing_and_none_at_all_leaves_the_origin() -> None:
    c2w, K = rig(2.7, FOCAL)
    alpha = disc()[:, :, 3].clone()
    alpha[:, 1] = 0
    K[:, 1] *= 7  # nobody looks at it
    assert subject_world(alpha, c2w, K, 0.02).centre[0].tolist() == pytest.approx(CENTRE.tolist(), abs=2e-3)
    nothing = subject_world(torch.zeros_like(alpha), c2w, K, 0.02)
    assert nothing.centre.abs().max() == 0
    assert torch.isfinite(nothing.scale).all()
    one = subject_world(disc()[:, :1, 3], c2w[:, :1], K[:, :1], 0.02)  # of one ray: its point nearest the origin
    assert torch.isfinite(one.centre).all()
    assert float(one.centre.norm()) < 1.0


def gaussians(model: GSLRM, c2w: Tensor, K: Tensor) -> StoredGaussians:
    with torch.no_grad():
        return model(disc(), c2w, K)


def test_a_world_in_other_units_and_elsewhere_gives_the_same_gaussians_there() -> None:
    """The network of before, in the world as given, does not pass: that is what the option is for."""
    torch.manual_seed(0)
    config = GSLRMConfig(
        width=32, head_width=16, layers=1, depth_range=1.2, mask_margin=0, hull_channels=True, hull_range=0.35,
        pixel_width=0.02,
    )  # fmt: skip
    model = GSLRM(config).eval()
    c2w, K = rig(2.7, FOCAL)
    other = c2w.clone()
    other[..., :3, 3] = 0.2 * (other[..., :3, 3] + torch.tensor([0.5, 0.1, -0.3]))
    here, there = gaussians(model, c2w, K), gaussians(model, other, K)
    back = there.xyz / 0.2 - torch.tensor([0.5, 0.1, -0.3])
    size = float((here.xyz - CENTRE).norm(dim=-1).median())
    assert float((back - here.xyz).norm(dim=-1).median()) < 0.01 * size
    assert (there.scaling - here.scaling).mean().item() == pytest.approx(torch.tensor(0.2).log().item(), abs=1e-2)
    assert torch.allclose(there.features, here.features, atol=2e-2)

    model.config = replace(config, pixel_width=None)
    here, there = gaussians(model, c2w, K), gaussians(model, other, K)
    assert (there.scaling - here.scaling).mean().item() == pytest.approx(0.0, abs=0.1)
