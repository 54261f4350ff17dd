"""The samples of a recording share their cameras: what all of them together say of each camera.

Errors of masks change from sample to sample, errors of a camera do not. So rough masks and few views, of which one
sample alone says nothing, still leave a verdict over many. Everything is in pixels of the source image where the
samples' own record says how much they were magnified, else in pixels of the sample's images.

Per plane: how far the outlines miss each other, and how that changes with four numbers of either camera
(`consistency.sample_planes`). A camera is at fault if its best four numbers, fitted on half of the samples,
bring the outlines of the other half together. Fits are robust (Huber's weights), summaries are medians.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import msgspec
import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.audit.result import SampleReport
from mouselift.audit.verdict import verdict
from mouselift.consistency.sample_planes import SamplePlanes, by_camera, unit_words
from mouselift.findings import Finding
from mouselift.geometry.outline_mismatch import LEAST_PX, RATIO, ROUGH_PX, outline_mismatch

MOST_SAMPLES = 300  # pooled, evenly spaced: a median over 300 samples is known to a tenth of its spread
_LEAST_SAMPLES = 5  # as `mouselift inspect`: fewer instants say nothing
_SHARE = 0.05  # of the subject's size that outlines may miss each other by: more is no roughness
# By which a camera's change must shrink the mismatch of its planes. 43 samples of mouse_cylinder with right cameras,
# all of them and subsets of three: 0.6 to 1.2 (1.6, but by 0.9 px, over 8 samples). A focal length off by 3 %: 2.0 up.
_SHRINKS = 1.4
_CERTAIN = 4.0  # standard errors over samples by which it must help
_CAPPED = 5.0  # times the median: a lost tail counts so much and no more
_ROUNDS = 20  # of reweighting
# Outlines of exact masks with soft edges miss each other by 0.02 to 0.05 px of the source, of hard edges by 0.1 to 0.2
# (rounding to whole pixels: 0.29 px of sigma an outline). What changes of all cameras leave must be as rough as that.
_HARD_PX = 0.08
_MOST_SHRINK = 4.0  # mouse_cylinder: 1.5 with five right cameras, 1.3 to 3.2 with three (masks repeat themselves, too)
_MOST_CAMERAS = 16  # unknowns of all grow by four a camera


@dataclass(frozen=True)
class PooledCameras:
    """What the samples of one rig say together. Pixels: of the source where `source`, else of the samples' images."""

    samples: int
    source: bool
    mismatch_px: float  # the outline mismatch of all cameras
    size_share: float  # the same over the subject's size
    camera_px: dict[str, float]  # of the planes with each camera
    faulty: tuple[str, ...]  # cameras to blame
    because: str  # how that is known; empty where no camera is to blame
    settles: bool  # a sample that disagrees has rough masks: nothing that repeats itself explains what it sees

    @property
    def right(self) -> bool:
        """No camera is to blame, and outlines miss each other by no more than rough masks do."""
        return not self.because and self.mismatch_px <= ROUGH_PX and self.size_share <= _SHARE

    @property
    def unit(self) -> str:
        return unit_words(self.source)

    @property
    def fineness(self) -> str:
        """As sentences say it: how far a fault of a camera may still hide."""
        return f"cameras agree to {self.mismatch_px:.2g} {self.unit}, {100 * self.size_share:.2g} % of the animal"

    def findings(self) -> list[Finding]:
        """An error for each camera to blame; one that names none where all disagree beyond what masks do."""
        if not self.because:
            if not self.source or self.right:
                return []
            text = (
                f"over all samples the outlines of all views lie {self.mismatch_px:.1f} {self.unit} from where the "
                f"others put them, {self.size_share:.0%} of the animal, and no one camera explains it: the cameras do "
                "not belong to the images, or most masks do not show the animal"
            )
            return [Finding.of("camera-wrong", text, value=self.mismatch_px, limit=ROUGH_PX)]
        limit = RATIO if len(self.faulty) > 1 else _SHRINKS
        return [
            Finding.of("camera-wrong", self.because, camera=name, value=self.camera_px[name], limit=limit)
            for name in self.faulty
        ]


def pool_cameras(samples: Iterable[SamplePlanes]) -> PooledCameras | None:
    """Pools samples with the same cameras; None where fewer than five say anything, or fewer than two cameras."""
    known = [sample for sample in samples if len(sample.residual)]
    names = sorted({name for sample in known for name in sample.cameras})
    if len(known) < _LEAST_SAMPLES or len(names) < 2 or any(len(s.cameras) > len(names) for s in known):
        return None
    number = {name: k for k, name in enumerate(names)}
    view = np.concatenate([np.array([number[name] for name in s.cameras])[s.view] for s in known])
    residual = np.concatenate([s.residual for s in known]).astype(np.float64)
    reference = {name: sample.R[k] for sample in reversed(known) for k, name in enumerate(sample.cameras)}
    columns = np.concatenate([s.columns(reference) for s in known])
    owner = np.repeat(np.arange(len(known)), [len(s.residual) for s in known])
    planes = _Planes(view, residual, columns, owner)
    source = all(sample.source for sample in known)
    total = outline_mismatch(residual)
    size = float(np.nanmedian([sample.size_px for sample in known]))
    own = {name: outline_mismatch(residual[planes.of(k)]) for k, name in enumerate(names) if planes.of(k).any()}
    faulty, because, repeats = _blamed(planes, names, unit_words(source))
    settles = not repeats and _rough(planes, total, len(names))
    return PooledCameras(len(known), source, total, total / size, own, faulty, because, settles)


