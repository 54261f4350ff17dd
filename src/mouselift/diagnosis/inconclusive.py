"""Views that disagree though no cause explains it: the evidence for slightly wrong cameras and for rough masks.

Repetition: a wrong camera puts the same tangent plane off by the same amount in every sample, masks change. And thin
parts: where the opened silhouettes agree far better than the outlines, tails and feet make up most of what is off.
Limits: 21 samples of a real recording and 17 synthetic ones, rough masks; right cameras repeat 4 to 43 % of what is
off, cameras with a scale, an aspect or a distance wrong 49 to 99 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.consistency.cameras import check_sample
from mouselift.consistency.opened_silhouettes import open_silhouettes
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import problem_of
from mouselift.geometry.camera_arrays import ConvexOutlines, sampson_residuals

_FAR_BETTER = 0.6  # share of the outlines' residual; opened silhouettes below it show that thin parts make up the rest
_FEW_SAMPLES = 6  # fewer say nothing about repetition: even pure chance repeats 1.25 / sqrt(n) of its size
_CAMERAS_SHARE = 0.6  # share of the residuals that all samples repeat, from which cameras are the likelier reason
_MASKS_SHARE = 0.45  # and up to which masks are


@dataclass(frozen=True)
class InconclusiveEvidence:
    """Of one sample, or of several with the same cameras; pixels, NaN where nothing has a say."""

    outlines_px: float  # RMS of the tangency residuals of whole outlines
    typical_px: float  # their median
    opened_px: float  # RMS of the opened silhouettes'
    repeated: float  # share of the residuals that is the same in all samples, 0 .. 1; NaN for few samples
    samples: int

    @property
    def sentence(self) -> str:
        """What is off by how much, and what argues for masks or for cameras."""
        text = f"the views disagree, and no one cause explains it: outlines by {self.outlines_px:.1f} px RMS "
        text += f"(half of the planes by less than {self.typical_px:.1f} px)"
        if np.isfinite(self.opened_px):
            text += f", bodies without thin parts by {self.opened_px:.1f} px"
        if self.opened_px < _FAR_BETTER * self.outlines_px:
            text += ": tails and feet make up most of it"
        if not np.isfinite(self.repeated):
            return text
        text += f"; {100 * self.repeated:.0f} % of it is the same in every sample: "
        if self.repeated > _CAMERAS_SHARE:
            return text + "cameras that are slightly wrong are likelier than rough masks"
        return text + (
            "rough masks are likelier than cameras" if self.repeated < _MASKS_SHARE else "cameras or rough masks"
        )

    @property
    def decided_by(self) -> str:
        return (
            "the tangents in `mouselift report` (lines that miss a foot or a tail speak of masks, lines that miss "
            "whole bodies of cameras), and `mouselift inspect` on the recording"
        )

    @property
    def values(self) -> dict[str, float]:
        """The figures that are known."""
        found = {"outlines_px": self.outlines_px, "typical_px": self.typical_px, "bodies_px": self.opened_px,
                 "repeated": self.repeated}  # fmt: skip
        return {key: value for key, value in found.items() if np.isfinite(value)}


def weigh_evidence(samples: Sequence[Sample]) -> InconclusiveEvidence:
    """Of samples with the same cameras in the same order. DatasetError where they differ is the diagnosis' own."""
    whole, opened_residuals = [], []
    for sample in samples:
        check = check_sample(sample)
        cameras, outlines = problem_of(sample, check)
        whole.append(sampson_residuals(cameras, outlines)[0])
        opened = open_silhouettes([view.alpha for view in sample.views], check.outlines).outlines
        opened_residuals.append(sampson_residuals(cameras, ConvexOutlines.of(opened))[0])
    r = np.array(whole)
    return InconclusiveEvidence(
        _rms(r), _median(np.abs(r)), _rms(np.array(opened_residuals)), repeated_share(r), len(samples)
    )


def repeated_share(r: Float64[Array, "n r"]) -> float:
    """Share of signed residuals (NaN: nothing) that a plane has in common over n samples; NaN for too few samples."""
    known = r[:, np.isfinite(r).sum(axis=0) >= _FEW_SAMPLES]
    if known.shape[1] == 0:
        return float("nan")
    size = np.nanmedian(np.abs(known), axis=0)
    common = np.abs(np.nanmedian(known, axis=0))
    return float(common.sum() / max(float(size.sum()), 1e-12))


def _rms(r: np.ndarray) -> float:
    r = r[np.isfinite(r)]
    return float(np.sqrt((r**2).mean())) if len(r) else float("nan")


def _median(r: np.ndarray) -> float:
    r = r[np.isfinite(r)]
    return float(np.median(r)) if len(r) else float("nan")
