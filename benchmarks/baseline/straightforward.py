"""The yardstick: preparation as it is written in a hurry, in our own few lines.

Random access per wanted frame, whole frames in colour, a grid for the centre of mass, colours and alpha
warped apart, PIL's PNG with the scene kept under alpha 0, and intrinsics left alone.

    python benchmarks/baseline/straightforward.py video VIDEOS MASKS OUT FRAME [FRAME ...]
    python benchmarks/baseline/straightforward.py folder DATASET OUT
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIZE, FILL = 512, 0.6


def grab(path: Path, frame: int) -> np.ndarray:
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, frame)
    good, image = capture.read()
    capture.release()
    if not good:
        raise SystemExit(f"{path}: no frame {frame}")
    return image


def reframe(rgb: np.ndarray, alpha: np.ndarray) -> Image.Image:
    """Scale to the fill, centre of mass to the middle; colours and alpha apart."""
    inside = alpha > 127
    ys, xs = np.mgrid[: alpha.shape[0], : alpha.shape[1]]
    cx, cy = xs[inside].mean(), ys[inside].mean()
    scale = FILL * SIZE / np.sqrt(inside.sum())
    matrix = np.array([[scale, 0, SIZE / 2 - scale * cx], [0, scale, SIZE / 2 - scale * cy]])
    colour = cv2.warpAffine(rgb, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(alpha, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    return Image.fromarray(np.dstack([colour, mask]))


def from_videos(videos: Path, masks: Path, out: Path, frames: list[int]) -> None:
    names = sorted(path.name for path in videos.iterdir())
    everything = [
        [(grab(videos / name, frame), grab(masks / name, frame)[:, :, 0]) for name in names] for frame in frames
    ]  # all frames in memory, as found
    for frame, views in zip(frames, everything, strict=True):
        folder = out / f"sample_{frame:06d}" / "images"
        folder.mkdir(parents=True)
        for index, (bgr, mask) in enumerate(views):
            rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            reframe(rgb, mask).save(folder / f"cam_{index:03d}.png")


def from_folder(dataset: Path, out: Path) -> None:
    for sample in sorted(dataset.glob("sample_*")):
        target = out / sample.name
        (target / "images").mkdir(parents=True)
        for path in sorted((sample / "images").iterdir()):
            rgba = np.array(Image.open(path))
            reframe(np.ascontiguousarray(rgba[:, :, :3]), np.ascontiguousarray(rgba[:, :, 3])).save(
                target / "images" / path.name
            )
        shutil.copy(sample / "opencv_cameras.json", target)
        json.loads((target / "opencv_cameras.json").read_text())


if __name__ == "__main__":
    cv2.setNumThreads(1)
    kind, *rest = sys.argv[1:]
    if kind == "video":
        from_videos(Path(rest[0]), Path(rest[1]), Path(rest[2]), [int(frame) for frame in rest[3:]])
    else:
        from_folder(Path(rest[0]), Path(rest[1]))