def _rough(planes: _Planes, total: float, cameras: int) -> bool:
    """Whether it is the masks by which outlines miss each other: changes of all cameras leave about as much."""
    if cameras > _MOST_CAMERAS:
        return False
    left = outline_mismatch(
        planes.left_by(by_camera(planes.view, planes.columns, cameras), np.ones(len(planes.residual), dtype=bool))
    )
    return left > _HARD_PX and total < _MOST_SHRINK * left


_ALONE = {"tangency", "tangency-unknown"}  # what one sample says of its cameras, and what all together may know better


def is_inconclusive(report: SampleReport) -> bool:
    """Whether the sample alone blames cameras, or cannot say."""
    return report.verdict == "unknown" or any(finding.code in _ALONE for finding in report.findings)


def settled(report: SampleReport, together: PooledCameras) -> SampleReport:
    """The report of a sample whose cameras all samples together have found right: its masks are rough."""
    if report.numbers.get("tangency_px") is None:
        return report
    findings: list[Finding] = []
    for finding in report.findings:
        if finding.code == "tangency":
            text = (
                f"{report.id}: rough masks: its outlines disagree by {report.numbers['tangency_px']:.1f} px RMS; its "
                f"cameras are those of all samples, which together say that they are right: {together.fineness}"
            )
            finding = Finding.of(
                "masks-rough", text, sample=report.id, frame=report.frame, value=report.numbers["tangency_px"]
            )
        if finding.code != "tangency-unknown":
            findings.append(finding)
    return msgspec.structs.replace(report, findings=findings, verdict=verdict(findings, compared=1.0))


@dataclass(frozen=True, eq=False)
class _Planes:
    view: np.ndarray  # [m, 2]
    residual: Float64[Array, " m"]
    columns: Float64[Array, "m 2 4"]
    sample: np.ndarray  # [m]

    def of(self, camera: int) -> np.ndarray:
        return (self.view == camera).any(axis=1)

    def left(self, camera: int) -> np.ndarray:
        """Residuals with one camera changed as the other half of the samples wants it."""
        return self.left_by((self.columns * (self.view == camera)[..., None]).sum(axis=1), self.of(camera))

    def left_by(self, columns: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Residuals with the planes `own` changed by `columns`, each half as the other half of the samples wants it."""
        out, half = self.residual.copy(), self.sample % 2
        for part in (0, 1):
            fitted, told = own & (half != part), own & (half == part)
            if fitted.sum() > columns.shape[1]:
                out[told] -= columns[told] @ _robust_fit(columns[fitted], self.residual[fitted])
        return out


def _robust_fit(columns: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Huber's M-estimate by reweighted least squares; the scale is the median of what is left."""
    size = np.maximum(np.linalg.norm(columns, axis=0), 1e-12)
    scaled, values = columns / size, np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        left = np.abs(residual - scaled @ values)
        weight = np.sqrt(1 / np.maximum(1.0, left / max(1.4826 * float(np.median(left)), 1e-6)))
        values = np.linalg.lstsq(scaled * weight[:, None], residual * weight, rcond=1e-4)[0]
    return values / size


def _blamed(planes: _Planes, names: Sequence[str], unit: str) -> tuple[tuple[str, ...], str, bool]:
    """(cameras to blame, why, whether some camera's change helps at all); the why is empty where none is to blame."""
    repeats = False
    total = outline_mismatch(planes.residual)
    cap, count = _CAPPED * total, int(planes.sample.max()) + 1
    found: list[tuple[float, str, str]] = []
    for k, name in enumerate(names):
        own, left = planes.of(k), planes.left(k)
        if not own.any():
            continue
        before, after = outline_mismatch(planes.residual[own]), outline_mismatch(left[own])
        gain = np.minimum(np.abs(planes.residual), cap) - np.minimum(np.abs(left), cap)
        each = np.bincount(planes.sample, gain, count)
        certain = each.mean() > _CERTAIN * each.std() / np.sqrt(count)
        repeats |= before > _SHRINKS * after and bool(certain)
        if before - after > LEAST_PX and before > _SHRINKS * after and certain:
            text = (
                f"camera {name}: over all samples its outlines lie {before:.1f} {unit} from where the others put them; "
            )
            if after > ROUGH_PX:
                text += "no small change of it explains that: it is exchanged with another camera, or stands elsewhere"
            else:
                text += (
                    f"one change of this camera, the same in all samples, leaves {after:.1f}: its calibration or its "
                    "place is wrong, not the masks"
                )
            found.append((float(gain.sum()), name, text))
    # Two cameras exchanged: no small change of one helps, and those that remain agree.
    alone = max(found, default=(0.0, "", ""))
    if total > ROUGH_PX and len(names) > 3:
        pairs = [
            (outline_mismatch(planes.residual[rest]), a, b)
            for a, b in combinations(range(len(names)), 2)
            if (rest := ~(planes.of(a) | planes.of(b))).sum() > count
        ]
        least, a, b = min(pairs, default=(total, 0, 0))
        corrected = outline_mismatch(planes.left(names.index(alone[1]))) if alone[1] else total
        if least * RATIO < total and least * RATIO < corrected:
            text = (
                f"cameras {names[a]} and {names[b]}: the outlines of all views lie {total:.1f} {unit} from where the "
                f"others put them, and {least:.1f} without these two: they are exchanged, or both are wrong"
            )
            return (names[a], names[b]), text, True
    return ((alone[1],), alone[2], True) if found else ((), "", repeats)
