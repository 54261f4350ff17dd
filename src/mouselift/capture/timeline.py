"""Which image of a camera shows which instant: runs on the common timeline, gaps where images were lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mouselift.array_types import Array, Int64

# (frame, image, count): frames `frame` .. `frame + count - 1` show images `image` .. `image + count - 1`, counted from
# the camera's first. Frames in no run are lost; images in no run belong to no instant.
Runs = tuple[tuple[int, int, int], ...]

LOST = -1  # number of the image of a frame that was lost


def runs_of(frames: Int64[Array, " n"]) -> Runs:
    """By each image's frame: increasing, `LOST` for images that are left out."""
    images = np.flatnonzero(frames != LOST)
    if not images.size:
        return ()
    kept = frames[images]
    starts = np.flatnonzero(np.r_[True, (np.diff(kept) != 1) | (np.diff(images) != 1)])
    counts = np.diff(np.r_[starts, len(kept)])
    return tuple((int(kept[s]), int(images[s]), int(c)) for s, c in zip(starts, counts, strict=True))


def images_at(runs: Runs, frames: Sequence[int] | Int64[Array, " f"]) -> Int64[Array, " f"]:
    """The image of each frame; `LOST` where there is none."""
    wanted = np.asarray(frames, dtype=np.int64)
    table = np.array(runs, dtype=np.int64).reshape(-1, 3)
    run = np.searchsorted(table[:, 0], wanted, side="right") - 1
    inside = run >= 0
    start, image, count = table[np.maximum(run, 0)].T
    inside &= wanted < start + count
    return np.where(inside, wanted - start + image, LOST)


def problem_of(runs: Runs, images: int) -> str | None:
    """Why `runs` cannot hold for a camera of so many images; None where they can."""
    frame = image = 0
    for run in runs:
        if run[2] < 1 or run[0] < frame or run[1] < image:
            return f"expected runs [frame, image, count] that follow each other, got {list(run)}"
        frame, image = run[0] + run[2], run[1] + run[2]
    return f"ends after image {image - 1}, there are {images}" if image > images else None
