"""Readers of foreign files for the fuzzer: how a small valid input is written, and what is then done with it.

An input is a folder; `read` gets the path in it that a user would name, and goes on as far as `prepare`, `audit` or
`train` would with what was accepted. Only a `MouseliftError` may come out; of `load_sample` not even that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fuzz_datasets import DATASETS
from fuzz_networks import NETWORKS
from fuzz_recordings import RECORDINGS
from fuzz_run import Reader
from mouselift.calibration.registry import load_rig, rig_at
from mouselift.errors import MouseliftError
from rig_files import Writers, bent_cameras, straight_cameras
from rig_standins import STANDINS, StandIn

_POINTS = np.random.default_rng(3).normal(size=(4, 5, 3)) * 30  # frames, keypoints, mm
_SIZE = (640, 480)


def _rig(format_name: str, variant: str | None = None) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        with contextlib.suppress(MouseliftError):
            rig_at(path)
        rig = load_rig(path, format_name, variant)
        return [camera.camera(camera.size or _SIZE) for camera in rig.cameras]

    return read


def _standin(standin: StandIn) -> Reader:
    return Reader(lambda folder: standin.write(folder, standin.rig()), _rig(standin.format, standin.variant))


def _own_rigs() -> dict[str, Reader]:
    """Formats whose stand-ins `rig_files` writes."""
    write = Writers()
    bent, straight = bent_cameras(), straight_cameras()
    return {
        "DANNCE": Reader(lambda f: write.dannce(f, bent), _rig("dannce")),
        "DANNCE json": Reader(lambda f: write.calibration_json(f / "calibration.json", bent), _rig("dannce")),
        "DANNCE labels": Reader(
            lambda f: write.label3d(f / "label3d_dannce.mat", bent, _POINTS.reshape(20, 3)), _rig("dannce")
        ),
        "MAMMAL": Reader(lambda f: write.mammal(f / "new_cam.pkl", straight), _rig("mammal")),
        "anipose": Reader(
            lambda f: write.anipose(f / "calibration.toml", bent, "", "[metadata]\nerror = 0.5\n"), _rig("anipose")
        ),
        "JARVIS": Reader(lambda f: write.jarvis(f, straight), _rig("jarvis")),
        "FaceLift": Reader(_sample_cameras, _rig("facelift")),
    }


def _sample_cameras(folder: Path) -> Path:
    from ball_samples import write

    file = write(folder / "sample_000001", 1, 16) / "opencv_cameras.json"
    return file.rename(folder / file.name)


def readers() -> dict[str, Reader]:
    """By name; those of rigs first."""
    rigs = {name: _standin(standin) for name, standin in STANDINS.items()}
    return {**rigs, **_own_rigs(), **RECORDINGS, **DATASETS, **NETWORKS}
