"""Limits of scores follow views and planes: as often exceeded by chance as stated, whatever the number of views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import chdtri

import faults
from mouselift.consistency import hypotheses
from mouselift.consistency.cameras import CameraCheck, check_cameras
from mouselift.consistency.hypotheses import _Fit, choose_hypothesis
from mouselift.consistency.outline_noise import ChanceModel, OutlineNoise, chi_square_quantile
from mouselift.consistency.touched_places import touched_places, touching_tips
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.outlines import outline_of
from mouselift.geometry.tangent_planes import TangentPlanes, chosen_pairs, tangency, view_pairs
from mouselift.synthetic.mesh import Mesh, ellipsoid, join
from mouselift.synthetic.raster import render_silhouette
from other_rigs import ring_rig


def exact_ring(views: int, seed: int = 0) -> Sample:
    """Ellipsoids seen from a dome of `views` cameras, 512 px."""
    rng = np.random.default_rng(seed)
    pieces = [ellipsoid("trunk", np.zeros(3), np.diag([36.0, 20.0, 17.0]), 32, 48)]
    pieces += [ellipsoid(f"part{k}", rng.uniform(-30, 30, 3), np.diag(rng.uniform(5, 16, 3)), 32, 48) for k in range(3)]
    vertices, topology = join(pieces)
    rig = ring_rig(views, (20.0, 45.0, 5.0), 320.0, 1300.0, (512, 512), jitter_deg=0.5, seed=seed)
    cameras = [replace(camera, name=f"cam_{k:03d}") for k, camera in enumerate(rig.cameras)]
    aim = np.array([rig.arena.x, rig.arena.y, 20.0])
    mesh = Mesh(vertices + aim, topology)
    return Sample("s", tuple(View(c.name, c, render_silhouette(mesh, c, 4)) for c in cameras))


@pytest.fixture(scope="module")
def sixty_four() -> Sample:
    return exact_ring(64)


def part(sample: Sample, views: int) -> Sample:
    return replace(sample, views=sample.views[:: len(sample.views) // views][:views])


def check(sample: Sample) -> CameraCheck:
    return check_cameras(sample, [outline_of(view.alpha) for view in sample.views])


@pytest.mark.parametrize("views", [4, 6, 8, 12, 20, 32, 64])
def test_exact_samples_are_silent_and_a_small_fault_is_named(views: int, sixty_four: Sample) -> None:
    sample = part(sixty_four, views)
    exact = check(sample)
    assert exact.judged
    assert exact.findings == ()
    assert exact.hypothesis.kind == "none"
    shares = np.array(exact.hypothesis.best) / np.array(exact.hypothesis.limits)
    assert (shares < 0.8).all()
    scale = 1.01 if views > 4 else 1.1  # four views: 12 planes, of which the gauge and 12 unknowns leave almost none
    wrong = check(faults.view_scale(sample, np.random.default_rng(1), scale=scale, view=1).sample)
    assert wrong.faulty
    if views > 4:
        assert wrong.hypothesis.kind == "view"
        assert wrong.hypothesis.view == 1


@pytest.mark.parametrize("views", [6, 20, 32])
def test_limits_are_exceeded_as_often_as_stated(views: int, sixty_four: Sample) -> None:
    """Errors drawn for places of the outlines, not for planes: what many planes share counts once."""
    sample = part(sixty_four, views)
    outlines = [outline_of(view.alpha) for view in sample.views]
    planes = tangency([view.camera for view in sample.views], outlines).planes
    rng, rate, draws = np.random.default_rng(views), 0.05, 400
    own = planes.jacobian()[:, 1] / 0.06
    chance = ChanceModel.of(planes, own, blunt(planes, 0.06))
    values, vectors = np.linalg.eigh(chance.gram)
    turn = vectors / np.sqrt(values)
    limit = chance.limit(turn, rate, None)
    gains = np.array([float(np.sum(((own @ turn).T @ drawn(planes, rng) / 0.06) ** 2)) for _ in range(draws)])
    assert abs(np.mean(gains > limit) - rate) < 0.04
    assert (
        limit > (2.0 if views == 32 else 1.0) * 7.81
    )  # of independent residuals: chi-square, 3 degrees of freedom, 5 %


@pytest.mark.parametrize("rate", [0.05, 4e-3 / 6, 2e-5, 1e-9])
def test_quantiles_are_those_of_scipy(rate: float) -> None:
    for freedom in np.geomspace(1, 1000, 25).tolist():
        assert chi_square_quantile(freedom, rate) == pytest.approx(chdtri(freedom, rate), rel=1e-12)


def blunt(planes: TangentPlanes, sigma_px: float) -> OutlineNoise:
    """No corner anywhere."""
    count = len(planes.angle)
    return OutlineNoise(np.full((count, 2), sigma_px), np.zeros((count, 2)), np.full(count, sigma_px), np.zeros(count))


def drawn(planes: TangentPlanes, rng: np.random.Generator) -> np.ndarray:
    """Residuals of outlines whose places, cells of 3 px, are off by 0.06 px each, however many planes touch them.

    Each view, and all views alike, are shifted by 0.03 and 0.02 px besides.
    """
    whole = 0.03 * rng.standard_normal((planes.views, 2)) + 0.02 * rng.standard_normal(2)
    error: dict[tuple[int, int, int], np.ndarray] = {}
    shift = np.zeros_like(planes.points)
    for place, views in ((0, planes.first), (1, planes.second)):
        cells = np.floor(planes.points[:, place] / 3.0).astype(int)
        for m, (view, cell) in enumerate(zip(views.tolist(), cells.tolist(), strict=True)):
            shift[m, place] = error.setdefault((view, *cell), 0.06 * rng.standard_normal(2)) + whole[view]
    return planes.moved(shift)


def test_few_residuals_to_spare_ask_for_more(sixty_four: Sample) -> None:
    planes = tangency(
        [v.camera for v in part(sixty_four, 6).views], [outline_of(v.alpha) for v in part(sixty_four, 6).views]
    ).planes
    own = planes.jacobian()[:, 1] / 0.05
    chance = ChanceModel.of(planes, own, blunt(planes, 0.05))
    values, vectors = np.linalg.eigh(chance.gram)
    known, many, few = (chance.limit(vectors / np.sqrt(values), 1e-3, spare) for spare in (None, 1000, 4))
    assert known < many < 1.05 * known
    assert few > 5 * known


@pytest.mark.parametrize("views", [2, 3, 32, 33, 64, 200])
def test_pairs_are_bounded_and_every_view_has_partners(views: int) -> None:
    angle = 2 * np.pi * np.arange(views) / views
    mean = -np.stack([np.cos(angle), np.sin(angle), np.full(views, 0.3)], axis=1)
    pairs = chosen_pairs(mean)
    assert np.array_equal(pairs, chosen_pairs(mean.copy()))
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    if views <= 32:
        assert np.array_equal(pairs, view_pairs(views))
        return
    assert len(pairs) <= max(32 * 31 // 2, 8 * views)
    assert np.bincount(pairs.ravel(), minlength=views).min() >= min(8, views - 1)
    apart = np.degrees(np.arccos((mean[pairs[:, 0]] * mean[pairs[:, 1]]).sum(axis=1) / 1.09))
    assert apart.min() > 15
    assert apart.max() < 155


def test_one_place_alone_decides_nothing_among_many_views(sixty_four: Sample) -> None:
    sample = part(sixty_four, 20)
    outlines = [outline_of(view.alpha) for view in sample.views]
    planes = tangency([view.camera for view in sample.views], outlines).planes
    angle = planes.angle.copy()
    angle[4] += 1.5 * float(np.linalg.norm(planes.gradient[4]))
    assert choose_hypothesis(replace(planes, angle=angle), outlines).kind in ("none", "masks")


def test_leaving_out_a_group_is_fitting_without_it() -> None:
    """Against least squares on the rows that remain."""
    rng = np.random.default_rng(4)
    columns, z = rng.normal(size=(30, 3)), rng.normal(size=30)
    fit = _Fit.of(columns, slice(3), z, columns.T @ columns)
    groups = [np.array([1, 2, 5, 9]), np.array([20, 21])]
    rest = [np.setdiff1d(np.arange(30), group) for group in groups]
    told = [np.sum((columns[r] @ np.linalg.lstsq(columns[r], z[r], rcond=None)[0]) ** 2) for r in rest]
    # `gain` counts squares that fall when rows come back: all of z less what is left, with and without them.
    assert fit.without_one(groups, z).gain == pytest.approx(min(*told, fit.gain))


def test_one_tip_that_many_planes_touch_decides_nothing(
    make_exact: Callable[..., Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The half level takes the end of a thin tip away, in one view: all planes there say the same thing once."""
    sample = make_exact(0.9)
    outlines = [outline_of(view.alpha) for view in sample.views]
    planes = tangency([view.camera for view in sample.views], outlines).planes
    sharp, unit = OutlineNoise.of(planes, outlines).sharpness, np.sqrt((planes.gradient**2).sum(axis=(1, 2)))
    shorter = []
    for view in range(6):
        for tip in touching_tips(planes, sharp, view):
            shift = np.zeros_like(planes.points)
            for place, which in ((0, planes.first), (1, planes.second)):
                own = tip[which[tip] == view]
                shift[own, place] = -1.2 * planes.outward[own, place]
            shorter.append(replace(planes, angle=planes.angle + unit * planes.moved(shift)))
    assert not [p for p in shorter if choose_hypothesis(p, outlines).kind not in ("none", "masks")]
    monkeypatch.setattr(_Fit, "without_one", lambda fit, groups, z: fit)
    assert [p for p in shorter if choose_hypothesis(p, outlines).kind == "view"]


