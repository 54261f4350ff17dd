"""Repair with the rig's calibration: what it fixes comes back to the limit, a wrong rig is refused or named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import faults
from mouselift.calibration.rig import Rig, RigCamera
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.cause import Diagnosis
from mouselift.diagnosis.explain import diagnose
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.camera_arrays import CameraArrays
from mouselift.geometry.similarity import Similarity
from mouselift.repair.rig import match_rig, similarity_of
from mouselift.repair.sample import Repaired, repair_sample

_WORLD = Similarity(0.008, np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([30.0, -20.0, 5.0]))
_SCALE = 0.6  # output pixels per source pixel


def rig_of(
    cameras: tuple[Camera, ...],
    scale: float | np.ndarray = _SCALE,
    change: Callable[[RigCamera], RigCamera] | None = None,
) -> Rig:
    """The rig that `cameras` (of prepared images) came from: another world, frames of 1152 x 1024, cut and scaled."""
    back = _WORLD.inverse()
    out = []
    for k, camera in enumerate(cameras):
        source = camera.in_world(back)
        s = float(np.broadcast_to(scale, len(cameras))[k])
        K = np.array([[camera.fx / s, 0.0, 570.0 + k], [0.0, camera.fy / s, 515.0 - k], [0.0, 0.0, 1.0]])
        lens = source.lens
        made = RigCamera(camera.name, Path("rig.toml"), K, source.R_cam_world, source.t_cam_world, lens, (1152, 1024))
        out.append(change(made) if change is not None else made)
    return Rig(Path("rig.toml"), "anipose", tuple(out))


def cameras_of(sample: Sample) -> tuple[Camera, ...]:
    return tuple(view.camera for view in sample.views)


def errors(sample: Sample, found: Repaired) -> tuple[float, float]:
    """Largest error of a scale (share) and of a principal point (pixels), gauge and all."""
    scales = [abs(np.log(a.fx / b.fx)) for a, b in zip(cameras_of(sample), found.cameras, strict=True)]
    shifts = [np.hypot(a.cx - b.cx, a.cy - b.cy) for a, b in zip(cameras_of(sample), found.cameras, strict=True)]
    return float(max(scales)), float(max(shifts))


@pytest.fixture(scope="module")
def spoiled(exact_postures: tuple[Sample, ...]) -> Sample:
    """Every view's scale and shift lost."""
    return faults.views_rescaled(exact_postures[0], np.random.default_rng(2)).sample


@pytest.fixture(scope="module")
def found_once(spoiled: Sample) -> Diagnosis:
    """Its free fit, which all tests share."""
    return diagnose(spoiled)


def test_the_similarity_comes_back(exact_postures: tuple[Sample, ...]) -> None:
    rig = rig_of(cameras_of(exact_postures[0]))
    cameras = CameraArrays.of(cameras_of(exact_postures[0]))
    world = similarity_of(rig.cameras, cameras)
    assert world.scale == pytest.approx(_WORLD.scale, rel=1e-9)
    np.testing.assert_allclose(world.R_new_old, _WORLD.R_new_old, atol=1e-9)
    match = match_rig(rig, exact_postures[0].names, cameras)
    assert match.turn_deg < 1e-6
    assert match.moved < 1e-9
    np.testing.assert_allclose(match.centres(), cameras.centre, atol=1e-9)


def test_one_scale_fixes_the_shift_and_leaves_the_zoom(
    exact_postures: tuple[Sample, ...], spoiled: Sample, found_once: Diagnosis
) -> None:
    """Per-sample images: the rig knows all focal lengths up to one factor."""
    free = repair_sample(spoiled, found_once)
    found = repair_sample(spoiled, found_once, rig_of(cameras_of(exact_postures[0])))
    assert found.status == "repaired"
    assert "rig-one-scale" in found.rig
    assert "left open: the common zoom" in found.rig
    scales = np.array([np.log(a.fx / b.fx) for a, b in zip(cameras_of(exact_postures[0]), found.cameras, strict=True)])
    assert np.ptp(scales) < 1e-9
    assert found.gauge is not None
    assert free.gauge is not None
    assert found.gauge.shift < 0.9 * free.gauge.shift
    assert errors(exact_postures[0], found)[1] <= errors(exact_postures[0], free)[1] + 0.5


def test_the_sensor_s_own_scale_fixes_everything(
    exact_postures: tuple[Sample, ...], spoiled: Sample, found_once: Diagnosis
) -> None:
    found = repair_sample(spoiled, found_once, rig_of(cameras_of(exact_postures[0]), 1.0))
    assert "rig-cropped" in found.rig
    scale, shift = errors(exact_postures[0], found)
    assert scale < 1e-9
    assert shift < 0.5


def test_whole_frames_come_back_exactly(
    exact_postures: tuple[Sample, ...], spoiled: Sample, found_once: Diagnosis
) -> None:
    """Images that are the rig's whole frames, resized: no silhouette is needed for a number."""
    cameras = cameras_of(exact_postures[0])

    def whole(camera: RigCamera) -> RigCamera:
        target = next(c for c in cameras if c.name == camera.name)
        ratio = np.array([1152 / target.width, 1024 / target.height])
        K = np.diag([*ratio, 1.0]) @ target.K
        return replace(camera, K=K)

    found = repair_sample(spoiled, found_once, rig_of(cameras, 1.0, whole))
    assert "rig-resized" in found.rig
    scale, shift = errors(exact_postures[0], found)
    assert scale < 1e-9
    assert shift < 1e-9


