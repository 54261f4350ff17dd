"""One capture prepared by many jobs that know nothing of one another: a cluster's array, rules of a workflow.

Every shard makes its blocks of frames in the one folder, with a journal of its own. A merge makes no sample: it reads
the journals and writes what a run alone would have written. A zoom over the dataset needs one pass more, before: each
shard measures its blocks, and its result is a file.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from mouselift.atomic import TEMPORARY, write_whole
from mouselift.capture.capture import Capture
from mouselift.dataset.description import DATASET_FILE
from mouselift.errors import DatasetError, FramingError
from mouselift.foreign import json_as
from mouselift.framing.framing import DatasetZoom
from mouselift.parallel import Engine, worker_count
from mouselift.prepare.options import PrepareOptions, Shard
from mouselift.prepare.pipeline import run_preparation, smallest, wanted_zooms
from mouselift.prepare.preparation import Preparation
from mouselift.prepare.totals import PrepareSummary
from mouselift.progress import Progress, silent
from mouselift.run_lock import LOCK
from mouselift.strings_as_paths import takes_paths

_ZOOM = f"{TEMPORARY}zoom-"  # removed with all that is unfinished, when the dataset is complete
_NAMED = 8  # shards that an error names


class _MeasuredZoom(msgspec.Struct):
    """What the first pass of one shard found. `of`: of which preparation and frames."""

    of: str
    zoom: DatasetZoom | None


@takes_paths
def measure_shard(
    capture: Capture,
    out: Path,
    options: PrepareOptions,
    shard: Shard,
    *,
    workers: int = 0,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> int:
    """The first pass over a shard's masks, where one zoom is shared by the whole dataset; the number of frames read.

    All shards measure before the first is prepared. FramingError for another scope; other errors and parameters as
    `prepare_dataset`.

    Example:
        >>> options = ml.PrepareOptions(preset="canonical", scope="dataset")
        >>> ml.measure_shard(capture, Path("out/mouse7"), options, ml.Shard(0, 4))
    """
    work = Preparation(capture, out, options)
    if work.framing.zoom.scope != "dataset":
        raise FramingError("--measure: expected --scope dataset; other framings need no first pass")
    blocks = work.blocks(shard)
    found = list(wanted_zooms(work, blocks, engine or worker_count(workers), progress))
    work.source.close()
    measured = _MeasuredZoom(_of(work), smallest(found) if found else None)
    write_whole(out / f"{_ZOOM}{shard.name}.json", msgspec.json.encode(measured), replace=True)
    return sum(map(len, blocks))


@takes_paths
def prepare_shard(
    capture: Capture,
    out: Path,
    options: PrepareOptions,
    shard: Shard,
    *,
    workers: int = 0,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> PrepareSummary:
    """Makes the samples of one shard of a capture, while other jobs make theirs in the same folder.

    All shards are given the same capture, options and count; `merge_shards` completes the dataset. DatasetError where
    this shard is being made already, or the first pass (`measure_shard`) that the framing needs is missing; other
    errors and parameters as `prepare_dataset`.

    Example:
        >>> for index in range(4):  # each in a job of its own
        ...     ml.prepare_shard(capture, Path("out/mouse7"), ml.PrepareOptions(), ml.Shard(index, 4))
        >>> ml.merge_shards(capture, Path("out/mouse7"), ml.PrepareOptions())
    """
    work = Preparation(capture, out, options)
    with work.begun(_shared(work), shard):
        run_preparation(work, engine or worker_count(workers), progress)
        return work.stopped()


@takes_paths
def merge_shards(capture: Capture, out: Path, options: PrepareOptions) -> PrepareSummary:
    """Completes the dataset that shards filled: the bytes are those of a run alone. No sample is made.

    capture, out, options: those of the shards. DatasetError where samples are missing, with the shards that have not
    finished, or a shard still writes.

    Example:
        >>> ml.merge_shards(capture, Path("out/mouse7"), ml.PrepareOptions()).kept
    """
    work = Preparation(capture, out, options)
    if not (out / DATASET_FILE).is_file():
        raise DatasetError(f"{out}: expected what `mouselift prepare ... --shard I/N` made, found no dataset.json")
    with work.begun(_shared(work)):
        missing = {frame for block in work.todo() for frame in block}
        if missing:
            raise DatasetError(
                f"{out}: {len(missing)} of {len(work.asked)} selected frames are not there yet, the first: "
                f"{min(missing)}{_whose(work, missing)}. Give the command without --merge to make them here"
            )
        return work.complete()


def _whose(work: Preparation, missing: set[int]) -> str:
    """The shards that should have made them, where all were cut alike."""
    found = [re.fullmatch(rf"{re.escape(LOCK)}-\d+-of-(\d+)", path.name) for path in work.out.iterdir()]
    counts = {int(match[1]) for match in found if match}
    if len(counts) != 1:
        return ""
    (count,) = counts
    unfinished = [i for i in range(count) if missing & {f for block in work.blocks(Shard(i, count)) for f in block}]
    named = ", ".join(f"{i}/{count}" for i in unfinished[:_NAMED]) + (", ..." if len(unfinished) > _NAMED else "")
    return f"; shards that have not finished: {named}"


def _of(work: Preparation) -> str:
    said = work.identity(None), list(work.frames)
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def _shared(work: Preparation) -> DatasetZoom | None:
    """Of the first pass's files, where the framing needs them. DatasetError where one is missing or of another run."""
    if work.framing.zoom.scope != "dataset":
        return None
    names = {path.name for path in work.out.glob(f"{_ZOOM}*.json")}
    counts = sorted({int(name.removesuffix(".json").rpartition("-")[2]) for name in names})
    wanted = [[f"{_ZOOM}{Shard(i, count).name}.json" for i in range(count)] for count in counts]
    whole = next((parts for parts in wanted if names.issuperset(parts)), None)
    if whole is None:
        there = ", ".join(sorted(name.removeprefix(_ZOOM).removesuffix(".json") for name in names)) or "none"
        raise DatasetError(
            f"{work.out}: a zoom over the dataset needs a first pass by all shards; there so far: {there}. Give the "
            "same command with --measure for each shard, and then this one"
        )
    found: list[_MeasuredZoom] = []
    for name in whole:
        try:
            found.append(json_as((work.out / name).read_bytes(), _MeasuredZoom))
        except ValueError as error:
            raise DatasetError(
                f"{work.out / name}: is not what --measure writes ({error}); delete it, and give the command with "
                "--measure again for that shard"
            ) from None
    if any(part.of != _of(work) for part in found):
        raise DatasetError(
            f"{work.out}: the first pass was made with other frames, options or sources; give the command with "
            "--measure again for each shard"
        )
    return smallest(part.zoom for part in found if part.zoom is not None)
