"""Gaussians to look at: their shape in the world, which are shown, and which cameras stand beside them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.errors import DatasetError
from mouselift.gaussians.files import SH_DC, Splats, read_splats, write_ply
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.media.png import encode_png
from mouselift.view.live import SplatView, cameras_of, is_splats, sources_of
from mouselift.view.splats import blended, cloud_of, colours_of, opacities_of, shown_most, splat_scene
from splat_file import write_splat

COUNT = 40


def some(count: int = COUNT, seed: int = 0) -> Splats:
    rng = np.random.default_rng(seed)
    parts = (
        rng.normal(0, 0.2, (count, 3)),
        (rng.uniform(0, 1, (count, 1, 3)) - 0.5) / SH_DC,
        rng.normal(2, 1, count),
        rng.normal(-4, 0.5, (count, 3)),
        rng.normal(0, 1, (count, 4)),
    )
    return Splats(*(part.astype(np.float32) for part in parts))


def camera(name: str = "cam0", distance: float = 2.5) -> Camera:
    centre = distance * np.array([0.6, -0.6, 0.53])
    T = looking_at(np.zeros(3), centre)
    return Camera(32, 32, 40.0, 41.0, 18.3, 13.9, T, name=name)


@pytest.fixture
def sample_folder(tmp_path: Path) -> Callable[..., Path]:
    def make(folder: Path, file: str = "opencv_cameras.json", views: int = 2) -> Path:
        (folder / "images").mkdir(parents=True)
        image = np.zeros((32, 32, 4), np.uint8)
        image[8:24, 8:24] = (200, 90, 30, 255)
        found = [ViewEntry(camera(f"cam{k}", 2.5 + k), f"images/cam_{k:03d}.png", k) for k in range(views)]
        for view in found:
            (folder / view.file_path).write_bytes(encode_png(image))
        (folder / file).write_bytes(sample_json(folder.name, found, {}))
        return folder

    return make


def rotations_of(splats: Splats) -> np.ndarray:
    """By the book's formula for a unit quaternion, w first."""
    w, x, y, z = (splats.rotations / np.linalg.norm(splats.rotations, axis=1, keepdims=True)).astype(np.float64).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.array(rows).transpose(2, 0, 1)


def covariance_error(cloud: np.ndarray, splats: Splats) -> float:
    """Against R diag(s^2) R^T."""
    R = rotations_of(splats)
    expected = np.einsum("nij,nj,nkj->nik", R, np.exp(2 * splats.scales.astype(np.float64)), R)
    return float((np.abs(cloud - expected).max(axis=(1, 2)) / np.abs(expected).max(axis=(1, 2))).max())


def test_covariances_are_rotated_scales() -> None:
    splats = some()
    assert covariance_error(cloud_of(splats).covariances, splats) < 1e-6


@pytest.mark.parametrize("fault", ["one per cent", "transposed"])
def test_the_check_notices(fault: str) -> None:
    splats = some()
    cloud = cloud_of(splats)
    if fault == "one per cent":
        wrong = cloud.covariances * 1.01**2
    else:
        R = rotations_of(splats).transpose(0, 2, 1)
        wrong = R @ (np.exp(2 * splats.scales.astype(np.float64))[:, :, None] * R.transpose(0, 2, 1))
    assert covariance_error(wrong, splats) > 0.01


def test_what_nobody_sees_is_left_out() -> None:
    splats = some()
    splats.opacities[3] = -9.0  # 0.0001
    splats.rotations[5] = 0.0
    cloud = cloud_of(splats)
    kept = np.delete(np.arange(COUNT), [3, 5])
    np.testing.assert_allclose(cloud.centres, splats.positions[kept], rtol=1e-6)
    np.testing.assert_allclose(cloud.opacities, 1 / (1 + np.exp(-splats.opacities[kept])), rtol=1e-6)


def test_the_large_and_opaque_are_shown_first() -> None:
    splats = some(1000)
    splats.opacities[:500], splats.scales[:500] = -2.5, -7.0
    chosen = shown_most(splats, 300)
    assert len(chosen) == 300
    assert (chosen < 500).mean() < 0.05
    np.testing.assert_array_equal(chosen, shown_most(splats, 300))
    assert len(shown_most(splats, 5000)) == 1000


def test_a_scene_of_centres() -> None:
    splats = some(500)
    image = np.full((32, 32, 3), 120, np.uint8)
    scene = splat_scene("mouse", splats, [(camera("a"), image), (camera("b", 3.0), None)])
    assert scene.hull is not None
    assert len(scene.hull.points) == (1 / (1 + np.exp(-splats.opacities)) >= 0.05).sum()
    assert not scene.hull.normals.any(), "unshaded"
    for drawn in scene.cameras:  # the images stand where the intrinsics say
        wanted = np.array([[0, 0], [32, 0], [32, 32], [0, 32]], dtype=np.float64)
        np.testing.assert_allclose(drawn.camera.project(drawn.corners), wanted, atol=1e-9)
    assert scene.radius == pytest.approx(np.linalg.norm(scene.cameras[1].camera.centre - scene.centre))