def test_a_scale_of_every_view_s_own_leaves_the_gauge_open(
    exact_postures: tuple[Sample, ...], spoiled: Sample, found_once: Diagnosis
) -> None:
    scales = np.array([0.5, 0.7, 0.62, 0.81, 0.55, 0.9])
    found = repair_sample(spoiled, found_once, rig_of(cameras_of(exact_postures[0]), scales))
    assert "rig-each-scale" in found.rig
    assert "common shift in space" in found.rig
    assert "suspect" not in found.rig


def test_one_per_cent_in_one_focal_length_is_named(
    exact_postures: tuple[Sample, ...], spoiled: Sample, found_once: Diagnosis
) -> None:
    names = exact_postures[0].names

    def long(camera: RigCamera) -> RigCamera:
        K = camera.K.copy()
        K[:2, :2] *= 1.01 if camera.name == names[3] else 1.0
        return replace(camera, K=K)

    found = repair_sample(spoiled, found_once, rig_of(cameras_of(exact_postures[0]), _SCALE, long))
    assert "rig-one-scale-but-one" in found.rig
    assert f"but {names[3]}'s have one scale" in found.rig


def test_a_copied_entry_and_millimetres_are_refused(
    exact_postures: tuple[Sample, ...], spoiled: Sample, found_once: Diagnosis
) -> None:
    names = exact_postures[0].names
    right = rig_of(cameras_of(exact_postures[0]))
    copied = replace(right, cameras=(*right.cameras[:5], replace(right.cameras[2], name=names[5])))
    found = repair_sample(spoiled, found_once, copied)
    assert found.status == "refused"
    assert f"Without {names[5]!r} all others agree" in found.reason

    def short(camera: RigCamera) -> RigCamera:
        K = camera.K.copy()
        K[:2] *= 0.005
        return replace(camera, K=K)

    found = repair_sample(spoiled, found_once, rig_of(cameras_of(exact_postures[0]), _SCALE, short))
    assert found.status == "refused"
    assert "millimetres" in found.reason


@pytest.mark.parametrize("what", ["turned", "moved", "transposed"])
def test_the_match_notices_small_errors_of_a_pose(exact_postures: tuple[Sample, ...], what: str) -> None:
    def wrong(camera: RigCamera) -> RigCamera:
        if camera.name != exact_postures[0].names[1]:
            return camera
        a = np.radians(0.3)
        turn = np.array([[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]])
        R, t = camera.R_cam_world, camera.t_cam_world
        change = {
            "turned": (turn @ R, turn @ t),
            "moved": (R, t * 1.01),
            "transposed": (R.T, t),
        }
        return replace(camera, R_cam_world=change[what][0], t_cam_world=change[what][1])

    rig = rig_of(cameras_of(exact_postures[0]), _SCALE, wrong)
    with pytest.raises(CalibrationError, match=f"Without '{exact_postures[0].names[1]}' all others agree"):
        match_rig(rig, exact_postures[0].names, CameraArrays.of(cameras_of(exact_postures[0])))


def test_other_names_are_matched_by_pose_and_exchanged_ones_are_said(exact_postures: tuple[Sample, ...]) -> None:
    cameras, names = CameraArrays.of(cameras_of(exact_postures[0])), exact_postures[0].names
    right = rig_of(cameras_of(exact_postures[0]))
    renamed = replace(right, cameras=tuple(replace(c, name=f"hires_{k}") for k, c in enumerate(right.cameras[::-1])))
    match = match_rig(renamed, names, cameras)
    assert "by pose" in match.how
    assert [c.name for c in match.cameras] == [f"hires_{5 - k}" for k in range(6)]
    a, b = right.cameras[0], right.cameras[1]
    exchanged = replace(right, cameras=(replace(a, name=b.name), replace(b, name=a.name), *right.cameras[2:]))
    with pytest.raises(CalibrationError, match="under other names"):
        match_rig(exchanged, names, cameras)


def test_centres_set_to_one_distance_come_back_exactly(exact_postures: tuple[Sample, ...]) -> None:
    sample = faults.centre_moved(exact_postures[0], np.random.default_rng(0)).sample
    found = repair_sample(sample, rig=rig_of(cameras_of(exact_postures[0])))
    assert "rig-centres" in found.rig
    world = similarity_of(rig_of(cameras_of(exact_postures[0])).cameras, CameraArrays.of(found.cameras))
    true = np.array([c.centre for c in cameras_of(exact_postures[0])])
    centres = np.array([c.centre for c in found.cameras])
    ratio = np.linalg.norm(centres - centres[0], axis=1)[1:] / np.linalg.norm(true - true[0], axis=1)[1:]
    assert np.ptp(ratio) < 1e-9
    assert world.scale > 0


def test_swapped_views_are_matched_by_pose(exact_postures: tuple[Sample, ...]) -> None:
    sample = faults.swapped_views(exact_postures[1], np.random.default_rng(8)).sample
    found = repair_sample(sample, rig=rig_of(cameras_of(exact_postures[1])))
    assert found.status == "repaired"
    assert "by pose" in found.rig


def test_a_good_sample_is_left_alone_whatever_the_rig(exact_postures: tuple[Sample, ...]) -> None:
    right = rig_of(cameras_of(exact_postures[0]))
    wrong = replace(right, cameras=(*right.cameras[:5], replace(right.cameras[2], name=exact_postures[0].names[5])))
    for rig, word in ((right, "poses are its own"), (wrong, "are not one similarity")):
        found = repair_sample(exact_postures[0], rig=rig)
        assert found.status == "good"
        assert found.cameras == cameras_of(exact_postures[0])
        assert word in found.rig
