"""The released sample through `evaluate`: scored against itself, and views of a network held out by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mouselift.data.dataset import MultiViewDataset
from mouselift.reconstruct.metrics import PSNR_LIMIT, view_scores
from mouselift.reconstruct.options import EvaluateOptions
from mouselift.reconstruct.pipeline import evaluate_reconstruction

SAMPLE = Path(__file__).resolve().parents[3] / "shared/data/facelift_sample"
pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"real data not at {SAMPLE}")
torch.set_num_threads(1)
WHITE = (1.0, 1.0, 1.0)


def test_a_real_image_is_perfect_against_itself_only() -> None:
    image = MultiViewDataset(SAMPLE)[0].image
    same = view_scores(image[0, :3], image[0, 3], image[0], WHITE)
    assert (same.foreground_psnr, same.iou) == (PSNR_LIMIT, 1.0)
    moved = image[0].roll(1, dims=2)
    off = view_scores(moved[:3], moved[3], image[0], WHITE)
    assert off.foreground_psnr < 40
    assert off.iou < 0.999
    assert off.foreground_psnr < off.psnr


def test_named_inputs_hold_the_others_out(tmp_path: Path, checkpoint: Path) -> None:
    names = MultiViewDataset(SAMPLE)[0].views
    options = EvaluateOptions(checkpoint=checkpoint, views=names[:6], size=64, device="cpu")
    result = evaluate_reconstruction(SAMPLE, tmp_path / "out", options)
    assert [(group.role, group.views) for group in result.means] == [("held-out", 2), ("input", 6)]
    assert result.without_mask == 0
    assert set(result.means[0].figures) == {"foreground_psnr", "foreground_ssim", "iou", "psnr", "ssim"}
