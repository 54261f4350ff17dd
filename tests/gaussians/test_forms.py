"""Colours 0..1, scales to base 10, w last: noticed where they show, read when told; scenes as trained never doubted."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from mouselift.errors import DatasetError
from mouselift.export import options as export_options
from mouselift.gaussians.files import SH_DC, Splats, read_splats
from mouselift.gaussians.forms import Form, check_told
from mouselift.reconstruct import options
from ply_file import Rows, columns_of, ply_file, vertices


def animal(seed: int = 0, count: int = 2000, unit: float = 1.0) -> Splats:
    """Trained Gaussians on a surface 1 across: colours of a grey coat with highlights and shade, sizes that overlap."""
    rng = np.random.default_rng(seed)
    positions = rng.normal(size=(count, 3))
    positions *= 0.5 / np.linalg.norm(positions, axis=1, keepdims=True)
    spacing = 1 / np.sqrt(count)
    grey = rng.uniform(0.1, 0.8) + rng.normal(0, rng.uniform(0.08, 0.2), (count, 1)) + rng.normal(0, 0.02, (count, 3))
    return Splats(
        (unit * positions).astype(np.float32),
        ((grey - 0.5) / SH_DC)[:, None].astype(np.float32),
        rng.normal(1, 3, count).astype(np.float32),
        (np.log(unit * spacing * rng.uniform(0.4, 3)) + rng.normal(0, 0.7, (count, 3))).astype(np.float32),
        rng.normal(size=(count, 4)).astype(np.float32),
    )


def written(path: Path, splats: Splats, **columns: np.ndarray) -> Path:
    path.write_bytes(ply_file([vertices(columns_of(splats) | columns)]))
    return path


def dc_columns(values: np.ndarray) -> dict[str, np.ndarray]:
    return {f"f_dc_{i}": values[:, i] for i in range(3)}


def colours_of(splats: Splats) -> np.ndarray:
    return np.clip(splats.harmonics[:, 0] * SH_DC + 0.5, 0, 1)


@pytest.mark.parametrize("unit", [1e-3, 0.1, 1.0, 100.0, 1000.0])
@pytest.mark.parametrize("count", [3, 50, 300, 5000])
def test_scenes_as_trained_are_never_doubted(tmp_path: Path, unit: float, count: int) -> None:
    for seed in range(6):
        got = read_splats(written(tmp_path / "a.ply", animal(seed, count, unit)))
        inside = count >= 10 and got.harmonics.min() >= 0 and got.harmonics.max() <= 1
        assert not got.notes or (inside and all("f_dc all lie in 0..1" in note for note in got.notes))
        assert not (inside and count > 1000)


def test_a_grey_coat_within_0_to_1_is_read_as_it_is_and_the_other_reading_is_named(tmp_path: Path) -> None:
    splats = animal()
    dc = np.clip(0.5 + 0.1 * np.random.default_rng(1).normal(size=(len(splats), 3)), 0.05, 0.95).astype(np.float32)
    got = read_splats(written(tmp_path / "a.ply", splats, **dc_columns(dc)))
    np.testing.assert_array_equal(got.harmonics[:, 0], dc)
    (note,) = got.notes
    assert note.startswith("f_dc all lie in 0..1 (0.")
    assert note.endswith("if they are colours themselves, --read-as colours")


@pytest.mark.parametrize("digits", [None, 4, 3])
def test_bytes_by_255_are_asked_about_and_read_when_told(tmp_path: Path, digits: int | None) -> None:
    splats = animal()
    bytes_ = np.rint(255 * colours_of(splats))
    stored = bytes_ / 255 if digits is None else np.round(bytes_ / 255, digits)
    file = written(tmp_path / "a.ply", splats, **dc_columns(stored.astype(np.float32)))
    with pytest.raises(DatasetError, match=r"look like colours.* --read-as colours .* --activated none"):
        read_splats(file)
    got = read_splats(file, read_as=("colours",))
    np.testing.assert_allclose(colours_of(got), stored, atol=1e-6)
    assert got.notes == ("read as colours, as told; rotations are taken to have w first (else --read-as xyzw)",)
    assert not read_splats(file, "none").notes


@pytest.mark.parametrize(("unit", "count"), [(1e-3, 300), (0.1, 5000), (1.0, 50_000)])
def test_scales_to_base_10_are_noticed_and_read_when_told(tmp_path: Path, unit: float, count: int) -> None:
    splats = animal(1, count, unit)
    stored = {f"scale_{i}": splats.scales[:, i] / np.float32(np.log(10)) for i in range(3)}
    file = written(tmp_path / "a.ply", splats, **stored)
    (note,) = read_splats(file).notes
    assert note.endswith("read as natural ones; if they are not, --read-as log10")
    np.testing.assert_allclose(read_splats(file, read_as=("log10",)).scales, splats.scales, rtol=1e-5, atol=1e-5)


def test_w_last_is_read_when_told(tmp_path: Path) -> None:
    splats = animal()
    stored = {f"rot_{i}": splats.rotations[:, (i + 1) % 4] for i in range(4)}
    got = read_splats(written(tmp_path / "a.ply", splats, **stored), read_as=("xyzw",))
    np.testing.assert_array_equal(got.rotations, splats.rotations)
    assert got.notes == ("read as xyzw, as told",)


@pytest.mark.parametrize("names", [("red", "green", "blue"), ("r", "g", "b")])
@pytest.mark.parametrize(
    ("kind", "most"), [("float", 1), ("double", 1), ("float", 255), ("uchar", 255), ("ushort", 65535)]
)
def test_colours_without_harmonics(tmp_path: Path, names: tuple[str, ...], kind: str, most: int) -> None:
    splats = animal(count=40)
    levels = np.rint(255 * colours_of(splats)) / 255 * most
    levels[0], levels[1] = 0, most
    columns = {key: value for key, value in columns_of(splats).items() if not key.startswith("f_dc")}
    rows = np.stack([np.asarray(each, float) for each in [*columns.values(), *levels.T]], axis=1)
    whole = kind.startswith("u")
    properties = [*(("float", name) for name in columns), *((kind, name) for name in names)]
    as_rows = [[*row[:-3], *(int(v) if whole else v for v in row[-3:])] for row in rows.tolist()]
    (tmp_path / "a.ply").write_bytes(ply_file([Rows("vertex", properties, as_rows)]))
    got = read_splats(tmp_path / "a.ply")
    np.testing.assert_allclose(colours_of(got), levels / most, atol=1e-6)
    scale = {"uchar": "8 bits each", "ushort": "16 bits each"}.get(kind, f"0 to {most} each")
    assert got.notes == (f"colours are those of {names[0]}, {names[1]} and {names[2]}, {scale}: there is no f_dc",)


def test_colours_beyond_any_scale_are_refused(tmp_path: Path) -> None:
    splats = animal(count=40)
    columns = {key: value for key, value in columns_of(splats).items() if not key.startswith("f_dc")}
    for low, high in ((-1.0, 1.0), (0.0, 300.0)):
        ramp = np.linspace(low, high, 40)
        (tmp_path / "a.ply").write_bytes(ply_file([vertices(columns | {"red": ramp, "green": ramp, "blue": ramp})]))
        with pytest.raises(
            DatasetError, match="expected red, green, blue as bytes, or as numbers of 0 to 1 or 0 to 255"
        ):
            read_splats(tmp_path / "a.ply")


def test_the_options_name_every_form() -> None:
    """`--help` lists them without loading NumPy."""
    assert get_args(options.Form) == get_args(export_options.Form) == get_args(Form)
    with pytest.raises(DatasetError, match=r"--read-as says how .* expected --gaussians with it"):
        options.EvaluateOptions(checkpoint=Path("a.pt"), read_as=("log10",))
    with pytest.raises(DatasetError, match="expected words of colours, log10, xyzw, got 'log2'"):
        check_told(("log2",))
