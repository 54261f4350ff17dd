"""Many samples' reports into one `DatasetAudit`, in memory of a kilobyte a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mouselift.audit.distribution import RayStatistics
from mouselift.audit.duplicates import Likeness
from mouselift.audit.result import (
    SAMPLE_NUMBERS,
    VERDICTS,
    VIEW_NUMBERS,
    CameraNumbers,
    CodeCount,
    Column,
    SampleReport,
)
from mouselift.findings import Finding, Severity

DISAGREEMENTS = {"tangency", "coverage", "behind-camera", "out-of-reach"}  # codes that a diagnosis looks behind
_REPEATED, _REPEATED_SHARE = 3, 0.2  # samples: false alarms on exact samples are rarer than one in a thousand
WORST = 20  # findings kept a code
_GRAVITY: dict[Severity, int] = {"note": 0, "warning": 1, "error": 2}
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


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
        self._frames: list[int | None] = [None] * self.count
        self._verdicts = np.zeros(self.count, dtype=np.float32)
        self._numbers = np.full((self.count, len(SAMPLE_NUMBERS)), np.nan, dtype=np.float32)
        self._views: list[np.ndarray] = [np.zeros((0, 1 + len(VIEW_NUMBERS)), dtype=np.float32)] * self.count

    def add(self, index: int, report: SampleReport, like: Likeness) -> None:
        """The report of sample number `index`."""
        self.ids[index], self._frames[index], self.likenesses[index] = report.id, report.frame, like
        self._verdicts[index] = VERDICTS.index(report.verdict)
        self._numbers[index] = [_number(report.numbers.get(key)) for key in SAMPLE_NUMBERS]
        rows = [[self._camera(view), *(_number(view.get(key)) for key in VIEW_NUMBERS)] for view in report.views]
        self._views[index] = np.array(rows, dtype=np.float32).reshape(len(rows), 1 + len(VIEW_NUMBERS))
        order = tuple(str(view["camera"]) for view in report.views)
        self.orders[order] = min(index, self.orders.get(order, index))
        errors = {finding.code for finding in report.findings if finding.severity == "error"}
        if errors & DISAGREEMENTS and "legacy" not in errors:  # a legacy sample's file names the cause itself
            self.disagreeing.append(index)
        for camera in {f.camera or "" for f in report.findings if f.code == "tangency"}:
            self.contradicted.setdefault(camera, []).append(index)
        self._count(report)

    def _camera(self, view: dict[str, float | str | None]) -> int:
        return self.cameras.setdefault(str(view["camera"]), len(self.cameras))

    def _count(self, report: SampleReport) -> None:
        gravest: dict[str, Finding] = {}
        for finding in report.findings:
            count = self.counts.setdefault(finding.code, CodeCount(finding.severity, 0, 0, []))
            count.findings += 1
            if _GRAVITY[finding.severity] > _GRAVITY[count.severity]:
                count.severity = finding.severity
            if finding.code not in gravest or badness(finding) > badness(gravest[finding.code]):
                gravest[finding.code] = finding
        for code, finding in gravest.items():
            count = self.counts[code]
            count.samples += 1
            count.worst = sorted([*count.worst, finding], key=_rank)[:WORST]

    def settle(self) -> None:
        """Number the cameras by where they first appear, so that the order of arrival (workers) does not show."""
        order: dict[int, int] = {}
        for rows in self._views:
            for number in rows[:, 0].astype(int).tolist():
                order.setdefault(number, len(order))
        for rows in self._views:
            rows[:, 0] = [order[number] for number in rows[:, 0].astype(int).tolist()]
        self.cameras = {name: order[number] for name, number in sorted(self.cameras.items(), key=lambda i: order[i[1]])}

    @property
    def frames(self) -> list[int | None]:
        return self._frames

    def verdict_counts(self) -> tuple[int, int, int]:
        """(passed, failed, unknown)."""
        found = np.bincount(self._verdicts.astype(np.int64), minlength=len(VERDICTS)).tolist()
        return int(found[0]), int(found[1]), int(found[2])

    def sample_columns(self) -> dict[str, Column]:
        frames = np.array([np.nan if frame is None else frame for frame in self._frames], dtype=np.float32)
        numbers = {key: self._numbers[:, k].copy() for k, key in enumerate(SAMPLE_NUMBERS)}
        return {"frame": frames, "verdict": self._verdicts, **numbers}

    def view_columns(self) -> dict[str, Column]:
        together = np.concatenate(self._views) if self._views else np.zeros((0, 1 + len(VIEW_NUMBERS)), np.float32)
        owner = np.repeat(np.arange(self.count, dtype=np.float32), [len(rows) for rows in self._views])
        numbers = {key: together[:, 1 + k].copy() for k, key in enumerate(VIEW_NUMBERS)}
        return {"sample": owner, "camera": together[:, 0].copy(), **numbers}


def _rank(finding: Finding) -> tuple[int, float, str]:
    """The worst first; by name where they are equally bad."""
    gravity, ratio = badness(finding)
    return -gravity, -ratio, finding.sample or ""


def badness(finding: Finding) -> tuple[int, float]:
    """(gravity, how far beyond the limit): larger is worse."""
    ratio = 1.0
    if finding.value is not None and finding.limit is not None:
        ratio = abs(finding.value) / abs(finding.limit) if finding.limit else abs(finding.value)
    return _GRAVITY[finding.severity], ratio if np.isfinite(ratio) else float("inf")


def camera_numbers(cameras: Sequence[str], columns: dict[str, Column]) -> list[CameraNumbers]:
    """Per camera, over all samples: median and 95 % quantile of what is known."""
    out: list[CameraNumbers] = []
    for number, name in enumerate(cameras):
        mine = columns["camera"] == number
        median: dict[str, float] = {}
        high: dict[str, float] = {}
        for key in VIEW_NUMBERS:
            values = columns[key][mine]
            values = values[np.isfinite(values)]
            if len(values):
                median[key], high[key] = (float(v) for v in np.quantile(values.astype(np.float64), (0.5, 0.95)))
        out.append(CameraNumbers(name, int(mine.sum()), median, high))
    return out


def sample_quantiles(columns: dict[str, Column]) -> dict[str, list[float]]:
    """0, 5, 25, 50, 75, 95 and 100 % of each sample number that is known anywhere."""
    out: dict[str, list[float]] = {}
    for key in SAMPLE_NUMBERS:
        values = columns[key][np.isfinite(columns[key])]
        if len(values):
            out[key] = [float(v) for v in np.quantile(values.astype(np.float64), _QUANTILES)]
    return out


def order_findings(orders: dict[tuple[str, ...], int], ids: Sequence[str]) -> list[Finding]:
    """A warning where samples list the cameras that they share in different orders: loaders go by place."""
    if not orders:
        return []
    first = min(orders, key=lambda order: orders[order])
    rank = {name: number for number, name in enumerate(first)}
    for order, index in sorted(orders.items(), key=lambda item: item[1]):
        known = [rank[name] for name in order if name in rank]
        if known != sorted(known):
            text = f"{ids[index]}: cameras come in the order {', '.join(order)}, in {ids[orders[first]]} as "
            text += ", ".join(first)
            return [Finding.of("view-order", text, sample=ids[index])]
    return []


def repeated_findings(contradicted: dict[str, list[int]], ids: Sequence[str], failed: int) -> list[Finding]:
    """An error where many samples, each barely above the limit, doubt the same camera: noise does not repeat itself.

    Nothing where samples fail anyway (`failed`): they say it themselves.
    """
    if failed or not contradicted:
        return []
    camera = max(contradicted, key=lambda name: len(contradicted[name]))
    samples = sorted(contradicted[camera])
    share = len(samples) / len(ids)
    if len(samples) < _REPEATED or share < _REPEATED_SHARE:
        return []
    who = f"the camera of {camera}" if camera else "the cameras together"
    text = f"{len(samples)} of {len(ids)} samples, each barely above the limit, doubt {who}; the first: "
    text += ids[samples[0]]
    sample, limit = ids[samples[0]], _REPEATED_SHARE
    return [Finding.of("tangency-repeated", text, camera=camera or None, sample=sample, value=share, limit=limit)]


def _number(value: float | str | None) -> float:
    return float("nan") if value is None or isinstance(value, str) else float(value)
