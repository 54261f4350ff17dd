"""Does the validation list leak? Samples that are in both lists, next to one another in time, or alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mouselift.audit.duplicates import ALIKE, Likeness, nearest_likeness
from mouselift.dataset.layout import LISTS
from mouselift.findings import Finding

NEIGHBOUR_SECONDS = 0.5  # as prepare's own gap: nearer in time, a mouse shows the same pose
NEIGHBOUR_SHARE = 0.05  # of the validation samples: contiguous blocks without a gap stay below, shuffled lists do not


def read_splits(dataset: Path) -> tuple[dict[str, list[str]], list[Finding]]:
    """({"train": names of sample folders, "val": ...}, findings) from the dataset's lists; empty where there are none.

    Only the last part of each line's path is used: a dataset that was moved keeps its lists' meaning.
    """
    names: dict[str, list[str]] = {}
    found: list[Finding] = []
    if not dataset.is_dir():
        return names, found
    for split, name in LISTS.items():
        file = dataset / name
        if not file.is_file():
            continue
        try:
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        except (UnicodeDecodeError, OSError) as error:
            text = f"{file}: expected one sample folder a line, got: {error}"
            found.append(Finding.of("bad-list", text))
            continue
        names[split] = [Path(line).name for line in lines if line]
        missing = [line for line in lines if line and not _exists(dataset, line)]
        if missing:
            text = f"{file}: {len(missing)} of {len(names[split])} lines name no folder, the first: {missing[0]}"
            found.append(Finding.of("stale-list", text, value=float(len(missing)), limit=0.0))
    return names, found


def _exists(dataset: Path, line: str) -> bool:
    return (dataset / line).is_dir()  # an absolute line stays absolute


def split_findings(
    lists: Mapping[str, Sequence[str]],
    ids: Sequence[str],
    frames: Sequence[int | None],
    seen: Sequence[Likeness],
    frame_rate: float = 0.0,
) -> list[Finding]:
    """Leaks from `lists["train"]` to `lists["val"]`; ids, frames and seen are of the samples that were audited.

    frame_rate: frames per second of the source; 0 where it is not known: then only direct neighbours count.
    """
    both = sorted(set(lists.get("train", ())) & set(lists.get("val", ())))
    found: list[Finding] = []
    if both:
        text = f"{len(both)} samples are in both {LISTS['train']} and {LISTS['val']}, the first: {both[0]}"
        found.append(Finding.of("split-overlap", text, sample=both[0], value=float(len(both)), limit=0.0))
    place = {name: index for index, name in enumerate(ids)}
    train, val = (
        [place[n] for n in lists.get(split, ()) if n in place and n not in both] for split in ("train", "val")
    )
    if train and val:
        found += _neighbours(ids, frames, train, val, frame_rate)
        found += _alike(ids, seen, train, val)
    return found


def _neighbours(
    ids: Sequence[str], frames: Sequence[int | None], train: list[int], val: list[int], frame_rate: float
) -> list[Finding]:
    """Validation samples with a training sample next to them in time."""
    theirs = np.array(sorted(f for i in train if (f := frames[i]) is not None))
    mine = [(f, i) for i in val if (f := frames[i]) is not None]
    known = np.unique([f for f in frames if f is not None])
    if len(theirs) == 0 or not mine or len(known) < 2 or len(known) < len([f for f in frames if f is not None]):
        return []
    step = int(np.diff(known).min())
    reach = max(step, round(NEIGHBOUR_SECONDS * frame_rate)) if frame_rate > 0 else step
    if frame_rate > 0 and step > NEIGHBOUR_SECONDS * frame_rate:
        return []
    after = np.searchsorted(theirs, [f for f, _ in mine])
    gaps = [
        min(abs(int(theirs[k]) - frame) for k in (max(at - 1, 0), min(at, len(theirs) - 1)))
        for at, (frame, _) in zip(after.tolist(), mine, strict=True)
    ]
    near: list[int] = [sample for gap, (_, sample) in zip(gaps, mine, strict=True) if gap <= reach]
    if not near:
        return []
    share, first = len(near) / len(mine), str(ids[near[0]])
    text = (
        f"{len(near)} of {len(mine)} validation samples lie within {reach} frames of a training sample, the first: "
        f"{first}"
    )
    severity = "warning" if share > NEIGHBOUR_SHARE else "note"
    limit = NEIGHBOUR_SHARE
    return [Finding.of("split-neighbours", text, severity=severity, sample=first, value=share, limit=limit)]


def _alike(ids: Sequence[str], seen: Sequence[Likeness], train: list[int], val: list[int]) -> list[Finding]:
    """Validation samples whose silhouettes a training sample repeats."""
    distance, place = nearest_likeness([seen[i] for i in val], [seen[i] for i in train])
    close = [k for k in np.argsort(distance, kind="stable").tolist() if distance[k] < ALIKE]
    if not close:
        return []
    first = close[0]
    twin = place[first]
    other = "" if twin is None else f" {ids[train[twin]]}"
    text = (
        f"{len(close)} of {len(val)} validation samples look like a training sample; the most alike: "
        f"{ids[val[first]]} and{other} ({distance[first]:.1f} levels apart)"
    )
    value = len(close) / len(val)
    mine = str(ids[val[first]])
    return [Finding.of("split-near-duplicates", text, sample=mine, value=value, limit=0.0)]
