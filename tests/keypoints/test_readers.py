"""Files of DANNCE, Label3D, SLEAP and anipose, written here as those tools write them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from mouselift.errors import CaptureError
from mouselift.keypoints.registry import find_keypoints, load_keypoints

REAL = Path(__file__).resolve().parents[3] / "shared/data/markerless_mouse_1"
POINTS = np.random.default_rng(3).normal(size=(4, 5, 3)) * 30  # frames, keypoints, mm
POINTS[1, 2] = np.nan
NAMES = ("nose", "ear", "tail_base", "paw", "tip")


def test_dannce_predictions(tmp_path: Path) -> None:
    file = tmp_path / "save_data_AVG.mat"
    sure = np.random.default_rng(1).uniform(size=(4, 5))
    order = [2, 0, 3, 1]  # any order in the file
    ids = np.array([[1.0, 41.0, 81.0, 121.0]])[:, order]  # ms + 1; every second frame at 50 a second
    savemat(file, {"pred": np.moveaxis(POINTS, 2, 1)[order], "p_max": sure[order], "sampleID": ids})
    found = load_keypoints(file, 50.0)
    assert found.frames.tolist() == [0, 2, 4, 6]
    assert np.array_equal(found.points, POINTS, equal_nan=True)
    assert found.confidence is not None
    assert np.array_equal(found.confidence, sure)
    assert found.at(1) is None
    assert np.array_equal(found.points[found.frames == 4][0], POINTS[2])
    with pytest.raises(CaptureError, match=r"sampleID: expected milliseconds plus 1 .*at the recording's 30 a second"):
        load_keypoints(file, 30.0)  # 40 ms are 1.2 frames there
    savemat(file, {"pred": np.moveaxis(POINTS, 2, 1), "sampleID": np.array([[7.0, 8.0, 9.0, 10.0]])})
    counted = load_keypoints(file, 30.0)
    assert counted.frames.tolist() == [6, 7, 8, 9]
    assert "assumed" in counted.notes[0]
    two = np.stack([np.moveaxis(POINTS, 2, 1)] * 2, axis=1)
    savemat(file, {"pred": two, "sampleID": np.array([[1.0, 2.0, 3.0, 4.0]])})
    with pytest.raises(CaptureError, match="holds 2 animals"):
        load_keypoints(file, 50.0)


def test_label3d(tmp_path: Path) -> None:
    file = tmp_path / "label3d_dannce.mat"
    fields = {"data_3d": POINTS.reshape(4, 15), "data_frame": np.array([[30], [10], [20], [40]])}
    cells = np.empty((2, 1), dtype=object)
    cells[:, 0] = [fields, fields]
    savemat(file, {"labelData": cells})
    found = load_keypoints(file, 50.0)
    assert found.frames.tolist() == [10, 20, 30, 40]
    assert np.array_equal(found.points[found.frames == 30][0], POINTS[0])


def anipose_csv(points: np.ndarray, M: np.ndarray, centre: np.ndarray) -> str:
    head = [f"{name}_{column}" for name in NAMES for column in ("x", "y", "z", "error", "ncams", "score")]
    head += [f"M_{i}{j}" for i in range(3) for j in range(3)] + [f"center_{i}" for i in range(3)] + ["fnum"]
    lines = [",".join(head)]
    for frame, row in enumerate((points @ M.T) - centre):
        cells = [[*("" if np.isnan(v) else repr(float(v)) for v in p), "1.0", "4", "0.9"] for p in row]
        turn = [repr(float(v)) for v in (*M.ravel(), *centre)]
        lines.append(",".join([*(v for cell in cells for v in cell), *turn, str(frame + 5)]))
    return "\n".join(lines) + "\n"


def test_anipose_is_turned_back_into_the_rigs_world(tmp_path: Path) -> None:
    file, M = tmp_path / "mouse.csv", Rotation.from_rotvec([0.4, -1.0, 0.3]).as_matrix()
    file.write_text(anipose_csv(POINTS, M, np.array([3.0, -7.0, 11.0])))
    found = load_keypoints(file, 0.0)
    assert found.names == NAMES
    assert found.frames.tolist() == [5, 6, 7, 8]
    assert np.nanmax(np.abs(found.points - POINTS)) < 1e-9
    assert np.isnan(found.points[1, 2]).all()
    assert "turned back" in found.notes[0]
    assert found.confidence is not None
    assert (found.confidence == 0.9).all()
    file.write_text(anipose_csv(POINTS, M, np.zeros(3)).replace("ear_score", "ear_other"))
    assert load_keypoints(file, 0.0).confidence is None, "not of all"
    file.write_text(anipose_csv(POINTS, np.eye(3), np.zeros(3)).replace("nose_x", "nose_q"))
    assert "nose" not in load_keypoints(file, 0.0).names
    file.write_text("fnum,a\n1,2\n")
    with pytest.raises(CaptureError, match="NAME_x"):
        load_keypoints(file, 0.0)


def test_sleap(tmp_path: Path) -> None:
    file, project = tmp_path / "points3d.h5", tmp_path / "labels.slp"
    with h5py.File(file, "w") as h5:
        h5["tracks"] = POINTS[:, None]
    found = load_keypoints(file, 0.0)
    assert np.array_equal(found.points, POINTS, equal_nan=True)
    assert found.names[4] == "point 5"
    with h5py.File(file, "w") as h5:
        h5["tracks"] = np.zeros((1, 2, 5, 40))
    with pytest.raises(CaptureError, match="2D tracks"):
        load_keypoints(file, 0.0)
    boxed = [[None if np.isnan(p).any() else p.tolist() for p in row] for row in POINTS]
    groups = [{"frame_idx": 9 - k, "instance_groups": [{"points": row, "score": 0.5}]} for k, row in enumerate(boxed)]
    metadata = {
        "nodes": [{"name": n} for n in reversed(NAMES)],
        "skeletons": [{"nodes": [{"id": 4 - k} for k in range(5)]}],
    }
    with h5py.File(project, "w") as h5:
        h5["sessions_json"] = [json.dumps({"frame_group_dicts": groups})]
        h5.create_group("metadata").attrs["json"] = json.dumps(metadata)
    found = load_keypoints(project, 0.0)
    assert found.frames.tolist() == [6, 7, 8, 9]
    assert found.names == NAMES
    assert np.array_equal(found.points[found.frames == 9][0], POINTS[0])
    assert np.isnan(found.points[2, 2]).all()
    for change in ({"frame_idx": True}, {"frame_idx": 2.7}, {"instance_groups": [{"points": [["1", "2", "3"]] * 5}]}):
        with h5py.File(project, "w") as h5:
            h5["sessions_json"] = [json.dumps({"frame_group_dicts": [groups[0] | change]})]
        with pytest.raises(CaptureError, match=r"expected (whole )?numbers"):
            load_keypoints(project, 0.0)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    file = tmp_path / "save_data_AVG.mat"
    file.write_bytes(b"no mat")
    with pytest.raises(CaptureError, match=r"expected a \.mat file"):
        load_keypoints(file, 50.0)
    savemat(file, {"pred": np.full((2, 3, 5), np.nan), "sampleID": np.array([[1.0, 21.0]])})
    with pytest.raises(CaptureError, match="none that is finite"):
        load_keypoints(file, 50.0)
    savemat(file, {"pred": np.ones((2, 3, 5)), "sampleID": np.array([[1.0, 1.0]])})
    with pytest.raises(CaptureError, match="sampleID"):
        load_keypoints(file, 50.0)
    savemat(file, {"pred": np.ones((2, 5, 4)), "sampleID": np.array([[1.0, 21.0]])})
    with pytest.raises(CaptureError, match=r"expected \[frames, 3, keypoints\]"):
        load_keypoints(file, 50.0)
    with pytest.raises(CaptureError, match="no such file"):
        load_keypoints(tmp_path / "other.mat", 50.0)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real recording's predictions are absent")
def test_real_predictions_and_labels() -> None:
    found = load_keypoints(REAL / "predictions/save_data_AVG.mat", 100.0)
    assert found.points.shape == (1000, 22, 3)
    assert found.frames.tolist() == list(range(1000))
    labels = load_keypoints(REAL / "label3d_dannce.mat", 100.0)
    assert labels.points.shape == (81, 22, 3)
    assert find_keypoints(REAL) == [REAL / "predictions/save_data_AVG.mat"]
