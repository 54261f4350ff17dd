"""DANNCE rigs: every writer's variant, what decides between them, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mouselift.calibration.dannce import read_dannce
from mouselift.calibration.registry import load_rig
from mouselift.calibration.rig import Rig
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Pinhole

EXACT_PX = 1e-9
NOTICED_PX = 0.1


def worst(rig: Rig, truth: list[Camera], distance) -> float:
    return max(distance(rig[camera.name].camera((640, 480)), camera) for camera in truth)


def test_documented_layout_is_read_exactly(tmp_path: Path, truth, write, distance) -> None:
    rig = read_dannce(write.dannce(tmp_path, truth))
    assert rig.names == ("Camera1", "Camera2", "Camera3", "Camera4")
    assert worst(rig, truth, distance) < EXACT_PX
    for camera in truth:
        np.testing.assert_allclose(rig[camera.name].K, camera.K, atol=1e-12)
        assert rig[camera.name].size is None
    assert any("Assumed" in line and "'dannce'" in line for line in rig.evidence)
    assert [line.split(",")[0] for line in rig.assumed] == ["r is transposed", "the principal point is 1-based"]


@pytest.mark.parametrize(
    "fault", ["half pixel", "other base", "one per cent", "skew dropped", "lens dropped", "K transposed", "r"]
)
def test_the_check_notices_faults(fault: str, tmp_path: Path, truth, write, distance) -> None:
    camera = truth[1]
    fields = write.fields(camera)
    K = fields["K"]
    if fault == "half pixel":
        K[2, 0] += 0.5
    elif fault == "other base":
        fields["K"] = write.fields(camera, "opencv")["K"].T
    elif fault == "one per cent":
        K[0, 0] *= 1.01
    elif fault == "skew dropped":
        K[1, 0] = 0.0
    elif fault == "lens dropped":
        fields["RDistort"], fields["TDistort"] = np.zeros((1, 2)), np.zeros((1, 2))
    elif fault == "K transposed":
        fields["K"] = K.T
    else:
        fields["r"] = fields["r"].T
    savemat(tmp_path / "cam1_params.mat", fields)
    variant = "opencv" if fault == "K transposed" else None
    read = read_dannce(tmp_path, variant)["Camera1"].camera((640, 480))
    assert not distance(read, camera) < NOTICED_PX


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("hires_cam3_params.mat", "Camera3"),
        ("cam3_params.mat", "Camera3"),
        ("kyle_cam3_params.mat", "Camera3"),
        ("hires_cam_CameraE_params.mat", "CameraE"),
        ("Camera3_params.mat", "Camera3"),
        ("CameraE_params.mat", "CameraE"),
    ],
)
def test_names_come_from_the_files(file: str, name: str, tmp_path: Path, truth, write) -> None:
    savemat(tmp_path / file, write.fields(truth[0]))
    assert read_dannce(tmp_path).names == (name,)


def test_numbers_sort_as_numbers(tmp_path: Path, truth, write) -> None:
    for number in (10, 2, 1):
        savemat(tmp_path / f"cam{number}_params.mat", write.fields(truth[0]))
    assert read_dannce(tmp_path).names == ("Camera1", "Camera2", "Camera10")


def test_two_files_for_one_camera_are_refused(tmp_path: Path, truth, write) -> None:
    for file in ("hires_cam1_params.mat", "kyle_cam1_params.mat"):
        savemat(tmp_path / file, write.fields(truth[0]))
    with pytest.raises(CalibrationError, match=r"two calibrations for Camera1.*hires_cam1.*kyle_cam1"):
        read_dannce(tmp_path)


def test_short_fields_and_small_integers(tmp_path: Path, truth, write) -> None:
    fields = write.fields(truth[0])
    fields["R"] = fields.pop("r")
    fields |= {"RDistort": np.array([[-0.1, 0.2]]), "TDistort": np.zeros((1, 2), dtype=np.uint8), "m": np.uint8(0)}
    fields["t"] = np.array([[200], [250], [255]], dtype=np.uint8)
    savemat(tmp_path / "cam1_params.mat", fields)
    camera = read_dannce(tmp_path)["Camera1"]
    assert camera.lens == BrownConrady(-0.1, 0.2)
    np.testing.assert_array_equal(camera.t_cam_world, [200.0, 250.0, 255.0])


def test_no_distortion_is_a_pinhole(tmp_path: Path, truth, write) -> None:
    fields = write.fields(truth[0]) | {"RDistort": np.zeros((1, 2)), "TDistort": np.zeros((1, 2), dtype=np.uint8)}
    savemat(tmp_path / "cam1_params.mat", fields)
    assert read_dannce(tmp_path)["Camera1"].lens == Pinhole()


@pytest.mark.parametrize("variant", ["dannce", "newsdannce-old", "opencv"])
def test_labels_decide_the_variant(variant: str, tmp_path: Path, truth, write, world_points, distance) -> None:
    rig = read_dannce(write.label3d(tmp_path / "a_dannce.mat", truth, world_points, variant))
    assert worst(rig, truth, distance) < EXACT_PX
    assert any("Decided by that evidence" in line and f"'{variant}'" in line for line in rig.evidence)


@pytest.mark.parametrize("variant", ["dannce", "newsdannce-old", "opencv"])
def test_labels_beside_a_folder_decide_it(variant: str, tmp_path: Path, truth, write, world_points, distance) -> None:
    write.label3d(tmp_path / "labels_dannce.mat", truth, world_points, variant)
    rig = read_dannce(write.dannce(tmp_path / "calibration", truth, variant))
    assert worst(rig, truth, distance) < EXACT_PX


@pytest.mark.parametrize("variant", ["dannce", "newsdannce-old", "opencv"])
def test_centres_of_mass_decide_it(variant: str, tmp_path: Path, truth, write, world_points, distance) -> None:
    write.com(tmp_path / "com/com.pickle", truth, world_points)
    rig = read_dannce(write.dannce(tmp_path / "calibration", truth, variant))
    assert worst(rig, truth, distance) < EXACT_PX


@pytest.mark.parametrize("variant", ["dannce", "newsdannce-old", "opencv"])
def test_calibration_json_beside_it_decides(variant: str, tmp_path: Path, truth, write, distance) -> None:
    write.calibration_json(tmp_path / "calibration.json", truth)
    rig = read_dannce(write.dannce(tmp_path, truth, variant))
    assert worst(rig, truth, distance) < EXACT_PX
    assert any("calibration.json" in line for line in rig.evidence)


def test_calibration_json_alone(tmp_path: Path, truth, write, distance) -> None:
    rig = read_dannce(write.calibration_json(tmp_path / "calibration.json", truth))
    assert worst(rig, truth, distance) < EXACT_PX


def test_untransposed_k_without_evidence_is_refused(tmp_path: Path, truth, write, distance) -> None:
    folder = write.dannce(tmp_path, truth, "opencv")
    with pytest.raises(CalibrationError, match=r"in doubt.*\[rig\] variant = \"dannce\""):
        read_dannce(folder)
    assert worst(read_dannce(folder, "opencv"), truth, distance) < EXACT_PX


PROPERTIES = [(k, r, base) for k in (True, False) for r in (True, False) for base in (True, False)]


def words_of(k: bool, r: bool, base: bool) -> str:
    return f"K-{'transposed' if k else 'upright'} r-{'transposed' if r else 'upright'} {int(base)}-based"


def stored(folder: Path, truth: list[Camera], write, k: bool, r: bool, base: bool) -> Path:
    """params files of a writer with any of the eight conventions."""
    folder.mkdir(exist_ok=True)
    for index, camera in enumerate(truth):
        K = camera.K.copy()
        K[:2, 2] += 0.5 if base else -0.5
        fields = {"K": K.T if k else K, "r": camera.R_cam_world.T if r else camera.R_cam_world}
        savemat(folder / f"hires_cam{index + 1}_params.mat", write.fields(camera) | fields)
    return folder


@pytest.mark.parametrize(("k", "r", "base"), PROPERTIES)
def test_every_convention_has_a_variant(k: bool, r: bool, base: bool, tmp_path: Path, truth, write, distance) -> None:
    rig = read_dannce(stored(tmp_path, truth, write, k, r, base), words_of(k, r, base))
    assert worst(rig, truth, distance) < EXACT_PX
    assert not rig.assumed


@pytest.mark.parametrize(("k", "r", "base"), PROPERTIES)
def test_exact_centres_tell_all_three(
    k: bool, r: bool, base: bool, tmp_path: Path, truth, write, world_points, distance
) -> None:
    write.com(tmp_path / "com/com.pickle", truth, world_points)
    rig = read_dannce(stored(tmp_path / "calibration", truth, write, k, r, base))
    assert worst(rig, truth, distance) < EXACT_PX
    assert not rig.assumed


@pytest.mark.parametrize(("k", "r", "base"), PROPERTIES)
def test_calibration_json_tells_all_three(k: bool, r: bool, base: bool, tmp_path: Path, truth, write, distance) -> None:
    write.calibration_json(tmp_path / "calibration.json", truth)
    rig = read_dannce(stored(tmp_path, truth, write, k, r, base))
    assert worst(rig, truth, distance) < EXACT_PX
    assert not rig.assumed


def test_an_export_of_opencv_without_one_added(tmp_path: Path, truth, write, distance) -> None:
    """K and r transposed, 0-based: nothing shows it, so it is said what it costs and how it is settled."""
    folder = stored(tmp_path, truth, write, True, True, False)
    rig = read_dannce(folder)
    doubt = next(line for line in rig.assumed if "principal point" in line)
    assert "off by 1 px in x and y" in doubt
    assert 'variant = "0-based"' in doubt
    rig = read_dannce(folder, "0-based")
    assert worst(rig, truth, distance) < EXACT_PX
    assert [line.split(",")[0] for line in rig.assumed] == ["r is transposed"]


@pytest.mark.parametrize("base", [True, False])
def test_a_principal_point_fixed_in_the_middle_tells_the_base(base: bool, tmp_path: Path, truth, write) -> None:
    fixed = [
        Camera.from_matrices(
            np.array([[900.0, 0, 320.0], [0, 900.0, 240.0], [0, 0, 1]]), c.R_cam_world, c.t_cam_world, (640, 480)
        )
        for c in truth
    ]
    rig = read_dannce(stored(tmp_path, fixed, write, True, True, base))
    assert {(camera.K[0, 2], camera.K[1, 2]) for camera in rig.cameras} == {(320.0, 240.0)}
    assert any(f"the middle of an image (640x480) counted from {int(base)}" in line for line in rig.evidence)


def clicked(file: Path, truth: list[Camera], write, rng: np.random.Generator, base: bool, noise: float) -> None:
    """Labels of Label3D (counted from 1) with a hand's noise, and points triangulated from them."""
    points = rng.uniform(-60, 60, (400, 3))
    write.label3d(file, truth, points)
    content = loadmat(file)
    for cell in np.ravel(content["labelData"]):
        seen = cell[0, 0]["data_2d"]
        seen += rng.normal(0, noise, seen.shape)
    savemat(file, {key: value for key, value in content.items() if not key.startswith("__")})


