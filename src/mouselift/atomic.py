"""Files that appear whole or not at all, and never over a user's own unasked."""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

from mouselift.errors import OutputError, why_not

TEMPORARY = ".mouselift-writing-"  # begins the hidden names that hold what is not finished
_FILES = (".html", ".json", ".csv", ".ply", ".splat", ".mp4")  # endings that nobody gives a folder
_LONGEST = 160  # bytes of a name that are kept in a hidden one: 255 are allowed
_writing: set[str] = set()  # hidden names that this process writes to
_ABANDONED = 3600.0  # seconds: what another machine began earlier is nobody's; a sample is written in less than one


def hidden(path: Path) -> Path:
    """The name beside `path` under which a folder of ours is filled: the next run finds what a killed one left."""
    return path.with_name(f"{TEMPORARY}{path.name}")


def this_process() -> tuple[str, int]:
    """(machine, process): who writes, where several machines share a folder."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())[:32], os.getpid()


def hidden_by_us(path: Path) -> Path:
    """As `hidden`, for a folder that another process may make at the same time: the name says who, and is new."""
    host, process = this_process()
    return path.with_name(f"{TEMPORARY}~{host}~{process}~{secrets.token_hex(4)}~{_end(path)}")


def _end(path: Path) -> str:
    return path.name.encode(errors="surrogateescape")[-_LONGEST:].decode(errors="ignore")


def is_abandoned(path: Path) -> bool:
    """Whether a name of `hidden_by_us` is written to by nobody: its process has ended, or it is an hour old.

    True of all other hidden names: the folder's lock says that nobody else writes there.
    """
    parts = path.name.removeprefix(TEMPORARY).split("~", 4)
    if len(parts) < 5 or not parts[2].isdigit():
        return True
    host, process = this_process()
    if parts[1] == host and os.name != "nt":
        return int(parts[2]) == process or not _runs(int(parts[2]))
    try:
        return time.time() - path.lstat().st_mtime > _ABANDONED
    except OSError:
        return False  # its writer has just finished it


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def create_new(path: Path) -> None:
    """An empty file that was not there before. OSError where anything is, a link included: none is followed."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666))


def visible(paths: Iterable[Path]) -> list[Path]:
    """Sorted, without hidden ones: unfinished files of ours, and the `._name` that macOS puts beside every file."""
    return sorted(path for path in paths if not path.name.startswith("."))


def everything_below(folder: Path) -> list[Path]:
    """Files and folders, sorted; nothing of a folder that is not there. Links to folders are not followed.

    OSError where one cannot be listed: `Path.rglob` passes it over.
    """
    found: list[Path] = []
    todo = [folder]
    while todo:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                found.append(Path(entry))
                if entry.is_dir(follow_symlinks=False):
                    todo.append(found[-1])
    return sorted(found)


def matching(folder: Path, *patterns: str) -> list[Path]:
    """What is in `folder` and fits one of `patterns` in any case: CALIBRATION.TOML is found. As `visible`; nothing of a
    folder that is not there, or may not be listed."""
    wanted = [pattern.lower() for pattern in patterns]
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return visible(p for p in folder.iterdir() if any(fnmatchcase(p.name.lower(), one) for one in wanted))
    return []


def folders_in(place: Path) -> list[Path]:
    """As `visible`, for a look around: a link that leads nowhere, or round in a circle, is no folder, and nothing is in
    a place that may not be listed. A folder of many images costs no look at each of them."""
    with suppress(OSError), os.scandir(place) as entries:
        return visible(Path(entry) for entry in entries if _is_folder(entry))
    return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def check_output(path: Path, replace: bool, outside: Path | None = None) -> None:
    """Before any work: OutputError where `path` is a folder, is taken (without `replace`), or lies in `outside`.

    outside: a folder of the user's in which nothing is written.
    """
    _check_free(path, replace)
    check_writable(path)
    if outside is not None:
        check_outside(path, outside)


def check_folder(path: Path) -> None:
    """Before any work: OutputError where a file, or a link to nowhere, stands in place of `path` or a folder above, or
    a folder would be made under a name that is a file's."""
    above = [path, *path.parents]
    new = list(takewhile(lambda place: not os.path.lexists(place), above))
    if meant := next((place for place in new if place.suffix.lower() in _FILES), None):
        raise OutputError(f"{meant}: expected the name of a folder, got that of a {meant.suffix} file")
    there = above[min(len(new), len(above) - 1)]
    if os.path.lexists(there) and not os.path.isdir(there):
        raise OutputError(f"{there}: is a file; expected a folder: give another name. Nothing was changed")


