"""How well `mouselift repair` restores cameras, on synthetic samples whose cameras are known exactly.

    python benchmarks/repair_rates.py                 # 100 samples a row, about 15 minutes on one core
    python benchmarks/repair_rates.py --samples 20

Errors are what is left after the gauge (a common zoom and a common shift of the subject in space) has been fitted away;
"raw" keeps it. "in 1 s" and "in 2 s": share of the values within once and twice their stated deviation, gauge included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
import scenes
from corpus import corpus
from faults import centre_moved, legacy, unscaled, views_rescaled
from mouselift.consistency.cameras import check_sample
from mouselift.dataset.sample import Sample, View
from mouselift.diagnosis.explain import explain, problem_of
from mouselift.framing.framing import PRESETS
from mouselift.framing.planning import plan_sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines
from mouselift.prepare.sample import subject_mask
from mouselift.repair.sample import Repaired, gauge_directions, repair_sample
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig

_POOLED = 50
_FILLS = (0.25, 0.3, 0.42, 0.6)  # of the legacy preset; 0.6 is its default
_SIZE_PX = 150.0  # typical subject: turns a relative scale into pixels where both are weighed together


def without_gauge(
    true: Sequence[Camera], found: Sequence[Camera], outlines: ConvexOutlines
) -> tuple[np.ndarray, np.ndarray]:
    """(raw, gauge taken out) errors [v, 3]: log f, cx, cy."""
    a, b = CameraArrays.of(true), CameraArrays.of(found)
    raw = np.concatenate([np.log(b.focal[:, :1] / a.focal[:, :1]), b.principal - a.principal], axis=1)
    directions = gauge_directions(a, outlines)
    assert directions is not None
    weight = np.tile([_SIZE_PX, 1.0, 1.0], len(raw))
    G = directions.reshape(-1, 4) * weight[:, None]
    part = G @ np.linalg.lstsq(G, raw.reshape(-1) * weight, rcond=None)[0]
    return raw, raw - (part / weight).reshape(-1, 3)


def outlines_of(sample: Sample) -> ConvexOutlines:
    return problem_of(sample, check_sample(sample))[1]


def row(name: str, errors: list[np.ndarray], sigmas: list[float], tried: int, limits: tuple[float, float]) -> None:
    """One line of the table: errors [v, 3] of every sample that was repaired."""
    if not errors:
        print(f"{name:34} none repaired", flush=True)
        return
    e = np.concatenate(errors)
    scale, shift = 100 * np.abs(e[:, 0]), np.hypot(e[:, 1], e[:, 2])
    views = tried * len(errors[0])
    good = ((scale <= limits[0]) & (shift <= limits[1])).sum() / views
    z = np.abs(np.array(sigmas)) if sigmas else np.array([np.nan])
    s50, s95 = np.percentile(scale, [50, 95])
    d50, d95 = np.percentile(shift, [50, 95])
    within = f"{100 * (z < 1).mean():4.0f} %  {100 * (z < 2).mean():4.0f} %" if sigmas else "             "
    print(
        f"{name:34} {s50:6.3f} {s95:6.3f} %  {d50:6.2f} {d95:6.2f} px   "
        f"{100 * good:5.1f} % within {limits[0]:g} %, {limits[1]:g} px   {within}",
        flush=True,
    )


def single(name: str, samples: Sequence[Sample], fault: Callable, limits: tuple[float, float]) -> None:
    """One sample at a time, and nothing else."""
    kept: list[np.ndarray] = []
    raws: list[np.ndarray] = []
    sigmas: list[float] = []
    seconds, refused = [], 0
    for k, sample in enumerate(samples):
        injected = fault(sample, np.random.default_rng([k, 1]))
        began = time.perf_counter()
        found = repair_sample(injected.sample)
        seconds.append(time.perf_counter() - began)
        if found.status != "repaired":
            refused += 1
            continue
        true = cameras_of_pixels(sample, injected)
        raw, error = without_gauge(true, found.cameras, outlines_of(injected.sample))
        kept.append(error)
        raws.append(raw)
        sigmas += standardised(found, injected.sample, injected.values)
    row(name, kept, [], len(samples), limits)
    row("  raw", raws, sigmas, len(samples), limits)
    print(f"  {refused} of {len(samples)} refused; {np.median(seconds):.2f} s a sample", flush=True)


def cameras_of_pixels(sample: Sample, injected: object) -> list[Camera]:
    """The true cameras of the spoiled sample's pixels: what was stated, with what was done to the images."""
    values: dict[str, float] = injected.values  # type: ignore[attr-defined]
    out = []
    for k, view in enumerate(injected.sample.views):  # type: ignore[attr-defined]
        s, dx, dy = values[f"scale[{k}]"], values[f"dx[{k}]"], values[f"dy[{k}]"]
        camera, x, y = view.camera, view.camera.width / 2, view.camera.height / 2
        out.append(
            replace(
                camera, fx=camera.fx * s, fy=camera.fy * s, cx=x + s * (camera.cx - x) + dx,
                cy=y + s * (camera.cy - y) + dy,
            )
        )  # fmt: skip
    return out