@pytest.mark.parametrize("base", [True, False])
def test_clicked_labels_tell_the_base(base: bool, tmp_path: Path, truth, write, distance) -> None:
    clicked(tmp_path / "clicks_dannce.mat", truth, write, np.random.default_rng(3), base, 0.8)
    rig = read_dannce(stored(tmp_path / "calibration", truth, write, True, True, base))
    assert worst(rig, truth, distance) < EXACT_PX
    assert not rig.assumed


def test_centres_in_steps_of_two_pixels_are_a_hint_only(tmp_path: Path, truth, write, distance) -> None:
    rng, content = np.random.default_rng(5), {}
    for frame, point in enumerate(rng.uniform(-60, 60, (300, 3))):
        content[frame] = {c.name: {"COM": 2 * np.floor((c.project(point[None])[0] - 0.5) / 2)} for c in truth}
    (tmp_path / "com").mkdir()
    (tmp_path / "com/com.pickle").write_bytes(pickle.dumps(content))
    rig = read_dannce(write.dannce(tmp_path / "calibration", truth))
    assert worst(rig, truth, distance) < EXACT_PX
    assert any("principal point is 1-based" in line for line in rig.assumed)


def test_variants_that_cannot_be_are_refused(tmp_path: Path, truth, write) -> None:
    folder = write.dannce(tmp_path, truth)
    for variant, message in (
        ("0-based 1-based", "contradicts itself"),
        ("2-based", r"'2-based' is unknown; expected one of dannce.*0-based"),
        ("K-upright", "K is transposed"),
    ):
        with pytest.raises(CalibrationError, match=message):
            read_dannce(folder, variant)
    file = write.calibration_json(tmp_path / "calibration.json", truth)
    with pytest.raises(CalibrationError, match="one convention"):
        read_dannce(file, "dannce")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda K: 0.5 * K, r"transposed and scaled by 0\.5 as a whole.*only its first two rows"),
        (lambda K: K @ np.diag([1.0, 1.0, -1.0]), "looks along -z"),
        (lambda K: K * np.array([[1], [1], [0]]), "has no principal point|last entry is 0"),
    ],
)
def test_a_k_without_0_0_1_is_told_by_what_it_is(change, message: str, tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path, truth)
    fields = write.fields(truth[1])
    savemat(
        tmp_path / "hires_cam2_params.mat",
        fields | {"K": change(fields["K"].T).T if "z" in message else change(fields["K"])},
    )
    with pytest.raises(CalibrationError, match=message) as caught:
        read_dannce(tmp_path)
    assert "Camera2" in str(caught.value)


