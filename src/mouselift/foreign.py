"""Values of JSON, TOML, YAML and XML that other programs wrote: decoded with every fault as a ValueError in words.

Nested too deeply, a key twice (readers differ in which one they take), numbers beyond a double, text for a number.
"""

from __future__ import annotations

import io
import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeGuard, TypeVar
from xml.etree import ElementTree

import msgspec
import numpy as np

from mouselift.limits import LARGEST_NUMBER

Shape = tuple[int | None, ...]  # None: any length
T = TypeVar("T")
_JSON_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_TOML_DEPTH = 64  # tables in one another by a dotted key; ours have 2
_BARE_KEY = re.compile(r"[\w.-]+")
_YAML_DEPTH = 64  # brackets in one another; matrices and lists of names have 2


def json_of(data: object) -> Any:
    """Of bytes or text; text in it is `writable`. ValueError: neither, no JSON, nested too deeply, or an object that
    names a key twice."""
    if not isinstance(data, (bytes, str)):  # HDF5 holds any value where text is expected
        raise ValueError(f"expected JSON as text, got {short(data)}")

    def load() -> Any:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else writable(data)
        if r"\ud" in text or r"\uD" in text:
            text = _JSON_ESCAPE.sub(lambda found: "\\" + found[0] if found["half"] else found[0], text)
        return json.loads(text, object_pairs_hook=_once, parse_int=_whole)

    return _shallow(load)


def writable(text: str) -> str:
    """Text that can be written as UTF-8. Half of a character of 32 bits, as escapes of JSON and YAML and names of files
    can hold, is shown as `\\ud800`: no file can hold it, and OpenCV's putText ends the process."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def json_as(data: bytes | str, kind: type[T], other: Callable[[type, Any], Any] | None = None) -> T:
    """JSON of a known type, by msgspec. ValueError: no JSON, of another type, or nested too deeply.

    other: (type, what was read) -> a value of a type that msgspec does not know.
    """
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=other)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(short_text(error)) from None


def npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, whether in Fortran's order, type) of an array in NumPy's format, from an open file. ValueError: none."""
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except Exception as error:  # the header is Python: parsing it raises nearly anything
        raise ValueError(f"no array of NumPy's: {short_text(error)}") from None
    if not all(0 <= length < 1 << 40 for length in shape) or math.prod(shape) * dtype.itemsize >= 1 << 50:
        raise ValueError(f"no array of NumPy's: shape {short(shape)} of {dtype}")
    return shape, bool(fortran), dtype


def npy_numbers(data: bytes, kinds: str = "biuf") -> np.ndarray:
    """The array of numbers in a .npy file, of NumPy's `kinds`. ValueError: none, of another type, or cut short."""
    stream = io.BytesIO(data)
    shape, fortran, dtype = npy_header(stream)
    if dtype.kind not in kinds or not dtype.itemsize:
        raise ValueError(f"expected numbers, got an array of {short_text(dtype)}")
    start, count = stream.tell(), math.prod(shape)
    if len(data) - start < count * dtype.itemsize:
        raise ValueError(f"the file ends early: its header says shape {short(shape)} of {dtype}")
    return np.frombuffer(data, dtype, count, start).reshape(shape, order="F" if fortran else "C")


def toml_of(data: bytes) -> dict[str, Any]:
    """ValueError: no TOML, or nested too deeply."""
    text = data.decode("utf-8-sig")
    if any(key.count(".") > _TOML_DEPTH for key in _BARE_KEY.findall(text)):  # 20,000 dots took 1.6 GB and 30 s
        raise ValueError("nested too deeply")
    return _shallow(lambda: tomllib.loads(text))


