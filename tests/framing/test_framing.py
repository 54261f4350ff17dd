"""Framing: nothing is clipped, what should be equal is equal, and the checks notice small faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.errors import FramingError
from mouselift.framing.framing import PRESETS, PRETRAINED_EXTENT, DatasetZoom, Framing, Zoom
from mouselift.framing.plan import SamplePlan, ViewPlan
from mouselift.framing.planning import plan_sample, wanted_zoom
from mouselift.geometry.camera import Camera

EXACT = ("per-sample", "per-view", "canonical")
TOLERANCE_PX = 1e-6


def landing(view: ViewPlan, outline: np.ndarray) -> np.ndarray:
    """Where outline points land in the output, through the world and not through the plan's own map."""
    points = view.source.centre + view.distance * view.source.rays(outline)
    return view.target.project(points)


def room(view: ViewPlan, outline: np.ndarray) -> float:
    """Pixels between the outline and the frame's edge, where it is nearest."""
    at = landing(view, outline)
    return float(min(at.min(), view.target.width - at.max()))


@given(seed=st.integers(0, 10**6), preset=st.sampled_from(EXACT), fill=st.floats(0.2, 1.0), margin=st.floats(0.0, 0.2))
def test_no_preset_clips(seed: int, preset: str, fill: float, margin: float, scenes: Any, up: Any) -> None:
    scene = scenes(seed)
    framing = replace(PRESETS[preset], fill=fill, margin=margin)
    plan = plan_sample(framing, scene.cameras, scene.silhouettes, up)
    for view, silhouette in zip(plan.views, scene.silhouettes, strict=True):
        assert room(view, silhouette.outline) >= framing.margin_px - TOLERANCE_PX
        assert view.clipped is False


@pytest.mark.slow
def test_no_view_is_clipped_in_a_thousand_samples(scenes: Any, up: Any) -> None:
    for seed in range(1000):
        scene = scenes(seed)
        for preset in EXACT:
            plan = plan_sample(PRESETS[preset], scene.cameras, scene.silhouettes, up)
            for view, silhouette in zip(plan.views, scene.silhouettes, strict=True):
                assert room(view, silhouette.outline) >= plan.framing.margin_px - TOLERANCE_PX, (seed, preset)


def binding(plan: SamplePlan, outlines: list[np.ndarray]) -> float:
    """|room - margin| of the view that decides the zoom: zero for an exact plan at fill 1."""
    rooms = [room(view, outline) for view, outline in zip(plan.views, outlines, strict=True)]
    return abs(min(rooms) - plan.framing.margin_px)


@pytest.mark.parametrize("preset", EXACT)
def test_the_zoom_is_the_largest_that_fits(preset: str, scenes: Any, up: Any) -> None:
    for seed in range(5):
        scene = scenes(seed)
        plan = plan_sample(replace(PRESETS[preset], fill=1.0), scene.cameras, scene.silhouettes, up)
        assert binding(plan, [s.outline for s in scene.silhouettes]) < TOLERANCE_PX


def _shifted_outline(plan: SamplePlan, outlines: list[np.ndarray]) -> tuple[SamplePlan, list[np.ndarray]]:
    return plan, [outline + 0.5 for outline in outlines]


def _on_targets(plan: SamplePlan, change: Callable[[Camera], Camera]) -> SamplePlan:
    return replace(plan, views=tuple(replace(view, target=change(view.target)) for view in plan.views))


FAULTS: dict[str, Callable[[SamplePlan, list[np.ndarray]], tuple[SamplePlan, list[np.ndarray]]]] = {
    "outline at pixel centres": _shifted_outline,
    "principal point off by half a pixel": lambda plan, o: (
        _on_targets(plan, lambda c: replace(c, cx=c.cx + 0.5, cy=c.cy + 0.5)),
        o,
    ),
    "focal length off by one per cent": lambda plan, o: (
        _on_targets(plan, lambda c: replace(c, fx=c.fx * 1.01, fy=c.fy * 1.01)),
        o,
    ),
    "skew forgotten": lambda plan, o: (
        replace(plan, views=tuple(replace(v, source=replace(v.source, skew=0.0)) for v in plan.views)),
        o,
    ),
}


