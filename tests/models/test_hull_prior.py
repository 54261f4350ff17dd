"""The hull's entry along rays, and which patches and pixels a network with masks takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mouselift.data.rays import nearest_offset, pixel_rays
from mouselift.errors import ModelError
from mouselift.geometry.similarity import looking_at
from mouselift.models.gslrm import hull_prior
from mouselift.models.gslrm.config import GSLRMConfig, from_scratch, tiny, weight_count
from mouselift.models.gslrm.hull_prior import hull_maps
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.gslrm.packing import Packing, near_subject, touched_patches

SIDE, RADIUS, DISTANCE = 48, 0.4, 2.7
BALL = torch.tensor([0.1, -0.05, 0.15], dtype=torch.float64)


def ring(count: int) -> tuple[Tensor, Tensor]:
    """c2w [1, v, 4, 4], fxfycxcy [1, v, 4]: cameras about the origin at two heights."""
    poses = []
    for k in range(count):
        angle, height = 2 * np.pi * k / count, 0.5 if k % 2 else -0.2
        centre = DISTANCE * np.array([np.cos(angle), np.sin(angle), height]) / np.hypot(1, height)
        poses.append(np.linalg.inv(looking_at(np.zeros(3), centre)))
    intrinsics = torch.tensor([1.2 * SIDE, 1.2 * SIDE, 0.52 * SIDE, 0.47 * SIDE], dtype=torch.float64)
    return torch.tensor(np.stack(poses))[None], intrinsics.expand(1, count, 4)


def ball_alpha(c2w: Tensor, fxfycxcy: Tensor) -> Tensor:
    """[1, v, h, w]: exactly what each pixel's ray says of the ball, softened over about a pixel."""
    origins, directions = pixel_rays(c2w, fxfycxcy, SIDE, SIDE)
    to_ball = BALL[:, None, None] - origins
    along = (to_ball * directions).sum(dim=2, keepdim=True)
    miss = torch.linalg.vector_norm(to_ball - along * directions, dim=2)
    pixel = DISTANCE / float(fxfycxcy[0, 0, 0])
    return (0.5 + (RADIUS - miss) / pixel).clamp(0, 1)


def entry_error(c2w: Tensor, fxfycxcy: Tensor, alpha: Tensor) -> tuple[float, float]:
    """(90th percentile of the distance between the hull's entry and the ball, share of the subject with an entry)."""
    c2w, fxfycxcy, alpha = c2w.float(), fxfycxcy.float(), alpha.float()
    origins, directions = pixel_rays(c2w, fxfycxcy, SIDE, SIDE)
    found = hull_maps(alpha, c2w, fxfycxcy, origins, directions, reach=1.2)
    points = origins + (nearest_offset(origins, directions) + found[:, :, :1]) * directions
    away = torch.linalg.vector_norm(points - BALL.float()[:, None, None], dim=2) - RADIUS
    known, subject = found[:, :, 1] > 0, alpha >= 0.5
    assert not bool((known & ~subject).any())
    return float(away[known].abs().quantile(0.9)) if known.any() else np.inf, float(known.sum() / subject.sum())


def test_entry_lies_on_the_ball() -> None:
    """A ball's hull from eight views is little larger than the ball; half a pixel is 0.023 world units."""
    c2w, fxfycxcy = ring(8)
    away, share = entry_error(c2w, fxfycxcy, ball_alpha(c2w, fxfycxcy))
    assert away < 0.012
    assert share > 0.98


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "transposed rotation"])
def test_the_check_notices(fault: str) -> None:
    c2w, fxfycxcy = ring(8)
    alpha = ball_alpha(c2w, fxfycxcy)
    right, _ = entry_error(c2w, fxfycxcy, alpha)
    if fault == "half a pixel":
        fxfycxcy = fxfycxcy + torch.tensor([0.0, 0.0, 0.5, 0.5])
    elif fault == "one per cent":
        c2w = c2w.clone()
        c2w[0, ::2, :3, 3] *= 1.01
    else:
        c2w = c2w.clone()
        c2w[..., :3, :3] = c2w[..., :3, :3].mT.clone()
    wrong, share = entry_error(c2w, fxfycxcy, alpha)
    assert wrong > 1.2 * right or share < 0.9


