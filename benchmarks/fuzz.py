"""Damaged and hostile files for every reader: none may end in a raw traceback, a crash, a long wait or a full memory.

    python benchmarks/fuzz.py --out FOLDER [--inputs 20000] [--seed 1] [--readers NAME ...]

Each input is a small valid file or folder with one to three changes (tests/shared/mutations.py). It is read in a child
process with limits. OUT/results.json has the counts by reader and seed: the same command goes on where it was stopped.
OUT/failures/<reader>-<seed>-<number> holds each input that failed, and why.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from dataclasses import asdict
from pathlib import Path

import _paths  # noqa: F401
from fuzz_readers import readers
from fuzz_run import Reader, Result, Seed, fuzz


def run_reader(name: str, reader: Reader, seed: int, inputs: int, out: Path) -> Result:
    """Goes on from what OUT's table says."""
    done = load(out).get(f"{name} {seed}", Result())
    with tempfile.TemporaryDirectory() as folder:
        made = Seed(name, reader, seed, Path(folder).resolve())
        before = Result(**asdict(done))
        for now in fuzz(made, before.inputs, inputs - before.inputs) if inputs > before.inputs else ():
            done = added(before, now)
            keep_failures(made, now, out)
            save(out, f"{name} {seed}", done)
    return done


def added(a: Result, b: Result) -> Result:
    counts = {key: getattr(a, key) + getattr(b, key) for key in ("inputs", "accepted", "refused", "failures")}
    return Result(**counts, slowest=max(a.slowest, b.slowest), peak_mb=max(a.peak_mb, b.peak_mb))


def keep_failures(seed: Seed, found: Result, out: Path) -> None:
    for number, words in found.failures:
        folder = out / "failures" / f"{re.sub(r'[^A-Za-z0-9]+', '_', seed.name)}-{seed.seed}-{number}"
        if not folder.exists():
            file, data = seed.mutated(number)
            folder.mkdir(parents=True)
            (folder / file.name).write_bytes(data)
            (folder / "why.txt").write_text(words + "\n", errors="replace")


def load(out: Path) -> dict[str, Result]:
    file = out / "results.json"
    return {key: Result(**value) for key, value in json.loads(file.read_text()).items()} if file.exists() else {}


def save(out: Path, key: str, result: Result) -> None:
    """Whole: a run may be stopped at any time."""
    every = {**load(out), key: result}
    part = out / "results.json.part"
    part.write_text(json.dumps({name: asdict(one) for name, one in every.items()}))
    part.replace(out / "results.json")


def table(results: dict[str, Result]) -> str:
    """Markdown."""
    lines = ["| reader, seed | inputs | refused | accepted | failures | slowest, CPU s | peak, MB |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name, one in results.items():
        counts = f"{one.inputs:,} | {one.refused:,} | {one.accepted:,} | {len(one.failures)}"
        lines.append(f"| {name} | {counts} | {one.slowest:.2f} | {one.peak_mb:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--readers", nargs="+", metavar="NAME", choices=list(readers()), default=list(readers()))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.readers:
        result = run_reader(name, readers()[name], arguments.seed, arguments.inputs, arguments.out)
        print(f"{name}: {result.inputs} inputs, {len(result.failures)} failures", flush=True)
        for number, words in result.failures[:5]:
            print(f"  {number}: {words}", flush=True)
    print(table(load(arguments.out)))


if __name__ == "__main__":
    main()
