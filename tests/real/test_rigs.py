"""Real rigs, read where they lie (`<repo>/../shared/data`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat

from mouselift.calibration.facelift import read_facelift
from mouselift.calibration.registry import load_rig
from mouselift.calibration.safe_pickle import load_pickle
from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.dataset.source import DatasetSource
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.triangulation import triangulate

DATA = Path(__file__).resolve().parents[3] / "shared/data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"real data not at {DATA}")

CYLINDER_SIZE, MARKERLESS_SIZE = (1328, 1048), (1152, 1024)
# The centres are 0-based: rays meet best at COM + 0.47 px (95 %: 0.13 .. 0.84). DANNCE itself took them for 1-based.
COM_TO_PIXELS, COM_AS_DANNCE_TOOK_THEM = 0.5, -0.5


def cylinder() -> list[Camera]:
    rig = load_rig(DATA / "mouse_cylinder/calibration", "dannce")
    return [camera.camera(CYLINDER_SIZE) for camera in rig.cameras]


def centres(file: str, cameras: list[Camera]) -> np.ndarray:
    """[samples, cameras, 2] detected body centres as they stand in the file."""
    content = load_pickle(DATA / "mouse_cylinder/com" / file)
    return np.array([[sample[camera.name]["COM"] for camera in cameras] for sample in content.values()], dtype=float)


def com_residuals(cameras: list[Camera], pixels: np.ndarray) -> np.ndarray:
    """[samples, cameras] reprojection residuals of the points where the rays meet, pixels."""
    return np.stack([triangulate(cameras, seen).residual_px(cameras, seen) for seen in pixels])


def test_body_centres_need_the_lens() -> None:
    cameras = cylinder()
    pixels = centres("save_data_COM_first40.pickle", cameras) + COM_TO_PIXELS
    assert pixels.shape == (40, 5, 2)
    assert np.median(com_residuals(cameras, pixels)) < 2.3
    straight = [replace(camera, lens=Pinhole()) for camera in cameras]
    assert np.median(com_residuals(straight, pixels)) > 10


def test_body_centres_notice_a_wrong_rig() -> None:
    cameras = cylinder()
    pixels = centres("save_data_COM_first40.pickle", cameras) + COM_TO_PIXELS
    scaled = [replace(camera, fx=camera.fx * 1.01, fy=camera.fy * 1.01) for camera in cameras[:1]] + cameras[1:]
    assert np.median(com_residuals(scaled, pixels)) > 2.3
    swapped = [cameras[1], cameras[0], *cameras[2:]]
    assert np.median(com_residuals(swapped, pixels)) > 50
    assert np.median(com_residuals(cameras[1:], pixels[:, :4])) > 50  # bound by order, one camera off


def linear_meeting(a: Camera, b: Camera, seen: np.ndarray) -> np.ndarray:
    """Homogeneous least squares on undistorted pixels of two views (Hartley, Zisserman, 12.2): [3]."""
    rows = []
    for camera, pixel in zip((a, b), seen, strict=True):
        u = camera.K[:2] @ np.append(camera.normalised(pixel[None])[0], 1.0)
        P = camera.K @ camera.T_cam_world[:3]
        rows += [u[0] * P[2] - P[0], u[1] * P[2] - P[1]]
    X = np.linalg.svd(np.stack(rows))[2][-1]
    return X[:3] / X[3]


def published_error(cameras: dict[str, Camera], offset: float) -> float:
    """Median distance, mm, from the triangulations that DANNCE stored with its centres, over all pairs of cameras."""
    apart = []
    for sample in list(load_pickle(DATA / "mouse_cylinder/com/save_data_COM_first40.pickle").values())[:20]:
        for pair, expected in sample["triangulation"].items():
            a, b = pair.split("_")
            seen = np.array([sample[a]["COM"], sample[b]["COM"]], dtype=float) + offset
            apart.append(np.linalg.norm(linear_meeting(cameras[a], cameras[b], seen) - expected))
    return float(np.median(apart))


def test_dannces_own_triangulations_are_reproduced() -> None:
    cameras = {camera.name: camera for camera in cylinder()}
    assert published_error(cameras, COM_AS_DANNCE_TOOK_THEM) < 1e-6
    assert published_error(cameras, COM_AS_DANNCE_TOOK_THEM + 0.5) > 0.1  # half a pixel is noticed
    assert published_error({n: replace(c, lens=Pinhole()) for n, c in cameras.items()}, COM_AS_DANNCE_TOOK_THEM) > 0.1
    scaled = {n: replace(c, fx=c.fx * 1.01, fy=c.fy * 1.01) for n, c in cameras.items()}
    assert published_error(scaled, COM_AS_DANNCE_TOOK_THEM) > 0.1


def labels(file: str = "label3d_dannce.mat") -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Camera name -> (1-based pixels, world mm) of all labelled points."""
    content: dict[str, Any] = loadmat(DATA / "markerless_mouse_1" / file)
    out = {}
    for index, cell in enumerate(content["labelData"].ravel()):
        seen = cell[0, 0]["data_2d"].astype(float).reshape(-1, 2)
        world = cell[0, 0]["data_3d"].astype(float).reshape(-1, 3)
        known = np.isfinite(seen).all(axis=1) & np.isfinite(world).all(axis=1)
        out[f"Camera{index + 1}"] = (seen[known], world[known])
    return out


