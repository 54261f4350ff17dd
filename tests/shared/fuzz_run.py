"""Gives mutated inputs to a reader in forked children, so that a crash, a hang or a full memory names its input."""

from __future__ import annotations

import faulthandler
import logging
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mouselift import hdf5_file
from mouselift.errors import MouseliftError
from mutations import mutated

SECONDS = 5.0  # of CPU an input
MEMORY_MB = 1000  # that the process may grow by, and (with what it maps before) address
_BATCH = 500  # inputs a child
_SILENT = 120.0  # seconds of wall time after which a child hangs: machines are shared


@dataclass(frozen=True)
class Reader:
    """write: fills the empty folder and gives the path that is read; the files in it are what is changed."""

    write: Callable[[Path], Path]
    read: Callable[[Path], object]
    kept: tuple[str, ...] = ()  # endings of files that stay as they are


@dataclass
class Result:
    """Of one reader. failures: (input, what happened)."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    slowest: float = 0.0  # CPU seconds
    peak_mb: float = 0.0  # above the process's size before
    failures: list[tuple[int, str]] = field(default_factory=list)


class Seed:
    """A reader's valid input, and its mutated twins by number."""

    def __init__(self, name: str, reader: Reader, seed: int, folder: Path) -> None:
        self.name, self.reader, self.seed = name, reader, seed
        self.folder = folder
        self.path = reader.write(folder)
        every = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.endswith(reader.kept)]
        self.files = every if reader.kept else sorted(every, key=lambda file: file.suffix == ".png")
        self.content = {file: file.read_bytes() for file in self.files}
        reader.read(self.path)  # what is not read when it is whole tests nothing

    def mutated(self, number: int) -> tuple[Path, bytes]:
        """(which file, its bytes): the first file in half of all inputs."""
        dice = random.Random(f"{self.name} {self.seed} {number}")
        file = self.files[0] if dice.random() < 0.5 else dice.choice(self.files)
        return file, mutated(self.content[file], dice, file.name)


def fuzz(seed: Seed, first: int, count: int) -> Iterator[Result]:
    """The inputs first .. first + count - 1; the result so far after each child."""
    out, number = Result(), first
    while number < first + count:
        batch = min(_BATCH, first + count - number)
        for at, line in _child(seed, number, batch):
            number = at + 1
            _count(out, at, line)
        yield out


def _count(out: Result, number: int, line: str) -> None:
    kind, took, grown, words = line.split(" ", 3)
    out.inputs += 1
    out.accepted += kind == "accepted"
    out.refused += kind == "refused"
    out.slowest, out.peak_mb = max(out.slowest, float(took)), max(out.peak_mb, float(grown))
    if kind == "failed":
        out.failures.append((number, words))
    elif float(grown) > MEMORY_MB:
        out.failures.append((number, f"{grown} MB"))


def _child(seed: Seed, first: int, count: int) -> Iterator[tuple[int, str]]:
    """(number, line) of each input; the last one is that at which the child died, if it did."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.close(read)
            _work(seed, first, count, write)
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    buffer, number, hung = b"", first, False
    with os.fdopen(read, "rb", buffering=0) as stream:
        while True:
            if not select.select([stream], [], [], _SILENT)[0]:
                hung = True
                os.kill(pid, signal.SIGKILL)
                break
            data = stream.read(1 << 16)
            if not data:
                break
            *whole, buffer = (buffer + data).split(b"\n")
            for line in whole:
                yield number, line.decode("utf-8", "replace")
                number += 1
    status = os.waitpid(pid, 0)[1]
    if number < first + count:
        ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
        why = "hung" if hung else f"more than {SECONDS:g} s" if ended == "SIGPROF" else f"the process died: {ended}"
        yield number, f"failed {SECONDS if 'more' in why else 0} 0 {why}"


def _work(seed: Seed, first: int, count: int, out: int) -> None:
    """In the child. A line an input: kind, CPU seconds, MB, words."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    faulthandler.disable()
    devnull = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # libraries print what they think of damaged files
        os.dup2(devnull, stream)
    hdf5_file._ends_well, hdf5_file._CPU_SECONDS = _forked, 0.5  # of the 4 s most are for a Python to start
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        folder = Path(name).resolve() / "input"
        shutil.copytree(seed.folder, folder)
        path = folder / seed.path.relative_to(seed.folder)
        before = _status("VmSize")
        most = int((before + 2 * MEMORY_MB) * 1e6)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in range(first, first + count):
            file, data = seed.mutated(number)
            target = folder / file.relative_to(seed.folder)
            target.write_bytes(data)
            Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
            start, size = _cpu_seconds(), _status("VmHWM")
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            kind, words = _outcome(seed.reader, path)
            signal.setitimer(signal.ITIMER_PROF, 0)
            took, grown = _cpu_seconds() - start, _status("VmHWM") - size
            os.write(out, f"{kind} {took:.3f} {grown:.1f} {words}\n".encode("utf-8", "replace"))
            target.write_bytes(seed.content[file])


def _forked(program: str, arguments: list[str]) -> bool:
    """As `hdf5_file._ends_well`, which starts a Python: its 0.35 s a file are all that most files cost."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            sys.argv = ["-c", *arguments]
            exec(program, {"__name__": "__main__"})
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def _outcome(reader: Reader, path: Path) -> tuple[str, str]:
    try:
        reader.read(path)
    except MouseliftError as error:
        words = str(error)
        return ("refused", "") if len(words) < 3000 else ("failed", f"a message of {len(words)} characters")
    except BaseException as error:
        frames = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        words = f"{type(error).__name__}: {error}"[:200].replace("\n", " ")
        return "failed", f"{words} at {' '.join(frames[-7:])}"
    return "accepted", ""


def _cpu_seconds() -> float:
    """Of this process and those that it started and that ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _status(key: str) -> float:
    """MB of this process, by the kernel."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
