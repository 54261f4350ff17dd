"""Damaged and hostile twins of files: bytes, words, structure. Equal random state, equal bytes.

Structure means: a value of JSON, TOML, YAML, XML or of a table replaced by another kind of value, a key dropped or
given twice, a list emptied or made long, values nested deeply; members of zip files, headers of NumPy's and
safetensors' files, datasets of HDF5 files.
"""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]

_NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![\w.])")
_QUOTED = re.compile(rb'"[^"\n]*"')
_KEYED = re.compile(rb"^([ \t]*\"?[\w-]+\"?[ \t]*[:=][ \t]*)(\S[^\n]*)$", re.MULTILINE)
NUMBERS = (
    *(b"-1", b"0", b"1", b"-0.0", b"1e400", b"-1e400", b"1e308", b"1e-320", b"nan", b"NaN", b"inf", b"-Infinity"),
    *(b"2147483648", b"-2147483649", b"18446744073709551616", b"1e12", b"1000000000", b"0.5", b"9" * 400, b"9" * 5000),
)
TEXTS = (
    *("", "x", "\\u0000", "..", "../../x", "/dev/zero", "/dev/null", "~nouser/x", "~", "a" * 300, "\\ud800", "[bold]"),
    *("\\n", "nan", "1e400", "cam1", "%s", "\U0001f42d", "0" * 5000, "$x", "C:\\\\x", "/"),
)
DEEP = 20_000  # parsers that recurse stop far before
LARGEST = 4_000_000  # bytes of a changed file: what then takes long or much memory is the reader, not the size
WORDS = (
    *(b"null", b"true", b"[]", b"{}", b"[[]]", b"[null]", b"-", b"[1, [2, 3]]", b'{"x": 1}', b"1979-05-27", b"0x7f"),
    *(b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP, b"- " * 2000, b"*a", b"!!python/object:os.system x"),
    *(b"&a [*a, *a]", b"!!set {a, b}", b"!!binary x", b"!!float x", b"!!timestamp x", b"? {a: b} : c", b"~"),
)


def mutated(data: bytes, dice: random.Random, name: str = "") -> bytes:
    """One to three changes. name: of the file; its suffix and the bytes say which kinds of structure there are."""
    damaged = False
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        change = dice.choice(_fitting(data, Path(name).suffix.lower()))
        if change is hdf5 and damaged:  # the library may read such a file for ever
            change = flipped
        damaged |= change is not hdf5
        new = change(data, dice)
        data = new if len(new) <= max(LARGEST, len(data)) else data
    return data


