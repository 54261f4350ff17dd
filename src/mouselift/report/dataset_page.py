"""`mouselift report`: an audit as one page that stands alone. Only the samples that are shown are read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from markupsafe import Markup

from mouselift.atomic import check_output
from mouselift.audit.distribution import COMPONENTS, RANGES, RayStatistics
from mouselift.audit.profile import Profile, load_profile, usable_cameras
from mouselift.audit.result import VERDICTS, DatasetAudit
from mouselift.consistency.cameras import MOST_RMS_PX
from mouselift.consistency.hull_coverage import COVERAGE
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import find_samples, sample_names
from mouselift.dataset.sample import View
from mouselift.diagnosis.cause import Cause
from mouselift.errors import DatasetError
from mouselift.findings import SEVERITIES, Finding, Severity
from mouselift.progress import Progress, silent
from mouselift.report.charts import Values, bars, by_view, histogram, legend, over_frames
from mouselift.report.conclusion import GAP_LIMIT_PX, conclusion
from mouselift.report.keypoint_sheet import keypoint_sheets, keypoint_table
from mouselift.report.options import ReportOptions
from mouselift.report.page import Fact, image_uri, render_page, scene_json
from mouselift.report.sheet import Tile, contact_sheet, tile_of_sample
from mouselift.report.tangent_sheet import tangent_sheet
from mouselift.sampling import evenly_spaced
from mouselift.strings_as_paths import takes_paths
from mouselift.view.scene import colours_or_grey, scene_of

_TILE = 150
_THUMBNAIL = 132
_EXPLAINED = (MOST_RMS_PX, "masks explain up to")
_WORST = 3  # findings of a code
_MOST_IMAGES = 45  # beside findings: about 5 kB each
_MOST_CAUSES = 4
_RAY_SAMPLES = 200  # histograms do not change visibly beyond
_SEED = 0  # the same report every time


@dataclass(frozen=True)
class ReportSummary:
    page: Path
    bytes: int
    verdict: str
    sentence: str
    shown: tuple[str, ...]  # samples drawn at full size


@dataclass(frozen=True)
class Shown:
    """A sample on the page, and why it is there."""

    id: str
    role: str


@dataclass(frozen=True)
class Item:
    """A finding on the page."""

    finding: Finding
    image: str  # data URI; "" where the finding names no view that can be shown
    folder: str = ""  # the sample's

    @property
    def message(self) -> str:
        """Without the names of sample and camera, which stand above it."""
        text = self.finding.message.removeprefix(f"{self.folder}/").removeprefix(f"{self.finding.sample}: ")
        return text.removeprefix(f"{self.finding.camera}: ")


@dataclass(frozen=True)
class Group:
    """Findings about samples, of one code."""

    code: str
    severity: Severity
    samples: int
    worst: list[Item]

    @property
    def advice(self) -> str:
        """Said once where all of them say the same; "" otherwise."""
        said = {item.finding.advice for item in self.worst}
        return said.pop() if len(said) == 1 else ""

    @property
    def message(self) -> str:
        """Said once where all of them say the same; "" otherwise."""
        said = {item.message for item in self.worst}
        return said.pop() if len(said) == 1 else ""


@dataclass(frozen=True)
class Shared:
    """Findings about the dataset as a whole that have code and advice in common."""

    code: str
    severity: Severity
    advice: str
    messages: list[str]


@takes_paths
def write_report(
    dataset: Path,
    page: Path,
    audit: DatasetAudit,
    options: ReportOptions = ReportOptions(),
    *,
    force: bool = False,
    progress: Progress = silent,
) -> ReportSummary:
    """Write an audit as one HTML page that opens offline: verdict, images with tangents, plots, a 3D scene.

    dataset: what was audited. force: replace a page that exists. OutputError where it exists otherwise; DatasetError
    where the audit is of another dataset or was made against another profile than the options name.

    Example:
        audit = audit_dataset(Path("out/mouse7"), AuditOptions(hull=True))
        summary = write_report(Path("out/mouse7"), Path("mouse7.html"), audit)
        print(summary.verdict, summary.page)
    """
    check_output(page, force)
    profile = load_profile(options.profile)
    if audit.profile != profile.name:
        raise DatasetError(
            f"the audit was made against profile {audit.profile!r}, the report's is {profile.name!r}: give --profile "
            "with the one that the audit had"
        )
    folders = _folders(dataset, audit)
    large, small = drawn_large(audit), drawn_small(audit, options.rows)
    groups = _finding_groups(audit, folders)
    sheets, scenes = [], []
    for done, shown in enumerate(large):
        progress("images", done, len(large) + len(small))
        sample = load_sample(folders[shown.id], colours=True)
        if sample.views:
            sheets.append({"role": shown.role, "drawing": tangent_sheet(sample)})
            scenes.append({"role": shown.role, "title": sample.id, "json": scene_json(scene_of(sample))})
    contact = _contact(audit, small, folders, lambda k: progress("images", len(large) + k, len(large) + len(small)))
    rays, ray_samples = _ray_charts([folders[sample] for sample in audit.ids], profile)
    random = sum(shown.role == "random" for shown in small)
    render_page(
        "report.html.j2",
        page,
        audit=audit,
        conclusion=conclusion(audit),
        keypoint_tables=[keypoint_table(facts) for facts in audit.keypoints],
        keypoint_sheets=keypoint_sheets(audit, folders) if audit.keypoints else [],
        name=Path(audit.dataset).name or audit.dataset,
        facts=_facts(audit),
        causes=[words for cause in audit.causes[:_MOST_CAUSES] if (words := _cause_words(cause, audit))],
        sheets=sheets,
        scenes=scenes,
        scene_picks=[f"{scene['title']} ({scene['role']})" for scene in scenes],
        gap_limit=f"{GAP_LIMIT_PX:g}",
        groups=groups,
        whole=_whole(audit.findings),
        findings_chart=bars([(group.code, group.samples, group.severity) for group in groups], audit.samples),
        charts=_charts(audit),
        profile_focal=_profile_focal(profile),
        ray_charts=rays,
        ray_samples=ray_samples,
        contact=contact,
        contact_words=f"{len(small)} samples: the {len(small) - random} with the largest residuals and {random} drawn "
        "at random",
        shown_words=", ".join(f"{shown.id} ({shown.role})" for shown in large) or "none",
    )
    shown_ids = tuple(shown.id for shown in large)
    return ReportSummary(page, page.stat().st_size, audit.verdict, audit.sentence, shown_ids)


def _folders(dataset: Path, audit: DatasetAudit) -> dict[str, Path]:
    """Sample id -> folder. DatasetError where the audit names samples that the dataset does not have."""
    found = find_samples(dataset)
    folders = dict(zip(sample_names(found), found, strict=True))
    lost = [sample for sample in audit.ids if sample not in folders]
    if lost:
        raise DatasetError(
            f"{dataset}: {len(lost)} of the {audit.samples} samples that were audited are not there (the first: "
            f"{lost[0]}); is the audit of another dataset ({audit.dataset})? Run it again"
        )
    return folders


def drawn_large(audit: DatasetAudit) -> list[Shown]:
    """The worst and the median sample by tangency; the first where nothing is known about any."""
    residual = audit.sample_columns["tangency_px"]
    known = np.flatnonzero(np.isfinite(residual))
    if not len(known):
        return [Shown(audit.ids[0], "first sample")] if audit.ids else []
    # A failed sample is worse than any that passed, however small its residual: it may have failed for another reason.
    failed = audit.sample_columns["verdict"][known] == VERDICTS.index("fail")
    worst = int(known[np.lexsort((residual[known], failed))[-1]])
    middle = int(known[np.argsort(residual[known], kind="stable")[len(known) // 2]])
    shown = [Shown(audit.ids[worst], "worst sample")]
    if middle != worst:
        shown.append(Shown(audit.ids[middle], "median sample"))
    return shown


def drawn_small(audit: DatasetAudit, count: int) -> list[Shown]:
    """`count` samples: every third place the next worst, the others drawn at random; in the dataset's order."""
    residual = np.nan_to_num(audit.sample_columns["tangency_px"], nan=-1.0)
    count = min(count, len(audit.ids))
    worst = np.argsort(-residual, kind="stable")[: -(-count // 3)].tolist()
    others = np.setdiff1d(np.arange(len(audit.ids)), worst)
    drawn = np.random.default_rng(_SEED).choice(others, count - len(worst), replace=False).tolist()
    roles = {**dict.fromkeys(drawn, "random"), **dict.fromkeys(worst, "among the worst")}
    return [Shown(audit.ids[index], roles[index]) for index in sorted(roles)]


def _facts(audit: DatasetAudit) -> list[Fact]:
    """The three numbers that matter."""
    tangency, coverage, focal = (audit.quantiles.get(name) for name in ("tangency_px", "coverage", "focal_spread"))
    unknown = f", {audit.unknown:,} unknown" if audit.unknown else ""
    together = " alone; all together pass" if audit.unknown > audit.samples / 2 and audit.verdict == "pass" else ""
    facts = [Fact(f"{audit.passed:,} of {audit.samples:,}", f"samples pass, {audit.failed:,} fail{unknown}{together}")]
    if tangency:
        facts.append(Fact(f"{tangency[3]:.2f} px", f"median tangency residual (worst sample {tangency[-1]:.2f} px)"))
    if coverage and audit.hull:
        words = f"of a mask covered by the hull, worst view, median (lowest {100 * coverage[0]:.1f} %)"
        facts.append(Fact(f"{100 * coverage[3]:.2f} %", words))
    elif focal:
        facts.append(Fact(f"{focal[3]:.2f}", "largest / smallest focal length of a sample's views, median"))
    return facts


def _cause_words(cause: Cause, audit: DatasetAudit) -> str:
    """A cause's evidence; its sentence too where the verdict does not already hold it. "" where that says all."""
    words = [] if cause.sentence.rstrip(".") in audit.sentence else [f"{cause.sentence.rstrip('.')}."]
    if cause.views and len(cause.views) < len(audit.cameras):
        words.append(f"Views: {', '.join(cause.views)}.")
    if cause.residual_before_px is not None and cause.residual_after_px is not None:
        words.append(
            f"With this undone, tangents miss by {cause.residual_after_px:.2f} px, not {cause.residual_before_px:.2f}."
        )
    if cause.ambiguous_with:
        decided = f": {cause.decided_by.rstrip('.')}" if cause.decided_by else ""
        words.append(f"The silhouettes alone do not tell it from {' or '.join(cause.ambiguous_with)}{decided}.")
    return " ".join(words)


def _finding_groups(audit: DatasetAudit, folders: dict[str, Path]) -> list[Group]:
    """One group a code, the gravest first; its worst findings with a thumbnail of their view."""
    load = lru_cache(maxsize=1)(lambda folder: load_sample(folder, colours=True))  # one: memory stays flat
    groups, images = [], 0
    ordered = sorted(
        audit.counts.items(), key=lambda item: (SEVERITIES.index(item[1].severity), -item[1].samples, item[0])
    )
    for code, count in ordered:
        worst = []
        for finding in count.worst[:_WORST]:
            folder, image = folders.get(finding.sample or ""), ""
            if folder is not None and finding.camera is not None and images < _MOST_IMAGES:
                for view in load(folder).views:
                    if view.name == finding.camera:
                        image = image_uri(_tile(view, _THUMBNAIL))
                        images += 1
            worst.append(Item(finding, image, str(folders.get(finding.sample or "", ""))))
        groups.append(Group(code, count.severity, count.samples, worst))
    return groups


def _whole(findings: Sequence[Finding]) -> list[Shared]:
    """The gravest first; each piece of advice once."""
    shared: dict[tuple[Severity, str, str], Shared] = {}
    for finding in sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)):
        key = finding.severity, finding.code, finding.advice
        shared.setdefault(key, Shared(finding.code, finding.severity, finding.advice, []))
        if finding.message not in shared[key].messages:
            shared[key].messages.append(finding.message)
    return list(shared.values())


