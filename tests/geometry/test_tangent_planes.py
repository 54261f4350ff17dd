"""All pairs at once, against the slow twin; faults of half a pixel, one per cent and a transposed matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from mouselift.dataset.sample import Sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Lens, Pinhole
from mouselift.geometry.outlines import Outline, outline_of
from mouselift.geometry.tangent_planes import Tangency, tangency
from tangency_reference import OutlineRays, tangency_residuals


def outlines_of(sample: Sample) -> list[Outline | None]:
    return [outline_of(view.alpha) for view in sample.views]


def cameras_of(sample: Sample) -> list[Camera]:
    return [view.camera for view in sample.views]


def slow(cameras: list[Camera], outlines: list[Outline | None]) -> np.ndarray:
    """The slow twin's residuals in the fast one's layout."""
    rays = [
        OutlineRays(c, o.convex, c.rays(o.convex), o.uninformative) for c, o in zip(cameras, outlines, strict=True) if o
    ]
    out = np.full((len(cameras), len(cameras), 2), np.nan)
    for r in tangency_residuals(rays):
        out[r.first, r.second, r.side] = r.pixels
    return out


def agree(fast: Tangency, twin: np.ndarray, tolerance: float) -> bool:
    same = np.isfinite(fast.pixels) == np.isfinite(twin)
    return bool(same.all()) and float(np.nanmax(np.abs(fast.pixels - twin))) < tolerance


def with_view(cameras: list[Camera], k: int, **changes: object) -> list[Camera]:
    return [replace(c, **changes) if i == k else c for i, c in enumerate(cameras)]  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", ["per-sample", "per-view", "canonical"])
def test_exact_samples_agree_and_so_does_the_slow_twin(preset: str, make_exact: Callable[..., Sample]) -> None:
    sample = make_exact(1.3, preset)
    found = tangency(cameras_of(sample), outlines_of(sample))
    assert found.view_rms_px.max() < 0.25
    assert found.count >= 20
    assert agree(found, slow(cameras_of(sample), outlines_of(sample)), 1e-3)


def test_the_twin_agrees_under_large_faults_and_lenses_too(exact: Sample) -> None:
    cameras, outlines = cameras_of(exact), outlines_of(exact)
    moved = with_view(cameras, 2, cx=cameras[2].cx + 7, fx=cameras[2].fx * 1.1)
    assert agree(tangency(moved, outlines), slow(moved, outlines), 0.05)
    lens = BrownConrady(-0.1, 0.02, 0.001, -0.002, 0.0)
    bent = with_view(cameras, 1, lens=lens, skew=3.0)
    assert agree(tangency(bent, outlines), slow(bent, outlines), 0.02)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("views", [2, 3, 6])
@pytest.mark.parametrize("lens", [Pinhole(), BrownConrady(-0.1, 0.02, 0.001, -0.002, 0.0), Fisheye(-0.02, 0.004)])
def test_equal_to_the_slow_twin(lens: Lens, views: int, cut: bool, exact: Sample) -> None:
    """Whatever the lens, the number of views and the cut of one image; a wrong camera is measured alike too."""
    cameras = [replace(c, lens=lens, skew=2.0 * k) for k, c in enumerate(cameras_of(exact)[:views])]
    outlines = outlines_of(exact)[:views]
    if cut:
        whole = outlines[0]
        assert whole is not None
        outlines[0] = outline_of(np.ascontiguousarray(exact.views[0].alpha[:, : whole.box[2] - 25]))
    found, twin = tangency(cameras, outlines), slow(cameras, outlines)
    told = np.isfinite(found.pixels)
    assert told.any()
    # The fast one also leaves out planes beyond which a part that was cut off may stick out.
    assert np.isfinite(twin[told]).all()
    assert cut or (told == np.isfinite(twin)).all()
    np.testing.assert_allclose(found.pixels[told], twin[told], rtol=2e-2, atol=1e-3)
    assert np.abs(found.pixels[told] - slow(with_view(cameras, 1, cx=cameras[1].cx + 0.5), outlines)[told]).max() > 0.1


@pytest.mark.parametrize("fault", ["half a pixel", "one per cent", "rotation transposed", "second view as first"])
def test_faults_are_seen(fault: str, exact: Sample) -> None:
    cameras, outlines = cameras_of(exact), outlines_of(exact)
    clean = tangency(cameras, outlines)
    if fault == "half a pixel":
        cameras = [replace(c, cx=c.cx + 0.5, cy=c.cy + 0.5) for c in cameras]
    elif fault == "one per cent":
        cameras = with_view(cameras, 3, fx=cameras[3].fx * 1.01, fy=cameras[3].fy * 1.01)
    else:
        T = cameras[3].T_cam_world.copy()
        T[:3, :3] = T[:3, :3].T if fault == "rotation transposed" else cameras[1].R_cam_world
        cameras = with_view(cameras, 3, T_cam_world=T)
    wrong = tangency(cameras, outlines)
    if fault in ("half a pixel", "one per cent"):
        assert wrong.rms_px > 2.5 * clean.rms_px
    else:
        assert wrong.rms_px > 20 * clean.rms_px or wrong.count < clean.count


def test_sign_and_size(exact: Sample) -> None:
    """An image moved by d changes a view's own residuals by the tangent line's normal times d, the others' back."""
    cameras, outlines = cameras_of(exact), outlines_of(exact)
    before = tangency(cameras, outlines)
    for shift in (np.array([1.0, 0.0]), np.array([0.0, 1.0])):
        old = outlines[4]
        assert old is not None
        moved = [*outlines[:4], replace(old, convex=old.convex + shift), *outlines[5:]]
        after = tangency(cameras, moved)
        change = after.planes.residual - before.planes.residual
        modelled = before.planes.jacobian()[:, 4, 1:] @ shift
        assert np.abs(change - modelled).max() < 0.06
        own = (after.pixels - before.pixels)[4]
        assert np.nanmax(np.abs(own)) <= 1.05
        assert np.nanmax(np.abs(own)) > 0.5


