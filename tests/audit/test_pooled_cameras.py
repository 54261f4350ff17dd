"""All samples together: rough masks leave right cameras in peace, and a wrong one is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mouselift.audit.pooled import few_places, fineness, is_inconclusive, pooled_findings, settled
from mouselift.audit.result import SampleReport
from mouselift.consistency.pooled_tangency import PooledTangency, pool
from mouselift.consistency.sample_planes import SamplePlanes
from mouselift.dataset.sample import Sample, View
from mouselift.findings import Finding
from mouselift.geometry.outlines import Outline, outline_of
from mouselift.geometry.tangent_planes import tangent_planes

RNG = np.random.default_rng
TIMES = (0.2, 0.5, 0.9, 1.3, 2.1, 3.4)
ROUGH_PX = 2.0  # of a subject of about 200 px; exact outlines disagree by 0.1


@pytest.fixture(scope="module")
def rough(make_exact: Callable[..., Sample]) -> list[tuple[Sample, list[Outline | None]]]:
    """Exact cameras; every outline's corners moved at random, differently in each sample and view."""
    out = []
    for number, time in enumerate(TIMES):
        sample, rng = make_exact(time), RNG(number)
        outlines = []
        for view in sample.views:
            outline = outline_of(view.alpha)
            assert outline is not None
            shift = rng.normal(size=2) * ROUGH_PX / 2 + rng.normal(size=outline.convex.shape) * ROUGH_PX / 2
            outlines.append(replace(outline, convex=outline.convex + shift))
        out.append((sample, outlines))
    return out


def pooled(rough: list, change: Callable[[list[View]], list[View]], views: tuple[int, ...]) -> PooledTangency:
    samples = []
    for sample, outlines in rough:
        changed = replace(sample, views=tuple(change([sample.views[k] for k in views])))
        own = [outlines[k] for k in views]
        samples.append(SamplePlanes.of(changed, tangent_planes([v.camera for v in changed.views], own), own))
    found = pool(samples)
    assert found is not None
    return found


def focal(place: int, scale: float) -> Callable[[list[View]], list[View]]:
    def change(views: list[View]) -> list[View]:
        camera = views[place].camera
        views[place] = replace(views[place], camera=replace(camera, fx=scale * camera.fx, fy=scale * camera.fy))
        return views

    return change


def turned(place: int, degrees: float) -> Callable[[list[View]], list[View]]:
    def change(views: list[View]) -> list[View]:
        T = views[place].camera.T_cam_world.copy()
        T[:3] = Rotation.from_euler("y", degrees, degrees=True).as_matrix() @ T[:3]
        views[place] = replace(views[place], camera=replace(views[place].camera, T_cam_world=T))
        return views

    return change


def exchanged(a: int, b: int) -> Callable[[list[View]], list[View]]:
    def change(views: list[View]) -> list[View]:
        one, other = views[a].camera, views[b].camera
        views[a] = replace(views[a], camera=replace(one, T_cam_world=other.T_cam_world))
        views[b] = replace(views[b], camera=replace(other, T_cam_world=one.T_cam_world))
        return views

    return change


@pytest.mark.parametrize("views", [(0, 1, 2, 3, 4, 5), (0, 2, 4), (1, 2, 5)])
def test_rough_masks_blame_no_camera(views: tuple[int, ...], rough: list) -> None:
    found = pooled(rough, list, views)
    assert found.right
    assert found.settles
    assert not [f for f in pooled_findings(found) if f.severity == "error"]
    assert 0.3 < found.mismatch_px < ROUGH_PX
    assert f"{found.mismatch_px:.2g} px" in fineness(found)


