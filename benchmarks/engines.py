"""Are datasets the same wherever their blocks run? Local, four shards and a merge, and a Dask cluster on this machine
with a worker and the client killed in the middle; with the CPU time of each: `python benchmarks/engines.py WORK`.

`--many N`: N small captures in one command, by one process and by a pool of two, in turns: what the pool costs.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import markerless_rig, scaled_rig

CAPTURES = 3
OPTIONS = ["--size", "128", "--on-cut", "keep", "--json"]


def digest(folder: Path) -> str:
    """Of all files, the folder's own path in lists left out."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith(".mouselift-lock"):
            found.update(path.relative_to(folder).as_posix().encode())
            found.update(path.read_bytes().replace(str(folder.resolve()).encode(), b"OUT"))
    return found.hexdigest()[:12]


def mouselift(*words: object) -> list[str]:
    return [sys.executable, "-m", "mouselift", *map(str, words)]


def timed(*commands: list[str]) -> float:
    """CPU seconds of these commands and all that they start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def recordings(work: Path, count: int, frames: int) -> list[Path]:
    found = [work / "recordings" / f"mouse{k}" for k in range(count)]
    for k, folder in enumerate(found):
        if not (folder / "capture.toml").exists():
            shutil.rmtree(folder, ignore_errors=True)
            rig = scaled_rig(markerless_rig(), 0.25)
            write_capture(folder, CaptureSpec(frames=frames, rig=rig, fps=4.0, gop=4, seed=k, supersample=1))
            write_capture_toml(folder / "capture.toml", discover(folder).spec)
    return found


def many(work: Path, count: int, frames: int, size: int, rounds: int) -> None:
    """Captures of one recording's bytes: what is compared is the engine."""
    (first,) = recordings(work, 1, frames)
    captures = [work / "many" / f"mouse{k}" for k in range(count)]
    for folder in captures:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(first, folder)
    spent: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers in spent:
            out = work / f"many{workers}"
            shutil.rmtree(out, ignore_errors=True)
            options = ["--size", size, "--on-cut", "keep", "--json", "--workers", workers]
            spent[workers].append(timed(mouselift("prepare", *captures, "--out", out, *options)))
    alone, pool = (sorted(values)[rounds // 2] for values in spent.values())
    print(f"{count} captures of {frames} frames at {size} px, medians of {rounds}: one process {alone:.1f} CPU s,")
    print(f"  a pool of two {pool:.1f}: {pool / alone:.2f} times; all: {spent}")


def started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


def compare(work: Path, frames: int) -> None:
    captures = recordings(work, CAPTURES, frames)
    root = {name: work / name for name in ("alone", "pool", "shards", "dask")}
    for folder in root.values():
        shutil.rmtree(folder, ignore_errors=True)
    say(
        "one process",
        timed(mouselift("prepare", *captures, "--out", root["alone"], *OPTIONS, "--workers", 1)),
        root,
        "alone",
    )
    say(
        "local pool of 2",
        timed(mouselift("prepare", *captures, "--out", root["pool"], *OPTIONS, "--workers", 2)),
        root,
        "pool",
    )
    parts = [
        mouselift("prepare", path, root["shards"] / path.name, *OPTIONS, "--workers", 1, *which)
        for path in captures
        for which in (*(("--shard", f"{k}/4") for k in range(4)), ("--merge",))
    ]
    whole = mouselift("prepare", *captures, "--out", root["shards"], *OPTIONS, "--merge")
    say("4 shards and a merge, each", timed(*parts, whole), root, "shards")
    dask(work, captures, root)


def dask(work: Path, captures: list[Path], root: dict[str, Path]) -> None:
    file = work / "scheduler.json"
    file.unlink(missing_ok=True)
    head = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--scheduler-file", str(file), "--no-dashboard"]
    hand = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1"]
    hand += ["--no-dashboard", "--no-nanny", "--local-directory", str(work / "dask-worker")]
    command = mouselift("prepare", *captures, "--out", root["dask"], *OPTIONS, "--engine", f"dask://{file.resolve()}")
    scheduler = started([*head, "--port", "0"])
    wait_for(file.exists)
    workers = [started(hand) for _ in range(2)]
    try:
        client = started(command)
        wait_for(lambda: len(list(root["dask"].glob("*/sample_*"))) > 2)
        workers[0].send_signal(signal.SIGKILL)
        workers.append(started(hand))
        wait_for(lambda: len(list(root["dask"].glob("*/sample_*"))) > 8)
        client.send_signal(signal.SIGKILL)
        client.wait()
        made = len(list(root["dask"].glob("*/sample_*")))
        print(f"killed: one of two workers, and the client after {made} samples")
        driver = timed(command)
        say("Dask, killed twice; CPU s of the second client alone", driver, root, "dask")
    finally:
        for process in [*workers, scheduler]:
            process.kill()
            process.wait()


def say(what: str, cpu: float, root: dict[str, Path], name: str) -> None:
    found = [digest(folder) for folder in sorted(path for path in root[name].iterdir() if path.is_dir())]
    wanted = [digest(folder) for folder in sorted(path for path in root["alone"].iterdir() if path.is_dir())]
    print(
        f"{what}: {cpu:.1f} CPU s, {'identical' if found == wanted else 'DIFFERENT'} ({len(found)} datasets)",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--many", type=int, help="captures")
    parser.add_argument("--size", type=int, default=512, help="with --many")
    parser.add_argument("--rounds", type=int, default=3, help="with --many")
    given = parser.parse_args()
    if given.many is None:
        compare(given.work, given.frames)
    else:
        many(given.work, given.many, given.frames, given.size, given.rounds)
