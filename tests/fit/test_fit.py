"""A fit from the hull explains a view that it never got; what is wrong in the input shows there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from mouselift.data.sample import SampleTensors
from mouselift.errors import DatasetError
from mouselift.fit import optimise
from mouselift.fit.optimise import BLACK, fitted
from mouselift.fit.start import hull_start
from mouselift.fit.subject import subject_of
from mouselift.progress import silent
from mouselift.reconstruct.artefacts import NEEDLE
from mouselift.reconstruct.fit_source import FitSource, RefinedSource
from mouselift.reconstruct.metrics import ViewScores, view_scores
from mouselift.reconstruct.sample import camera_of
from mouselift.render.base import WHITE, Gaussians, draw
from mouselift.render.cpu import CpuRenderer
from mouselift.render.shape import effective_rank

INPUTS, OUT, STEPS = (0, 1, 3, 4, 5), 2, 25


def gaussians_of(sample: SampleTensors, steps: int = STEPS, inputs: Sequence[int] = INPUTS) -> Gaussians:
    return FitSource(steps, "cpu").gaussians(sample, inputs, silent)


def held_out(sample: SampleTensors, gaussians: Gaussians) -> ViewScores:
    got = draw(CpuRenderer(), gaussians, camera_of(sample, OUT))
    return view_scores(got.colour, got.alpha, sample.image[OUT], WHITE)


@pytest.fixture(scope="module")
def fit(sample: SampleTensors) -> Gaussians:
    return gaussians_of(sample)


def test_a_view_that_never_went_in_gets_better(sample: SampleTensors, fit: Gaussians) -> None:
    before, after = held_out(sample, gaussians_of(sample, steps=0)), held_out(sample, fit)
    # not the foreground's: the start is too fat, which only what lies outside shows
    assert after.psnr > before.psnr + 5, (before, after)
    assert after.iou > max(0.85, before.iou + 0.1)
    assert after.foreground_ssim > before.foreground_ssim + 0.1


def test_no_gaussian_holds_the_outline_alone(
    sample: SampleTensors, fit: Gaussians, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some are left out of every step: what two of three of them show has fewer holes."""

    def shown_by_two_of_three(g: Gaussians) -> float:
        kept = torch.arange(len(g)) % 3 > 0
        some = Gaussians(g.positions[kept], g.scales[kept], g.rotations[kept], g.opacities[kept], g.colours[kept])
        return float(draw(CpuRenderer(), some, camera_of(sample, 0)).alpha[sample.image[0, 3] > 0.5].mean())

    monkeypatch.setattr(optimise, "_LEFT_OUT", 0.0)
    assert shown_by_two_of_three(fit) > shown_by_two_of_three(gaussians_of(sample)) + 0.01


def test_the_start_lies_on_the_hull(sample: SampleTensors) -> None:
    """A hull holds the shape: no point inside the ellipsoid by more than a pixel, none far outside."""
    subject = subject_of(sample, INPUTS)
    start = hull_start(sample, subject)
    axes, middle = torch.tensor([0.45, 0.25, 0.2]), torch.tensor([0.1, -0.05, 0.08])
    level = ((start.positions - middle) / axes).norm(dim=1)
    assert float(level.quantile(0.02)) > 0.9
    assert float(level.quantile(0.98)) < 1.35
    assert subject.pixel == pytest.approx(2.7 / (1.9 * 32), rel=0.05)


def test_a_wrong_camera_makes_it_worse(sample: SampleTensors, fit: Gaussians) -> None:
    K = sample.fxfycxcy.clone()
    K[1, 2] += 4.0  # pixels
    wrong = held_out(sample, gaussians_of(replace(sample, fxfycxcy=K)))
    assert wrong.iou < held_out(sample, fit).iou - 0.03


def test_the_held_out_view_is_not_looked_at(sample: SampleTensors, fit: Gaussians) -> None:
    image = sample.image.clone()
    image[OUT] = 0.3
    again = gaussians_of(replace(sample, image=image))
    assert torch.equal(again.positions, fit.positions)


