"""Without a model: one shape explains all views only where the cameras belong to the pixels."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from scripts import script

EXAMPLE = Path(__file__).parents[3] / "examples/fit_gaussians.py"
SIZE, STEPS = 256, 1000
LEAST_DB = 30.0


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return script("examples/fit_gaussians.py")


def foreground_psnr(example: ModuleType, preset: str, out: Path) -> float:
    torch.manual_seed(0)
    return float(np.mean([view.foreground_psnr for view in example.fit(preset, out, SIZE, STEPS).values()]))


@pytest.mark.slow
def test_cameras_that_match_their_pixels_are_explained_by_one_shape(
    example: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("fit")
    good = {preset: foreground_psnr(example, preset, out) for preset in ("per-sample", "canonical")}
    assert min(good.values()) >= LEAST_DB, good
    legacy = foreground_psnr(example, "legacy", out)
    with pytest.raises(AssertionError):
        assert legacy >= LEAST_DB
    assert legacy < min(good.values()) - 5, (good, legacy)
    assert {path.name for path in out.iterdir()} >= {"per-sample.png", "per-sample.ply", "legacy.png", "legacy.ply"}
