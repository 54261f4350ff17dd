"""What an audit says, as values that go to JSON and back: one sample's report, and a dataset's in columns.

A dataset's numbers are columns (one array a quantity) and not objects, so that ten thousand samples take megabytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from mouselift.diagnosis.cause import Cause
from mouselift.errors import DatasetError
from mouselift.findings import Finding, Severity
from mouselift.foreign import json_as, numbers
from mouselift.keypoints.off_mask import KeypointFacts
from mouselift.limits import JSON_BYTES, limited_bytes

Verdict = Literal["pass", "fail", "unknown"]
VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "unknown")  # a verdict's number in the columns is its place here

SCHEMA = 1
_MOST = float(np.finfo(np.float32).max)
Column = np.ndarray  # float32, one number a sample or a view; NaN: not known

SAMPLE_NUMBERS = {
    "tangency_px": "RMS of all pairs' tangency residuals",
    "tangency_worst_px": "largest RMS of one view",
    "coverage": "smallest share of a view's mask that the hull of all views covers",
    "size_spread": "largest / smallest subject, square roots of the areas",
    "smallest_px": "square root of the smallest subject's area",
    "focal_spread": "largest / smallest focal length",
    "principal_px": "largest distance of a principal point from its image's middle",
    "off_origin": "distance of the subject's centre from the world's origin",
    "extent": "largest coordinate of the subject along a world axis, in size",
    "depth": "largest distance of the subject from the point of its ray that lies nearest the origin",
    "keypoints_on": "share of the recording's keypoints that lie on the alphas, where there are any",
    "border_views": "views whose subject reaches the image's border",
}
VIEW_NUMBERS = {
    "tangency_px": "RMS of the view's tangency residuals",
    "coverage": "share of the view's mask that the hull of all views covers",
    "keypoints_on": "share of the recording's keypoints that lie on the view's alpha",
    "area_px": "area of the subject, sum of alpha / 255",
    "fx": "pixels",
    "fy": "pixels",
    "cx": "pixels",
    "cy": "pixels",
    "width": "of the image, pixels",
    "height": "of the image, pixels",
    "distance": "of the camera from the world's origin",
    "elevation_deg": "of the camera's centre above the horizon, seen from the origin",
    "azimuth_deg": "of the camera's centre, from +x towards +y",
    "border": "1 where the subject reaches the image's border",
    "cut": "1 where the sensor is known to have cut the subject, 0 where it is known that it has not",
}


class SampleReport(msgspec.Struct):
    """The audit of one sample: verdict, findings, numbers.

    Keys of `numbers`: SAMPLE_NUMBERS; of each view: "camera" and VIEW_NUMBERS. None: not known.
    """

    id: str
    frame: int | None
    findings: list[Finding]
    verdict: Verdict
    numbers: dict[str, float | None]
    views: list[dict[str, float | str | None]]


class CodeCount(msgspec.Struct):
    """How often a code was found, and the worst places: by value over limit, the worst sample first."""

    severity: Severity  # the gravest that occurred
    findings: int
    samples: int
    worst: list[Finding]  # at most one a sample


class CameraNumbers(msgspec.Struct):
    """One camera over all samples: median and 95 % quantile of each of VIEW_NUMBERS that is known."""

    camera: str
    views: int
    median: dict[str, float]
    high: dict[str, float]


class RayDistance(msgspec.Struct):
    """One component of what the model sees of the cameras, against the profile."""

    component: str  # "direction x" ... "nearest z"
    mean: float
    profile_mean: float
    deviation: float  # standard deviation
    profile_deviation: float
    wasserstein: float  # first-order; in units of the component


QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)  # of SAMPLE_NUMBERS


class DatasetAudit(msgspec.Struct):
    """The audit of a dataset: verdict, findings, causes, and the numbers of all samples and views.

    Columns hold one float32 a sample (`sample_columns`) or a view (`view_columns`); NaN: not known.
    `sample_columns` also has "frame" and "verdict" (place in VERDICTS); `view_columns` also has "sample" and "camera"
    (places in `ids` and `cameras`).
    """

    schema: int
    version: str  # of mouselift
    dataset: str
    profile: str
    verdict: Verdict
    sentence: str  # the verdict in words, with its cause
    passed: int
    failed: int
    unknown: int
    hull: bool  # coverage was computed
    counts: dict[str, CodeCount]  # findings about samples, by code
    findings: list[Finding]  # about the dataset as a whole
    causes: list[Cause]
    cameras: list[str]
    pooled: list[CameraNumbers]  # one a camera
    quantiles: dict[str, list[float]]  # of SAMPLE_NUMBERS, at QUANTILES
    rays: list[RayDistance]
    ids: list[str]
    sample_columns: dict[str, Column]
    view_columns: dict[str, Column]
    keypoints: list[KeypointFacts] = []  # one a recording that has some

    @property
    def samples(self) -> int:
        return len(self.ids)


def encode_audit(audit: DatasetAudit) -> bytes:
    """JSON; NaN becomes null. Equal audits give equal bytes."""
    return msgspec.json.encode(audit, enc_hook=_to_json) + b"\n"


def read_audit(path: Path) -> DatasetAudit:
    """The inverse, from a file that `mouselift audit --out` wrote. DatasetError where it is none."""
    try:
        data = limited_bytes(path, JSON_BYTES)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        audit = json_as(data, DatasetAudit, _from_json)
        if audit.schema == SCHEMA:
            _check_columns(audit)
    except ValueError as error:
        raise DatasetError(
            f"{path}: expected what `mouselift audit DATASET --out FILE` writes, got: {error}; run the audit again"
        ) from None
    if audit.schema != SCHEMA:
        raise DatasetError(f"{path}: expected schema {SCHEMA}, got {audit.schema}; run the audit again")
    return audit


def _check_columns(audit: DatasetAudit) -> None:
    """ValueError where a column is missing or of another length, or a number in it is the place of nothing."""
    views = len(audit.view_columns.get("sample", ()))
    for columns, wanted, rows in (
        (audit.sample_columns, {*SAMPLE_NUMBERS, "frame", "verdict"}, audit.samples),
        (audit.view_columns, {*VIEW_NUMBERS, "sample", "camera"}, views),
    ):
        if lost := sorted(wanted - columns.keys()):
            raise ValueError(f"no column {', '.join(lost)}")
        if wrong := sorted(key for key in wanted if len(columns[key]) != rows):
            raise ValueError(f"column {wrong[0]}: expected {rows} numbers, got {len(columns[wrong[0]])}")
    if any(len(values) != len(QUANTILES) for values in audit.quantiles.values()):
        raise ValueError(f"quantiles: expected {len(QUANTILES)} numbers of each figure")
    places = (
        ("verdict", audit.sample_columns["verdict"], len(VERDICTS)),
        ("sample", audit.view_columns["sample"], audit.samples),
        ("camera", audit.view_columns["camera"], len(audit.cameras)),
    )
    for key, column, count in places:
        if not np.isin(column, np.arange(count)).all():
            raise ValueError(f"column {key}: expected whole numbers from 0 to {count - 1}")


def _to_json(value: Any) -> Any:
    """float32 columns with the digits that they have."""
    if isinstance(value, np.ndarray):
        return [None if number != number else float(f"{number:.7g}") for number in value.tolist()]
    raise NotImplementedError(f"no JSON for {type(value)}")


def _from_json(kind: Any, value: Any) -> Any:
    if kind is np.ndarray:
        known = numbers([0.0 if number is None else number for number in value], (None,), most=_MOST)
        known[[number is None for number in value]] = np.nan
        return known.astype(np.float32)
    raise NotImplementedError(f"no value of {kind} from JSON")
