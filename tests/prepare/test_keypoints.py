"""Keypoints of a recording in its samples: moved with the cameras, absent where there are none."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mouselift.audit.dataset import audit_dataset
from mouselift.capture.capture import load_capture
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.sample import read_sample
from mouselift.errors import CaptureError, DatasetError
from mouselift.prepare.collection import prepare_collection
from mouselift.prepare.options import PrepareOptions, Shard
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.prepare.shards import merge_shards, prepare_shard
from mouselift.prepare.totals import PrepareSummary
from mouselift.synthetic.mouse import KEYPOINTS
from mouselift.synthetic.truth import Truth

KEEP = PrepareOptions(on_cut="keep", frames=(2, 5))


def name_keypoints(recording: Path, frames: tuple[int, ...], name: str = "pose.csv") -> Path:
    """The truth of these frames in anipose's form, named in capture.toml; the tail's tip is not found."""
    truth, file = Truth.load(recording), recording / name
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*(f"{name}_{axis}" for name in KEYPOINTS for axis in "xyz"), "fnum"])
        for frame in frames:
            points = truth.keypoints(frame).copy()
            points[-1] = np.nan
            writer.writerow([*(repr(float(value)) for value in points.ravel()), frame])
    toml = recording / "capture.toml"
    toml.write_text(f'keypoints = "{name}"\n{toml.read_text()}')
    return file


def run(recording: Path, out: Path, options: PrepareOptions = KEEP) -> PrepareSummary:
    return prepare_dataset(load_capture(recording), out, options, workers=1)


def test_a_sample_holds_the_points_of_its_frame_in_its_own_world(copied: Path, tmp_path: Path) -> None:
    name_keypoints(copied, (1, 2, 3))
    made = run(copied, tmp_path / "out")
    assert (made.kept, made.keypoints) == (2, 1)
    sample = load_sample(tmp_path / "out/sample_000002")
    own = sample.keypoints
    assert own is not None
    assert (own.names, own.format, own.file) == (KEYPOINTS, "anipose", "mouse/pose.csv")
    assert np.isnan(own.points[-1]).all()
    truth = Truth.load(copied)
    plan = json.loads((tmp_path / "out/sample_000002/opencv_cameras.json").read_bytes())["mouselift"]["plan"]
    for view, planned in zip(sample.views, plan["views"], strict=True):
        w2c, target = np.array(planned["target"]["w2c"]), planned["target"]
        p = truth.keypoints(2)[:-1] @ w2c[:3, :3].T + w2c[:3, 3]
        pixels = p[:, :2] / p[:, 2:] * [target["fx"], target["fy"]] + [target["cx"], target["cy"]]
        assert np.allclose(view.camera.project(own.points[:-1]), pixels, atol=1e-6)
    assert load_sample(tmp_path / "out/sample_000005").keypoints is None  # a frame without keypoints


def test_an_offset_moves_the_files_frames(copied: Path, tmp_path: Path) -> None:
    name_keypoints(copied, (2, 3))
    run(copied, tmp_path / "straight")
    toml = copied / "capture.toml"
    toml.write_text(f"keypoints_offset = 1\n{toml.read_text()}")
    with pytest.raises(DatasetError, match="keypoints_offset"):
        run(copied, tmp_path / "straight")
    run(copied, tmp_path / "moved")
    first, moved = (load_sample(tmp_path / name / "sample_000002") for name in ("straight", "moved"))
    assert first.keypoints is not None
    assert moved.keypoints is not None
    worlds = [_world(tmp_path / name / "sample_000002") for name in ("straight", "moved")]
    assert worlds[0] == worlds[1]
    truth = Truth.load(copied)
    apart = np.linalg.norm(truth.keypoints(3)[:-1] - truth.keypoints(2)[:-1], axis=1)
    scale = np.linalg.norm(first.keypoints.points[0] - first.keypoints.points[5]) / np.linalg.norm(
        truth.keypoints(2)[0] - truth.keypoints(2)[5]
    )
    found = np.linalg.norm(moved.keypoints.points[:-1] - first.keypoints.points[:-1], axis=1)
    assert np.allclose(found, scale * apart, rtol=1e-6)


def _world(sample: Path) -> object:
    return json.loads((sample / "opencv_cameras.json").read_bytes())["mouselift"]["plan"]["world"]


def test_without_keypoints_nothing_is_written(copied: Path, tmp_path: Path) -> None:
    assert run(copied, tmp_path / "without").keypoints is None
    name_keypoints(copied, (9,))
    assert run(copied, tmp_path / "others").keypoints == 0  # of none of the selected frames
    for name in ("without", "others"):
        content = json.loads((tmp_path / name / "sample_000002/opencv_cameras.json").read_bytes())
        assert set(content["mouselift"]) == {"provenance", "record", "plan"}


def test_other_keypoints_are_another_preparation(copied: Path, tmp_path: Path) -> None:
    file = name_keypoints(copied, (2, 5))
    run(copied, tmp_path / "out")
    file.write_text(file.read_text().replace("1", "2", 1))
    with pytest.raises(DatasetError, match=r"mouse/pose\.csv"):
        run(copied, tmp_path / "out")


def test_a_file_that_holds_none_is_refused_with_the_way_out(copied: Path, tmp_path: Path) -> None:
    name_keypoints(copied, (2,)).write_text("a,b\n1,2\n")
    with pytest.raises(CaptureError, match=r"expected anipose's columns.*Without `keypoints` in"):
        run(copied, tmp_path / "out")


def test_a_dataset_prepared_again_keeps_them(copied: Path, tmp_path: Path) -> None:
    name_keypoints(copied, (2,))
    run(copied, tmp_path / "first")
    (tmp_path / "again").mkdir()
    (tmp_path / "again/capture.toml").write_text(
        'format = 1\nunit = "normalised"\nup = [0, 0, 1]\ndataset = "../first"\n'
    )
    run(tmp_path / "again", tmp_path / "second", replace(KEEP, preset="canonical", frames=()))
    sample = read_sample(tmp_path / "second/sample_000002")
    before = read_sample(tmp_path / "first/sample_000002")
    assert sample.keypoints is not None
    assert before.keypoints is not None
    alphas = {view.name: view.alpha for view in load_sample(tmp_path / "second/sample_000002").views}
    for view in sample.views:
        x, y = np.floor(view.camera.project(sample.keypoints.points[:5])).astype(int).T
        assert (alphas[view.name][y, x] > 0).mean() >= 0.8, view.name  # noses and ears lie on the skin
    sides = [np.linalg.norm(one.points[0] - one.points[5]) for one in (before.keypoints, sample.keypoints)]
    assert sides[0] > 0
    assert not np.isclose(sides[0], sides[1])  # the world has another scale


def test_samples_of_several_recordings_keep_their_own(copied: Path, tmp_path: Path) -> None:
    """Names, and the file that they come from, are each sample's, also where a list gathers them."""
    name_keypoints(copied, (2, 5))
    run(copied, tmp_path / "first")
    file = tmp_path / "first/sample_000005/opencv_cameras.json"
    content = json.loads(file.read_bytes())
    other = {"file": "other/pose.h5", "format": "SLEAP", "points": {"ear": [0.0, 0.0, 0.1], "paw": None}}
    content["mouselift"]["keypoints"] = other
    file.write_text(json.dumps(content))
    (tmp_path / "again").mkdir()
    (tmp_path / "again/capture.toml").write_text(
        'format = 1\nunit = "normalised"\nup = [0, 0, 1]\ndataset = "../first"\n'
    )
    run(tmp_path / "again", tmp_path / "second", replace(KEEP, frames=()))
    first, second = (read_sample(tmp_path / f"second/sample_00000{frame}").keypoints for frame in (2, 5))
    assert first is not None
    assert second is not None
    assert (first.names, first.file) == (KEYPOINTS, "mouse/pose.csv")
    assert (second.names, second.file, second.format) == (("ear", "paw"), "other/pose.h5", "SLEAP")


