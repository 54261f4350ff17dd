"""HDF5 files of others: what they hold is read only from the file itself, with its size checked before.

A dataset can say any size, and can point into other files of the machine (links, external and virtual storage): both
are refused. The library itself runs for ever on some damaged files, dies of others or fills the memory, so a process of
its own reads the whole file first. Needs h5py, the extra `hdf5`.
"""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.errors import CalibrationError, MissingExtraError, MouseliftError, why_not
from mouselift.foreign import short_text
from mouselift.limits import CALIBRATION_BYTES, MAT_BYTES, first_bytes

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_BLOCKS = (0, 512)  # where it begins: MATLAB writes 512 bytes of its own before it

# CPU seconds up to the next dataset: Python and h5py start in 0.35 s, so a machine may be ten times slower. And for
# each dataset one second for so many bytes unpacked: gzip in blocks of 64 bytes came at 10 MB/s, in those of usual
# size at 130 (noise) to 500 (masks); how small a file is on the disk says nothing. A slow disk costs no CPU.
# Memory: text of any length is not packed, so it is no longer than the file; a damaged length took 1.2 GB.
_CPU_SECONDS, _BYTES_A_SECOND = 4.0, 10e6
_WALL_SECONDS = 600  # where the machine has other work
_READ_ALL = """
import contextlib, math, os, signal, sys
def may_take(seconds, size=0):
    with contextlib.suppress(AttributeError):  # Windows has no such timer
        signal.setitimer(signal.ITIMER_PROF, float(sys.argv[3]) + seconds)
    with contextlib.suppress(ImportError, OSError, ValueError):  # nor this limit; macOS does not say what is used
        import resource
        with open("/proc/self/status") as lines:
            used = 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("VmSize"))
        most = used + size + 2 * os.path.getsize(sys.argv[1]) + (64 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
may_take(0, 1 << 32)
with contextlib.suppress(ImportError):
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import h5py
def no_room(error):
    if isinstance(error, MemoryError) or "alloc" in str(error):
        sys.exit(1)
def read(item):
    may_take(0)
    list(item.attrs.items())
    if isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual:
        held = max(item.nbytes, item.dtype.itemsize * math.prod(item.chunks or ()))
        if held <= int(sys.argv[2]):
            may_take(item.nbytes / float(sys.argv[4]), 10 * held)  # values may be objects of Python
            item[()]
def members(group):
    found = []
    try:
        found.extend(group)
    except Exception as error:
        no_room(error)
    return found
with contextlib.suppress(OSError), h5py.File(sys.argv[1], "r") as root:
    seen, todo = set(), [root]
    while todo:  # the library's own visit ends at the first object that is damaged, and those behind it are read later
        group = todo.pop()
        for name in members(group):
            try:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    continue
                item = group[name]
                place = h5py.h5o.get_info(item.id).addr
                if place in seen:
                    continue
                seen.add(place)
                if isinstance(item, h5py.Group):
                    todo.append(item)
                read(item)
            except Exception as error:
                no_room(error)
"""


def h5py_for(path: Path, what: str, instead: str = "") -> Any:
    """The library, or a MissingExtraError that says what it is needed for."""
    try:
        return importlib.import_module("h5py")
    except ImportError:
        raise MissingExtraError(f"{path}: {what} need h5py: pip install 'mouselift[hdf5]'{instead}") from None


def is_hdf5(path: Path) -> bool:
    try:
        head = first_bytes(path, _BLOCKS[-1] + len(_SIGNATURE))
    except (OSError, ValueError):
        return False
    return any(head[at : at + len(_SIGNATURE)] == _SIGNATURE for at in _BLOCKS)


@contextmanager
def opened(path: Path, what: str, error: type[MouseliftError] = CalibrationError, instead: str = "") -> Iterator[Any]:
    """The file's root group. `error`: no HDF5, damaged, or what is read in it is not as expected.

    instead: for the message where h5py is not installed, as `h5py_for`.
    """
    try:
        first_bytes(path, 1)
    except OSError as found:
        raise error(f"{path}: cannot be read: {why_not(found)}") from None
    except ValueError:  # a pipe
        pass
    if not is_hdf5(path):
        raise error(f"{path}: expected an HDF5 file with {what}")
    library = h5py_for(path, what, instead)
    state = path.stat()
    if not _survived(path, state.st_size, state.st_mtime_ns):
        raise error(f"{path}: is damaged: the HDF5 library does not end or fills the memory; copy or export it again")
    try:
        with library.File(path, "r") as root:
            yield root
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as found:
        raise error(f"{path}: cannot be read as {what}: {short_text(found)}") from None


@lru_cache(maxsize=64)
def _survived(path: Path, _size: int, _changed: int) -> bool:
    """Whether a process that reads all of the file ends by itself. What it cannot read is the caller's to say."""
    return _ends_well(_READ_ALL, [str(path), str(MAT_BYTES), str(_CPU_SECONDS), str(_BYTES_A_SECOND)])


def _ends_well(program: str, arguments: list[str]) -> bool:
    """Whether a new Python ends by itself, without an error. The fuzzer forks instead (tests/shared/fuzz_run.py)."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=_WALL_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def member(group: Any, name: str) -> Any:
    """A group or dataset of this very file; None where there is none of that name."""
    library = importlib.import_module("h5py")
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, library.HardLink):
        raise ValueError(f"{name} is a link; expected the data itself")
    return group[name]


def text_of(value: Any) -> str:
    """Of a string or an attribute, which comes as text or as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def is_group(value: Any) -> bool:
    return isinstance(value, importlib.import_module("h5py").Group)


def is_dataset(value: Any) -> bool:
    """Neither nothing nor a group, nor a type that a damaged file names."""
    return isinstance(value, importlib.import_module("h5py").Dataset)


def check_inside(dataset: Any, name: str) -> None:
    """ValueError for a dataset whose content lies in other files."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} lies in another file")


def array_of(dataset: Any, name: str, most: int = CALIBRATION_BYTES) -> np.ndarray:
    """A dataset's content. ValueError: it is none, has more than `most` bytes, or lies elsewhere."""
    if not is_dataset(dataset):
        raise ValueError(f"expected a dataset {name}")
    check_inside(dataset, name)
    item = max(dataset.dtype.itemsize, 1)
    chunk = math.prod(dataset.chunks or (0,))
    if dataset.shape is None or max(dataset.size, chunk) * item > most:
        raise ValueError(f"{name} of shape {dataset.shape} has more than {most:,} bytes")
    return np.asarray(dataset[()])
