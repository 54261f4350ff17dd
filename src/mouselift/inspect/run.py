"""A capture in, its facts out: sampled, read once and in order, memory flat."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mouselift.capture.capture import Capture, load_capture
from mouselift.capture.source import CaptureSource, Track, open_source
from mouselift.dataset.source import DatasetSource
from mouselift.errors import CaptureError
from mouselift.findings import Finding
from mouselift.inspect.agreement import Agreement, agreement_findings, mask_findings
from mouselift.inspect.facts import Inspection, LagFacts, triple
from mouselift.inspect.lag import MIN_INSTANTS, MOVING_PX, judge, lag_findings
from mouselift.inspect.offsets import LagTables, lag_table
from mouselift.inspect.outlines import SeenFrame, motion_a_frame, watch
from mouselift.inspect.path import Place, jumps, path_facts, place_of, up_findings
from mouselift.inspect.rig import Recorded, camera_facts, common_view, pair_facts, rig_findings
from mouselift.inspect.sampling import Sampling, sample
from mouselift.media.images import ImageFolder
from mouselift.media.video import VideoInfo

Progress = Callable[[str, int, int], None]  # stage, done, total
_HULL_EVERY = 5  # instants between two hulls


def inspect_capture(
    path: Path, frames: int = 60, lag: int = 5, progress: Progress = lambda stage, done, total: None
) -> Inspection:
    """Facts and findings of the capture at `path` (the folder that holds capture.toml, or that file).

    `frames`: about this many instants are judged, spread over the recording. `lag`: offsets from -lag to +lag are
    tried; 0: none. Raises CaptureError, CalibrationError, VideoError or MaskError where the capture cannot be used.
    """
    if frames < 2 or lag < 0:
        raise CaptureError(f"inspect: expected at least 2 frames and a lag of at least 0, got {frames} and {lag}")
    capture = load_capture(path)
    source = open_source(capture)
    try:
        return _inspect(capture, source, frames, lag, progress)
    finally:
        source.close()


def masked_frames(source: CaptureSource | DatasetSource) -> list[int]:
    """Frames for which every camera that has masks has one; empty where no camera has any."""
    if isinstance(source, DatasetSource):
        return list(source.frames)
    tracks = [track.masks for track in source.tracks if track.masks is not None]
    if not tracks:
        return []
    sets = [_numbers(track) for track in tracks]
    common = set(source.frames).intersection(*sets)
    return sorted(common or set(source.frames).intersection(sets[0].union(*sets)))


def _numbers(track: Track) -> set[int]:
    if isinstance(track.media, ImageFolder):
        return {number - track.shift for number in track.media.files}
    return set(range(-track.shift, track.end))


@dataclass(eq=False)
class _Gathered:
    """What one pass over the sampled frames leaves behind."""

    agreement: Agreement
    places: list[Place] = field(default_factory=list)
    lag_frames: list[int] = field(default_factory=list)
    tables: list[np.ndarray] = field(default_factory=list)
    motions: dict[int, float | None] = field(default_factory=dict)  # instant -> pixels a frame


def _inspect(
    capture: Capture, source: CaptureSource | DatasetSource, frames: int, lag: int, progress: Progress
) -> Inspection:
    names = source.cameras
    still = isinstance(source, CaptureSource)  # a dataset's samples have each their own world: nothing to follow
    available = masked_frames(source)
    plan = sample(available, frames, lag if still else 0, capture.jumps) if available else Sampling((), (), 0)
    gathered = _gather(source, plan, names, progress)
    recorded = _recorded(capture, source)
    cameras = [r.camera for r in recorded]
    centre = np.median([p.centre for p in gathered.places], axis=0) if gathered.places else common_view(cameras)
    facts = tuple(camera_facts(r, centre, capture.up) for r in recorded)
    pairs = () if centre is None else pair_facts(cameras, centre)
    path = (
        path_facts(gathered.places, gathered.motions, plan.reach, source.rate, capture.up, capture.floor, cameras)
        if still
        else None
    )
    masks = gathered.agreement.masks() if plan.instants else ()
    agreement = gathered.agreement.facts()
    given = [r.frame_offset for r in recorded]
    lags, lag_said, late = _lags(gathered, names, plan, given, still, lag)
    findings = [
        *source.findings,
        *rig_findings(recorded, facts, pairs),
        *late,
        *agreement_findings(agreement, len(plan.instants), [f.camera for f in late if f.camera is not None]),
        *mask_findings(masks),
        *(jumps(gathered.places) if still else ()),
        *(up_findings(cameras, capture.up, capture.floor, path) if still else ()),
    ]
    rate = source.rate
    return Inspection(
        capture=str(capture.path),
        rig_format=capture.rig_format,
        unit=capture.unit,
        up=None if capture.up is None else triple(capture.up),
        floor=capture.floor,
        rate=rate,
        frames=len(source.frames),
        duration=round(len(source.frames) / rate, 3) if rate else None,
        instants=plan.instants,
        read=len(plan.frames),
        cameras=facts,
        pairs=pairs,
        centre=None if centre is None else triple(np.round(centre, 4)),
        masks=masks,
        series=gathered.agreement.series() if plan.instants else (),
        lag=lags,
        lag_said=lag_said,
        agreement=agreement,
        path=path,
        evidence=capture.evidence,
        findings=tuple(findings),
        next=_next(capture, plan, any(f.severity == "error" for f in findings)),
    )


def _gather(
    source: CaptureSource | DatasetSource, plan: Sampling, names: Sequence[str], progress: Progress
) -> _Gathered:
    """One pass: a window of 2 reach + 1 frames is held, and its middle judged when it is an instant."""
    out = _Gathered(Agreement(names))
    window: deque[SeenFrame] = deque(maxlen=2 * plan.reach + 1)
    kept: deque = deque(maxlen=plan.reach + 1)  # (frame set, place) from the window's middle on
    instants, done = set(plan.instants), 0
    for count, (seen, frameset) in enumerate(watch(source.read(plan.frames, images=False), names), start=1):
        if window and seen.frame != window[-1].frame + 1:
            window.clear()
            kept.clear()
        place = place_of(seen)
        if place is not None:
            out.places.append(place)
        window.append(seen)
        kept.append((frameset, place))
        if len(window) == window.maxlen and window[plan.reach].frame in instants:
            middle, (frames, where) = window[plan.reach], kept[0]
            out.agreement.add(middle, frames, where, carve=done % _HULL_EVERY == 0)
            _compare(out, list(window), plan.reach)
            done += 1
        progress("reading masks", count, len(plan.frames))
    return out


def _compare(out: _Gathered, window: Sequence[SeenFrame], reach: int) -> None:
    """The window's motion, and its lag table where the animal moves."""
    frame = window[reach].frame
    moved = out.motions[frame] = motion_a_frame(window)
    if moved is not None and moved >= MOVING_PX:
        out.lag_frames.append(frame)
        out.tables.append(lag_table(window))