@pytest.mark.parametrize("preset", EXACT)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_notices(fault: str, preset: str, scenes: Any, up: Any) -> None:
    scene = scenes(3)
    plan = plan_sample(replace(PRESETS[preset], fill=1.0), scene.cameras, scene.silhouettes, up)
    assert binding(*FAULTS[fault](plan, [s.outline for s in scene.silhouettes])) > 1e-3
    if fault != "skew forgotten":  # half a pixel and one per cent show in full
        assert binding(*FAULTS[fault](plan, [s.outline for s in scene.silhouettes])) > 0.1


def test_the_check_notices_a_transposed_rotation(scene: Any, up: Any) -> None:
    plan = plan_sample(replace(PRESETS["canonical"], fill=1.0), scene.cameras, scene.silhouettes, up)

    def transposed(camera: Camera) -> Camera:
        T = camera.T_cam_world.copy()
        T[:3, :3] = T[:3, :3].T
        T[:3, 3] = -T[:3, :3] @ camera.centre
        return replace(camera, T_cam_world=T)

    wrong = _on_targets(plan, transposed)
    rooms = [room(v, s.outline) for v, s in zip(wrong.views, scene.silhouettes, strict=True)]
    assert not min(rooms) >= 0  # NaN (behind the camera) or far outside


ALL = list(
    product(
        ("crop", "look-at"),
        ("scale", "focal", "magnification"),
        ("view", "sample", "dataset"),
        ("distance", "extent", "none"),
        ("area", "bbox"),
        ("exact", "source"),
    )
)


@pytest.mark.parametrize("measure", ["area", "bbox"])
@pytest.mark.parametrize("scope", ["view", "sample", "dataset"])
def test_every_combination_plans(scope: Any, measure: Any, scene: Any, up: Any) -> None:
    for aim, quantity, s, world, m, written in ALL:
        if (s, m) != (scope, measure):
            continue
        framing = Framing(aim, Zoom(quantity, scope), world, 256, fill=0.5, fill_measure=measure, written=written)  # type: ignore[arg-type]
        shared = wanted_zoom(framing, scene.cameras, scene.silhouettes, 0) if scope == "dataset" else None
        plan = plan_sample(framing, scene.cameras, scene.silhouettes, up, shared=shared)
        values = [getattr(view, quantity) for view in plan.views]
        if scope != "view":
            assert np.ptp(values) <= 1e-12 * max(values)
        for i, view in enumerate(plan.views):
            if written == "exact":
                assert room(view, scene.silhouettes[i].outline) >= framing.margin_px - TOLERANCE_PX
                assert plan.written_camera(i).fx == view.focal == plan.written_camera(i).fy
            if aim == "look-at" and written == "exact":
                assert (view.target.cx, view.target.cy) == (128.0, 128.0)
        assert SamplePlan.from_json(plan.to_json()).to_json() == plan.to_json()


@pytest.mark.parametrize("preset", EXACT)
def test_the_subject_is_at_the_origin_and_in_the_middle(preset: str, scene: Any, up: Any) -> None:
    plan = plan_sample(PRESETS[preset], scene.cameras, scene.silhouettes, up)
    for i in range(len(plan.views)):
        camera = plan.written_camera(i)
        assert np.abs(camera.project(np.zeros((1, 3))) - 256.0).max() < 1e-9
        assert np.linalg.det(camera.R_cam_world) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("preset", EXACT)
def test_written_cameras_see_what_the_source_cameras_see(preset: str, scene: Any, up: Any) -> None:
    plan = plan_sample(PRESETS[preset], scene.cameras, scene.silhouettes, up)
    points = scene.subject + np.random.default_rng(0).uniform(-20, 20, (50, 3))
    for i, camera in enumerate(scene.cameras):
        through_pixels = plan.reframe(i).to_target(camera.project(points))
        through_world = plan.written_camera(i).project(plan.world.apply(points))
        assert np.abs(through_pixels - through_world).max() < 1e-8


