"""How often the audit's geometry finds a fault, names the faulty view, and cries wolf.

    python benchmarks/audit_detection.py                         # 500 samples a fault, 1,000 exact ones
    python benchmarks/audit_detection.py --fault view_shift --samples 200
    python benchmarks/audit_detection.py --rough                 # the same faults under rough masks
    python benchmarks/audit_detection.py --calibrate             # largest scores of exact samples
    python benchmarks/audit_detection.py --seed 1 --only-exact   # false alarms on 1,000 samples no limit has seen
    python benchmarks/audit_detection.py --seed 1 --views        # 2 to 64 views: benchmarks/many_views.py, 200 scenes

Samples: benchmarks/corpus.py, flavour `warp`. "found": any finding of a camera fault; "named": the faulty view, or "all
views", and nothing else.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
import faults
from corpus import Flavour, corpus
from faults import Injected
from many_views import SUBJECTS, load_scene, quiet, scenes, some_views
from mouselift.audit.sample import compare_views
from mouselift.consistency.cameras import CameraCheck, check_cameras
from mouselift.dataset.sample import Sample
from mouselift.geometry.outlines import SPECK_SHARE, outline_of
from rough_masks import Roughness

Fault = Callable[[Sample, np.random.Generator], Injected]


def _either(factor: float) -> Fault:
    """One view scaled by `factor` or its inverse."""
    return lambda sample, rng: faults.view_scale(sample, rng, scale=float(rng.choice([factor, 1 / factor])))


CASES: dict[str, Fault] = {
    **{f"view_scale {100 * (f - 1):.1f} %": _either(f) for f in (1.002, 1.003, 1.005, 1.01, 1.02, 1.05, 1.1, 1.3)},
    **{f"view_shift {p:g} px": partial(faults.view_shift, pixels=p) for p in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 30.0)},
    **{f"half_pixel_all {p:g} px": partial(faults.half_pixel_all, pixels=p) for p in (0.25, 0.5, -0.5, 1.0, 2.0)},
    **{name: fault for name, fault in faults.FAULTS.items() if name not in ("view_scale", "view_shift")},
}
ROUGH = {
    "lossy edges": Roughness(grown_px=None, tail_lost=0.0, holes=0),
    "lossy, holes, one view lacks the tail": Roughness(grown_px=None),
    "lossy, holes, one view grown 2-5 px": Roughness(tail_lost=0.0),
    "all of these": Roughness(),
}


@dataclass(frozen=True)
class Answer:
    """One sample."""

    found: bool
    named: bool
    rough: bool
    kind: str
    score: float
    scores: tuple[float, ...]  # view, all, several, lens
    rms_px: float
    noise_px: float


def answer(index: int, case: str | None, rough: str | None, flavour: Flavour, seed: int) -> Answer:
    """Injects `case` into sample `index` and audits it."""
    sample = corpus(index + 1, flavour=flavour, seed=seed)[index]
    rng = np.random.default_rng([index, 31, seed] if seed else [index, 31])
    injected = None
    if rough is not None:
        sample = faults.rough(sample, rng, what=ROUGH[rough]).sample
    if case is not None:
        injected = CASES[case](sample, rng)
        sample = injected.sample
    found = compare_views(sample).check
    return Answer(
        found.faulty, _named(found, injected), found.rough, found.hypothesis.kind, found.hypothesis.score,
        found.hypothesis.best, found.tangency.rms_px, found.hypothesis.noise_px,
    )  # fmt: skip


def _named(found: CameraCheck, injected: Injected | None) -> bool:
    if injected is None:
        return not found.faulty
    if len(injected.views) == 1:
        return found.hypothesis.kind == "view" and found.hypothesis.view == injected.views[0]
    return found.faulty and found.hypothesis.kind != "view"


def run(
    pool: ProcessPoolExecutor, count: int, case: str | None, rough: str | None, options: argparse.Namespace
) -> list[Answer]:
    task = partial(answer, case=case, rough=rough, flavour=options.flavour, seed=options.seed)
    return list(pool.map(task, range(count), chunksize=10))


def table(pool: ProcessPoolExecutor, options: argparse.Namespace, rough: str | None) -> None:
    print(f"\nmasks: {rough or 'clean'}, corpus {options.flavour}, seed {options.seed}")
    print("| fault | samples | found | named | kinds | smallest score | rms px, median |")
    print("|---|---|---|---|---|---|---|")
    for case in [None] if options.only_exact else [None, *CASES]:
        if case is not None and options.fault is not None and not case.startswith(options.fault):
            continue
        count = options.samples if case is not None or rough is not None else 2 * options.samples
        got = run(pool, count, case, rough, options)
        kinds = {kind: sum(a.kind == kind for a in got) for kind in sorted({a.kind for a in got})}
        found, named = (100 * float(np.mean([getattr(a, key) for a in got])) for key in ("found", "named"))
        low, rms = min(a.score for a in got), float(np.median([a.rms_px for a in got]))
        listed = ", ".join(f"{kind} {n}" for kind, n in kinds.items())
        name = case or "none (exact)"
        print(f"| {name} | {len(got)} | {found:.1f} % | {named:.1f} % | {listed} | {low:.0f} | {rms:.2f} |", flush=True)


def calibrate(pool: ProcessPoolExecutor, count: int, options: argparse.Namespace, rough: str | None) -> None:
    """The largest scores and residuals of exact samples."""
    got = run(pool, count, None, rough, options)
    what = f"corpus {options.flavour}, seed {options.seed}, masks {rough or 'clean'}"
    print(f"\n{count} exact samples, {what}: percentiles 50, 95, 99, 99.9, 100")
    rows = [("view score", [a.scores[0] for a in got]), ("all score", [a.scores[1] for a in got])]
    rows += [("several score", [a.scores[2] for a in got]), ("lens score", [a.scores[3] for a in got])]
    rows += [("rms px", [a.rms_px for a in got]), ("noise px", [a.noise_px for a in got])]
    for name, values in rows:
        print(f"{name:14}", " ".join(f"{v:9.3f}" for v in np.nanpercentile(values, [50, 95, 99, 99.9, 100])))


VIEWS = (2, 3, 4, 6, 8, 12, 20, 32, 64)
_SMALL = ("view_scale 0.3 %", "view_scale 0.5 %", "view_scale 1.0 %", "view_shift 0.5 px", "view_shift 1 px",
          "half_pixel_all 0.5 px")  # fmt: skip


@dataclass(frozen=True)
class ViewsAnswer:
    """One sample of a scene, with some of its views."""

    subject: str
    views: int
    case: str | None
    found: bool
    named: bool
    judged: bool
    shares: tuple[float, ...]  # scores over their limits: view, all, several, lens
    rms_px: float


def answers_of_scene(index: int, seed: int, draws: int, cases: tuple[str | None, ...]) -> list[ViewsAnswer]:
    """`draws` samples of each number up to 12 views, one of each larger one; faults in the first of each."""
    scene = load_scene(scenes(index + 1, seed)[index])
    outlines = {view.name: outline_of(view.alpha, SPECK_SHARE) for view in scene.views}
    out: list[ViewsAnswer] = []
    for views in VIEWS:
        for draw in range(draws if views <= 12 else 1):
            exact = some_views(scene, views, index + draw)
            for case in cases if draw == 0 else (None,):
                rng = np.random.default_rng([index, views, 31, seed])
                injected = None if case is None else CASES[case](exact, rng)
                sample = exact if injected is None else injected.sample
                found = check_cameras(sample, [outlines[view.name] for view in sample.views])
                best, limits = found.hypothesis.best, found.hypothesis.limits
                shares = tuple(score / limit if limit else 0.0 for score, limit in zip(best, limits, strict=True))
                answered = ViewsAnswer(
                    SUBJECTS[index % len(SUBJECTS)], views, case, found.faulty, _named(found, injected), found.judged,
                    shares, found.tangency.rms_px,
                )  # fmt: skip
                out.append(answered)
    return out


def views_table(pool: ProcessPoolExecutor, options: argparse.Namespace) -> None:
    """False alarms and small faults by the number of views."""
    cases = (None,) if options.only_exact else (None, *_SMALL)
    count = len(scenes(options.scenes, options.seed, options.workers))
    task = partial(answers_of_scene, seed=options.seed, draws=options.draws, cases=cases)
    kept = options.out.read_text().splitlines() if options.out is not None and options.out.exists() else []
    done = {int(line.partition(" ")[0]): line.partition(" ")[2] for line in kept}
    left = [index for index in range(count) if index not in done]
    for index, scene in zip(left, pool.map(task, left), strict=True):
        done[index] = json.dumps([asdict(answered) for answered in scene])  # NaN stays
        if options.out is not None:
            with options.out.open("a") as file:
                file.write(f"{index} {done[index]}\n")
    got = [ViewsAnswer(**answered) for line in done.values() for answered in json.loads(line)]
    print(f"\nviews: {count} scenes, seed {options.seed}; false alarms, and found / named in per cent")
    print("| views | exact samples | judged | false alarms | largest score / limit: view, all, several, lens |", end="")
    print("".join(f" {case} |" for case in cases[1:]))
    print("|---" * (5 + len(cases[1:])) + "|")
    for views in VIEWS:
        exact = [a for a in got if a.views == views and a.case is None]
        largest = " ".join(f"{max(a.shares[k] for a in exact):.2f}" for k in range(4))
        print(f"| {views} | {len(exact)} | {100 * np.mean([a.judged for a in exact]):.0f} % |", end="")
        print(f" {sum(a.found for a in exact)} | {largest} |", end="")
        for case in cases[1:]:
            some = [a for a in got if a.views == views and a.case == case]
            print(
                f" {100 * np.mean([a.found for a in some]):.0f} / {100 * np.mean([a.named for a in some]):.0f} |",
                end="",
            )
        print(flush=True)
    for subject in SUBJECTS:
        exact = [a for a in got if a.subject == subject and a.case is None]
        parts = (np.array([a.shares for a in exact if a.views == views]).max(axis=0, initial=0.0) for views in VIEWS)
        worst = ", ".join(" ".join(f"{share:.2f}" for share in part) for part in parts)
        print(f"{subject}: {sum(a.found for a in exact)} of {len(exact)} false alarms; {worst}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--rough", action="store_true")
    parser.add_argument("--fault", default=None, help="only cases whose name begins so")
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--flavour", choices=("warp", "mesh", "cut"), default="warp")
    parser.add_argument("--seed", type=int, default=0, help="limits were set on 0: count false alarms on another")
    parser.add_argument("--only-exact", action="store_true", help="false alarms only, no faults")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--views", action="store_true", help="false alarms and small faults by the number of views")
    parser.add_argument("--scenes", type=int, default=200, help="with --views")
    parser.add_argument("--draws", type=int, default=5, help="with --views: samples a scene and number up to 12 views")
    parser.add_argument("--out", type=Path, help="with --views: scenes that are answered there are not judged again")
    options = parser.parse_args()
    start = time.monotonic()
    if options.views:
        with ProcessPoolExecutor(options.workers, initializer=quiet) as pool:
            views_table(pool, options)
        print(f"\n{time.monotonic() - start:.0f} s")
        return
    count = options.samples if options.rough else 2 * options.samples
    corpus(count, flavour=options.flavour, workers=options.workers, seed=options.seed)
    with ProcessPoolExecutor(options.workers, initializer=quiet) as pool:
        for rough in ROUGH if options.rough else (None,):
            if options.calibrate:
                calibrate(pool, options.samples if rough else 2 * options.samples, options, rough)
            else:
                table(pool, options, rough)
    print(f"\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