def label_error(cameras: dict[str, Camera]) -> float:
    """Largest distance between projection and label, pixels; labels brought from MATLAB's 1-based pixels."""
    apart = [np.linalg.norm(cameras[n].project(world) - (seen - 0.5), axis=1) for n, (seen, world) in labels().items()]
    return float(np.nan_to_num(np.concatenate(apart), nan=np.inf).max())


@pytest.fixture(params=["calibration", "label3d_dannce.mat"])
def markerless(request: pytest.FixtureRequest) -> dict[str, Camera]:
    rig = load_rig(DATA / "markerless_mouse_1" / request.param, "dannce")
    assert any("'dannce'" in line and "Decided by that evidence" in line for line in rig.evidence)
    return {camera.name: camera.camera(MARKERLESS_SIZE) for camera in rig.cameras}


def test_labels_reproject_exactly(markerless: dict[str, Camera]) -> None:
    assert sum(len(seen) for seen, _ in labels().values()) > 5000
    assert label_error(markerless) < 1e-9


@pytest.mark.parametrize("fault", ["skew", "half pixel", "one pixel base", "lens", "one per cent", "rotation"])
def test_labels_notice_faults(fault: str, markerless: dict[str, Camera]) -> None:
    def spoil(camera: Camera) -> Camera:
        if fault == "skew":
            return replace(camera, skew=0.0)
        if fault == "half pixel":
            return replace(camera, cx=camera.cx + 0.5)
        if fault == "one pixel base":
            return replace(camera, cx=camera.cx + 1.0, cy=camera.cy + 1.0)
        if fault == "lens":
            return replace(camera, lens=Pinhole())
        if fault == "one per cent":
            return replace(camera, fy=camera.fy * 1.01)
        turned = camera.R_cam_world.T.copy()
        return Camera.from_matrices(camera.K, turned, camera.t_cam_world, MARKERLESS_SIZE, camera.lens, camera.name)

    for name in markerless:
        assert not label_error({**markerless, name: spoil(markerless[name])}) < 0.1, name


def test_k_read_untransposed_is_refused_or_wrong() -> None:
    with pytest.raises(CalibrationError, match="K is transposed"):
        load_rig(DATA / "markerless_mouse_1/calibration", "dannce", "opencv")
    wrong = load_rig(DATA / "markerless_mouse_1/calibration", "dannce", "newsdannce-old")
    assert any("WARNING" in line for line in wrong.evidence)
    assert not label_error({camera.name: camera.camera(MARKERLESS_SIZE) for camera in wrong.cameras}) < 0.1


def test_markerless_rig_facts() -> None:
    rig = load_rig(DATA / "markerless_mouse_1/calibration", "dannce")
    where = np.stack([camera.camera(MARKERLESS_SIZE).centre for camera in rig.cameras])
    np.testing.assert_allclose(where.mean(axis=0), [59.672, 51.517, 107.099], atol=1e-3)  # published scene centre
    assert where[:, 2].min() > 60


