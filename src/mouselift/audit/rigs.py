"""Which samples share cameras, and what those of each rig say together: samples of different rigs are never pooled.

Samples share a rig where mouselift's own record says that their source cameras are the same ones; without a record,
where they lie in one recording's folder and name the same cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from mouselift.audit.pooled import MOST_SAMPLES, few_places, fineness, pooled_findings
from mouselift.consistency.pooled_tangency import PooledTangency, pool
from mouselift.consistency.sample_planes import SamplePlanes
from mouselift.diagnosis.cause import Cause
from mouselift.findings import Finding
from mouselift.sampling import evenly_spaced

# Samples a recording that are pooled, however many recordings: 32 blocks of `pooled_tangency`, and more
_LEAST_ASKED = 40
_EXPLAINED = 4  # recordings whose causes are looked for, those with most samples that disagree; two causes are told

RigKey = tuple[tuple[str, ...], int | Path]  # cameras; what tells the rig from others of these names


def recordings(folders: Sequence[Path]) -> dict[Path, list[int]]:
    """Numbers of samples by the folder in which they lie."""
    found: dict[Path, list[int]] = {}
    for number, folder in enumerate(folders):
        found.setdefault(folder.parent, []).append(number)
    return found


def pooled_samples(folders: Sequence[Path]) -> frozenset[int]:
    """Numbers of the samples whose planes are kept: evenly spaced in each recording."""
    groups = recordings(folders).values()
    most = max(MOST_SAMPLES // max(len(groups), 1), _LEAST_ASKED) if len(groups) > 1 else MOST_SAMPLES
    return frozenset(number for group in groups for number in evenly_spaced(group, most))


@dataclass(frozen=True, eq=False)
class Rigs:
    """What the samples of each rig say together, in the order in which rigs first appear."""

    of: Mapping[int, RigKey]  # by a sample's number
    together: Mapping[RigKey, PooledTangency]  # of rigs whose samples say anything
    labels: Mapping[RigKey, str]  # "" where there is one rig; else its recordings

    @classmethod
    def pooled(cls, planes: Mapping[int, SamplePlanes], asked: Collection[int], folders: Sequence[Path]) -> Rigs:
        """planes: of samples by their numbers; asked: those that are pooled."""
        of: dict[int, RigKey] = {}
        members: dict[RigKey, list[int]] = {}
        for number in sorted(planes):
            own = planes[number]
            of[number] = own.cameras, folders[number].parent if own.rig is None else own.rig
            members.setdefault(of[number], []).append(number)
        found = {key: pool([planes[n] for n in own if n in asked]) for key, own in members.items()}
        labels = {key: _label([folders[n].parent for n in own]) for key, own in members.items()}
        return cls(
            of,
            {key: one for key, one in found.items() if one is not None},
            labels if len(labels) > 1 else dict.fromkeys(labels, ""),
        )

    def of_sample(self, number: int) -> PooledTangency | None:
        """None where its rig's samples say nothing."""
        return self.together.get(self.of[number])

    def members(self, folders: Sequence[Path]) -> list[tuple[str, list[int]]]:
        """(what a rig is called, "" where there is one; numbers of all its samples). Where no sample of a recording
        has a known rig, the recording stands for one.
        """
        found: dict[RigKey | Path, list[int]] = {}
        for folder, own in recordings(folders).items():
            key = next((self.of[number] for number in own if number in self.of), folder)
            found.setdefault(key, []).extend(own)
        alone = len(found) == 1
        return [("" if alone else _label([folders[number].parent for number in own]), own) for own in found.values()]

    def findings(self, explained: bool) -> list[Finding]:
        """Of all rigs, each message beginning with its recordings where there are several."""
        found: list[Finding] = []
        for key, one in self.together.items():
            for finding in pooled_findings(one, explained):
                text = f"{self.labels[key]}: {finding.message}" if self.labels[key] else finding.message
                found.append(replace(finding, message=text))
        return found

    def fineness(self) -> str:
        """The sentence's end; "" where some rig's samples do not say that its cameras are right."""
        if not self.together or not all(one.right for one in self.together.values()):
            return ""
        if len(set(self.of.values())) > len(self.together):
            return ""
        worst = max(self.together.values(), key=lambda one: one.size_share)
        who = "All samples together" if len(self.together) == 1 else "Samples of each rig together, the least certain"
        return f" {who}: {fineness(worst)}; masks allow no finer{few_places(worst)}."

    @property
    def settles(self) -> bool:
        """Some rig's samples have rough masks and say so together."""
        return any(one.settles for one in self.together.values())


def causes_by_recording(
    numbers: Sequence[int], folders: Sequence[Path], causes_of: Callable[[list[Path], list[Path]], list[Cause]]
) -> list[Cause]:
    """Causes of the samples `numbers`: those of one recording at a time, since others have other cameras.

    causes_of: (samples to look behind, all of the same recording) -> their causes.
    """
    every = recordings(folders)
    wrong = {folder: [n for n in own if n in set(numbers)] for folder, own in every.items()}
    ranked = sorted((f for f in wrong if wrong[f]), key=lambda folder: -len(wrong[folder]))
    found: list[Cause] = []
    for folder in ranked[:_EXPLAINED]:
        for cause in causes_of([folders[n] for n in wrong[folder]], [folders[n] for n in every[folder]]):
            text = cause.sentence if len(every) == 1 else f"{folder.name}: {cause.sentence}"
            found.append(msgspec.structs.replace(cause, sentence=text))
    return found


def _label(parents: Sequence[Path]) -> str:
    names = list(dict.fromkeys(parent.name for parent in parents))
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more recordings with its rig"