def _lags(
    gathered: _Gathered, names: Sequence[str], plan: Sampling, given: Sequence[int], still: bool, lag: int
) -> tuple[tuple[LagFacts, ...], str, list[Finding]]:
    """(per camera, in words, findings)."""
    if not still:
        return (), "Not measured: a dataset's images are paired already; inspect the recording it was made of.", []
    if not plan.instants:
        return (), "Not measured: there are no masks.", []
    if lag == 0:
        return (), "Not measured: --lag 0.", []
    if plan.reach == 0:
        said = (
            f"Not measured: it needs masks of {2 * lag + 1} consecutive frames, and there are none. A stretch in which "
            "the animal moves is enough: mouselift mask CAPTURE --start 0 --stop 300 --out FOLDER --replace."
        )
        return (), said, []
    moving = len(gathered.tables)
    if moving < MIN_INSTANTS:
        said = (
            f"Undecided: the outline moves by {MOVING_PX} px a frame or more at {moving} of {len(gathered.motions)} "
            f"instants, {MIN_INSTANTS} are needed; while the animal rests, lag says nothing. More instants: --frames."
        )
        return (), said, []
    lags = LagTables(tuple(names), plan.reach, tuple(gathered.lag_frames), np.stack(gathered.tables))
    whole = judge(lags, given)
    said = (
        f"Offsets -{plan.reach} .. +{plan.reach} tried at {moving} of {len(gathered.motions)} instants, those at which "
        f"the outline moves by {MOVING_PX} px a frame or more."
    )
    return whole, said, list(lag_findings(whole, lags, given))


def _recorded(capture: Capture, source: CaptureSource | DatasetSource) -> list[Recorded]:
    """Cameras with their files; of a dataset, those of the first sample that has each."""
    if isinstance(source, DatasetSource):
        out = []
        for name in source.cameras:
            views = [view for sample in source.samples.values() for view in sample.views if view.camera.name == name]
            out.append(Recorded(views[0].camera, len(views), 0.0, 0, str(source.path), len(views)))
        return out
    out = []
    for track, camera in zip(source.tracks, capture.cameras, strict=True):
        media = track.images.media
        rate = media.rate if isinstance(media, VideoInfo) else 0.0
        masks = 0 if track.masks is None else len(_numbers(track.masks))
        count = media.frames if isinstance(media, VideoInfo) else len(media.files)
        out.append(Recorded(track.camera, count, rate, camera.frame_offset, str(media.path), masks))
    return out


def _next(capture: Capture, plan: Sampling, failed: bool) -> str:
    place = capture.path.parent
    if not plan.instants:
        return (
            f"No masks, so lag, agreement and the subject's path could not be measured. Next: mouselift mask {place} "
            f"(or name masks in {capture.path.name}), then inspect again."
        )
    if failed:
        return f"Mend the errors above, then: mouselift inspect {place}"
    return f"Next: mouselift prepare {place} OUT"
