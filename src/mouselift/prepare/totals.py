"""What a finished dataset says of itself, from its records, which pass one at a time.

Of a sample stay a frame number and a few numbers a view: its record holds several kilobytes.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mouselift.capture.capture import Capture
from mouselift.capture.scale import Scale
from mouselift.capture.source import CaptureSource
from mouselift.dataset.source import DatasetSource
from mouselift.findings import Finding
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.sample import Record
from mouselift.prepare.selection import Role


@dataclass(frozen=True)
class PrepareSummary:
    """What a run made, and what it left out and why."""

    out: Path
    frames: int  # selected
    kept: int
    made: int  # by this run; the others were there
    dropped: dict[str, int]  # finding code -> samples
    splits: dict[str, int]  # train, val, gap
    findings: tuple[Finding, ...]  # about the recording as a whole
    noticed: dict[str, int] = field(default_factory=dict)  # finding code -> samples that were kept all the same
    scale: str = ""  # the subject's size and the cameras' distance in the declared unit, in words
    keypoints: int | None = None  # samples with keypoints, of those that were kept; None: the capture names none

    @property
    def errors(self) -> tuple[Finding, ...]:
        """About the recording: the samples are there, and are not to be used."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


class Totals:
    """Counts and sizes of a dataset's samples; those that this run selected (`mine`) apart."""

    def __init__(self, capture: Capture, source: CaptureSource | DatasetSource) -> None:
        self.kept = array("q")  # frames
        self._unit = capture.unit
        # A dataset's samples are normalised: they have no size.
        tracks = source.tracks if isinstance(source, CaptureSource) else ()
        self._cameras = {track.name: track.camera for track in tracks}
        self._mine_kept = array("q")
        self._dropped, self._mine_dropped = Counter[str](), Counter[str]()
        self._noticed = Counter[str]()
        self._focal: tuple[float, float] | None = None
        self._distances: dict[str, array[float]] = {}  # medians of them are said in three digits
        self._lengths = array("f")

    def add(self, record: Record, mine: bool) -> None:
        if record.status == "dropped":
            self._dropped[record.reason or ""] += 1
            if mine:
                self._mine_dropped[record.reason or "unknown"] += 1
            return
        self.kept.append(record.frame)
        if mine:
            self._mine_kept.append(record.frame)
            self._noticed.update({finding.code for finding in record.findings})
        focal = [view["focal"] for view in record.views]
        if focal:
            low, high = self._focal or (focal[0], focal[0])
            self._focal = min(low, *focal), max(high, *focal)
        if self._cameras:
            self._measure(record)

    def _measure(self, record: Record) -> None:
        """Sizes in the capture's unit, by the sample's plan."""
        seen: list[float] = []
        for view in record.views:
            camera = self._cameras[view["camera"]]
            self._distances.setdefault(camera.name, array("f")).append(view["distance"])
            if view["fill_before"] is not None:
                side = view["fill_before"] * (camera.width * camera.height) ** 0.5
                seen.append(side * view["distance"] / camera.focal)
        if seen:
            self._lengths.append(max(seen))

    def scale(self) -> Scale | None:
        """None of a dataset, and where no sample was kept."""
        if not self._distances:
            return None
        subject = float(np.median(self._lengths)) if self._lengths else None
        return Scale(self._unit, tuple(float(np.median(values)) for values in self._distances.values()), subject)

    def summary(
        self,
        out: Path,
        frames: int,
        made: int,
        roles: Mapping[int, Role],
        findings: Sequence[Finding],
        keypoints: Collection[int] | None,
    ) -> PrepareSummary:
        """Of this run's selection of so many frames, of which it made `made`. keypoints: frames that have some."""
        scale = self.scale()
        return PrepareSummary(
            out,
            frames,
            len(self._mine_kept),
            made,
            dict(self._mine_dropped),
            dict(Counter[str](roles.get(frame, "none") for frame in self._mine_kept)),
            (*findings, *(scale.findings() if scale is not None else ())),
            dict(self._noticed),
            scale.words if scale is not None else "",
            None if keypoints is None else len(set(keypoints).intersection(self._mine_kept)),
        )

    def description(
        self, source: CaptureSource | DatasetSource, roles: Mapping[int, Role], options: PrepareOptions
    ) -> dict[str, Any]:
        """What dataset.json says once all samples are there. No clock and no path: the same run, the same bytes."""
        split = {"validation": options.val, "blocks": options.val_blocks, "gap": options.gap}
        return {
            "samples": len(self.kept),
            "dropped": dict(sorted(self._dropped.items())),
            "split": {"options": split, **dict(sorted(Counter(roles.get(f, "") for f in self.kept).items()))},
            "focal_px": None if self._focal is None else {"min": self._focal[0], "max": self._focal[1]},
            "frame_rate": source.rate,
            "findings": [msgspec.to_builtins(finding) for finding in source.findings],
        }
