"""`mouselift report`: an audit as one page that stands alone. Only the samples that are shown are read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mouselift.atomic import check_output
from mouselift.audit.profile import Profile
from mouselift.audit.result import DatasetAudit
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import Sample, load_sample
from mouselift.diagnosis.cause import Cause
from mouselift.errors import DatasetError
from mouselift.progress import Progress
from mouselift.report.choose import Shown, drawn_large, drawn_small
from mouselift.report.dataset_charts import charts_of, ray_charts
from mouselift.report.finding_list import Group, finding_groups
from mouselift.report.page import image_uri, render_page
from mouselift.report.plots import bars
from mouselift.report.scene_data import scene_json
from mouselift.report.sheet import contact_sheet, tile_of_sample
from mouselift.report.tangent_sheet import GAP_LIMIT_PX, tangent_sheet
from mouselift.view.scene import scene_of

_TILE = 150
_MOST_CAUSES = 4
_FIRST_SCREEN = 240  # characters of the verdict; the rest opens on demand


@dataclass(frozen=True)
class Fact:
    """One of the numbers on the first screen."""

    value: str
    words: str


@dataclass(frozen=True)
class ReportSummary:
    page: Path
    bytes: int
    verdict: str
    sentence: str
    shown: tuple[str, ...]  # samples drawn at full size


def write_report(
    dataset: Path,
    page: Path,
    audit: DatasetAudit,
    profile: Profile,
    samples: int = 8,
    force: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> ReportSummary:
    """The page of an audit. `samples`: rows of the contact sheet.

    DatasetError: the page exists and `force` is not given; the audit is of another dataset, or was made against
    another profile.
    """
    _check(page, audit, profile, force)
    folders = _folders(dataset, audit)
    large, small = drawn_large(audit), drawn_small(audit, samples)
    groups = finding_groups(audit, lambda sample: folders.get(sample))
    sheets, scenes = [], []
    for done, shown in enumerate(large):
        progress("images", done, len(large) + len(small))
        sample = load_sample(folders[shown.id], colours=True).sample
        if sample.views:
            sheets.append({"role": shown.role, "drawing": tangent_sheet(sample)})
            scenes.append({"role": shown.role, "title": sample.id, "json": scene_json(scene_of(sample))})
    contact = _contact(audit, small, folders, lambda k: progress("images", len(large) + k, len(large) + len(small)))
    rays, ray_samples = ray_charts([folders[sample] for sample in audit.ids], profile)
    render_page(
        "report.html.j2",
        page,
        audit=audit,
        sentence=in_short(audit.sentence),
        name=Path(audit.dataset).name or audit.dataset,
        facts=_facts(audit),
        causes=[_cause_words(cause, audit) for cause in audit.causes[:_MOST_CAUSES]],
        sheets=sheets,
        scenes=scenes,
        gap_limit=f"{GAP_LIMIT_PX:g}",
        groups=groups,
        findings_chart=_bars(groups, audit),
        charts=charts_of(audit),
        profile_focal=_profile_focal(profile),
        ray_charts=rays,
        ray_samples=ray_samples,
        contact=contact,
        contact_words=_contact_words(small),
        shown_words=", ".join(f"{shown.id} ({shown.role})" for shown in large) or "none",
    )
    shown_ids = tuple(shown.id for shown in large)
    return ReportSummary(page, page.stat().st_size, audit.verdict, audit.sentence, shown_ids)


def _check(page: Path, audit: DatasetAudit, profile: Profile, force: bool) -> None:
    check_output(page, force)
    if audit.profile != profile.name:
        raise DatasetError(
            f"the audit was made against profile {audit.profile!r}, the report's is {profile.name!r}: give --profile "
            "with the one that the audit had"
        )


def _folders(dataset: Path, audit: DatasetAudit) -> dict[str, Path]:
    """Sample id -> folder. DatasetError where the audit names samples that the dataset does not have."""
    folders = {folder.name: folder for folder in find_samples(dataset)}
    lost = [sample for sample in audit.ids if sample not in folders]
    if lost:
        raise DatasetError(
            f"{dataset}: {len(lost)} of the {audit.samples} samples that were audited are not there (the first: "
            f"{lost[0]}); is the audit of another dataset ({audit.dataset})? Run it again"
        )
    return folders


def _facts(audit: DatasetAudit) -> list[Fact]:
    """The three numbers that matter."""
    tangency = audit.quantiles.get("tangency_px")
    coverage = audit.quantiles.get("coverage")
    facts = [
        Fact(
            f"{audit.passed:,} of {audit.samples:,}",
            f"samples pass, {audit.failed:,} fail" + (f", {audit.unknown:,} unknown" if audit.unknown else ""),
        )
    ]
    if tangency:
        facts.append(Fact(f"{tangency[3]:.2f} px", f"median tangency residual (worst sample {tangency[-1]:.2f} px)"))
    if coverage and audit.hull:
        facts.append(
            Fact(
                f"{100 * coverage[3]:.2f} %",
                f"of a mask covered by the hull, worst view, median (lowest {100 * coverage[0]:.1f} %)",
            )
        )
    else:
        focal = audit.quantiles.get("focal_spread")
        if focal:
            facts.append(Fact(f"{focal[3]:.2f}", "largest / smallest focal length of a sample's views, median"))
    return facts


def in_short(sentence: str, most: int = _FIRST_SCREEN) -> tuple[str, str]:
    """(what fits the first screen, the rest): cut between two clauses; a verdict may list every view's numbers."""
    if len(sentence) <= most:
        return sentence, ""
    ends = [sentence.rfind(mark, 0, most) + 1 for mark in (". ", "; ", ": ")]
    cut = max(ends) or sentence.rfind(" ", 0, most)
    return sentence[:cut].rstrip(" :;"), sentence[cut:].strip()


def _cause_words(cause: Cause, audit: DatasetAudit) -> str:
    """A cause's evidence; its sentence too where the verdict does not already hold it."""
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


def _contact(
    audit: DatasetAudit, small: Sequence[Shown], folders: dict[str, Path], progress: Callable[[int], None]
) -> str:
    rows, labels = [], []
    for done, shown in enumerate(small, start=1):
        sample = load_sample(folders[shown.id], colours=True).sample
        progress(done)
        if sample.views:
            rows.append(_row(sample))
            labels.append(_short(shown.id))
    if not rows:
        return ""
    return image_uri(contact_sheet(rows, labels, audit.cameras))


def _row(sample: Sample) -> list[np.ndarray]:
    tiles = []
    for view in sample.views:
        colours = view.colours if view.colours is not None else np.full((*view.alpha.shape, 3), 90, np.uint8)
        tiles.append(tile_of_sample(np.dstack([colours, view.alpha]), _TILE))
    return tiles


def _short(sample: str) -> str:
    """What tells samples apart fits the label: the number at the end of the name."""
    return sample.rsplit("_", 1)[-1][-9:]


def _contact_words(small: Sequence[Shown]) -> str:
    worst = sum(shown.role != "random" for shown in small)
    return f"{len(small)} samples: the {worst} with the largest residuals and {len(small) - worst} drawn at random"


def _bars(groups: Sequence[Group], audit: DatasetAudit) -> str:
    return bars([(group.code, group.samples, group.severity) for group in groups], audit.samples)


def _profile_focal(profile: Profile) -> str:
    """In the pixels of a 512 px image."""
    fields = profile.cameras.get("fov_deg")
    if fields is None:
        return "none stated"
    focal = 256 / np.tan(np.radians(fields[1]) / 2)
    return f"{focal:.0f} px at 512 px"
