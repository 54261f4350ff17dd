"""End to end: marks on a sphere, as Gaussians, drawn with the cameras that each preset writes, land where they should.

A capture with lenses and skew is planned with every preset; the written cameras go through the file format and back.
Where a mark should be comes from the raw camera and the plan's map of pixels, not from the written camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mouselift.calibration.facelift import ViewEntry, read_cameras_json, sample_json
from mouselift.framing.framing import PRESETS
from mouselift.framing.plan import SamplePlan
from mouselift.framing.planning import plan_sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.similarity import look_at
from mouselift.render.base import Gaussians, RenderCamera, Renderer
from mouselift.render.cpu import CpuRenderer

RADIUS, SIZE = 25.0, 256  # mm, output pixels
MARK = 0.03  # standard deviation of a mark / the sphere's radius: some two pixels
LIMIT_PX = 0.1
CENTRE = np.array([6.0, -4.0, 3.0])


def raw_cameras() -> list[Camera]:
    """Four views, 1152 x 1024, lens and skew, aimed past the sphere, at various distances."""
    rng = np.random.default_rng(2)
    cameras = []
    for i in range(4):
        azimuth, elevation, distance = 1.5 * i + 0.3, 0.2 + 0.15 * i, 260.0 + 35 * i
        away = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
        centre = distance * away
        R = look_at(rng.uniform(-20, 20, 3) - centre, np.array([0.05, 0.0, -1.0]))
        K = np.array([[1650.0, -3.0, 590.0], [0.0, 1662.0, 498.0], [0.0, 0.0, 1.0]])
        lens = BrownConrady(-0.15, 0.3, 0.002, -0.003, 0.1)
        cameras.append(Camera.from_matrices(K, R, -R @ centre, (1152, 1024), lens, f"cam{i}"))
    return cameras


def outline(camera: Camera) -> Silhouette:
    """The sphere's mask in a raw image."""
    angle = np.linspace(0, 2 * np.pi, 4000)
    axis = CENTRE - camera.centre
    distance = float(np.linalg.norm(axis))
    u = np.cross(axis / distance, [0.0, 0.0, 1.0])
    u /= np.linalg.norm(u)
    v = np.cross(axis / distance, u)
    ring = np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v
    touch = CENTRE - RADIUS**2 / distance**2 * axis + RADIUS * np.sqrt(1 - (RADIUS / distance) ** 2) * ring
    rim = camera.project(touch)
    middle = rim.mean(axis=0)
    order = np.argsort(np.arctan2(*(rim - middle).T[::-1]))
    x, y = np.meshgrid(np.arange(1152) + 0.5, np.arange(1024) + 0.5)
    at = np.arctan2(y - middle[1], x - middle[0])
    bearing = np.arctan2(*(rim - middle)[order].T[::-1])
    reach = np.interp(at, bearing, np.linalg.norm(rim - middle, axis=1)[order], period=2 * np.pi)
    return Silhouette.from_mask(np.hypot(x - middle[0], y - middle[1]) < reach, (0, 0), (1152, 1024))


@pytest.fixture(scope="module")
def plans() -> dict[str, SamplePlan]:
    cameras = raw_cameras()
    silhouettes = [outline(camera) for camera in cameras]
    up = np.array([0.0, 0.0, 1.0])
    return {
        name: plan_sample(replace(framing, size=SIZE), cameras, silhouettes, up)
        for name, framing in PRESETS.items()
        if framing.zoom.scope != "dataset"
    }


def written(plan: SamplePlan, folder: Path) -> list[Camera]:
    """The cameras of the sample's file, written and read back."""
    views = [ViewEntry(plan.written_camera(i), f"images/cam_{i:03d}.png", i) for i in range(len(plan.views))]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "opencv_cameras.json").write_bytes(sample_json("sample", views, {}))
    return [view.camera for view in read_cameras_json(folder / "opencv_cameras.json")[0]]


def marks() -> np.ndarray:
    """Points spread over the sphere, source world."""
    i = np.arange(60) + 0.5
    z, azimuth = 1 - 2 * i / 60, np.pi * (1 + 5**0.5) * i
    flat = np.sqrt(1 - z * z)
    return CENTRE + RADIUS * np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), z], axis=1)


def errors(renderer: Renderer, plan: SamplePlan, cameras: list[Camera]) -> np.ndarray:
    """Pixels between each mark drawn and where its pixel of the raw image went, all views."""
    points = marks()
    out = []
    for index, camera in enumerate(cameras):
        raw = plan.views[index].source
        facing = (points - CENTRE) @ (raw.centre - CENTRE) / (RADIUS * np.linalg.norm(raw.centre - CENTRE)) > 0.3
        expected = plan.reframe(index).to_target(raw.project(points[facing]))
        for point, want in zip(plan.world.apply(points[facing]), expected, strict=True):
            scale = MARK * RADIUS * plan.world.scale
            one = Gaussians(
                torch.tensor(point[None]),
                torch.full((1, 3), scale, dtype=torch.float64),
                torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64),
                torch.tensor([0.9], dtype=torch.float64),
                torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64),
            )
            alpha = renderer.render(one, RenderCamera.of(camera)).alpha.numpy()
            y, x = np.mgrid[:SIZE, :SIZE] + 0.5
            total = alpha.sum()
            assert total > 3, "the mark is not in the image"
            out.append(np.hypot((alpha * x).sum() / total - want[0], (alpha * y).sum() / total - want[1]))
    return np.array(out)


@pytest.mark.parametrize("preset", ["per-view", "per-sample", "canonical"])
def test_marks_land(preset: str, plans: dict[str, SamplePlan], tmp_path: Path) -> None:
    plan = plans[preset]
    cameras = written(plan, tmp_path)
    if preset != "canonical":
        assert max(abs(camera.cx - SIZE / 2) for camera in cameras) > 20, "principal points should be off-centre here"
    found = errors(CpuRenderer(), plan, cameras)
    assert len(found) > 60
    assert float(found.max()) < LIMIT_PX


def test_legacy_is_seen(plans: dict[str, SamplePlan], tmp_path: Path) -> None:
    plan = plans["legacy"]
    cameras = written(plan, tmp_path)
    with pytest.raises(AssertionError):
        assert float(errors(CpuRenderer(), plan, cameras).max()) < LIMIT_PX


def test_faults_are_seen(
    camera_fault: Callable[[Camera], Camera], plans: dict[str, SamplePlan], tmp_path: Path
) -> None:
    plan = plans["per-sample"]
    cameras = [camera_fault(camera) for camera in written(plan, tmp_path)]
    with pytest.raises(AssertionError):
        assert float(errors(CpuRenderer(), plan, cameras).max()) < LIMIT_PX