def _times(count: int, size: int) -> int:
    """How often what has `size` bytes may stand: as often as asked, within LARGEST."""
    return max(min(count, LARGEST // max(size, 1)), 1)


def _fitting(data: bytes, suffix: str) -> list[Mutation]:
    """What changes such a file; structure as often as bytes."""
    plain: list[Mutation] = [flipped, cut, moved, numbers_in_bytes]
    text = [another_number, another_text, another_value, lines]
    if data[:4] == b"PK\x03\x04":
        return [*plain[:1], zip_member, zip_member, zip_member]
    if data[:6] == b"\x93NUMPY":
        return [*plain, npy_header, npy_header, npy_header]
    if data[:8] == b"\x89HDF\r\n\x1a\n":
        return [*plain, hdf5, hdf5, hdf5]
    if suffix == ".safetensors":
        return [*plain, safetensors_header, safetensors_header, safetensors_header]
    if suffix in (".json", ".jsonl"):
        return [flipped, cut, moved, *text, json_value, json_value, json_value, json_value]
    if b"\0" not in data[:4096]:
        return [flipped, cut, moved, *text, *text]
    return plain


# --- bytes ---


def flipped(data: bytes, dice: random.Random) -> bytes:
    """Up to eight bytes."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 8) if out else 0):
        out[dice.randrange(len(out))] = dice.choice((dice.randrange(256), 0, 255, 10, 34, 45))
    return bytes(out)


def cut(data: bytes, dice: random.Random) -> bytes:
    """The end, the beginning, or a part."""
    first, last = sorted(dice.randint(0, len(data)) for _ in range(2))
    return dice.choice((data[:last], data[first:], data[:first] + data[last:]))


def moved(data: bytes, dice: random.Random) -> bytes:
    """A part again at another place, over what is there or before it."""
    first, last = sorted(dice.randint(0, len(data)) for _ in range(2))
    last = min(last, first + 512)
    at = dice.randint(0, len(data))
    return data[:at] + data[first:last] + data[at + dice.choice((0, last - first)) :]


def numbers_in_bytes(data: bytes, dice: random.Random) -> bytes:
    """A whole number or a double of the ends of its range, of either byte order."""
    kind = dice.choice("bhiqfd")
    size = struct.calcsize(kind)
    if len(data) < size:
        return data
    if kind in "fd":
        value: float = dice.choice((0.0, -1.0, float("inf"), float("-inf"), float("nan"), 1e30, 1e-40))
    else:
        most = (1 << (8 * size - 1)) - 1
        value = dice.choice((0, 1, -1, most, -most - 1, most - 1, most // 2))
    at = dice.randint(0, len(data) - size)
    return data[:at] + struct.pack(dice.choice("<>") + kind, value) + data[at + size :]


# --- words ---


def _replaced(pattern: re.Pattern[bytes], new: Callable[[re.Match[bytes]], bytes]) -> Mutation:
    def change(data: bytes, dice: random.Random) -> bytes:
        places = list(pattern.finditer(data))
        if not places:
            return data
        found = dice.choice(places)
        return data[: found.start()] + new(found) + data[found.end() :]

    return change


def another_number(data: bytes, dice: random.Random) -> bytes:
    return _replaced(_NUMBER, lambda _: dice.choice(NUMBERS))(data, dice)


def another_text(data: bytes, dice: random.Random) -> bytes:
    return _replaced(_QUOTED, lambda _: b'"%s"' % dice.choice(TEXTS).encode())(data, dice)


def another_value(data: bytes, dice: random.Random) -> bytes:
    """Of `key = value` or `key: value`."""
    value = dice.choice((*WORDS, *NUMBERS, *(b'"%s"' % text.encode() for text in TEXTS)))
    return _replaced(_KEYED, lambda found: found[1] + value)(data, dice)


def lines(data: bytes, dice: random.Random) -> bytes:
    """One dropped, twice, exchanged with another, or thousands of times."""
    rows = data.split(b"\n")
    at, to = dice.randrange(len(rows)), dice.randrange(len(rows))
    kind = dice.randrange(5)
    if kind == 0:
        del rows[at]
    elif kind == 1:
        rows.insert(to, rows[at])
    elif kind == 2:
        rows[at], rows[to] = rows[to], rows[at]
    elif kind == 3:
        rows[at:at] = rows[at : at + 1] * _times(dice.choice((10, 3000)), len(rows[at]) + 1)
    else:
        words = rows[at].split(b" ")
        words[dice.randrange(len(words))] = dice.choice((*NUMBERS, *WORDS, b"", b"\xff"))
        rows[at] = b" ".join(words)
    return b"\n".join(rows)


# --- JSON ---


class _Pairs(list):
    """A JSON object whose keys may stand twice."""


def json_value(data: bytes, dice: random.Random) -> bytes:
    """Somewhere in the tree: another value, an entry dropped or twice, a list emptied or long."""
    try:
        tree = json.loads(data, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return another_number(data, dice)
    at, path = tree, []
    while isinstance(at, list) and at and dice.random() < 0.85:
        key = dice.randrange(len(at))
        path.append((at, key))
        at = at[key][1] if isinstance(at, _Pairs) else at[key]
    raw = _Raw(dice.choice((*WORDS, *NUMBERS, *(b'"%s"' % text.encode() for text in TEXTS))))
    if not path:
        return raw.text
    parent, key = path[-1]
    kind = dice.randrange(5)
    if kind == 0:
        del parent[key]
    elif kind == 1:
        one = parent[key : key + 1]
        parent[key:key] = one * _times(dice.choice((1, 1, 2, 1000)), len(_json(type(parent)(one))))
    elif kind == 2 and isinstance(parent, _Pairs):
        parent[key] = (dice.choice(TEXTS), parent[key][1])
    else:
        parent[key] = (parent[key][0], raw) if isinstance(parent, _Pairs) else raw
    return _json(tree)


class _Raw:
    def __init__(self, text: bytes) -> None:
        self.text = text


def _json(value: Any) -> bytes:
    if isinstance(value, _Raw):
        return value.text
    if isinstance(value, _Pairs):
        return b"{" + b", ".join(b'"%s": %s' % (_escaped(key), _json(item)) for key, item in value) + b"}"
    if isinstance(value, list):
        return b"[" + b", ".join(map(_json, value)) + b"]"
    return json.dumps(value).encode()


def _escaped(key: str) -> bytes:
    return key.encode() if "\\u" in key else json.dumps(key)[1:-1].encode()


# --- containers ---


def zip_member(data: bytes, dice: random.Random) -> bytes:
    """One member's content changed (its checksum fits again), dropped, twice, renamed, or declared huge."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = [(info.filename, info.compress_type, file.read(info)) for info in file.infolist()]
    except Exception:  # damaged by an earlier change
        return flipped(data, dice)
    if not members:
        return data
    at = dice.randrange(len(members))
    name, method, content = members[at]
    kind = dice.randrange(7)
    if kind == 0:
        del members[at]
    elif kind == 1:
        members.append(members[at])
    elif kind == 2:
        members[at] = (dice.choice((*TEXTS, "1.npy", "frames.npy", "/a.npy")) or "a", method, content)
    elif kind == 3:
        members[at] = (name, dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)), content)
    else:
        members[at] = (name, method, mutated(content, dice, name))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, method, content in members:
            with _quiet():
                file.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def npy_header(data: bytes, dice: random.Random) -> bytes:
    """Its shape, type or order."""
    size = struct.unpack("<H", data[8:10])[0] if len(data) > 10 else 0
    head, rest = data[10 : 10 + size], data[10 + size :]
    if dice.random() < 0.4:
        types = (b"'|O'", b"'<f8'", b"'<c16'", b"'<U9'", b"'|V0'", b"'<i8'", b"'|b1'", b"'>f2'", b"'<M8[s]'", b"'|S0'")
        types += (b"[('a', '<f8')]", b"[('a', '<f8', (99999, 99999))]", b"'<U999999999'")
        head = re.sub(rb"'descr': *(\[.*?\]|'[^']*')", lambda _: b"'descr': " + dice.choice(types), head)
    else:
        head = dice.choice((another_number, another_number, flipped))(head, dice)
    head = (head.rstrip() + b" " * (-(len(head.rstrip()) + 11) % 64) + b"\n")[:65535]
    return data[:8] + struct.pack("<H", len(head)) + head + rest


