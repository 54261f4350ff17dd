"""SuperSplat's compressed `.ply`: read as splat-transform unpacks it, to the bit; other versions are refused by name.

tests/golden/splat_transform.compressed.ply and .ply: 260 random Gaussians of degree 1, packed and unpacked again by
splat-transform 2.7.1 (npx @playcanvas/splat-transform IN OUT).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mouselift.errors import DatasetError
from mouselift.gaussians.files import Splats, read_splats

GOLDEN = Path(__file__).parents[1] / "golden"
PACKED = GOLDEN / "splat_transform.compressed.ply"
RANGES = [f"{end}_{part}{axis}" for part in ("", "scale_") for end in ("min", "max") for axis in "xyz"]


def words(*fields: tuple[np.ndarray, int]) -> np.ndarray:
    """Whole numbers, the first on top, as words of 32 bits."""
    out = np.zeros(len(fields[0][0]), np.uint32)
    for values, bits in fields:
        out = (out << np.uint32(bits)) | values.astype(np.uint32)
    return out


def test_golden() -> None:
    got, want = read_splats(PACKED), read_splats(GOLDEN / "splat_transform.ply")
    assert got.harmonics.shape == (260, 4, 3)
    for name in ("positions", "harmonics", "opacities", "scales", "rotations"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name), err_msg=name)
    assert not got.notes
    assert np.isfinite(got.opacities).all()


def packed(count: int, seed: int = 0) -> tuple[bytes, Splats]:
    """The older form, without colours' ranges, packed by hand: the file and what is in it."""
    rng = np.random.default_rng(seed)
    chunks = -(-count // 256)
    low, high = rng.normal(-4, 1, (chunks, 6)), rng.normal(4, 1, (chunks, 6))
    table = np.concatenate([low[:, :3], high[:, :3], low[:, 3:], high[:, 3:]], axis=1).astype("<f4")
    places = rng.integers(0, [2048, 1024, 2048] * 2, (count, 6))
    levels = rng.integers(0, 256, (count, 4))
    largest = rng.integers(0, 4, count)
    thirds = rng.integers(300, 724, (count, 3))  # all below 1/2: the other one is the largest
    vertices = np.stack(
        [
            words((places[:, 0], 11), (places[:, 1], 10), (places[:, 2], 11)),
            words((largest, 2), *((thirds[:, k], 10) for k in range(3))),
            words((places[:, 3], 11), (places[:, 4], 10), (places[:, 5], 11)),
            words(*((levels[:, k], 8) for k in range(4))),
        ],
        axis=1,
    ).astype("<u4")
    own = np.arange(count) // 256
    share = places / np.array([2047, 1023, 2047] * 2)
    low, high = (np.concatenate([table[own, a : a + 3], table[own, a + 6 : a + 9]], axis=1) for a in (0, 3))
    inside = low + (high - low) * share
    small = (thirds / 1023 - 0.5) * 2**0.5
    turns = [np.insert(s, w, (1 - s @ s) ** 0.5) for s, w in zip(small, largest, strict=True)]
    opacity = levels[:, 3].clip(0.5, 254.5) / 255
    want = (
        inside[:, :3],
        (levels[:, None, :3] / 255 - 0.5) / 0.28209479177387814,
        np.log(opacity / (1 - opacity)),
        inside[:, 3:],
        np.array(turns).reshape(count, 4),
    )
    header = ["ply", "format binary_little_endian 1.0", f"element chunk {chunks}"]
    header += [f"property float {name}" for name in RANGES] + [f"element vertex {count}"]
    header += [f"property uint packed_{name}" for name in ("position", "rotation", "scale", "color")]
    text = "\n".join([*header, "end_header", ""]).encode()
    return text + table.tobytes() + vertices.tobytes(), Splats(*(part.astype(np.float32) for part in want))


@pytest.mark.parametrize("count", [1, 256, 257, 700])
def test_by_hand(tmp_path: Path, count: int) -> None:
    data, want = packed(count)
    (tmp_path / "a.compressed.ply").write_bytes(data)
    got = read_splats(tmp_path / "a.compressed.ply")
    for name in ("positions", "harmonics", "opacities", "scales", "rotations"):
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"property float min_x", b"property float low_x", "expected element `chunk` with 2 rows"),
        (b"element chunk 2", b"element piece 2", "got piece: 2 of 18 properties; vertex: 260 of 4 properties"),
        (b"property uchar f_rest_3\n", b"property uchar f_rest_9\n", "expected element `sh` with 260 rows"),
        (b"property uint packed_scale", b"property float packed_scale", "of type uint"),
    ],
)
def test_another_version_is_refused_with_the_line_that_converts(
    tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    data = PACKED.read_bytes()
    assert old in data
    (tmp_path / "a.ply").write_bytes(data.replace(old, new, 1))
    with pytest.raises(DatasetError, match=message) as caught:
        read_splats(tmp_path / "a.ply")
    assert "npx @playcanvas/splat-transform a.ply plain.ply" in str(caught.value)


def test_cut_short(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(PACKED.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"element `sh`.*Copy it again"):
        read_splats(tmp_path / "a.ply")


def test_a_bad_chunk_costs_its_gaussians(tmp_path: Path) -> None:
    data, _ = packed(300)
    start = data.index(b"end_header\n") + len(b"end_header\n")
    (tmp_path / "a.ply").write_bytes(data[: start + 48] + np.array([np.nan], "<f4").tobytes() + data[start + 52 :])
    got = read_splats(tmp_path / "a.ply")
    assert len(got) == 256
    assert got.notes[0].startswith("44 of 300 Gaussians left out: 44 with numbers that are not finite; the first is")


def test_an_element_without_properties(tmp_path: Path) -> None:
    """gsplat writes `sh` for degree 0, too: rows of no bytes."""
    data, want = packed(40)
    (tmp_path / "a.ply").write_bytes(data.replace(b"end_header", b"element sh 40\nend_header"))
    got = read_splats(tmp_path / "a.ply")
    assert got.harmonics.shape == (40, 1, 3)
    np.testing.assert_allclose(got.positions, want.positions, rtol=1e-5, atol=1e-5)


def test_no_gaussians(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(packed(0)[0])
    got = read_splats(tmp_path / "a.ply")
    assert len(got) == 0
    assert got.notes == ("it holds no Gaussians (element `vertex` has 0 rows)",)
