"""What is wrong with a dataset, from a few of its failing samples: each is diagnosed, and like causes are counted.

A cause that several samples share is fitted once more to all of them together: one transform a camera is far better
determined than one a sample. Where that does not explain them, the transform was another one in every sample. Where
single samples do not name a cause in common (rough masks), many of them vote (`vote`).

Where they do not agree either, the evidence for slightly wrong cameras and for rough masks is given. A wrong camera
puts the same tangent plane off by the same amount in every sample, masks change. And where the opened silhouettes agree
far better than the outlines, thin parts (tails and feet) make up most of what is off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.consistency.cameras import compared_outlines
from mouselift.consistency.opened_silhouettes import open_silhouettes
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.cause import Cause, finite, in_general
from mouselift.diagnosis.explain import diagnose, few_views, problem_of
from mouselift.diagnosis.source_camera import source_swaps
from mouselift.diagnosis.vote import MIN_SAMPLES, winning_vote
from mouselift.geometry.camera_arrays import CameraArrays, ConvexOutlines, sampson_residuals
from mouselift.progress import Progress, silent
from mouselift.sampling import evenly_spaced

# Rates under rough masks: `python benchmarks/naming_together.py`, docs/evidence/audit-rates.md.
_DIAGNOSED = 5  # failing samples that are diagnosed one by one, spread over the dataset
_VOTERS = 24  # failing samples that vote
_POOLED_SHARE = 0.3  # one transform a camera may leave this share of the residual; more: it differs between samples
_IN_COMMON = 0.5  # share of the samples that must name a cause which leaves more than _CLEAN_PX
_CLEAN_PX = 1.0  # what a cause leaves that is believed in a single sample: rough masks leave more
_NO_CAUSE = ("unexplained", "views-disagree")
# 21 samples of a real recording and 17 synthetic ones, rough masks: right cameras repeat 4 to 43 % of what is off,
# cameras with a scale, an aspect or a distance wrong 49 to 99 %.
_FAR_BETTER = 0.6  # share of the outlines' residual; opened silhouettes below it show that thin parts make up the rest
_FEW_SAMPLES = 6  # fewer say nothing about repetition: even pure chance repeats 1.25 / sqrt(n) of its size
_CAMERAS_SHARE = 0.6  # share of the residuals that all samples repeat, from which cameras are the likelier reason
_MASKS_SHARE = 0.45  # and up to which masks are


def find_causes(folders: Sequence[Path], progress: Progress = silent, among: Sequence[Path] = ()) -> list[Cause]:
    """Causes of the failing samples in `folders` (some of them are looked at), the commonest first.

    One cause `unexplained` stands where they disagree and nothing explains it. among: all samples of the dataset, which
    are asked as well where too few fail for a vote.
    """
    if not folders:
        return []
    voters = evenly_spaced(folders if len(folders) >= MIN_SAMPLES or not among else among, _VOTERS)
    few = evenly_spaced(folders, _DIAGNOSED)
    total = len(few) + 2
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[Sample, Cause]]] = {}
    for number, folder in enumerate(few):
        progress("causes", number, total)
        sample = load_sample(folder)
        if len(sample.views) < 2:
            continue
        for cause in diagnose(sample).causes[:1]:
            groups.setdefault((cause.code, cause.views), []).append((sample, cause))
    ranked = sorted(groups.values(), key=lambda members: -len(members))
    named = [members for members in ranked if _believed(members, len(few))]
    progress("causes", len(few), total)
    shared = named and len(named[0]) >= _IN_COMMON * len(few) and named[0][0][1].code not in _NO_CAUSE
    found = [] if shared else voted_causes(voters)
    found = found or [_found(members, len(few)) for members in named]
    if not found and ranked:
        found = [_unexplained(ranked, voters)]
    progress("causes", total, total)
    return found


def _believed(members: Sequence[tuple[Sample, Cause]], diagnosed: int) -> bool:
    """Whether a cause that some of the samples name is one: shared by half of them, or leaving next to nothing."""
    if members[0][1].code in _NO_CAUSE:
        return members[0][1].code == "views-disagree" and len(members) >= _IN_COMMON * diagnosed
    left = [cause.residual_after_px for _, cause in members]
    clean = any(value is not None and value < _CLEAN_PX for value in left)
    return diagnosed == 1 or clean or len(members) >= _IN_COMMON * diagnosed


def _alike(folders: Sequence[Path]) -> list[Sample]:
    """Those of the samples that have the commonest cameras."""
    samples = [load_sample(folder) for folder in folders]
    names = Counter(sample.names for sample in samples if len(sample.views) > 1).most_common(1)
    return [sample for sample in samples if names and sample.names == names[0][0]]


def voted_causes(folders: Sequence[Path]) -> list[Cause]:
    """The cause that many samples call for, though no single one is sure of it; at most 24 of them are asked."""
    folders = evenly_spaced(folders, _VOTERS)
    if len(folders) < MIN_SAMPLES:
        return []
    samples = _alike(folders)
    if not samples:
        return []
    samples = few_views(samples)
    vote = winning_vote([problem_of(s) for s in samples], list(source_swaps(samples[0])))
    if vote is None:
        return []
    names, candidate = samples[0].names, vote.candidate
    text = f"{len(samples)} samples together: {in_general(candidate, names)}"
    if candidate.code != "calibration-copied":
        text += f" ({100 * vote.better:.0f} % of the samples agree better without it"
        text += f", the planes that it changes to {vote.after_px:.1f} px in place of {vote.before_px:.1f} px)"
    views = tuple(names[k] for k in candidate.views)
    return [Cause(candidate.code, text, views, {}, finite(vote.before_px), finite(vote.after_px))]


def _unexplained(ranked: Sequence[Sequence[tuple[Sample, Cause]]], folders: Sequence[Path]) -> Cause:
    """Nothing explains it: what argues for masks, and what for cameras."""
    samples = _alike(folders) or [ranked[0][0][0]]
    found = weigh_evidence(samples)
    where = f"{len(samples)} samples together: " if len(samples) > 1 else ""
    sentence, before = where + found.sentence, finite(found.outlines_px)
    return Cause("unexplained", sentence, (), found.values, before, None, (), found.decided_by)


def _found(members: Sequence[tuple[Sample, Cause]], diagnosed: int) -> Cause:
    samples = [sample for sample, _ in members]
    cause, where = members[0][1], f"{samples[0].id}: " if diagnosed > 1 else ""
    if len(members) > 1 and len({sample.names for sample in samples}) == 1:
        together = diagnose(samples).cause
        if together is not None and (together.code, together.views) == (cause.code, cause.views) and _fits(together):
            cause, where = together, f"{len(members)} of {diagnosed} samples looked at: "
        elif cause.values:
            where = f"{len(members)} of {diagnosed} samples looked at, with other values in each; in {samples[0].id}: "
        else:
            where = f"{len(members)} of {diagnosed} samples looked at: "
    return msgspec.structs.replace(cause, sentence=where + cause.sentence)


def _fits(cause: Cause) -> bool:
    before, after = cause.residual_before_px, cause.residual_after_px
    return before is not None and after is not None and after <= max(_POOLED_SHARE * before, 0.5)


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
        if not np.isfinite(self.outlines_px):
            return "the views disagree, and no one cause explains it: no two of them share a tangent plane"
        text = f"the views disagree, and no one cause explains it: outlines by {self.outlines_px:.1f} px RMS "
        text += f"(half of the planes by less than {self.typical_px:.1f} px)"
        if np.isfinite(self.opened_px):
            text += f", without thin parts by {self.opened_px:.1f} px"
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
            "whole outlines of cameras), and `mouselift inspect` on the recording"
        )

    @property
    def values(self) -> dict[str, float]:
        """The figures that are known."""
        found = {"outlines_px": self.outlines_px, "typical_px": self.typical_px, "opened_px": self.opened_px,
                 "repeated": self.repeated}  # fmt: skip
        return {key: value for key, value in found.items() if np.isfinite(value)}


def weigh_evidence(samples: Sequence[Sample]) -> InconclusiveEvidence:
    """Of samples with the same cameras in the same order. DatasetError where they differ is the diagnosis' own."""
    whole, opened_residuals = [], []
    for sample in samples:
        outlined = compared_outlines(sample)
        cameras, outlines = CameraArrays.of([view.camera for view in sample.views]), ConvexOutlines.of(outlined)
        whole.append(sampson_residuals(cameras, outlines)[0])
        opened = open_silhouettes([view.alpha for view in sample.views], outlined).outlines
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
