"""Findings for the page: grouped by code, the gravest first, the worst ones with a thumbnail of their view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mouselift.audit.result import DatasetAudit
from mouselift.dataset.sample import Sample, load_sample
from mouselift.findings import Finding, Severity
from mouselift.report.page import image_uri
from mouselift.report.sheet import tile_of_sample

_THUMBNAIL = 132
_WORST = 3  # a code
_MOST_IMAGES = 45  # a page: about 5 kB each
_ORDER: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Item:
    finding: Finding
    image: str  # data URI; "" where the finding names no view that can be shown
    alt: str

    @property
    def message(self) -> str:
        """Without the sample's name, which stands above it."""
        return self.finding.message.removeprefix(f"{self.finding.sample}: ")


@dataclass(frozen=True)
class Group:
    code: str
    severity: Severity
    samples: int
    worst: tuple[Item, ...]


def finding_groups(audit: DatasetAudit, folder_of: Callable[[str], Path | None]) -> list[Group]:
    """One group a code; `folder_of` answers a sample's folder."""
    images = _Thumbnails(folder_of)
    ordered = sorted(audit.counts.items(), key=lambda item: (_ORDER.index(item[1].severity), -item[1].samples, item[0]))
    return [
        Group(code, count.severity, count.samples, tuple(images.item(finding) for finding in count.worst[:_WORST]))
        for code, count in ordered
    ]


class _Thumbnails:
    """Reads each sample once, and stops when the page has enough images."""

    def __init__(self, folder_of: Callable[[str], Path | None]) -> None:
        self.folder_of = folder_of
        self.loaded: dict[str, Sample] = {}
        self.made = 0

    def item(self, finding: Finding) -> Item:
        folder = None if finding.sample is None else self.folder_of(finding.sample)
        if folder is None or finding.camera is None or self.made >= _MOST_IMAGES:
            return Item(finding, "", "")
        if folder.name not in self.loaded:
            self.loaded = {folder.name: load_sample(folder, colours=True).sample}  # one at a time: memory stays flat
        views = {view.name: view for view in self.loaded[folder.name].views}
        view = views.get(finding.camera)
        if view is None or view.colours is None:
            return Item(finding, "", "")
        self.made += 1
        tile = tile_of_sample(np.dstack([view.colours, view.alpha]), _THUMBNAIL)
        return Item(finding, image_uri(tile), f"View {view.name} of {finding.sample} with the edge of its alpha")
