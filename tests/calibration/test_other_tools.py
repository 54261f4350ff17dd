"""OpenCV's files, multical, Caliscope, EasyMocap, DeepFly3D, Qualisys, AcinoSet: what is refused, and what decides."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mouselift.calibration.registry import load_rig, rig_at
from mouselift.calibration.rig import Rig
from mouselift.errors import CalibrationError, CaptureError
from rig_standins import STANDINS, View, deepfly3d, easymocap, opencv_files, random_rig, stereo

POINTS = np.random.default_rng(3).uniform(-25, 25, (20, 3))


def agrees(rig: Rig, view: View, points: np.ndarray, own: np.ndarray | None = None) -> bool:
    """Whether the reader sees `points` where OpenCV sees them (or `own`, the same in the file's world)."""
    seen = rig[view.name].camera(view.size).project(points)
    return bool(np.abs(seen - view.project(points if own is None else own)).max() < 1e-9)


def refused(path: Path, words: str, variant: str | None = None, kind: str | None = None) -> None:
    with pytest.raises(CalibrationError, match=words):
        load_rig(path, kind, variant)


def edit(name: str, folder: Path, change: Callable[[str], str]) -> Path:
    """A stand-in whose one text file is changed."""
    path = STANDINS[name].write(folder, STANDINS[name].rig())
    path.write_text(change(path.read_text()))
    return path


def edit_json(name: str, folder: Path, change: Callable[[Any], Any]) -> Path:
    def changed(text: str) -> str:
        content = json.loads(text)
        change(content)
        return json.dumps(content)

    return edit(name, folder, changed)


def test_a_stereo_pair_stands_in_its_first_camera(tmp_path: Path) -> None:
    views = random_rig(("left", "right"))
    rig = load_rig(stereo(tmp_path, views))
    here = (views[0].R @ POINTS.T).T + views[0].t
    assert all(agrees(rig, view, here, POINTS) for view in views)
    (tmp_path / "extrinsics.yml").unlink()
    refused(tmp_path / "intrinsics.yml", "without R and T")


@pytest.mark.parametrize("word", ["equidistant", "Fisheye", "kannala_brandt"])
def test_a_lens_is_what_the_file_calls_it(tmp_path: Path, word: str) -> None:
    """As ROS and Kalibr write it; before, four coefficients of a fisheye lens were read as k1 k2 p1 p2."""
    views = random_rig(("left", "right"), "fisheye")
    opencv_files(".yml", "rvec", "tvec")(tmp_path, views)
    for file in tmp_path.glob("*.yml"):
        file.write_text(f'{file.read_text().rstrip()}\ndistortion_model: "{word}"\n')
    assert all(agrees(load_rig(tmp_path), view, POINTS) for view in views)
    for file in tmp_path.glob("*.yml"):
        file.write_text(file.read_text().replace(word, "double_sphere"))
    refused(tmp_path, "distortion_model: 'double_sphere' is not a lens that is read")


def test_a_rotation_in_degrees_is_refused(tmp_path: Path) -> None:
    """As a Rodrigues vector it would be another rotation."""
    views = random_rig(("left", "right"))
    opencv_files(".yml", "rvec", "tvec")(tmp_path, views)
    assert len(load_rig(tmp_path).cameras) == 2
    for file in tmp_path.glob("*.yml"):
        storage = cv2.FileStorage(str(file), cv2.FILE_STORAGE_READ)
        rvec = storage.getNode("rvec").mat()
        values = {name: storage.getNode(name).mat() for name in ("camera_matrix", "distortion_coefficients", "tvec")}
        out = cv2.FileStorage(str(file), cv2.FILE_STORAGE_WRITE)
        for name, value in {**values, "rvec": np.degrees(rvec)}.items():
            out.write(name, value)
        out.release()
    refused(tmp_path, "camera 'left'.*more than a full turn: degrees")


def test_a_direction_that_no_name_says_is_asked_for(tmp_path: Path) -> None:
    opencv_files(".yml", "R", "T")(tmp_path, random_rig(("left", "right")))
    refused(tmp_path, r"camera 'left'.*R and T can mean.*variant = \"world-to-camera\" or \"camera-to-world\"")
    refused(tmp_path, "unknown; expected one of world-to-camera", "w2c")
    assert load_rig(tmp_path, variant="camera-to-world").evidence


def test_files_of_opencv_that_say_too_little_or_too_much(tmp_path: Path) -> None:
    opencv_files(".yml", "rvec", "tvec")(tmp_path, random_rig(("left",)))
    file = tmp_path / "left.yml"
    text = file.read_text()
    for old, new, words in (
        ("tvec:", "other:", "expected one pose"),
        ("camera_matrix:", "K: 1\ncamera_matrix:", ""),
        ("distortion_coefficients:", "d:", "expected lens coefficients called one of"),
        ("cols: 1", "cols: 2", "rows and 2 cols with"),
        ("image_width: 640", "image_width: 0", "image_width"),
    ):
        file.write_text(text.replace(old, new, 1))
        if words:
            refused(file, words, kind="opencv")
        else:
            assert load_rig(file).names == ("left",)
    file.write_text(text.replace("image_width: 640", "fisheye_model: 1\nimage_width: 640"))
    refused(file, r"fisheye lens: expected 4 coefficients.*got 5")
    bomb = tmp_path / "left.xml"
    bomb.write_text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><opencv_storage>&b;</opencv_storage>')
    refused(bomb, "with a DTD", kind="opencv")


def test_files_of_opencv_that_are_left_out_are_said(tmp_path: Path) -> None:
    """A damaged file in the folder was a camera fewer, without a word."""
    opencv_files(".yml", "rvec", "tvec")(tmp_path, random_rig(("left", "right", "top")))
    text = (tmp_path / "top.yml").read_text()
    (tmp_path / "top.yml").write_text(text.replace("rvec", "other"))
    (tmp_path / "right.yml").write_text(text.replace("rows: 3", "rows: true"))
    rig = load_rig(tmp_path)
    assert rig.names == ("left",)
    (line,) = rig.evidence
    for words in ("left out: ", "right.yml: not a readable file of OpenCV", "top.yml: intrinsics without a pose"):
        assert words in line
    (tmp_path / "left.yml").unlink()
    refused(tmp_path, r"and a pose, found none, left out: .*right\.yml: not a readable", kind="opencv")


def test_ccalibs_omnidirectional_cameras_are_refused(tmp_path: Path) -> None:
    path = edit("OpenCV ccalib", tmp_path, lambda text: text.replace("<nCameras>", "<xi_1>1.5</xi_1><nCameras>"))
    refused(path, "xi_1: the omnidirectional model is not supported", "world-to-camera")


@pytest.mark.parametrize("exact", [True, False])
def test_multicals_relative_poses(tmp_path: Path, exact: bool) -> None:
    """exact: else the origin is the master's pose times its own inverse, which rounding leaves beside it."""

    def relative(content: Any) -> None:
        poses = content["camera_poses"]
        R0, t0 = np.array(poses["left"]["R"]), np.array(poses["left"]["T"])
        for name in ("right", "top"):
            R = np.array(poses[name]["R"]) @ R0.T
            t = np.array(poses[name]["T"]) - R @ t0
            poses[f"{name}_to_left"] = {"R": R.tolist(), "T": t.tolist()}
            del poses[name]
        back = np.linalg.inv(np.vstack([np.column_stack([R0, t0]), [0, 0, 0, 1]]))
        origin = np.eye(4) if exact else np.vstack([np.column_stack([R0, t0]), [0, 0, 0, 1]]) @ back
        assert exact == np.array_equal(origin, np.eye(4))
        poses["left"] = {"R": origin[:3, :3].tolist(), "T": origin[:3, 3].tolist()}

    views = STANDINS["multical"].rig()
    path = edit_json("multical", tmp_path, relative)
    here = (views[0].R @ POINTS.T).T + views[0].t
    rig = load_rig(path)
    assert all(agrees(rig, view, here, POINTS) for view in views)
    content = json.loads(path.read_text())
    content["camera_poses"]["left"]["T"] = [1, 0, 0]
    path.write_text(json.dumps(content))
    refused(path, "relative to 'left', which is not the world's origin")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["cameras"]["top"].update(model="fisheye"), "camera 'top'.*'fisheye' is not supported"),
        (lambda c: c["camera_poses"].update(back={"R": 1, "T": 2}), r"'back'\] is of no camera"),
        (lambda c: c["cameras"]["top"].pop("K"), "camera 'top'.*expected K, dist, image_size"),
        (lambda c: c["cameras"]["top"].update(image_size=[640]), "expected width and height"),
    ],
)
def test_what_multical_cannot_mean(change: Callable[[Any], Any], words: str, tmp_path: Path) -> None:
    refused(edit_json("multical", tmp_path, change), words)


