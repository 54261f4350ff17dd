"""A capture in, its facts out: sampled, each frame read once, memory flat."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from mouselift.capture.capture import Capture
from mouselift.capture.mask_lag import mask_lags
from mouselift.capture.scale import Scale
from mouselift.capture.source import CaptureSource, masked_frames, open_source
from mouselift.dataset.source import DatasetSource
from mouselift.findings import Finding
from mouselift.inspect.agreement import (
    AgreementTally,
    MeasuredInstant,
    agreement_findings,
    mask_findings,
    measure_instant,
)
from mouselift.inspect.facts import Inspection, LagFacts, PathFacts, triple
from mouselift.inspect.keypoints import (
    keypoint_facts,
    keypoint_findings,
    keypoint_lag_findings,
    keypoint_lag_words,
)
from mouselift.inspect.lag import MIN_INSTANTS, MOVING_PX, LagTables, lag_facts, lag_findings, lag_table
from mouselift.inspect.lost_frames import lost_frames
from mouselift.inspect.options import InspectOptions
from mouselift.inspect.rig import RecordedCamera, camera_facts, common_view, pair_facts, rig_findings
from mouselift.inspect.sampled_frames import (
    ChosenFrames,
    FrameOutlines,
    choose_frames,
    motion_a_frame,
    read_outlines,
    runs_of,
)
from mouselift.inspect.subject_path import SubjectPosition, jump_findings, path_facts, subject_position, up_findings
from mouselift.media.images import FrameSet
from mouselift.parallel import Engine, run_blocks, step, worker_count
from mouselift.prepare.selection import mask_flags
from mouselift.progress import Progress, counted, silent

_HULL_EVERY = 5  # instants between two hulls
_DEFAULTS = InspectOptions()


def inspect_capture(
    capture: Capture,
    options: InspectOptions = _DEFAULTS,
    *,
    workers: int = 1,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Inspection:
    """Facts and findings of a capture; nothing is changed.

    workers: processes that read masks, 0 one a core; engine: where they are read, in their place; the result does not
    depend on either. Raises CalibrationError, VideoError or MaskError where the capture cannot be used.

    Example:
        >>> found = ml.inspect_capture(ml.load_capture(Path("recordings/mouse7")))
        >>> found.failed, [str(finding) for finding in found.findings]
    """
    with closing(open_source(capture)) as source:
        return _inspect(capture, source, options, engine or worker_count(workers), progress)


@dataclass(eq=False)
class _Gathered:
    """What the sampled frames leave behind, in their order."""

    agreement: AgreementTally
    positions: list[SubjectPosition] = field(default_factory=list)
    tables: dict[int, np.ndarray] = field(default_factory=dict)  # moving instant -> its lag table
    motions: dict[int, float | None] = field(default_factory=dict)  # instant -> pixels a frame


def _inspect(
    capture: Capture,
    source: CaptureSource | DatasetSource,
    options: InspectOptions,
    runs_on: int | Engine,
    progress: Progress,
) -> Inspection:
    continuous = isinstance(source, CaptureSource)  # a dataset's samples have each their own world: nothing to follow
    lag = options.lag if continuous else 0
    chosen = choose_frames(masked_frames(source), options.instants, lag, capture.jumps, MIN_INSTANTS)
    gathered = _gather(source, chosen, runs_on, progress)
    recorded = _recorded(capture, source)
    cameras = [r.camera for r in recorded]
    centre = np.median([p.centre for p in gathered.positions], axis=0) if gathered.positions else common_view(cameras)
    facts = tuple(camera_facts(r, centre, capture.up) for r in recorded)
    pairs = () if centre is None else pair_facts(cameras, centre)
    path = (
        path_facts(gathered.positions, gathered.motions, chosen.reach, source.rate, capture.up, capture.floor, cameras)
        if continuous
        else None
    )
    masks = gathered.agreement.masks() if chosen.instants else ()
    agreement = gathered.agreement.facts()
    keypoints, keypoint_lag = keypoint_facts(capture, source, options.instants, progress)
    given = [r.frame_offset for r in recorded]
    advice = _LagAdvice(capture.path.parent, source.frames)
    lags, lag_said, late = _lags(gathered, chosen, given, continuous, options.lag, advice)
    distances = tuple(fact.distance for fact in facts) if centre is not None and continuous else ()
    scale = Scale(capture.unit, distances, None if path is None else path.length)
    findings = [
        *source.findings,
        *rig_findings(recorded, facts, pairs),
        *scale.findings(),
        *late,
        *agreement_findings(agreement, len(chosen.instants), [f.camera for f in late if f.camera is not None], masks),
        *mask_findings(masks),
        *(mask_lags(source.tracks) if isinstance(source, CaptureSource) else ()),
        *keypoint_findings(keypoints),
        *keypoint_lag_findings(keypoints, keypoint_lag, capture.keypoints_offset),
        *(jump_findings(gathered.positions, source.rate) if continuous else ()),
        *(up_findings(cameras, capture.up, capture.floor, path) if continuous else ()),
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
        instants=chosen.instants,
        read=len(chosen.frames),
        cameras=facts,
        lost=tuple(lost_frames(source.tracks)) if isinstance(source, CaptureSource) else (),
        pairs=pairs,
        centre=None if centre is None else triple(centre, 4),
        masks=masks,
        series=gathered.agreement.series() if chosen.instants else (),
        lag=lags,
        lag_said=lag_said,
        agreement=agreement,
        path=path,
        scale=scale.words if distances else "",
        evidence=capture.evidence,
        keypoints=keypoints,
        keypoint_lag=keypoint_lag,
        keypoint_lag_said="" if keypoints is None else keypoint_lag_words(keypoints, keypoint_lag),
        findings=tuple(findings),
        next=_next(capture, source, path, any(f.severity == "error" for f in findings)),
    )


@dataclass(frozen=True, eq=False)
class _ReadFrame:
    """One frame that was read, and what was measured there if it is an instant."""

    frame: int
    position: SubjectPosition | None
    instant: MeasuredInstant | None = None
    motion: float | None = None  # pixels a frame
    lags: np.ndarray | None = None  # the lag table of a moving instant


@dataclass(frozen=True, eq=False)
class _Job:
    """Reads runs of consecutive frames. A window of 2 reach + 1 frames is held, its middle measured if an instant."""

    source: CaptureSource | DatasetSource
    reach: int
    instants: dict[int, bool]  # frame -> whether a hull is carved there

    def __call__(self, block: Sequence[int]) -> Iterator[_ReadFrame]:
        size = 2 * self.reach + 1
        window: deque[tuple[FrameOutlines, FrameSet, SubjectPosition | None]] = deque(maxlen=size)
        for outlines, frameset in read_outlines(self.source.read(block, images=False), self.source.cameras):
            if window and outlines.frame != window[-1][0].frame + 1:
                window.clear()
            window.append((outlines, frameset, subject_position(outlines)))
            if len(window) == size and window[self.reach][0].frame in self.instants:
                yield self._measured([seen for seen, _, _ in window], *window[self.reach])
            yield _ReadFrame(outlines.frame, window[-1][2])
            step()

    def _measured(
        self,
        window: list[FrameOutlines],
        outlines: FrameOutlines,
        frameset: FrameSet,
        position: SubjectPosition | None,
    ) -> _ReadFrame:
        carved = position if self.instants[outlines.frame] else None
        instant = measure_instant(self.source.cameras, outlines, frameset, carved)
        moved = motion_a_frame(window)
        lags = lag_table(window) if moved is not None and moved >= MOVING_PX else None
        return _ReadFrame(outlines.frame, None, instant, moved, lags)


def _gather(
    source: CaptureSource | DatasetSource, chosen: ChosenFrames, runs_on: int | Engine, progress: Progress
) -> _Gathered:
    out = _Gathered(AgreementTally(source.cameras))
    instants = {frame: count % _HULL_EVERY == 0 for count, frame in enumerate(chosen.instants)}
    heard = counted(progress, "reading masks", 0, len(chosen.frames))
    found = run_blocks(_Job(source, chosen.reach, instants), runs_of(chosen), runs_on, heard)
    for read in sorted(found, key=lambda read: read.frame):  # blocks come in any order
        if read.position is not None:
            out.positions.append(read.position)
        if read.instant is None:
            continue
        out.agreement.add(read.instant)
        out.motions[read.frame] = read.motion
        if read.lags is not None:
            out.tables[read.frame] = read.lags
    return out


_STRETCH = 300  # frames: 3 s and more of the rates in use; an animal that walks does so longer


@dataclass(frozen=True)
class _LagAdvice:
    """Commands that would let lag be measured, for this capture."""

    folder: Path
    frames: Sequence[int]

    @property
    def _name(self) -> str:
        return shlex.quote(str(self.folder))

    def more_masks(self, positions: Sequence[SubjectPosition]) -> str:
        """A stretch in which the animal moves: where it gets farthest a frame between two instants with masks."""
        ways = [
            (float(np.linalg.norm(b.centre - a.centre)) / (b.frame - a.frame), (a.frame + b.frame) // 2)
            for a, b in pairwise(positions)
            if b.frame > a.frame
        ]
        last = self.frames[-1] + 1
        middle = max(ways)[1] if ways else self.frames[0]
        start = max(min(middle - _STRETCH // 2, last - _STRETCH), self.frames[0])
        where = "It moves most in this stretch, as far as masks tell" if ways else "Choose one in which it moves"
        stretch = f"--start {start} --stop {min(start + _STRETCH, last)}"
        return f"{where}: mouselift mask {self._name} {stretch} --out FOLDER --force."

    def more_instants(self, had: int) -> str:
        return f"mouselift inspect {self._name} --instants {3 * had}."


def _lags(
    gathered: _Gathered, chosen: ChosenFrames, given: Sequence[int], continuous: bool, lag: int, advice: _LagAdvice
) -> tuple[tuple[LagFacts, ...], str, list[Finding]]:
    """(per camera, in words, findings)."""
    if not continuous:
        return (), "Not measured: a dataset's images are paired already; inspect the recording it was made of.", []
    if not chosen.instants:
        return (), "Not measured: there are no masks.", []
    if lag == 0:
        return (), "Not measured: --lag 0.", []
    if chosen.reach == 0:
        needed = 2 * lag + MIN_INSTANTS
        if len(advice.frames) < needed:
            return (), f"Not measured: it needs {needed} frames, the recording has {len(advice.frames)}.", []
        said = (
            f"Not measured: it needs {MIN_INSTANTS} instants with masks of {2 * lag + 1} consecutive frames, and there "
            f"are not so many. {advice.more_masks(gathered.positions)}"
        )
        return (), said, []
    moving = len(gathered.tables)
    if moving < MIN_INSTANTS:
        said = (
            f"Undecided: the outline moves by {MOVING_PX} px a frame or more at {moving} of {len(gathered.motions)} "
            f"instants, {MIN_INSTANTS} are needed; while the animal rests, lag says nothing. More of them: "
            f"{advice.more_instants(len(gathered.motions))}"
        )
        return (), said, []
    tables = np.stack(list(gathered.tables.values()))
    lags = LagTables(gathered.agreement.names, chosen.reach, tuple(gathered.tables), tables)
    whole = lag_facts(lags, given)
    said = (
        f"Offsets -{chosen.reach} .. +{chosen.reach} tried at {moving} of {len(gathered.motions)} instants, those at "
        f"which the outline moves by {MOVING_PX} px a frame or more."
    )
    return whole, said, list(lag_findings(whole, lags, given))


def _recorded(capture: Capture, source: CaptureSource | DatasetSource) -> list[RecordedCamera]:
    """Cameras with their files; of a dataset, those of the first sample that has each."""
    if isinstance(source, DatasetSource):
        out = []
        for name in source.cameras:
            views = [view for sample in source.samples.values() for view in sample.views if view.camera.name == name]
            out.append(RecordedCamera(views[0].camera, len(views), 0.0, 0, str(source.path), len(views)))
        return out
    out = []
    for track, camera in zip(source.tracks, capture.cameras, strict=True):
        media = track.images.media
        masks = 0 if track.masks is None else len(track.masks.held)
        out.append(RecordedCamera(track.camera, media.frames, media.rate, camera.frame_offset, str(media.path), masks))
    return out


def _next(capture: Capture, source: CaptureSource | DatasetSource, path: PathFacts | None, failed: bool) -> str:
    folder, masked = shlex.quote(str(capture.path.parent)), masked_frames(source)
    flags = mask_flags(masked, source.frames)  # of masks at every n-th frame
    prepare = f"mouselift prepare {folder} OUT{f' {flags}' if flags else ''}"
    if capture.up is None and not failed:
        then = prepare if masked else f"mouselift mask {folder}"
        line = path is not None and path.normal is None
        why = " (the subject's path tells it only where it goes half its length and more both ways)" if line else ""
        return f"Next: {capture.how_to_set_up(None if path is None else path.normal)}{why}. Then: {then}"
    if not masked:
        return (
            f"No masks, so lag, agreement and the subject's path could not be measured. Next: mouselift mask {folder} "
            f"(or name masks in {capture.path.name}), then inspect again."
        )
    if failed:
        return "Mend the errors above, then look at it again the same way."
    return f"Next: {prepare}"
