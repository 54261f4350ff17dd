"""capture -> dataset, streaming: memory does not grow with the recording's length.

The order of work: open and check the source; for a zoom over the whole dataset, one pass over the masks;
then block after block (cut at key frames) read, plan, warp, write; then manifest and lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mouselift.capture.capture import Capture
from mouselift.dataset.description import warn_of_unfinished
from mouselift.errors import FramingError
from mouselift.framing.framing import DatasetZoom
from mouselift.parallel import Engine, run_blocks, worker_count
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.preparation import Preparation
from mouselift.prepare.totals import PrepareSummary
from mouselift.progress import Progress, counted, silent
from mouselift.strings_as_paths import takes_paths


@takes_paths
def prepare_dataset(
    capture: Capture,
    out: Path,
    options: PrepareOptions = PrepareOptions(),
    *,
    workers: int = 0,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> PrepareSummary:
    """Makes or completes the dataset `out` from a capture: every image is resampled once, with its camera.

    A killed run goes on where it stopped when it is called again, to the same bytes; a denser selection adds to a
    sparser one. workers: processes, 0 one a core; engine: where blocks run, in their place; the result does not depend
    on either. MouseliftError, with what to do, where the capture is unusable, the folder belongs to another
    preparation, or a policy says `fail`; finished samples stay.

    Example:
        >>> summary = prepare_dataset(load_capture("recordings/mouse7"), Path("out/mouse7"), PrepareOptions(every=5))
        >>> summary.kept, summary.dropped
    """
    runs_on = engine or worker_count(workers)
    work = Preparation(capture, out, options)
    if capture.dataset is not None:
        warn_of_unfinished(capture.dataset)
    shared = shared_zoom(work, work.blocks(), runs_on, progress)
    with work.begun(shared):
        run_preparation(work, runs_on, progress)
        return work.complete()


def run_preparation(work: Preparation, runs_on: int | Engine, progress: Progress) -> None:
    """All blocks that are left."""
    todo = work.todo()
    finished = counted(progress, "samples", len(work.asked) - sum(map(len, todo)), len(work.asked))
    for records in run_blocks(work.job, todo, runs_on, finished):
        work.take(records)


def shared_zoom(
    work: Preparation, blocks: Sequence[Sequence[int]], runs_on: int | Engine, progress: Progress
) -> DatasetZoom | None:
    """The zoom that all samples share, from the masks of the blocks; None where the framing has none."""
    if work.framing.zoom.scope != "dataset":
        return None
    return smallest(wanted_zooms(work, blocks, runs_on, progress))


def wanted_zooms(
    work: Preparation, blocks: Sequence[Sequence[int]], runs_on: int | Engine, progress: Progress
) -> Iterator[DatasetZoom]:
    """Of every frame of the blocks that can be framed, from its masks."""
    read = counted(progress, "masks", 0, sum(map(len, blocks)))
    return (want for want in run_blocks(work.measuring(), blocks, runs_on, read) if want is not None)


def smallest(wanted: Iterable[DatasetZoom]) -> DatasetZoom:
    """What suits all. FramingError where there is none."""
    best: DatasetZoom | None = None
    for want in wanted:
        best = want if best is None else best.merged(want)
    if best is None:
        raise FramingError("zoom over the dataset: no frame of the selection can be framed; are there masks?")
    return best
