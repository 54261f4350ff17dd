"""One sample's geometry: outlines, tangency and, where asked for, the hull's coverage, with their findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64

from mouselift.audit.outline import Outline, outline_of
from mouselift.audit.tangency import Tangency, tangency
from mouselift.audit.views import SampleViews
from mouselift.core.finding import Finding
from mouselift.core.silhouette import HALF_LEVEL
from mouselift.core.types import Array, Levels

_SPECK_SHARE = 0.01  # of the largest part: as prepare's --speck
_PLANES = 4  # tangent planes that must have had a say before silence counts as agreement


@dataclass(frozen=True, eq=False)
class Geometry:
    """What silhouettes say about cameras."""

    outlines: tuple[Outline | None, ...]
    tangency: Tangency
    coverage: Float64[Array, " v"] | None  # None: the hull was not asked for
    findings: tuple[Finding, ...]
    judged: bool  # cameras and silhouettes could be compared


def geometry(sample: SampleViews, hull: bool = False) -> Geometry:
    """LensFoldError never: a sample's cameras are pinholes."""
    cameras = [view.camera for view in sample.views]
    outlines = tuple(outline_of(view.alpha, _SPECK_SHARE if _in_parts(view.alpha) else 0.0) for view in sample.views)
    found = tangency(cameras, outlines)
    judged = found.planes >= _PLANES
    findings = [] if judged or not sample.views else [_too_few(sample, found.planes, outlines)]
    return Geometry(outlines, found, None, tuple(findings), judged)


def _in_parts(alpha: Levels) -> bool:
    """Whether the silhouette has several parts: a twentieth of the time that labelling them takes."""
    inside = cv2.threshold(alpha, HALF_LEVEL - 1, 1, cv2.THRESH_BINARY)[1]
    x, y, w, h = cv2.boundingRect(inside)
    tight = np.asarray(inside)[y : y + h, x : x + w]
    return w > 0 and len(cv2.findContours(tight, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]) > 1


def _too_few(sample: SampleViews, planes: int, outlines: Sequence[Outline | None]) -> Finding:
    seen = sum(outline is not None for outline in outlines)
    text = f"{sample.id}: only {planes} tangent planes have a say (expected at least {_PLANES}) in {seen} views"
    advice = "Views whose subject is cut, or that look along their baseline, say nothing: more views are needed."
    return Finding(
        "tangency-unknown", "warning", text, None, sample.frame, sample.id, float(planes), float(_PLANES), advice
    )
