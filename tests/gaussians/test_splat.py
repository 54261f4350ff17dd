"""`.splat`: read back to within its 8 bits; the most visible first; damage refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mouselift.errors import DatasetError
from mouselift.gaussians.files import SH_DC, Splats, read_splat
from splat_file import splat_bytes, write_splat


@pytest.fixture
def splats() -> Splats:
    rng = np.random.default_rng(3)
    rotations = rng.normal(size=(9, 4)).astype(np.float32)
    colours = rng.uniform(0, 1, (9, 1, 3))
    return Splats(
        rng.normal(size=(9, 3)).astype(np.float32),
        ((colours - 0.5) / SH_DC).astype(np.float32),
        rng.normal(size=9).astype(np.float32),
        rng.uniform(-4, -2, (9, 3)).astype(np.float32),
        rotations,
    )


def test_round_trip_to_a_level(tmp_path: Path, splats: Splats) -> None:
    write_splat(tmp_path / "a.splat", splats)
    back = read_splat(tmp_path / "a.splat")
    order = [int(np.flatnonzero((splats.positions == p).all(axis=1))[0]) for p in back.positions]
    assert sorted(order) == list(range(9))
    np.testing.assert_allclose(back.scales, splats.scales[order], atol=1e-6)
    np.testing.assert_allclose(SH_DC * back.harmonics, SH_DC * splats.harmonics[order], atol=0.502 / 255)
    opacity = 1 / (1 + np.exp(-splats.opacities[order]))
    np.testing.assert_allclose(1 / (1 + np.exp(-back.opacities)), opacity, atol=0.502 / 255)
    unit = splats.rotations[order] / np.linalg.norm(splats.rotations[order], axis=1, keepdims=True)
    np.testing.assert_allclose(back.rotations, unit, atol=1.001 / 128)


def test_the_most_visible_come_first(splats: Splats) -> None:
    table = np.frombuffer(splat_bytes(splats), dtype=np.uint8).reshape(-1, 32)
    scale = table[:, 12:24].copy().view("<f4").prod(axis=1)
    visible = scale * table[:, 27] / 255
    assert (np.diff(visible) <= 0.01 * visible[:-1]).all()


def test_full_and_empty_opacity_stay_finite(tmp_path: Path, splats: Splats) -> None:
    splats.opacities[:2] = 40, -40
    write_splat(tmp_path / "a.splat", splats)
    assert np.isfinite(read_splat(tmp_path / "a.splat").opacities).all()


def test_one_bad_record_costs_one(tmp_path: Path, splats: Splats) -> None:
    data = bytearray(splat_bytes(splats))
    data[32 * 4 : 32 * 4 + 4] = np.array([np.nan], "<f4").tobytes()
    data[32 * 6 + 12 : 32 * 6 + 16] = np.array([0], "<f4").tobytes()
    (tmp_path / "a.splat").write_bytes(data)
    got = read_splat(tmp_path / "a.splat")
    write_splat(tmp_path / "whole.splat", splats)
    whole = read_splat(tmp_path / "whole.splat")
    assert np.array_equal(got.positions, whole.positions[[0, 1, 2, 3, 5, 7, 8]])
    assert got.notes[0].startswith("2 of 9 records left out")
    assert got.notes[0].endswith("the first is record 4")
    (tmp_path / "none.splat").touch()
    assert read_splat(tmp_path / "none.splat").notes == ("it holds no Gaussians (0 bytes)",)
    (tmp_path / "none.splat").unlink()


def test_refusals(tmp_path: Path, splats: Splats) -> None:
    (tmp_path / "half.splat").write_bytes(splat_bytes(splats)[:-5])
    with pytest.raises(DatasetError, match="cut short"):
        read_splat(tmp_path / "half.splat")
    (tmp_path / "zero.splat").write_bytes(bytes(64) + splat_bytes(splats)[:64])
    with pytest.raises(DatasetError, match=r"record 0 .* 2 of 4 records. Not a \.splat"):
        read_splat(tmp_path / "zero.splat")
    (tmp_path / "zero.splat").write_bytes(bytes(64))
    with pytest.raises(DatasetError, match=r"Not a \.splat"):
        read_splat(tmp_path / "zero.splat")
    with pytest.raises(DatasetError, match="No such file"):
        read_splat(tmp_path / "none.splat")
    rich = Splats(
        splats.positions, np.repeat(splats.harmonics, 4, axis=1), splats.opacities, splats.scales, splats.rotations
    )
    with pytest.raises(ValueError, match="degree 1"):
        write_splat(tmp_path / "rich.splat", rich)
    splats.rotations[4] = 0
    with pytest.raises(ValueError, match="Gaussian 4 has length zero"):
        write_splat(tmp_path / "turned.splat", splats)
