"""`.ply` as other tools write it: each dialect gives the same Gaussians; one bad Gaussian costs that one."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mouselift.errors import DatasetError
from mouselift.gaussians.files import Splats, read_ply, read_splats
from mouselift.gaussians.ply import read_elements
from ply_file import LETTERS, ORDERS, Rows, columns_of, ply_file, vertices

FACES = Rows(
    "face", [("list", "uchar", "int", "vertex_indices"), ("float", "area")], [([0, 1, 2], 0.5), ([2, 1, 0], 0.25)]
)
RAGGED = Rows("face", [("uchar", "kind"), ("list", "uint", "short", "v")], [(1, [0, 1, 2]), (2, []), (3, [5, 6, 7, 8])])
CAMERA = Rows("camera", [("double", "fx"), ("short", "id")], [(700.5, 3)])


def made(count: int = 12, harmonics: int = 1, seed: int = 0) -> Splats:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return Splats(
        normal(count, 3), normal(count, harmonics, 3), 3 * normal(count), normal(count, 3) - 3, normal(count, 4)
    )


def check_same(got: Splats, want: Splats) -> None:
    for name in ("positions", "harmonics", "opacities", "scales", "rotations"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name), err_msg=name)


def read(tmp_path: Path, data: bytes) -> Splats:
    (tmp_path / "a.ply").write_bytes(data)
    return read_splats(tmp_path / "a.ply")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("nl", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("kind", ["float", "double"])
def test_orders_line_ends_and_types(tmp_path: Path, order: str, nl: str, kind: str) -> None:
    said = "comment end_header is not here\nobj_info made of 3 cameras\ncomment"
    got = read(tmp_path, ply_file([vertices(columns_of(made()), kind)], order, nl, said))
    check_same(got, made())
    assert not got.notes


def test_the_first_byte_of_the_content_is_no_line_end(tmp_path: Path) -> None:
    """After a header of CR lines, a number that begins with a line feed."""
    splats = made()
    splats.positions[0, 0] = np.frombuffer(b"\n\x00\x80\x3f", "<f4")[0]
    check_same(read(tmp_path, ply_file([vertices(columns_of(splats))], nl="\r")), splats)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("before", [(), (CAMERA,), (FACES, CAMERA), (RAGGED,)])
@pytest.mark.parametrize("after", [(), (Rows("extrinsic", [("float", "e")], [(0.5,)] * 16), FACES), (RAGGED,)])
def test_other_elements(tmp_path: Path, order: str, before: tuple[Rows, ...], after: tuple[Rows, ...]) -> None:
    before = tuple(Rows(f"{each.name}_before", each.properties, each.values) for each in before)
    got = read(tmp_path, ply_file([*before, vertices(columns_of(made())), *after], order))
    check_same(got, made())
    names = [each.name for each in (*before, *after)]
    assert got.notes == ((f"not used: elements {', '.join(names)}",) if names else ())


@pytest.mark.parametrize("order", ORDERS)
def test_lists_among_the_vertices(tmp_path: Path, order: str) -> None:
    element = vertices(columns_of(made()))
    element.properties.insert(5, ("list", "uchar", "float", "near"))
    element.values = [[*row[:5], [1.0] * (k % 3), *row[5:]] for k, row in enumerate(element.values)]
    got = read(tmp_path, ply_file([element], order))
    check_same(got, made())
    assert got.notes == ("not used: properties near",)


@pytest.mark.parametrize("harmonics", [1, 4, 9, 16])
@pytest.mark.parametrize(
    ("normals", "padded", "shuffled"),
    [(True, 3, False), (False, None, False), (True, None, True)],
    ids=["3DGS reference and nerfstudio", "gsplat, SuperSplat and Postshot", "any order"],
)
def test_degrees_and_producers(
    tmp_path: Path, harmonics: int, normals: bool, padded: int | None, shuffled: bool
) -> None:
    splats = made(harmonics=harmonics)
    columns = columns_of(splats, padded)
    if normals:
        columns |= {name: np.zeros(len(splats)) for name in ("nx", "ny", "nz")}
    names = np.random.default_rng(1).permutation(list(columns)).tolist() if shuffled else list(columns)
    got = read(tmp_path, ply_file([vertices({name: columns[name] for name in names})]))
    check_same(got, splats)
    assert not got.notes


def test_colours_as_bytes_in_place_of_harmonics(tmp_path: Path) -> None:
    """As nerfstudio exports them with `--ply-color-mode rgb`."""
    columns = columns_of(made())
    element = vertices({name: column for name, column in columns.items() if not name.startswith("f_dc")})
    levels = np.random.default_rng(2).integers(0, 256, (len(made()), 3))
    element.properties += [("uchar", name) for name in ("red", "green", "blue")]
    element.values = [[*row, *level] for row, level in zip(element.values, levels.tolist(), strict=True)]
    got = read(tmp_path, ply_file([element]))
    np.testing.assert_allclose(0.28209479177387814 * got.harmonics[:, 0] + 0.5, levels / 255, atol=1e-6)
    assert got.notes == ("colours are those of red, green and blue, 8 bits each: there is no f_dc",)


def test_blank_harmonics_beside_colours(tmp_path: Path) -> None:
    """f_dc that nobody filled in is no grey."""
    columns = columns_of(made())
    element = vertices({name: 0 * column if name.startswith("f_dc") else column for name, column in columns.items()})
    levels = np.random.default_rng(2).integers(0, 256, (len(made()), 3))
    element.properties += [("uchar", name) for name in ("red", "green", "blue")]
    element.values = [[*row, *level] for row, level in zip(element.values, levels.tolist(), strict=True)]
    got = read(tmp_path, ply_file([element]))
    np.testing.assert_allclose(0.28209479177387814 * got.harmonics[:, 0] + 0.5, levels / 255, atol=1e-6)
    assert got.notes == ("colours are those of red, green and blue, 8 bits each: f_dc is 0 everywhere",)


@pytest.mark.parametrize(
    ("name", "kind"), [("opacity", "uchar"), ("f_dc_1", "uchar"), ("rot_3", "char"), ("scale_0", "short")]
)
def test_steps_of_a_size_not_said_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    element = vertices(columns_of(made()))
    at = [each[-1] for each in element.properties].index(name)
    element.properties[at] = (kind, name)
    element.values = [[*row[:at], 100, *row[at + 1 :]] for row in element.values]
    with pytest.raises(DatasetError, match=f"expected {name} as float or double, got u?int"):
        read(tmp_path, ply_file([element]))


@pytest.mark.parametrize(("names", "said"), [(("opacity",), "opacities"), (("f_dc_0", "f_dc_1", "f_dc_2"), "f_dc")])
@pytest.mark.parametrize("highest", [100.0, 255.0])
def test_levels_in_floats_are_asked_about(tmp_path: Path, names: tuple[str, ...], said: str, highest: float) -> None:
    """0 to 255 as floats: as logits all would be opaque, as harmonics all white."""
    rng = np.random.default_rng(3)
    levels = {name: (rng.random(len(made())) * highest).astype(np.float32) for name in names}
    data = ply_file([vertices({**columns_of(made()), **levels})])
    with pytest.raises(DatasetError, match=f"{said} from .* look like levels"):
        read(tmp_path, data)
    assert len(read_ply(tmp_path / "a.ply", "none")) == len(made())


def test_what_is_not_used_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    columns = {**columns_of(made()), "filter_3D": np.ones(12), "label": np.ones(12)}
    with caplog.at_level(logging.WARNING, "mouselift"):
        got = read(tmp_path, ply_file([vertices(columns)]))
    assert "filter_3D of Mip-Splatting is not applied" in got.notes[0]
    assert got.notes[1] == "not used: properties label"
    assert [record.getMessage() for record in caplog.records] == [f"{tmp_path / 'a.ply'}: {n}" for n in got.notes]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["x", "f_dc_1", "f_rest_8", "opacity", "scale_1", "rot_3"])
def test_one_bad_gaussian_costs_one(tmp_path: Path, order: str, value: float, name: str) -> None:
    splats = made(harmonics=4)
    columns = {key: column.copy() for key, column in columns_of(splats).items()}
    columns[name][3] = value
    text = ply_file([vertices(columns)], order)
    got = read(tmp_path, text)
    check_same(got, splats.taken(np.arange(12) != 3))
    assert got.notes == (
        f"1 of 12 Gaussians left out: 1 with numbers that are not finite; the first is vertex 3: {name} = {value}",
    )


def test_numbers_beyond_float32_and_words_of_windows(tmp_path: Path) -> None:
    columns = {name: column.astype(float) for name, column in columns_of(made()).items()}
    columns["y"][5] = 1e300
    assert "vertex 5: y = inf" in read(tmp_path, ply_file([vertices(columns, "double")])).notes[0]
    text = ply_file([vertices(columns_of(made()))], "ascii").decode().split("\n")
    for line, word in ((-3, "-nan(ind)"), (-5, "1.#QNAN"), (-6, "NaN")):
        text[line] = " ".join([word, *text[line].split()[1:]])
    assert read(tmp_path, "\n".join(text).encode()).notes[0].startswith("3 of 12 Gaussians left out")


def test_all_bad_is_refused(tmp_path: Path) -> None:
    columns = {**columns_of(made()), "scale_2": np.full(12, -np.inf)}
    with pytest.raises(DatasetError, match=r"none is sound: 12 of 12 .* vertex 0: scale_2 = -inf"):
        read(tmp_path, ply_file([vertices(columns)]))


def test_rotations_of_any_length(tmp_path: Path) -> None:
    splats = made()
    splats.rotations[:4] *= np.array([[1e-30], [1e30], [0.0], [50.0]], np.float32)
    got = read(tmp_path, ply_file([vertices(columns_of(splats))]))
    assert got.notes == ("1 of 12 Gaussians left out: 1 with a rotation of length zero; the first is vertex 2",)
    np.testing.assert_allclose(np.linalg.norm(got.rotations[:2], axis=1), 1, rtol=1e-6)
    want = made().rotations[:2] / np.linalg.norm(made().rotations[:2], axis=1, keepdims=True)
    np.testing.assert_allclose(got.rotations[:2], want, rtol=1e-5)
    np.testing.assert_array_equal(got.rotations[2:], splats.rotations[3:])


def test_infinite_opacities_of_files_that_were_compressed(tmp_path: Path) -> None:
    """splat-transform unpacks bytes 0 and 255 to infinite logits; the other opacities are whole levels there."""
    levels = np.array([255, 0, 1, 254, 128, 77, 200, 3, 255, 255, 90, 12]) / 255
    with np.errstate(divide="ignore"):
        columns = {**columns_of(made()), "opacity": -np.log(1 / levels - 1)}
    got = read(tmp_path, ply_file([vertices(columns)]))
    assert got.notes == ("opacities are bytes: 4 of 12 are infinite logits (0 or 255), read half a level inside",)
    np.testing.assert_allclose(1 / (1 + np.exp(-got.opacities)), levels, atol=0.51 / 255)


@pytest.mark.parametrize("order", ORDERS)
def test_cut_at_any_place_is_refused(tmp_path: Path, order: str) -> None:
    """Text: at any line's end, and in a line."""
    data = ply_file([FACES, vertices(columns_of(made(2))), Rows("last", RAGGED.properties, RAGGED.values)], order)
    start = data.index(b"end_header\n") + len(b"end_header\n")
    for end in range(start, len(data) - (1 if order != "ascii" else 12), 3):
        with pytest.raises(DatasetError, match=r"Copy it again|end of the line|words"):
            read(tmp_path, data[:end])
    for end in range(0, start, 7):
        with pytest.raises(DatasetError, match=r"a\.ply: expected a \.ply file|got 0"):
            read(tmp_path, data[:end])