def yaml_of(text: str) -> Any:
    """Plain YAML, and OpenCV's matrices as dicts of rows, cols, dt, data. ValueError: none, too deep, a key twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            keys = [key.value for key, _ in node.value]
            if len({str(key) for key in keys}) < len(keys):
                raise ValueError(f"line {node.start_mark.line + 1}: a key stands twice")
            return super().construct_mapping(node, deep)

        def construct_scalar(self, node: Any) -> Any:
            value = super().construct_scalar(node)
            return writable(value) if isinstance(value, str) else value

        def fetch_flow_collection_start(self, TokenClass: Any) -> None:
            if self.flow_level >= _YAML_DEPTH:  # PyYAML looks at every open bracket at each token: 0.6 s of "[[[..."
                raise RecursionError
            super().fetch_flow_collection_start(TokenClass)

    def matrix(loader: Loader, node: Any) -> dict[Hashable, Any]:
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", matrix)
    lines = text.splitlines(keepends=True)
    body = "".join(lines[1:]) if lines and lines[0].startswith("%YAML:") else text  # OpenCV's own way to say 1.0

    def load() -> Any:
        try:
            return yaml.load(body, Loader=Loader)
        except yaml.YAMLError as error:
            raise ValueError(f"not valid YAML: {error}") from None
        except (TypeError, AttributeError) as error:  # of values with a tag that does not fit them
            raise ValueError(f"not valid YAML: {error}") from None

    return _shallow(load)


def xml_of(data: bytes) -> ElementTree.Element:
    """The root element. ValueError: no XML in UTF-8, or with a DTD, whose entities can fill the memory."""
    text = data.decode("utf-8-sig")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("XML with a DTD, which no calibration needs")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"not valid XML: {error}") from None


def numbers(value: Any, shape: Shape | None = None, name: str = "", most: float = LARGEST_NUMBER) -> np.ndarray:
    """float64 of (nested) numbers or an array. ValueError: other values, not finite, too large, another shape.

    name: of the value, for the message.
    """
    try:
        return _numbers(value, shape, most)
    except ValueError as error:
        raise ValueError(f"{name}: {error}" if name else str(error)) from None


def _numbers(value: Any, shape: Shape | None, most: float) -> np.ndarray:
    out = doubles(value)
    if shape is not None and (
        out.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, out.shape, strict=True))
    ):
        raise ValueError(f"expected shape {shape}, got {out.shape}")
    if not np.isfinite(out).all():
        raise ValueError(f"expected finite numbers, holds NaN or infinity: {short(out.tolist())}")
    if not (np.abs(out) <= most).all():
        raise ValueError(f"expected numbers up to {most:g}, got {short(out.tolist())}")
    return out


def doubles(value: Any) -> np.ndarray:
    """float64 of (nested) numbers or an array; null becomes NaN. ValueError for text, true and false, which NumPy
    takes for numbers, and for lists of several lengths."""
    try:
        if _holds(value, (bool, np.bool_, str, bytes)):
            raise ValueError(f"expected numbers, got {short(value)}")
        array = np.asarray(value)
        if array.dtype.kind == "O":  # null, whole numbers beyond 64 bits, or lists of several lengths
            array = np.asarray(value, dtype=np.float64)
        if array.dtype.kind not in "iuf":
            raise ValueError(f"expected numbers, got {short(value)}")
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(str(error) if "expected" in str(error) else f"expected numbers: {error}") from None


def _holds(value: Any, kinds: tuple[type, ...]) -> bool:
    """Whether nested lists hold a value of these types."""
    if not isinstance(value, (list, tuple)):
        return isinstance(value, kinds)
    found = set(map(type, value))
    return any(issubclass(each, kinds) for each in found) or (
        any(issubclass(each, (list, tuple)) for each in found) and any(_holds(each, kinds) for each in value)
    )


def is_whole(value: Any) -> TypeGuard[int]:
    """A whole number. True and false are none, though Python counts them as 1 and 0."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole_numbers(value: Any, least: int = 0, most: int = 1 << 31, name: str = "") -> list[int]:
    """ValueError for what is no list of whole numbers in that range."""
    array = numbers(value, (None,), name)
    if (array != np.floor(array)).any() or (array < least).any() or (array > most).any():
        said = f"expected whole numbers from {least} to {most}, got {short(value)}"
        raise ValueError(f"{name}: {said}" if name else said)
    return [int(number) for number in array]


def short(value: Any, most: int = 80) -> str:
    """As a message shows it."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # ValueError: a whole number of more than 4,300 digits
        text = "what is too deep or too long to show"
    return _cut(text, most)


def short_text(value: object, most: int = 200) -> str:
    """Of an error or a type that may quote a whole file; the first line."""
    return _cut(str(value).split("\n")[0], most) or type(value).__name__


def first_few(names: Sequence[str], most: int) -> str:
    """For a message: "a, b and 3 more"."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def repeated(names: Iterable[T]) -> list[T]:
    """Those that stand there more than once, each once."""
    return [name for name, count in Counter(names).items() if count > 1]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"the key {short(repeated(name for name, _ in pairs)[0])} stands twice")
    return found


def _whole(digits: str) -> int | float:
    """Whole numbers of thousands of digits take Python long; beyond a double they are no number of any file."""
    return int(digits) if len(digits) <= 300 else math.copysign(math.inf, -1 if digits.startswith("-") else 1)


def _shallow(load: Any) -> Any:
    try:
        return load()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except MemoryError:  # below the limits on bytes: values take several times their text
        raise ValueError("takes more memory than this machine gives; split the file, or use a larger machine") from None
