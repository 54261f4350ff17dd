"""What syncing and checksums of samples cost `prepare`: CPU with and without, in turns.

    python benchmarks/sync_cost.py [--rounds 5] [--every 10] [--frames 300] [--capture FOLDER]

Without: only sizes are noted, and nothing is asked to reach the disk. Each run is a process of its own, one worker;
user + system seconds, as the operating system counts them (the disk's own work is in neither).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from recording import paired_arguments

HERE = Path(__file__).resolve().parent

_WITHOUT = """
import os
from mouselift import run_folder
os.fsync = lambda descriptor: None
run_folder.synced = lambda path: (path.stat().st_size, 0)
run_folder.sync_folder = lambda path: None
"""
_RUN = "import sys\nfrom mouselift.cli import main\nsys.argv[0] = 'mouselift'\nsys.exit(main())"


def cpu_seconds(code: str, capture: Path, out: Path, every: int) -> float:
    """Of one `mouselift prepare`, after `code`."""
    command = [sys.executable, "-c", code + _RUN, "prepare", str(capture), str(out), "--every", str(every)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src"), "OMP_NUM_THREADS": "1"}
    before = os.times()
    options = ("--workers", "1", "--on-cut", "keep", "--quiet")
    subprocess.run([*command, *options], env=environment, capture_output=True, check=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments, capture = paired_arguments(parser)
    took: dict[str, list[float]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as folder:
        for n in range(arguments.rounds):
            for name in sorted(took, reverse=bool(n % 2)):  # neither is always the first
                code = _WITHOUT if name == "without" else ""
                took[name].append(cpu_seconds(code, capture, Path(folder) / f"{name}-{n}", arguments.every))
    ratio = statistics.median(a / b for a, b in zip(took["with"], took["without"], strict=True))
    means = {name: f"{statistics.median(seconds):.2f} s" for name, seconds in took.items()}
    least = min(took["with"]) / min(took["without"])
    print(f"{capture}, every {arguments.every}: {means}; with / without {ratio:.3f}, least / least {least:.3f}")


if __name__ == "__main__":
    main()