@pytest.mark.parametrize("order", ORDERS)
def test_more_than_the_header_says_is_refused(tmp_path: Path, order: str) -> None:
    data = ply_file([vertices(columns_of(made()))], order)
    check_same(read(tmp_path, data + b"\r\n"), made())
    with pytest.raises(DatasetError, match="text mode"):
        read(tmp_path, data + b"0 0 0 1 0\n")


def test_no_gaussians(tmp_path: Path) -> None:
    for order in ORDERS:
        for nl in ("\n", ""):
            got = read(tmp_path, ply_file([vertices(columns_of(made(0)))], order).rstrip(b"\n") + nl.encode())
            assert len(got) == 0
            assert got.notes == ("it holds no Gaussians (element `vertex` has 0 rows)",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty one"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        (b"\x1f\x8b\x08\x00 packed", "up to `end_header`"),
        (ply_file([FACES]), "expected an element `vertex`, got face"),
        (ply_file([CAMERA, CAMERA]), "element camera is given twice"),
    ],
)
def test_what_it_is_instead(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, data)


def test_flat_gaussians_are_named(tmp_path: Path) -> None:
    columns = columns_of(made())
    del columns["scale_2"]
    with pytest.raises(DatasetError, match=r"lack scale_2 \(2D Gaussians"):
        read(tmp_path, ply_file([vertices(columns)]))


