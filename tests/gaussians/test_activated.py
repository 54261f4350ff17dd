"""Activated values in a `.ply` are noticed and asked about; stored ones, of any world's size, never are."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from mouselift.errors import DatasetError
from mouselift.gaussians.activated import Activated, seemingly_activated
from mouselift.gaussians.files import Splats, read_splats
from mouselift.reconstruct import options
from ply_file import columns_of, ply_file, vertices


def cloud(unit: float = 1.0, count: int = 400, seed: int = 0) -> Splats:
    """An animal 1.2 long with Gaussians of 1 % of it, in a world where that is `unit` times as much."""
    rng = np.random.default_rng(seed)
    parts = (
        unit * rng.normal(0, 0.3, (count, 3)),
        rng.normal(0, 1, (count, 1, 3)),
        rng.normal(1, 3, count),
        np.log(unit * 0.012) + rng.normal(0, 0.5, (count, 3)),
        rng.normal(0, 1, (count, 4)),
    )
    return Splats(*(part.astype(np.float32) for part in parts))


def file_of(path: Path, splats: Splats, activated: Activated) -> Path:
    columns = columns_of(splats)
    if activated in ("opacities", "both"):
        columns["opacity"] = 1 / (1 + np.exp(-columns["opacity"].astype(np.float64)))
    if activated in ("scales", "both"):
        columns |= {f"scale_{i}": np.exp(columns[f"scale_{i}"].astype(np.float64)) for i in range(3)}
    path.write_bytes(ply_file([vertices(columns)]))
    return path


@pytest.mark.parametrize("activated", ["opacities", "scales", "both"])
@pytest.mark.parametrize("unit", [0.01, 1.0, 100.0])  # of the world: metres, FaceLift's, millimetres
def test_asked_about_and_read_when_told(tmp_path: Path, activated: Activated, unit: float) -> None:
    splats = cloud(unit)
    file = file_of(tmp_path / "a.ply", splats, activated)
    with pytest.raises(DatasetError, match=f"a.ply: expected logits .* --activated {activated} .* --activated none"):
        read_splats(file)
    got = read_splats(file, activated)
    np.testing.assert_allclose(got.opacities, splats.opacities, atol=2e-3, rtol=1e-3)
    np.testing.assert_allclose(got.scales, splats.scales, atol=1e-5)
    assert got.notes[0].startswith("read as activated values, as told: ")
    as_they_are = read_splats(file, "none")
    assert not as_they_are.notes
    if activated == "both":
        np.testing.assert_allclose(as_they_are.scales, np.exp(splats.scales), rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-3, 0.01, 1.0, 100.0, 300.0, 1000.0, 1e5])
@pytest.mark.parametrize("count", [1, 3, 30, 400])
def test_stored_values_are_not_asked_about(unit: float, count: int) -> None:
    """In a world of 1000 units and more all logarithms are positive."""
    for seed in range(50):
        splats = cloud(unit, count, seed)
        found = seemingly_activated(splats.opacities, splats.scales, splats.positions)
        either = (splats.scales > 0).all() and ((splats.opacities >= 0) & (splats.opacities <= 1)).all()
        assert found == ("both" if either else "none")
        assert not (either and count > 3)  # of a few Gaussians alone nobody can tell


def test_the_first_step_of_a_fit_is_not_asked_about() -> None:
    """All opacities alike, all scales alike."""
    positions = np.random.default_rng(0).normal(size=(50, 3))
    for logit in (0.0, 0.4, 1.0):
        assert seemingly_activated(np.full(50, logit), np.full((50, 3), -3.0), positions) == "none"
    assert seemingly_activated(np.full(50, -2.2), np.full((50, 3), 0.4), 50 * positions) == "none"


def test_one_gaussian_without_opacity_or_size_costs_one(tmp_path: Path) -> None:
    file = file_of(tmp_path / "a.ply", cloud(), "both")
    columns = columns_of(read_splats(file, "none"))
    for row, name, value in ((3, "opacity", 1.5), (5, "scale_1", 0.0), (6, "scale_2", -0.1)):
        columns[name][row] = value
    columns["opacity"][7:9] = 0.0, 1.0  # of 0 and 1 exactly: held just inside
    file.write_bytes(ply_file([vertices(columns)]))
    got = read_splats(file, "both")
    assert len(got) == len(cloud()) - 3
    assert got.notes[1].startswith(
        "3 of 400 Gaussians left out: 3 with numbers that are not finite; the first is vertex 3"
    )


def test_bad_gaussians_do_not_hide_it(tmp_path: Path) -> None:
    file = file_of(tmp_path / "a.ply", cloud(), "both")
    columns = columns_of(read_splats(file, "none"))
    columns["opacity"][0], columns["scale_0"][1] = np.nan, -np.inf
    file.write_bytes(ply_file([vertices(columns)]))
    with pytest.raises(DatasetError, match="--activated both"):
        read_splats(file)


def test_the_options_name_every_value() -> None:
    """`--help` lists them without loading NumPy."""
    assert get_args(options.Activated) == get_args(Activated)
    with pytest.raises(DatasetError, match="expected --gaussians with it"):
        options.EvaluateOptions(checkpoint=Path("a.pt"), activated="both")
