"""The gsplat path, without a GPU: what would be handed over, by a stand-in that draws with the reference."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mouselift.errors import MissingExtraError
from mouselift.render.backends import renderer_for
from mouselift.render.base import DILATION, NEAR, Gaussians, RenderCamera
from mouselift.render.cpu import CpuRenderer
from mouselift.render.gsplat_backend import GsplatRenderer, load_gsplat
from render_reference import ReferenceRenderer

Make = Callable[..., Any]


class StandIn:
    """`rasterization` by gsplat's documented names and shapes: it refuses others, and draws with the reference."""

    def rasterization(self, **got: Any) -> tuple[Tensor, Tensor, dict[str, Any]]:
        n = len(got["means"])
        shapes = {
            "means": (n, 3), "quats": (n, 4), "scales": (n, 3), "opacities": (n,), "colors": (n, 3),
            "viewmats": (1, 4, 4), "Ks": (1, 3, 3), "backgrounds": (1, 3),
        }  # fmt: skip
        for name, shape in shapes.items():
            assert tuple(got[name].shape) == shape, name
            assert got[name].dtype == torch.float32, name
            assert bool(got[name].isfinite().all()), name
        assert torch.allclose(got["quats"].norm(dim=1), torch.ones(n)), "unit, w first"
        options = {key: value for key, value in got.items() if key not in shapes}
        assert options == {
            "width": 45, "height": 38, "near_plane": NEAR, "far_plane": 1e10, "eps2d": DILATION,
            "render_mode": "RGB", "rasterize_mode": "classic", "packed": False,
        }  # fmt: skip
        K, T = got["Ks"][0], got["viewmats"][0]
        assert torch.equal(T[3], torch.tensor([0.0, 0.0, 0.0, 1.0])), "world to camera, column vectors"
        view = RenderCamera(T, torch.stack([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]), got["width"], got["height"])
        g = Gaussians(got["means"], got["scales"], got["quats"], got["opacities"], got["colors"])
        drawn = ReferenceRenderer().render(g, view, tuple(got["backgrounds"][0].tolist()))
        return drawn.colour.permute(1, 2, 0)[None], drawn.alpha[None, :, :, None], {}


@pytest.mark.parametrize("harmonics", [0, 1, 9])
def test_hands_over_what_gsplat_expects(harmonics: int, make_easy: Make, make_view: Make, outcome: Make) -> None:
    gaussians, view = make_easy(0, harmonics=harmonics), make_view(0)
    # none of these may reach a kernel
    gaussians.positions[5] = torch.nan
    gaussians.rotations[6] = 0.0
    gaussians.scales[7, 1] = torch.inf
    gaussians.positions[8, 2] = 1e300  # infinite in float32
    gaussians.colours[9] = torch.nan
    got = outcome(GsplatRenderer(StandIn()), gaussians, view, (0.1, 0.2, 0.3))
    want = outcome(CpuRenderer(), gaussians, view, (0.1, 0.2, 0.3))
    assert float((got.rendering.colour - want.rendering.colour).abs().max()) < 2e-3  # float32 reference
    assert not any(gradient.isnan().any() for gradient in got.gradients.values())
    error = (got.gradients["positions"] - want.gradients["positions"]).norm() / want.gradients["positions"].norm()
    assert float(error) < 2e-2


def test_faults_in_what_is_handed_over_are_seen(make_easy: Make, make_view: Make, outcome: Make) -> None:
    """Half a pixel, 1 % of zoom, a transposed pose, quaternions with w last: each shows against the CPU renderer."""

    class Faulty(StandIn):
        def __init__(self, fault: str) -> None:
            self.fault = fault

        def rasterization(self, **got: Any) -> tuple[Tensor, Tensor, dict[str, Any]]:
            if self.fault == "half a pixel":
                got["Ks"] = got["Ks"] + torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
            elif self.fault == "zoom":
                got["Ks"] = got["Ks"] * torch.tensor([1.01, 1.01, 1.0])
            elif self.fault == "transposed":
                T = got["viewmats"].clone()
                T[:, :3, :3] = T[:, :3, :3].transpose(1, 2)
                got["viewmats"] = T
            elif self.fault == "w last":
                got["quats"] = got["quats"].roll(-1, dims=1)
            return super().rasterization(**got)

    gaussians, view = make_easy(0), make_view(0)
    want = outcome(CpuRenderer(), gaussians, view).rendering.colour
    for fault in ("half a pixel", "zoom", "transposed", "w last"):
        got = outcome(GsplatRenderer(Faulty(fault)), gaussians, view).rendering.colour
        assert float((got - want).abs().max()) > 1e-2, fault


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine with CUDA loads gsplat")
def test_gsplat_is_not_touched_without_cuda() -> None:
    with pytest.raises(MissingExtraError, match="CUDA device"):
        load_gsplat()
    with pytest.raises(MissingExtraError, match="`cpu` renderer"):
        renderer_for(torch.device("cuda"))
    assert "gsplat" not in sys.modules


def test_a_missing_gsplat_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "gsplat", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mouselift\[gpu\]'"):
        renderer_for(torch.device("cuda"))


def test_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert isinstance(renderer_for(torch.device("cpu")), CpuRenderer)


def test_a_missing_numba_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("mouselift.render.cpu")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mouselift\[train\]'"):
        renderer_for(torch.device("cpu"))