def test_world_scales(scene: Any, up: Any) -> None:
    canonical = plan_sample(PRESETS["canonical"], scene.cameras, scene.silhouettes, up)
    cameras = [canonical.written_camera(i) for i in range(6)]
    seen = [np.linalg.norm(c.centre) * 256 / c.fx for c in cameras]
    assert np.median(seen) == pytest.approx(PRETRAINED_EXTENT, rel=1e-12)
    assert pytest.approx(1.2590, abs=5e-5) == PRETRAINED_EXTENT
    per_sample = plan_sample(PRESETS["per-sample"], scene.cameras, scene.silhouettes, up)
    distance = [float(np.linalg.norm(per_sample.written_camera(i).centre)) for i in range(6)]
    assert np.median(distance) == pytest.approx(2.7, rel=1e-12)


def test_up_becomes_z(scene: Any) -> None:
    up = np.array([0.3, -2.0, 0.4])
    plan = plan_sample(PRESETS["per-sample"], scene.cameras, scene.silhouettes, up)
    turned = plan.world.R_new_old @ up / np.linalg.norm(up)
    assert np.abs(turned - [0, 0, 1]).max() < 1e-12
    with pytest.raises(FramingError, match="up direction"):
        plan_sample(PRESETS["per-sample"], scene.cameras, scene.silhouettes, np.zeros(3))


def test_crop_does_not_turn_and_look_at_turns_least(scene: Any, up: Any) -> None:
    crop = plan_sample(PRESETS["per-view"], scene.cameras, scene.silhouettes, up)
    for view in crop.views:
        assert np.array_equal(view.target.T_cam_world, view.source.T_cam_world)
    for view in plan_sample(PRESETS["canonical"], scene.cameras, scene.silhouettes, up).views:
        R_new, R_old = view.target.R_cam_world, view.source.R_cam_world
        turn = R_new @ R_old.T
        # No roll: the turn's axis is at right angles to both optical axes.
        axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
        assert abs(axis @ [0, 0, 1]) < 1e-12
        assert float(R_new[1] @ R_old[1]) > 0.9


def test_focal_spread_is_zero_where_the_definition_says_so(scene: Any, up: Any) -> None:
    focal = replace(PRESETS["per-sample"], zoom=Zoom("focal", "sample"))
    assert len({v.focal for v in plan_sample(focal, scene.cameras, scene.silhouettes, up).views}) == 1
    scales = [v.scale for v in plan_sample(PRESETS["per-sample"], scene.cameras, scene.silhouettes, up).views]
    assert np.ptp(scales) < 1e-15


def test_fill_is_what_a_mask_shows(scenes: Any, up: Any) -> None:
    scene = scenes(1, spread=8.0)
    for measure in ("area", "bbox"):
        plan = plan_sample(
            replace(PRESETS["per-view"], fill=0.3, fill_measure=measure), scene.cameras, scene.silhouettes, up
        )
        for view, silhouette in zip(plan.views, scene.silhouettes, strict=True):
            assert view.fill_after is not None
            assert getattr(view.fill_after, measure) == pytest.approx(0.3, rel=1e-12)
            at = landing(view, silhouette.outline)
            assert view.fill_after.bbox == pytest.approx(np.ptp(at, axis=0).max() / 512, rel=1e-9)
            assert view.box is not None
            assert (at >= np.array(view.box[:2])).all()
            assert (at <= np.array(view.box[2:])).all()


def test_legacy_writes_cameras_that_do_not_belong_and_says_so(scene: Any, up: Any) -> None:
    plan = plan_sample(PRESETS["legacy"], scene.cameras, scene.silhouettes, up)
    assert b'"preset":"legacy","legacy":true' in plan.to_json()
    assert b'"legacy":false' in plan_sample(PRESETS["per-view"], scene.cameras, scene.silhouettes, up).to_json()
    for i, (camera, silhouette) in enumerate(zip(scene.cameras, scene.silhouettes, strict=True)):
        written, target = plan.written_camera(i), plan.views[i].target
        assert written.fx == pytest.approx(camera.fx * 512 / 1152, rel=1e-15)
        assert written.cy == pytest.approx(camera.cy * 512 / 1024, rel=1e-15)
        assert target.fx / target.fy == pytest.approx(written.fx / written.fy, rel=1e-12)
        centre = plan.reframe(i).to_target(silhouette.centroid)
        assert np.abs(centre - 256.0).max() < 1e-8
        assert np.linalg.norm(written.project(scene.subject[None]) - target.project(scene.subject[None])) > 5.0


