"""A dataset -> `DatasetAudit`: its samples' reports, streaming in constant memory a worker, and what they share."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mouselift import __version__
from mouselift.audit.distribution import RayStatistics, distribution_findings, ray_distances
from mouselift.audit.keypoints import LabelledRecordings, SampleTally, keypoint_sentence, recording_findings
from mouselift.audit.leaks import Likeness, duplicate_samples, likeness, read_splits, split_findings
from mouselift.audit.options import AuditOptions
from mouselift.audit.pooled import is_inconclusive, of_cut_masks, settled
from mouselift.audit.premultiplied import premultiplied_findings
from mouselift.audit.profile import Profile, load_profile
from mouselift.audit.result import (
    QUANTILES,
    SAMPLE_NUMBERS,
    SCHEMA,
    VERDICTS,
    VIEW_NUMBERS,
    CameraNumbers,
    CodeCount,
    Column,
    DatasetAudit,
    SampleReport,
)
from mouselift.audit.rigs import Rigs, causes_by_recording, pooled_samples
from mouselift.audit.sample import audit_views
from mouselift.audit.trainer import read_trainer, trainer_findings
from mouselift.audit.verdict import in_words, verdict
from mouselift.consistency.sample_planes import SamplePlanes
from mouselift.dataset.description import read_description
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import find_samples, sample_names
from mouselift.diagnosis.cause import Cause
from mouselift.diagnosis.dataset_causes import find_causes, voted_causes
from mouselift.findings import Finding, Severity
from mouselift.keypoints.off_mask import KeypointFacts
from mouselift.parallel import Engine, run_blocks, step, worker_count
from mouselift.progress import Progress, counted, each, silent
from mouselift.sampling import evenly_spaced
from mouselift.strings_as_paths import takes_paths

LOG = logging.getLogger(__name__)

DEFAULTS = AuditOptions()
_BLOCK = 16  # samples a worker takes at a time
_DISAGREEMENTS = {
    "tangency",
    "coverage",
    "behind-camera",
    "out-of-reach",
    "same-camera",
    "focal-units",
}  # codes that a diagnosis looks behind
_REPEATED, _REPEATED_SHARE = 3, 0.2  # samples: false alarms on exact samples are rarer than one in a thousand
WORST = 20  # findings kept a code
_GRAVITY: dict[Severity, int] = {"note": 0, "warning": 1, "error": 2}


_Done = tuple[int, SampleReport, Likeness, SamplePlanes | None, SampleTally | None]


@dataclass(frozen=True, eq=False)
class _Job:
    folders: tuple[Path, ...]
    names: tuple[str, ...]  # of the samples
    hull: bool
    pooled: frozenset[int]  # samples whose planes are pooled

    def __call__(self, block: Sequence[int]) -> Iterator[tuple[list[_Done], RayStatistics]]:
        """Reports and likenesses by the samples' numbers, and the block's rays."""
        rays = RayStatistics.empty()
        done: list[_Done] = []
        for index in each(block, step):
            sample = load_sample(self.folders[index], name=self.names[index])
            like = likeness([view.alpha for view in sample.views], [view.digest for view in sample.views])
            report, seen, keypoints = audit_views(sample, self.hull)
            planes = None
            if index in self.pooled or is_inconclusive(report):
                planes = SamplePlanes.of(sample, seen.tangency.planes, seen.outlines)
                planes = planes if index in self.pooled else planes.without_planes()
            done.append((index, report, like, planes, keypoints))
            rays = rays.merged(RayStatistics.of(sample.cameras))
        yield done, rays


@takes_paths
def audit_dataset(
    path: Path,
    options: AuditOptions = DEFAULTS,
    *,
    profile: Profile | None = None,
    workers: int = 0,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> DatasetAudit:
    """Whether the cameras of a dataset match its pixels: verdict, findings and causes, without any ground truth.

    path: a folder of samples, one sample, or a list file. Every `every`-th sample is taken, at most `samples`, spread
    over it; the result is the same for any number of workers. Images are read, judged and forgotten; a kilobyte of
    numbers a sample stays. Nothing is ever written into the dataset. profile: in place of the one that the options
    name. workers: 0 means one a core. engine: where blocks run, in place of `workers` processes.
    DatasetError where there are no samples, or the profile is none.

    >>> audit = audit_dataset(Path("out/mouse7"), AuditOptions(samples=200))  # doctest: +SKIP
    >>> audit.verdict, audit.sentence  # doctest: +SKIP
    ('pass', 'The cameras match the pixels in all 200 samples.')
    """
    profile = profile or load_profile(options.profile)
    trainer = {} if options.trainer is None else read_trainer(options.trainer)
    every = find_samples(path)
    name_of = dict(zip(every, sample_names(every), strict=True))
    folders = every[:: options.every]
    folders = folders if options.samples is None else evenly_spaced(folders, options.samples)
    collected = Collected(len(folders))
    blocks = [list(range(at, min(at + _BLOCK, len(folders)))) for at in range(0, len(folders), _BLOCK)]
    asked = pooled_samples(folders)
    planes: dict[int, SamplePlanes] = {}
    parts: dict[int, RayStatistics] = {}  # by a block's first sample: sums of doubles depend on their order
    inconclusive: list[tuple[int, SampleReport, Likeness]] = []  # alone: the other samples may know better
    labelled = LabelledRecordings()
    job = _Job(tuple(folders), tuple(name_of[folder] for folder in folders), options.hull, asked)
    heard = counted(progress, "samples", 0, len(folders))
    for samples, rays in run_blocks(job, blocks, engine or worker_count(workers), heard):
        for index, report, like, own, keypoints in samples:
            labelled.add(folders[index].parent, index, keypoints)
            if own is not None:
                planes[index] = own
            if is_inconclusive(report):
                inconclusive.append((index, report, like))
            else:
                collected.add(index, report, like)
        parts[samples[0][0]] = rays
    for first in sorted(parts):
        collected.rays = collected.rays.merged(parts[first])
    rigs = Rigs.pooled(planes, asked, folders)
    few, blamed = _judge_together(inconclusive, planes, rigs, collected)
    collected.settle()
    causes, found = _explain(collected, rigs, blamed, folders, progress)
    found += premultiplied_findings(folders)
    if options.trainer is not None:
        found += trainer_findings(options.trainer, trainer, collected.fewest_views())
    contradicted = collected.contradicted.items()
    blames = Counter((folders[number].parent, camera) for camera, own in contradicted for number in own)
    facts = labelled.facts()
    return _summed_up(path, collected, profile, options.hull, causes, found, rigs, few, facts, blames)


def _judge_together(
    inconclusive: Sequence[tuple[int, SampleReport, Likeness]],
    planes: Mapping[int, SamplePlanes],
    rigs: Rigs,
    collected: Collected,
) -> tuple[int, list[int]]:
    """Adds the samples that blame cameras alone, or cannot say, by what all samples of their rig say.

    (how many have no verdict of their own, and have one together; those of them whose cameras are wrong)
    """
    few, blamed = 0, list[int]()
    for index, report, like in inconclusive:
        own, together = planes[index], rigs.of_sample(index)
        if together is not None and together.enough and own.few and report.verdict == "unknown":
            few += 1
            blamed += [index] * (together.blame is not None)
        elif together is not None and together.right and together.settles and own.rig is not None:
            report = settled(report, together)
        collected.add(index, report, like)
    return few, blamed


def _explain(
    collected: Collected, rigs: Rigs, blamed: Sequence[int], folders: Sequence[Path], progress: Progress
) -> tuple[list[Cause], list[Finding]]:
    """Causes behind samples that fail, alone or together, and what many samples together say of the cameras.

    Where a cause and one camera's fault would say the same twice, the more definite one stands alone.
    """
    repeated = []
    looked_behind = collected.disagreeing
    if not collected.verdict_counts()[1]:  # else samples fail by themselves
        repeated, behind = repeated_findings(collected.contradicted, collected.ids, rigs.members(folders))
        looked_behind = behind or looked_behind
    causes = causes_by_recording(looked_behind, folders, lambda some, own: find_causes(some, progress, own))
    if blamed and not causes:
        causes = causes_by_recording(blamed, folders, lambda some, _: voted_causes(some))
    explained = any(cause.code != "unexplained" for cause in causes)
    pooled = rigs.findings(explained)
    one_rig = len(rigs.labels) < 2
    if one_rig and not explained and any(finding.camera for finding in pooled):
        causes = []  # that nothing explains the samples: one camera does
    if one_rig and explained and collected.disagreeing:  # samples that fail alone, and a cause that says why
        pooled = [finding for finding in pooled if finding.severity != "error"]
    return causes, [*pooled, *repeated]


def _summed_up(
    path: Path,
    collected: Collected,
    profile: Profile,
    hull: bool,
    causes: list[Cause],
    found: Sequence[Finding],
    rigs: Rigs,
    compared: int,  # samples without a verdict of their own that have one together
    keypoints: Mapping[Path, KeypointFacts],  # by recording
    blamed: Mapping[tuple[Path, str], int],  # samples of a recording whose silhouettes blame a camera
) -> DatasetAudit:
    rays = ray_distances(collected.rays, *profile.arrays) if collected.rays.views else []
    whole = [*found, *order_findings(collected.orders, collected.ids), *distribution_findings(rays, profile.name)]
    whole += duplicate_samples(collected.ids, collected.likenesses)
    described = read_description(path)
    if described.masks_untested:
        whole = [of_cut_masks(finding) for finding in whole]
    whole += [*described.unfinished, *described.masks_contradict, *described.masks_untested]
    lists, broken = read_splits(path, depth=1 + max((name.count("/") for name in collected.ids), default=0))
    whole += [
        *broken,
        *split_findings(lists, collected.ids, collected.frames, collected.likenesses, described.frame_rate),
    ]
    passed, failed, unknown = collected.verdict_counts()
    contradicted = recording_findings(keypoints, blamed, failed > 0)
    whole += contradicted
    answer = verdict(whole, (passed + compared) / max(passed + unknown, 1), failed)
    sample_columns, view_columns = collected.sample_columns(), collected.view_columns()
    cameras, counts = list(collected.cameras), dict(sorted(collected.counts.items()))
    sentence = in_words(answer, collected.count, failed, unknown, counts, whole, causes)
    if answer == "pass" and not compared and not described.masks_untested and (rigs.settles or "masks-rough" in counts):
        sentence += rigs.fineness()
    sentence += keypoint_sentence(answer, keypoints, contradicted)
    return DatasetAudit(
        schema=SCHEMA, version=__version__, dataset=str(path), profile=profile.name,
        verdict=answer, sentence=sentence, passed=passed, failed=failed, unknown=unknown, hull=hull,
        counts=counts, findings=whole, causes=causes, cameras=cameras,
        pooled=camera_numbers(cameras, view_columns),
        quantiles=_quantiles({key: sample_columns[key] for key in SAMPLE_NUMBERS}, QUANTILES),
        rays=rays, ids=collected.ids, sample_columns=sample_columns, view_columns=view_columns,
        keypoints=list(keypoints.values()),
    )  # fmt: skip


@dataclass(eq=False)
class Collected:
    """Columns and counts in the making. `count` samples, filled in any order."""

    count: int
    ids: list[str] = field(init=False)
    cameras: dict[str, int] = field(default_factory=dict)
    likenesses: list[Likeness] = field(init=False)
    counts: dict[str, CodeCount] = field(default_factory=dict)
    rays: RayStatistics = field(default_factory=RayStatistics.empty)
    disagreeing: list[int] = field(default_factory=list)  # samples whose cameras and silhouettes contradict each other
    contradicted: dict[str, list[int]] = field(default_factory=dict)  # camera ("": no one alone) -> samples
    orders: dict[tuple[str, ...], int] = field(default_factory=dict)  # camera orders and the first sample with each

    def __post_init__(self) -> None:
        self.ids = [""] * self.count
        self.likenesses = [Likeness((), np.zeros(0, dtype=np.uint8))] * self.count
        self.frames: list[int | None] = [None] * self.count
        self._verdicts = np.zeros(self.count, dtype=np.float32)
        self._numbers = np.full((self.count, len(SAMPLE_NUMBERS)), np.nan, dtype=np.float32)
        self._views: list[np.ndarray] = [np.zeros((0, 1 + len(VIEW_NUMBERS)), dtype=np.float32)] * self.count

    def add(self, index: int, report: SampleReport, like: Likeness) -> None:
        """The report of sample number `index`."""
        self.ids[index], self.frames[index], self.likenesses[index] = report.id, report.frame, like
        self._verdicts[index] = VERDICTS.index(report.verdict)
        self._numbers[index] = [_number(report.numbers.get(key)) for key in SAMPLE_NUMBERS]
        rows: list[list[float]] = []
        for view in report.views:
            camera = self.cameras.setdefault(str(view["camera"]), len(self.cameras))
            rows.append([camera, *(_number(view.get(key)) for key in VIEW_NUMBERS)])
        self._views[index] = np.array(rows, dtype=np.float32).reshape(len(rows), 1 + len(VIEW_NUMBERS))
        order = tuple(str(view["camera"]) for view in report.views)
        self.orders[order] = min(index, self.orders.get(order, index))
        errors = {finding.code for finding in report.findings if finding.severity == "error"}
        if errors & _DISAGREEMENTS and "legacy" not in errors:  # a legacy sample's file names the cause itself
            self.disagreeing.append(index)
        for camera in {f.camera or "" for f in report.findings if f.code == "tangency"}:
            self.contradicted.setdefault(camera, []).append(index)
        self._count(report)

    def _count(self, report: SampleReport) -> None:
        gravest: dict[str, Finding] = {}
        for finding in report.findings:
            count = self.counts.setdefault(finding.code, CodeCount(finding.severity, 0, 0, []))
            count.findings += 1
            if _GRAVITY[finding.severity] > _GRAVITY[count.severity]:
                count.severity = finding.severity
            if finding.code not in gravest or _rank(finding) < _rank(gravest[finding.code]):
                gravest[finding.code] = finding
        for code, finding in gravest.items():
            count = self.counts[code]
            count.samples += 1
            count.worst = sorted([*count.worst, finding], key=_rank)[:WORST]

    def settle(self) -> None:
        """Number the cameras by where they first appear, so that the order of arrival (workers) does not show."""
        order: dict[int, int] = {}
        for rows in self._views:
            rows[:, 0] = [order.setdefault(int(number), len(order)) for number in rows[:, 0]]
        self.cameras = {name: order[number] for name, number in sorted(self.cameras.items(), key=lambda i: order[i[1]])}

    def verdict_counts(self) -> tuple[int, int, int]:
        """(passed, failed, unknown)."""
        passed, failed, unknown = np.bincount(self._verdicts.astype(np.int64), minlength=len(VERDICTS)).tolist()
        return passed, failed, unknown

    def fewest_views(self) -> int:
        """Of a sample that has any."""
        return min((len(rows) for rows in self._views if len(rows)), default=0)

    def sample_columns(self) -> dict[str, Column]:
        frames = np.array([np.nan if frame is None else frame for frame in self.frames], dtype=np.float32)
        numbers = {key: self._numbers[:, k].copy() for k, key in enumerate(SAMPLE_NUMBERS)}
        return {"frame": frames, "verdict": self._verdicts, **numbers}

    def view_columns(self) -> dict[str, Column]:
        together = np.concatenate(self._views) if self._views else np.zeros((0, 1 + len(VIEW_NUMBERS)), np.float32)
        owner = np.repeat(np.arange(self.count, dtype=np.float32), [len(rows) for rows in self._views])
        numbers = {key: together[:, 1 + k].copy() for k, key in enumerate(VIEW_NUMBERS)}
        return {"sample": owner, "camera": together[:, 0].copy(), **numbers}


def _rank(finding: Finding) -> tuple[int, float, str]:
    """The worst first (by severity, then by how far beyond the limit); by name where they are equally bad.

    A limit that values must not fall below (shares, coverages, counts of planes) is passed to the other side.
    """
    ratio = 1.0
    if finding.value is not None and finding.limit is not None:
        value, limit = abs(finding.value), abs(finding.limit)
        ratio = max(value / limit, limit / value if value else np.inf) if limit else value
    return -_GRAVITY[finding.severity], -ratio if np.isfinite(ratio) else -np.inf, finding.sample or ""


def camera_numbers(cameras: Sequence[str], columns: dict[str, Column]) -> list[CameraNumbers]:
    """Per camera, over all samples: median and 95 % quantile of what is known."""
    out: list[CameraNumbers] = []
    for number, name in enumerate(cameras):
        mine = columns["camera"] == number
        found = _quantiles({key: columns[key][mine] for key in VIEW_NUMBERS}, (0.5, 0.95))
        median, high = ({key: values[k] for key, values in found.items()} for k in (0, 1))
        out.append(CameraNumbers(name, int(mine.sum()), median, high))
    return out


def _quantiles(columns: dict[str, Column], at: Sequence[float]) -> dict[str, list[float]]:
    """Of each column that is known anywhere."""
    known = {key: values[np.isfinite(values)].astype(np.float64) for key, values in columns.items()}
    return {key: np.quantile(values, at).tolist() for key, values in known.items() if len(values)}


def order_findings(orders: dict[tuple[str, ...], int], ids: Sequence[str]) -> list[Finding]:
    """A warning where samples list the cameras that they share in different orders: loaders go by place."""
    if not orders:
        return []
    first = min(orders, key=lambda order: orders[order])
    rank = {name: number for number, name in enumerate(first)}
    for order, index in sorted(orders.items(), key=lambda item: item[1]):
        known = [rank[name] for name in order if name in rank]
        if known != sorted(known):
            before = f"in {ids[orders[first]]} as {', '.join(first)}"
            text = f"{ids[index]}: cameras come in the order {', '.join(order)}, {before}"
            return [Finding.of("view-order", text, sample=ids[index])]
    return []


def repeated_findings(
    contradicted: Mapping[str, Sequence[int]], ids: Sequence[str], members: Sequence[tuple[str, Sequence[int]]]
) -> tuple[list[Finding], list[int]]:
    """(errors, the samples behind them): many samples of a rig, each barely above the limit, blame the same camera.

    Noise does not repeat itself. A camera's name says nothing beyond its rig. contradicted: camera -> samples; members:
    (what a rig is called, all its samples).
    """
    found: list[Finding] = []
    behind: list[int] = []
    for label, own in members:
        blamed = {camera: sorted(set(some) & set(own)) for camera, some in contradicted.items()}
        camera = max(blamed, key=lambda name: len(blamed[name]), default="")
        samples = blamed.get(camera, [])
        share = len(samples) / max(len(own), 1)
        if len(samples) < _REPEATED or share < _REPEATED_SHARE:
            continue
        who, sample = f"the camera of {camera}" if camera else "the cameras together", ids[samples[0]]
        text = f"{label}: " if label else ""
        text += f"{len(samples)} of {len(own)} samples, each barely above the limit, blame {who}; the first: {sample}"
        limit = _REPEATED_SHARE
        found.append(
            Finding.of("tangency-repeated", text, camera=camera or None, sample=sample, value=share, limit=limit)
        )
        behind += samples
    return found, sorted(behind)


def _number(value: float | str | None) -> float:
    return float("nan") if value is None or isinstance(value, str) else float(value)
