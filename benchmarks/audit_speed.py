"""How fast a dataset is audited, what of it is reading pictures, and whether memory grows: CPU time of one process.

    python benchmarks/audit_speed.py              # 200 samples; 1,000 and 10,000 for memory
    python benchmarks/audit_speed.py --no-memory

The dataset is what `mouselift prepare` makes of the benchmarks' recording (six views of 512 px, a furry mouse with
sensor noise), made once and kept in the cache folder; larger ones are links to its samples.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from mouselift.audit.geometry import geometry
from mouselift.audit.load import load_sample
from mouselift.audit.run import audit_dataset, audit_folder, audit_sample
from mouselift.io.alpha import read_alpha
from mouselift.io.capture import load_capture
from mouselift.io.dataset import find_samples
from mouselift.plan.framing import PRESETS
from mouselift.prepare.pipeline import prepare
from mouselift.prepare.recipe import Recipe
from mouselift.prepare.select import Selection, Split
from recording import CACHE, recording

_FRAMES, _EVERY = 500, 10
_MEMORY = """
import resource, sys
from pathlib import Path
from mouselift.audit.run import audit_dataset
audit = audit_dataset(Path(sys.argv[1]))
print(audit.samples, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def dataset() -> Path:
    """50 prepared samples."""
    out = CACHE / "audit-speed"
    if not (out / "data_train.txt").exists():
        capture = load_capture(recording(_FRAMES, 30, 4.0, 17))
        recipe = Recipe(PRESETS["per-sample"], on_cut="keep")
        prepare(capture, out, recipe, Selection(every=_EVERY), Split(), workers=os.cpu_count() or 1)
    return out


def linked(source: Path, count: int) -> Path:
    """A dataset of `count` links to the samples of `source`."""
    out = CACHE / f"audit-speed-{count}"
    out.mkdir(exist_ok=True)
    samples = find_samples(source)
    for number in range(count):
        link = out / f"sample_{number:06d}"
        if not link.is_symlink():
            link.symlink_to(samples[number % len(samples)], target_is_directory=True)
    return out


def rate(call: Callable[[], object], samples: int, repeats: int = 3) -> float:
    """Samples a second of CPU time, the best of `repeats`."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return samples / best


def run_all(calls: Iterator[object]) -> None:
    for _ in calls:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--hull-samples", type=int, default=20)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    source = dataset()
    with threadpool_limits(1, user_api="blas"):
        speed(source, options.hull_samples)
    if not options.no_memory:
        for count in (100, 1000, 10_000):
            command = [sys.executable, "-c", _MEMORY, str(linked(source, count))]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            samples, megabytes = done.stdout.split()
            print(f"peak memory, {samples:>6} samples, 1 worker {float(megabytes):8.0f} MB")


def speed(source: Path, hull_samples: int) -> None:
    folders = find_samples(source)
    files = [file for folder in folders for file in sorted((folder / "images").iterdir())]
    loaded = [load_sample(folder).sample for folder in folders]
    size = np.mean([file.stat().st_size for file in files]) / 1000
    print(f"{len(folders)} samples of {len(loaded[0].views)} views, {size:.0f} kB a picture; samples a second and core")
    n, few = len(folders), loaded[:hull_samples]
    whole = rate(lambda: audit_dataset(source), n)  # first: it also settles this process as it settles workers
    print(f"  `mouselift audit`, one worker                 {whole:8.0f}")
    opencv = rate(lambda: run_all(cv2.imread(str(f), cv2.IMREAD_UNCHANGED) for f in files), n)
    alpha = rate(lambda: run_all(read_alpha(f) for f in files), n)
    print(f"  pictures decoded by OpenCV, nothing else      {opencv:8.0f}")
    print(f"  alphas read, nothing else                     {alpha:8.0f}   {alpha / opencv:.1f} x")
    print(f"  outlines and tangency, pictures in memory     {rate(lambda: run_all(map(geometry, loaded)), n):8.0f}")
    print(f"  all checks of a sample, pictures in memory    {rate(lambda: run_all(map(audit_sample, loaded)), n):8.0f}")
    print(
        f"  all checks, from disk                         {rate(lambda: run_all(map(audit_folder, folders)), n):8.0f}"
    )
    hull = rate(lambda: run_all(audit_sample(s, hull=True) for s in few), len(few))
    print(f"  all checks with the hull, pictures in memory  {hull:8.0f}")
    hull = rate(lambda: run_all(audit_folder(f, hull=True) for f in folders[:hull_samples]), len(few))
    print(f"  all checks with the hull, from disk           {hull:8.0f}")


if __name__ == "__main__":
    main()
