"""From a mask as it comes to the subject's levels and silhouette."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mouselift.array_types import Levels
from mouselift.geometry.outlines import HALF_LEVEL, Silhouette


@dataclass(frozen=True, eq=False)
class Subject:
    """The mask that is warped, and what framing needs to know of it."""

    mask: Levels  # specks removed
    silhouette: Silhouette


def find_subject(mask: Levels, speck: float) -> Subject | None:
    """None where no pixel reaches one half. Parts below `speck` x the largest part's area are removed.

    Parts are connected (8 neighbours) over all levels above zero, so that a soft edge stays with its part.
    """
    x, y, w, h = cv2.boundingRect(mask)
    crop = mask[y : y + h, x : x + w]
    solid = crop >= HALF_LEVEL
    if not solid.any():
        return None
    count, found = cv2.connectedComponents((crop > 0).astype(np.uint8), connectivity=8)
    labels = np.asarray(found, dtype=np.int32)
    if count > 2:
        area = np.bincount(labels[solid], minlength=count)
        keep = area >= max(speck * float(area[1:].max()), 1.0)
        keep[0] = False
        if not keep[1:].all():
            mask = mask.copy()
            crop = np.where(keep[labels], crop, 0).astype(np.uint8)
            mask[y : y + h, x : x + w] = crop
            solid = crop >= HALF_LEVEL
    height, width = mask.shape
    return Subject(mask, Silhouette.from_mask(solid, (x, y), (width, height)))