def test_one_blunt_place_that_many_planes_touch_decides_nothing(
    make_exact: Callable[..., Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outline that is 0.4 px off over 10 px, in one view: planes that touch it there say the same thing once."""
    sample = make_exact(0.9)
    outlines = [outline_of(view.alpha) for view in sample.views]
    planes = tangency([view.camera for view in sample.views], outlines).planes
    unit, moved = np.sqrt((planes.gradient**2).sum(axis=(1, 2))), []
    for view in range(6):
        for own in touched_places(planes, view):
            shift = np.zeros_like(planes.points)
            for place, which in ((0, planes.first), (1, planes.second)):
                here = own[which[own] == view]
                shift[here, place] = 0.4 * planes.outward[here, place]
            moved.append(replace(planes, angle=planes.angle + unit * planes.moved(shift)))
    assert not [p for p in moved if choose_hypothesis(p, outlines).kind not in ("none", "masks")]
    monkeypatch.setattr(_Fit, "borne_out", lambda fit, places, z: fit)
    monkeypatch.setattr(hypotheses, "touched_corners", lambda planes: [])  # to many planes the place is a corner
    assert [p for p in moved if choose_hypothesis(p, outlines).kind == "view"]


@pytest.mark.parametrize(("depth_px", "belongs"), [(0.5, True), (3.0, False)])
def test_a_plane_that_misses_the_lost_end_of_a_tip_belongs_to_the_tip(depth_px: float, belongs: bool) -> None:
    """It touches 20 px away, but would touch the tip if that were a pixel longer."""
    point = np.array([[100.0, 50.0], [100.0, 50.0], [120.0, 50.0 - depth_px]])
    up = np.tile([0.0, 1e-3], (3, 2, 1))  # of the plane angle; side 0 looks the other way: outward is up the image
    planes = TangentPlanes(
        4, np.zeros(3, int), np.arange(1, 4), np.zeros(3, int), np.stack([point, point], axis=1), np.full(3, 1e-4), up,
        np.zeros((3, 2)), np.full((4, 2), 256.0), np.full((4, 2), 500.0), np.full((4, 2), 256.0), np.zeros((4, 3)),
        np.ones((3, 2, 3)),
    )  # fmt: skip
    tips = touching_tips(planes, np.array([[0.8, 0.0], [0.8, 0.0], [0.1, 0.0]]), 0)
    assert [tip.tolist() for tip in tips] == [[0, 1, 2] if belongs else [0, 1]]
