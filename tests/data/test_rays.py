"""Torch rays against the float64 ones of `pluecker_reference`, and their invariants."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mouselift.data.rays import RayMaps, input_channels, nearest_points, pixel_rays
from mouselift.geometry.camera import Camera
from pluecker_reference import nearest_to_origin, pixel_centres, pluecker

H, W = 12, 20


def moments(origins: RayMaps, directions: RayMaps) -> RayMaps:
    """Pluecker moments m = o x d: the same for every point o of the line; |m| is its distance from the origin."""
    return torch.linalg.cross(origins, directions, dim=-3)


def tensors(cameras: list[Camera], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """c2w [v, 4, 4] and fxfycxcy [v, 4] of images W x H."""
    c2w = np.stack([np.linalg.inv(camera.T_cam_world) for camera in cameras])
    K = [[c.fx, c.fy, c.cx, c.cy] for c in cameras]
    return torch.from_numpy(c2w).to(dtype), torch.tensor(K, dtype=dtype)


def small(cameras: list[Camera]) -> list[Camera]:
    return [Camera(W, H, c.fx, c.fy, 9.3, 6.9, c.T_cam_world, name=c.name) for c in cameras]


def incidence(cameras: list[Camera], c2w: Tensor, K: Tensor) -> float:
    """|X x d - m| where X projects to pixel centres of each camera."""
    o, d = pixel_rays(c2w, K, H, W)
    m = moments(o, d)
    worst = 0.0
    for k, camera in enumerate(cameras):
        X = torch.from_numpy(camera.unproject(pixel_centres(W, H), np.linspace(1.0, 4.0, W * H)))
        flat_d, flat_m = d[k].flatten(1).T, m[k].flatten(1).T
        worst = max(worst, float((torch.linalg.cross(X, flat_d) - flat_m).abs().max()))
    return worst


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_as_core_gives_them(cameras: list[Camera], dtype: torch.dtype, tolerance: float) -> None:
    views = small(cameras)
    o, d = pixel_rays(*tensors(views, dtype), H, W)
    m, n = moments(o, d), nearest_points(o, d)
    for k, camera in enumerate(views):
        directions, line = pluecker(camera, pixel_centres(W, H))
        for found, expected in ((d, directions), (m, line), (n, nearest_to_origin(directions, line))):
            flat = found[k].flatten(1).T.double().numpy()
            np.testing.assert_allclose(flat, expected, rtol=0, atol=tolerance)
        np.testing.assert_allclose(o[k, :, 3, 5].double().numpy(), camera.centre, rtol=0, atol=tolerance)


def test_lines_pass_through_what_the_pixels_see(cameras: list[Camera]) -> None:
    assert incidence(small(cameras), *tensors(small(cameras))) < 1e-12


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "transposed"])
def test_the_incidence_notices_faults(fault: str, cameras: list[Camera]) -> None:
    c2w, K = tensors(small(cameras))
    if fault == "half a pixel":
        K = K + torch.tensor([0.0, 0.0, 0.5, 0.5])
    elif fault == "one per cent":
        K = K * torch.tensor([1.01, 1.01, 1.0, 1.0])
    else:
        c2w = c2w.clone()
        c2w[:, :3, :3] = c2w[:, :3, :3].mT.clone()
    assert incidence(small(cameras), c2w, K) > 1e-3


def test_invariants(cameras: list[Camera]) -> None:
    o, d = pixel_rays(*tensors(small(cameras)), H, W)
    m, n = moments(o, d), nearest_points(o, d)
    torch.testing.assert_close(d.norm(dim=1), torch.ones(4, H, W, dtype=torch.float64))
    assert (d * m).sum(dim=1).abs().max() < 1e-12
    torch.testing.assert_close(moments(o + 3.7 * d, d), m, rtol=0, atol=1e-12)
    torch.testing.assert_close(n, torch.linalg.cross(d, m, dim=1), rtol=0, atol=1e-12)
    torch.testing.assert_close(n.norm(dim=1), m.norm(dim=1), rtol=0, atol=1e-12)


def test_nine_channels_in_the_released_order(cameras: list[Camera]) -> None:
    o, d = pixel_rays(*tensors(small(cameras)), H, W)
    rgb = torch.rand(4, 3, H, W, dtype=torch.float64, requires_grad=True)
    channels = input_channels(rgb, o, d)
    assert channels.shape == (4, 9, H, W)
    torch.testing.assert_close(channels[:, :3], 2 * rgb - 1)
    torch.testing.assert_close(channels[:, 3:6], d)
    torch.testing.assert_close(channels[:, 6:], nearest_points(o, d))
    channels.sum().backward()
    assert rgb.grad is not None
    assert (rgb.grad == 2).all()


def test_batches_are_samples_apart(cameras: list[Camera]) -> None:
    c2w, K = tensors(small(cameras))
    o, d = pixel_rays(c2w.reshape(2, 2, 4, 4), K.reshape(2, 2, 4), H, W)
    one_o, one_d = pixel_rays(c2w, K, H, W)
    assert torch.equal(o.flatten(0, 1), one_o)
    assert torch.equal(d.flatten(0, 1), one_d)
