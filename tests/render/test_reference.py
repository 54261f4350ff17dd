"""The reference itself: against a pixel worked out by hand, finite differences, and the conventions' limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mouselift.errors import CalibrationError
from mouselift.gaussians.files import Splats
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady
from mouselift.geometry.similarity import Similarity
from mouselift.render.base import DILATION, NEAR, Gaussians, RenderCamera, Renderer
from mouselift.render.cpu import CpuRenderer
from render_reference import ReferenceRenderer, matrices_of

Make = Callable[..., Any]
BOTH = pytest.mark.parametrize("renderer", [ReferenceRenderer(), CpuRenderer()], ids=["reference", "cpu"])


def balls(positions: list[list[float]], scale: float, opacities: list[float], colours: list[list[float]]) -> Gaussians:
    count = len(positions)
    return Gaussians(
        torch.tensor(positions, dtype=torch.float64),
        torch.full((count, 3), scale, dtype=torch.float64),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=torch.float64).repeat(count, 1),
        torch.tensor(opacities, dtype=torch.float64),
        torch.tensor(colours, dtype=torch.float64),
    )


def plain_view(width: int = 33, height: int = 21, cx: float = 10.0, cy: float = 12.5, f: float = 40.0) -> RenderCamera:
    K = torch.tensor([f, f, cx, cy], dtype=torch.float64)
    return RenderCamera(torch.eye(4, dtype=torch.float64), K, width, height)


@BOTH
def test_by_hand(renderer: Renderer) -> None:
    """Two balls on the optical axis, over a background: every pixel from the formula, principal point off-centre."""
    gaussians = balls([[0, 0, 2], [0, 0, 1]], 0.05, [0.5, 0.8], [[1, 0, 0], [0, 1, 0.5]])
    got = renderer.render(gaussians, plain_view(), (0.0, 0.25, 1.0))
    x, y = np.meshgrid(np.arange(33) + 0.5 - 10.0, np.arange(21) + 0.5 - 12.5)

    def alpha(opacity: float, z: float) -> np.ndarray:
        variance = (40.0 * 0.05 / z) ** 2 + DILATION  # on the axis the linearised image is a disc
        value = opacity * np.exp(-0.5 * (x * x + y * y) / variance)
        return np.where(value >= 1 / 255, value, 0)

    far, near = alpha(0.5, 2.0), alpha(0.8, 1.0)
    light = (1 - near) * (1 - far)
    want = np.stack(
        [(1 - near) * far, near + light * 0.25, 0.5 * near + light * 1.0]
    )  # the nearer is second in the list, first in depth
    np.testing.assert_allclose(got.colour.numpy(), want, atol=3e-6)
    np.testing.assert_allclose(got.alpha.numpy(), 1 - light, atol=3e-6)


@BOTH
def test_equal_depths_keep_their_order(renderer: Renderer) -> None:
    gaussians = balls([[0, 0, 1]] * 2, 0.3, [0.9, 0.9], [[1, 0, 0], [0, 1, 0]])
    middle = renderer.render(gaussians, plain_view(), (0.0, 0.0, 0.0)).colour[:, 12, 9]
    assert float(middle[0]) == pytest.approx(0.9, abs=0.01)
    assert float(middle[1]) == pytest.approx(0.09, abs=0.01)


@BOTH
def test_near_plane_opacity_limits_and_early_stop(renderer: Renderer) -> None:
    view, black = plain_view(), (0.0, 0.0, 0.0)
    assert not renderer.render(balls([[0, 0, NEAR]], 0.1, [1.0], [[1, 1, 1]]), view, black).alpha.any()
    assert renderer.render(balls([[0, 0, NEAR + 1e-6]], 0.1, [1.0], [[1, 1, 1]]), view, black).alpha.any()
    assert not renderer.render(balls([[0, 0, 1]], 0.1, [1 / 255 - 1e-9], [[1, 1, 1]]), view, black).alpha.any()
    one = renderer.render(balls([[0, 0, 1]], 5.0, [1.0], [[1, 1, 1]]), view, black)
    assert float(one.alpha.max()) == pytest.approx(0.99, abs=1e-6)
    # light left: 0.01, then 0.0005; a third one would leave 0.00005 < 0.0001: neither it nor the fourth is drawn
    stack = balls(
        [[0, 0, z] for z in (1, 1.1, 1.2, 1.3)], 50.0, [1, 0.95, 0.9, 0.1], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [9, 9, 9]]
    )
    middle = renderer.render(stack, view, black)
    assert middle.colour[:, 12, 9].tolist() == pytest.approx([0.99, 0.0095, 0.0], abs=2e-6)
    assert float(middle.alpha[12, 9]) == pytest.approx(1 - 0.0005, abs=1e-6)


@BOTH
def test_what_reaches_into_the_image_is_drawn(renderer: Renderer) -> None:
    """A wide one whose centre lies outside; tails end exactly where alpha falls below 1/255."""
    got = renderer.render(balls([[-0.5, 0, 1]], 0.2, [0.9], [[1, 1, 1]]), plain_view(), (0.0, 0.0, 0.0))
    assert float(got.alpha[12, 0]) > 0.1
    drawn = got.alpha[got.alpha > 0]
    assert float(drawn.min()) >= 1 / 255 - 1e-8


def test_gradients_by_finite_differences(make_easy: Make, make_view: Make) -> None:
    """Everything, the pose and the intrinsics included, on a scene without thresholds in reach."""
    g, view = make_easy(4, 3, 0.5), make_view(4, 5, 4)
    g.opacities.clamp_(0.3, 0.6)

    def image(*leaves: torch.Tensor) -> torch.Tensor:
        got = ReferenceRenderer().render(Gaussians(*leaves[:5]), RenderCamera(leaves[5], leaves[6], 5, 4))
        return torch.cat([got.colour.flatten(), got.alpha.flatten()])

    T = view.T_cam_world
    leaves = [g.positions, g.scales, g.rotations, g.opacities, g.colours, T, view.intrinsics]
    assert torch.autograd.gradcheck(image, [leaf.clone().requires_grad_() for leaf in leaves], eps=1e-7, atol=1e-4)


@BOTH
def test_one_similarity_on_cameras_and_gaussians(renderer: Renderer, make_easy: Make) -> None:
    """The image stays the same, though the near plane and nothing else knows about scale."""
    rng = np.random.default_rng(5)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    change = Similarity(2.5, turn * np.sign(np.linalg.det(turn)), rng.normal(size=3))
    gaussians = make_easy(6)
    T = np.eye(4)
    T[2, 3] = 3.0
    camera = Camera(48, 40, 50.0, 52.0, 30.0, 17.0, T)
    before = renderer.render(gaussians, RenderCamera.of(camera))
    after = renderer.render(gaussians.in_world(change), RenderCamera.of(camera.in_world(change)))
    assert float((before.colour - after.colour).abs().max()) < 1e-5
    forgotten = renderer.render(gaussians.in_world(change), RenderCamera.of(camera))
    assert float((before.colour - forgotten.colour).abs().max()) > 0.1
    other_turn = Similarity(2.5, change.R_new_old.T, change.origin_old)
    transposed = renderer.render(gaussians.in_world(other_turn), RenderCamera.of(camera.in_world(change)))
    assert float((before.colour - transposed.colour).abs().max()) > 0.1


def test_quaternions_turn_like_matrices(make_easy: Make) -> None:
    rng = np.random.default_rng(8)
    for angle in (1e-9, 0.3, math.pi - 1e-9, math.pi):
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        S = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        R = np.eye(3) + np.sin(angle) * S + (1 - np.cos(angle)) * S @ S
        gaussians = make_easy(9, 20)
        turned = gaussians.in_world(Similarity(1.0, R)).rotations
        want = torch.tensor(R) @ matrices_of(gaussians.rotations)
        assert torch.allclose(matrices_of(turned), want, atol=1e-12)


def test_harmonics_do_not_turn(make_easy: Make) -> None:
    with pytest.raises(ValueError, match="above degree 0"):
        make_easy(0, harmonics=4).in_world(Similarity(2.0))


def test_lenses_are_refused() -> None:
    camera = Camera(32, 32, 40.0, 40.0, 16.0, 16.0, np.eye(4), BrownConrady(0.1), name="cam2")
    with pytest.raises(CalibrationError, match="cam2"):
        RenderCamera.of(camera)


def test_parts_must_match(make_easy: Make) -> None:
    g = make_easy(0, 5)
    with pytest.raises(Exception, match=r"5|positions"):
        Gaussians(g.positions[:4], g.scales, g.rotations, g.opacities, g.colours)


def test_to_and_from_files() -> None:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    splats = Splats(normal(6, 3), normal(6, 4, 3), normal(6), normal(6, 3), normal(6, 4))
    back = Gaussians.from_splats(splats).to_splats()
    for name in ("positions", "harmonics", "opacities", "scales", "rotations"):
        np.testing.assert_allclose(getattr(back, name), getattr(splats, name), atol=2e-6)
    plain = balls([[0, 0, 1]], 0.1, [1.0], [[0.2, 0.5, 0.8]]).to_splats()
    assert np.isfinite(plain.opacities).all()
    np.testing.assert_allclose(
        Gaussians.from_splats(plain).colours_seen_from(torch.zeros(3)), [[0.2, 0.5, 0.8]], atol=1e-6
    )
