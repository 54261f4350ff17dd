"""From images to images: a pixel's Gaussian falls on that pixel's centre, and on no other place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mouselift.data.sample import SampleTensors
from mouselift.errors import CheckpointError, ModelError
from mouselift.models.gslrm import config as network_config
from mouselift.reconstruct.gaussian_source import Engine
from mouselift.reconstruct.sample import background_of, camera_of
from mouselift.render.backends import renderer_for
from mouselift.render.base import Gaussians, RenderCamera, draw
from render_reference import ReferenceRenderer
from token_maps import unpatchify


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine.load(checkpoint, device="cpu")


def of_view(engine: Engine, gaussians: Gaussians, sample: SampleTensors, place: int) -> Tensor:
    """Positions [h, w, 3] of the Gaussians of one view's pixels."""
    count = engine.model.config.global_gaussians
    height, width = sample.image.shape[-2:]
    maps = unpatchify(gaussians.positions[count:][None], len(sample.views), height, width, 8)
    return maps[0, place].permute(1, 2, 0)


def pixel_error(positions: Tensor, view: RenderCamera) -> float:
    """Largest distance, in pixels, between where positions [h, w, 3] project and their pixels' centres."""
    T = view.T_cam_world
    p_cam = positions.double() @ T[:3, :3].T + T[:3, 3]
    fx, fy, cx, cy = view.intrinsics
    x, y = fx * p_cam[..., 0] / p_cam[..., 2] + cx, fy * p_cam[..., 1] / p_cam[..., 2] + cy
    j, i = torch.meshgrid(torch.arange(view.height), torch.arange(view.width), indexing="ij")
    return float(torch.maximum((x - i - 0.5).abs(), (y - j - 0.5).abs()).max())


def test_a_pixels_gaussian_falls_on_its_centre(engine: Engine, make_sample: Callable[..., SampleTensors]) -> None:
    sample = make_sample()
    gaussians = engine.reconstruct(sample)
    assert len(gaussians) == 2 + 3 * 24 * 32
    for place in range(3):
        assert pixel_error(of_view(engine, gaussians, sample, place), camera_of(sample, place)) < 0.01


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "transposed", "centred", "views swapped"])
def test_the_check_notices(engine: Engine, make_sample: Callable[..., SampleTensors], fault: str) -> None:
    sample = make_sample()
    positions = of_view(engine, engine.reconstruct(sample), sample, 0)
    view = camera_of(sample, 0)
    T, K = view.T_cam_world.clone(), view.intrinsics.clone()
    if fault == "half a pixel":
        K[2:] += 0.5
    elif fault == "one per cent":
        K[:2] *= 1.01
    elif fault == "centred":
        K[2:] = torch.tensor([16.0, 12.0])
    elif fault == "transposed":
        T[:3, :3] = T[:3, :3].T.clone()
    else:
        positions = of_view(engine, engine.reconstruct(sample), sample, 1)
    assert not pixel_error(positions, RenderCamera(T, K, 32, 24)) < 0.1


@pytest.mark.parametrize("place", [0, 2])
def test_drawn_with_the_input_camera_it_stands_on_its_pixel(
    engine: Engine, make_sample: Callable[..., SampleTensors], place: int
) -> None:
    """One pixel's Gaussian alone, small: the light it draws is centred on (i + 0.5, j + 0.5)."""
    sample = make_sample()
    whole = engine.reconstruct(sample)
    count, row, column = engine.model.config.global_gaussians, 11, 17
    order = torch.arange(len(whole) - count)[None, :, None].float()
    index = count + int(unpatchify(order, 3, 24, 32, 8)[0, place, 0, row, column])
    one = Gaussians(
        whole.positions[index : index + 1],
        torch.full((1, 3), 1e-3),
        whole.rotations[index : index + 1],
        torch.ones(1),
        torch.ones(1, 3),
    )
    alpha = draw(ReferenceRenderer(), one, camera_of(sample, place), (0.0, 0.0, 0.0)).alpha
    y, x = torch.meshgrid(torch.arange(24) + 0.5, torch.arange(32) + 0.5, indexing="ij")
    centroid = (float((x * alpha).sum() / alpha.sum()), float((y * alpha).sum() / alpha.sum()))
    assert centroid == pytest.approx((column + 0.5, row + 0.5), abs=0.01)


def test_the_compiled_renderer_draws_it_alike(engine: Engine, make_sample: Callable[..., SampleTensors]) -> None:
    sample = make_sample()
    gaussians = engine.reconstruct(sample)
    view, ground = camera_of(sample, 1), background_of(sample)
    fast, slow = (draw(r, gaussians, view, ground) for r in (renderer_for(engine.device), ReferenceRenderer()))
    torch.testing.assert_close(fast.colour, slow.colour, rtol=0, atol=1e-4)
    assert fast.colour.shape == (3, 24, 32)
    assert not fast.colour.requires_grad


