"""Pickles without trust: NumPy arrays and plain containers, and nothing that could run code.

No function or class of any library is handed to the pickle: the few global names that array pickles use are
answered by stand-ins of this module, and arrays are made from their bytes here, with their sizes checked.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.calibration.rig import content_of
from mouselift.errors import CalibrationError
from mouselift.limits import PICKLE_VALUES

_PLAIN_DTYPE = re.compile(r"^[<>|=]?[biufcSU]\d+$")
_OBJECT_DTYPE = re.compile(r"^[|]?O8?$")


def load_pickle(path: Path) -> Any:
    """Content of a pickle of protocol 0 to 5, of Python 2 or 3, NumPy 1 or 2.

    Admitted: None, booleans, numbers, strings, bytes, lists, tuples, dicts, sets, NumPy arrays and scalars of
    numbers, strings and (element by element) of these. CalibrationError names the file and what was refused.
    """
    data = content_of(path)
    try:
        check_sizes(data)
        # latin1: pickles of Python 2 hold array bytes as text
        return _Finished().of(_Restricted(io.BytesIO(data), encoding="latin1").load())
    except _RefusedError as refused:
        raise CalibrationError(
            f"{path}: refused: the pickle asks for {refused}; expected NumPy arrays and plain containers only. "
            "A pickle can run any code when it is loaded, so nothing else is admitted. If you trust its origin, load "
            "it yourself and save it again with arrays, lists and dicts only."
        ) from None
    except RecursionError:
        raise CalibrationError(f"{path}: not a usable pickle: nested too deeply") from None
    except Exception as error:  # damaged pickles raise nearly anything
        raise CalibrationError(f"{path}: not a readable pickle: {type(error).__name__}: {error}") from None


class _RefusedError(Exception):
    pass


class _StandIn:
    """Answers a global name. No state can be set on it, so a pickle cannot change it for the next one."""

    __slots__ = ("_call", "_name")

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_call", call)

    def __setattr__(self, key: str, value: object) -> None:
        raise _RefusedError(f"a change of {self._name}")

    def __setstate__(self, state: object) -> None:
        raise _RefusedError(f"a change of {self._name}")

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


class _Dtype:
    """A dtype in the making: kind and size come with the call, byte order with the state."""

    __slots__ = ("_spec",)

    def __init__(self, spec: Any) -> None:
        text = spec if isinstance(spec, str) else repr(spec)
        if not (_PLAIN_DTYPE.match(text) or _OBJECT_DTYPE.match(text)):
            raise _RefusedError(f"the dtype {text!r}")
        self._spec = text

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise _RefusedError(f"a dtype with fields or another byte order: {state!r}"[:120])
        if order in "<>":
            self._spec = order + self._spec.lstrip("<>|=")

    @property
    def is_object(self) -> bool:
        return bool(_OBJECT_DTYPE.match(self._spec))

    def plain(self) -> np.dtype[Any]:
        if self.is_object:
            raise _RefusedError("objects inside a numeric buffer")
        return np.dtype(self._spec)


class _ArrayInTheMaking:
    """An ndarray whose content comes with its state; `_finished` puts the array in its place."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state: Any = None

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def array(self, finished: _Finished) -> np.ndarray:
        _, shape, dtype, fortran, data = self._state
        order = "F" if fortran else "C"
        if not isinstance(dtype, _Dtype) or not dtype.is_object:
            return _from_bytes(data, dtype, shape, order)
        items = np.empty(len(data), dtype=object)
        finished.keep(self, items.reshape(shape, order=order))
        for index, item in enumerate(data):
            items[index] = finished.of(item)
        return finished.kept(self)


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    if not isinstance(dtype, _Dtype):
        raise _RefusedError(f"an array of type {dtype!r}"[:120])
    raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
    flat = np.frombuffer(raw, dtype=dtype.plain()) if raw else np.empty(0, dtype.plain())
    return flat.reshape(shape, order="F" if order == "F" else "C").copy(order="K")


def _scalar(dtype: Any, data: Any) -> Any:
    return _from_bytes(data, dtype, (1,))[0]


def _reconstruct(kind: Any, *_: Any) -> _ArrayInTheMaking:
    if kind is not _NDARRAY:
        raise _RefusedError("an array class other than numpy.ndarray")
    return _ArrayInTheMaking()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _RefusedError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


def _bytes(content: Any = b"", encoding: Any = "latin1") -> bytes:
    if isinstance(content, int):  # bytes(10**12) would take the memory
        raise _RefusedError("bytes by their number")
    return _encode(content, encoding) if isinstance(content, str) else bytes(content)


