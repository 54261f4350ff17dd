"""Keypoints of another tool against a recording's masks: what `inspect` says of them.

A silhouette says where an animal ends, a keypoint where a part of it is: labels are evidence of their own. A camera on
whose masks they do not lie has another calibration, other masks or another time; a keypoint that lies off the masks of
all cameras is badly labelled, or masks lack its part.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mouselift.capture.capture import Capture
from mouselift.capture.source import CaptureSource, masked_frames
from mouselift.dataset.source import DatasetSource
from mouselift.findings import Finding
from mouselift.keypoints.lag import MIN_INSTANTS, REACH, KeypointLag, KeypointLagTally
from mouselift.keypoints.off_mask import KeypointFacts, OffMask, facts_of, off_mask
from mouselift.keypoints.on_mask import OnMaskTally
from mouselift.keypoints.registry import load_keypoints
from mouselift.progress import Progress
from mouselift.sampling import evenly_spaced


def keypoint_facts(
    capture: Capture, source: CaptureSource | DatasetSource, instants: int, progress: Progress
) -> tuple[KeypointFacts | None, KeypointLag | None]:
    """At so many instants, evenly spaced over those with masks and keypoints; None where the capture names none.

    The lag is None as well where too few instants have keypoints at the frames about them. CaptureError as
    `load_keypoints`.
    """
    if capture.keypoints is None or isinstance(source, DatasetSource):
        return None, None
    keypoints, masked = load_keypoints(capture.keypoints, source.rate, capture.keypoints_offset), masked_frames(source)
    if not masked:
        facts = facts_of(str(keypoints.file), keypoints.words, keypoints.notes, OnMaskTally((), ()))
        return msgspec.structs.replace(facts, uncompared=("all of them, there are no masks yet",)), None
    frames = evenly_spaced(sorted(set(masked).intersection(keypoints.frames.tolist())), instants)
    tally, lag = OnMaskTally(source.cameras, keypoints.names), KeypointLagTally(keypoints)
    for count, frameset in enumerate(source.read(frames, images=False), start=1):
        points = keypoints.at(frameset.frame)
        assert points is not None  # these frames were chosen by it
        cameras, masks = [view.camera for view in frameset.views], [view.mask for view in frameset.views]
        tally.add(cameras, masks, points)
        lag.add(frameset.frame, cameras, masks)
        progress("laying keypoints on masks", count, len(frames))
    return facts_of(str(keypoints.file), keypoints.words, keypoints.notes, tally), lag.found()


def keypoint_lag_words(facts: KeypointFacts, lag: KeypointLag | None) -> str:
    """What is known of the keypoints' frame numbers; "" where nothing could be compared at all."""
    if facts.share is None:
        return ""
    if lag is None:
        return (
            f"Their frame numbers were not tested: it needs {MIN_INSTANTS} instants with masks and with keypoints at "
            f"the {REACH} frames before and after."
        )
    return f"Offsets of their frame numbers by -{REACH} .. +{REACH} tried at {lag.instants} instants: {lag.alike}."


def keypoint_lag_findings(facts: KeypointFacts | None, lag: KeypointLag | None, given: int) -> Iterator[Finding]:
    """Keypoints of other frames than the masks. given: the capture's `keypoints_offset`."""
    if facts is None or lag is None or not lag.off:
        return
    text = (
        f"{facts.file}: the masks of a frame show the keypoints of {abs(lag.best)} frame{'s' * (abs(lag.best) > 1)} "
        f"{'later' if lag.best > 0 else 'earlier'} ({lag.alike}; {lag.instants} instants, {lag.sigmas:.1f} standard "
        f"errors from 0): frames are numbered otherwise there, about keypoints_offset = {given + lag.best}"
    )
    yield Finding.of("keypoints-lag", text, value=float(lag.best), limit=0.0)


def keypoint_findings(facts: KeypointFacts | None) -> Iterator[Finding]:
    """The camera, or the keypoints, that stand out; else that nothing fits. Nothing where there are no masks."""
    if facts is None or not facts.table:
        return
    if facts.share is None:
        text = (
            f"{facts.file}: no frame has both keypoints and masks ({facts.words}); are they of this recording, and of "
            "its frame numbers?"
        )
        yield Finding.of("keypoints-off-mask", text)
        return
    for found in off_mask(facts):
        camera = found.name if found.kind in ("camera", "part") else None
        text = _words(facts, found)
        yield Finding.of("keypoints-off-mask", text, camera=camera, value=found.share, limit=found.limit)


def _words(facts: KeypointFacts, found: OffMask) -> str:
    if found.kind == "all":
        return (
            f"{facts.file}: {found.share:.0%} of the keypoints lie on the masks ({facts.instants} instants, all "
            "cameras alike): they belong to another calibration, world, unit or frame numbering, or the cameras are "
            "wrong as a whole"
        )
    if found.kind == "keypoint":
        return (
            f"keypoint {found.name}: on the masks in {found.share:.0%} of its views, the other keypoints in "
            f"{found.others:.0%} ({facts.instants} instants): it is badly labelled, or masks lack that part of the "
            f"animal{found.also}"
        )
    text = f"camera {found.name}: {found.share:.0%} of the keypoints lie on its masks, {found.others:.0%} on the other "
    if found.kind == "part":
        return (
            f"{text}cameras' ({facts.instants} instants), and all that it lacks are {found.part}: its masks lack that "
            "part of the animal"
        )
    return f"{text}cameras' ({facts.instants} instants): its calibration, its masks or its time is wrong"