def test_one_mask_may_lack_a_part() -> None:
    c2w, fxfycxcy = ring(6)
    alpha = ball_alpha(c2w, fxfycxcy)
    whole, share = entry_error(c2w, fxfycxcy, alpha)
    alpha[0, 2, : SIDE // 2] = 0
    lacking, still = entry_error(c2w, fxfycxcy, alpha)
    assert lacking == pytest.approx(whole, abs=0.08)
    assert still > 0.95 * share


@pytest.mark.parametrize("views", [2, 3, 4, 7])
def test_the_compiled_walk_finds_the_same(views: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks with holes, specks, cut limbs and a cut by the border: what could tell the two apart."""
    c2w, fxfycxcy = (part.float() for part in ring(views))
    rng = np.random.default_rng(views)
    noise = torch.tensor(rng.random((views, 1, 6, 6)), dtype=torch.float32)
    ragged = F.interpolate(noise, SIDE, mode="bilinear")[:, 0]
    alpha = (ball_alpha(c2w, fxfycxcy).float() * (ragged > 0.3) + (ragged > 0.93)).clamp(0, 1)[:1].clone()
    alpha[0, 0, :, :20] = 1.0
    alpha[0, -1, 30:] = 0.0
    origins, directions = pixel_rays(c2w, fxfycxcy, SIDE, SIDE)
    compiled = hull_maps(alpha, c2w, fxfycxcy, origins, directions, reach=1.2)
    monkeypatch.setattr(hull_prior, "_compiled", lambda _: hull_prior._walked)  # pyright: ignore[reportPrivateUsage]
    walked = hull_maps(alpha, c2w, fxfycxcy, origins, directions, reach=1.2)
    assert torch.equal(compiled[:, :, 1], walked[:, :, 1])
    assert compiled[:, :, 1].sum() > (15 if views == 2 else 300)
    assert (compiled - walked).abs().max() < 1e-4


def small(**changes: object) -> GSLRM:
    torch.manual_seed(0)
    model = GSLRM(replace(from_scratch(), width=32, head_width=16, layers=2, **changes))  # pyright: ignore[reportArgumentType]
    return model.eval()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Two samples of three views; the second subject is smaller."""
    c2w, fxfycxcy = (part.float().repeat(2, 1, *[1] * (part.ndim - 2)) for part in ring(3))
    alpha = ball_alpha(*ring(3)).float().repeat(2, 1, 1, 1)
    alpha[1, :, :22] = 0
    colours = torch.rand(2, 3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    return torch.cat([colours, alpha[:, :, None]], dim=2), c2w, fxfycxcy


def test_all_patches_kept_is_what_it_was() -> None:
    """Without masks read, and with every patch kept by name: difference 0."""
    image, c2w, fxfycxcy = batch()
    model = GSLRM(tiny()).eval()
    with torch.no_grad():
        plain = model(image, c2w, fxfycxcy)
        kept = model(image, c2w, fxfycxcy, keep=torch.ones(2, 3, 6, 6, dtype=torch.bool))
    assert kept.counts is None
    assert all(torch.equal(a, b) for a, b in zip(plain.parts, kept.parts, strict=True))


def test_packed_samples_are_what_each_is_alone() -> None:
    """What fills the shorter sample up has no part in it, forward and backward."""
    image, c2w, fxfycxcy = batch()
    model = small()
    together = model(image, c2w, fxfycxcy)
    assert together.counts is not None
    assert together.counts[0] > together.counts[1]
    for k in (0, 1):
        alone = model(image[k : k + 1], c2w[k : k + 1], fxfycxcy[k : k + 1]).of_sample(0)
        for a, b in zip(together.of_sample(k), alone, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    sum(part.square().sum() for part in together.of_sample(1)).backward()  # pyright: ignore[reportAttributeAccessIssue]
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters() if p.grad is not None)


def test_gaussians_are_those_of_the_subjects_pixels() -> None:
    image, c2w, fxfycxcy = batch()
    model = small()
    with torch.no_grad():
        found = model(image, c2w, fxfycxcy)
    there = (image[:, :, 3] > 0).sum(dim=(1, 2, 3)) + model.config.global_gaussians
    assert found.counts == tuple(there.tolist())
    xyz, harmonics, *_ = found.of_sample(0)
    origins, directions = pixel_rays(c2w, fxfycxcy, SIDE, SIDE)
    o, d = origins[0, 0, :, 0, 0], directions[0].permute(0, 2, 3, 1)[image[0, :, 3] > 0]
    assert len(xyz) == model.config.global_gaussians + len(d)
    ray = torch.nn.functional.normalize(xyz[model.config.global_gaussians :] - o, dim=1)
    first = int((image[0, 0, 3] > 0).sum())  # of the first view, in token order
    assert float((ray[:first] @ d[:first].T).max(dim=1).values.min()) > 1 - 1e-5  # each lies on the ray of one of them
    assert harmonics.shape[1:] == (1, 3)


def test_margin_and_patches() -> None:
    alpha = torch.zeros(1, 1, 16, 16)
    alpha[0, 0, 7, 7] = 0.1
    assert touched_patches(near_subject(alpha, 0), 8).flatten().tolist() == [True, False, False, False]
    assert touched_patches(near_subject(alpha, 1), 8).flatten().tolist() == [True] * 4
    assert int(near_subject(alpha, 2).sum()) == 25
    assert Packing.of(torch.zeros(1, 4, dtype=torch.bool)).counts == (1,)


def test_a_pretrained_network_starts_where_it_was() -> None:
    """The hull's channels come with zero weights, and training reaches them."""
    image, c2w, fxfycxcy = batch()
    model = GSLRM(GSLRMConfig(width=32, head_width=16, layers=2)).eval()
    before = model(image, c2w, fxfycxcy)
    model.add_hull_channels()
    after = model(image, c2w, fxfycxcy)
    assert all(torch.equal(a, b) for a, b in zip(before.parts, after.parts, strict=True))
    after.xyz.square().mean().backward()
    assert model.hull_embedder is not None
    assert float(model.hull_embedder.weight.grad.abs().max()) > 0  # pyright: ignore[reportOptionalMemberAccess]
    assert sum(p.numel() for p in model.parameters()) == weight_count(model.config)


def test_depths_start_at_the_hull_and_colours_at_the_pixel() -> None:
    """Of a network with small weights: Gaussians lie within a fraction of `hull_range` of the ball."""
    image, c2w, fxfycxcy = batch()
    with torch.no_grad():
        with_hull, without = (small(hull_range=value)(image, c2w, fxfycxcy).of_sample(0) for value in (0.35, None))
    off = [
        float((torch.linalg.vector_norm(found[0][2:] - BALL.float(), dim=1) - RADIUS).abs().median())
        for found in (with_hull, without)
    ]
    assert off[0] < 0.03
    assert off[1] > 3 * off[0]


def test_images_without_alpha_are_refused() -> None:
    image, c2w, fxfycxcy = batch()
    with pytest.raises(ModelError, match="without alpha"):
        small()(image[:, :, :3], c2w, fxfycxcy)
    with pytest.raises(ValueError, match="mask_margin"):
        replace(from_scratch(), mask_margin=-1)
    with pytest.raises(ValueError, match="hull_range > 0"):
        replace(from_scratch(), hull_range=0.0)
