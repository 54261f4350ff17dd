"""`.ply` of Gaussians: the reference's layout of 62 floats, or the release's byte for byte; damage is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mouselift.errors import DatasetError, OutputError
from mouselift.gaussians.files import Splats, ply_bytes, read_ply, write_ply

GOLDEN = Path(__file__).parents[1] / "golden"


def made(count: int = 7, harmonics: int = 1, seed: int = 0) -> Splats:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return Splats(normal(count, 3), normal(count, harmonics, 3), normal(count), normal(count, 3) - 3, normal(count, 4))


def same(a: Splats, b: Splats) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("positions", "harmonics", "opacities", "scales", "rotations")
    )


@pytest.fixture(scope="module")
def golden() -> Splats:
    with np.load(GOLDEN / "tiny_ply_inputs.npz") as data:
        return Splats(data["xyz"], data["features"], data["opacity"][:, 0], data["scaling"], data["rotation"])


def test_golden_bytes(golden: Splats) -> None:
    assert ply_bytes(golden, colour_bytes=True) == (GOLDEN / "tiny.ply").read_bytes()


def test_golden_values(golden: Splats) -> None:
    assert same(read_ply(GOLDEN / "tiny.ply"), golden)


@pytest.mark.parametrize("harmonics", [1, 4, 9, 16])
def test_round_trip(tmp_path: Path, harmonics: int) -> None:
    splats = made(harmonics=harmonics)
    write_ply(tmp_path / "a.ply", splats)
    assert same(read_ply(tmp_path / "a.ply"), splats)


def test_higher_harmonics_are_stored_colour_by_colour() -> None:
    splats = made(1, 4)
    table = ply_bytes(splats).split(b"end_header\n")[1]
    rest = np.frombuffer(table, "<f4", count=45, offset=4 * (3 + 3 + 3)).reshape(3, 15)
    assert np.array_equal(rest[:, :3], splats.harmonics[0, 1:].T)
    assert not rest[:, 3:].any()


def test_other_order_normals_and_doubles(tmp_path: Path) -> None:
    splats = made(5)
    names = ["rot_3", "rot_2", "rot_1", "rot_0", "nx", "opacity", "z", "y", "x"]
    names += [f"scale_{i}" for i in range(3)] + [f"f_dc_{i}" for i in range(3)]
    table = np.zeros(5, dtype=[(name, "<f8") for name in names])
    for i in range(4):
        table[f"rot_{i}"] = splats.rotations[:, i]
    for i, name in enumerate("xyz"):
        table[name] = splats.positions[:, i]
        table[f"scale_{i}"], table[f"f_dc_{i}"] = splats.scales[:, i], splats.harmonics[:, 0, i]
    table["opacity"] = splats.opacities
    lines = ["ply", "format binary_little_endian 1.0", "comment by hand", "element vertex 5"]
    header = "\n".join([*lines, *(f"property double {name}" for name in names), "end_header", ""])
    (tmp_path / "a.ply").write_bytes(header.encode() + table.tobytes())
    assert same(read_ply(tmp_path / "a.ply"), splats)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_ply(tmp_path / "a.ply", made())
    with pytest.raises(OutputError, match="exists already"):
        write_ply(tmp_path / "a.ply", made(seed=1))
    assert same(read_ply(tmp_path / "a.ply"), made())
    assert [file.name for file in tmp_path.iterdir()] == ["a.ply"]


def test_no_splats_at_all(tmp_path: Path) -> None:
    write_ply(tmp_path / "a.ply", made(0))
    assert len(read_ply(tmp_path / "a.ply")) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ply\n", b"plx\n", "expected a .ply file"),
        (b"binary_little_endian", b"binary_middle_endian", "expected format ascii, .*; got binary_middle_endian"),
        (b"binary_little_endian 1.0", b"binary_little_endian 2.0", "version 1.0; got .* 2.0"),
        (b"element vertex 7", b"element vertex 8", "cut short"),
        (b"element vertex 7", b"element vertex 6", r"the header \(6 of vertex\), got 248 bytes more; .* text mode"),
        (b"element vertex 7", b"element vertex many", "element vertex COUNT"),
        (b"element vertex 7", b"element vertex " + b"7" * 5000, "element vertex COUNT.*7\\.\\.\\."),
        (b"element vertex 7", b"element point 7", "expected an element `vertex`, got point"),
        (b"ply\nformat", b"ply\nproperty float x\nformat", "below an element; got `property float x`"),
        (b"property float opacity", b"property float density", "lack opacity"),
        (b"property float f_rest_44", b"property float other_44", "0, 9, 24 or 45"),
        (b"property float nx", b"property list nx", "number's type"),
        (b"property float nx", b"property half nx", "number's type.*got `property half nx`"),
        (b"property float nx", b"property list float int nx", "number's type"),
        (b"property float scale_1", b"property float scale_0", "malformed"),
        (b"end_header", b"no_ending!", "up to `end_header`"),
    ],
)
def test_bad_files(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    file = tmp_path / "bad.ply"
    file.write_bytes(ply_bytes(made()).replace(old, new, 1))
    with pytest.raises(DatasetError, match=message) as caught:
        read_ply(file)
    assert "bad.ply" in str(caught.value)


def test_cut_short(tmp_path: Path) -> None:
    (tmp_path / "half.ply").write_bytes(ply_bytes(made())[:-1])
    with pytest.raises(DatasetError, match="Copy it again"):
        read_ply(tmp_path / "half.ply")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file"):
        read_ply(tmp_path / "none.ply")


def test_harmonics_of_no_degree() -> None:
    with pytest.raises(ValueError, match="1, 4, 9 or 16"):
        made(harmonics=5)


def test_every_reader_that_counts_floats_is_served() -> None:
    """As the viewer of the 3DGS reference and gsply read: 62 floats a row, their names not looked at or counted."""
    splats = made(5, 16)
    header, content = ply_bytes(splats).split(b"end_header\n", 1)
    properties = [line.split() for line in header.decode().splitlines() if line.startswith("property")]
    assert {kind for _, kind, _ in properties} == {"float"}
    names = [name for _, _, name in properties]
    assert names[:9] == ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    assert names[9:54] == [f"f_rest_{i}" for i in range(45)]
    assert names[54:] == ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    rows = np.frombuffer(content, "<f4").reshape(5, 62)
    assert np.array_equal(rows[:, :3], splats.positions)
    assert not rows[:, 3:6].any()
    assert np.array_equal(rows[:, 9:54].reshape(5, 3, 15).transpose(0, 2, 1), splats.harmonics[:, 1:])
    assert np.array_equal(rows[:, 54], splats.opacities)
    assert np.array_equal(rows[:, 58:], splats.rotations)


@pytest.mark.parametrize("colour_bytes", [False, True])
def test_both_layouts_hold_the_same(tmp_path: Path, colour_bytes: bool) -> None:
    write_ply(tmp_path / "a.ply", made(6, 9), colour_bytes)
    assert same(read_ply(tmp_path / "a.ply"), made(6, 9))
    assert not read_ply(tmp_path / "a.ply").notes
