"""Files made to fill the memory or to crash a native parser: refused by their sizes, before anything decodes them."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mouselift.calibration.dannce_files import load_mat
from mouselift.calibration.jarvis import read_jarvis
from mouselift.calibration.safe_pickle import load_pickle
from mouselift.capture.given import captures_given
from mouselift.dataset.layout import find_samples
from mouselift.errors import CalibrationError, CaptureError, DatasetError, VideoError
from mouselift.foreign import doubles, json_of, numbers, toml_of, whole_numbers, yaml_of
from mouselift.gaussians.ply import read_elements
from mouselift.gaussians.read_splat import read_splat
from mouselift.limits import IMAGE_BYTES, IMAGE_SIDE, LIST_BYTES, SPLATS_BYTES, check_image_size, limited_bytes
from mouselift.media.images import read_image, read_values
from mouselift.media.png import read_alpha, read_png, up_filtered_steps
from mouselift.media.polygons import filled

MATRIX = """%YAML:1.0
---
intrinsicMatrix: !!opencv-matrix
   rows: 3
   cols: {cols}
   dt: d
   data: [ 500.0, 0.0, 0.0, 0.0, 500.0, 0.0, 320.0, 240.0, {last} ]
distortionCoefficients: !!opencv-matrix {{ rows: 1, cols: 5, dt: d, data: [ 0.1, 0, 0, 0, 0 ] }}
R: !!opencv-matrix {{ rows: 3, cols: 3, dt: d, data: [ 1., 0, 0, 0, 1, 0, 0, 0, 1 ] }}
T: !!opencv-matrix {{ rows: 3, cols: 1, dt: d, data: [ 1.0, 2.0, 1e3 ] }}
"""


def chunk(kind: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header says any size."""

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0" * 1000)) + chunk(b"IEND", b"")


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """A few megabytes are what importing a library takes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", png(60_000, 60_000)),
        ("b.png", png(0x7FFFFFFF, 0x7FFFFFFF)),
        ("c.png", b"P6\n99999 99999\n255\n" + b"0" * 100),
        ("d.png", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 99999 +X 99999\n" + b"0" * 100),
        ("e.bmp", b"BM" + struct.pack("<IHHIIiiHH", 100, 0, 0, 54, 40, 70_000, 70_000, 1, 24) + b"0" * 80),
    ],
)
def test_images_of_absurd_size_take_no_memory(name: str, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    with little_memory():
        for read in (read_image, read_values):
            with pytest.raises(VideoError, match=r"cannot be decoded|header says"):
                read(file)
        for read in (read_alpha, read_png):
            with pytest.raises(DatasetError, match=name[0]):
                read(file)


def test_the_limit_of_images_says_what_it_is() -> None:
    check_image_size(12_288, 6_480)
    for size in ((60_000, 60_000), (IMAGE_SIDE + 1, 1), (0, 5)):
        with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} pixels; expected at most"):
            check_image_size(*size)


@pytest.mark.parametrize(
    ("cols", "last"),
    [("-1", "1.0"), ("2", "1.0"), ("true", "1.0"), ("99999999999", "1.0"), ("3", "x"), ("3", ".nan"), ("3", "true")],
)
def test_matrices_whose_sizes_lie_are_refused(cols: str, last: str, tmp_path: Path) -> None:
    (tmp_path / "Camera_A.yaml").write_text(MATRIX.format(cols=3, last="1.0"))
    assert read_jarvis(tmp_path).names == ("Camera_A",)
    (tmp_path / "Camera_A.yaml").write_text(MATRIX.format(cols=cols, last=last))
    with pytest.raises(CalibrationError, match=r"Camera_A\.yaml.*intrinsicMatrix|could not convert"):
        read_jarvis(tmp_path)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and a.dtype.names:
        return a.dtype.names == b.dtype.names and all(same(a[name], b[name]) for name in a.dtype.names)
    if isinstance(a, np.ndarray) and a.dtype == object:
        return a.shape == b.shape and all(map(same, a.ravel(), b.ravel()))
    return a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b))


@pytest.mark.parametrize("form", ["4", "5", "compressed"])
def test_mat_files_read_as_scipy_reads_them(form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    values: dict[str, Any] = {"K": rng.random((3, 4)), "row": np.arange(5.0), "name": "Camera1"}
    if form != "4":
        cell = np.empty((2, 1), dtype=object)
        cell[:, 0] = [{"r": np.eye(3), "word": "a"}, np.array([[1, 2]], dtype=np.int16)]
        values |= {"cells": cell, "none": np.zeros((0, 3)), "small": np.uint8(3), "z": np.array([[1 + 2j]]), "ü": "é"}
        values.pop("ü")
    file = tmp_path / "a.mat"
    savemat(file, values, format="4" if form == "4" else "5", do_compression=form == "compressed")
    expected = {key: value for key, value in loadmat(file).items() if not key.startswith("__")}
    found = load_mat(file)
    assert found.keys() == expected.keys()
    assert all(same(expected[key], found[key]) for key in expected)
    found["K"][0, 0] += 1e-9
    assert not same(expected["K"], found["K"])


def test_damaged_mat_files_are_refused_or_read_and_never_crash(tmp_path: Path) -> None:
    cell = np.empty((1, 2), dtype=object)
    cell[0] = [{"K": np.eye(3)}, "word"]
    file, rng = tmp_path / "a.mat", random.Random(14)
    refused = 0
    for compressed in (False, True):
        savemat(file, {"K": np.eye(3), "params": cell}, do_compression=compressed)
        whole = file.read_bytes()
        for _ in range(60):
            data = bytearray(whole[: rng.choice([len(whole), rng.randrange(len(whole))])])
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data)) if data else 0 : 1] = b"" if not data else bytes([rng.randrange(256)])
            file.write_bytes(data)
            try:
                load_mat(file)
            except CalibrationError:
                refused += 1
    assert refused > 40


def memo_bomb(index: int) -> bytes:
    return b"\x80\x02N" + b"r" + struct.pack("<I", index) + b"."


@pytest.mark.parametrize(
    "data",
    [
        memo_bomb(0x7FFFFFF0),
        b"Np4000000000\n.",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc.",
        b"\x80\x02X" + struct.pack("<I", 1 << 31) + b"abc.",
        b"\x80\x02" + b")" + b"2\x86" * 64 + b".",  # 2^64 values, each tuple the last one twice
        b"\x80\x02",
    ],
    ids=["index", "text index", "bytes", "text", "doubled", "no end"],
)
def test_pickles_that_ask_for_memory_are_refused(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "new_cam.pkl"
    for good in (None, {"a": [np.eye(3), np.eye(3)], "b": "text" * 100}):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            file.write_bytes(pickle.dumps(good, protocol))
            load_pickle(file)
    file.write_bytes(data)
    with little_memory(), pytest.raises(CalibrationError, match=r"new_cam\.pkl"):
        load_pickle(file)


@pytest.mark.parametrize("level", [4, 5])
def test_rows_of_no_columns_take_no_time(level: int, tmp_path: Path) -> None:
    """2^31 empty rows of text took minutes."""
    rows = 2**31 - 1
    if level == 4:
        data = struct.pack("<5i", 51, rows, 0, 0, 2) + b"a\0"
    else:
        parts = ((6, struct.pack("<2I", 4, 0)), (5, struct.pack("<2i", rows, 0)), (1, b"a" + bytes(7)), (16, b""))
        inner = b"".join(struct.pack("<2I", kind, len(part)) + part for kind, part in parts)
        data = b"MATLAB".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + struct.pack("<2I", 14, len(inner)) + inner
    (tmp_path / "a.mat").write_bytes(data)
    (value,) = load_mat(tmp_path / "a.mat").values()
    assert value.size == 0


def test_numbers_of_other_programs() -> None:
    assert numbers([[1, 2.5]], (1, 2)).tolist() == [[1.0, 2.5]]
    assert whole_numbers([640, 480.0], 1, IMAGE_SIDE) == [640, 480]
    for value in ([10**400], [float("inf")], ["1"], [[1], [1, 2]], None, [True], {"a": 1}, [1e13], [None], [True, 1]):
        with pytest.raises(ValueError, match="expected"):
            numbers(value)
    for value in ([[1, 2], (3, False)], [1.0, "2"], ["1", None], np.array([True]), "[" * 10_000):
        with pytest.raises(ValueError, match="expected numbers, got"):
            doubles(value)
    assert np.isnan(doubles([[1, None]])[0, 1])
    with pytest.raises(ValueError, match=r"shape \(3, None\)"):
        numbers([1.0], (3, None))
    with pytest.raises(ValueError, match="size: expected whole numbers from 1"):
        whole_numbers([0.5], 1, 9, "size")


def test_texts_of_other_programs() -> None:
    assert json_of(b'{"a": [1, 2.5]}') == {"a": [1, 2.5]}
    for number in (1.5, np.float64(2), np.int64(3)):
        with pytest.raises(ValueError, match="expected JSON as text"):
            json_of(number)
    for text in ('{"a": 1, "a": 2}', "[" * 100_000, "{", "1" * 5000 + "x"):
        with pytest.raises(ValueError, match=r"twice|deeply|Expecting|Extra"):
            json_of(text)
    assert json_of("9" * 5000) == float("inf")
    for data in (b"a = 1\na = 2", b"a = " + b"[" * 5000, b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011  the words are those of the library
            toml_of(data)
    assert yaml_of("[" * 64 + "]" * 64)
    for text in (
        "a: 1\na: 2",
        "[" * 65 + "]" * 65,
        "- " * 3000,
        "[" * 3000,
        "!!python/object:os.system 1",
        "a: &x [*x]\n b",
    ):
        with pytest.raises(ValueError, match=r"YAML|twice|deeply"):
            yaml_of(text)


def test_text_that_cannot_be_written_is_shown_as_its_escape() -> None:
    """Half of a character of 32 bits; OpenCV's putText ended the process on it, and no JSON could hold it."""
    for text, shown in (
        (r'["\ud800"]', r"\ud800"),
        (r'["\uDC00\ud83d\udc2d\uD83D"]', "\\uDC00\U0001f42d\\uD83D"),
        (r'["\\ud800\\\udfff"]', r"\ud800\\udfff"),
        ('["\ud800\u00e4"]', "\\ud800\u00e4"),
    ):
        assert json_of(text) == [shown]
    assert json_of(rb'{"\ud800": 1}') == {r"\ud800": 1}
    assert yaml_of(r'{"\ud800": ["x\ud83d"]}') == {r"\ud800": [r"x\ud83d"]}
    with pytest.raises(ValueError, match="Unterminated"):
        json_of(r'"\ud800')


