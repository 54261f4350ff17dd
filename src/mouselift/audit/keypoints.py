"""Keypoints of the recording against the alphas of its samples: a check apart from the silhouettes.

A silhouette says where the animal ends, a keypoint where a part of it is, and people or another network placed it. All
cameras see the same points in space, so a camera on whose alphas alone they do not lie is at fault, or its masks are,
unless the points are wrong in a direction that only this camera sees. What is found is therefore a warning and never
fails a dataset: that is for silhouettes to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mouselift.audit.result import Verdict
from mouselift.dataset.sample import Sample
from mouselift.findings import Finding
from mouselift.keypoints.off_mask import FEWEST, KeypointFacts, OffMask, facts_of, off_mask
from mouselift.keypoints.on_mask import OnMaskTally

CODE = "keypoints-off-mask"
# From `python benchmarks/keypoints_on_mask.py 3`: with labels off by 4 mm an axis and masks that lack the tail, no
# instant of right cameras has less than 0.44; of keypoints that are those of half a second later, the lowest has 0.15
# to 0.23, whatever the labels' errors.
SAMPLE_LEAST = 0.35
_BLAMED = 0.2  # of a recording's samples: a camera that silhouettes blame in so many is blamed by them


@dataclass(frozen=True, eq=False)
class SampleTally:
    """One sample's keypoints, laid on its alphas."""

    file: str
    format: str
    tally: OnMaskTally


def compare_keypoints(sample: Sample) -> SampleTally | None:
    """None where the sample has no keypoints. Views whose subject the sensor cut are left out, and counted as such."""
    if sample.keypoints is None:
        return None
    told, views = sample.keypoints, sample.views
    tally = OnMaskTally([view.name for view in views] + [camera.name for camera in sample.unseen], told.names)
    alphas = [None if view.cut else view.alpha for view in views] + [None for _ in sample.unseen]
    tally.add(sample.cameras, alphas, told.points)
    return SampleTally(told.file, told.format, tally)


def few_on_alpha(sample: Sample, found: SampleTally | None) -> list[Finding]:
    """A warning where hardly any of one sample's keypoints lie on its alphas."""
    share = None if found is None else found.tally.share()
    if share is None or share >= SAMPLE_LEAST:
        return []
    text = (
        f"{share:.0%} of its keypoints lie on its alphas: they are of another instant, world or unit, or its cameras "
        "or masks are wrong"
    )
    return [sample.finding(CODE, text, value=share, limit=SAMPLE_LEAST)]


@dataclass(eq=False)
class LabelledRecordings:
    """What is counted of each recording, by the folder in which its samples lie."""

    tallies: dict[Path, OnMaskTally] = field(default_factory=dict)
    first: dict[Path, tuple[int, SampleTally]] = field(default_factory=dict)  # of each the first sample that has some
    samples: Counter[Path] = field(default_factory=Counter)  # with and without keypoints

    def add(self, recording: Path, number: int, found: SampleTally | None) -> None:
        """Sample `number`; in any order."""
        self.samples[recording] += 1
        if found is None:
            return
        before = self.tallies.get(recording)
        self.tallies[recording] = found.tally if before is None else before.merged(found.tally)
        if recording not in self.first or number < self.first[recording][0]:
            self.first[recording] = number, found

    def facts(self) -> dict[Path, KeypointFacts]:
        """Of the recordings that have keypoints, by name."""
        out: dict[Path, KeypointFacts] = {}
        for recording in sorted(self.tallies):
            first, samples = self.first[recording][1], self.samples[recording]
            tally = self.tallies[recording].in_order_of(first.tally)
            label = f"{recording.name}: " if len(self.samples) > 1 else ""
            words = f"{label}{first.format}: {len(tally.names)} keypoints in {tally.instants:,} of {samples:,} samples"
            out[recording] = facts_of(first.file, words, (), tally, samples - tally.instants)
        return out


def recording_findings(
    facts: Mapping[Path, KeypointFacts], blamed: Mapping[tuple[Path, str], int], fails: bool
) -> list[Finding]:
    """What stands out in each recording.

    blamed: in how many samples of a recording the silhouettes blame a camera. fails: they contradict cameras at all.
    """
    found: list[Finding] = []
    for recording, own in facts.items():
        label = f"{recording.name}: " if len(facts) > 1 else ""
        for one in off_mask(own):
            camera = one.name if one.kind in ("camera", "part") else None
            sure = blamed.get((recording, camera or ""), 0) > _BLAMED * own.instants
            text = f"{label}{_words(own, one, sure and camera is not None, fails)}"
            found.append(Finding.of(CODE, text, camera=camera, value=one.share, limit=one.limit))
    return found


def _words(facts: KeypointFacts, one: OffMask, blamed: bool, fails: bool) -> str:
    samples = f"{facts.instants:,} samples"
    if one.kind == "all":
        text = f"{one.share:.0%} of the keypoints of {facts.file} lie on the alphas ({samples}, all cameras alike): "
        other = "they are of another calibration, world, unit or frame numbering"
        if fails:
            return f"{text}the cameras are wrong, as other findings say, or {other}"
        return f"{text}{other}, or the cameras are wrong in a way that silhouettes do not show, as a zoom of all"
    if one.kind == "keypoint":
        return (
            f"keypoint {one.name}: on the alphas in {one.share:.0%} of its views, the other keypoints in "
            f"{one.others:.0%} ({samples}): masks lack that part of the animal, or it is badly labelled{one.also}"
        )
    text = (
        f"camera {one.name}: {one.share:.0%} of the keypoints lie on its alphas, {one.others:.0%} on the other "
        f"cameras' ({samples})"
    )
    if one.kind == "part":
        return f"{text}, and all that it lacks are {one.part}: its masks lack that part of the animal"
    text += ": its calibration, its masks or its time is wrong"
    if blamed:
        return f"{text}, and the silhouettes blame it too"
    if fails:
        return f"{text}; the silhouettes find fault with the cameras too"
    return (
        f"{text}; nothing in the silhouettes says so, so the keypoints may be wrong instead, in a direction that the "
        "other cameras hardly see"
    )


def keypoint_sentence(answer: Verdict, facts: Mapping[Path, KeypointFacts], found: Sequence[Finding]) -> str:
    """The verdict's last words: that keypoints contradict it, or what they say where nothing else does; else ""."""
    if answer == "pass" and found:
        return " Keypoints of the recording say otherwise (`keypoints-off-mask`): look at them."
    agree = [own.share for own in facts.values() if own.share is not None and own.instants >= FEWEST]
    if answer == "unknown" and agree and not found:
        return f" Of the recording's keypoints {min(agree):.0%} lie on the alphas: no camera is grossly wrong."
    return ""
