"""The charts of a dataset's page, from the audit's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from mouselift.audit.distribution import COMPONENTS, RANGES, RayStatistics
from mouselift.audit.profile import Profile
from mouselift.audit.result import DatasetAudit
from mouselift.dataset.cameras_check import check_frame, read_sample_file
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.errors import DatasetError
from mouselift.report.charts import Values
from mouselift.report.plots import by_view, histogram, legend, over_frames
from mouselift.sampling import evenly_spaced

_RAY_SAMPLES = 200  # histograms do not change visibly beyond


@dataclass(frozen=True)
class Charts:
    tangency: Markup
    coverage: Markup | None  # None where no hull was carved
    over_frames: Markup | None  # None with one sample: there is no time
    legend: Markup
    size: Markup
    focal: Markup


def charts_of(audit: DatasetAudit) -> Charts:
    """All charts that need nothing but the audit."""
    tangency = per_camera(audit, "tangency_px")
    size = {name: np.sqrt(area) for name, area in per_camera(audit, "area_px").items()}
    coverage = per_camera(audit, "coverage")
    known = any(np.isfinite(values).any() for values in coverage.values())
    frames, series = along_samples(audit, "tangency_px")
    return Charts(
        by_view(tangency, "tangency, px RMS"),
        by_view(coverage, "hull coverage", log=False) if known else None,
        over_frames(frames, series, "tangency, px RMS") if audit.samples > 1 else None,
        legend(audit.cameras),
        by_view(size, "size of the subject, px", log=False),
        by_view(per_camera(audit, "fx"), "fx, px", log=False),
    )  # fmt: skip


def per_camera(audit: DatasetAudit, column: str) -> dict[str, Values]:
    """Camera -> all its values of a view column."""
    values = audit.view_columns[column].astype(np.float64)
    camera = audit.view_columns["camera"]
    return {name: values[camera == k] for k, name in enumerate(audit.cameras)}


def along_samples(audit: DatasetAudit, column: str) -> tuple[Values, dict[str, Values]]:
    """(frame of each sample, camera -> one value a sample). Frames where all are known, else the samples' places."""
    frames = audit.sample_columns["frame"].astype(np.float64)
    if not np.isfinite(frames).all():
        frames = np.arange(audit.samples, dtype=np.float64)
    table = np.full((len(audit.cameras), audit.samples), np.nan)
    at = audit.view_columns["camera"].astype(np.int64), audit.view_columns["sample"].astype(np.int64)
    table[at] = audit.view_columns[column]
    return frames, {name: table[k] for k, name in enumerate(audit.cameras)}


def ray_charts(folders: Sequence[Path], profile: Profile) -> tuple[list[Markup], int]:
    """A histogram for each of the six ray inputs, dataset against profile; and of how many samples."""
    rays, used = RayStatistics.empty(), 0
    for folder in evenly_spaced(folders, _RAY_SAMPLES):
        mine = _rays_of(folder)
        rays, used = rays.merged(mine), used + (mine.views > 0)
    if not used:
        return [], 0
    other = profile.arrays[2]
    charts = [
        histogram(rays.shares[k], other[k], float(RANGES[k]), name, f"profile {profile.name}")
        for k, name in enumerate(COMPONENTS)
    ]
    return charts, used


def _rays_of(folder: Path) -> RayStatistics:
    """Of one sample's usable cameras; none of a file that cannot be read, which the audit has already named."""
    try:
        frames = read_sample_file(folder / CAMERAS_FILE).frames
    except DatasetError:
        return RayStatistics.empty()
    views = [check_frame(folder.name, folder / CAMERAS_FILE, k, frame)[0] for k, frame in enumerate(frames)]
    return RayStatistics.of([view.camera for view in views if view is not None])
