"""How often `mouselift inspect` finds a late video, names its camera and the right offset, and blames no other.

    python benchmarks/lag_rates.py [--captures 500] [--frames 60] [--seed 1000] [--masks exact lossy] [--workers 2]

A capture: six cameras on a dome, turned a little, 576 x 512 pixels, 30 s at 50 images a second of the synthetic mouse
(it walks, stops, rears); the instants and neighbours that `inspect` would read (--frames, --lag 5). One camera, drawn,
shows what the others showed 1, 2 or 4 frames ago, or came 2 frames early; or none. Masks are exact, lossy (JPEG, holes)
or rough (beside that one view grown by 2 to 5 px and another without tail, drawn anew at every frame).

"right": a `camera-lags` of that camera with that offset, and nothing else; "other": another camera, offset or finding.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

import _paths  # noqa: F401  (puts tests/shared on the path)
from mouselift.dataset.sample import Sample, View
from mouselift.inspect.lag import MIN_INSTANTS, MOVING_PX, LagTables, lag_facts, lag_findings, lag_table
from mouselift.inspect.sampled_frames import FrameOutlines, ViewOutline, choose_frames, motion_a_frame, view_outline
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import Rig, scaled_rig
from other_rigs import ring_rig
from rough_masks import Roughness, roughen

CAMERAS, REACH = 6, 5
RATE, LENGTH = 50.0, 1500  # images a second; images
LATE = (0, 1, 2, 4, -2)
MASKS = {"exact": None, "lossy": Roughness(grown_px=None, tail_lost=0.0), "rough": Roughness()}


def capture(seed: int, masks: Sequence[str], frames: int) -> dict[tuple[str, int], tuple[str, int]]:
    """By kind of masks and lag: (named | other | silent | resting, moving instants)."""
    cv2.setNumThreads(1)
    with threadpool_limits(1, user_api="blas"):
        rng = np.random.default_rng([seed, 0x1A6])
        rig = scaled_rig(ring_rig(CAMERAS, (15.0, 35.0), jitter_deg=3.0, seed=seed), 0.5)
        late = int(rng.integers(CAMERAS))
        plan = choose_frames(range(LENGTH), frames, REACH)
        shown = _shown(rig, late, seed, plan.frames, masks)
        return {
            (kind, lag): _said(rig, late, lag, shown[kind], plan.frames, plan.instants)
            for kind in masks
            for lag in LATE
        }


def _shown(
    rig: Rig, late: int, seed: int, frames: Sequence[int], masks: Sequence[str]
) -> dict[str, dict[tuple[int, int], ViewOutline | None]]:
    """By masks, camera and moment: all cameras at the frames that are read, the late one at what it shows instead."""
    mouse, motion = Mouse(seed=seed), Motion(rig.arena, seed)
    read = set(frames)
    out: dict[str, dict[tuple[int, int], ViewOutline | None]] = {kind: {} for kind in masks}
    for moment in sorted({frame - lag for frame in frames for lag in LATE}):
        mesh = mouse.posed(motion.pose(1.0 + moment / RATE)).mesh
        seen = [v for v in range(CAMERAS) if v == late or moment in read]
        views = [View(rig.cameras[v].name, rig.cameras[v], render_silhouette(mesh, rig.cameras[v], 3)) for v in seen]
        exact = Sample(str(moment), tuple(views))
        for kind in masks:
            what, rng = MASKS[kind], np.random.default_rng([seed, moment + LENGTH])
            got = exact if what is None else roughen(exact, rng, what)[0]
            out[kind].update(
                {(v, moment): view_outline(view.camera, view.alpha)[0] for v, view in zip(seen, got.views, strict=True)}
            )
    return out


def _said(
    rig: Rig,
    late: int,
    lag: int,
    shown: dict[tuple[int, int], ViewOutline | None],
    frames: Sequence[int],
    instants: Sequence[int],
) -> tuple[str, int]:
    def at(frame: int) -> FrameOutlines:
        views = tuple(shown[v, frame - lag if v == late else frame] for v in range(CAMERAS))
        return FrameOutlines(frame, views, ("ok",) * CAMERAS)

    seen = {frame: at(frame) for frame in frames}
    windows = {k: [seen[frame] for frame in range(k - REACH, k + REACH + 1)] for k in instants}
    moving = [k for k in instants if (motion_a_frame(windows[k]) or 0.0) >= MOVING_PX]
    if len(moving) < MIN_INSTANTS:
        return "resting", len(moving)
    names = tuple(camera.name for camera in rig.cameras)
    tables = LagTables(names, REACH, tuple(moving), np.stack([lag_table(windows[k]) for k in moving]))
    given = [0] * CAMERAS
    found = list(lag_findings(lag_facts(tables, given), tables, given))
    wanted = [] if lag == 0 else [("camera-lags", names[late], float(lag))]
    got = [(f.code, f.camera, f.value) for f in found]
    if got == wanted:
        return "named", len(moving)
    return "other" if got else "silent", len(moving)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=int, default=500)
    parser.add_argument("--frames", type=int, default=60, help="instants a capture: inspect's default")
    parser.add_argument("--seed", type=int, default=1000, help="of the first capture")
    parser.add_argument("--masks", nargs="+", choices=tuple(MASKS), default=tuple(MASKS))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    start = time.monotonic()
    got = []
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        job = partial(capture, masks=options.masks, frames=options.frames)
        for result in pool.map(job, range(options.seed, options.seed + options.captures)):
            got.append(result)
            if len(got) % 25 == 0:
                print(f"{len(got)} captures, {time.monotonic() - start:.0f} s", flush=True)
    moving = [n for result in got for _, n in result.values()]
    print(f"moving instants: {min(moving)} to {max(moving)}, median {np.median(moving):.0f}")
    print("| masks | lag, frames | captures | right | other | silent | too few moving |\n|---|---|---|---|---|---|---|")
    for kind in options.masks:
        for lag in LATE:
            words = [result[kind, lag][0] for result in got]
            right, *rest = (100 * words.count(word) / len(words) for word in ("named", "other", "silent", "resting"))
            shares = " | ".join(f"{share:.1f} %" for share in (right, *rest))
            print(f"| {kind} | {lag or 'none'} | {len(words)} | {shares} |")


if __name__ == "__main__":
    main()
