"""`--method fit` makes and judges samples like a network does; `--refine 0` changes nothing; workers change nothing."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mouselift.errors import ModelError, OptionError
from mouselift.fit import camera_colours
from mouselift.reconstruct.each_sample import EachSample, processes_for, source_of
from mouselift.reconstruct.fit_source import FitSource
from mouselift.reconstruct.options import EvaluateOptions, ReconstructOptions
from mouselift.reconstruct.pipeline import evaluate_reconstruction, reconstruct_samples

FIT: dict[str, Any] = {"method": "fit", "steps": 20, "device": "cpu"}


@pytest.fixture
def dataset(make_sample: Callable[..., Path], tmp_path: Path) -> Path:
    for k in range(2):
        make_sample(tmp_path / f"data/sample_{k:06d}", views=4)
    return tmp_path / "data"


@pytest.fixture
def soft(monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples' ball is small and soft: hardly a pixel holds no background."""
    monkeypatch.setattr(camera_colours, "_SOLID", 0.6)
    monkeypatch.setattr(camera_colours, "_FEWEST", 3)


@pytest.mark.usefixtures("soft")
def test_samples_are_fitted(dataset: Path, tmp_path: Path) -> None:
    options = ReconstructOptions(turntable=0, camera_colours=True, **FIT)
    done = reconstruct_samples(dataset, tmp_path / "out", options)
    assert done.made == 2
    assert all((record.mean("iou", "input") or 0) > 0.6 for record in done.records)
    assert all("no network" in record.network for record in done.records)
    assert all("camera colours: cam0: gain" in record.notes[0] for record in done.records)
    again = reconstruct_samples(dataset, tmp_path / "out", options)
    assert again.made == 0


@pytest.mark.usefixtures("soft")
def test_a_view_is_held_out(dataset: Path) -> None:
    result = evaluate_reconstruction(dataset, None, EvaluateOptions(camera_colours=True, **FIT))
    assert {group.role for group in result.means} == {"held-out", "input"}
    assert "held-out views included" in result.notes["Camera colours"]
    assert result.means[0].figures["iou"].mean > 0.6


@pytest.mark.usefixtures("soft")
def test_a_network_gets_common_colours(dataset: Path, checkpoint: Path) -> None:
    """And its views are drawn and scored in their camera's."""
    plain, common = (
        evaluate_reconstruction(
            dataset, None, EvaluateOptions(checkpoint=checkpoint, camera_colours=on, rotate=True, device="cpu")
        )
        for on in (False, True)
    )
    assert "held-out views included" in common.notes["Camera colours"]
    assert "Camera colours" not in plain.notes
    for one, other in zip(plain.records, common.records, strict=True):
        assert one.mean("foreground_psnr", "held-out") != other.mean("foreground_psnr", "held-out")


def test_files_hold_the_colours_they_were_made_in() -> None:
    with pytest.raises(ModelError, match="expected it without --gaussians"):
        EvaluateOptions(gaussians=Path("some"), camera_colours=True)


@pytest.mark.slow
def test_workers_change_nothing(dataset: Path, tmp_path: Path) -> None:
    options = ReconstructOptions(turntable=0, **FIT)
    for workers in (1, 2):
        reconstruct_samples(dataset, tmp_path / str(workers), options, workers=workers)
    one, two = ((tmp_path / k / "sample_000001/gaussians.ply").read_bytes() for k in ("1", "2"))
    assert one == two


def test_refining_by_nothing_is_the_network_alone(tmp_path: Path) -> None:
    checkpoint = tmp_path / "any.pt"
    checkpoint.touch()
    plain = source_of(ReconstructOptions(checkpoint=checkpoint, device="cpu"))
    none = source_of(ReconstructOptions(checkpoint=checkpoint, refine=0, device="cpu"))
    some = source_of(ReconstructOptions(checkpoint=checkpoint, refine=5, device="cpu"))
    assert none.identity == plain.identity
    assert type(none) is type(plain)
    assert some.identity == {**plain.identity, "refine": 5}


def test_a_job_is_picklable(dataset: Path) -> None:
    job = EachSample((), FitSource(3, "cpu"), EvaluateOptions(**FIT))
    assert pickle.loads(pickle.dumps(job)).source.steps == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "fit", "checkpoint": Path("a.pt")}, "uses no network"),
        ({"method": "fit", "refine": 3}, "uses no network"),
        ({"method": "fit", "steps": -1}, "--steps: expected 0 to"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises((ModelError, OptionError), match=words):
        ReconstructOptions(**options)
    with pytest.raises((ModelError, OptionError), match=words):
        EvaluateOptions(**options)


def test_only_fits_take_several_samples_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "any.pt").touch()
    network = source_of(ReconstructOptions(checkpoint=tmp_path / "any.pt", device="cpu"))
    assert processes_for(network, 0) == 1
    assert processes_for(FitSource(3, "cpu"), 3) == 3
    with pytest.raises(ModelError, match="workers: expected 1, got 2"):
        processes_for(network, 2)