def test_cameras_without_a_pose_are_left_out_and_said(tmp_path: Path) -> None:
    rig = load_rig(edit_json("multical", tmp_path, lambda c: c["camera_poses"].pop("top")))
    assert rig.names == ("left", "right")
    assert rig.evidence == ("top has no pose in calibration.json: left out",)
    text = edit("Caliscope", tmp_path, lambda text: text.replace("rotation = ", "was = ", 1)).read_text()
    assert load_rig(tmp_path / "camera_array.toml").names == ("cam_1", "cam_2")
    (tmp_path / "camera_array.toml").write_text(text.replace("rotation_count = 0", "ignore = true"))
    refused(tmp_path / "camera_array.toml", "found none")


def test_caliscopes_earlier_files_are_not_aniposes(tmp_path: Path) -> None:
    text = edit("Caliscope", tmp_path, lambda text: text).read_text()
    (tmp_path / "camera_array.toml").unlink()
    for port in range(3):
        text = text.replace(f"[cameras.{port}]\ncam_id = 1", f"[cam_{port}]\nport = {port}")
    (tmp_path / "config.toml").write_text(text)
    rig = load_rig(tmp_path)
    assert (rig.format, rig.names) == ("caliscope", ("port_0", "port_1", "port_2"))


def test_easymocaps_two_rotations_must_agree(tmp_path: Path) -> None:
    easymocap(tmp_path, random_rig(("a", "b")))
    file = tmp_path / "extri.yml"
    text = file.read_text()
    file.write_text(text.replace("Rot_a:", "Rot_x:").replace("Rot_b:", "Rot_a:").replace("Rot_x:", "Rot_b:"))
    refused(tmp_path, "R_a and Rot_a are two rotations")
    file.write_text(text.replace("T_b:", "t_b:"))
    refused(tmp_path, "camera 'b'.*expected a matrix T_b")
    file.unlink()
    refused(tmp_path, r"extri\.yml is not there", kind="easymocap")