def test_shards_and_a_merge_write_the_same_keypoints(copied: Path, tmp_path: Path) -> None:
    """Also the shard of which no frame has any."""
    name_keypoints(copied, (1, 2, 9))
    capture, options = load_capture(copied), replace(KEEP, frames=(), size=64, interpolation="linear")
    prepare_dataset(capture, tmp_path / "alone", options, workers=1)
    for index in range(3):
        prepare_shard(capture, tmp_path / "out", options, Shard(index, 3), workers=1)
    merge_shards(capture, tmp_path / "out", options)
    files = [path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").glob("*/opencv_cameras.json")]
    assert len(files) == 12
    assert all((tmp_path / "out" / file).read_bytes() == (tmp_path / "alone" / file).read_bytes() for file in files)
    held = [file.parent.name for file in sorted(files) if read_sample((tmp_path / "out" / file).parent).keypoints]
    assert held == ["sample_000001", "sample_000002", "sample_000009"]


def test_recordings_of_a_collection_keep_theirs(copied: Path, tmp_path: Path) -> None:
    """One of two names some; the audit tells them apart."""
    shutil.copytree(copied, tmp_path / "plain")
    name_keypoints(copied, (2, 5))
    small = replace(KEEP, size=128, interpolation="linear")
    prepare_collection([copied, tmp_path / "plain"], tmp_path / "out", small, workers=1)
    samples = {name: read_sample(tmp_path / "out" / name / "sample_000002") for name in ("mouse", "plain")}
    assert samples["mouse"].keypoints is not None
    assert samples["plain"].keypoints is None
    (facts,) = audit_dataset(tmp_path / "out", workers=1).keypoints
    assert facts.file == "mouse/pose.csv"
    assert facts.share is not None
    assert facts.share > 0.9


def test_a_broken_record_is_a_finding(copied: Path, tmp_path: Path) -> None:
    name_keypoints(copied, (2,))
    run(copied, tmp_path / "out")
    file = tmp_path / "out/sample_000002/opencv_cameras.json"
    content = json.loads(file.read_bytes())
    content["mouselift"]["keypoints"]["points"]["nose"] = [0, 1]
    file.write_text(json.dumps(content))
    sample = load_sample(file.parent)
    assert sample.keypoints is None
    assert "bad-record" in {finding.code for finding in sample.findings}
    assert len(sample.views) == 6
    with pytest.raises(DatasetError, match=r"mouselift\.keypoints"):
        read_sample(file.parent)
