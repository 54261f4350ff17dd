"""Every reader against OpenCV's projection, from a stand-in file in its format; and which reader claims which file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mouselift.calibration.registry import load_rig, rig_at, rigs_in
from mouselift.calibration.rig import Rig
from rig_standins import STANDINS, StandIn, View, faulty

POINTS = np.random.default_rng(3).uniform(-25, 25, (20, 3))
FAULTS = ("half a pixel", "R transposed", "1 % of f")


def distance(rig: Rig, views: list[View]) -> float:
    """Largest distance in pixels between the reader's cameras and OpenCV's; inf where one sees a point behind it."""
    apart = [np.abs(rig[view.name].camera(view.size).project(POINTS) - view.project(POINTS)).max() for view in views]
    return float(np.nan_to_num(max(apart), nan=np.inf))


@pytest.mark.parametrize("standin", STANDINS.values(), ids=STANDINS)
def test_readers_project_as_opencv_does(standin: StandIn, tmp_path: Path) -> None:
    views = standin.rig()
    path = standin.write(tmp_path, views)
    rig = load_rig(path, standin.format, standin.variant)
    assert sorted(rig.names) == sorted(standin.names)
    assert all(rig[view.name].size == (view.size if standin.size else None) for view in views)
    assert distance(rig, views) < 1e-9
    for fault in FAULTS:
        folder = tmp_path / fault.replace(" ", "")
        folder.mkdir()
        wrong = load_rig(standin.write(folder, faulty(views, fault)), standin.format, standin.variant)
        assert not distance(wrong, views) < 0.1, fault


def test_one_reader_claims_each(tmp_path: Path, truth, straight, write) -> None:
    """Folder by folder and file by file: exactly the format that the stand-in is in."""
    own = {
        "dannce": lambda folder: write.dannce(folder, truth),
        "dannce json": lambda folder: write.calibration_json(folder / "calibration.json", truth),
        "mammal": lambda folder: write.mammal(folder / "new_cam.pkl", straight),
        "mammal keyed": lambda folder: write.mammal(folder / "new_cam.pkl", straight, keyed=True),
        "anipose": lambda folder: write.anipose(folder / "calibration.toml", straight),
        "jarvis": lambda folder: write.jarvis(folder, straight),
    }
    for name, make in own.items():
        (tmp_path / name).mkdir()
        path = make(tmp_path / name)
        assert [kind for kind, _ in rigs_in(tmp_path / name)] == [name.split()[0]], name
        assert rig_at(path)[0] == name.split()[0], name
    for name, standin in STANDINS.items():
        folder = tmp_path / name.replace(" ", "")
        folder.mkdir()
        path = standin.write(folder, standin.rig())
        assert [kind for kind, _ in rigs_in(folder)] == [standin.format], name
        assert rig_at(path)[0] == standin.format, name
