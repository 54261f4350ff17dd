"""Marks in a raw image are found in the output where the written camera puts them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from mouselift.framing.framing import PRESETS, DatasetZoom, Zoom
from mouselift.framing.plan import SamplePlan, ViewPlan
from mouselift.framing.planning import plan_sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.similarity import Similarity
from mouselift.prepare.resample import warp_view

DEFAULT_PX, WORST_PX = 0.05, 0.1
SIGMA = 1.6  # source pixels


def mark_points(camera: Camera, index: int) -> np.ndarray:
    """Points in space at various depths, far enough apart in this view not to touch."""
    x, y = np.meshgrid(np.linspace(-75, 75, 5), np.linspace(-50, 50, 4))
    rng = np.random.default_rng(index)
    grid = np.stack([x.ravel(), y.ravel()], axis=1) + rng.uniform(-3, 3, (20, 2))
    middle = np.array([[3.0, -2.0, 1.0]])
    depth = float(camera.depth(middle)[0]) + rng.uniform(-25, 25, 20)
    return camera.unproject(camera.project(middle) + grid, depth)


def painted(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(image, mask): a bright Gaussian at each projection on black, integrated over pixels; the subject around."""
    at = camera.project(points)
    fine = (np.arange(camera.width * 8) + 0.5) / 8, (np.arange(camera.height * 8) + 0.5) / 8
    total = np.zeros((camera.height, camera.width))
    for px, py in at:
        across = np.exp(-((fine[0] - px) ** 2) / (2 * SIGMA**2)).reshape(-1, 8).mean(axis=1)
        down = np.exp(-((fine[1] - py) ** 2) / (2 * SIGMA**2)).reshape(-1, 8).mean(axis=1)
        total += 230 * np.outer(down, across)
    mask = np.zeros((camera.height, camera.width), dtype=np.uint8)
    low, high = at.min(axis=0).astype(int) - 14, at.max(axis=0).astype(int) + 14
    mask[low[1] : high[1], low[0] : high[0]] = 255
    return np.repeat(np.rint(total).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), mask


def errors(image: np.ndarray, expected: np.ndarray, radius: float) -> np.ndarray:
    """Distance of each mark's weighted centre from where it should be, output pixels."""
    x, y = np.meshgrid(np.arange(image.shape[1]) + 0.5, np.arange(image.shape[0]) + 0.5)
    out = []
    for px, py in expected:
        weight = image[..., 0] * ((x - px) ** 2 + (y - py) ** 2 < radius**2).astype(float)
        assert weight.sum() > 50, "no mark near its place"
        out.append(np.hypot((weight * x).sum() / weight.sum() - px, (weight * y).sum() / weight.sum() - py))
    return np.array(out)


@dataclass(frozen=True, eq=False)
class Mark:
    """One view's marks."""

    points: np.ndarray  # source world
    image: np.ndarray
    mask: np.ndarray


@pytest.fixture(scope="session")
def marks(shot: Any) -> list[Mark]:
    out = []
    for i, camera in enumerate(shot.cameras):
        points = mark_points(camera, i)
        out.append(Mark(points, *painted(camera, points)))
    return out


def planned(preset: str, shot: Any, up: Any, marks: Any, size: int = 512) -> SamplePlan:

    silhouettes = [Silhouette.from_mask(mark.mask > 127) for mark in marks]
    framing = replace(PRESETS[preset], size=size)
    if preset == "legacy":
        framing = replace(framing, fill=0.45)  # the old scripts clip; marks must stay inside
    return plan_sample(framing, shot.cameras, silhouettes, up)


def found(view: ViewPlan, written: Camera, world: Similarity, mark: Mark, image_of: Any, **how: Any) -> np.ndarray:
    """Each mark's distance from where `written`, a camera of the sample's world, puts it; output pixels."""
    image = warp_view(view, image_of(mark.image), mark.mask, **how)
    # The window scales with the mark; too small a one would pull every centre towards the expected place.
    return errors(image, written.project(world.apply(mark.points)), max(4.0, 5.5 * SIGMA * view.scale))


@pytest.mark.parametrize("preset", ["per-sample", "per-view", "canonical"])
def test_marks_lie_where_the_written_camera_puts_them(
    preset: str, shot: Any, up: Any, marks: Any, image_of: Any
) -> None:
    plan = planned(preset, shot, up, marks)
    for i, view in enumerate(plan.views):
        assert found(view, plan.written_camera(i), plan.world, marks[i], image_of).max() < DEFAULT_PX


@pytest.mark.parametrize("interpolation", ["linear", "cubic", "quintic"])
@pytest.mark.parametrize("size", [128, 200, 280, 512])
def test_every_interpolation_and_size(
    interpolation: Any, size: int, shot: Any, up: Any, marks: Any, image_of: Any
) -> None:
    plan = planned("canonical", shot, up, marks, size)
    for i, view in enumerate(plan.views):
        off = found(view, plan.written_camera(i), plan.world, marks[i], image_of, interpolation=interpolation)
        assert off.max() < WORST_PX


def test_scale_one_where_interpolation_is_hardest(shot: Any, up: Any, marks: Any, image_of: Any) -> None:
    """At scale 1 a mark keeps one phase of the pixel grid, and a kernel's bias shows in full."""
    plan = planned("per-sample", shot, up, marks)
    one = replace(plan.framing, zoom=Zoom("scale", "dataset"))

    silhouettes = [Silhouette.from_mask(mark.mask > 127) for mark in marks]
    plan = plan_sample(one, shot.cameras, silhouettes, up, shared=DatasetZoom("scale", 1.0, 0, "cam0"))
    for i, view in enumerate(plan.views):
        assert found(view, plan.written_camera(i), plan.world, marks[i], image_of).max() < DEFAULT_PX


@pytest.mark.parametrize("preset", ["per-sample", "per-view", "canonical"])
@pytest.mark.parametrize("fault", [{"x": 0.5, "y": 0.0}, {"x": 0.0, "y": -0.5}, {"x": 0.0, "y": 0.0, "zoom": 1.01}])
def test_the_check_notices(
    fault: dict[str, float], preset: str, shot: Any, up: Any, marks: Any, image_of: Any, faulty: Any
) -> None:
    """Pixels made with a faulty camera are not where the written camera puts them."""
    plan = planned(preset, shot, up, marks)
    off = found(faulty(plan.views[2], **fault), plan.written_camera(2), plan.world, marks[2], image_of)
    assert off.max() > 0.3


def test_the_check_notices_forgotten_lens_and_skew(shot: Any, up: Any, marks: Any, image_of: Any) -> None:

    plan = planned("per-sample", shot, up, marks)
    view = plan.views[1]
    for wrong in (replace(view.source, lens=Pinhole()), replace(view.source, skew=0.0)):
        off = found(replace(view, source=wrong), plan.written_camera(1), plan.world, marks[1], image_of)
        assert off.max() > 2 * DEFAULT_PX


def test_legacy_pixels_are_where_the_plan_says_and_not_where_the_file_says(
    shot: Any, up: Any, marks: Any, image_of: Any
) -> None:
    plan = planned("legacy", shot, up, marks)
    for i, view in enumerate(plan.views):
        assert found(view, view.target, plan.world, marks[i], image_of).max() < DEFAULT_PX
        points = marks[i].points
        gap = np.linalg.norm(plan.written_camera(i).project(points) - view.target.project(points), axis=1)
        assert gap.mean() > 10.0
