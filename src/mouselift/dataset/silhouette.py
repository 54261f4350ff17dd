"""The silhouette that an image of any tool gives: its alpha, or a mask from its colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mouselift.array_types import ImageRGB, Levels
from mouselift.dataset.alpha_checks import inverted
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.media.png import AlphaImage, read_colours

_GROUND_SHARE = 0.5  # of the image's border must be exactly white or black for a mask to be derived from it
_FAINT = 224  # of 255: a lossy or resampled edge takes less from a subject's middle
_GROUNDS = {"white": 255, "black": 0}


def silhouette(image: AlphaImage, path: Path, note: Any) -> Levels | None:
    """The alpha, or a mask derived from the colours; None where the image shows no silhouette."""
    alpha = image.alpha
    highest = 255 if alpha is None else int(alpha.max())
    if alpha is not None and highest == 0:
        note("empty-mask", "nothing is opaque: the subject is not there")
        return None
    if alpha is not None and highest == 1:
        note("alpha-levels", "alpha is 0 and 1 of 255: nearly nothing is there for a loader")
        return alpha * np.uint8(255)
    if alpha is not None and highest < HALF_LEVEL:
        text = f"no alpha reaches one half (highest {highest} of 255)"
        note("empty-mask", text, "Write alpha from 0 to 255.", float(highest))
        return None
    if alpha is not None and int(alpha.min()) < 255:
        if inverted(alpha):
            note("alpha-inverted", "the ground is opaque and what it surrounds is transparent: alpha is inverted")
            return 255 - alpha
        if highest < _FAINT:
            note("alpha-faint", f"its highest alpha is {highest} of 255", value=float(highest))
        return alpha
    derived = mask_from_ground(read_colours(path))
    if derived is None:
        note("no-alpha", "opaque, on no ground of exactly white or black: there is no silhouette to compare")
        return None
    ground, mask = derived
    note("mask-derived", f"opaque: the mask was derived from its exactly {ground} ground")
    return mask


def mask_from_ground(colours: ImageRGB) -> tuple[str, Levels] | None:
    """(ground, hard mask) of an opaque image whose border is mostly exactly white or black; None for others.

    The ground is what is exactly of that colour and joined to the image's border.
    """
    rim = np.concatenate([colours[0], colours[-1], colours[:, 0], colours[:, -1]])
    for name, level in _GROUNDS.items():
        if float((rim == level).all(axis=1).mean()) < _GROUND_SHARE:
            continue
        exact = (colours == level).all(axis=2).astype(np.uint8)
        _, labels = cv2.connectedComponents(exact, connectivity=4)
        labels = np.asarray(labels)
        outer = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        ground = np.isin(labels, outer[outer > 0])
        mask = np.where(ground, 0, 255).astype(np.uint8)
        return (name, mask) if 0 < int(ground.sum()) < ground.size else None
    return None
