"""One instant made into one sample: plan, warp, encode, and the record of what was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import msgspec
import numpy as np

from mouselift.array_types import Array, Int64, Levels, Vector3
from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.errors import FramingError, LensFoldError, MaskError
from mouselift.findings import Finding
from mouselift.framing.framing import DatasetZoom, Framing
from mouselift.framing.plan import SamplePlan, ViewPlan
from mouselift.framing.planning import plan_sample
from mouselift.geometry.outlines import HALF_LEVEL, Silhouette
from mouselift.keypoints.keypoints import DatasetKeypoints, Keypoints
from mouselift.media.images import FrameSet, ViewFrame
from mouselift.media.png import encode_png
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.resample import warp_view

Status = Literal["kept", "dropped"]
_DISAGREE_SHARE = 0.15  # of the subject's size: masks whose centres miss each other by more are worth a look


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of manifest.jsonl."""

    id: str
    frame: int
    status: Status
    time: float | None = None  # seconds from the first frame, where the rate is known
    reason: str | None = None  # of a dropped sample: a finding's code
    split: str | None = None  # train, val, gap; filled in when all samples are known
    centre: tuple[float, float, float] | None = None  # of the subject, source world
    centre_rms_px: float | None = None
    views: list[dict[str, Any]] = []
    findings: list[Finding] = []


@dataclass(frozen=True, eq=False)
class Setting:
    """What all samples of a dataset share."""

    options: PrepareOptions
    framing: Framing
    cameras: tuple[str, ...]  # names; a view's number is its camera's place here
    up: Vector3  # source world
    shared: DatasetZoom | None  # for a zoom over the dataset
    rate: float  # frames per second; 0 where it is not known
    provenance: dict[str, Any]  # goes into every sample's file
    keypoints: Keypoints | DatasetKeypoints | None = None  # in the world of the frames' cameras


@dataclass(frozen=True, eq=False)
class SubjectMask:
    """A mask without specks, which is resampled, and its silhouette, which framing needs."""

    mask: Levels  # specks removed
    silhouette: Silhouette


def subject_mask(mask: Levels, speck: float) -> SubjectMask | None:
    """The subject in a mask as it comes, less the parts below `speck` x the largest part's area; None where no pixel
    reaches one half.

    Parts are connected (8 neighbours) over all levels above zero, so that a soft edge stays with its part.
    """
    x, y, w, h = cv2.boundingRect(mask)
    crop = mask[y : y + h, x : x + w]
    solid = crop >= HALF_LEVEL
    if not solid.any():
        return None
    count, found = cv2.connectedComponents((crop > 0).astype(np.uint8), connectivity=8)
    labels = np.asarray(found, dtype=np.int32)
    if count > 2:
        area = np.bincount(labels[solid], minlength=count)
        keep = area >= max(speck * float(area[1:].max()), 1.0)
        keep[0] = False
        if not keep[1:].all():
            mask = mask.copy()
            crop = np.where(keep[labels], crop, 0).astype(np.uint8)
            mask[y : y + h, x : x + w] = crop
            solid = crop >= HALF_LEVEL
    height, width = mask.shape
    return SubjectMask(mask, Silhouette.from_mask(solid, (x, y), (width, height)))


def sample_id(frame: int) -> str:
    return f"sample_{frame:06d}"


def sample_ids(frames: Int64[Array, " f"]) -> Iterator[str]:
    return (sample_id(int(frame)) for frame in frames)


def usable_views(
    frameset: FrameSet, options: PrepareOptions, images: bool = True
) -> tuple[list[ViewFrame], list[SubjectMask], list[Finding]]:
    """The views that have all they need, and a finding for each one that has not, or whose subject is cut."""
    views: list[ViewFrame] = []
    subjects: list[SubjectMask] = []
    findings: list[Finding] = []
    for view in frameset.views:
        subject = None if view.mask is None else subject_mask(view.mask, options.speck)
        problem = _problem(view, subject, images)
        if subject is not None and problem is None:
            views.append(view)
            subjects.append(subject)
            if subject.silhouette.touches_border():
                problem = "cut-by-sensor", "the mask touches the image's border"
        if problem is not None:
            code, text = problem[0], f"{view.where}: {problem[1]}"
            found = Finding.of(code, text, severity="warning", camera=view.camera.name, frame=frameset.frame, advice="")
            findings.append(found)
    return views, subjects, findings


