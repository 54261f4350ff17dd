"""Who disagrees with the others: a camera that is wrong all the time, never one whose masks have bad moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.tangent_planes import tangency
from mouselift.inspect.agreement import agreement_findings, agreement_of, tangency_distances
from mouselift.inspect.facts import AgreementFacts, MaskFacts
from mouselift.inspect.sampled_frames import FrameOutlines, view_outline
from mouselift.masks.quality import CameraQuality
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import scaled_rig
from other_rigs import ring_rig
from rough_masks import roughen

INSTANTS = 10


def _ring(cameras: int) -> list[Sample]:
    """Ten instants, 288 x 256, exact masks."""
    rig = scaled_rig(ring_rig(cameras, (15.0, 35.0), jitter_deg=3.0), 0.25)
    mouse, motion = Mouse(), Motion(rig.arena, 2)
    meshes = [mouse.posed(motion.pose(1.0 + 0.4 * k)).mesh for k in range(INSTANTS)]
    return [
        Sample(str(k), tuple(View(c.name, c, render_silhouette(mesh, c, 3)) for c in rig.cameras))
        for k, mesh in enumerate(meshes)
    ]


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return _ring(5)


def blamed_cameras(samples: Sequence[Sample], change: Callable[[Camera], Camera] | None = None) -> list[tuple]:
    """(code, camera) of the findings, with the third camera's calibration changed."""
    found = agreement_findings(measured(samples, change), len(samples), ())
    return [(finding.code, finding.camera) for finding in found]


def measured(
    samples: Sequence[Sample], change: Callable[[Camera], Camera] | None = None, exchanged: Mapping[int, int] = {}
) -> AgreementFacts:
    """exchanged: view -> the view whose masks it shows."""
    residuals = []
    for sample in samples:
        cameras = [view.camera for view in sample.views]
        masks = [sample.views[exchanged.get(v, v)].alpha for v in range(len(cameras))]
        if change is not None:
            cameras[2] = change(cameras[2])
        seen = [view_outline(camera, mask)[0] for camera, mask in zip(cameras, masks, strict=True)]
        residuals.append(tangency_distances(FrameOutlines(int(sample.id), tuple(seen), ("ok",) * len(seen))))
    facts = agreement_of(samples[0].names, residuals)
    assert facts is not None
    return facts


def test_exact_cameras_are_not_blamed(samples: list[Sample]) -> None:
    assert blamed_cameras(samples) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda camera: replace(camera, cx=camera.cx + 2.0, cy=camera.cy - 1.0),
        lambda camera: replace(camera, fx=camera.fx * 1.05, fy=camera.fy * 1.05),
        lambda camera: replace(camera, T_cam_world=_transposed(camera)),
    ],
)
def test_a_wrong_camera_is(samples: list[Sample], change: Callable[[Camera], Camera]) -> None:
    assert blamed_cameras(samples, change) == [("views-disagree", "Camera3")]


def _transposed(camera: Camera) -> np.ndarray:
    """A slightly turned camera's rotation the wrong way round, about the same centre."""
    angle = 0.1
    c, s = np.cos(angle), np.sin(angle)
    wrong = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]).T @ camera.R_cam_world
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = wrong, -wrong @ camera.centre
    return T


def test_too_few_instants_are_not_called_right(samples: list[Sample]) -> None:
    (finding,) = agreement_findings(measured(samples[:4]), 4, ())
    assert (finding.code, finding.value, finding.limit) == ("few-instants", 4, 5)
    assert not list(agreement_findings(measured(samples[:5]), 5, ()))