def test_the_asked_variant_must_fit_k(tmp_path: Path, truth, write) -> None:
    with pytest.raises(CalibrationError, match="K is transposed"):
        read_dannce(write.dannce(tmp_path, truth), "opencv")
    with pytest.raises(CalibrationError, match=r"'matlab' is unknown.*newsdannce-old"):
        read_dannce(tmp_path, "matlab")


def test_the_asked_variant_against_evidence_is_taken_and_warned_of(tmp_path: Path, truth, write, world_points) -> None:
    file = write.label3d(tmp_path / "a_dannce.mat", truth, world_points)
    assert any("WARNING" in line for line in read_dannce(file, "newsdannce-old").evidence)
    assert not any("WARNING" in line for line in read_dannce(file, "dannce").evidence)


def test_evidence_that_contradicts_itself_is_refused(tmp_path: Path, truth, write, world_points) -> None:
    write.dannce(tmp_path / "calibration", truth)
    write.com(tmp_path / "com/a.pickle", truth, world_points)
    flipped = [
        Camera.from_matrices(c.K, c.R_cam_world.T.copy(), c.t_cam_world, (640, 480), c.lens, c.name) for c in truth
    ]
    wide = np.random.default_rng(1).uniform(-2000, 2000, (400, 3))
    write.label3d(tmp_path / "labels_dannce.mat", flipped, wide)
    with pytest.raises(CalibrationError, match="contradicts itself"):
        read_dannce(tmp_path / "calibration")


