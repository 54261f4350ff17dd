"""The fast source map against the exact one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mouselift.framing.framing import PRESETS
from mouselift.framing.planning import plan_sample
from mouselift.geometry.camera import Camera, Reframe
from mouselift.geometry.lens import BrownConrady, Fisheye
from mouselift.prepare.resample import source_map
from resample_reference import scale_at

PROMISED_PX = 1e-3


def worst(reframe: Reframe, box: tuple[int, int, int, int], origin: tuple[float, float] = (0.5, 0.5)) -> float:
    """Largest distance, source pixels, between the fast map and the exact one over the whole box."""
    where = source_map(reframe, box)
    columns, rows = np.arange(box[0], box[2]) + 0.5, np.arange(box[1], box[3]) + 0.5
    map_x, map_y = where.at(columns, rows, origin, 2.0)
    x, y = np.meshgrid(columns, rows)
    exact = reframe.to_source(np.stack([x.ravel(), y.ravel()], axis=1)) - np.array(origin)
    found = np.stack([map_x.ravel(), map_y.ravel()], axis=1).astype(np.float64) / 2
    return float(np.nanmax(np.abs(found - exact)))


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_map_is_exact(preset: str, shot: Any, up: Any) -> None:
    plan = plan_sample(PRESETS[preset], shot.cameras, shot.silhouettes, up)
    for view in plan.views:
        assert view.box is not None
        x0, y0, _, _ = source_map(view.reframe, view.box).bounds
        assert worst(view.reframe, view.box, (x0, y0)) < PROMISED_PX
        assert worst(view.reframe, (0, 0, 512, 512), (x0, y0)) < PROMISED_PX


@pytest.mark.parametrize("lens", [Fisheye(0.05, -0.02, 0.01, 0.0), BrownConrady(-0.3, 0.15, 0.001, -0.002, -0.02)])
@pytest.mark.parametrize("focal", [150.0, 400.0, 1500.0])
def test_strong_lenses(lens: Any, focal: float) -> None:
    source = Camera(1280, 1024, 520.0, 525.0, 630.0, 500.0, np.eye(4), lens, name="wide")
    target = source.turned(_turn(0.4)).pinhole(focal, (256.0, 256.0), (512, 512))
    assert worst(Reframe(source, target), (0, 0, 512, 512), (600.0, 500.0)) < PROMISED_PX


def test_a_lens_without_rays_in_a_corner_is_mapped_pixel_by_pixel() -> None:
    source = Camera(640, 480, 300.0, 300.0, 320.0, 240.0, np.eye(4), BrownConrady(-0.4), name="folds")
    target = source.pinhole(150.0, (256.0, 256.0), (512, 512))
    reframe = Reframe(source, target)
    where = source_map(reframe, (0, 0, 512, 512))
    assert where.polynomials is None
    map_x, _ = where.at(np.array([0.5, 256.5]), np.array([0.5, 256.5]), (0.0, 0.0), 1.0)
    assert map_x[0, 0] < -1e5  # no ray: a place that no image has
    assert map_x[1, 1] == pytest.approx(reframe.to_source(np.array([[256.5, 256.5]]))[0, 0], abs=1e-4)


def test_the_check_notices_half_a_pixel_and_one_per_cent(shot: Any, up: Any, faulty: Any) -> None:
    view = plan_sample(PRESETS["canonical"], shot.cameras, shot.silhouettes, up).views[1]
    assert view.box is not None
    for wrong in (faulty(view, 0.5, 0.0), faulty(view, 0.0, 0.0, 1.01)):
        where = source_map(wrong.reframe, view.box)
        columns, rows = np.arange(view.box[0], view.box[2]) + 0.5, np.arange(view.box[1], view.box[3]) + 0.5
        map_x, _ = where.at(columns, rows, (0.0, 0.0), 1.0)
        x, y = np.meshgrid(columns, rows)
        exact = view.reframe.to_source(np.stack([x.ravel(), y.ravel()], axis=1))[:, 0]
        assert np.abs(map_x.ravel() - exact).max() > 0.2


def test_the_local_scale(shot: Any, up: Any) -> None:
    for size in (128, 512):
        framing = replace(PRESETS["per-sample"], size=size)
        for view in plan_sample(framing, shot.cameras, shot.silhouettes, up).views:
            assert view.box is not None
            middle = np.array([[(view.box[0] + view.box[2]) / 2, (view.box[1] + view.box[3]) / 2]])
            expected = scale_at(view.reframe, view.reframe.to_source(middle))
            assert source_map(view.reframe, view.box).scale == pytest.approx(expected, rel=1e-4)


def _turn(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
