"""Keypoints numbered some frames off: how often `inspect` says so, and by how many. Where its limits come from.

    python benchmarks/keypoint_lag.py [RECORDINGS]

The synthetic mouse at 60 instants of 40 seconds, six cameras at half size (576 x 512), exact silhouettes, whole or
without the tail. Its eight keypoints are off by a normal error of 0 to 4 mm an axis, new at each frame (a network's
errors are alike from frame to frame and hurt less). The file's numbers are 0 to 8 frames off. Prints, over recordings
and both kinds of masks: how often it is said that they are off, how often the interval holds the true offset, its mean
width, the median of the best offset, and the most standard errors between it and 0.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
from keypoints_on_mask import tail_less
from mouselift.keypoints.keypoints import Keypoints
from mouselift.keypoints.lag import REACH, KeypointLag, KeypointLagTally
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import KEYPOINTS, Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig, scaled_rig

INSTANTS, SECONDS = 60, 40.0
RATES = (50.0, 100.0)
ERRORS_MM = (0.0, 1.0, 2.0, 4.0)
OFFSETS = (0, 1, 2, 3, 5, 8)


def one(seed: int, rate: float, found: dict[tuple[float, float, int], list[KeypointLag]]) -> None:
    rig = scaled_rig(markerless_rig(), 0.5)
    rng, mouse, motion = np.random.default_rng(seed), Mouse(seed=seed), Motion(rig.arena, seed)
    margin = REACH + max(OFFSETS)
    at = np.linspace(margin, SECONDS * rate, INSTANTS).astype(int)
    frames = np.unique(at[:, None] + np.arange(-margin, margin + 1))
    true = np.stack([mouse.posed(motion.pose(frame / rate)).keypoints for frame in frames])
    noise = rng.normal(size=true.shape)
    tallies: dict[tuple[str, float, int], KeypointLagTally] = {}
    for error in ERRORS_MM:
        for offset in OFFSETS:
            for masks in ("whole", "no tail"):
                late = Keypoints(Path("a"), "a", frames + offset, true + error * noise, KEYPOINTS, None)
                tallies[masks, error, offset] = KeypointLagTally(late)
    for frame in at:
        mesh = mouse.posed(motion.pose(frame / rate)).mesh
        for masks, shown in (("whole", mesh), ("no tail", tail_less(mesh))):
            levels = [render_silhouette(shown, camera, 1) for camera in rig.cameras]
            for (kind, _, _), tally in tallies.items():
                if kind == masks:
                    tally.add(int(frame), rig.cameras, levels)
    for (_, error, offset), tally in tallies.items():
        lag = tally.found()
        assert lag is not None
        found[rate, error, offset].append(lag)


def main(recordings: int) -> None:
    found: dict[tuple[float, float, int], list[KeypointLag]] = defaultdict(list)
    for rate in RATES:
        for seed in range(recordings):
            one(seed, rate, found)
            print(f"{rate:.0f} Hz, recording {seed}", file=sys.stderr, flush=True)
    print("rate  error mm  offset   said off   truth within   width   median best   most sigmas")
    for (rate, error, offset), lags in sorted(found.items()):
        said = np.mean([lag.off for lag in lags])
        within = np.mean([lag.low <= offset <= lag.high for lag in lags])
        width = np.mean([lag.high - lag.low + 1 for lag in lags])
        best = np.median([lag.best for lag in lags])
        sigmas = max(lag.sigmas for lag in lags)
        print(
            f"{rate:4.0f}  {error:8.0f}  {offset:6d}   {said:8.2f}   {within:12.2f}   {width:5.1f}   {best:11.0f}   "
            f"{sigmas:11.1f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