def test_an_evil_pickle_beside_the_rig_is_named_and_not_used(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path / "calibration", truth)
    (tmp_path / "com").mkdir()
    (tmp_path / "com/evil.pickle").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    rig = read_dannce(tmp_path / "calibration")
    assert any("evil.pickle was of no use" in line and "os.system" in line for line in rig.evidence)


def bad_fields(kind: str, fields: dict) -> dict:
    K, r = fields["K"].copy(), fields["r"].copy()
    if kind == "nan":
        K[0, 0] = np.nan
    elif kind == "zero focal":
        K[1, 1] = 0.0
    elif kind == "mirrored":
        r[:, 0] *= -1
    elif kind == "not a rotation":
        r *= 1.01
    elif kind == "nan pose":
        fields["t"] = np.full((1, 3), np.nan)
    elif kind == "flag":
        fields["m"] = 1.0
    elif kind == "K both":
        K[0, 2], K[1, 2] = 5.0, 5.0
    elif kind == "missing":
        del fields["t"]
    elif kind == "lens":
        fields["RDistort"] = np.zeros((1, 4))
    elif kind == "shape":
        K = K[:2]
    return fields | {"K": K, "r": r}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", "NaN|nan"),
        ("zero focal", r"positive focal lengths.*fy = 0"),
        ("mirrored", r"det = -1\.000.*[Mm]irrored view"),
        ("not a rotation", "not orthonormal"),
        ("nan pose", "translation: .*NaN"),
        ("flag", "mirror flag m"),
        ("K both", "last row"),
        ("missing", "missing t"),
        ("lens", "got 4 and 2"),
        ("shape", r"K: expected shape \(3, 3\)"),
    ],
)
def test_impossible_cameras_are_refused_by_file_and_name(kind: str, message: str, tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path, truth)
    savemat(tmp_path / "hires_cam2_params.mat", bad_fields(kind, write.fields(truth[1])))
    with pytest.raises(CalibrationError, match=message) as caught:
        read_dannce(tmp_path)
    assert "Camera2" in str(caught.value)
    assert "hires_cam2_params.mat" in str(caught.value)


