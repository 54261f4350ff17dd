"""The audit: one sample -> `SampleReport`, a dataset -> `DatasetAudit`, streaming, in constant memory a worker.

A sample's images are read, judged and forgotten; a kilobyte of numbers a sample stays. Nothing is ever written into
the dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from mouselift import __version__
from mouselift.audit.collect import Collected, camera_numbers, order_findings, repeated_findings, sample_quantiles
from mouselift.audit.distribution import RayStatistics, distribution_findings, ray_distances
from mouselift.audit.duplicates import Likeness, duplicate_samples, likeness
from mouselift.audit.geometry import Geometry, geometry
from mouselift.audit.placement import Placement, placement, placement_findings
from mouselift.audit.profile import Profile, camera_facts, facelift
from mouselift.audit.result import SCHEMA, DatasetAudit, SampleReport
from mouselift.audit.splits import read_splits, split_findings
from mouselift.audit.spread import Spread, spread, spread_findings
from mouselift.audit.verdict import dataset_verdict, in_words, sample_verdict
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import Loaded, Sample, load_sample
from mouselift.diagnosis.cause import Cause
from mouselift.diagnosis.dataset_causes import find_causes
from mouselift.errors import DatasetError
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.parallel import run_blocks

Progress = Callable[[str, int, int], None]  # stage, done, total

_BLOCK = 16  # samples a worker takes at a time
_LEGACY = "legacy"


def audit_sample(sample: Sample, hull: bool = False) -> SampleReport:
    """One sample's verdict, from its views alone. hull: also carve the visual hull and compare (ten times slower)."""
    return _report(sample, [view.camera for view in sample.views], (), None, hull)


def audit_folder(folder: Path, hull: bool = False) -> SampleReport:
    """One sample folder's verdict, its files included. What is broken is a finding; nothing is raised for it."""
    loaded = load_sample(folder)
    return _report(loaded.sample, loaded.cameras, loaded.findings, loaded.preset, hull)


def _report(
    sample: Sample, cameras: Sequence[Camera], before: Sequence[Finding], preset: str | None, hull: bool
) -> SampleReport:
    """cameras: of all views, those without a silhouette included."""
    findings = list(before)
    if preset == _LEGACY:
        findings.append(_legacy(sample))
    seen = geometry(sample, hull)
    own = [view.camera for view in sample.views]
    place = placement(own, seen.outlines)
    findings += [*seen.findings, *placement_findings(sample, place)]
    apart = spread(own, seen.outlines) if own else None
    if apart is not None:
        findings += spread_findings(sample, apart)
    if len(cameras) < 2 and not any(finding.severity == "error" for finding in findings):
        text = f"{sample.id}: expected at least two views with a camera, got {len(cameras)}"
        findings.append(Finding.of("too-few-views", text, frame=sample.frame, sample=sample.id))
    verdict = sample_verdict(findings, seen.judged)
    numbers = _sample_numbers(seen, place, apart)
    return SampleReport(sample.id, sample.frame, findings, verdict, numbers, _view_numbers(sample, seen, place))


def _legacy(sample: Sample) -> Finding:
    text = f"{sample.id}: its file says preset `legacy`: the cameras do not belong to the pixels, on purpose"
    return Finding.of("legacy", text, frame=sample.frame, sample=sample.id)


def _sample_numbers(seen: Geometry, place: Placement, apart: Spread | None) -> dict[str, float | None]:
    worst = seen.tangency.view_rms_px
    numbers = {
        "tangency_px": seen.tangency.rms_px,
        "tangency_worst_px": float(np.nanmax(worst)) if np.isfinite(worst).any() else float("nan"),
        "coverage": _least(seen.coverage),
        "off_origin": place.off_origin,
        "extent": place.extent,
        "depth": place.depth,
        "border_views": float(sum(place.border)),
    }
    if apart is not None:
        numbers |= {
            "size_spread": apart.size,
            "smallest_px": apart.smallest_px,
            "focal_spread": apart.focal,
            "principal_px": apart.principal_px,
        }
    return {key: _known(value) for key, value in numbers.items()}


def _view_numbers(sample: Sample, seen: Geometry, place: Placement) -> list[dict[str, float | str | None]]:
    facts = camera_facts([view.camera for view in sample.views])
    out: list[dict[str, float | str | None]] = []
    for k, view in enumerate(sample.views):
        camera, outline = view.camera, seen.outlines[k]
        centre = camera.centre
        out.append(
            {
                "camera": view.name,
                "tangency_px": _known(float(seen.tangency.view_rms_px[k])),
                "coverage": None if seen.coverage is None else _known(float(seen.coverage[k])),
                "area_px": None if outline is None else outline.area,
                "fx": camera.fx,
                "fy": camera.fy,
                "cx": camera.cx,
                "cy": camera.cy,
                "width": float(camera.width),
                "height": float(camera.height),
                "distance": float(facts["distance"][k]),
                "elevation_deg": float(facts["elevation_deg"][k]),
                "azimuth_deg": float(np.degrees(np.arctan2(centre[1], centre[0]))),
                "border": float(place.border[k]),
                "cut": None if view.cut is None else float(view.cut),
            }
        )
    return out


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _least(values: np.ndarray | None) -> float:
    if values is None or not np.isfinite(values).any():
        return float("nan")
    return float(np.nanmin(values))


