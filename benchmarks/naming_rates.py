"""How often the diagnosis names the right cause, and the right views, from one sample.

    python benchmarks/naming_rates.py [--samples 500] [--skip 0] [--faults NAME ...] [--workers 2]

A row is printed as soon as its fault is done. --skip N leaves the corpus' first N samples out: fresh ones.

Samples: benchmarks/corpus.py, flavour `warp`, clean masks. "named": the cause's code and, where single views are
faulty, exactly those views. Strengths are drawn from each fault's own range (tests/shared/faults.py).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

import _paths  # noqa: F401  (puts tests/shared on the path)
from corpus import Corpus, corpus
from faults import FAULTS
from mouselift.diagnosis.explain import diagnose

NONE = "none (exact)"
# What counts as the right name; where several do, they say the same of the pixels.
CODES: dict[str, set[str | None]] = {
    NONE: {None},
    "view_scale": {"view-scale", "view-focal", "view-size", "view-scale-shift"},
    "view_shift": {"view-shift", "view-scale-shift"},
    "half_pixel_all": {"all-half-pixel"},
    "views_rescaled": {"each-scale-shift"},
    "legacy": {"each-scale-shift"},
    "one_intrinsics_for_all": {"one-intrinsics"},
    "wrong_intrinsics_all": {"all-scale", "all-focal"},
    "anisotropic": {"all-anisotropic"},
    "k_transposed": {"k-transposed"},
    "image_size_wrong": {"all-size"},
    "r_transposed": {"rotation-transposed"},
    "c2w_for_w2c": {"c2w-for-w2c"},
    "opengl_axes": {"opengl-axes"},
    "mirrored_view": {"mirrored"},
    "centre_moved": {"each-distance"},
    "swapped_views": {"views-swapped"},
    "copied_calibration": {"calibration-copied"},
}


@cache
def samples(count: int) -> Corpus:
    return corpus(count)


def named(fault: str, count: int, index: int) -> tuple[bool, str, float]:
    """(right, code, CPU seconds) of one sample."""
    cv2.setNumThreads(1)
    with threadpool_limits(1, user_api="blas"):
        sample, faulty = samples(count)[index], ()
        if fault != NONE:
            injected = FAULTS[fault](sample, np.random.default_rng([index, 5]))
            sample, faulty = injected.sample, tuple(sample.names[view] for view in injected.views)
        start = time.process_time()
        cause = diagnose(sample).cause
        spent = time.process_time() - start
    code = None if cause is None else cause.code
    views = () if cause is None else cause.views
    return code in CODES[fault] and tuple(views) == faulty, str(code), spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--skip", type=int, default=0, help="leave out so many samples: those that limits were set on")
    parser.add_argument("--faults", nargs="+", choices=tuple(CODES), default=tuple(CODES), help="only these")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    last = options.skip + options.samples
    corpus(last)  # made once, before the workers ask for it
    print("| fault | samples | named | causes given | CPU s, mean | largest |\n|---|---|---|---|---|---|", flush=True)
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        for fault in options.faults:
            job = partial(named, fault, last)
            right, codes, spent = zip(*pool.map(job, range(options.skip, last), chunksize=4), strict=True)
            given = ", ".join(f"{code} {n}" for code, n in Counter(codes).most_common())
            share = 100 * float(np.mean(right))
            print(
                f"| {fault} | {len(right)} | {share:.1f} % | {given} | {np.mean(spent):.2f} | {max(spent):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