def standardised(found: Repaired, sample: Sample, values: dict[str, float]) -> list[float]:
    """(found - true) / stated deviation of every value."""
    assert found.cause is not None
    told = found.cause.values
    return [
        (told[f"{name}.{key}"] - values[f"{key}[{k}]"]) / told[f"{name}.{key}_sigma"]
        for k, name in enumerate(sample.names)
        for key in ("scale", "dx", "dy")
        if f"{name}.{key}" in told
    ]


def pooled(name: str, samples: Sequence[Sample], limits: tuple[float, float], groups: int) -> None:
    """One transform a camera, the same in 50 samples."""
    errors: list[np.ndarray] = []
    raws: list[np.ndarray] = []
    for group in range(groups):
        rng = np.random.default_rng([group, 2])
        views = len(samples[0].views)
        scales = np.exp(rng.uniform(-np.log(1.5), np.log(1.5), views))
        shifts = rng.uniform(-40.0, 40.0, (views, 2))
        chosen = [samples[int(k)] for k in rng.permutation(len(samples))[:_POOLED]]
        spoiled = [_spoiled(sample, scales, shifts) for sample in chosen]
        problem = [problem_of(sample, check_sample(sample)) for sample in spoiled]
        began = time.perf_counter()
        found = explain(problem, chosen[0].names)
        seconds = time.perf_counter() - began
        if found.undone is None or found.undone.candidate.code != "each-scale-shift":
            print(f"  group {group}: {found.cause and found.cause.sentence}")
            continue
        true = [view.camera for view in chosen[0].views]
        now = [found.undone.corrected[0].camera(k, like=camera) for k, camera in enumerate(true)]
        raw, error = without_gauge(true, now, problem[0][1])
        errors.append(error)
        raws.append(raw)
        print(f"  group {group}: {seconds:.0f} s, {found.undone.rms_px:.3f} px left", flush=True)
    row(name, errors, [], groups, limits)
    row("  raw", raws, [], groups, limits)


def _spoiled(sample: Sample, scales: np.ndarray, shifts: np.ndarray) -> Sample:
    views = [
        replace(view, camera=unscaled(view.camera, float(s), float(dx), float(dy)))
        for view, s, (dx, dy) in zip(sample.views, scales, shifts, strict=True)
    ]
    return replace(sample, views=tuple(views))


def distances(name: str, samples: Sequence[Sample]) -> None:
    """Every camera set to one distance: errors of the restored distances, up to a common factor."""
    errors: list[float] = []
    refused = unseen = 0
    for k, sample in enumerate(samples):
        found = repair_sample(centre_moved(sample, np.random.default_rng([k, 3])).sample)
        if found.status != "repaired":
            refused += found.status == "refused"
            unseen += found.status == "good"
            continue
        true = np.array([np.linalg.norm(view.camera.centre) for view in sample.views])
        now = np.array([np.linalg.norm(camera.centre) for camera in found.cameras])
        ratio = np.log(now / true)
        errors += (100 * np.abs(ratio - ratio.mean())).tolist()
    if not errors:
        print(f"{name:34} none repaired; {refused} of {len(samples)} refused, {unseen} thought to be in order")
        return
    e = np.array(errors)
    share = (e <= 0.5).sum() / (len(samples) * len(samples[0].views))
    print(
        f"{name:34} {np.median(e):6.3f} {np.percentile(e, 95):6.3f} %  {100 * share:5.1f} % within 0.5 %; "
        f"{refused} of {len(samples)} refused, {unseen} thought to be in order",
        flush=True,
    )


