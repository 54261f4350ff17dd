"""Pickles without trust: all honest array pickles load, nothing that could run code does."""

from __future__ import annotations

import collections
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mouselift.calibration.safe_pickle import load_pickle
from mouselift.errors import CalibrationError

HONEST: dict[str, Any] = {
    "f8": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big endian": np.arange(4, dtype=">i4"),
    "bool": np.array([True, False]),
    "empty": np.empty((0, 3)),
    "0-d": np.array(2.5),
    "text": np.array(["ab", "c"]),
    "bytes": np.array([b"ab", b"c"]),
    "complex": np.array([1 + 2j]),
    "strided": np.arange(10)[::2],
}


def equal(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b))


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol(protocol: int, tmp_path: Path) -> None:
    file = tmp_path / "a.pkl"
    file.write_bytes(pickle.dumps(HONEST, protocol=protocol))
    loaded = load_pickle(file)
    assert all(equal(loaded[key], value) for key, value in HONEST.items())


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_and_containers(protocol: int, tmp_path: Path) -> None:
    content = {
        np.int32(5): [np.float64(1.5), (1, "a", None, True, 2**70), {1, 2}, frozenset({3}), b"\x00\xff"],
        "ordered": collections.OrderedDict(a=[np.eye(2)]),
    }
    file = tmp_path / "a.pkl"
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    loaded = load_pickle(file)
    assert list(loaded) == [5, "ordered"]
    assert type(next(iter(loaded))) is np.int32
    assert loaded[5] == content[np.int32(5)]
    np.testing.assert_array_equal(loaded["ordered"]["a"][0], np.eye(2))


def test_numpy_1_module_paths(tmp_path: Path) -> None:
    file = tmp_path / "old.pkl"
    data = pickle.dumps([np.eye(3), np.float64(2.0)], protocol=2)
    assert b"numpy._core.multiarray" in data
    file.write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    eye, two = load_pickle(file)
    np.testing.assert_array_equal(eye, np.eye(3))
    assert two == 2.0


def test_python_2_pickle(tmp_path: Path) -> None:
    # array bytes are a text (STRING opcode) in pickles of Python 2
    raw = repr(struct.pack("<2d", 1.5, -3.25))[1:].encode()
    file = tmp_path / "py2.pkl"
    file.write_bytes(
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\n"
        b"tR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS" + raw + b"\ntb."
    )
    np.testing.assert_array_equal(load_pickle(file), [1.5, -3.25])


def test_shared_and_cyclic_containers_stay_so(tmp_path: Path) -> None:
    shared = [np.arange(3)]
    content: list[Any] = [shared, shared]
    content.append(content)
    file = tmp_path / "a.pkl"
    file.write_bytes(pickle.dumps(content))
    loaded = load_pickle(file)
    assert loaded[0] is loaded[1]
    assert loaded[2] is loaded
    assert equal(loaded[0][0], np.arange(3))


def test_object_arrays_of_admitted_content(tmp_path: Path) -> None:
    content = np.empty((2, 1), dtype=object)
    content[0, 0], content[1, 0] = {"K": np.eye(3)}, [1, np.ones(2)]
    file = tmp_path / "a.pkl"
    for protocol in range(6):
        file.write_bytes(pickle.dumps(content, protocol=protocol))
        loaded = load_pickle(file)
        assert loaded.dtype == object
        assert loaded.shape == (2, 1)
        np.testing.assert_array_equal(loaded[0, 0]["K"], np.eye(3))
        np.testing.assert_array_equal(loaded[1, 0][1], np.ones(2))


class Evil:
    """Would write a file when loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.target}",)


def test_code_is_refused_and_named_and_not_run(tmp_path: Path) -> None:
    target, file = tmp_path / "ran", tmp_path / "evil.pkl"
    inside = np.empty(1, dtype=object)
    inside[0] = Evil(target)
    for protocol in range(6):
        for content in (Evil(target), [np.eye(2), {"a": Evil(target)}], inside):
            file.write_bytes(pickle.dumps(content, protocol=protocol))
            with pytest.raises(CalibrationError, match=r"evil\.pkl: refused.*system.*arrays and plain containers only"):
                load_pickle(file)
    assert not target.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x0cset.__init__\x93.",  # a dotted name
        b"c__builtin__\nset\n.",  # a type as a value
        b"cnumpy\nndarray\n(I3\ntR.",
        b"cnumpy\nndarray\n)\x81.",  # NEWOBJ
        b"(inumpy\nndarray\n.",  # INST
        b"cnumpy\ndtype\n(S'O8'\ntR}S'x'\nI1\nsb.",
        b"cnumpy\ndtype\n}S'_call'\nI1\nsb.",  # state set on a stand-in
        b"ccollections\nOrderedDict\n(N}S'_call'\nI1\nstb.",  # slots state set on a stand-in
        b"Pdangerous\n.",  # persistent id
        b"\x82\x01.",  # extension registry
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"",
        b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"(" * 5000,
    ],
)
def test_ways_round_it(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.pkl"
    file.write_bytes(data)
    with pytest.raises(CalibrationError, match=r"a\.pkl"):
        load_pickle(file)
    file.write_bytes(pickle.dumps([HONEST["f8"]]))
    assert equal(load_pickle(file)[0], HONEST["f8"])  # nothing was left behind


def array_pickle(dtype: bytes, state: bytes, data: bytes) -> bytes:
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'"
        + dtype
        + b"'\nI0\nI1\ntR"
        + state
        + b"I00\n"
        + data
        + b"tb."
    )


@pytest.mark.parametrize(
    ("dtype", "state", "data"),
    [
        (b"O8", b"(I3\nS'|'\nNNNI-1\nI-1\nI63\ntb", b"S'" + b"A" * 16 + b"'\n"),  # addresses for objects
        (b"f8", b"(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb", b"S'AAAAAAAA'\n"),  # fewer bytes than the shape needs
        (b"f8", b"(I3\nS'x'\nNNNI-1\nI-1\nI0\ntb", b"S'" + b"A" * 16 + b"'\n"),
        (b"V8", b"(I3\nS'|'\nN(S'a'\nt}S'a'\nNsI8\nI1\nI63\ntb", b"S'" + b"A" * 16 + b"'\n"),
        (b"f8", b"(I3\nS'<'\nN(S'a'\nt}I-1\nI-1\nI63\ntb", b"S'" + b"A" * 16 + b"'\n"),
    ],
)
def test_crafted_arrays(dtype: bytes, state: bytes, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.pkl"
    file.write_bytes(array_pickle(dtype, state, data))
    with pytest.raises(CalibrationError, match=r"a\.pkl"):
        load_pickle(file)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="cannot be read"):
        load_pickle(tmp_path / "absent.pkl")