def test_the_number_of_threads_changes_nothing(sample: SampleTensors, fit: Gaussians) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        again = gaussians_of(sample)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert torch.equal(again.positions, fit.positions)
    assert torch.equal(again.colours, fit.colours)


def test_the_background_changes_nothing(sample: SampleTensors, fit: Gaussians) -> None:
    """Compared over a background, what is drawn too opaque takes on the background's colours."""
    behind = torch.tensor([0.1, 0.3, 0.2])
    image = sample.image.clone()
    image[:, :3] += (behind - sample.background)[:, None, None] * (1 - image[:, 3:])
    other = gaussians_of(replace(sample, image=image, background=behind))
    # means: Adam blows single roundings up
    assert float((other.colours - fit.colours).abs().mean()) < 1e-3
    assert float((other.positions - fit.positions).abs().mean()) < 1e-3


def test_the_outline_has_the_subjects_colours(sample: SampleTensors, fit: Gaussians) -> None:
    """In a view that never went in: what covers the outermost pixels is not pale."""
    got, (*wanted, alpha) = draw(CpuRenderer(), fit, camera_of(sample, OUT), BLACK), sample.image[OUT]
    rim = (alpha > 0.1) & (alpha < 0.9) & (got.alpha > 0.1)
    own = ((torch.stack(wanted) - (1 - alpha)) / alpha)[:, rim]
    assert float((got.colour[:, rim] / got.alpha[rim] - own).square().mean().sqrt()) < 0.075


def test_no_needles(fit: Gaussians) -> None:
    needle = effective_rank(fit.scales.log()) < NEEDLE
    assert float(fit.opacities[needle].sum() / fit.opacities.sum()) < 0.02


def test_refining_goes_on_from_what_is_given(sample: SampleTensors) -> None:
    first = FitSource(0, "cpu")
    start = first.gaussians(sample, INPUTS, silent)
    same = RefinedSource(first, 0).gaussians(sample, INPUTS, silent)
    assert torch.equal(same.positions, start.positions)
    assert torch.equal(same.scales, start.scales)
    better = RefinedSource(first, 8).gaussians(sample, INPUTS, silent)
    assert held_out(sample, better).psnr > held_out(sample, start).psnr + 1


def test_harmonics_are_refined_as_plain_colours_are(sample: SampleTensors) -> None:
    """A network's colours are harmonics, their numbers 3.5 times those of colours: rates and limits are for both."""
    start, subject = gaussians_of(sample, steps=0), subject_of(sample, INPUTS)
    stored = Gaussians.from_splats(start.to_splats())
    assert stored.colours.ndim == 3
    plain, got = (fitted(each, subject, CpuRenderer(), 8) for each in (start, stored))
    assert got.colours.shape[1:] == (1, 3)
    assert held_out(sample, got).psnr > held_out(sample, start).psnr + 1
    # means: Adam blows single roundings up
    assert float((got.colours_seen_from(torch.zeros(3)) - plain.colours).abs().mean()) < 1e-4
    assert float((got.positions - plain.positions).abs().mean()) < 1e-4


def test_steps_are_told(sample: SampleTensors) -> None:
    heard: list[tuple[str, int, int]] = []
    FitSource(3, "cpu").gaussians(sample, INPUTS, lambda *call: heard.append(call))
    assert heard == [("steps", 1, 3), ("steps", 2, 3), ("steps", 3, 3)]


@pytest.mark.parametrize("fault", ["no mask", "one subject", "no volume"])
def test_what_cannot_be_fitted_is_refused(sample: SampleTensors, fault: str) -> None:
    image, c2w, words = sample.image.clone(), sample.c2w.clone(), ""
    if fault == "no mask":
        image[3, 3], words = 1.0, "view cam3: expected a mask"
    elif fault == "one subject":
        image[1:, 3], words = 0.0, "at least 2 input views with a subject, got 1"
    else:
        c2w[:, 2, 3] += torch.tensor([0.0, 40.0, -80.0, 120.0, -160.0, 200.0])  # units apart: no two rays meet
        words = "share no volume"
    with pytest.raises(DatasetError, match=words):
        gaussians_of(replace(sample, image=image, c2w=c2w))
