"""FaceLift's opencv_cameras.json, read and written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mouselift.calibration.facelift import ViewEntry, read_cameras_json, read_facelift, sample_json
from mouselift.errors import CalibrationError
from mouselift.geometry.lens import BrownConrady


@pytest.fixture
def views(straight) -> list[ViewEntry]:
    return [ViewEntry(camera, f"images/cam_{i:03d}.png", i) for i, camera in enumerate(straight)]


def test_round_trip_is_exact_and_bytes_are_stable(tmp_path: Path, views) -> None:
    data = sample_json("sample_000012", views, {"preset": "per-sample"})
    assert data == sample_json("sample_000012", views, {"preset": "per-sample"})
    file = tmp_path / "opencv_cameras.json"
    file.write_bytes(data)
    read, content = read_cameras_json(file)
    assert content["id"] == "sample_000012"
    assert content["mouselift"] == {"preset": "per-sample"}
    for one, other in zip(views, read, strict=True):
        assert (one.file_path, one.view_id, one.camera.name) == (other.file_path, other.view_id, other.camera.name)
        np.testing.assert_array_equal(one.camera.K, other.camera.K)
        np.testing.assert_array_equal(one.camera.T_cam_world, other.camera.T_cam_world)
    assert sample_json("sample_000012", read, {"preset": "per-sample"}) == data


def test_keys_are_what_facelifts_loaders_read(views) -> None:
    content = json.loads(sample_json("a", views, {}))
    assert list(content) == ["id", "frames", "mouselift"]
    assert list(content["frames"][0]) == ["w", "h", "fx", "fy", "cx", "cy", "w2c", "file_path", "view_id", "camera"]
    assert np.linalg.det(np.array(content["frames"][0]["w2c"])[:3, :3]) == pytest.approx(1.0)


def test_lens_and_skew_cannot_be_written(views) -> None:
    for camera in (replace(views[0].camera, skew=1.0), replace(views[0].camera, lens=BrownConrady(0.1))):
        with pytest.raises(CalibrationError, match="pinhole cameras only"):
            sample_json("a", [replace(views[0], camera=camera)], {})


def test_frames_as_other_tools_write_them(tmp_path: Path, views) -> None:
    content = json.loads(sample_json("a", views, {}))
    for frame in content["frames"]:
        del frame["camera"], frame["view_id"]
    del content["mouselift"]
    file = tmp_path / "opencv_cameras.json"
    file.write_text(json.dumps(content))
    assert read_facelift(file).names == ("cam_000", "cam_001", "cam_002", "cam_003")
    assert read_facelift(file)["cam_002"].size == (640, 480)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("fx", float("nan"), "fx: expected a finite number"),
        ("fx", 0.0, "positive focal lengths"),
        ("cy", "a", "cy: expected a finite number"),
        ("w", 512.5, "w: expected a whole number"),
        ("h", 0, "h: expected a whole number"),
        ("w2c", [[1, 0], [0, 1]], "w2c: expected 4 rows of 4"),
        ("w2c", np.diag([1.0, 1.0, -1.0, 1.0]).tolist(), r"det = -1\.000.*mirrored"),
        ("w2c", [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 2, 3, 1]], "transposed"),
        ("file_path", "", "file_path: expected a relative path"),
        ("w2c", None, "missing w2c"),
    ],
)
def test_schema_errors_name_file_frame_and_key(key: str, value: Any, message: str, tmp_path: Path, views) -> None:
    content = json.loads(sample_json("a", views, {}))
    if value is None:
        del content["frames"][2][key]
    else:
        content["frames"][2][key] = value
    file = tmp_path / "opencv_cameras.json"
    file.write_text(json.dumps(content))
    with pytest.raises(CalibrationError, match=f"(?i){message}") as caught:
        read_cameras_json(file)
    assert "opencv_cameras.json" in str(caught.value)
    assert "frames[2]" in str(caught.value) or "camera '2'" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1]", '{"frames": []}', '{"frames": [3]}', '{"id": "a"'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "opencv_cameras.json"
    file.write_text(text)
    with pytest.raises(CalibrationError, match=r"opencv_cameras\.json"):
        read_facelift(file)