# Of (0, 2, 4), the third turns along its epipolar lines: nobody can see it.
@pytest.mark.parametrize(
    ("views", "place"), [*(((0, 1, 2, 3, 4, 5), k) for k in range(3)), ((0, 2, 4), 0), ((0, 2, 4), 1)]
)
def test_a_wrong_camera_is_named(views: tuple[int, ...], place: int, rough: list) -> None:
    name = rough[0][0].views[views[place]].name
    # Three views of six samples leave 20 planes a camera: a focal length is then known no better than the masks.
    for change in (turned(place, 1.0), focal(place, 1.05))[: 2 if len(views) > 3 else 1]:
        found = pooled(rough, change, views)
        assert found.blame is not None
        assert found.blame.cameras == (name,)
        assert not found.right
        assert [(f.code, f.severity, f.camera) for f in pooled_findings(found)] == [("tangency-pooled", "error", name)]


@pytest.fixture(scope="module")
def resting(rough: list) -> list[tuple[Sample, list[Outline | None]]]:
    """Twenty samples of a subject that rests: its masks err in the same way in all of them, and a little besides."""
    sample, outlines = rough[1]
    out = []
    for number in range(20):
        rng = RNG(100 + number)
        jittered = [replace(o, convex=o.convex + rng.normal(size=o.convex.shape) * 0.1) for o in outlines]
        out.append((sample, jittered))
    return out


@pytest.mark.parametrize("views", [(0, 1, 2, 3, 4, 5), (0, 1, 3, 4), (0, 2, 4), (1, 2, 5), (0, 3)])
def test_a_subject_at_rest_blames_no_camera(views: tuple[int, ...], resting: list) -> None:
    found = pooled(resting, list, views)
    assert found.places == 1
    assert found.right
    assert "is seen in one place only" in few_places(found)
    if len(views) > 4:  # changes of four cameras fit whatever one place shows
        assert found.settles


@pytest.mark.parametrize("place", [0, 1, 2])
def test_nor_does_it_hide_a_camera_that_is_far_off(place: int, resting: list) -> None:
    found = pooled(resting, turned(place, 2.0), (0, 1, 2, 3, 4, 5))
    assert found.blame is not None
    assert found.blame.cameras == (resting[0][0].views[place].name,)


def test_exchanged_cameras_are_both_named(rough: list) -> None:
    found = pooled(rough, exchanged(1, 4), (0, 1, 2, 3, 4, 5))
    assert found.blame is not None
    assert set(found.blame.cameras) == {rough[0][0].views[1].name, rough[0][0].views[4].name}


def test_a_small_fault_under_exact_masks_excuses_nothing(rough: list) -> None:
    exact = [(sample, [outline_of(view.alpha) for view in sample.views]) for sample, _ in rough]
    for change in (list, focal(2, 1.005)):
        assert not pooled(exact, change, (0, 1, 2, 3, 4, 5)).settles


def test_few_samples_say_nothing(rough: list) -> None:
    samples = [SamplePlanes.of(s, tangent_planes([v.camera for v in s.views], o), o) for s, o in rough[:4]]
    assert pool(samples) is None


def test_a_sample_with_right_cameras_has_rough_masks(rough: list) -> None:
    together = pooled(rough, list, (0, 1, 2, 3, 4, 5))
    blamed = Finding.of("tangency", "s: the cameras of several views do not belong to their images", sample="s")
    report = SampleReport("s", 3, [blamed], "fail", {"tangency_px": 12.0}, [])
    assert is_inconclusive(report)
    after = settled(report, together)
    assert after.verdict == "pass"
    assert [(f.code, f.severity) for f in after.findings] == [("masks-rough", "warning")]
    uncovered = Finding.of("coverage", "s: the hull covers 97 % of a silhouette", sample="s", severity="error")
    carved = settled(replace_findings(report, [blamed, uncovered]), together)
    assert carved.verdict == "pass"  # `--hull` looks at the same masks, and says no more of the cameras
    assert [(f.code, f.severity) for f in carved.findings] == [("masks-rough", "warning"), ("coverage", "warning")]
    broken = replace_findings(report, [blamed, Finding.of("bad-file", "cannot be read", sample="s")])
    assert settled(broken, together).verdict == "fail"  # what is wrong besides stays wrong


def replace_findings(report: SampleReport, findings: list[Finding]) -> SampleReport:
    return SampleReport(report.id, report.frame, findings, report.verdict, report.numbers, report.views)