def coverage(name: str, samples: Sequence[Sample]) -> None:
    """Faults of all kinds: how many are repaired, how many of these wrong, and how well deviations are stated."""
    for fault, change in _FAULTS.items():
        sigmas: list[float] = []
        repaired = wrong = assumed = 0
        for k, sample in enumerate(samples):
            rng = np.random.default_rng([k, 11])
            stated = [change(k_view, view.camera, rng) for k_view, view in enumerate(sample.views)]
            views = [replace(view, camera=camera) for view, camera in zip(sample.views, stated, strict=True)]
            found = repair_sample(replace(sample, views=tuple(views)))
            if found.status != "repaired":
                continue
            assert found.cause is not None
            repaired += 1
            assumed += bool(found.cause.ambiguous_with)
            off = max(_off(view.camera, camera) for view, camera in zip(sample.views, found.cameras, strict=True))
            wrong += off > 1
            sigmas += _standardised(found, sample, stated)
        z = np.abs(np.array(sigmas)) if sigmas else np.array([np.nan])
        within = f"{100 * (z < 1).mean():4.0f} %  {100 * (z < 2).mean():4.0f} %  of {len(sigmas)}" if sigmas else ""
        print(
            f"{name + ', ' + fault:34} {repaired} of {len(samples)} repaired ({assumed} assumed), {wrong} wrong  "
            f"{within}",
            flush=True,
        )


def _off(true: Camera, found: Camera) -> float:
    """Error in units of what a repair may be off by: 5 % of a scale, 2.5 % of the width of a principal point."""
    scale = max(abs(np.log(found.fx / true.fx)), abs(np.log(found.fy / true.fy))) / 0.05
    return max(float(scale), max(abs(found.cx - true.cx), abs(found.cy - true.cy)) / (0.025 * true.width))


def _standardised(found: Repaired, sample: Sample, stated: Sequence[Camera]) -> list[float]:
    """(found - true) / stated deviation of each view's scale and shift: of the first view where all share one."""
    assert found.cause is not None
    told, out = found.cause.values, []
    shared = found.cause.code.startswith("all-")
    for view, before in zip(sample.views[:1] if shared else sample.views, stated, strict=not shared):
        true, sigma = view.camera, f"{view.name}.scale_sigma"
        if sigma in told:
            out.append((told[f"{view.name}.scale"] - true.fx / before.fx) / told[sigma])
        for axis, ratio in (("x", true.fx / before.fx), ("y", true.fy / before.fy)):
            sigma = f"{view.name}.scale_{axis}_sigma"
            if told.get(sigma, 0.0) > 0:
                out.append((told[f"{view.name}.scale_{axis}"] - ratio) / told[sigma])
        for key, now, was, side, s in (
            ("dx", true.cx, before.cx, true.width, true.fx / before.fx),
            ("dy", true.cy, before.cy, true.height, true.fy / before.fy),
        ):
            if f"{view.name}.{key}_sigma" in told:
                true_shift = now - side / 2 - s * (was - side / 2)
                out.append((told[f"{view.name}.{key}"] - true_shift) / told[f"{view.name}.{key}_sigma"])
    return out


_Change = Callable[[int, Camera, np.random.Generator], Camera]


def _zoomed(camera: Camera, x: float, y: float) -> Camera:
    return replace(camera, fx=camera.fx * x, fy=camera.fy * y)


def _moved(camera: Camera, rng: np.random.Generator) -> Camera:
    dx, dy = rng.uniform(-0.08, 0.08, 2).tolist()
    return replace(camera, cx=camera.cx + dx * camera.width, cy=camera.cy + dy * camera.width)


def _grown(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(-0.4, 0.4)))


def _alike(change: Callable[[Camera, np.random.Generator], Camera]) -> _Change:
    """The same values in all views of a sample."""
    return lambda view, camera, rng: change(camera, np.random.default_rng(rng.bit_generator.seed_seq))  # type: ignore[attr-defined]


def _other_size(camera: Camera, rng: np.random.Generator) -> Camera:
    s = _grown(rng)
    return replace(camera, fx=camera.fx * s, fy=camera.fy * s, cx=camera.cx * s, cy=camera.cy * s)


def _one(change: _Change) -> _Change:
    return lambda view, camera, rng: change(view, camera, rng) if view == 2 else camera


def _scale(view: int, camera: Camera, rng: np.random.Generator) -> Camera:
    s = _grown(rng)
    return _zoomed(camera, s, s)


_FAULTS: dict[str, _Change] = {
    "size": _alike(_other_size),
    "fy": _alike(lambda camera, rng: _zoomed(camera, 1.0, _grown(rng))),
    "focal": _alike(lambda camera, rng: _scale(0, camera, rng)),
    "one crop": _alike(_moved),
    "one view": _one(lambda view, camera, rng: _moved(_scale(view, camera, rng), rng)),
    "scales": _scale,
    "crops": lambda view, camera, rng: _moved(camera, rng),
    "scales and crops": lambda view, camera, rng: _moved(_scale(view, camera, rng), rng),
}


