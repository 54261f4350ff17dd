"""The network that comes with mouselift: what runs where no checkpoint is given."""

from __future__ import annotations

from pathlib import Path

import torch

from mouselift.models.gslrm.facelift import read_state, save_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.reconstruct.each_sample import source_of
from mouselift.reconstruct.gaussian_source import BOX, NetworkSource
from mouselift.reconstruct.options import BOX_SIZE, EvaluateOptions, ReconstructOptions
from mouselift.reconstruct.pipeline import evaluate_reconstruction
from mouselift.synthetic.individual import HELD_OUT
from mouselift.synthetic.samples import SampleOptions, write_samples
from mouselift.train.config import box

FLOOR = 0.7  # IoU: below what docs/guides/box.md states


def test_it_runs_where_no_checkpoint_is_given() -> None:
    for options in (ReconstructOptions(), EvaluateOptions()):
        source = source_of(options)
        assert isinstance(source, NetworkSource)
        assert source.checkpoint == BOX
        assert "comes with mouselift" in source.words
        assert options.size == BOX_SIZE == box().size
    assert EvaluateOptions(size=64).size == 64
    assert EvaluateOptions(gaussians=Path("any")).size is None
    assert ReconstructOptions(method="fit").size is None


def test_its_file() -> None:
    assert BOX.stat().st_size < 10e6
    state, config = read_state(BOX)
    assert config == box().network
    assert all(value.dtype.itemsize == 2 for value in state.values())


def test_it_reconstructs_an_animal_that_it_never_saw(tmp_path: Path) -> None:
    """Views never given of a held-out individual: what random weights of the same network do not reach."""
    write_samples(tmp_path / "data", [HELD_OUT[0]], 1, SampleOptions(framing="canonical", extra=2, supersample=1))
    torch.manual_seed(0)
    save_gslrm(GSLRM(box().network), tmp_path / "random.safetensors")
    views = tuple(f"cam{k}" for k in range(6))
    trained, random = (
        _scores(tmp_path / "data", checkpoint, views) for checkpoint in (None, tmp_path / "random.safetensors")
    )
    assert trained[0] > random[0] + 5.0
    assert trained[1] > random[1] + 0.25
    assert trained[1] > FLOOR


def _scores(dataset: Path, checkpoint: Path | None, views: tuple[str, ...]) -> tuple[float, float]:
    """PSNR and IoU of the views that were not given. The whole image's: a cloud that covers all has no holes."""
    options = EvaluateOptions(checkpoint=checkpoint, views=views, size=128, device="cpu")
    (record,) = evaluate_reconstruction(dataset, None, options).records
    psnr, iou = record.mean("psnr", "held-out"), record.mean("iou", "held-out")
    assert psnr is not None
    assert iou is not None
    return psnr, iou