def test_preset_names() -> None:
    assert {name: framing.preset for name, framing in PRESETS.items()} == {name: name for name in PRESETS}
    assert replace(PRESETS["canonical"], size=256, fill=0.4).preset == "canonical"
    assert replace(PRESETS["canonical"], aim="crop").preset == "custom"


@pytest.mark.parametrize(("field", "value"), [("size", 8), ("margin", 0.5), ("margin", -0.1), ("fill", 0.0)])
def test_impossible_options_are_refused(field: str, value: float) -> None:
    with pytest.raises(FramingError, match=f"`{field}`, got {value}"):
        replace(PRESETS["per-sample"], **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", [*EXACT, "legacy"])
def test_a_missing_mask_is_framed_by_the_others(preset: str, scene: Any, up: Any) -> None:
    views = [None, *scene.silhouettes[1:]]
    plan = plan_sample(PRESETS[preset], scene.cameras, views, up)
    first, rest = plan.views[0], plan.views[1:]
    quantity = plan.framing.zoom.quantity
    if plan.framing.zoom.scope == "view":
        assert getattr(first, quantity) == pytest.approx(np.median([getattr(v, quantity) for v in rest]))
    else:
        assert getattr(first, quantity) == pytest.approx(getattr(rest[0], quantity), rel=1e-12)
    assert np.abs(first.target.project(plan.centre[None]) - 256.0).max() < 1e-9
    assert (first.residual_px, first.fill_before, first.fill_after, first.box, first.cut, first.clipped) == (None,) * 6
    assert not first.trusted
    assert SamplePlan.from_json(plan.to_json()).to_json() == plan.to_json()


def test_dataset_scope_shares_the_smallest(scenes: Any, up: Any) -> None:
    framing = replace(PRESETS["per-sample"], zoom=Zoom("scale", "dataset"))
    samples = {seed: scenes(seed) for seed in range(6)}
    wants = [wanted_zoom(framing, s.cameras, s.silhouettes, seed) for seed, s in samples.items()]
    shared = reduce(DatasetZoom.merged, wants)
    assert shared.samples == 6
    own = [
        plan_sample(replace(framing, zoom=Zoom("scale", "sample")), s.cameras, s.silhouettes, up)
        for s in samples.values()
    ]
    assert shared.value == pytest.approx(min(plan.views[0].scale for plan in own), rel=1e-12)
    scales = {
        round(v.scale, 12)
        for s in samples.values()
        for v in plan_sample(framing, s.cameras, s.silhouettes, up, shared=shared).views
    }
    assert len(scales) == 1
    decisive = samples[shared.frame]
    assert shared.camera in {c.name for c in decisive.cameras}


def test_dataset_scope_refuses_what_does_not_fit(scene: Any, up: Any) -> None:
    framing = replace(PRESETS["per-sample"], zoom=Zoom("scale", "dataset"))
    with pytest.raises(FramingError, match="needs the value shared by all samples"):
        plan_sample(framing, scene.cameras, scene.silhouettes, up)
    with pytest.raises(FramingError, match="expected a shared 'scale', got a shared 'focal'"):
        plan_sample(framing, scene.cameras, scene.silhouettes, up, shared=DatasetZoom("focal", 500.0, 0, "cam0"))
    with pytest.raises(FramingError, match=r"cam\d: the shared scale 50 would clip this view"):
        plan_sample(framing, scene.cameras, scene.silhouettes, up, shared=DatasetZoom("scale", 50.0, 0, "cam0"))
