"""What alpha is stored as, told from the pixels of one image: inverted, premultiplied, or in levels of another kind."""

from __future__ import annotations

import cv2
import numpy as np

from mouselift.array_types import ImageRGB, Levels
from mouselift.geometry.outlines import HALF_LEVEL

_BORDER_SHARE = 0.9  # of the border is opaque where ground and subject are exchanged; animals cover less of it
_HOLE_SHARE = 1e-3  # of the image is then transparent: smaller than any subject
_LEAST_PIXELS = 50  # at soft edges; fewer say nothing
_SOFT = (26, 128)  # alpha of the pixels that tell: 10 to 50 %
_LEAST_LEVEL = 24  # brightest channel of the subject's edge; darker ones stay below alpha anyway
# Colours at soft edges over those beside them, brightest channel: 1 where alpha is straight, alpha itself where it is
# premultiplied (0.3 in the mean). Between them: ground that shows through a soft edge.
_DIMMED = 0.5
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def inverted(alpha: Levels) -> bool:
    """Whether ground is opaque and a subject within it is not."""
    if alpha[0, 0] < HALF_LEVEL and alpha[-1, -1] < HALF_LEVEL:  # nearly always: a tenth of the time
        return False
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    opaque = float((border >= HALF_LEVEL).mean())
    return opaque >= _BORDER_SHARE and float((alpha < HALF_LEVEL).mean()) >= _HOLE_SHARE


def premultiplied(colours: ImageRGB, alpha: Levels) -> bool | None:
    """Whether colours fall with alpha at soft edges; None where too few pixels are soft, or the subject is too dark.

    A subject before black, matted without taking the ground out of its edge, looks the same and does the same harm.
    """
    soft = (alpha >= _SOFT[0]) & (alpha <= _SOFT[1])
    firm = alpha >= 224
    beside = firm & (cv2.erode(firm.astype(np.uint8), _CROSS) == 0)  # the firm pixels at the edge
    if int(soft.sum()) < _LEAST_PIXELS or int(beside.sum()) < _LEAST_PIXELS:
        return None
    edge = float(np.median(colours[beside].max(axis=1)))
    if edge < _LEAST_LEVEL:
        return None
    level = colours[soft].max(axis=1)
    never_above = float((level <= alpha[soft] + 1).mean())
    return never_above > 0.99 and float(np.median(level)) < _DIMMED * edge