@pytest.mark.parametrize(
    ("path", "rig_format", "cameras"),
    [
        ("mouse_cylinder/calibration", "dannce", 5),
        ("markerless_mouse_1/calibration", "dannce", 6),
        ("markerless_mouse_1/label3d_demo.mat", "dannce", 6),
        ("markerless_mouse_1/label3d_temp_dannce_3cam.mat", "dannce", 3),
        ("calibrations/markerless_rat/calibration", "dannce", 6),
        ("calibrations/anipose/allen_mouse_7cam_calibration.toml", "anipose", 7),
        ("calibrations/anipose/sleap_minimal_session_side_refit.toml", "anipose", 4),
        ("calibrations/jarvis", "jarvis", 1),
        ("facelift_sample/opencv_cameras.json", "facelift", 8),
        ("facelift_sample/inference_cameras.json", "facelift", 6),
    ],
)
def test_every_rig_loads(path: str, rig_format: str, cameras: int) -> None:
    rig = load_rig(DATA / path, rig_format)
    assert len(rig.cameras) == cameras
    for camera in rig.cameras:
        camera.camera(camera.size or (1280, 1024))


def test_a_rig_without_evidence_says_that_it_is_assumed() -> None:
    rig = load_rig(DATA / "calibrations/markerless_rat/calibration", "dannce")
    assert any(line.startswith("Assumed for want of evidence") for line in rig.evidence)
    # the hint points the wrong way here: it must not decide
    assert any("193 with r transposed, 166 with r as it stands" in line for line in rig.evidence)


def test_the_shipped_sleap_session_is_refused() -> None:
    file = DATA / "calibrations/anipose/sleap_minimal_session_AS_SHIPPED_side_is_copy_of_top.toml"
    with pytest.raises(CalibrationError, match="'side' and 'top' have one and the same calibration"):
        load_rig(file, "anipose")
    assert load_rig(file, "anipose", unused=["side"]).names == ("back", "mid", "top")


def test_anipose_principal_points_become_the_middle() -> None:
    rig = load_rig(DATA / "calibrations/anipose/allen_mouse_7cam_calibration.toml", "anipose")
    assert rig.names == ("cam088", "cam091", "cam581", "cam592", "cam593", "cam712", "cam746")
    for camera in rig.cameras:
        assert camera.size == (1440, 1080)
        np.testing.assert_array_equal(camera.K[:2, 2], [720.0, 540.0])


def test_facelift_sample() -> None:
    rig = read_facelift(DATA / "facelift_sample/opencv_cameras.json")
    for camera in (entry.camera((512, 512)) for entry in rig.cameras):
        assert (camera.cx, camera.cy) == (256.0, 256.0)
        assert np.linalg.norm(camera.centre) == pytest.approx(2.7, abs=1e-5)
        assert camera.centre[2] == pytest.approx(2.7 * np.sin(np.deg2rad(20)), abs=1e-5)
    (frameset,) = DatasetSource(DATA / "facelift_sample").read([0])
    assert len(frameset.views) == 8
    for view in frameset.views:
        assert view.mask is not None
        assert view.image is not None
        assert 0 < (view.mask > 127).mean() < 0.9
        assert view.image.rgb().shape == (512, 512, 3)


def test_init_on_the_real_recording(tmp_path: Path) -> None:
    found = discover(DATA / "mouse_cylinder")
    write_capture_toml(tmp_path / "capture.toml", found.spec, comments=found.comments)
    capture = load_capture(tmp_path)
    assert [camera.name for camera in capture.cameras] == [f"Camera{letter}" for letter in "ELRSU"]
    for camera in capture.cameras:
        assert camera.video == (DATA / f"mouse_cylinder/videos/{camera.name}_31500.mp4").resolve()
        assert (camera.camera.width, camera.camera.height) == CYLINDER_SIZE
    np.testing.assert_array_equal(capture.require_up(), [0.0, 0.0, 1.0])
    assert any(
        "Decided by that evidence, but for the principal point: variant 'dannce'" in line for line in capture.evidence
    )
    # CameraL's cy is 1560 of 1048, and the place that all look at lies in its image: it was cut out of a larger one.
    assert not any("principal point lies far outside" in line for line in capture.evidence)
