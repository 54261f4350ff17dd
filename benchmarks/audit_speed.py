"""How fast a dataset is audited, what of it is reading images, and whether memory grows: CPU time of one process.

    python benchmarks/audit_speed.py                          # speed: 100 samples
    python benchmarks/audit_speed.py --memory 100 1000 10000  # peak memory, time and bytes of audit and report

The dataset is what `mouselift prepare` makes of the benchmarks' recording (six views of 512 px, a furry mouse with
sensor noise), made once and kept in the cache folder. Larger ones are hard links to its files in a temporary folder,
removed at the end. "calibration" is a loop of plain Python: on a busy machine compare other figures with it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from mouselift.audit.dataset import audit_dataset
from mouselift.audit.sample import audit_sample, compare_views
from mouselift.capture.capture import load_capture
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import find_samples
from mouselift.media.png import read_alpha
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from recording import CACHE, recording

_FRAMES, _EVERY = 500, 5
_CALIBRATION = 100_000  # additions
# A child's ru_maxrss may hold its parent's memory before exec; VmHWM is its own.
_RUN = """
import re, sys, time
from pathlib import Path
from mouselift.cli.app import run
code = run(sys.argv[1:])
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)
sys.stderr.write(f"\\npeak {peak} cpu {time.process_time()} code {code}\\n")
"""


def dataset() -> Path:
    """100 prepared samples."""
    out = CACHE / f"audit-speed-{_FRAMES // _EVERY}-prepared"
    if not (out / "data_train.txt").exists():
        capture = load_capture(recording(_FRAMES, 30, 4.0, 17))
        prepare_dataset(capture, out, PrepareOptions(every=_EVERY, on_cut="keep"))
    return out


def linked(source: Path, count: int, out: Path) -> None:
    """A dataset of `count` samples in the new folder `out`, hard links to the files of those in `source`."""
    samples = find_samples(source)
    for number in range(count):
        shutil.copytree(
            samples[number % len(samples)], out / f"sample_{number:06d}", copy_function=os.link, dirs_exist_ok=False
        )


def measured(*words: str | Path) -> tuple[float, float, float, str]:
    """(peak MB, CPU s, wall s, stdout) of `mouselift WORDS` in a process of its own; exit code 2 raises."""
    start = time.perf_counter()
    command = [sys.executable, "-c", _RUN, *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall = time.perf_counter() - start
    found = re.search(r"peak (\d+) cpu ([\d.]+) code (\d)", done.stderr)
    if found is None or found.group(3) == "2":
        raise RuntimeError(f"mouselift {' '.join(map(str, words))}: {done.stderr}")
    return int(found.group(1)) / 1024, float(found.group(2)), wall, done.stdout


def memory(source: Path, counts: list[int]) -> None:
    """Peaks of `mouselift audit --json` and of `mouselift report --audit` over datasets of each size."""
    CACHE.mkdir(exist_ok=True)
    print("                 audit, one worker               report of that audit")
    print("   samples    peak   CPU/sample     JSON       peak      CPU     page")
    for count in counts:
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            data, page, audit = Path(folder) / "data", Path(folder) / "page.html", Path(folder) / "audit.json"
            linked(source, count, data)
            peak, cpu, _, text = measured("audit", data, "--json", "--workers", "1", "--out", audit)
            if len(json.loads(text)["ids"]) != count:
                raise RuntimeError(f"expected {count} samples in the audit, got {len(json.loads(text)['ids'])}")
            shown_peak, shown_cpu, _, _ = measured("report", data, page, "--audit", audit)
            print(
                f"{count:>10,} {peak:4.0f} MB {1000 * cpu / count:9.1f} ms {audit.stat().st_size / 1e6:5.1f} MB"
                f" {shown_peak:7.0f} MB {shown_cpu:6.1f} s {page.stat().st_size / 1e6:5.1f} MB",
                flush=True,
            )


def rate(call: Callable[[], object], samples: int, repeats: int = 3) -> float:
    """Samples a second of CPU time, the best of `repeats`."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return samples / best


def _additions() -> None:
    total = 0
    for number in range(_CALIBRATION):
        total += number


def run_all(calls: Iterator[object]) -> None:
    for _ in calls:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=int, nargs="+", metavar="SAMPLES", help="measure these sizes, and no speed")
    parser.add_argument("--hull-samples", type=int, default=20)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    source = dataset()
    if options.memory:
        memory(source, options.memory)
        return
    with threadpool_limits(1, user_api="blas"):
        speed(source, options.hull_samples)


def foreign(source: Path, out: Path) -> list[Path]:
    """The first ten samples with their images encoded by Pillow: every row with the filter that suits it."""
    folders = find_samples(source)[:10]
    for folder in folders:
        shutil.copytree(folder, out / folder.name)
        for file in (out / folder.name / "images").iterdir():
            Image.open(file).save(file)
    return find_samples(out)


def speed(source: Path, hull_samples: int) -> None:
    folders = find_samples(source)
    files = [file for folder in folders for file in sorted((folder / "images").iterdir())]
    loaded = [load_sample(folder) for folder in folders]
    size = np.mean([file.stat().st_size for file in files]) / 1000
    print(f"{len(folders)} samples of {len(loaded[0].views)} views, {size:.0f} kB an image; samples a second and core")
    n, few = len(folders), loaded[:hull_samples]
    print(f"  calibration: loops of {_CALIBRATION:,} additions      {rate(_additions, 1):8.0f}")
    whole = rate(lambda: audit_dataset(source), n)  # first: it also settles this process as it settles workers
    print(f"  `mouselift audit`, one worker                 {whole:8.0f}")
    opencv = rate(lambda: run_all(cv2.imread(str(f), cv2.IMREAD_UNCHANGED) for f in files), n)
    alpha = rate(lambda: run_all(read_alpha(f) for f in files), n)
    print(f"  images decoded by OpenCV, nothing else      {opencv:8.0f}")
    print(f"  alphas read, nothing else                     {alpha:8.0f}   {alpha / opencv:.1f} x")
    print(f"  outlines and tangency, images in memory     {rate(lambda: run_all(map(compare_views, loaded)), n):8.0f}")
    print(f"  all checks of a sample, images in memory    {rate(lambda: run_all(map(audit_sample, loaded)), n):8.0f}")
    print(
        f"  all checks, from disk                         {rate(lambda: run_all(map(audit_sample, folders)), n):8.0f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        others = foreign(source, Path(folder))
        slow = rate(lambda: run_all(map(audit_sample, others)), len(others))
        print(f"  the same, images by Pillow (through OpenCV) {slow:8.0f}")
    hull = rate(lambda: run_all(audit_sample(s, hull=True) for s in few), len(few))
    print(f"  all checks with the hull, images in memory  {hull:8.0f}")
    hull = rate(lambda: run_all(audit_sample(f, hull=True) for f in folders[:hull_samples]), len(few))
    print(f"  all checks with the hull, from disk           {hull:8.0f}")


if __name__ == "__main__":
    main()