def test_mixed_writers_are_refused(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path, truth)
    savemat(tmp_path / "hires_cam2_params.mat", write.fields(truth[1], "opencv"))
    with pytest.raises(CalibrationError, match="transposed in Camera1, Camera3, Camera4 but not in Camera2"):
        read_dannce(tmp_path)


def test_damaged_mat_files(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path, truth)
    file = tmp_path / "hires_cam2_params.mat"
    whole = file.read_bytes()
    for length in (0, 60, 200, len(whole) - 40):
        file.write_bytes(whole[:length])
        with pytest.raises(CalibrationError, match="hires_cam2"):
            read_dannce(tmp_path)


def test_empty_folder_and_foreign_mat(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="expected DANNCE files"):
        read_dannce(tmp_path)
    savemat(tmp_path / "x_dannce.mat", {"a": 1})
    with pytest.raises(CalibrationError, match="expected a variable 'params'"):
        read_dannce(tmp_path / "x_dannce.mat")


def test_a_rounded_rotation_is_mended_and_said(tmp_path: Path, truth, write, distance) -> None:
    fields = write.fields(truth[0])
    savemat(tmp_path / "cam1_params.mat", fields | {"r": np.round(fields["r"], 5)})
    rig = read_dannce(tmp_path)
    assert any("nearest rotation" in line for line in rig.evidence)
    assert distance(rig["Camera1"].camera((640, 480)), truth[0]) < 1e-2


def test_one_calibration_twice_is_refused_unless_left_out(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path, [truth[0], truth[1], truth[1], truth[2]])
    with pytest.raises(CalibrationError, match="'Camera2' and 'Camera3' have one and the same calibration"):
        load_rig(tmp_path, "dannce")
    assert load_rig(tmp_path, "dannce", unused=["Camera3"]).names == ("Camera1", "Camera2", "Camera4")
    with pytest.raises(CalibrationError, match="'Camera9'"):
        load_rig(tmp_path, "dannce", unused=["Camera9"])


def test_registry_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"'danse' is unknown.*dannce, mammal, anipose"):
        load_rig(tmp_path, "danse")
    with pytest.raises(CalibrationError, match="no such rig"):
        load_rig(tmp_path / "absent", "dannce")
