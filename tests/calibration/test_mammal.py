"""MAMMAL's pickle."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mouselift.calibration.mammal import read_mammal
from mouselift.errors import CalibrationError


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_read_exactly(keyed: bool, protocol: int, tmp_path: Path, straight, write, distance) -> None:
    rig = read_mammal(write.mammal(tmp_path / "new_cam.pkl", straight, keyed, protocol))
    assert rig.names == ("0", "1", "2", "3")
    assert max(distance(rig[c.name].camera((640, 480)), c) for c in straight) < 1e-9


@pytest.mark.parametrize("fault", ["half pixel", "r transposed", "one per cent"])
def test_the_check_notices_faults(fault: str, tmp_path: Path, straight, write, distance) -> None:
    file = write.mammal(tmp_path / "new_cam.pkl", straight)
    entries = pickle.loads(file.read_bytes())
    if fault == "half pixel":
        entries[0]["K"][0, 2] += 0.5
    elif fault == "r transposed":
        entries[0]["R"] = entries[0]["R"].T
    else:
        entries[0]["K"][1, 1] *= 1.01
    file.write_bytes(pickle.dumps(entries))
    assert not distance(read_mammal(file)["0"].camera((640, 480)), straight[0]) < 0.1


def test_keys_sort_as_numbers(tmp_path: Path, straight, write) -> None:
    file = write.mammal(tmp_path / "new_cam.pkl", straight, keyed=True)
    entries = pickle.loads(file.read_bytes())
    file.write_bytes(pickle.dumps({"10": entries[0], "2": entries[1]}))
    assert read_mammal(file).names == ("2", "10")


def test_k_transposed_is_refused(tmp_path: Path, straight, write) -> None:
    file = write.mammal(tmp_path / "new_cam.pkl", straight)
    entries = pickle.loads(file.read_bytes())
    entries[2]["K"] = entries[2]["K"].T
    file.write_bytes(pickle.dumps(entries))
    with pytest.raises(CalibrationError, match=r"camera '2' .*new_cam\.pkl.*transposed"):
        read_mammal(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds no camera"),
        (3.5, "expected a list or dict"),
        ([{"K": np.eye(3)}], "expected a dict with K, R, T"),
        ([[1, 2]], "expected a dict with K, R, T"),
        ({"left": {}}, "keyed 0, 1"),
        ([{"K": "x", "R": np.eye(3), "T": np.zeros(3)}], "expected numbers"),
        ([{"K": np.eye(2), "R": np.eye(3), "T": np.zeros(3)}], r"K: expected shape \(3, 3\)"),
        ([{"K": np.eye(3), "R": np.eye(3), "T": np.zeros(3), "dist": np.ones(5)}], "lens coefficients"),
        ([{"K": np.eye(3), "R": np.eye(3), "T": np.zeros(2)}], "translation: expected 3 numbers"),
    ],
)
def test_other_content_is_refused(content: object, message: str, tmp_path: Path) -> None:
    file = tmp_path / "new_cam.pkl"
    file.write_bytes(pickle.dumps(content))
    with pytest.raises(CalibrationError, match=message):
        read_mammal(file)


def test_no_variants(tmp_path: Path, straight, write) -> None:
    with pytest.raises(CalibrationError, match="mammal has no variants"):
        read_mammal(write.mammal(tmp_path / "new_cam.pkl", straight), "opencv")
