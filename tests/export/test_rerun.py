"""Rerun's recordings, read back by Rerun's own reader."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marked_scenes import LENSES, MARKS, decoded, measured, scene_with
from mouselift.errors import CalibrationError, DatasetError, MissingExtraError
from mouselift.export import rerun as writer
from mouselift.export.options import ExportOptions
from mouselift.export.registry import export
from mouselift.gaussians.files import write_ply
from mouselift.gaussians.splats import SH_DC, Splats
from mouselift.keypoints.keypoints import SampleKeypoints

pytest.importorskip("rerun", reason="rerun-sdk (700 MB) is in no test group: pip install '.[rerun]'")
RrdReader: Any = importlib.import_module("rerun.chunk").RrdReader

Rows = dict[str, dict[str, dict[int, Any]]]  # path, column, sample


def read(path: Path, line: str = "sample") -> Rows:
    """Every component by entity, name and time."""
    out: Rows = defaultdict(lambda: defaultdict(dict))
    for chunk in RrdReader(path).stream():
        batch = chunk.to_record_batch()
        if line not in batch.schema.names:
            continue
        times = batch.column(line).to_pylist()
        for name in batch.schema.names:
            if ":" in name:
                for time, value in zip(times, batch.column(name).to_pylist(), strict=True):
                    if value is not None:
                        out[chunk.entity_path][name][time] = value
    return out


def projected(camera: dict[str, dict[int, Any]], at: int, points: np.ndarray) -> np.ndarray:
    """By the numbers of the file alone: matrices are stored column by column."""
    R = np.reshape(camera["Transform3D:mat3x3"][at][0], (3, 3)).T  # camera to world
    seen = (points - camera["Transform3D:translation"][at][0]) @ R
    K = np.reshape(camera["Pinhole:image_from_camera"][at][0], (3, 3)).T
    pixels = seen @ K.T
    return pixels[:, :2] / pixels[:, 2:]


def splats(count: int) -> Splats:
    rng = np.random.default_rng(0)
    colours, sizes = rng.uniform(0.1, 0.9, (count, 1, 3)), rng.uniform(0.01, 0.1, (count, 3))
    opacities, turns = 3 * rng.normal(size=count), rng.normal(size=(count, 4))
    numbers = (rng.normal(size=(count, 3)), (colours - 0.5) / SH_DC, opacities, np.log(sizes), turns)
    return Splats(*(part.astype(np.float32) for part in numbers))


def test_a_dataset_reads_back_where_its_marks_are(marked_dataset: Path, tmp_path: Path) -> None:
    cloud = splats(20)
    for number in (3, 7):
        write_ply(tmp_path / f"cloud/sample_{number:06d}.ply", cloud)
    options = ExportOptions(gaussians=tmp_path / "cloud")
    summary = export(marked_dataset, tmp_path / "out", "rerun", options, workers=1)
    assert (summary.samples, summary.refused, summary.files) == (2, 0, 1)
    file = tmp_path / "out" / "scenes.rrd"
    rows = read(file, "frame")
    for camera, number in ((f"/world/cameras/cam{k}", n) for k in range(3) for n in (3, 7)):
        numbers = rows[camera]
        assert numbers["Pinhole:camera_xyz"][number] == [[3, 2, 5]]  # right, down, forward
        assert numbers["Pinhole:resolution"][number] == [[160.0, 160.0]]
        image = decoded(bytes(rows[f"{camera}/image"]["EncodedImage:blob"][number][0]))
        found = projected(numbers, number, MARKS)
        assert np.abs(found - measured(image)).max() < 0.03  # half a pixel, or R transposed, is far more
        mask = np.array(rows[f"{camera}/mask"]["SegmentationImage:buffer"][number][0])
        assert set(mask.tolist()) == {0, 1}
        assert mask.size == 160 * 160
    for number in (3, 7):
        hull = np.array(rows["/world/hull"]["Points3D:positions"][number])
        assert len(hull) == len(rows["/world/hull"]["Points3D:colors"][number]) > 100
        points = np.array(rows["/world/gaussians"]["Points3D:positions"][number])
        assert np.array_equal(points, cloud.positions)
        red = np.array(rows["/world/gaussians"]["Points3D:colors"][number]) >> 24
        assert np.abs(red / 255 - (SH_DC * cloud.harmonics[:, 0, 0] + 0.5)).max() < 0.003
    made = file.stat().st_mtime_ns
    assert export(marked_dataset, tmp_path / "out", "rerun", options, workers=1) == summary
    assert file.stat().st_mtime_ns == made


def test_an_activated_file_is_read_as_it_is_told_to_be(marked_dataset: Path, tmp_path: Path) -> None:
    cloud = splats(20)
    opacities, lengths = 1 / (1 + np.exp(-cloud.opacities)), np.exp(cloud.scales)
    write_ply(tmp_path / "one.ply", replace(cloud, opacities=opacities, scales=lengths))
    sample, told = marked_dataset / "sample_000007", ExportOptions(gaussians=tmp_path / "one.ply")
    with pytest.raises(DatasetError, match=r"no scene.*--activated both"):
        export(sample, tmp_path / "a", "rerun", told, workers=1)
    export(sample, tmp_path / "b", "rerun", replace(told, activated="both"), workers=1)
    sizes = read(tmp_path / "b" / "scenes.rrd", "frame")["/world/gaussians"]["Points3D:radii"][7]
    assert np.abs(np.array(sizes) - np.exp(cloud.scales.mean(axis=1))).max() < 1e-6
    write_ply(tmp_path / "one.ply", replace(cloud, scales=cloud.scales / np.float32(np.log(10))))
    export(sample, tmp_path / "d", "rerun", replace(told, read_as=("log10",)), workers=1)
    sizes = read(tmp_path / "d" / "scenes.rrd", "frame")["/world/gaussians"]["Points3D:radii"][7]
    assert np.abs(np.array(sizes) - np.exp(cloud.scales.mean(axis=1))).max() < 1e-6
    with pytest.raises(DatasetError, match="one file, but 2 samples"):
        export(marked_dataset, tmp_path / "c", "rerun", told, workers=1)


def test_cameras_are_right_to_float32_and_what_an_instant_lacks_is_cleared(tmp_path: Path) -> None:
    own = SampleKeypoints(("nose", "tail"), np.array([MARKS[0], [np.nan] * 3]), "pose.csv", "anipose")
    scene = replace(scene_with(LENSES["pinhole"]), keypoints=own)
    fewer = replace(scene, views=scene.views[:2], hull=None, keypoints=None)
    with writer.recorded(tmp_path / "a.rrd", "a") as recording:
        film = writer.Film(recording, [10, 11], {10: 10, 11: 11}, 50.0)
        film.add(10, scene)
        film.add(11, fewer)
        film.clear_what_ended()
    rows = read(tmp_path / "a.rrd", "frame")
    for view, stem in zip(scene.views, scene.files, strict=True):
        wanted = view.camera.project(MARKS)
        assert np.abs(projected(rows[f"/world/cameras/{stem}"], 10, MARKS) - wanted).max() < 1e-4
    assert len(rows["/world/hull"]["Points3D:positions"][10]) == 3
    cleared = {path for path, columns in rows.items() if 11 in columns.get("Clear:is_recursive", {})}
    assert np.allclose(rows["/world/keypoints"]["Points3D:positions"][10], MARKS[:1], atol=1e-6)
    assert rows["/world/keypoints"]["Points3D:labels"][10] == ["nose"]
    assert cleared == {"/world/hull", "/world/keypoints", f"/world/cameras/{scene.files[2]}"}
    seconds = read(tmp_path / "a.rrd", "seconds")["/world/hull"]["Points3D:positions"]
    assert [float(np.timedelta64(time, "ns") / np.timedelta64(1, "s")) for time in seconds] == [0.2]


def test_what_it_cannot_hold_is_refused(
    marked_dataset: Path, small_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CalibrationError, match=r"'cam/0': Rerun cannot hold k1"):
        writer.check_cameras([view.camera for view in scene_with(LENSES["opencv"]).views])
    with pytest.raises(CalibrationError, match="fisheye"):
        writer.check_cameras([view.camera for view in scene_with(LENSES["fisheye"]).views])
    with pytest.raises(CalibrationError, match="Rerun cannot hold skew"):
        export(small_capture, tmp_path / "a", "rerun", ExportOptions(lens="keep"), workers=1)
    with pytest.raises(DatasetError, match="world of the dataset's samples"):
        export(small_capture, tmp_path / "a", "rerun", ExportOptions(gaussians=tmp_path), workers=1)
    source = tmp_path / "in"
    shutil.copytree(marked_dataset, source)
    (source / "sample_000003" / "opencv_cameras.json").write_text("{")
    summary = export(source, tmp_path / "b", "rerun", workers=1)
    assert (summary.samples, summary.refused) == (1, 1)
    with pytest.raises(DatasetError, match=r"no scene.*--gaussians: sample sample_000007: expected one of"):
        export(source / "sample_000007", tmp_path / "c", "rerun", ExportOptions(gaussians=tmp_path), workers=1)
    assert not (tmp_path / "c" / "scenes.rrd").exists()
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mouselift\[rerun\]'"):
        export(source, tmp_path / "d", "rerun", workers=1)