def check_writable(path: Path) -> None:
    """Before any work: OutputError where the folder that `path` will lie in takes no files: hours would be for nothing.

    Only what the system says at once; a disk may be full later.
    """
    folder = next((place for place in path.absolute().parents if os.path.lexists(place)), path)
    if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
        read_only = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
        raise OutputError(f"{path}: {why_not_written(OSError(errno.EROFS if read_only else errno.EACCES, ''))}")


def check_outside(path: Path, folder: Path) -> None:
    """OutputError where `path` lies in a folder of the user's in which nothing is written."""
    if folder.is_dir() and path.resolve().is_relative_to(folder.resolve()):
        raise OutputError(f"{path}: lies in {folder}, where nothing is written; choose another place")


@contextmanager
def whole_file(path: Path, replace: bool = False) -> Iterator[Path]:
    """A new hidden file to write to: it becomes `path` when the block ends well, and is removed when it does not.

    Its name is drawn by chance, so it is nobody's, and ends as `path` does. Folders are made; what a killed run left of
    `path` goes. OutputError where `path` is a folder, is taken (without `replace`), or cannot be written.
    """
    _check_free(path, replace)
    temporary = hidden_by_us(path)
    made = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        _writing.add(temporary.name)
        create_new(temporary)
        made = True
        yield temporary
        _check_free(path, replace)  # it may have come to exist meanwhile
        if path.is_file() and not path.is_symlink():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {why_not_written(error)}") from error
    finally:
        if made:
            with suppress(OSError):  # what went wrong first is what is said
                temporary.unlink(missing_ok=True)
        _writing.discard(temporary.name)


def _remove_abandoned(path: Path) -> None:
    """Hidden files of `whole_file` for `path` to which nobody writes any more."""
    for name in _unfinished(str(path.parent), os.getpid()):
        old = path.with_name(name)
        if name.endswith(f"~{_end(path)}") and name not in _writing and is_abandoned(old):
            with suppress(OSError):
                old.unlink()


@lru_cache(maxsize=64)
def _unfinished(folder: str, _process: int) -> tuple[str, ...]:
    """Hidden names when this process first wrote there: to list them for each file takes time as its square."""
    return tuple(name for name in os.listdir(folder) if name.startswith(f"{TEMPORARY}~"))


def write_whole(path: Path, data: bytes | Iterable[bytes], replace: bool = False) -> None:
    """All of the bytes, or pieces that need not be in memory together, or no file; errors as `whole_file`."""
    with whole_file(path, replace) as temporary, temporary.open("wb") as stream:
        stream.writelines([data] if isinstance(data, bytes) else data)
        stream.flush()
        os.fsync(stream.fileno())  # a rename may reach the disk before the bytes do


def write_first(path: Path, data: bytes) -> bool:
    """All of the bytes, unless somebody was first: False where `path` is there. Of several processes one is first."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = hidden_by_us(path)
        create_new(temporary)
        try:
            temporary.write_bytes(data)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            try:
                os.link(temporary, path)  # fails where there is one; a rename would replace it
            except FileExistsError:
                return False
            except OSError:  # a file system without links (exFAT, some network shares): as near as it gets
                if os.path.lexists(path):
                    return False
                temporary.rename(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: {why_not_written(error)}") from error
    return True


def same_files(one: Path, other: Path) -> bool:
    """Whether both folders hold the same names with the same bytes."""
    try:
        names = [{path.relative_to(folder) for path in everything_below(folder)} for folder in (one, other)]
        return names[0] == names[1] and all(_same(one / name, other / name) for name in names[0])
    except OSError:  # another process replaces it
        return False


def _same(one: Path, other: Path) -> bool:
    """Whether both are folders, or files with the same bytes. A pipe, which another program put there, is neither."""
    if one.is_dir() or other.is_dir():
        return one.is_dir() and other.is_dir()
    whole = one.is_file() and other.is_file() and one.stat().st_size == other.stat().st_size
    return whole and one.read_bytes() == other.read_bytes()


def synced(path: Path) -> tuple[int, int]:
    """(size, CRC-32) of a file whose bytes have reached the disk."""
    with path.open("rb") as stream:
        data = stream.read()
        os.fsync(stream.fileno())
    return len(data), zlib.crc32(data)


def sync_folder(path: Path) -> None:
    """A new name in a folder reaches the disk with the folder. Windows cannot, and need not, be asked."""
    if os.name != "nt":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def why_not_written(error: OSError) -> str:
    """In words for the user."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return why_not(error) if full else f"cannot be written: {why_not(error)}"


def _check_free(path: Path, replace: bool) -> None:
    """A link that leads nowhere is there too."""
    if os.path.isdir(path):
        raise OutputError(f"{path}: is a folder; expected the name of a file to write: give one in it, or move it away")
    if os.path.lexists(path) and not replace:
        raise OutputError(f"{path}: exists already; give another name, or remove it (--force where there is one)")
