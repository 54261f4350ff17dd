"""Known needles and floaters are counted by their opacity; a clean ball has none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.reconstruct.artefacts import MARGIN, NEEDLE, artefacts, effective_rank, inside_hull
from mouselift.reconstruct.options import EvaluateOptions
from mouselift.reconstruct.pipeline import evaluate_reconstruction
from mouselift.reconstruct.record import Artefacts
from mouselift.render.base import Gaussians, RenderCamera, draw
from mouselift.render.cpu import CpuRenderer

torch.set_num_threads(1)
RADIUS, SIDE = 0.3, 64
MIDDLE = np.array([0.05, -0.02, 0.03])


def cameras() -> list[Camera]:
    places = [(2.7 * np.cos(a), 2.7 * np.sin(a), z) for a, z in zip(np.arange(6) * 1.1, (0.9, -0.4) * 3, strict=True)]
    T = [looking_at(np.zeros(3), np.array(place)) for place in places]
    return [Camera(SIDE, SIDE, 2.2 * SIDE, 2.2 * SIDE, SIDE / 2, SIDE / 2, t, name=f"cam{k}") for k, t in enumerate(T)]


def ball(count: int = 300) -> Gaussians:
    """Round Gaussians spread through a ball."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(count, 3))
    points = RADIUS * directions / np.linalg.norm(directions, axis=1, keepdims=True) * rng.random((count, 1)) ** (1 / 3)
    w_first = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(count, 1)
    parts = torch.tensor(points + MIDDLE).float(), torch.full((count, 3), 0.04), w_first
    return Gaussians(*parts, torch.full((count,), 0.5), torch.full((count, 3), 0.5))


def found(gaussians: Gaussians) -> Artefacts:
    """Judged by masks of the clean ball."""
    rig, renderer = cameras(), CpuRenderer()
    alphas = [draw(renderer, ball(), RenderCamera.of(camera)).alpha for camera in rig]
    return artefacts(gaussians, rig, alphas, renderer)


def test_a_clean_ball_has_none() -> None:
    clean = found(ball())
    assert (clean.needles, clean.floaters) == (0.0, 0.0)
    assert clean.effective_rank == pytest.approx(3.0)
    assert clean.outside is not None
    assert clean.outside < 0.005  # the Gaussians' tails


def test_the_limit_is_five_to_one() -> None:
    axes = torch.tensor([[5.2, 1.0, 1.0], [4.8, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1e-6], [1.0, 1e-6, 1e-6]])
    rank = effective_rank(axes.double().log())
    assert (rank < NEEDLE).tolist() == [True, False, False, False, True]
    assert rank[2:].tolist() == pytest.approx([3.0, 2.0, 1.0], abs=1e-4)
    assert -math.log(NEEDLE - 1) == pytest.approx(1.0)


def test_needles_and_floaters_are_counted_by_opacity() -> None:
    made = ball()
    scales, opacities, positions = made.scales.clone(), made.opacities.clone(), made.positions.clone()
    scales[:30, 1:] = 0.004  # needles, half as opaque as the others
    opacities[:30] = 0.25
    positions[100:115] = torch.tensor(MIDDLE).float() + torch.tensor([0.0, 0.0, 0.6])
    spoiled = found(replace(made, scales=scales, opacities=opacities, positions=positions))
    total = 270 * 0.5 + 30 * 0.25
    assert spoiled.needles == pytest.approx(30 * 0.25 / total, abs=1e-6)
    assert spoiled.floaters == pytest.approx(15 * 0.5 / total, abs=1e-6)
    assert spoiled.outside is not None
    assert spoiled.outside > 0.01
    assert spoiled.effective_rank is not None
    assert 2.8 < spoiled.effective_rank < 2.95


def test_the_margin_is_two_hundredths_of_the_side() -> None:
    """A point that leaves the mask of one view alone, by less and by more than the margin."""
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[20:44, 20:44] = True
    rig = cameras()[:2]
    whole = np.ones_like(mask)

    def right_of(pixels: float) -> np.ndarray:
        camera = rig[0]
        ray = np.array([(44 + pixels - camera.cx) / camera.fx, 0.0, 1.0]) * 2.7
        return (camera.R_cam_world.T @ ray + camera.centre)[None]

    seen = [(rig[0], mask), (rig[1], whole)]
    assert pytest.approx(1.28) == MARGIN * SIDE
    assert inside_hull(right_of(0.9), seen).all()
    assert not inside_hull(right_of(2.1), seen).any()
    assert not inside_hull(right_of(0.9), seen[:1]).any()  # one view says nothing about depth


def test_what_is_not_known_is_not_zero() -> None:
    rig, renderer = cameras(), CpuRenderer()
    opaque = [torch.ones(SIDE, SIDE)] * 6
    without = artefacts(ball(), rig, opaque, renderer)
    assert without.needles == 0.0
    assert (without.floaters, without.outside) == (None, None)
    assert artefacts(replace(ball(), opacities=torch.zeros(300)), rig, opaque, renderer) == Artefacts()
    corners = []
    for corner in (slice(0, 8), slice(56, 64)):  # masks that no point of space fits
        corners.append(torch.zeros(SIDE, SIDE))
        corners[-1][corner, corner] = 1.0
    assert artefacts(ball(), [rig[0], rig[0]], corners, renderer).outside is None


def test_an_evaluation_says_them(make_sample: Callable[..., Path], checkpoint: Path, tmp_path: Path) -> None:
    make_sample(tmp_path / "data/sample_0", views=4)
    result = evaluate_reconstruction(tmp_path / "data", tmp_path / "out", EvaluateOptions(checkpoint=checkpoint))
    assert set(result.artefacts) == {"needles", "effective_rank", "floaters", "outside"}
    written = json.loads((tmp_path / "out/evaluation.json").read_text(encoding="utf-8"))
    assert written["artefacts"]["floaters"]["mean"] == result.artefacts["floaters"].mean > 0.3  # random weights