def _contact(
    audit: DatasetAudit, small: Sequence[Shown], folders: dict[str, Path], progress: Callable[[int], None]
) -> str:
    rows, labels = [], []
    for done, shown in enumerate(small, start=1):
        sample = load_sample(folders[shown.id], colours=True)
        progress(done)
        if sample.views:
            rows.append([_tile(view, _TILE) for view in sample.views])
            labels.append(shown.id.rsplit("_", 1)[-1][-9:])  # what tells samples apart: the number at the name's end
    return image_uri(contact_sheet(rows, labels, audit.cameras)) if rows else ""


def _tile(view: View, side: int) -> Tile:
    return tile_of_sample(np.dstack([colours_or_grey(view), view.alpha]), side)


def _charts(audit: DatasetAudit) -> dict[str, Markup | None]:
    """All charts that need nothing but the audit; None: no hull was carved, or one sample, which has no time."""
    size = {name: np.sqrt(area) for name, area in per_camera(audit, "area_px").items()}
    coverage = per_camera(audit, "coverage")
    known = any(np.isfinite(values).any() for values in coverage.values())
    frames, series = along_samples(audit, "tangency_px")
    return {
        "tangency": by_view(per_camera(audit, "tangency_px"), "tangency, px RMS", limit=_EXPLAINED),
        "coverage": by_view(coverage, "hull coverage", log=False, limit=(COVERAGE, "at least")) if known else None,
        "over_frames": over_frames(frames, series, "tangency, px RMS", limit=_EXPLAINED) if audit.samples > 1 else None,
        "legend": legend(audit.cameras),
        "size": by_view(size, "size of the subject, px", log=False),
        "focal": by_view(per_camera(audit, "fx"), "fx, px", log=False),
    }


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


def _ray_charts(folders: Sequence[Path], profile: Profile) -> tuple[list[Markup], int]:
    """A histogram for each of the six ray inputs, dataset against profile; and of how many samples."""
    rays, used = RayStatistics.empty(), 0
    for folder in evenly_spaced(folders, _RAY_SAMPLES):
        cameras = usable_cameras(folder)
        rays, used = rays.merged(RayStatistics.of(cameras)), used + bool(cameras)
    if not used:
        return [], 0
    other = profile.arrays[2]
    charts = [
        histogram(rays.shares[k], other[k], float(RANGES[k]), name, f"profile {profile.name}")
        for k, name in enumerate(COMPONENTS)
    ]
    return charts, used


def _profile_focal(profile: Profile) -> str:
    """In the pixels of a 512 px image."""
    fields = profile.cameras.get("fov_deg")
    if fields is None:
        return "no focal length"
    return f"{256 / np.tan(np.radians(fields[1]) / 2):.0f} px at 512 px"
