"""How near are the masks of `mouselift mask` to the truth, and how much of the tail is in them?

    python benchmarks/mask_tails.py [--frames 40] [--judged 12] [--half]

A synthetic recording with exact masks (six cameras, brown mouse, soft shadows, H.264) is masked without them. Printed
by camera: overlap with the truth (IoU), the share of the truth that is missing and that is too much, the share of the
tail that is in the mask (the tail: what is narrower than 3 % of the subject's box), views in which 95 % of it is, the
outline mismatch, and CPU seconds a frame. Made once and kept in the cache folder of its siblings.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from mouselift.array_types import Mask  # noqa: E402  (after the path above, like its siblings)
from mouselift.capture.capture import Capture, load_capture  # noqa: E402
from mouselift.capture.capture_toml import write_capture_toml  # noqa: E402
from mouselift.capture.discovery import discover  # noqa: E402
from mouselift.capture.source import CaptureSource  # noqa: E402
from mouselift.masks.background import learn_background  # noqa: E402
from mouselift.masks.quality import measure  # noqa: E402
from mouselift.masks.scene import Scene, learn_scene  # noqa: E402
from mouselift.masks.segment import Segmenter  # noqa: E402
from mouselift.sampling import evenly_spaced  # noqa: E402
from mouselift.synthetic.capture import CaptureSpec, write_capture  # noqa: E402
from mouselift.synthetic.rigs import demo_rig, markerless_rig  # noqa: E402
from recording import CACHE  # noqa: E402

SAMPLES = 48
COMPLETE = 0.95
THIN = 0.03  # of the diagonal of the subject's box


def recording(frames: int, half: bool) -> Path:
    """Two frames a second, so that the animal leaves every place."""
    folder = CACHE / f"mask-tails-{frames}{'-half' if half else ''}"
    if not (folder / "capture.toml").exists():
        rig = demo_rig() if half else markerless_rig()
        write_capture(folder, CaptureSpec(frames=frames, fps=2.0, masks="png", rig=rig, supersample=2))
        write_capture_toml(folder / "capture.toml", discover(folder).spec)
    return folder


def learned(capture: Capture) -> tuple[CaptureSource, Scene]:
    """As `mouselift mask` does."""
    source = CaptureSource(capture)
    samples = evenly_spaced(source.frames, SAMPLES)
    backgrounds = []
    for camera in capture.cameras:
        alone = CaptureSource(replace(capture, cameras=(camera,)))
        backgrounds.append(learn_background((f.views[0].image for f in alone.read(samples)), camera.name))
        alone.close()
    cameras = [track.camera for track in source.tracks]
    return source, learn_scene(source.read, samples, backgrounds, cameras, capture.require_up(), capture.floor)


def tail_of(truth: Mask) -> Mask:
    """The thin part that is farthest from the rest: ears and paws are short."""
    _, _, wide, high = cv2.boundingRect(truth.view(np.uint8))
    side = 2 * int(np.ceil(THIN * np.hypot(wide, high))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    rest = cv2.dilate(cv2.morphologyEx(truth.view(np.uint8), cv2.MORPH_OPEN, kernel), np.ones((5, 5), np.uint8))
    thin = (truth & ~rest.astype(bool)).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(thin, connectivity=8)
    reach = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    reach[0] = 0
    longest = int(reach.argmax())
    return (labels == longest) & (reach[longest] > 4 * side)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--judged", type=int, default=12)
    parser.add_argument("--half", action="store_true", help="images of half the size")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    capture = load_capture(recording(options.frames, options.half))
    bare = replace(capture, cameras=tuple(replace(camera, mask=None) for camera in capture.cameras))
    source, scene = learned(bare)
    whole = CaptureSource(capture)
    segmenter = Segmenter(scene)
    judged = evenly_spaced(source.frames, options.judged)
    rows: list[tuple[float, ...]] = []  # view, IoU, missing, too much, share of the tail
    records, spent = [], 0.0
    for frame, truths in zip(source.read(judged), whole.read(judged), strict=True):
        start = time.process_time()
        levels = segmenter.segment([view.image for view in frame.views])
        spent += time.process_time() - start
        records.append(measure(scene.cameras, levels, frame.frame, None))
        for view, (level, truth) in enumerate(zip(levels, truths.views, strict=True)):
            if level is None or truth.mask is None:
                continue
            mask, true = level >= 128, truth.mask >= 128
            tail = tail_of(true)
            share = (mask & tail).sum() / tail.sum() if tail.any() else np.nan
            both, size = (mask & true).sum(), true.sum()
            rows.append((view, both / (mask | true).sum(), 1 - both / size, (mask & ~true).sum() / size, share))
    table = np.array(rows)
    print(f"{'camera':10}{'IoU':>7}{'missing':>9}{'too much':>10}{'tail':>7}{'complete':>12}{'mismatch px':>13}")
    for view in [*range(len(scene.cameras)), -1]:
        own = table[(table[:, 0] == view) | (view < 0)]
        shares = own[np.isfinite(own[:, 4]), 4]
        apart = [px for r in records for i, v in enumerate(r.views) if view in (i, -1) for px in v.tangency_px]
        complete = f"{int((shares >= COMPLETE).sum())} of {len(shares)}"
        name = "all" if view < 0 else scene.names[view]
        print(
            f"{name:10}{own[:, 1].mean():7.3f}{own[:, 2].mean():9.3f}{own[:, 3].mean():10.3f}"
            f"{shares.mean():7.3f}{complete:>12}{np.median(apart):13.2f}"
        )
    print(f"{spent / len(judged):.2f} CPU s a frame")


if __name__ == "__main__":
    main()
