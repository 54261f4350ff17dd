"""A repaired dataset on disk: pixels byte for byte, originals kept, nothing overwritten, runs that go on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import faults
from folder_files import files_of
from mouselift.calibration.facelift import ViewEntry, read_cameras_json, sample_json
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.sample import Sample
from mouselift.errors import DatasetError
from mouselift.media.png import encode_png
from mouselift.repair.dataset import repair_dataset
from mouselift.repair.options import RepairOptions


def write(folder: Path, sample: Sample, name: str) -> None:
    (folder / name / "images").mkdir(parents=True)
    listed = []
    for k, view in enumerate(sample.views):
        path = f"images/cam_{k:03d}.png"
        rgba = np.repeat(view.alpha[:, :, None], 4, axis=2)
        (folder / name / path).write_bytes(encode_png(rgba))
        listed.append(ViewEntry(view.camera, path, k))
    (folder / name / "opencv_cameras.json").write_bytes(sample_json(name, listed, {"note": "kept"}))


@pytest.fixture
def dataset(tmp_path: Path, exact_postures: tuple[Sample, ...]) -> Path:
    """A good sample, one with exchanged views, one with a mirrored image; all listed for training."""
    root = tmp_path / "old"
    write(root, exact_postures[0], "000000")
    write(root, faults.swapped_views(exact_postures[1], np.random.default_rng(0), views=(1, 4)).sample, "000001")
    write(root, faults.mirrored_view(exact_postures[0], np.random.default_rng(0), view=2).sample, "000002")
    (root / "data_train.txt").write_text("".join(f"{root / n}\n" for n in ("000000", "000001", "000002")))
    return root


def pixels(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.glob("*/images/*.png"))}


def test_cameras_change_and_pixels_do_not(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    before = files_of(dataset)
    summary = repair_dataset(dataset, out, workers=1)
    assert (summary.good, summary.repaired, summary.refused) == (1, 1, 1)
    assert files_of(dataset) == before
    assert pixels(out) == pixels(dataset)
    same = "000000/opencv_cameras.json"
    assert (out / same).read_bytes() == (dataset / same).read_bytes()
    old, _ = read_cameras_json(dataset / "000001" / "opencv_cameras.json")
    new, content = read_cameras_json(out / "000001" / "opencv_cameras.json")
    np.testing.assert_allclose(new[1].camera.T_cam_world, old[4].camera.T_cam_world, atol=1e-9)
    assert [view.file_path for view in new] == [view.file_path for view in old]
    kept = content["mouselift"]["repair"]
    assert kept["cause"] == "views-swapped"
    assert kept["original"][1]["w2c"] == old[1].camera.T_cam_world.tolist()
    assert kept["residual_after_px"] < kept["residual_before_px"]
    assert content["mouselift"]["note"] == "kept"


def test_manifest_and_lists(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    repair_dataset(dataset, out, workers=1)
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["good", "repaired", "refused"]
    assert "flipped" in lines[2]["reason"]
    listed = (out / "data_train.txt").read_text().splitlines()
    assert listed == [str(out / "000000"), str(out / "000001")]  # nobody trains on what was refused


def test_an_interrupted_run_goes_on(dataset: Path, tmp_path: Path) -> None:
    whole, again = tmp_path / "whole", tmp_path / "again"
    repair_dataset(dataset, whole, workers=1)
    repair_dataset(dataset, again, workers=1)
    lines = (again / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (again / "manifest.jsonl").unlink()
    (again / ".journal.jsonl").write_bytes(lines[0] + lines[1][:20])  # killed while it wrote a line
    repair_dataset(dataset, again, workers=1)
    assert (again / "manifest.jsonl").read_bytes() == (whole / "manifest.jsonl").read_bytes()
    assert not (again / ".journal.jsonl").exists()
    image = sorted((dataset / "000001/images").iterdir())[2]
    image.write_bytes(image.read_bytes()[:-1] + b"?")  # of the same size
    with pytest.raises(DatasetError, match=r"000001: changed since .* \(1 of 3 samples did\)"):
        repair_dataset(dataset, again, workers=1)


def test_a_dataset_goes_by_contents_and_not_by_place(dataset: Path, tmp_path: Path) -> None:
    out, moved, other = tmp_path / "new", tmp_path / "elsewhere" / "old", tmp_path / "other"
    first = repair_dataset(dataset / "000000", out, workers=1)
    moved.parent.mkdir()
    dataset.rename(moved)
    assert repair_dataset(moved / "000000", out, workers=1).good == first.good == 1
    (moved / "000001").rename(other)
    with pytest.raises(DatasetError, match=r"new/000000: was made from a sample that is not .* \(1 of 1 are not\)"):
        repair_dataset(other, out, workers=1)
    assert not (out / "other").exists()


def test_nothing_is_overwritten(dataset: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("dear")
    with pytest.raises(DatasetError, match="Nothing was changed"):
        repair_dataset(dataset, mine, workers=1)
    assert [p.name for p in mine.iterdir()] == ["thesis.tex"]
    with pytest.raises(DatasetError, match="inside the dataset"):
        repair_dataset(dataset, dataset / "out")
    repair_dataset(dataset / "000000", tmp_path / "one", workers=1)
    with pytest.raises(DatasetError, match="another run of `mouselift repair`"):
        repair_dataset(dataset, tmp_path / "one", RepairOptions(pool="camera"), workers=1)


def test_a_shared_transform_is_applied_to_every_sample(tmp_path: Path, exact_postures: tuple[Sample, ...]) -> None:
    root = tmp_path / "old"
    for number, sample in enumerate(exact_postures):
        spoiled = faults.view_scale(sample, np.random.default_rng(0), scale=0.8, view=5).sample
        write(root, spoiled, f"{number:06d}")
    summary = repair_dataset(root, tmp_path / "new", RepairOptions(pool="camera"), workers=1)
    assert summary.repaired == 2
    assert summary.pooled is not None
    for number, sample in enumerate(exact_postures):
        views, _ = read_cameras_json(tmp_path / "new" / f"{number:06d}" / "opencv_cameras.json")
        assert views[5].camera.fx == pytest.approx(sample.views[5].camera.fx, rel=0.003)


def test_keypoints_stay_where_the_world_does(tmp_path: Path, exact_postures: tuple[Sample, ...]) -> None:
    """Poses that were exchanged are put back in the world of the keypoints; distances, up to a factor of their own."""
    root, out, rng = tmp_path / "old", tmp_path / "new", np.random.default_rng(0)
    good, own = exact_postures[0], {"file": "pose.csv", "format": "anipose", "points": {"nose": [0.1, 0.2, 0.3]}}
    spoiled = {
        "000000": good,
        "000001": faults.swapped_views(good, rng, views=(1, 4)).sample,
        "000002": faults.view_scale(good, rng, scale=0.8, view=5).sample,
        "000003": faults.centre_moved(good, rng).sample,
    }
    for name, sample in spoiled.items():
        write(root, sample, name)
        file = root / name / "opencv_cameras.json"
        file.write_text(json.dumps(json.loads(file.read_bytes()) | {"mouselift": {"keypoints": own}}))
    summary = repair_dataset(root, out, workers=1)
    assert (summary.repaired, summary.keypoints_left_out) == (3, 1)
    told = {name: json.loads((out / name / "opencv_cameras.json").read_bytes())["mouselift"] for name in spoiled}
    assert [told[name].get("keypoints") for name in spoiled] == [own, own, own, None]
    assert told["000003"]["repair"]["cause"] == "each-distance"
    assert told["000003"]["repair"]["original_keypoints"] == own
    seen = load_sample(out / "000001")
    assert seen.keypoints is not None
    for repaired, true in zip(seen.views, (0, 4, 2, 3, 1, 5), strict=True):
        pixels = good.views[true].camera.project(seen.keypoints.points)
        assert np.allclose(repaired.camera.project(seen.keypoints.points), pixels, atol=1e-6)


def test_a_rig_has_its_say_in_every_sample(dataset: Path, tmp_path: Path, exact_postures: tuple[Sample, ...]) -> None:
    (tmp_path / "rig").mkdir()
    listed = [ViewEntry(view.camera, f"{k}.png", k) for k, view in enumerate(exact_postures[0].views)]
    file = tmp_path / "rig" / "opencv_cameras.json"
    file.write_bytes(sample_json("rig", listed, {}))
    summary = repair_dataset(dataset, tmp_path / "new", RepairOptions(rig=file, rig_format="facelift"), workers=1)
    assert (summary.good, summary.repaired, summary.refused) == (1, 1, 1)
    _, content = read_cameras_json(tmp_path / "new" / "000001" / "opencv_cameras.json")
    assert "by pose" in content["mouselift"]["repair"]["rig"]
    assert sum(summary.rig.values()) == 2
    with pytest.raises(DatasetError, match="another run"):  # the same folder without the rig
        repair_dataset(dataset, tmp_path / "new", workers=1)
    with pytest.raises(DatasetError, match="--pool sample"):
        repair_dataset(dataset, tmp_path / "other", RepairOptions(pool="camera", rig=file, rig_format="facelift"))