def test_a_faint_one_has_the_colour_of_those_about_it() -> None:
    """Drawn alone and whole, pale haze would hide a dark animal."""
    splats = some(40)
    splats.harmonics[:], splats.opacities[:], splats.scales[:] = -1.0, 4.0, -4.0
    splats.harmonics[0], splats.opacities[0] = 1.0, -2.5
    splats.harmonics[1], splats.positions[1] = 1.0, 100.0  # far from all others, and opaque
    pale, dark = colours_of(splats)[0], colours_of(splats)[2]
    faint, far, opaque = blended(splats, np.array([0, 1, 2]))
    np.testing.assert_allclose(faint, dark, atol=0.02)
    assert (pale - far < 0.9 * (pale - dark)).all(), "its own counts among the eight"
    np.testing.assert_allclose(opaque, dark, atol=0.02)
    np.testing.assert_array_equal(blended(some(1), np.array([0])), colours_of(some(1)))


def test_a_scene_of_nothing() -> None:
    scene = splat_scene("empty", some(0), [(camera(), None)])
    assert scene.hull is None
    assert splat_scene("empty", some(0), []).radius > 0


def test_both_formats_are_read(tmp_path: Path) -> None:
    splats = some()
    write_ply(tmp_path / "a.ply", splats)
    write_splat(tmp_path / "a.splat", splats)
    np.testing.assert_array_equal(read_splats(tmp_path / "a.ply").positions, splats.positions)
    assert len(read_splats(tmp_path / "a.splat")) == COUNT
    with pytest.raises(DatasetError, match=r"expected a file of Gaussians, \.ply or \.splat, got \.obj"):
        read_splats(tmp_path / "a.obj")


def test_which_cameras_stand_beside(tmp_path: Path, sample_folder: Callable[..., Path]) -> None:
    sample = sample_folder(tmp_path / "data/sample_4")
    write_ply(tmp_path / "alone.ply", some())
    assert is_splats(tmp_path / "alone.ply")
    assert not is_splats(sample)
    assert sources_of(tmp_path / "alone.ply")[0].cameras is None
    assert sources_of(tmp_path / "alone.ply", str(sample))[0].cameras == sample
    with pytest.raises(DatasetError, match=r"--sample .*nowhere: expected a sample"):
        sources_of(tmp_path / "alone.ply", str(tmp_path / "nowhere"))
    for name in ("sample_1", "sample_2"):
        folder = sample_folder(tmp_path / "recon" / name, "cameras.json")
        write_ply(folder / "gaussians.ply", some())
    assert [source.name for source in sources_of(tmp_path / "recon")] == ["sample_1", "sample_2"]
    one = sources_of(tmp_path / "recon/sample_2")[0]
    assert (one.name, one.cameras) == ("sample_2", tmp_path / "recon/sample_2")
    assert sources_of(tmp_path / "recon/sample_2/gaussians.ply")[0].cameras == tmp_path / "recon/sample_2"
    with pytest.raises(DatasetError, match=r"expected a \.ply or \.splat of Gaussians"):
        sources_of(sample)


@pytest.mark.parametrize("file", ["opencv_cameras.json", "cameras.json"])
def test_cameras_and_images(tmp_path: Path, sample_folder: Callable[..., Path], file: str) -> None:
    found = cameras_of(sample_folder(tmp_path / "sample_1", file))
    assert [c.name for c, _ in found] == ["cam0", "cam1"]
    np.testing.assert_allclose(found[0][0].K, camera().K)
    image = found[0][1]
    assert image is not None
    assert tuple(image[16, 16]) == (200, 90, 30)


@pytest.mark.skipif(importlib.util.find_spec("viser") is None, reason="viser is not installed")
def test_served(tmp_path: Path, sample_folder: Callable[..., Path]) -> None:
    for name in ("sample_1", "sample_2"):
        write_ply(sample_folder(tmp_path / "recon" / name, "cameras.json") / "gaussians.ply", some())
    with SplatView(tmp_path / "recon", port=0, sample="sample_2") as live:
        assert "<b>sample_2</b></p><p>2 of 2</p>" in live.words.content
        assert "40 of 40 Gaussians" in live.words.content
        live.show(0)
        assert "<b>sample_1</b>" in live.words.content
        assert "2 cameras" in live.words.content
    broken = some()
    broken.opacities[7] = np.nan
    write_ply(tmp_path / "broken.ply", broken)
    with SplatView(tmp_path / "broken.ply", port=0) as live:
        assert "39 of 39 Gaussians" in live.words.content
        assert "1 of 40 Gaussians left out: 1 with numbers that are not finite" in live.words.content
    write_ply(tmp_path / "empty.ply", some(0))
    with SplatView(tmp_path / "empty.ply", port=0) as live:
        assert "It holds no Gaussians" in live.words.content
    active = replace(some(), opacities=opacities_of(some()).astype(np.float32), scales=np.exp(some().scales))
    write_ply(tmp_path / "active.ply", active)
    with pytest.raises(DatasetError, match="--activated both"):
        SplatView(tmp_path / "active.ply", port=0)
    with SplatView(tmp_path / "active.ply", port=0, activated="both") as live:
        assert "Read as activated values, as told: opacities and scales; rotations are taken" in live.words.content
    with SplatView(tmp_path / "active.ply", port=0, activated="both", read_as=("xyzw",)) as live:
        assert "Read as xyzw, as told." in live.words.content
        assert "Read as activated values, as told: opacities and scales." in live.words.content
    with pytest.raises(DatasetError, match="no sample is called sample_9"):
        SplatView(tmp_path / "recon", port=0, sample="sample_9")
    (tmp_path / "recon/sample_1/gaussians.ply").write_bytes(b"ply\nno")
    with pytest.raises(DatasetError, match=r"expected a \.ply file"):
        SplatView(tmp_path / "recon", port=0)
