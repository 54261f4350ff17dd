"""Formats in HDF5: .mat of version 7.3, Label3D's sessions, Pose Splatter, SLEAP; files that say or reach too much."""

from __future__ import annotations

import importlib
import json
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue] - compiled
from scipy.io import savemat

from mat73 import save73
from mouselift import hdf5_file
from mouselift.calibration import mat73_file
from mouselift.calibration.dannce_files import load_mat
from mouselift.calibration.registry import load_rig, rigs_in
from mouselift.capture.rig_search import find_rig
from mouselift.errors import CalibrationError, MissingExtraError
from mouselift.hdf5_file import opened
from rig_standins import label3d, pose_splatter, random_rig, sleap

NAMES = ("Camera1", "Camera2", "Camera3")


def test_both_versions_of_mat_files_are_the_same_to_readers(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "x": np.arange(6.0).reshape(2, 3),
        "n": np.array([[1, 2]], dtype=np.uint16),
        "word": "left",
    }
    cell = np.empty((2, 1), dtype=object)
    cell[:, 0] = [values["x"], "a"]
    record = {"K": values["x"], "name": "b"}
    savemat(
        tmp_path / "5.mat", {**values, "c": cell, "s": record, "many": np.array([(1.0,), (2.0,)], dtype=[("a", "f8")])}
    )
    save73(tmp_path / "73.mat", {**values, "c": [values["x"], "a"], "s": record, "many": ({"a": 1.0}, {"a": 2.0})})
    old, new = load_mat(tmp_path / "5.mat"), load_mat(tmp_path / "73.mat")
    assert set(old) == set(new)
    for name in values:
        assert old[name].dtype == new[name].dtype, name
        np.testing.assert_array_equal(old[name], new[name])
    assert old["c"].shape == new["c"].shape == (2, 1)
    np.testing.assert_array_equal(old["c"][0, 0], new["c"][0, 0])
    assert old["c"][1, 0] == new["c"][1, 0]
    np.testing.assert_array_equal(old["s"][0, 0]["K"], new["s"][0, 0]["K"])
    assert [float(one["a"][0, 0]) for one in np.ravel(new["many"])] == [1.0, 2.0]
    assert load_mat(save73(tmp_path / "e.mat", {"e": np.zeros((0, 3))}))["e"].shape == (0, 3)
    assert set(load_mat(tmp_path / "73.mat", ("x",))) == {"x"}


def test_dannces_files_of_version_73(tmp_path: Path, truth, write, distance) -> None:
    for index, camera in enumerate(truth):
        save73(tmp_path / f"hires_cam{index + 1}_params.mat", write.fields(camera))
    rig = load_rig(tmp_path)
    assert rig.format == "dannce"
    assert max(distance(rig[camera.name].camera((640, 480)), camera) for camera in truth) < 1e-9


def _hostile(file: Path, make: Any) -> Path:
    with h5py.File(file, "w") as root:
        make(root)
    return file


def test_what_reaches_out_of_the_file_or_says_too_much_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(24))
    pose_splatter(tmp_path, random_rig(NAMES, "none"))
    inner = tmp_path / "camera_params.h5"

    def group(root: Any, **parts: Any) -> None:
        cameras = root.create_group("camera_parameters")
        cameras["rotation"], cameras["translation"] = np.eye(3)[None], np.zeros((1, 3))
        for name, part in parts.items():
            cameras[name] = part

    def external(root: Any) -> None:
        group(root)
        root["camera_parameters"].create_dataset("intrinsic", (1, 1, 3), "f8", external=[(tmp_path / "secret", 0, 24)])

    def huge(root: Any) -> None:
        group(root)
        root["camera_parameters"].create_dataset("intrinsic", (1 << 40, 3, 3), "f8", chunks=(1, 3, 3))

    for name, make, words in (
        (
            "link",
            lambda root: group(root, intrinsic=h5py.ExternalLink(inner, "camera_parameters/intrinsic")),
            "is a link",
        ),
        ("external", external, "lies in another file"),
        ("huge", huge, "more than"),
        ("missing", group, "expected a dataset intrinsic"),
        ("type", lambda root: group(root, intrinsic=np.dtype("f8")), "expected a dataset intrinsic"),
        ("short", lambda root: group(root, intrinsic=np.zeros((2, 3, 3))), "expected as many"),
    ):
        with pytest.raises(CalibrationError, match=words):
            load_rig(_hostile(tmp_path / f"{name}.h5", make), "pose-splatter")
    inner.write_bytes(inner.read_bytes()[:200])
    with pytest.raises(CalibrationError, match="cannot be read as Pose Splatter's cameras"):
        load_rig(inner, "pose-splatter")


def test_names_that_a_damaged_group_lists_and_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save73(tmp_path / "a.mat", {"s": {"K": np.eye(3)}, "x": np.eye(2)})
    real = mat73_file.member
    for lost in ("s", "K"):
        monkeypatch.setattr(mat73_file, "member", lambda g, name, lost=lost: None if name == lost else real(g, name))
        with pytest.raises(CalibrationError, match=f"'{lost}' is listed, and is not there"):
            load_mat(file)