def test_jacobian_is_the_residuals_derivative(exact: Sample) -> None:
    """Small changes of one view's camera, as the docstring words them, against the linear model."""
    cameras, outlines = cameras_of(exact), outlines_of(exact)
    before = tangency(cameras, outlines).planes
    J = before.jacobian()
    s, dx, dy = 1e-3, 0.05, -0.03
    for k, camera in enumerate(cameras):
        half = camera.width / 2
        small = np.exp(-s)
        changed = with_view(
            cameras, k, fx=camera.fx * small, fy=camera.fy * small,
            cx=half + small * (camera.cx - half - dx), cy=half + small * (camera.cy - half - dy),
        )  # fmt: skip
        change = tangency(changed, outlines).planes.residual - before.residual
        modelled = J[:, k] @ np.array([s, dx, dy])
        assert np.abs(change - modelled).max() < 5e-3
        assert np.abs(modelled).max() > 0.05
        # a model with the wrong sign, or scaled about a corner, would be noticed
        assert np.abs(change + modelled).max() > 0.05


def test_gauge_a_common_zoom_is_invisible(exact: Sample) -> None:
    planes = tangency(cameras_of(exact), outlines_of(exact)).planes
    J = planes.jacobian()
    zoom = J[:, :, 0].sum(axis=1)
    single = np.linalg.norm(J[:, 0, 0])
    assert np.linalg.norm(zoom) < 0.35 * single


def test_residual_noise_is_one_for_one(exact: Sample) -> None:
    """Outline noise of deviation s at the touching points makes residuals of deviation s."""
    planes = tangency(cameras_of(exact), outlines_of(exact)).planes
    rng = np.random.default_rng(0)
    noise = np.concatenate([planes.moved(0.3 * rng.standard_normal(planes.points.shape)) for _ in range(200)])
    assert np.std(noise) == pytest.approx(0.3, rel=0.05)


def test_views_that_say_nothing(exact: Sample) -> None:
    cameras, outlines = cameras_of(exact), outlines_of(exact)
    nothing = tangency(cameras, [None] * 6)
    assert np.isnan(nothing.rms_px)
    assert np.isnan(nothing.view_rms_px).all()
    without = tangency(cameras, [None, *outlines[1:]])
    assert np.isnan(without.pixels[0]).all()
    assert np.isnan(without.pixels[:, 0]).all()
    assert without.view_rms_px[1:].max() < 0.5
    assert not without.planes.of_view(0).any()
    assert np.isnan(tangency(cameras[:1], outlines[:1]).rms_px)
    assert np.isnan(tangency([], []).rms_px)
    assert tangency([cameras[0]] * 2, [outlines[0]] * 2).count == 0  # one centre
    with pytest.raises(ValueError, match="one outline"):
        tangency(cameras, outlines[:2])


def test_a_touched_border_leaves_the_plane_out(exact: Sample) -> None:
    """A frame edge through the subject is not its outline: marked corners do not speak, unmarked ones are off."""
    cameras, outlines = cameras_of(exact), outlines_of(exact)
    alpha = exact.views[0].alpha
    whole = outlines[0]
    assert whole is not None
    edge = whole.box[2] - 25
    camera = cameras[0].cropped(0.0, 0.0, (edge, 512))
    cut = outline_of(np.ascontiguousarray(alpha[:, :edge]))
    assert cut is not None
    assert cut.uninformative.any()
    marked = tangency([camera, *cameras[1:]], [cut, *outlines[1:]])
    assert np.nanmax(marked.view_rms_px) < 0.5
    naive = replace(cut, uninformative=np.zeros_like(cut.uninformative))
    assert np.nanmax(tangency([camera, *cameras[1:]], [naive, *outlines[1:]]).view_rms_px) > 1.5


def test_speed(exact: Sample) -> None:
    """About 1 ms a six-view sample; the limit is generous for a loaded machine and for type checks."""
    cameras, outlines = cameras_of(exact), outlines_of(exact)
    tangency(cameras, outlines)
    start = process_time()
    for _ in range(20):
        tangency(cameras, outlines)
    assert (process_time() - start) / 20 < 15e-3