@pytest.mark.parametrize("name", ["a.spz", "a.ksplat", "a.sog"])
def test_the_line_that_converts(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"packed")
    with pytest.raises(DatasetError, match=f"npx @playcanvas/splat-transform {name} a.ply"):
        read_splats(tmp_path / name)


def test_a_bad_word_in_text(tmp_path: Path) -> None:
    lines = ply_file([vertices(columns_of(made()))], "ascii").decode().split("\n")
    lines[-4] = lines[-4].replace(" ", " abc ", 1)
    with pytest.raises(DatasetError, match="element `vertex`, row 9: expected 14 numbers, got 15"):
        read(tmp_path, "\n".join(lines).encode())
    lines[-4] = lines[-5].replace(lines[-5].split()[2], "1,5")
    with pytest.raises(DatasetError, match="row 9: expected numbers, got '1,5'"):
        read(tmp_path, "\n".join(lines).encode())


NUMBERS = {
    kind: st.floats(-1e6, 1e6, width=32) if kind in ("float", "double") else st.integers(0, 100) for kind in LETTERS
}
COUNTS = st.sampled_from([kind for kind in LETTERS if kind not in ("float", "double")])


@st.composite
def elements(draw: st.DrawFn) -> list[Rows]:
    out = []
    for number in range(draw(st.integers(1, 3))):
        properties, values = [], []
        for place in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from(sorted(LETTERS)))
            if draw(st.booleans()):
                properties.append((kind, f"p{place}"))
                values.append(NUMBERS[kind])
            else:
                properties.append(("list", draw(COUNTS), kind, f"p{place}"))
                fixed = draw(st.integers(0, 3))
                least = draw(st.sampled_from([0, fixed]))
                values.append(st.lists(NUMBERS[kind], min_size=least, max_size=fixed))
        rows = draw(st.lists(st.tuples(*values), max_size=5)) if properties else []
        out.append(Rows(f"e{number}", properties, rows))
    return out


@settings(max_examples=150, deadline=None)
@given(elements(), st.sampled_from(sorted(ORDERS)), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_elements_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, made: list[Rows], order: str, nl: str
) -> None:
    file = tmp_path_factory.mktemp("any") / "a.ply"
    file.write_bytes(ply_file(made, order, nl))
    got = read_elements(file)
    assert [each.name for each in got.elements] == [each.name for each in made]
    for element in made:
        table = got.tables[element.name]
        assert len(table) == len(element.values)
        plain = [k for k, each in enumerate(element.properties) if each[0] != "list"]
        assert list(table.dtype.names or ()) == [element.properties[k][-1] for k in plain]
        for k in plain:
            assert table[element.properties[k][-1]].tolist() == [row[k] for row in element.values]


def test_read_ply_is_read_splats(tmp_path: Path) -> None:
    (tmp_path / "a.PLY").write_bytes(ply_file([vertices(columns_of(made()))]))
    check_same(read_splats(tmp_path / "a.PLY"), read_ply(tmp_path / "a.PLY"))