def _problem(view: ViewFrame, subject: SubjectMask | None, images: bool) -> tuple[str, str] | None:
    if images and view.image is None:
        return "missing-image", "the image is missing or damaged"
    if view.mask is None:
        return "missing-mask", "there is no mask"
    if subject is None:
        return "empty-mask", f"the mask is empty (highest level {int(view.mask.max())}, expected 255)"
    return None


def verdict(findings: Sequence[Finding], remaining: int, options: PrepareOptions) -> str | None:
    """The code for which a sample is dropped, or None. MaskError where the policy is `fail`."""
    for finding in findings:
        cut = finding.code == "cut-by-sensor"
        policy = options.on_cut if cut else options.on_missing
        if policy == "fail":
            raise MaskError(f"{finding.message}; `{'--on-cut' if cut else '--on-missing'} drop` leaves it out")
        if policy == "drop":
            return finding.code
    return None if remaining >= 2 else "too-few-views"


def make_sample(frameset: FrameSet, setting: Setting) -> tuple[Record, dict[str, bytes]]:
    """(record, files by their path in the sample's folder; none where it is dropped). Any run makes the same bytes."""
    options, frame = setting.options, frameset.frame
    views, subjects, findings = usable_views(frameset, options)
    reason, plan = verdict(findings, len(views), options), None
    if reason is None:
        cameras, silhouettes = [view.camera for view in views], [subject.silhouette for subject in subjects]
        try:
            plan = plan_sample(setting.framing, cameras, silhouettes, setting.up, shared=setting.shared)
        except (FramingError, LensFoldError) as error:
            findings.append(Finding.of("no-framing", f"frame {frame}: {error}", frame=frame))
            reason = "no-framing"
    time = frame / setting.rate if setting.rate > 0 else None
    if plan is None:
        return Record(sample_id(frame), frame, "dropped", time, reason, findings=findings), {}
    findings += _plan_findings(plan, frame)
    files: dict[str, bytes] = {}
    entries: list[ViewEntry] = []
    for index, (view, subject) in enumerate(zip(views, subjects, strict=True)):
        assert view.image is not None  # `usable_views` leaves out views without one
        rgba = warp_view(
            plan.views[index],
            view.image,
            subject.mask,
            interpolation=options.interpolation,
            background=options.background,
        )
        number = setting.cameras.index(view.camera.name)  # a view keeps its number when others are missing
        path = f"images/cam_{number:03d}.png"
        files[path] = encode_png(rgba)
        entries.append(ViewEntry(plan.written_camera(index), path, number))
    x, y, z = plan.centre.tolist()
    record = Record(
        sample_id(frame),
        frame,
        "kept",
        time,
        centre=(x, y, z),
        centre_rms_px=plan.centre_rms_px,
        views=[_view_record(view) for view in plan.views],
        findings=findings,
    )
    extra = {"provenance": setting.provenance, "record": record, "plan": msgspec.Raw(plan.to_json())}
    keypoints = None if setting.keypoints is None else setting.keypoints.of_sample(frame, plan.world)
    if keypoints is not None:
        extra["keypoints"] = keypoints.to_record()
    return record, {**files, CAMERAS_FILE: sample_json(record.id, entries, extra)}


def _view_record(view: ViewPlan) -> dict[str, Any]:
    same = ("scale", "focal", "magnification", "distance", "residual_px", "trusted")
    return {
        "camera": view.name,
        **{name: getattr(view, name) for name in same},
        "fill_before": None if view.fill_before is None else view.fill_before.area,
        "fill_after": None if view.fill_after is None else view.fill_after.area,
        "cut": view.cut,
        "clipped": view.clipped,
    }


def _plan_findings(plan: SamplePlan, frame: int) -> list[Finding]:
    found: list[Finding] = []
    if plan.legacy:
        text = "preset `legacy`: the cameras do not belong to the pixels, on purpose; never train on it"
        found.append(Finding.of("legacy", text, severity="warning", frame=frame, advice=""))
    for view in plan.views:
        if view.fill_before is None or view.residual_px is None:
            continue
        size = view.fill_before.area * (view.source.width * view.source.height) ** 0.5
        if view.residual_px > _DISAGREE_SHARE * size:
            text = (
                f"{view.name} frame {frame}: the mask's centre lies {view.residual_px:.1f} px from where "
                f"the other views put it (subject about {size:.0f} px); a wrong mask or calibration, or a lag?"
            )
            found.append(Finding.of("centres-disagree", text, camera=view.name, frame=frame))
    return found
