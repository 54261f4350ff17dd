"""Is this tree as fast as another one? `prepare` and `audit` of both, in turns: ratios of CPU time in one run.

    git worktree add /tmp/before REVISION
    python benchmarks/two_trees.py /tmp/before [--rounds 5] [--every 10]

Each command is a process of its own with one worker; user + system seconds, as the operating system counts them. A
ratio above one means that the other tree takes longer. Compiled sources are kept, a folder for each tree, as an
installed package's are; the first round, which makes them, is not counted. The written datasets are compared byte by
byte (but for lists, which hold absolute paths), the audits number by number.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recording import paired_arguments

HERE = Path(__file__).resolve().parent


def cpu_seconds(tree: Path, cache: Path, *arguments: str) -> tuple[float, str]:
    """Of one `mouselift` command of a tree, and its output. Exit codes 0 and 1 are answers."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(cache)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "mouselift", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{tree}: {' '.join(arguments)}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a JSON document, with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from numbers(item, f"{path}/{index}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, float(value)


def worst_difference(ours: str, theirs: str) -> str:
    """The largest relative difference of two audits, and where."""
    a, b = dict(numbers(json.loads(ours))), dict(numbers(json.loads(theirs)))
    away = {
        key: abs(a[key] - b[key]) / max(abs(a[key]), abs(b[key]), 1e-12)
        for key in a.keys() & b.keys()
        if math.isfinite(a[key]) and a[key] != b[key]
    }
    key = max(away, key=lambda k: away[k], default="")
    only = len(a.keys() ^ b.keys())
    return f"{away.get(key, 0.0):.1e} {key}; {only} numbers in one of them only"


def different_files(ours: Path, theirs: Path) -> list[str]:
    """Of two datasets, lists left aside."""
    names = {p.relative_to(root) for root in (ours, theirs) for p in root.rglob("*") if p.is_file()}
    kept = (name for name in names if not name.name.startswith(("data_", "dataset.json")))
    return sorted(
        str(name)
        for name in kept
        if not ((ours / name).is_file() and (theirs / name).is_file())
        or (ours / name).read_bytes() != (theirs / name).read_bytes()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="another checkout of this project")
    arguments, capture = paired_arguments(parser)
    trees = {"this tree": HERE.parent, "the other": arguments.other.resolve()}
    took: dict[str, dict[str, list[float]]] = {verb: {name: [] for name in trees} for verb in ("prepare", "audit")}
    with tempfile.TemporaryDirectory() as folder:
        datasets = {name: Path(folder) / name.replace(" ", "-") for name in trees}
        caches = {name: Path(folder) / f"{path.name}-compiled" for name, path in datasets.items()}
        said: dict[str, str] = {}
        for _ in range(1 + arguments.rounds):
            for name, tree in trees.items():
                shutil.rmtree(datasets[name], ignore_errors=True)
                options = ("--every", str(arguments.every), "--workers", "1", "--on-cut", "keep")
                took["prepare"][name].append(
                    cpu_seconds(tree, caches[name], "prepare", str(capture), str(datasets[name]), *options)[0]
                )
            for name, tree in trees.items():
                call = ("audit", str(datasets["this tree"]), "--workers", "1", "--json")
                seconds, said[name] = cpu_seconds(tree, caches[name], *call)
                took["audit"][name].append(seconds)
        changed = different_files(*datasets.values())
        samples = len(list(datasets["this tree"].glob("*/opencv_cameras.json")))
    print(f"{samples} samples of {capture}")
    for verb, seconds in took.items():
        ours, theirs = (each[1:] for each in seconds.values())
        ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        medians = f"{statistics.median(ours):.2f} s against {statistics.median(theirs):.2f} s"
        print(f"{verb}: {medians}, the other / this {ratio:.3f}")
    print(f"prepare: {len(changed)} files differ {', '.join(changed[:5])}")
    print(f"audit: largest relative difference {worst_difference(*said.values())}")


if __name__ == "__main__":
    main()
