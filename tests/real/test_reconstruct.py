"""The released sample through `mouselift reconstruct`, by a tiny network: its Gaussians lie on its pixels' rays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import tyro

from mouselift.cli.reconstruct import Reconstruct
from mouselift.data.dataset import MultiViewDataset
from mouselift.gaussians.files import read_ply
from mouselift.reconstruct.gaussian_source import Engine
from mouselift.reconstruct.sample import camera_of
from mouselift.render.base import RenderCamera
from token_maps import unpatchify

SAMPLE = Path(__file__).resolve().parents[3] / "shared/data/facelift_sample"
pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"real data not at {SAMPLE}")
torch.set_num_threads(1)
SIDE = 64


def pixel_error(positions: torch.Tensor, view: RenderCamera) -> float:
    """Pixels between where positions [h, w, 3] project and (i + 0.5, j + 0.5)."""
    p_cam = positions.double() @ view.T_cam_world[:3, :3].T + view.T_cam_world[:3, 3]
    fx, fy, cx, cy = view.intrinsics
    x, y = fx * p_cam[..., 0] / p_cam[..., 2] + cx, fy * p_cam[..., 1] / p_cam[..., 2] + cy
    j, i = torch.meshgrid(torch.arange(view.height), torch.arange(view.width), indexing="ij")
    return float(torch.maximum((x - i - 0.5).abs(), (y - j - 0.5).abs()).max())


def test_a_pixels_gaussian_falls_on_its_centre(checkpoint: Path) -> None:
    sample = MultiViewDataset(SAMPLE, size=SIDE)[0]
    gaussians = Engine.load(checkpoint, device="cpu").reconstruct(sample)
    count = len(sample.views)
    maps = unpatchify(gaussians.positions[2:][None], count, SIDE, SIDE, 8)[0].permute(0, 2, 3, 1)
    for place in range(count):
        view = camera_of(sample, place)
        assert pixel_error(maps[place], view) < 0.01
        half = RenderCamera(view.T_cam_world, view.intrinsics + torch.tensor([0, 0, 0.5, 0.5]), SIDE, SIDE)
        assert pixel_error(maps[place], half) > 0.4


def test_the_command(checkpoint: Path, tmp_path: Path) -> None:
    options = ["--checkpoint", str(checkpoint), "--size", str(SIDE), "--turntable", "2", "--json"]
    assert tyro.cli(Reconstruct, args=[str(SAMPLE), str(tmp_path / "out"), *options]).run() == 0
    views = len(MultiViewDataset(SAMPLE)[0].views)
    folder = tmp_path / "out/facelift_sample"
    assert len(read_ply(folder / "gaussians.ply")) == 2 + views * SIDE * SIDE
    assert len(list((folder / "renders").iterdir())) == views
    assert (folder / "index.html").stat().st_size < 2_000_000