def test_deepfly3ds_order_of_axes_is_asked_for(tmp_path: Path) -> None:
    """In (row, column) order the pixel (u, v) of the file is the image's (v, u), and its world a mirror image."""
    views = random_rig(("camera_2", "camera_0"))
    path = deepfly3d(tmp_path, views, camera_ordering=np.array([2, 0, 1]))
    refused(path, r"\(x, y\) or \(row, column\).*principal point is \(3.*row-column")
    refused(path, "variant 'yx' is unknown", "yx")
    rig = load_rig(path, variant="row-column")
    mirrored = POINTS * [1, 1, -1]
    for view in views:
        seen = rig[view.name].camera(view.size).project(mirrored)
        assert np.abs(seen[:, ::-1] - view.project(POINTS)).max() < 1e-9
    assert any("mirrored" in line for line in rig.evidence)
    path.write_bytes(pickle.dumps({0: {"R": 1}}))
    refused(path, "expected a dict of cameras", kind="deepfly3d")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('viewrotation="0"', 'viewrotation="90"', "camera '21001'.*viewrotation = 90"),
        (
            'viewrotation="0"',
            'viewrotation="0" video_resolution="720p"',
            "video_resolution = 720p of a sensor of 640 x 480",
        ),
        ('serial="21001"', "", "expected a serial number"),
        (' r11="', ' q11="', "r11 is missing"),
        ('focalLengthU="', 'focalLengthU="x', "focalLengthU, focalLengthV"),
    ],
)
def test_what_qualisys_does_not_say(old: str, new: str, words: str, tmp_path: Path) -> None:
    path = edit("Qualisys without lens", tmp_path, lambda text: text.replace(old, new, 1))
    refused(path, words)


def test_qualisys_lenses_crops_and_marker_cameras(tmp_path: Path) -> None:
    views = STANDINS["Qualisys"].rig()
    path = STANDINS["Qualisys"].write(tmp_path, views)
    refused(path, 'lens coefficients.*converters differ.*variant = "lens-plain"')
    lens = load_rig(path, variant="lens-64ths")["21001"].lens
    assert getattr(lens, "k1", 0) == pytest.approx(views[0].dist[0] / 64)
    text = path.read_text().replace('<fov_video left="0"', '<fov_video left="32"', 1)
    path.write_text(text)
    camera = load_rig(path, variant="lens-plain")["21001"]
    assert (camera.size, camera.crop_offset, camera.crop_size) == ((640, 480), (32, 0), (608, 480))
    path.write_text(text.replace("<fov_video ", "<fov ", 1))
    rig = load_rig(path, variant="lens-plain")
    assert rig.names == ("21002", "21003")
    assert "camera 21001 takes no video (no fov_video): left out" in rig.evidence


def test_acinosets_lens_is_a_fisheye(tmp_path: Path) -> None:
    refused(edit_json("AcinoSet", tmp_path, lambda c: c["cameras"][1]["d"].append([0.1])), "camera 'cam2'.*got 5")


def test_a_file_of_no_format_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "notes.xml").write_text("<a/>")
    with pytest.raises(CaptureError, match="expected a calibration of opencv, qualisys; its content is none of them"):
        rig_at(tmp_path / "notes.xml")