def _refuse_call(*_: Any) -> Any:
    raise _RefusedError("a call of numpy.ndarray")


_NDARRAY = _StandIn("numpy.ndarray", _refuse_call)
_ADMITTED: dict[tuple[str, str], _StandIn] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _StandIn("numpy.dtype", lambda spec, *_: _Dtype(spec)),
    ("_codecs", "encode"): _StandIn("_codecs.encode", _encode),
    ("collections", "OrderedDict"): _StandIn("collections.OrderedDict", lambda *items: dict(*items)),
    **{
        (module, name): _StandIn(name, lambda *items, kind=kind: kind(*items))
        for module in ("builtins", "__builtin__")
        for name, kind in (("set", set), ("frozenset", frozenset), ("bytes", _bytes), ("bytearray", _bytes))
    },
    **{
        (f"numpy.{core}.{module}", name): _StandIn(name, call)
        for core in ("core", "_core")
        for module, name, call in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_bytes),
        )
    },
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _ADMITTED[module_name, global_name]
        except KeyError:
            raise _RefusedError(f"{module_name}.{global_name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError(f"a persistent object {pid!r}"[:120])


class _Finished:
    """Values with their arrays in place; lists and dicts are changed in place, so shared ones stay shared.

    Counted with what is shared as often as it is used: forty tuples that hold the next one twice are a trillion values
    to whoever walks through them.
    """

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._counts: dict[int, int] = {}
        self._count = 0

    def keep(self, value: Any, finished: Any) -> None:
        self._done[id(value)] = finished

    def kept(self, value: Any) -> Any:
        return self._done[id(value)]

    def of(self, value: Any) -> Any:
        if isinstance(value, (_StandIn, _Dtype)):
            raise _RefusedError("a function or type as a value")
        self._count += 1
        if not isinstance(value, (list, tuple, dict, _ArrayInTheMaking)):
            return value
        if id(value) in self._done:
            self._count += self._counts.get(id(value), 0)
            self._check()
            return self._done[id(value)]
        before = self._count
        if isinstance(value, _ArrayInTheMaking):
            self.keep(value, value.array(self))
        elif isinstance(value, tuple):
            self.keep(value, tuple(self.of(item) for item in value))
        elif isinstance(value, list):
            self.keep(value, value)
            value[:] = [self.of(item) for item in value]
        else:
            self.keep(value, value)
            for key in value:
                self.of(key)
                value[key] = self.of(value[key])
        self._counts[id(value)] = self._count - before
        self._check()
        return self._done[id(value)]

    def _check(self) -> None:
        if self._count > PICKLE_VALUES:
            raise ValueError(f"holds more than {PICKLE_VALUES:,} values")


def check_sizes(data: bytes) -> None:
    """Walks the opcodes before the pickle is loaded. ValueError where one asks for memory that the file cannot fill.

    The compiled unpickler makes its table of remembered values as long as the largest index that it meets, and takes
    the memory of a string before it reads it.
    """
    at, end = 0, len(data)
    while at < end:
        code = data[at]
        at += 1
        if code == _STOP:
            return
        if code in _LINES:
            start = at
            for _ in range(_LINES[code]):
                at = data.index(b"\n", at) + 1
            if code == _PUT and int(data[start : at - 1]) > end:
                raise ValueError(_BEYOND)
            continue
        at += _FIXED.get(code, 0)
        if code == _LONG_BINPUT and int.from_bytes(data[at - 4 : at], "little") > end:
            raise ValueError(_BEYOND)
        width = _COUNTED.get(code)
        if width is not None:
            size = int.from_bytes(data[at : at + width], "little")
            at += width
            if size > end - at:
                raise ValueError(f"a string of {size:,} bytes is said, {max(end - at, 0):,} follow")
            at += size
    raise ValueError("it ends early")


_BEYOND = "an index of a remembered value is beyond the file's length"
_STOP, _PUT, _LONG_BINPUT = b"."[0], b"p"[0], b"r"[0]
_WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_ARGUMENTS = {op.code.encode("latin-1")[0]: op.arg for op in pickletools.opcodes if op.arg is not None}
# Of each opcode: lines of text, bytes, or the width of the number that says how many bytes follow.
_LINES = {
    code: 2 if argument.name == "stringnl_noescape_pair" else 1
    for code, argument in _ARGUMENTS.items()
    if argument.n == pickletools.UP_TO_NEWLINE
}
_FIXED = {code: argument.n for code, argument in _ARGUMENTS.items() if argument.n >= 0}
_COUNTED = {code: _WIDTHS[argument.n] for code, argument in _ARGUMENTS.items() if argument.n in _WIDTHS}
