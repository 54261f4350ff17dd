"""The network that comes with mouselift: what runs where no checkpoint is given."""

from __future__ import annotations

from pathlib import Path

from mouselift.models.gslrm.facelift import load_gslrm, read_state
from mouselift.models.gslrm.model import GSLRM
from mouselift.reconstruct.each_sample import source_of
from mouselift.reconstruct.gaussian_source import BOX, NetworkSource
from mouselift.reconstruct.options import BOX_SIZE, EvaluateOptions, ReconstructOptions
from mouselift.reconstruct.pipeline import evaluate_reconstruction
from mouselift.synthetic.individual import HELD_OUT
from mouselift.synthetic.samples import SampleOptions, write_samples
from mouselift.train.config import box

FLOOR = (17.0, 0.75)  # dB, IoU: far below what docs/guides/box.md states, far above an untrained network


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
    """Views never given of a held-out individual; random weights of the same network fall short."""
    write_samples(tmp_path / "data", [HELD_OUT[0]], 1, SampleOptions(framing="canonical", extra=2, supersample=1))
    options = EvaluateOptions(views=tuple(f"cam{k}" for k in range(6)), device="cpu")
    (record,) = evaluate_reconstruction(tmp_path / "data", None, options).records
    psnr, iou = (record.mean(name, "held-out") for name in ("foreground_psnr", "iou"))
    assert psnr is not None
    assert iou is not None
    assert psnr > FLOOR[0]
    assert iou > FLOOR[1]
    assert not load_gslrm(BOX).state_dict().keys() ^ GSLRM(box().network).state_dict().keys()
