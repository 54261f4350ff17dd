"""Drawn with the sample's cameras, Gaussians that are right land on the prepared images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mouselift.data.dataset import MultiViewDataset
from mouselift.data.sample import SampleTensors
from mouselift.dataset.sample import read_sample
from mouselift.progress import Progress
from mouselift.reconstruct.options import ReconstructOptions, colour_of
from mouselift.reconstruct.plan import make_plan
from mouselift.reconstruct.sample import Made, reconstruct_sample
from mouselift.reconstruct.write import turn
from mouselift.render.base import Gaussians
from mouselift.render.cpu import CpuRenderer

POINT, SPREAD, COLOUR = (0.12, -0.2, 0.17), 0.1, (0.8, 0.4, 0.2)


def ball(extra: int = 0) -> Gaussians:
    """What the images show, as one Gaussian; `extra` nearly clear ones about it."""
    rng = torch.Generator().manual_seed(1)
    near = torch.tensor(POINT) + 0.3 * torch.randn(extra, 3, generator=rng)
    return Gaussians(
        torch.cat([torch.tensor([POINT]), near]),
        torch.cat([torch.full((1, 3), SPREAD), torch.full((extra, 3), 0.01)]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(1 + extra, 1),
        torch.cat([torch.tensor([0.99]), torch.full((extra,), 0.01)]),
        torch.tensor([COLOUR]).repeat(1 + extra, 1),
    )


class Given:
    """A source of Gaussians that are known."""

    def __init__(self, gaussians: Gaussians) -> None:
        self.known = gaussians
        self.identity: dict[str, object] = {}
        self.words, self.device = "a ball", torch.device("cpu")

    def key(self, sample: str) -> str:
        return ""

    def gaussians(self, sample: SampleTensors, inputs: Sequence[int], progress: Progress) -> Gaussians:
        return self.known


def options_of(**more: Any) -> ReconstructOptions:
    return ReconstructOptions(checkpoint=Path("none.pt"), **more)


def loaded(folder: Path, options: ReconstructOptions) -> SampleTensors:
    return MultiViewDataset([folder], size=options.size, background=colour_of(options.background))[0]


def made_of(
    folder: Path, options: ReconstructOptions, sample: SampleTensors | None = None, gaussians: Gaussians | None = None
) -> Made:
    given = sample if sample is not None else loaded(folder, options)
    (task,) = make_plan(folder, options.rule, options.size).tasks
    return reconstruct_sample(Given(gaussians or ball()), CpuRenderer(), given, task, options.filter)


def centre_of(image: np.ndarray) -> np.ndarray:
    """(x, y) of what differs from white, pixels; centres at +0.5. Far away where nothing does."""
    weight = 255.0 - image.astype(np.float64).mean(axis=2)
    if not weight.any():
        return np.full(2, -1e3)
    y, x = np.mgrid[: len(weight), : weight.shape[1]] + 0.5
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def miss(made: Made) -> float:
    """Largest distance of a drawn blob from the prepared one, pixels."""
    return max(float(np.linalg.norm(centre_of(shot.drawn) - centre_of(shot.wanted))) for shot in made.shots)


@pytest.mark.parametrize("size", [None, 32, 96])
def test_it_lands_on_the_images(sample: Path, size: int | None) -> None:
    made = made_of(sample, options_of(size=size))
    assert miss(made) < 0.1
    assert min(view.iou or 0.0 for view in made.record.views) > 0.85, "a small disc"
    assert min(view.foreground_psnr or 0.0 for view in made.record.views) > 25


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "transposed"])
def test_faults_are_noticed(sample: Path, fault: str) -> None:
    options = options_of()
    given = loaded(sample, options)
    c2w, K = given.c2w.clone(), given.fxfycxcy.clone()
    if fault == "half a pixel":
        K[:, 2:] += 0.5
    elif fault == "one per cent":
        K *= 1.01  # as if the images were of another size
    else:
        c2w[:, :3, :3] = c2w[:, :3, :3].mT.clone()
    wrong = made_of(sample, options, replace(given, c2w=c2w, fxfycxcy=K))
    assert not miss(wrong) < 0.2
    good = made_of(sample, options).record.mean("foreground_psnr", "input")
    bad = wrong.record.mean("foreground_psnr", "input")
    assert good is not None
    assert bad is not None
    assert bad < good - 0.5


def test_cameras_are_those_of_the_file(sample: Path) -> None:
    """In float64, resized as the images were: half a pixel or a per cent would show."""
    own = [view.camera for view in read_sample(sample).views]
    for camera, found in zip(own, made_of(sample, options_of()).cameras, strict=True):
        assert (found.fx, found.cx, found.name) == (camera.fx, camera.cx, camera.name)
        np.testing.assert_array_equal(found.T_cam_world, camera.T_cam_world)
    for camera, found in zip(own, made_of(sample, options_of(size=32)).cameras, strict=True):
        assert (found.width, found.fx, found.cy) == pytest.approx((32, camera.fx * 32 / 48, camera.cy * 32 / 48))


def test_held_out_views_are_scored_apart(sample: Path) -> None:
    record = made_of(sample, options_of(views=("cam2", "cam0"))).record
    assert [view.role for view in record.views] == ["input", "held-out", "input"]
    assert record.roles == ["held-out", "input"]
    two = [view.iou for view in record.views if view.role == "input"]
    assert record.mean("iou", "input") == pytest.approx(np.mean(np.array(two, dtype=float)))
    assert record.means["held-out"]["iou"] == record.views[1].iou


def test_the_filter_leaves_out_what_it_names(sample: Path) -> None:
    gaussians = ball(extra=20)
    whole = made_of(sample, options_of(), gaussians=gaussians)
    small = made_of(sample, options_of(filter="facelift"), gaussians=gaussians)
    assert (whole.record.kept, len(whole.splats), len(whole.gaussians)) == (21, 21, 21)
    # z > 0: the release's rule keeps long axes there; the clear ones go
    assert (small.record.kept, len(small.splats), len(small.gaussians)) == (1, 1, 1)
    assert small.record.made == 21


def test_not_finite_ones_are_counted(sample: Path) -> None:
    gaussians = ball(extra=3)
    gaussians.positions[2, 1] = float("nan")
    record = made_of(sample, options_of(), gaussians=gaussians).record
    assert (record.made, record.kept, record.not_finite) == (4, 3, 1)


def test_nothing_left_is_drawn_as_nothing(sample: Path) -> None:
    made = made_of(sample, options_of(filter="facelift"), gaussians=replace(ball(), opacities=torch.tensor([0.01])))
    assert made.record.kept == 0
    assert all((shot.drawn == 255).all() for shot in made.shots)
    assert made.record.mean("iou", "input") == 0.0


def test_a_turn_shows_the_ball_from_the_cameras_height(sample: Path) -> None:
    made = made_of(sample, options_of())
    frames = list(turn(CpuRenderer(), made, 6))
    assert len(frames) == 6
    assert {frame.shape for frame in frames} == {(48, 48, 3)}
    assert len({frame.tobytes() for frame in frames}) == 6
    assert all((255 - frame.astype(int)).sum() > 5000 for frame in frames)


def test_the_background_is_everywhere(sample: Path) -> None:
    made = made_of(sample, options_of(background=(0, 51, 255)))
    for shot in made.shots:
        assert tuple(shot.wanted[0, 0]) == tuple(shot.drawn[0, 0]) == (0, 51, 255)
    assert min(view.foreground_psnr or 0.0 for view in made.record.views) > 28
