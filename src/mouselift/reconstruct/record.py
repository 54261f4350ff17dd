"""What is known of a finished reconstruction: the content of its metrics.json and of the folder's manifest."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from mouselift.reconstruct.scores import FIGURES, ROLES, Role, Scored, mean_over

SCORES = tuple(figure for figure in FIGURES if figure != "lpips")  # no weights come with mouselift


class ViewRecord(Scored, frozen=True, kw_only=True):
    """One view's scores. Definitions: `reconstruct.metrics`."""

    place: int  # in the sample's file: renders/cam_<place>.png


class Record(msgspec.Struct, frozen=True):
    """One sample."""

    id: str
    source: str  # the sample's folder
    cameras: str  # sha256 of its cameras file
    network: str  # checkpoint and precision, in words
    filter: str  # of gaussians.filters.FILTERS
    side: int  # pixels a side that the network got
    views: list[ViewRecord]
    made: int  # Gaussians that the network gave
    kept: int  # that were written
    not_finite: int  # left out because no viewer can show them
    seconds: float  # of the network's pass, wall

    def mean(self, score: str, role: Role) -> float | None:
        """Over the views of a role whose score is known; None where there is none."""
        return mean_over(self.views, score, role)

    @property
    def roles(self) -> list[Role]:
        """Those that it has, held-out first."""
        return [role for role in ROLES if any(view.role == role for view in self.views)]

    @property
    def means(self) -> dict[Role, dict[str, float | None]]:
        """role -> score -> mean over its views."""
        return {role: {score: self.mean(score, role) for score in SCORES} for role in self.roles}


def overall(records: Sequence[Record]) -> dict[Role, dict[str, float | None]]:
    """role -> score -> mean over samples of their means."""
    out: dict[Role, dict[str, float | None]] = {}
    for role in ROLES:
        having = [record for record in records if role in record.roles]
        if having:
            means = {score: [m for r in having if (m := r.mean(score, role)) is not None] for score in SCORES}
            out[role] = {score: sum(known) / len(known) if known else None for score, known in means.items()}
    return out


def with_means(record: Record) -> dict[str, Any]:
    """The record and its means, ready for JSON."""
    return {**msgspec.to_builtins(record), "means": record.means}


def metrics_json(record: Record) -> bytes:
    """For one sample's folder."""
    return msgspec.json.format(msgspec.json.encode(with_means(record)), indent=1) + b"\n"


def metrics_csv(records: Sequence[Record]) -> bytes:
    """A row a view; empty where a score is undefined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sample", "view", "role", *SCORES])
    for record in records:
        for view in record.views:
            values = [getattr(view, score) for score in SCORES]
            rounded = ["" if value is None else f"{value:.6g}" for value in values]
            writer.writerow([record.id, view.view, view.role, *rounded])
    return text.getvalue().encode()
