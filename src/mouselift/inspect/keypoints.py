"""Keypoints of another tool against a recording's masks: what `inspect` says of them.

A silhouette says where an animal ends, a keypoint where a part of it is: labels are evidence of their own. A camera on
whose masks they do not lie has another calibration, other masks or another time; a keypoint that lies off the masks of
all cameras is badly labelled, or masks lack its part.
"""

from __future__ import annotations

from collections.abc import Iterator

from mouselift.capture.capture import Capture
from mouselift.capture.source import CaptureSource, masked_frames
from mouselift.dataset.source import DatasetSource
from mouselift.findings import Finding
from mouselift.keypoints.off_mask import KeypointFacts, OffMask, facts_of, off_mask
from mouselift.keypoints.on_mask import OnMaskTally
from mouselift.keypoints.registry import load_keypoints
from mouselift.progress import Progress
from mouselift.sampling import evenly_spaced


def keypoint_facts(
    capture: Capture, source: CaptureSource | DatasetSource, instants: int, progress: Progress
) -> KeypointFacts | None:
    """At so many instants, evenly spaced over those with masks and keypoints; None where the capture names none.

    CaptureError as `load_keypoints`.
    """
    if capture.keypoints is None or isinstance(source, DatasetSource):
        return None
    keypoints = load_keypoints(capture.keypoints, source.rate)
    frames = sorted(set(masked_frames(source)).intersection(keypoints.frames.tolist()))
    frames = evenly_spaced(frames, instants)
    tally = OnMaskTally(source.cameras, keypoints.names)
    for count, frameset in enumerate(source.read(frames, images=False), start=1):
        points = keypoints.at(frameset.frame)
        assert points is not None  # these frames were chosen by it
        tally.add([view.camera for view in frameset.views], [view.mask for view in frameset.views], points)
        progress("laying keypoints on masks", count, len(frames))
    return facts_of(str(keypoints.file), keypoints.words, keypoints.notes, tally)


def keypoint_findings(facts: KeypointFacts | None) -> Iterator[Finding]:
    """The camera, or the keypoints, that stand out; else that nothing fits."""
    if facts is None:
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
            "animal"
        )
    text = f"camera {found.name}: {found.share:.0%} of the keypoints lie on its masks, {found.others:.0%} on the other "
    if found.kind == "part":
        return (
            f"{text}cameras' ({facts.instants} instants), and all that it lacks are {', '.join(found.names)}: its "
            "masks lack that part of the animal"
        )
    return f"{text}cameras' ({facts.instants} instants): its calibration, its masks or its time is wrong"