def safetensors_header(data: bytes, dice: random.Random) -> bytes:
    size = struct.unpack("<Q", data[:8])[0] if len(data) > 8 else 0
    head = dice.choice((json_value, json_value, another_number, another_text))(data[8 : 8 + size], dice)
    told = len(head) if dice.random() < 0.9 else dice.choice((0, 1, len(head) + 1, 1 << 40, (1 << 64) - 1))
    return struct.pack("<Q", told) + head + data[8 + size :]


def hdf5(data: bytes, dice: random.Random) -> bytes:
    """A dataset of another shape or type, huge, a link, a group, or without a name."""
    import h5py
    import numpy as np

    held = io.BytesIO(data)
    try:
        with h5py.File(held, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            name = dice.choice(names)
            old = file[name]
            del file[name]
            kind = dice.randrange(9)
            if kind == 0:
                file[name] = h5py.SoftLink(dice.choice(("/", f"/{name}", "/nothing")))
            elif kind == 1:
                file[name] = h5py.ExternalLink("/dev/zero", "/")
            elif kind == 2:
                file.create_group(name)
            elif kind == 3:
                shape = dice.choice(((1 << 40,), (1 << 20, 1 << 20, 1 << 20), (0,), (0, 3), (1,) * 20))
                file.create_dataset(name, shape, dice.choice(("f8", "u1", "S9")), chunks=True)
            elif kind == 4:
                file[name] = dice.choice((1.0, float("nan"), -1, "text", b"", [[]], [1e300], h5py.Empty("f8")))
            elif kind == 5 and isinstance(old, h5py.Dataset):
                file[name] = np.asarray(old[()]).ravel()[: dice.randrange(5)]
            elif kind == 6 and isinstance(old, h5py.Dataset):
                lines_ = [mutated(bytes(each), dice, ".json") for each in np.ravel(old[()]) if isinstance(each, bytes)]
                file.create_dataset(name, data=lines_ or [b"[]"], dtype=h5py.string_dtype())
            elif kind == 7 and isinstance(old, h5py.Dataset) and old.dtype.kind in "fiu":
                values = np.array(old[()], dtype="f8")
                values.flat[dice.randrange(max(values.size, 1)) :] = dice.choice((np.nan, np.inf, -1, 1e300, 0))
                file[name] = values
        return held.getvalue()
    except Exception:  # damaged by an earlier change, or a library that does not write this
        return flipped(data, dice)


def _quiet() -> Any:
    import warnings

    return warnings.catch_warnings(action="ignore")
