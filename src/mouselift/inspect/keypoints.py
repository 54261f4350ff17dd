"""Keypoints of another tool against a recording's masks: what `inspect` says of them.

A silhouette says where an animal ends, a keypoint where a part of it is: labels are evidence of their own. A camera on
whose masks they do not lie has another calibration, other masks or another time; a keypoint that lies off the masks of
all cameras is badly labelled, or masks lack its part.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mouselift.capture.capture import Capture
from mouselift.capture.source import CaptureSource, masked_frames
from mouselift.dataset.source import DatasetSource
from mouselift.findings import Finding
from mouselift.inspect.facts import KeypointFacts
from mouselift.keypoints.keypoints import Keypoints
from mouselift.keypoints.on_mask import OnMaskTally
from mouselift.keypoints.registry import load_keypoints
from mouselift.progress import Progress
from mouselift.sampling import evenly_spaced

# From `python benchmarks/keypoints_on_mask.py 3` (docs/guides/inspect.md). Labels off by up to 4 mm an axis: with masks
# that lack the tail right cameras keep 0.49 or more, the first and the lowest of the others at most 0.08 apart. The
# worst keypoint of whole masks has 0.15, the tail's tip where masks lack it 0.08 or less. With whole masks and labels
# off by up to 2 mm, a camera that is 20 px off, has 5 % too much focal length or is late falls 0.13 below the others.
CAMERA_GAP = 0.1
NAME_LEAST, NAME_GAP = 0.12, 0.2
ALL_LEAST = 0.4
_SURE = 3.0  # standard errors of a share
_FEWEST = 5  # instants


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
    return facts_of(keypoints, tally)


def facts_of(keypoints: Keypoints, tally: OnMaskTally) -> KeypointFacts:
    """What was counted, worst first."""
    return KeypointFacts(
        file=str(keypoints.file),
        words=keypoints.words,
        notes=keypoints.notes,
        instants=tally.instants,
        share=_rounded(tally.share()),
        cameras=_worst_first({name: tally.share(camera=name) for name in tally.cameras}),
        names=_worst_first({name: tally.share(name=name) for name in tally.names}),
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _worst_first(shares: dict[str, float | None]) -> dict[str, float]:
    known = {name: round(share, 4) for name, share in shares.items() if share is not None}
    return dict(sorted(known.items(), key=lambda item: item[1]))


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
    if facts.instants < _FEWEST:
        return
    if facts.share < ALL_LEAST:
        text = (
            f"{facts.file}: {facts.share:.0%} of the keypoints lie on the masks ({facts.instants} instants, all "
            "cameras alike): they belong to another calibration, world, unit or frame numbering, or the cameras are "
            "wrong as a whole"
        )
        yield Finding.of("keypoints-off-mask", text, value=facts.share, limit=ALL_LEAST)
        return
    chance = _SURE * float(np.sqrt(facts.share * (1 - facts.share) / (facts.instants * len(facts.names))))
    for name, share, others in _below_others(facts.cameras, max(CAMERA_GAP, chance)):
        text = (
            f"camera {name}: {share:.0%} of the keypoints lie on its masks, {others:.0%} on the other cameras' "
            f"({facts.instants} instants): its calibration, its masks or its time is wrong"
        )
        yield Finding.of("keypoints-off-mask", text, camera=name, value=share, limit=others)
    for name, share, others in _below_others(facts.names, NAME_GAP):
        if share >= NAME_LEAST:
            continue
        text = (
            f"keypoint {name}: on the masks in {share:.0%} of its views, the other keypoints in {others:.0%} "
            f"({facts.instants} instants): it is badly labelled, or masks lack that part of the animal"
        )
        yield Finding.of("keypoints-off-mask", text, value=share, limit=NAME_LEAST)


def _below_others(shares: dict[str, float], gap: float) -> Iterator[tuple[str, float, float]]:
    """(name, its share, the median of the others) of those that lie `gap` below the others."""
    for name, share in shares.items():
        others = [value for other, value in shares.items() if other != name]
        middle = float(np.median(others)) if others else 0.0
        if share < middle - gap:
            yield name, share, middle