@dataclass(frozen=True, eq=False)
class _Audited:
    """What a worker sends back of a block: reports and likenesses by the samples' numbers, and the block's rays."""

    samples: list[tuple[int, SampleReport, Likeness]]
    rays: RayStatistics


@dataclass(frozen=True, eq=False)
class _Job:
    folders: tuple[Path, ...]
    hull: bool

    def __call__(self, block: Sequence[int]) -> Iterator[_Audited]:
        rays = RayStatistics.empty()
        done: list[tuple[int, SampleReport, Likeness]] = []
        for index in block:
            loaded = load_sample(self.folders[index])
            report = _report(loaded.sample, loaded.cameras, loaded.findings, loaded.preset, self.hull)
            done.append((index, report, _likeness(loaded)))
            rays = rays.merged(RayStatistics.of(loaded.cameras))
        yield _Audited(done, rays)


def _likeness(loaded: Loaded) -> Likeness:
    return likeness([view.alpha for view in loaded.sample.views], loaded.digests)


def audit_dataset(
    path: Path,
    *,
    hull: bool = False,
    every: int = 1,
    limit: int | None = None,
    profile: Profile | None = None,
    workers: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> DatasetAudit:
    """Every `every`-th sample of a dataset, at most `limit`, spread over it; the same for any number of workers.

    path: a folder of samples, one sample, or a list file. DatasetError where there are no samples.
    """
    if every < 1 or (limit is not None and limit < 1):
        raise DatasetError(f"audit: expected --every and --limit of at least 1, got {every} and {limit}")
    folders = _spread_over(find_samples(path)[::every], limit)
    collected = Collected(len(folders))
    blocks = [list(range(at, min(at + _BLOCK, len(folders)))) for at in range(0, len(folders), _BLOCK)]
    done = 0
    progress("samples", 0, len(folders))
    for part in run_blocks(_Job(tuple(folders), hull), blocks, workers):
        for index, report, like in part.samples:
            collected.add(index, report, like)
        collected.rays = collected.rays.merged(part.rays)
        done += len(part.samples)
        progress("samples", done, len(folders))
    collected.settle()
    repeated = repeated_findings(collected.accused, collected.ids, collected.verdict_counts()[1])
    doubtful = collected.accused[repeated[0].camera or ""] if repeated else collected.disagreeing
    causes = find_causes([folders[k] for k in sorted(doubtful)], progress, folders)
    return _summed_up(path, collected, profile or facelift(), hull, causes, repeated)


def _summed_up(
    path: Path,
    collected: Collected,
    profile: Profile,
    hull: bool,
    causes: list[Cause],
    repeated: Sequence[Finding],
) -> DatasetAudit:
    rays = ray_distances(collected.rays, *profile.arrays) if collected.rays.views else []
    whole = [*repeated, *order_findings(collected.orders, collected.ids), *distribution_findings(rays, profile.name)]
    whole += duplicate_samples(collected.ids, collected.likenesses)
    lists, broken = read_splits(path)
    whole += [*broken, *split_findings(lists, collected.ids, collected.frames, collected.likenesses, _frame_rate(path))]
    passed, failed, unknown = collected.verdict_counts()
    verdict = dataset_verdict(passed, failed, unknown, whole)
    sample_columns, view_columns = collected.sample_columns(), collected.view_columns()
    cameras = list(collected.cameras)
    counts = dict(sorted(collected.counts.items()))
    return DatasetAudit(
        schema=SCHEMA,
        version=__version__,
        dataset=str(path),
        profile=profile.name,
        verdict=verdict,
        sentence=in_words(verdict, collected.count, failed, unknown, counts, whole, causes),
        passed=passed,
        failed=failed,
        unknown=unknown,
        hull=hull,
        counts=counts,
        findings=whole,
        causes=causes,
        cameras=cameras,
        pooled=camera_numbers(cameras, view_columns),
        quantiles=sample_quantiles(sample_columns),
        rays=rays,
        ids=collected.ids,
        sample_columns=sample_columns,
        view_columns=view_columns,
    )


def _spread_over(folders: list[Path], limit: int | None) -> list[Path]:
    if limit is None or limit >= len(folders):
        return folders
    return [folders[k] for k in np.linspace(0, len(folders) - 1, limit).round().astype(int).tolist()]


class _Description(msgspec.Struct):
    frame_rate: float = 0.0


def _frame_rate(path: Path) -> float:
    """Frames per second that mouselift's own dataset.json states; 0 where there is no such file."""
    file = path / "dataset.json"
    if not path.is_dir() or not file.is_file():
        return 0.0
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Description).frame_rate
    except msgspec.DecodeError:  # another tool's file of this name
        return 0.0
