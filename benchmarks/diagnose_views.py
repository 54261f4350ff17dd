"""What a diagnosis of many views costs, and whether it names the cause: a mouse before domes, one fault each.

    python benchmarks/diagnose_views.py [--views 6 16 32 64 200] [--seed 0]

CPU seconds on one thread, beside the check that every audit makes, and the peak memory of the process so far.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
from faults import FAULTS as INJECTED
from many_views import mouse_on_domes, quiet
from mouselift.consistency.cameras import check_sample
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import diagnose


def zoomed(sample: Sample, views: list[int], factor: float) -> Sample:
    """fx, fy of some views multiplied."""
    cameras = {k: sample.views[k].camera for k in views}
    wrong = {k: replace(c, fx=c.fx * factor, fy=c.fy * factor) for k, c in cameras.items()}
    return replace(sample, views=tuple(replace(v, camera=wrong.get(k, v.camera)) for k, v in enumerate(sample.views)))


def exchanged(sample: Sample) -> Sample:
    """The cameras of two views exchanged."""
    views, (a, b) = list(sample.views), (1, len(sample.views) // 2)
    views[a], views[b] = replace(views[a], camera=views[b].camera), replace(views[b], camera=views[a].camera)
    return replace(sample, views=tuple(views))


def shifted(sample: Sample) -> Sample:
    """cx, cy of one view off by 6 and -4 px."""
    views, k = list(sample.views), len(sample.views) // 2 + 1
    camera = views[k].camera
    views[k] = replace(views[k], camera=replace(camera, cx=camera.cx + 6, cy=camera.cy - 4))
    return replace(sample, views=tuple(views))


def of_tests(name: str) -> Callable[[Sample], Sample]:
    """A fault of tests/shared/faults.py."""
    return lambda sample: INJECTED[name](sample, np.random.default_rng([1, 5])).sample


FAULTS: dict[str, Callable[[Sample], Sample]] = {
    "one view's fx, fy 5 % off": lambda sample: zoomed(sample, [len(sample.views) // 2 + 1], 1.05),
    "all views' fx, fy 5 % off": lambda sample: zoomed(sample, list(range(len(sample.views))), 1.05),
    "two cameras exchanged": exchanged,
    "one view's cx, cy 6 and -4 px off": shifted,
    **{name.replace("_", " "): of_tests(name) for name in ("views_rescaled", "copied_calibration", "view_scale")},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, nargs="+", default=[6, 16, 32, 64, 200])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    quiet()
    print("| views | fault | check, s | diagnosis, s | peak, MB | cause |\n|---|---|---|---|---|---|")
    for views in args.views:
        exact = mouse_on_domes(views, args.seed)
        for fault, make in FAULTS.items():
            sample = make(exact)
            begun = time.process_time()
            check_sample(sample)
            checked = time.process_time()
            cause = diagnose(sample).cause
            took = time.process_time() - checked
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            words = "none" if cause is None else cause.sentence.replace("|", "/")
            print(f"| {views} | {fault} | {checked - begun:.1f} | {took:.1f} | {peak:.0f} | {words} |", flush=True)


if __name__ == "__main__":
    main()
