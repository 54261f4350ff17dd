"""What caches of Python's tools take on the disk, and their owners' commands that free it.

Only named places are looked at. Sizes are what the file system holds: links inside a cache are not followed, files with
several names count once. Nothing is deleted here: `free` runs one command of the cache's own tool, which is told the
listed path.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mouselift.errors import MouseliftError
from mouselift.limits import LIST_BYTES, limited_bytes

LOG = logging.getLogger(__name__)

_BLOCK = 512  # bytes of st_blocks (POSIX)
Which = Callable[[str], str | None]


@dataclass(frozen=True)
class DiskUse:
    """One cache or environment."""

    owner: str  # pip, uv, Hugging Face, wandb, conda, torch hub
    what: str
    path: Path  # resolved: where the files lie
    size: int  # bytes on the disk
    files: int
    unreadable: int = 0  # folders that could not be read: the size is a lower bound
    command: tuple[str, ...] = ()  # the owner's, which frees it; empty where it has none, or is not installed
    environment: tuple[tuple[str, str], ...] = ()  # variables that bind the command to `path`
    note: str = ""


@dataclass(frozen=True)
class _Place:
    owner: str
    what: str
    path: Path
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    note: str = ""


def disk_usage(which: Which = shutil.which) -> list[DiskUse]:
    """The caches and environments of this user that are there, largest first.

    Where they lie is said by variables of the environment. which: finds programs.

    >>> for use in disk_usage():  # doctest: +SKIP
    ...     print(use.size, use.path, *use.command)
    """
    found: dict[Path, DiskUse] = {}
    for place in _places(os.environ, which):
        path = _real(place.path)
        if not os.path.isdir(path) or path in found:
            continue
        size, files, unreadable = measured(path)
        if files or unreadable:
            found[path] = DiskUse(
                place.owner, place.what, path, size, files, unreadable, place.command, place.environment, place.note
            )
    return sorted(found.values(), key=lambda use: (-use.size, str(use.path)))


def measured(path: Path) -> tuple[int, int, int]:
    """(bytes, files, unreadable folders) below `path`.

    Links are not followed; a file with several names counts once.
    """
    size, files, unreadable = 0, 0, 0
    seen: set[tuple[int, int]] = set()
    todo = [str(path)]
    while todo:
        try:
            entries = list(os.scandir(todo.pop()))
        except OSError:
            unreadable += 1
            continue
        for entry in entries:
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:  # gone meanwhile
                continue
            if stat.S_ISDIR(info.st_mode):
                todo.append(entry.path)
            elif (info.st_dev, info.st_ino) not in seen or not info.st_ino:
                seen.add((info.st_dev, info.st_ino))
                size += getattr(info, "st_blocks", -(-info.st_size // _BLOCK)) * _BLOCK
                files += 1
    return size, files, unreadable


def free(use: DiskUse) -> int:
    """Runs the owner's command; bytes that it freed. MouseliftError where it fails, or the path is another one now."""
    if not use.command:
        raise MouseliftError(f"{use.path}: {use.owner} has no command that frees it")
    if _real(use.path) != use.path:
        raise MouseliftError(f"{use.path}: is a link now, it was none when it was listed; nothing was run")
    LOG.info("runs %s", " ".join(use.command))
    try:
        done = subprocess.run(
            use.command, env={**os.environ, **dict(use.environment)}, stdin=subprocess.DEVNULL, stdout=sys.stderr
        )
    except OSError as error:
        raise MouseliftError(f"{use.command[0]}: cannot be run ({error.strerror or error})") from None
    if done.returncode:
        raise MouseliftError(f"`{' '.join(use.command)}` ended with code {done.returncode}; its message is above")
    return use.size - (measured(use.path)[0] if use.path.exists() else 0)


def _places(variables: Mapping[str, str], which: Which) -> Iterator[_Place]:
    home = Path(variables.get("HOME") or variables.get("USERPROFILE") or os.path.expanduser("~"))
    cache = Path(variables.get("XDG_CACHE_HOME") or home / ".cache")

    def named(variable: str, default: Path) -> Path:
        return Path(os.path.expanduser(variables[variable])) if variables.get(variable) else default

    mac = home / "Library/Caches"
    run_pip = (sys.executable, "-m", "pip") if find_spec("pip") else tuple(filter(None, [which("pip")]))
    for pip in (named("PIP_CACHE_DIR", cache / "pip"), mac / "pip"):
        command = (*run_pip, "--cache-dir", str(_real(pip)), "cache", "purge") if run_pip else ()
        yield _Place("pip", "downloads and wheels", pip, command, note="packages are downloaded again when needed")
    uv = named("UV_CACHE_DIR", cache / "uv")
    command = (program, "cache", "prune", "--cache-dir", str(_real(uv))) if (program := which("uv")) else ()
    yield _Place("uv", "cache", uv, command, note="prune keeps what is still in use; `uv cache clean` empties it")
    yield from _hugging_face(named("HF_HOME", cache / "huggingface"), variables, which)
    torch = named("TORCH_HOME", cache / "torch")
    yield _Place("torch hub", "models", torch / "hub", note="torch has no command for it: delete files you know")
    yield from _wandb(named("WANDB_CACHE_DIR", cache), home, variables, which)
    yield from _conda(home, variables, which)