def test_a_key_that_stands_twice_among_many_is_found_at_once() -> None:
    """Each was counted for itself."""
    keys = [f'"{k}": 1' for k in range(50_000)]
    with pytest.raises(ValueError, match="the key '49999' stands twice"):
        json_of("{" + ", ".join([*keys, keys[-1]]) + "}")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(ValueError, match="pipe"):
        limited_bytes(tmp_path / "a.toml", 10)
    (tmp_path / "b").write_bytes(b"12345")
    assert limited_bytes(tmp_path / "b", 5) == b"12345"
    with pytest.raises(ValueError, match="at most 4 bytes, got 5"):
        limited_bytes(tmp_path / "b", 4)


@pytest.mark.parametrize(("fault", "words"), [(RecursionError, "nested too deeply"), (MemoryError, "more memory than")])
def test_what_a_parser_cannot_hold_is_said_as_what_it_is(
    fault: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("mouselift.foreign.json.loads", fails)
    with pytest.raises(ValueError, match=words):
        json_of(b"{}")


def test_a_polygon_takes_little_more_than_its_mask() -> None:
    """A COCO file of a few hundred bytes may say the largest image there is."""
    tracemalloc.start()
    mask = filled([100, 100, 900, 100, 500, 900], 1000, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mask.sum() == 320_000
    assert peak < 3 * mask.nbytes


def _larger(path: Path, size: int) -> Path:
    """A file that takes no room on the disk."""
    with path.open("wb") as stream:
        stream.truncate(size + 1)
    return path


def test_files_larger_than_their_kind_are_not_read(tmp_path: Path) -> None:
    image, splats = _larger(tmp_path / "a.png", IMAGE_BYTES), _larger(tmp_path / "a.ply", SPLATS_BYTES)
    listed = _larger(tmp_path / "a.txt", LIST_BYTES)
    with little_memory():
        for read in (read_image, read_values):
            with pytest.raises(VideoError, match="expected at most"):
                read(image)
        for read in (read_alpha, read_png):
            with pytest.raises(DatasetError, match="expected at most"):
                read(image)
        for read, path in ((read_elements, splats), (read_splat, splats), (find_samples, listed)):
            with pytest.raises(DatasetError, match="expected at most"):
                read(path)
        with pytest.raises(CaptureError, match="expected at most"):
            captures_given([listed])


def test_a_small_png_that_unpacks_to_much(tmp_path: Path) -> None:
    """32 x 32 pixels in its header, 100 MB in its only chunk of data."""

    rows = b"\2" + bytes(4 * 32)
    header, end = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 6, 0, 0, 0)), chunk(b"IEND", b"")
    parts = [b"\x89PNG\r\n\x1a\n", header, chunk(b"IDAT", zlib.compress(rows * 32)), end]
    assert up_filtered_steps(b"".join(parts)) is not None
    parts[2] = chunk(b"IDAT", zlib.compress(rows * 32 + bytes(100_000_000)))
    with little_memory():
        assert up_filtered_steps(b"".join(parts)) is None


def test_a_pipe_in_place_of_an_image_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="a pipe or a device"):
        read_alpha(tmp_path / "a.png")


@pytest.mark.parametrize("colours", [0, 1000])
def test_indices_without_a_palette_or_with_one_that_is_too_long(colours: int, tmp_path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 3, 0, 0, 0))
    palette = chunk(b"PLTE", bytes(3 * (colours - 1)) + b"abc") if colours else b""
    rows = chunk(b"IDAT", zlib.compress(bytes(5 * 4)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + palette + rows + chunk(b"IEND", b""))
    for read in (read_image, read_values):
        with pytest.raises(VideoError, match="cannot be decoded"):
            read(tmp_path / "a.png")


def test_dotted_keys_of_toml_have_a_depth() -> None:
    """tomllib takes time and memory as the square of it."""
    assert toml_of(b"a" + b".b" * 20 + b" = 1")
    for deep in (
        b"a" + b".b" * 20_000 + b" = 1",
        b"[a" + b".b" * 20_000 + b"]",
        b"a = { b" + b".b" * 20_000 + b" = 1 }",
    ):
        with pytest.raises(ValueError, match="nested too deeply"):
            toml_of(deep)
