"""Whole exports: from a dataset and from a recording, refused, killed and gone on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from marked_scenes import MARKS, decoded, measured, painted_rgb
from mouselift.calibration.facelift import read_cameras_json
from mouselift.calibration.registry import load_rig
from mouselift.capture.capture import load_capture
from mouselift.dataset.layout import LISTS, find_samples, split_samples
from mouselift.dataset.sample import read_sample
from mouselift.dataset.shards import LocalBytes, ShardStore
from mouselift.errors import CalibrationError, CaptureError, DatasetError, MouseliftError
from mouselift.export.capture_scene import undistorted
from mouselift.export.colmap import colmap_files
from mouselift.export.nerfstudio import nerfstudio_files
from mouselift.export.options import ExportOptions
from mouselift.export.registry import export
from mouselift.export.scene import ExportScene
from mouselift.export.scenes import plan_of
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Pinhole
from mouselift.media.images import ArrayImage


def test_a_dataset_in_facelifts_layout_reads_back_the_same(marked_dataset: Path, tmp_path: Path) -> None:
    summary = export(marked_dataset, tmp_path / "out", "facelift", workers=1)
    assert (summary.samples, summary.refused, summary.files) == (2, 0, 8)
    assert [folder.name for folder in split_samples(tmp_path / "out", "val")] == ["sample_000007"]
    for before, after in zip(find_samples(marked_dataset), find_samples(tmp_path / "out"), strict=True):
        old, new = (read_cameras_json(folder / "opencv_cameras.json")[0] for folder in (before, after))
        for a, b in zip(old, new, strict=True):
            assert np.array_equal(a.camera.T_cam_world, b.camera.T_cam_world)
            assert np.array_equal(a.camera.K, b.camera.K)
            assert b.file_path == f"images/cam_{b.view_id:03d}.png"
            images = [decoded((folder / v.file_path).read_bytes()) for folder, v in ((before, a), (after, b))]
            assert np.array_equal(images[0][..., 3], images[1][..., 3])
            shown = images[0][..., 3] > 0
            assert np.array_equal(images[0][shown], images[1][shown])


def test_one_broken_sample_is_a_refusal_and_a_run_goes_on(marked_dataset: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(marked_dataset, source)
    (source / "sample_000003" / "opencv_cameras.json").write_text("{")
    summary = export(source, out, "nerfstudio", workers=1)
    assert (summary.samples, summary.refused) == (1, 1)
    assert "sample_000003" in summary.notes[0]
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["sample_000007"]
    made = (out / "sample_000007" / "transforms.json").stat().st_mtime_ns
    export(source, out, "nerfstudio", workers=1)
    assert (out / "sample_000007" / "transforms.json").stat().st_mtime_ns == made
    with pytest.raises(DatasetError, match=r"another run.*format"):
        export(source, out, "colmap", workers=1)
    with pytest.raises(MouseliftError, match="where nothing is written"):
        export(source, source / "scenes", "colmap", workers=1)
    with pytest.raises(DatasetError, match="no sample is of frame 4"):
        export(source, tmp_path / "other", "colmap", ExportOptions(frames=(4,)), workers=1)


def test_undistorting_moves_marks_to_where_the_new_camera_sees_them() -> None:
    T = np.eye(4)
    T[2, 3] = 3.0
    camera = Camera(200, 160, 190.0, 196.0, 104.0, 77.0, T, BrownConrady(k1=-0.25, k2=0.06, p1=0.003), -5.0, "a")
    image = ArrayImage(painted_rgb(camera))
    view, lost = undistorted(camera, image, np.full((160, 200), 255, np.uint8), "empty")
    assert isinstance(view.camera.lens, Pinhole)
    assert view.camera.skew == 0
    assert lost > 0  # barrel: the corners lie outside
    assert np.abs(measured(view.colours) - view.camera.project(MARKS)).max() < 0.03
    assert np.abs(camera.project(MARKS) - view.camera.project(MARKS)).max() > 0.4  # without it, this would be wrong


def test_a_recording_becomes_scenes(small_capture: Path, tmp_path: Path) -> None:
    options = ExportOptions(instants=1, ground="ignored")
    summary = export(small_capture, tmp_path / "out", "nerfstudio", options, workers=1)
    assert summary.samples == 1
    (folder,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    content = json.loads((folder / "transforms.json").read_text())
    capture = load_capture(small_capture)
    for frame, camera in zip(content["frames"], capture.cameras, strict=True):
        image = decoded((folder / frame["file_path"]).read_bytes())
        assert image.shape == (frame["h"], frame["w"], 3)
        assert image.min(axis=2).mean() > 30  # what is around the animal is still there
        assert np.allclose(np.array(frame["transform_matrix"])[:3, 3], camera.camera.centre)
    assert summary.notes == ()
    with pytest.raises(CalibrationError, match=r"camera 'Camera1'.*COLMAP cannot hold skew"):
        export(small_capture, tmp_path / "kept", "colmap", ExportOptions(lens="keep"), workers=1)
    assert not (tmp_path / "kept").exists()
    with pytest.raises(DatasetError, match=r"square image.*mouselift prepare"):
        export(small_capture, tmp_path / "square", "facelift", workers=1)
    with pytest.raises(CaptureError, match="99 is not one of its"):
        export(small_capture, tmp_path / "frames", "colmap", ExportOptions(frames=(99,)), workers=1)


@pytest.mark.parametrize("lens", ["pinhole", "opencv", "k3", "fisheye"])
def test_our_own_readers_give_the_cameras_back(scenes: dict[str, ExportScene], lens: str, tmp_path: Path) -> None:
    written = {"nerfstudio": nerfstudio_files(scenes[lens]), "colmap": colmap_files(scenes[lens])}
    for name, files in written.items():
        for path, data in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(data)
    for path, name in (
        (tmp_path / "nerfstudio/transforms.json", "nerfstudio"),
        (tmp_path / "colmap/sparse/0", "colmap"),
    ):
        rig = load_rig(path, name)
        assert set(rig.names) == set(scenes[lens].files)
        for view, stem in zip(scenes[lens].views, scenes[lens].files, strict=True):
            read = rig[stem].camera((view.camera.width, view.camera.height))
            assert np.abs(read.T_cam_world - view.camera.T_cam_world).max() < 1e-9
            assert np.abs(read.K - view.camera.K).max() < 1e-9
            assert np.abs(read.project(MARKS) - view.camera.project(MARKS)).max() < 1e-9


def test_keypoints_go_with_the_sample_or_are_said_to_be_left_out(marked_dataset: Path, tmp_path: Path) -> None:
    """In the scene's world, which no export moves; one point was not found."""
    source = tmp_path / "in"
    shutil.copytree(marked_dataset, source)
    record = {"file": "mouse/pose.csv", "format": "anipose"}
    record |= {"points": {"nose": MARKS[0].tolist(), "tail": None, "hip": MARKS[1].tolist()}}
    cameras = source / "sample_000003/opencv_cameras.json"
    cameras.write_text(json.dumps(json.loads(cameras.read_text()) | {"mouselift": {"keypoints": record}}))
    assert export(source, tmp_path / "facelift", "facelift", workers=1).notes == ()
    own = [read_sample(folder).keypoints for folder in find_samples(tmp_path / "facelift")]
    assert own[1] is None
    assert own[0] is not None
    assert own[0].to_record() == record
    for name in ("nerfstudio", "colmap"):
        note = export(source, tmp_path / name, name, workers=1).notes[0]
        assert note.startswith("keypoints of 1 sample left out"), name
        assert export(marked_dataset, tmp_path / f"{name} without", name, workers=1).notes == ()
    for name in LISTS.values():
        (source / name).unlink()  # of the dataset that was copied
    export(source, tmp_path / "shards", "webdataset")
    folder = ShardStore(LocalBytes(tmp_path / "shards")).unpack(0, tmp_path)
    assert (folder / "opencv_cameras.json").read_bytes() == cameras.read_bytes()


def test_keypoints_of_a_recording(small_capture: Path, tmp_path: Path) -> None:
    """They stay in its rig's world, as its cameras do."""
    recording = tmp_path / "ball"
    shutil.copytree(small_capture, recording)
    (recording / "pose.csv").write_text("nose_x,nose_y,nose_z,fnum\n1,2,3,1\n")
    toml = recording / "capture.toml"
    toml.write_text(f'keypoints = "pose.csv"\n{toml.read_text()}')
    options = ExportOptions(lens="undistort")
    plan = plan_of(recording, options, lambda cameras: None, keypoints=True)
    scenes = {key: scene() for key, scene in plan.scenes(plan.blocks[0], options, hull=False)}
    assert scenes[0].keypoints is None
    assert scenes[1].keypoints is not None
    assert scenes[1].keypoints.points.tolist() == [[1.0, 2.0, 3.0]]
    (recording / "pose.csv").write_text("a,b\n1,2\n")
    note = export(recording, tmp_path / "out", "nerfstudio", options, workers=1).notes[0]
    assert "pose.csv left out: nerfstudio has no place" in note
    with pytest.raises(CaptureError, match="Without `keypoints` in"):
        plan_of(recording, options, lambda cameras: None, keypoints=True)