def test_masks_with_bad_moments_blame_no_camera(samples: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    """At each instant another view is too fat and another lacks its tail: a ratio of medians alone blames one."""
    blamed = 0
    for seed in range(4):
        rough = [roughen(sample, np.random.default_rng([seed, k]))[0] for k, sample in enumerate(samples)]
        assert all(camera is None for _, camera in blamed_cameras(rough)), seed
        facts = measured(rough)
        assert facts.apart is None
        with monkeypatch.context() as careless:
            careless.setattr("mouselift.inspect.agreement.WORST_SHARE", 0.0)
            blamed += any(f.camera is not None for f in agreement_findings(facts, INSTANTS, ()))
    assert blamed > 0


@pytest.mark.parametrize("with_rough_masks", [False, True])
def test_exchanged_cameras_are_named_together(samples: list[Sample], with_rough_masks: bool) -> None:
    if with_rough_masks:
        samples = [roughen(sample, np.random.default_rng([3, k]))[0] for k, sample in enumerate(samples)]
    facts = measured(samples, exchanged={1: 4, 4: 1})
    assert facts.apart is not None
    assert facts.apart.cameras == ("Camera2", "Camera5")
    (finding,) = agreement_findings(facts, INSTANTS, ())
    assert (finding.code, finding.severity, finding.camera) == ("views-disagree", "error", None)
    assert "images of Camera2 and Camera5 may be exchanged: video and mask in capture.toml" in finding.message


def test_three_of_six_in_turn_are_named_and_three_of_five_are_not(samples: list[Sample]) -> None:
    """Where fewer agree than do not, any of them might be the right ones."""
    turn = {0: 2, 2: 3, 3: 0}
    (finding,) = agreement_findings(measured(samples, exchanged=turn), INSTANTS, ())
    assert finding.camera is None
    assert "no single camera is to blame: the images of several cameras are exchanged" in finding.message
    (finding,) = agreement_findings(measured(_ring(6), exchanged=turn), INSTANTS, ())
    assert "the images of Camera1, Camera3 and Camera4 may be exchanged" in finding.message


def test_two_of_ten_are_named_though_most_pairs_agree() -> None:
    facts = measured(_ring(10), exchanged={1: 4, 4: 1})
    assert facts.all_px < 1.0
    (finding,) = agreement_findings(facts, INSTANTS, ())
    assert "Camera2 and Camera5" in finding.message


def test_cameras_that_lag_together_have_their_own_finding(samples: list[Sample]) -> None:
    facts = measured(samples, exchanged={1: 4, 4: 1})
    assert list(agreement_findings(facts, INSTANTS, ("Camera2", "Camera5"))) == []


def test_a_calibration_that_is_wrong_as_a_whole_names_no_camera(samples: list[Sample]) -> None:
    halved = [
        replace(sample, views=tuple(replace(view, camera=_half_focal(view.camera)) for view in sample.views))
        for sample in samples
    ]
    assert blamed_cameras(halved) == [("views-disagree", None)]


def _half_focal(camera: Camera) -> Camera:
    return replace(camera, fx=camera.fx / 2, fy=camera.fy / 2, cx=camera.cx / 2, cy=camera.cy / 2)


def test_silhouettes_without_a_common_part_are_an_error() -> None:
    """Between 6 and 20 px it is else a warning: masks might be rough."""
    facts = AgreementFacts(13.0, dict.fromkeys("ABC", 13.0), dict.fromkeys("ABC", 13.0))

    def severity(coverage: float | None) -> str:
        quality = CameraQuality("A", 9, 0, 0, 0, None, None, None, coverage, None, "")
        mask = MaskFacts("A", 9, 0, 0, 0, 0, 0, None, None, quality)
        (finding,) = agreement_findings(facts, INSTANTS, (), [mask])
        return finding.severity

    assert [severity(coverage) for coverage in (None, 0.6, 0.0)] == ["warning", "warning", "error"]


def test_distances_are_the_audits_and_views_without_masks_are_left_out(samples: list[Sample]) -> None:
    views = samples[0].views
    seen = [view_outline(view.camera, view.alpha)[0] for view in views]
    seen[1] = None
    found = tangency_distances(FrameOutlines(0, tuple(seen), ("ok",) * 5))
    assert np.isnan(found[1]).all()
    assert np.isnan(found[:, 1]).all()
    kept = [view for view in seen if view is not None]
    wanted = np.abs(tangency([view.camera for view in kept], [view.outline for view in kept]).pixels)
    assert np.array_equal(found[np.ix_([0, 2, 3, 4], [0, 2, 3, 4])], wanted, equal_nan=True)


def test_the_worst_camera_of_each_instant_is_counted() -> None:
    residuals = [np.full((3, 3, 2), value) for value in (1.0, 1.0, np.nan)]
    for instant in residuals:
        instant[np.arange(3), np.arange(3)] = np.nan
    residuals[0][[0, 1], [1, 0]] = 0.1  # the pair of A and B: C is the worst
    residuals[1][[1, 2], [2, 1]] = 0.1  # the pair of B and C: A is
    facts = agreement_of(("A", "B", "C"), residuals)
    assert facts is not None
    assert facts.worst_share == {"A": 0.5, "B": 0.0, "C": 0.5}