def test_chosen_views_only(engine: Engine, make_sample: Callable[..., SampleTensors]) -> None:
    """None means the sample's inputs: what is held out never goes in."""
    sample = make_sample()
    two = engine.reconstruct(sample, [0, 2])
    own = engine.reconstruct(replace(sample, inputs=torch.tensor([0, 2])))
    torch.testing.assert_close(own.positions, two.positions, rtol=0, atol=0)
    dark = sample.image.clone()
    dark[1] = 0.0
    unseen = engine.reconstruct(replace(sample, image=dark), [0, 2])
    torch.testing.assert_close(unseen.positions, two.positions, rtol=0, atol=0)


@pytest.mark.parametrize("inputs", [[], [3], [-1], [0, 0]])
def test_views_that_are_none(engine: Engine, make_sample: Callable[..., SampleTensors], inputs: list[int]) -> None:
    with pytest.raises(ModelError, match=r"sample_000007: expected different input views among 0 \.\. 2"):
        engine.reconstruct(make_sample(), inputs)


def test_bfloat16_stays_near(engine: Engine, checkpoint: Path, make_sample: Callable[..., SampleTensors]) -> None:
    sample = make_sample()
    coarse = Engine.load(checkpoint, dtype=torch.bfloat16, device="cpu")
    assert coarse.held < engine.held
    a, b = engine.reconstruct(sample), coarse.reconstruct(sample)
    assert a.positions.dtype == b.positions.dtype == torch.float32
    assert (a.positions - b.positions).abs().max() < 0.03
    assert pixel_error(of_view(coarse, b, sample, 0), camera_of(sample, 0)) < 0.01, "on the rays in any precision"


def test_progress_hears_of_blocks(engine: Engine, make_sample: Callable[..., SampleTensors]) -> None:
    heard: list[tuple[str, int, int]] = []
    engine.reconstruct(make_sample(), progress=lambda *said: heard.append(said))
    assert heard == [("transformer", 1, 2), ("transformer", 2, 2)]


def test_sizes_and_memory(
    engine: Engine, make_sample: Callable[..., SampleTensors], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine.memory(3, 24, 32) < engine.memory(6, 24, 32)
    with pytest.raises(ModelError, match=r"sample_000007.*divisible by 8, got 36 x 36 .*--size 32"):
        engine.reconstruct(make_sample(height=36, width=36))
    need = engine.memory(3, 24, 32)
    monkeypatch.setattr(network_config, "available_bytes", lambda device: need - engine.held)
    assert engine.memory(3, 24, 32) == need, "the weights are there already"
    monkeypatch.setattr(network_config, "available_bytes", lambda device: need - engine.held - 1)
    with pytest.raises(ModelError, match="fewer views"):
        engine.reconstruct(make_sample())


def test_only_the_subjects_patches(checkpoint: Path, make_sample: Callable[..., SampleTensors]) -> None:
    sparse, dense = (Engine.load(checkpoint, device="cpu", mask_margin=margin) for margin in (0, None))
    sample = make_sample()
    sample.image[:, 3] = 1.0
    whole, same = dense.reconstruct(sample), sparse.reconstruct(sample)
    assert torch.equal(whole.positions, same.positions), "a subject that fills the images: nothing is left out"
    assert sparse.patches(sample, [0, 1, 2]) == 3 * 12
    assert dense.patches(sample, [0, 1, 2]) is None
    sample.image[:, 3] = 0.0
    sample.image[:, 3, 8:16, 8:20] = 1.0  # two patches a view, the second by half
    found = sparse.reconstruct(sample)
    assert len(found) == 2 + 3 * 8 * 12
    assert sparse.patches(sample, [0, 2]) == 2 * 2
    assert sparse.memory(3, 512, 512, 6) < 0.3 * dense.memory(3, 512, 512)
    uv = camera_of(sample, 0)
    p_cam = found.positions[2 : 2 + 96].double() @ uv.T_cam_world[:3, :3].T + uv.T_cam_world[:3, 3]
    x = uv.intrinsics[0] * p_cam[:, 0] / p_cam[:, 2] + uv.intrinsics[2]
    assert sorted(x.round(decimals=1).unique().tolist()) == [k + 0.5 for k in range(8, 20)], "on their pixels' centres"


def test_devices_and_precisions(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected cpu or cuda.*tpu"):
        Engine.load(checkpoint, device="tpu")
    if not torch.cuda.is_available():
        assert Engine.load(checkpoint).device.type == "cpu"
        with pytest.raises(ModelError, match="0 CUDA devices"):
            Engine.load(checkpoint, device="cuda")
    with pytest.raises(ModelError, match="float32 or bfloat16"):
        Engine.load(checkpoint, dtype=torch.float16)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        Engine.load(tmp_path / "none.pt")
