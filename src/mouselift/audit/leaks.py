"""Samples that are there twice, and lists whose validation samples training has seen: in both, near in time, or alike.

A sample's identity is the checksums of its images' files. Its likeness is each view's silhouette in 8 x 8 cells, a few
hundred bytes: two moments with the same silhouettes from all sides show the same pose. Colours are not compared, so
that an image that another tool brightened or encoded again is still found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mouselift.array_types import Array, Float64, Levels, UInt8
from mouselift.dataset.layout import LISTS, is_folder, lies_inside, lines_of
from mouselift.dataset.splits import neighbour_finding
from mouselift.errors import DatasetError
from mouselift.findings import Finding
from mouselift.foreign import short_text

CELLS = 8  # a side
ALIKE = 2.0  # levels of 255, root mean square over all cells: below it two samples show one pose
_CLOSE = 64  # samples of a side, read at every n-th pixel, before cells are averaged
_CHUNK = 512  # samples compared at a time: their distances to ten thousand others take 40 MB


@dataclass(frozen=True, eq=False)
class Likeness:
    """What is kept of one sample's images."""

    digests: tuple[int, ...]  # one a view
    cells: UInt8[Array, " k"]  # 64 a view, views in order


def likeness(alphas: Sequence[Levels], digests: Sequence[int]) -> Likeness:
    """Of one sample's views, in its order."""
    cells: list[np.ndarray] = []
    for alpha in alphas:
        close = cv2.resize(alpha, (_CLOSE, _CLOSE), interpolation=cv2.INTER_NEAREST)
        cells.append(np.asarray(cv2.resize(close, (CELLS, CELLS), interpolation=cv2.INTER_AREA)).ravel())
    return Likeness(tuple(digests), np.concatenate(cells) if cells else np.zeros(0, dtype=np.uint8))


def duplicate_samples(ids: Sequence[str], seen: Sequence[Likeness]) -> list[Finding]:
    """One warning where samples' images are, byte for byte, those of earlier ones."""
    first: dict[tuple[int, ...], str] = {}
    twins: list[tuple[str, str]] = []
    for name, like in zip(ids, seen, strict=True):
        twin = first.setdefault(like.digests, name) if like.digests else name
        if twin != name:
            twins.append((name, twin))
    if not twins:
        return []
    name, twin = twins[0]
    many = f"{len(twins)} samples repeat" if len(twins) > 1 else "1 sample repeats"
    text = f"{many} the images of an earlier one, byte for byte; the first: {name} repeats {twin}"
    return [Finding.of("duplicate-sample", text, sample=name, value=float(len(twins)), limit=0.0)]


def nearest_likeness(
    wanted: Sequence[Likeness], among: Sequence[Likeness]
) -> tuple[Float64[Array, " n"], list[int | None]]:
    """For each of `wanted`: (distance in levels, place) of the most alike in `among`; inf and None where none compares.

    Only samples with equally many views are compared.
    """
    distance = np.full(len(wanted), np.inf)
    place: list[int | None] = [None] * len(wanted)
    for length in {like.cells.size for like in wanted if like.cells.size}:
        mine = [i for i, like in enumerate(wanted) if like.cells.size == length]
        theirs = [i for i, like in enumerate(among) if like.cells.size == length]
        if not theirs:
            continue
        others = np.stack([among[i].cells for i in theirs]).astype(np.float32)
        squares = (others**2).sum(axis=1)
        for start in range(0, len(mine), _CHUNK):
            part = mine[start : start + _CHUNK]
            ours = np.stack([wanted[i].cells for i in part]).astype(np.float32)
            apart = squares - 2 * (ours @ others.T) + (ours**2).sum(axis=1)[:, None]
            best = apart.argmin(axis=1)
            for row, i in enumerate(part):
                exact = ours[row] - others[best[row]]  # the expanded square loses digits where it matters
                distance[i] = float(np.sqrt(np.mean(exact**2)))
                place[i] = theirs[int(best[row])]
    return distance, place


def read_splits(dataset: Path, depth: int = 1) -> tuple[dict[str, list[str]], list[Finding]]:
    """({"train": names of sample folders, "val": ...}, findings) from the dataset's lists; empty where there are none.

    Only the last `depth` parts of each line's path are used, as many as names of samples have: a dataset that was moved
    keeps its lists' meaning.
    """
    names: dict[str, list[str]] = {}
    found: list[Finding] = []
    if not dataset.is_dir():
        return names, found
    for split, name in LISTS.items():
        file = dataset / name
        if not file.is_file():
            continue
        if not lies_inside(dataset, file):  # the message below would quote it
            found.append(Finding.of("bad-list", f"{file}: is a link out of the dataset; not opened"))
            continue
        try:
            lines = [line for _, line in lines_of(file)]
        except DatasetError as error:
            found.append(Finding.of("bad-list", str(error)))
            continue
        names[split] = ["/".join(Path(line).parts[-depth:]) for line in lines]
        # An absolute line stays absolute.
        missing = [line for line in lines if not is_folder(dataset / line, of_others=True)]
        if missing:
            first = short_text(missing[0])
            text = f"{file}: {len(missing)} of {len(names[split])} lines name no folder, the first: {first}"
            found.append(Finding.of("stale-list", text, value=float(len(missing)), limit=0.0))
    return names, found


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
    known = sorted(f for f in frames if f is not None)
    if len(known) < 2 or len(set(known)) < len(known):
        return []
    theirs, mine = ({f: ids[i] for i in part if (f := frames[i]) is not None} for part in (train, val))
    found = neighbour_finding(np.array(list(theirs)), mine, int(np.diff(known).min()), frame_rate)
    return [] if found is None else [found]


def _alike(ids: Sequence[str], seen: Sequence[Likeness], train: list[int], val: list[int]) -> list[Finding]:
    """Validation samples whose silhouettes a training sample repeats."""
    distance, place = nearest_likeness([seen[i] for i in val], [seen[i] for i in train])
    close = [k for k in np.argsort(distance, kind="stable").tolist() if distance[k] < ALIKE]
    if not close:
        return []
    first = close[0]
    twin, name = place[first], str(ids[val[first]])
    other = "" if twin is None else f" {ids[train[twin]]}"
    text = (
        f"{len(close)} of {len(val)} validation samples look like a training sample; the most alike: "
        f"{name} and{other} ({distance[first]:.1f} levels apart)"
    )
    return [Finding.of("split-near-duplicates", text, sample=name, value=len(close) / len(val), limit=0.0)]