def scene(name: str, number: int) -> Sample:
    """Six views of an animal on a ring, an arc of 120 degrees, in two clusters; eight of a bust that borders cut."""
    rng = np.random.default_rng([number, 17])
    start = float(rng.uniform(0, 2 * np.pi))
    if name == "ring, cut":
        return scenes.sample_of(scenes.ring(8, start), scenes.bust(rng), 512)
    poses = {
        "ring": scenes.ring(6, start),
        "arc": scenes.ring(6, start, np.radians(120)),
        "two clusters": scenes.clusters(rng),
    }[name]
    return scenes.sample_of(poses, scenes.animal(rng), 512, zoom=1.6)


_SCENES = ("ring", "arc", "two clusters", "ring, cut")


def preset(fill: float, first: int, count: int) -> None:
    """Samples of `--preset legacy`, as the old scripts made them: how many are clipped, repaired, and right."""
    rig, mouse = markerless_rig(), Mouse()
    errors: list[np.ndarray] = []
    clipped, few = [], 0
    for index in range(first, first + count):
        mesh = mouse.posed(Motion(rig.arena, 50 + index // 100).pose(index % 100 * 0.73)).mesh
        found = [subject_mask(render_silhouette(mesh, camera, 2), 0.05) for camera in rig.cameras]
        outlines = [None if subject is None else subject.silhouette for subject in found]
        plan = plan_sample(replace(PRESETS["legacy"], fill=fill), rig.cameras, outlines, np.array([0.0, 0.0, 1.0]))
        views = [
            View(v.name, plan.written_camera(k), render_silhouette(mesh, v.target, 4), cut=bool(v.cut))
            for k, v in enumerate(plan.views)
        ]
        sample = Sample(f"{index:06d}", tuple(views), index)
        clipped.append(sum(bool(v.clipped) for v in plan.views))
        repaired = repair_sample(sample)
        few += "tangency equations are left" in repaired.reason
        if repaired.status == "repaired":
            errors.append(without_gauge([v.target for v in plan.views], repaired.cameras, outlines_of(sample))[1])
    row(f"--preset legacy --fill {fill:g}", errors, [], len(errors), (3.0, 6.0))
    print(
        f"  {len(errors)} of {count} repaired, {few} refused for too few equations; "
        f"{np.mean(clipped):.1f} of {len(rig.cameras)} views clipped",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first sample: others than limits were set on"
    )
    parser.add_argument(
        "--only", nargs="+", choices=("good", "views", "legacy", "preset", "distance", "pooled", "rough", "coverage")
    )
    parser.add_argument("--groups", type=int, default=4, help="of 50 pooled samples")
    given = parser.parse_args()
    last = given.first + given.samples
    needed = given.only is None or set(given.only) - {"coverage", "preset"}
    clean, rough = (corpus(last if needed else 0, rough=rough)[given.first :] for rough in (False, True))
    numbers = range(given.first, last)
    header = "scale 50 %, 95 %   shift 50 %, 95 %   views"
    print(f"{'':34} {header:58} in 1 s   in 2 s")
    limits, many = (1.0, 2.0), max(given.samples, 2 * _POOLED)
    runs: dict[str, list[Callable[[], None]]] = {
        "good": [lambda: unchanged(clean)],
        "views": [lambda: single("each view on its own", clean, views_rescaled, limits)],
        "preset": [lambda fill=fill: preset(fill, given.first, given.samples) for fill in _FILLS],
        "legacy": [lambda: single("scaled about the centre of mass", clean, legacy, limits)],
        "distance": [lambda: distances("one distance for all", clean)],
        "coverage": [lambda name=name: coverage(name, [scene(name, number) for number in numbers]) for name in _SCENES],
        "pooled": [lambda: pooled("one a camera, 50 samples", corpus(many), (0.3, 0.5), given.groups)],
        "rough": [
            lambda: single("each view on its own, rough masks", rough, views_rescaled, limits),
            lambda: distances("one distance for all, rough masks", rough),
            lambda: pooled("one a camera, 50 rough", corpus(many, rough=True), (0.3, 0.5), given.groups),
        ],
    }
    for name, work in runs.items():
        for run in work if given.only is None or name in given.only else ():
            run()


def unchanged(samples: Sequence[Sample]) -> None:
    """Exact samples must stay as they are."""
    changed = sum(repair_sample(sample).status != "good" for sample in samples)
    print(f"{'good samples not left as they were':34} {changed} of {len(samples)}", flush=True)


if __name__ == "__main__":
    main()
