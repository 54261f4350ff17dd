"""How often the diagnosis names the right cause, and the right views, from one sample or a few of one rig.

    python benchmarks/naming_rates.py [--rig round] [--samples 500] [--skip 0] [--faults NAME ...] [--workers 2]
    python benchmarks/naming_rates.py --rig arc --samples 1000 --together 2 --faults lens_left

A row is printed as soon as its fault is done. --skip N leaves the corpus' first N samples out: fresh ones.

Samples: benchmarks/corpus.py, flavour `warp`, clean masks. "named": the cause's code and, where single views are
faulty, exactly those views. "as a rival": the right one is given beside the one that is stated first, with what
decides. Strengths are drawn from each fault's own range (tests/shared/faults.py). A lens that moves no pixel of the
subject by more than 1 px is not asked about: its samples are left out of the count.

--together N: as datasets are, N samples of the rig share the fault and its strength, and are asked about together.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from typing import cast

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

import _paths  # noqa: F401  (puts tests/shared on the path)
from corpus import Corpus, RigName, corpus
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
    "anisotropic": {"all-anisotropic", "fy-from-height"},  # the same cameras where principal points are in the middle
    "k_transposed": {"k-transposed"},
    "image_size_wrong": {"all-size"},
    "normalised_intrinsics": {"normalised-intrinsics"},
    "fy_from_height": {"fy-from-height"},
    "fov_wrong_side": {"fov-side"},
    "principal_not_scaled": {"all-principal"},
    "crop_not_shifted": {"all-shift"},
    "crops_not_shifted": {"each-shift"},
    "lens_left": {"lens-left"},
    "pictures_turned": {"turned"},
    "picture_turned": {"turned"},
    "views_cycled": {"views-cycled"},
    "one_r_transposed": {"rotation-transposed"},
    "one_pose_for_all": {"one-pose"},
    "r_transposed": {"rotation-transposed"},
    "c2w_for_w2c": {"c2w-for-w2c"},
    "opengl_axes": {"opengl-axes"},
    "mirrored_view": {"mirrored"},
    "centre_moved": {"each-distance"},
    "swapped_views": {"views-swapped"},
    "copied_calibration": {"calibration-copied"},
}


_LEAST_LENS_PX = 1.0  # displacement below which a lens cannot be told: the audit's own limit for one view's shift


@cache
def samples(count: int, rig: RigName) -> Corpus:
    return corpus(count, rig=rig)


def named(fault: str, count: int, rig: RigName, together: int, index: int) -> tuple[bool, bool, str, float] | None:
    """(right, right among those given, code, CPU seconds) of the samples from `index` on; None where the fault shows
    nowhere.
    """
    cv2.setNumThreads(1)
    with threadpool_limits(1, user_api="blas"):
        asked, faulty = [samples(count, rig)[index + k] for k in range(together)], ()
        if fault != NONE:
            injected = [FAULTS[fault](sample, np.random.default_rng([index, 5])) for sample in asked]
            if max(one.values.get("px", _LEAST_LENS_PX) for one in injected) < _LEAST_LENS_PX:
                return None
            asked, faulty = [one.sample for one in injected], tuple(asked[0].names[view] for view in injected[0].views)
        start = time.process_time()
        cause = diagnose(asked).cause
        spent = time.process_time() - start
    code = None if cause is None else cause.code
    views = () if cause is None else cause.views
    right = code in CODES[fault] and tuple(views) == faulty
    who = "" if len(faulty) == len(asked[0].views) else f" ({', '.join(faulty)})"
    rivals = () if cause is None else cause.ambiguous_with
    return right, right or any(f"{wanted}{who}" in rivals for wanted in CODES[fault]), str(code), spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rig", choices=("round", "ring", "arc"), default="round", help="where the six cameras stand")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--skip", type=int, default=0, help="leave out so many samples: those that limits were set on")
    parser.add_argument("--faults", nargs="+", choices=tuple(CODES), default=tuple(CODES), help="only these")
    parser.add_argument("--together", type=int, default=1, metavar="N", help="samples that share a fault")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    last, rig = options.skip + options.samples, cast("RigName", options.rig)
    firsts = range(options.skip, last - options.together + 1, options.together)
    corpus(last, rig=rig, workers=options.workers)  # made once, before the workers ask for it
    print(
        f"| fault, {rig} | samples | named | with rivals | causes given | CPU s, mean | largest |\n"
        "|---|---|---|---|---|---|---|",
        flush=True,
    )
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        for fault in options.faults:
            job = partial(named, fault, last, rig, options.together)
            found = [one for one in pool.map(job, firsts, chunksize=4) if one is not None]
            if not found:
                continue
            right, given, codes, spent = zip(*found, strict=True)
            causes = ", ".join(f"{code} {n}" for code, n in Counter(codes).most_common())
            print(
                f"| {fault} | {len(right)} | {100 * float(np.mean(right)):.1f} % | {100 * float(np.mean(given)):.1f} % "
                f"| {causes} | {np.mean(spent):.2f} | {max(spent):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
