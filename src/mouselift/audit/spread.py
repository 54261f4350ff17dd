"""How unlike one sample's views are: sizes, focal lengths, principal points. All can be exact; none is an error.

The pretrained cameras have one focal length and centred principal points, so a spread is something the model has to
learn: docs/concepts/framing.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.dataset.sample import Sample
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Outline

FOCAL_SPREAD = 2.0  # largest / smallest: 1 in the pretrained cameras; `per-view` reaches 4 on the six-camera rig
PRINCIPAL_SHARE = 0.5  # of the image's side, from its middle: beyond it the axis leaves the image
SIZE_SPREAD = 3.0  # largest / smallest side of the subject
SMALLEST_SHARE = 0.08  # of the image's side: a smaller subject is a few of the model's 8 px patches


@dataclass(frozen=True)
class Spread:
    """Over one sample's views. Spreads are largest / smallest; NaN where no view has a subject."""

    focal: float
    principal_px: float  # largest distance of a principal point from its image's middle
    principal_share: float  # the same over the image's width
    size: float  # of the square root of the subject's area
    smallest_px: float  # square root of the smallest subject's area
    smallest_share: float  # the same over the image's width


def spread(cameras: Sequence[Camera], outlines: Sequence[Outline | None]) -> Spread:
    """Raises ValueError where there is no camera."""
    focals = np.array([camera.focal for camera in cameras])
    off = np.array([np.hypot(c.cx - c.width / 2, c.cy - c.height / 2) for c in cameras])
    widths = np.array([camera.width for camera in cameras])
    seen = [(o.area, c.width) for c, o in zip(cameras, outlines, strict=True) if o is not None]
    sides = np.sqrt([area for area, _ in seen])
    shares = sides / np.array([width for _, width in seen])
    known = len(seen) > 0
    return Spread(
        float(focals.max() / focals.min()),
        float(off.max()),
        float((off / widths).max()),
        float(sides.max() / sides.min()) if known else float("nan"),
        float(sides.min()) if known else float("nan"),
        float(shares.min()) if known else float("nan"),
    )


def spread_findings(sample: Sample, found: Spread) -> list[Finding]:
    """Notes and warnings where the spread is far from what the model was trained on."""
    out: list[Finding] = []

    def add(code: str, text: str, value: float, limit: float) -> None:
        text = f"{sample.id}: {text}"
        out.append(Finding.of(code, text, frame=sample.frame, sample=sample.id, value=value, limit=limit))

    if found.focal > FOCAL_SPREAD:
        add("focal-spread", f"largest / smallest focal length is {found.focal:.2f}", found.focal, FOCAL_SPREAD)
    if found.principal_share > PRINCIPAL_SHARE:
        text = f"a principal point lies {found.principal_px:.0f} px from its image's middle"
        add("principal-spread", text, found.principal_share, PRINCIPAL_SHARE)
    if found.size > SIZE_SPREAD:
        text = f"the subject is {found.size:.2f} times as large in one view as in another"
        add("size-spread", text, found.size, SIZE_SPREAD)
    if found.smallest_share < SMALLEST_SHARE:
        text = f"the smallest subject measures {found.smallest_px:.0f} px (square root of its area)"
        add("small-subject", text, found.smallest_share, SMALLEST_SHARE)
    return out
