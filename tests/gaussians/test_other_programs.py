"""Files written here, read by other programs: what is there is what was written. Each is skipped where absent.

All at once: pip install plyfile gsply trimesh; npm install @playcanvas/splat-transform, its folder in SPLAT_TRANSFORM.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mouselift.gaussians.files import Splats, read_splats, write_ply


def made(harmonics: int) -> Splats:
    rng = np.random.default_rng(harmonics)
    shapes = ((300, 3), (300, harmonics, 3), (300,), (300, 3), (300, 4))
    return Splats(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))


@pytest.fixture(params=[1, 4, 9, 16])
def splats(request: pytest.FixtureRequest) -> Splats:
    return made(request.param)


@pytest.fixture
def file(tmp_path: Path, splats: Splats) -> Path:
    write_ply(tmp_path / "ours.ply", splats)
    return tmp_path / "ours.ply"


def package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return pytest.skip(f"{name} is not installed: pip install {name}")


def test_plyfile(file: Path, splats: Splats) -> None:
    table = package("plyfile").PlyData.read(str(file))["vertex"]
    assert {each.val_dtype for each in table.properties} == {"f4"}
    np.testing.assert_array_equal(np.stack([table[name] for name in "xyz"], axis=1), splats.positions)
    np.testing.assert_array_equal(table["rot_3"], splats.rotations[:, 3])
    got = np.stack([table[f"f_rest_{i}"] for i in range(45)], axis=1).reshape(-1, 3, 15).transpose(0, 2, 1)
    np.testing.assert_array_equal(got[:, : splats.harmonics.shape[1] - 1], splats.harmonics[:, 1:])


def test_gsply(file: Path, splats: Splats) -> None:
    got = package("gsply").plyread(file)
    np.testing.assert_array_equal(got.means, splats.positions)
    np.testing.assert_array_equal(got.sh0, splats.harmonics[:, 0])
    np.testing.assert_array_equal(got.shN[:, : splats.harmonics.shape[1] - 1], splats.harmonics[:, 1:])
    np.testing.assert_array_equal(got.opacities, splats.opacities)
    np.testing.assert_array_equal(got.scales, splats.scales)
    np.testing.assert_array_equal(got.quats, splats.rotations)


def test_trimesh(file: Path, splats: Splats) -> None:
    got = package("trimesh").load(file)
    np.testing.assert_array_equal(np.asarray(got.vertices, np.float32), splats.positions)


def test_splat_transform(file: Path, splats: Splats, tmp_path: Path) -> None:
    """SuperSplat's own reader and writer: plain, and compressed and back."""
    folder, node = os.environ.get("SPLAT_TRANSFORM"), shutil.which("node")
    if folder is None or node is None:
        pytest.skip("SPLAT_TRANSFORM does not name the folder of @playcanvas/splat-transform, or node is absent")
    for name in ("plain.ply", "packed.compressed.ply"):
        subprocess.run([node, f"{folder}/bin/cli.mjs", "-q", str(file), str(tmp_path / name)], check=True)
    got = read_splats(tmp_path / "plain.ply")
    for part in ("positions", "harmonics", "opacities", "scales", "rotations"):
        np.testing.assert_array_equal(getattr(got, part), getattr(splats, part), err_msg=part)
    packed = read_splats(tmp_path / "packed.compressed.ply")  # in another order
    size = np.ptp(splats.positions, axis=0)
    away = np.linalg.norm((packed.positions[:, None] - splats.positions[None]) / size, axis=2)
    nearest = away.argmin(axis=1)
    assert sorted(nearest) == list(range(300))
    assert away.min(axis=1).max() < 2e-3  # half a step of 10 bits, and less
    np.testing.assert_allclose(packed.scales, splats.scales[nearest], atol=0.01)