def test_a_length_that_no_file_can_fill(tmp_path: Path) -> None:
    """The library makes room for text as long as a reference to it says: 1.2 GB for a file of 6 kB."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["before"] = 1.0
        head = h5o.get_info(file["before"].id).addr
        file["names"] = ["eleven text"] * 3
    data = (tmp_path / "a.h5").read_bytes().replace(struct.pack("<I", 11), struct.pack("<I", 1 << 29), 1)
    no_longer = data[:head] + bytes(16) + data[head + 16 :]  # what stands before the text cannot be opened
    for damaged in (data, no_longer):
        (tmp_path / "a.h5").write_bytes(damaged)
        with pytest.raises(CalibrationError, match="fills the memory"), opened(tmp_path / "a.h5", "names"):
            pass


def test_a_large_packed_dataset_is_no_damage_to_the_next(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", (160, 1 << 20), "u1", chunks=(16, 1 << 20), compression="gzip")[:] = 1
        file.create_dataset("one", (1,), "f8", maxshape=(None,), chunks=(10_000_000,))[:] = 1
        file["b"], file["c"] = ["text"] * 1000, np.zeros(10)
    with opened(tmp_path / "a.h5", "numbers") as root:
        assert root["c"].shape == (10,)


def test_cells_that_hold_themselves(tmp_path: Path) -> None:
    """A cell of references to itself would be a tree without end."""
    file = save73(tmp_path / "a.mat", {"c": ["x", "y"]})
    with h5py.File(file, "r+") as opened:
        cell: Any = opened["c"]
        cell[0, 0] = cell.ref
    with pytest.raises(CalibrationError, match="nested more than 16 deep"):
        load_mat(file)


def test_label3d_keeps_to_danncess_evidence_and_variants(tmp_path: Path) -> None:
    views = random_rig(NAMES)
    path = label3d(newer=True)(tmp_path, views)
    rig = load_rig(path)
    assert any("which names none" in line for line in rig.assumed)
    shifted = load_rig(path, variant="0-based")
    np.testing.assert_allclose(shifted["Camera1"].K[:2, 2] - rig["Camera1"].K[:2, 2], [1, 1])
    with pytest.raises(CalibrationError, match="variant 'odd' is unknown"):
        load_rig(path, variant="odd")


def test_sessions_of_labels_beside_a_calibration_are_not_used(tmp_path: Path, truth, write) -> None:
    label3d(newer=False)(tmp_path, random_rig(NAMES))
    sleap(tmp_path, random_rig(NAMES))
    write.anipose(tmp_path / "calibration.toml", truth)
    assert {kind for kind, _ in rigs_in(tmp_path)} == {"label3d", "sleap", "anipose"}
    found = find_rig(tmp_path, None, None)
    assert found.format == "anipose"
    assert {kind for kind, _ in found.others} == {"label3d", "sleap"}


def test_sleaps_sessions(tmp_path: Path) -> None:
    """Cameras may lack name and size; several sessions with other calibrations are asked for."""
    views = random_rig(NAMES)
    path = sleap(tmp_path, views)
    with h5py.File(path) as opened:
        lines: Any = opened["sessions_json"]
        session = json.loads(lines[0])
    session["calibration"]["cam_0"] |= {"name": "", "size": "", "translation": [1.0, 2.0, 300.0]}
    sleap(tmp_path, views, others=[session])
    with pytest.raises(CalibrationError, match=r'2 sessions with different calibrations.*variant = "0"'):
        load_rig(path)
    rig = load_rig(path, variant="1")
    assert (rig.names, rig["cam_0"].size) == (("cam_0", "Camera2", "Camera3"), None)
    with pytest.raises(CalibrationError, match="from 0 to 1"):
        load_rig(path, variant="2")
    with h5py.File(path, "w") as root:
        root["videos_json"] = np.array([b"{}"])
    assert rigs_in(tmp_path) == []
    with pytest.raises(CalibrationError, match="without a recording session"):
        load_rig(path, "sleap")


def test_without_h5py_a_search_finds_none_and_a_named_file_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pose_splatter(tmp_path, random_rig(NAMES, "none"))
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == "h5py":
            raise ImportError
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    assert rigs_in(tmp_path) == []
    with pytest.raises(MissingExtraError, match=r"mouselift\[hdf5\]"):
        load_rig(path)


def test_the_time_that_a_file_may_take_grows_with_what_its_datasets_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of zeros 20 MB take 20 kB on the disk: a limit by the size of the file would refuse good ones."""

    def read(name: str) -> None:
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("a", (20_000_000,), "u1", data=np.zeros(20_000_000, "u1"), compression="gzip")
        with opened(tmp_path / name, "numbers"):
            pass

    monkeypatch.setattr(hdf5_file, "_CPU_SECONDS", 1.0)
    read("good.h5")
    monkeypatch.setattr(hdf5_file, "_BYTES_A_SECOND", 1e12)
    monkeypatch.setattr(hdf5_file, "_CPU_SECONDS", 0.001)
    with pytest.raises(CalibrationError, match="does not end or fills"):
        read("slow.h5")
