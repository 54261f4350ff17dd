"""A dataset -> `DatasetAudit`: its samples' reports, streaming in constant memory a worker, and what they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mouselift import __version__
from mouselift.audit.collect import Collected, camera_numbers, order_findings, repeated_findings, sample_quantiles
from mouselift.audit.distribution import RayStatistics, distribution_findings, ray_distances
from mouselift.audit.duplicates import Likeness, duplicate_samples, likeness
from mouselift.audit.options import AuditOptions
from mouselift.audit.profile import Profile, load_profile
from mouselift.audit.result import SCHEMA, DatasetAudit, SampleReport
from mouselift.audit.sample import audit_sample
from mouselift.audit.splits import read_splits, split_findings
from mouselift.audit.verdict import in_words, verdict
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import load_sample
from mouselift.diagnosis.cause import Cause
from mouselift.diagnosis.dataset_causes import find_causes
from mouselift.findings import Finding
from mouselift.parallel import run_blocks, worker_count
from mouselift.progress import Progress, silent
from mouselift.sampling import evenly_spaced

DEFAULTS = AuditOptions()
_BLOCK = 16  # samples a worker takes at a time


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
            sample = load_sample(self.folders[index])
            like = likeness([view.alpha for view in sample.views], [view.digest for view in sample.views])
            done.append((index, audit_sample(sample, hull=self.hull), like))
            rays = rays.merged(RayStatistics.of(sample.cameras))
        yield _Audited(done, rays)


def audit_dataset(
    path: Path,
    options: AuditOptions = DEFAULTS,
    *,
    profile: Profile | None = None,
    workers: int = 0,
    progress: Progress = silent,
) -> DatasetAudit:
    """Every `every`-th sample of a dataset, at most `samples`, spread over it; the same for any number of workers.

    path: a folder of samples, one sample, or a list file. Images are read, judged and forgotten; a kilobyte of numbers
    a sample stays. Nothing is ever written into the dataset. profile: in place of the one
    that the options name. workers: 0 means one a core. DatasetError where there are
    no samples, or the profile is none.

    >>> audit = audit_dataset(Path("out/mouse7"), AuditOptions(samples=200))  # doctest: +SKIP
    >>> audit.verdict, audit.sentence  # doctest: +SKIP
    ('pass', 'The cameras match the pixels in all 200 samples.')
    """
    profile = profile or load_profile(options.profile)
    folders = find_samples(path)[:: options.every]
    folders = folders if options.samples is None else evenly_spaced(folders, options.samples)
    collected = Collected(len(folders))
    blocks = [list(range(at, min(at + _BLOCK, len(folders)))) for at in range(0, len(folders), _BLOCK)]
    done = 0
    progress("samples", 0, len(folders))
    for part in run_blocks(_Job(tuple(folders), options.hull), blocks, worker_count(workers)):
        for index, report, like in part.samples:
            collected.add(index, report, like)
        collected.rays = collected.rays.merged(part.rays)
        done += len(part.samples)
        progress("samples", done, len(folders))
    collected.settle()
    repeated = repeated_findings(collected.contradicted, collected.ids, collected.verdict_counts()[1])
    looked_behind = collected.contradicted[repeated[0].camera or ""] if repeated else collected.disagreeing
    causes = find_causes([folders[k] for k in sorted(looked_behind)], progress, folders)
    return _summed_up(path, collected, profile, options.hull, causes, repeated)


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
    answer = verdict(whole, passed / max(passed + unknown, 1), failed)
    sample_columns, view_columns = collected.sample_columns(), collected.view_columns()
    cameras = list(collected.cameras)
    counts = dict(sorted(collected.counts.items()))
    return DatasetAudit(
        schema=SCHEMA,
        version=__version__,
        dataset=str(path),
        profile=profile.name,
        verdict=answer,
        sentence=in_words(answer, collected.count, failed, unknown, counts, whole, causes),
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
