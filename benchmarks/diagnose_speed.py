"""Is a diagnosis as fast as another tree's, and does it say the same? Every fault, both trees in turns.

    git worktree add /tmp/before REVISION
    python benchmarks/diagnose_speed.py /tmp/before [--faults views_rescaled ...] [--instants 0.5 3.0] [--seeds 11]

Samples: exact ones of tests/shared/exact_samples.py with one fault of tests/shared/faults.py each, made once and
diagnosed by a process of either tree on one thread. CPU seconds as the process counts them; a ratio above one means
that the other tree takes longer. Compared: the words, the rivals, and the largest relative difference of all numbers
(values with their deviations, residuals, corrected cameras).
"""

from __future__ import annotations

import argparse
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
from exact_samples import make_sample
from faults import FAULTS

HERE = Path(__file__).resolve().parent
_SIZES = {"focal": 500.0, "principal": 256.0, "R_cam_world": 1.0, "centre": 1.0}  # what differences count against


class Process:
    """A process of one tree that diagnoses the samples whose files it is given."""

    def __init__(self, tree: Path) -> None:
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        environment = {**os.environ, **threads, "PYTHONPATH": str(tree / "src")}
        command = [sys.executable, str(Path(__file__).resolve()), "--answer"]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def diagnose(self, sample: Path, into: Path) -> dict[str, Any]:
        """What it says of one sample, with its `seconds`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(sample, into, file=self._process.stdin, flush=True)
        if not self._process.stdout.readline():
            raise SystemExit("a process ended before its answer; its error stands above")
        return pickle.loads(into.read_bytes())

    def end(self) -> None:
        """No more samples."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def answer() -> None:
    """In a tree's process: a line `SAMPLE ANSWER` in, one line out once the diagnosis is written."""
    from mouselift.diagnosis.explain import diagnose

    for line in sys.stdin:
        sample, into = map(Path, line.split())
        loaded = pickle.loads(sample.read_bytes())
        start = time.process_time()
        found = diagnose(loaded)
        said: dict[str, Any] = {"seconds": time.process_time() - start, "words": "nothing", "numbers": {}}
        if found.cause is not None:
            cause = found.cause
            said["words"] = f"{cause.code} {cause.views} {cause.ambiguous_with} {cause.decided_by}"
            said["numbers"] = {**cause.values, "before": cause.residual_before_px, "after": cause.residual_after_px}
        if found.undone is not None:
            for name in _SIZES:
                corrected = np.concatenate([getattr(cameras, name).ravel() for cameras in found.undone.corrected])
                said["numbers"] |= {f"{name} {n}": value for n, value in enumerate(corrected.tolist())}
        into.write_bytes(pickle.dumps(said))
        print("done", flush=True)


def difference(ours: dict[str, float | None], theirs: dict[str, float | None]) -> tuple[float, str]:
    """The largest relative one, and where; of cameras, relative to the usual size of such numbers."""
    if ours.keys() != theirs.keys():
        return float("inf"), "other values"
    worst = (0.0, "")
    for name, value in ours.items():
        other = theirs[name]
        if value is None or other is None:
            worst = max(worst, (0.0 if value is other else float("inf"), name))
            continue
        size = _SIZES.get(name.split()[0], max(abs(value), abs(other), 1e-3))
        worst = max(worst, (abs(value - other) / size, name))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, nargs="?", help="another checkout of this project")
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--instants", nargs="+", type=float, default=[0.5, 3.0], help="of the synthetic mouse, seconds")
    parser.add_argument("--seeds", nargs="+", type=int, default=[11], help="of the faults' strengths")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        answer()
        return
    samples = [make_sample(instant) for instant in arguments.instants]
    trees = [Process(HERE.parent), Process(arguments.other.resolve())]
    ratios: list[float] = []
    totals = np.zeros(2)
    with tempfile.TemporaryDirectory() as folder:
        into, answers = Path(folder) / "sample.pickle", Path(folder) / "answer.pickle"
        for name in arguments.faults:
            for sample in samples:
                for seed in arguments.seeds:
                    into.write_bytes(pickle.dumps(FAULTS[name](sample, np.random.default_rng(seed)).sample))
                    ours, theirs = (tree.diagnose(into, answers) for tree in trees)
                    ratios.append(theirs["seconds"] / ours["seconds"])
                    totals += ours["seconds"], theirs["seconds"]
                    away, where = difference(ours["numbers"], theirs["numbers"])
                    same = "same words" if ours["words"] == theirs["words"] else f"{ours['words']} | {theirs['words']}"
                    took = f"{ours['seconds']:6.2f} s against {theirs['seconds']:6.2f} s, ratio {ratios[-1]:5.2f}"
                    print(f"{name:22} {sample.id} {seed:3}  {took}  {away:.0e} {where:18} {same}", flush=True)
    print(f"all: {totals[0]:.1f} s against {totals[1]:.1f} s; the other / this, median {statistics.median(ratios):.2f}")
    for tree in trees:
        tree.end()


if __name__ == "__main__":
    main()
