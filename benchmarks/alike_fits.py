"""May coarse fits of one number for all views stand in for fine ones, where the audit asks whether one explains what
looks like masks (`diagnosis/explain.py`, `in_order`)?

    python benchmarks/alike_fits.py --seed 5 --scenes 20

Scenes of benchmarks/many_views.py with one number wrong in all views. coarse / limit: what the best coarse fit leaves
over what would explain the outlines: the largest of the samples whose fine fit explains them, the smallest of
the others. CPU: of all fits of a sample.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
import faults
from faults import Injected
from many_views import load_scene, quiet, scenes, some_views
from mouselift.dataset.sample import Sample
from mouselift.diagnosis import fitted
from mouselift.diagnosis.explain import most_typical_px, problem_of
from mouselift.diagnosis.fit import fits
from mouselift.geometry.camera import Camera

Fault = Callable[[Sample, np.random.Generator], Injected]


def cameras_changed(change: Callable[[Camera, float], Camera]) -> Callable[[float], Fault]:
    """All cameras changed alike, by a factor or its inverse."""

    def of(factor: float) -> Fault:
        def fault(sample: Sample, rng: np.random.Generator) -> Injected:
            by = factor if rng.random() < 0.5 else 1 / factor
            views = tuple(replace(view, camera=change(view.camera, by)) for view in sample.views)
            return Injected(replace(sample, views=views), tuple(range(len(views))), {"factor": by}, "alike")

        return fault

    return of


zoomed = cameras_changed(lambda c, by: replace(c, fx=by * c.fx, fy=by * c.fy))
principal = cameras_changed(lambda c, by: replace(c, cx=by * c.cx, cy=by * c.cy))

FAULTS: dict[str, Fault] = {
    **{f"zoom {factor:g}": zoomed(factor) for factor in (1.02, 1.05, 1.1, 1.3, 1.6, 2.0)},
    **{f"principal point {factor:g}": principal(factor) for factor in (0.97, 0.9)},
    "anisotropic": faults.anisotropic,
    "fov_wrong_side": faults.fov_wrong_side,
    "half_pixel_all": faults.half_pixel_all,
    "image_size_wrong": faults.image_size_wrong,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--views", type=int, nargs="+", default=[5, 8, 16])
    args = parser.parse_args()
    quiet()
    files = scenes(args.scenes, args.seed)
    print(
        "| fault | samples | explained | coarse / limit, largest of these | smallest of others | coarse, fine, CPU ms |"
    )
    print("|---|---|---|---|---|---|")
    for name, fault in FAULTS.items():
        explained, others, spent = [], [], np.zeros(2)
        for number, file in enumerate(files):
            for views in args.views:
                exact = some_views(load_scene(file), views, number)
                cameras, outlines = problem_of(fault(exact, np.random.default_rng([number, 7])).sample)
                tried = [c for c in fitted.all_views_alike(cameras) if c.parameters == 1]
                limit = most_typical_px(cameras, outlines)
                left = []
                for k, quick in enumerate((True, False)):
                    begun = time.process_time()
                    left.append(min(f.residual.typical_px for f in fits(tried, [(cameras, outlines)], quick=quick)))
                    spent[k] += time.process_time() - begun
                (explained if left[1] <= limit else others).append(left[0] / limit)
        count = len(explained) + len(others)
        coarse, fine = (1e3 * spent / count).tolist()
        worst, best = (f"{f(v):.2f}" if v else "" for f, v in ((max, explained), (min, others)))
        print(f"| {name} | {count} | {len(explained)} | {worst} | {best} | {coarse:.0f}, {fine:.0f} |", flush=True)


if __name__ == "__main__":
    main()
