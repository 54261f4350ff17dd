"""Calibrated limits of the geometric checks, each with the run that gave it (docs/evidence/audit-rates.md)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GeometryLimits:
    """Lengths in pixels of the audited images. Runs: `python benchmarks/audit_detection.py --calibrate`."""

    noise_px: float = 0.055  # deviation of an outline point on exact samples, away from sharp and thin tips
    sharp_px: float = 0.3  # more of it where the outline is sharp, times its sharpness (0 .. 1) above 0.4
    thin_px: float = 1.0  # and where a tip is w pixels wide: thin_px / w^2
    view_score: float = 20.0  # gain of the best one-view change over noise, chi-square like (3 degrees of freedom)
    all_score: float = 16.0  # the same for one shift of all views (2 degrees of freedom)
    several_score: float = 50.0  # the same for changes of all views (about 14 degrees of freedom)
    pooled_score: float = 3.0  # squares a sample that one change per camera explains over a dataset
    few_px: float = 0.5  # residual RMS beyond which few planes are enough to blame several cameras
    rms_px: float = 3.0  # of what no camera change explains: above it, no mask is as bad as that
    rough_px: float = 0.25  # of what no camera change explains: above it, masks are rough and small faults go unseen
    clean_likelihood: float = 11.0  # log-likelihood by which a camera alone must beat masks alone to be blamed
    rough_likelihood: float = 20.0  # the same where masks are at fault beside it
    rough_change_px: float = 1.0  # and by which it must then move the outline: less is what rough masks leave
    body_share: float = 0.14  # mean |residual| between bodies in units of their breadth: ragged masks leave less
    mask_noise_px: float = 0.6  # of what masks' faults leave: above it, they do not explain the residuals
    tiny_px: float = 20.0  # square root of the smallest subject's area: below it, no disagreement blames a camera
    min_planes: int = 8  # fewer tangent planes than this say nothing about one view
    cut_px: float = 45.0  # straight outline at least so long, with corners at its ends, is an old frame edge
    coverage: float = 0.985  # share of a mask that the visual hull of all views covers
    coverage_gain: float = 0.02  # by which leaving a guilty view out lifts the coverage of the others


LIMITS = GeometryLimits()
