"""How well do the masks of a real recording agree, and how much of the tails is in them?

    python benchmarks/mask_cylinder.py CAPTURE [--frames 50] [--sheets FOLDER]

Frames are drawn at random, none nearer than 8 frames to every 137th, on which the limits of tails were chosen. Prints
the columns of `mouselift mask` and its CPU seconds a frame. The sheets show 440 pixels of the source about the subject,
seven frames each, to count by eye the views whose mask reaches the tip of the tail.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from mask_tails import learned  # noqa: E402  (after the path above, like its siblings)
from mouselift.array_types import ImageRGB  # noqa: E402
from mouselift.capture.capture import load_capture  # noqa: E402
from mouselift.masks.quality import measure, summarise  # noqa: E402
from mouselift.masks.segment import Segmenter  # noqa: E402

SEED, STEP, APART = 20261128, 137, 8
SIDE, TILE, ROWS = 440, 330, 7


def tile(image: ImageRGB, mask: np.ndarray) -> ImageRGB:
    """The part of an image about a mask's middle, with its outline."""
    x, y, wide, high = cv2.boundingRect((mask >= 128).astype(np.uint8))
    left, top = x + wide // 2 - SIDE // 2, y + high // 2 - SIDE // 2
    padded = cv2.copyMakeBorder(image, SIDE, SIDE, SIDE, SIDE, cv2.BORDER_CONSTANT, value=(226, 226, 226))
    framed = cv2.copyMakeBorder(mask, SIDE, SIDE, SIDE, SIDE, cv2.BORDER_CONSTANT, value=0)
    part = np.s_[top + SIDE : top + 2 * SIDE, left + SIDE : left + 2 * SIDE]
    drawn = cv2.resize(padded[part], (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(framed[part], (TILE, TILE), interpolation=cv2.INTER_LINEAR)
    outlines, _ = cv2.findContours((small >= 128).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(drawn, outlines, -1, (255, 196, 0), 1), dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--sheets", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    source, scene = learned(load_capture(options.capture))
    pool = [f for f in source.frames if min(f % STEP, STEP - f % STEP) > APART]
    judged = sorted(np.random.default_rng(SEED).choice(pool, min(options.frames, len(pool)), replace=False).tolist())
    records, rows, spent = [], [], 0.0
    for frame in source.read(judged):
        segmenter = Segmenter(scene)  # frames are far apart: the last one says nothing
        start = time.process_time()
        levels = segmenter.segment([view.image for view in frame.views])
        spent += time.process_time() - start
        records.append(measure(scene.cameras, levels, frame.frame, segmenter.carver))
        blank = np.full((TILE, TILE, 3), 226, np.uint8)
        pairs = zip(frame.views, levels, strict=True)
        tiles = [blank if v.image is None or m is None else tile(v.image.rgb(), m) for v, m in pairs]
        rows.append(np.concatenate(tiles, axis=1))
    for q in summarise(scene.names, records):
        print(
            f"{q.camera:12} centroid {q.centroid_px} tangency {q.tangency_px} RMS {q.tangency_rms_px} "
            f"hull {q.coverage} cut {q.cut} empty {q.empty}"
        )
    apart = np.array([px for record in records for view in record.views for px in view.tangency_px])
    print(
        f"all: median {np.median(apart):.2f} px, mean {apart.mean():.2f}, nine in ten < {np.quantile(apart, 0.9):.1f}"
    )
    print(f"{spent / len(judged):.2f} CPU s a frame")
    if options.sheets is not None:
        options.sheets.mkdir(parents=True, exist_ok=True)
        for number, first in enumerate(range(0, len(rows), ROWS)):
            sheet = np.concatenate(rows[first : first + ROWS], axis=0)
            cv2.imwrite(str(options.sheets / f"sheet_{number}.png"), sheet[:, :, ::-1])


if __name__ == "__main__":
    main()