def _hugging_face(home: Path, variables: Mapping[str, str], which: Which) -> Iterator[_Place]:
    """A repository each, as `hf cache rm` takes them."""
    at = variables.get("HF_HUB_CACHE") or variables.get("HUGGINGFACE_HUB_CACHE")
    hub, program = Path(at) if at else home / "hub", which("hf")
    repositories = [folder for folder in _listed(hub) if _is_repository(folder)]
    revisions = Counter(path.name for folder in repositories for path in folder.glob("snapshots/*"))
    for folder in repositories:
        kind, _, name = folder.name.partition("--")
        repository = f"{kind[:-1]}/{name.replace('--', '/')}"
        command = (program, "cache", "rm", repository, "--cache-dir", str(_real(hub)), "--yes") if program else ()
        note = "" if program else "`pip install huggingface_hub` brings the command that frees it (hf cache rm)"
        if any(revisions[path.name] > 1 for path in folder.glob("snapshots/*")):
            # huggingface_hub 2.4.0 finds revisions by hash alone: asked for one such repository, it deleted the other.
            command, note = (), "shares a revision with another repository, so `hf cache rm` may delete that one"
        yield _Place("Hugging Face", repository, folder, command, note=note)
    for name in ("datasets", "xet", "assets"):
        yield _Place("Hugging Face", name, home / name, note="no command of its own")


def _real(path: Path) -> Path:
    """With links followed; a link that leads in a circle stays as it is (`Path.resolve` raises below Python 3.13)."""
    return Path(os.path.realpath(path))


def _listed(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing of one that is not there or cannot be read: its size says so."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_repository(folder: Path) -> bool:
    """As `models--org--name`; a link to one lies elsewhere."""
    return not folder.is_symlink() and folder.name.startswith(("models--", "datasets--", "spaces--"))


def _wandb(cache: Path, home: Path, variables: Mapping[str, str], which: Which) -> Iterator[_Place]:
    program = which("wandb")
    command = (program, "artifact", "cache", "cleanup", "0GB") if program else ()
    note = "" if program else "`pip install wandb` brings the command that frees it (wandb artifact cache cleanup)"
    bound = (("WANDB_CACHE_DIR", str(_real(cache))),)
    yield _Place("wandb", "artifacts", cache / "wandb", command, bound, note)
    data = Path(variables.get("WANDB_DATA_DIR") or home / ".local/share/wandb")
    yield _Place(
        "wandb", "uploads in waiting", data, note="no command of its own: runs that were not uploaded may need it"
    )


def _conda(home: Path, variables: Mapping[str, str], which: Which) -> Iterator[_Place]:
    program = variables.get("CONDA_EXE") or which("conda")
    root = _real(Path(program)).parent.parent if program else None
    packages = [Path(part) for part in variables.get("CONDA_PKGS_DIRS", "").split(os.pathsep) if part]
    for folder in packages or [*([root / "pkgs"] if root else []), home / ".conda/pkgs"]:
        command = (program, "clean", "--packages", "--tarballs", "--index-cache", "--yes") if program else ()
        yield _Place("conda", "packages", folder, command, (("CONDA_PKGS_DIRS", str(_real(folder))),))
    listed = home / ".conda/environments.txt"
    try:
        lines = limited_bytes(listed, LIST_BYTES).decode().split("\n")
    except (OSError, ValueError):
        lines = []
    for environment in map(Path, filter(None, map(str.strip, lines))):
        if not os.path.isdir(environment / "conda-meta"):
            continue
        own = _real(environment) in (root, _real(Path(sys.prefix))) or os.path.isdir(environment / "condabin")
        command = (
            (program, "env", "remove", "--prefix", str(_real(environment)), "--yes") if program and not own else ()
        )
        note = "in use: conda's own, or this program's" if own else "all of it; shares files with conda's packages"
        yield _Place("conda", f"environment {environment.name}", environment, command, note=note)
