"""Many captures prepared in one command, through one engine: blocks of all of them go out together.

A capture is opened when its first block is due, and closed after its last, so memory does not grow with their number.
What is wrong with one of them is told in its row, and the others go on.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mouselift.atomic import whole_file, write_whole
from mouselift.capture.capture import load_capture
from mouselift.capture.given import captures_given, folder_of, names_of
from mouselift.dataset.collection import COLLECTION, Collection, Recording, SplitBy
from mouselift.dataset.description import read_description
from mouselift.dataset.layout import LISTS
from mouselift.engines.engine import Engine, Job, Unit
from mouselift.engines.local import seconds_an_item
from mouselift.errors import MouseliftError, UnreachableError
from mouselift.framing.framing import DatasetZoom
from mouselift.parallel import LocalEngine
from mouselift.prepare.options import PrepareOptions, Shard
from mouselift.prepare.pipeline import shared_zoom
from mouselift.prepare.preparation import Preparation
from mouselift.prepare.sample import Record
from mouselift.prepare.totals import PrepareSummary
from mouselift.progress import Progress, silent
from mouselift.run_lines import read_manifest
from mouselift.strings_as_paths import takes_paths

LOG = logging.getLogger(__name__)


@takes_paths
def prepare_collection(
    captures: Sequence[str | Path],
    root: Path,
    options: PrepareOptions = PrepareOptions(),
    *,
    split: SplitBy = "recording",
    shard: Shard | None = None,
    workers: int = 0,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Collection:
    """Makes or completes a dataset `root/CAPTURE` of every capture, and `root/collection.json`.

    captures: folders with a capture.toml, patterns ("recordings/*"), text files that list captures one a line, or an
    earlier `root`, whose captures are meant. split: what validates. "recording": whole recordings; "folder": whole
    folders of recordings (an animal's, a day's); "time": a part of each. shard: only every n-th capture, without
    collection.json (`gather_collection` writes it). workers, engine: as `prepare_dataset`.

    A capture that cannot be prepared is a row with status "failed" and its error; the others go on. CaptureError where
    no capture is found, or one is given twice.

    Example:
        >>> found = ml.prepare_collection(["recordings/*"], Path("out"), ml.PrepareOptions(every=5))
        >>> [(recording.name, recording.error) for recording in found.failed]
    """
    options.check()
    named = names_of(captures_given(captures))
    mine = dict(list(named.items())[shard.index :: shard.count]) if shard is not None else named
    with ExitStack() as stack:
        runs_on = engine or stack.enter_context(LocalEngine(workers))
        many = ManyCaptures(mine, root, options, runs_on, progress)
        rows = many.run()
    if shard is not None:
        return Collection(split, rows)
    return _gathered(named, root, options, split, {row.name: row for row in rows if row.error})


@takes_paths
def gather_collection(
    captures: Sequence[str | Path],
    root: Path,
    options: PrepareOptions = PrepareOptions(),
    *,
    split: SplitBy = "recording",
) -> Collection:
    """Writes `root`/collection.json, and lists over all recordings, of what is prepared there. No sample is made.

    captures, split: as `prepare_collection`. options: `val` is the share of the recordings that validate. A capture
    whose dataset is missing or not finished is a row with status "failed". CaptureError as `prepare_collection`.

    Example:
        >>> for index in range(4):  # each in a job of its own
        ...     ml.prepare_collection(["recordings/*"], Path("out"), shard=ml.Shard(index, 4))
        >>> ml.gather_collection(["recordings/*"], Path("out")).failed
    """
    return _gathered(names_of(captures_given(captures)), root, options, split, {})


def _gathered(
    named: Mapping[str, Path], root: Path, options: PrepareOptions, split: SplitBy, failed: Mapping[str, Recording]
) -> Collection:
    """failed: rows of those that failed just now, by name."""
    rows = [failed.get(name) or _row(name, path, root / name) for name, path in named.items()]
    there = [row for row in rows if row.status == "prepared"]
    groups = {row.name: str(folder_of(named[row.name]).parent) if split == "folder" else row.name for row in there}
    roles = _roles(groups, options.val) if split != "time" else {}
    if split != "time" and options.val > 0 and len(set(groups.values())) < 2:
        LOG.warning("%s: one %s alone cannot be split, so a part in time validates", root, split)
        split, roles = "time", {}
    rows = [msgspec.structs.replace(row, role=roles.get(row.name)) for row in rows]
    _write_lists(root, there, roles)
    made = Collection(split, rows)
    write_whole(root / COLLECTION, msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n", replace=True)
    return made


def _write_lists(root: Path, there: Sequence[Recording], roles: Mapping[str, str]) -> None:
    """A recording at a time: samples are too many to hold."""
    with ExitStack() as held:
        files = {
            role: held.enter_context(held.enter_context(whole_file(root / name, replace=True)).open("wb"))
            for role, name in LISTS.items()
        }
        for row in there:
            dataset = (root / row.name).resolve()
            for record in read_manifest(dataset, Record):
                role = roles.get(row.name) or record.split
                if record.status == "kept" and role in files:
                    files[role].write(f"{dataset / record.id}\n".encode())
        for stream in files.values():
            stream.flush()
            os.fsync(stream.fileno())  # a rename may reach the disk before the bytes do


def _row(name: str, capture: Path, dataset: Path) -> Recording:
    """Of a dataset that is there."""
    told = str(capture.absolute())
    try:
        records = read_manifest(dataset, Record)
    except UnreachableError:  # the lists would leave a whole dataset out
        raise
    except MouseliftError as error:
        return Recording(name, told, "failed", error=str(error))
    kept = sum(record.status == "kept" for record in records)
    dropped: dict[str, int] = {}
    for record in records:
        if record.status == "dropped":
            dropped[record.reason or "unknown"] = dropped.get(record.reason or "unknown", 0) + 1
    said = "; ".join(finding.message for finding in read_description(dataset).masks_contradict)
    return Recording(name, told, "prepared", len(records), kept, dropped, contradiction=said)


def _roles(groups: Mapping[str, str], share: float) -> dict[str, str]:
    """Which recordings validate: those of the groups that come first by a hash, so that more recordings move few."""
    ranked = sorted(set(groups.values()), key=lambda group: hashlib.sha256(group.encode()).digest())
    count = max(1, round(share * len(ranked))) if share > 0 else 0
    return {name: "val" if group in ranked[:count] else "train" for name, group in groups.items()}


_Told = tuple[int, list[Record] | MouseliftError | None]


@dataclass(frozen=True, eq=False)
class _Labelled:
    """A capture's job whose results say whose they are. An error is a result; None ends a block."""

    number: int
    job: Job[list[Record]]

    @property
    def seconds_an_item(self) -> float:
        return seconds_an_item(self.job)

    def __call__(self, block: Sequence[int]) -> Iterator[_Told]:
        try:
            for records in self.job(block):
                yield self.number, records
        except Exception as error:
            yield self.number, as_error(error)
        yield self.number, None


def as_error(error: Exception) -> MouseliftError:
    """What a row says of it. A defect that one capture meets does not stop the others either."""
    if isinstance(error, MouseliftError):
        return error
    LOG.info("unexpected error", exc_info=error)
    return MouseliftError(f"a defect of mouselift, please report it ({type(error).__name__}: {error})")


@dataclass(eq=False)
class _Open:
    name: str
    work: Preparation
    held: ExitStack  # its folder's lock
    left: int  # blocks
    error: MouseliftError | None = None


def _opened(capture: Path, out: Path, options: PrepareOptions) -> Preparation:
    return Preparation(load_capture(capture), out, options)


@dataclass(eq=False)
class ManyCaptures:
    """The captures of one command on their way."""

    named: Mapping[str, Path]
    root: Path
    options: PrepareOptions
    engine: Engine
    progress: Progress
    opens: Callable[[Path, Path, PrepareOptions], Preparation] = _opened
    rows: dict[str, Recording] = field(default_factory=dict)
    open: dict[int, _Open] = field(default_factory=dict)

    def run(self) -> list[Recording]:
        """Rows by the captures' order."""
        self.progress("recordings", 0, len(self.named))
        zooms = self._zooms()
        try:
            for number, result in self.engine.run(self._units(zooms)):
                one = self.open[number]
                if result is None:
                    one.left -= 1
                    if not one.left:
                        self._finish(number)
                elif isinstance(result, MouseliftError):
                    one.error = one.error or result
                else:
                    one.work.take(result)
        finally:
            for one in self.open.values():  # stopped in the middle
                one.held.close()
        return [self.rows[name] for name in self.named]

    def _zooms(self) -> dict[str, DatasetZoom | None]:
        """The first pass of all, before blocks of the second go out."""
        zooms: dict[str, DatasetZoom | None] = {}
        if self.options.framing().zoom.scope == "dataset":
            for name, path in self.named.items():
                try:
                    work = self.opens(path, self.root / name, self.options)
                    zooms[name] = shared_zoom(work, work.blocks(), self.engine, silent)
                    work.source.close()
                except MouseliftError as error:
                    self._failed(name, error)
        return zooms

    def _units(self, zooms: Mapping[str, DatasetZoom | None]) -> Iterator[Unit[_Told]]:
        for number, (name, path) in enumerate(self.named.items()):
            if name in self.rows:  # its first pass failed
                continue
            with ExitStack() as held:
                try:
                    work = self.opens(path, self.root / name, self.options)
                    held.enter_context(work.begun(zooms.get(name)))
                    blocks = work.todo()
                except Exception as error:
                    self._failed(name, as_error(error))
                    continue
                self.open[number] = _Open(name, work, held.pop_all(), len(blocks))
            if not blocks:
                self._finish(number)
                continue
            job = _Labelled(number, work.job)
            for block in blocks:
                yield job, block

    def _finish(self, number: int) -> None:
        one = self.open.pop(number)
        try:
            with one.held:
                if one.error is not None:
                    raise one.error
                self._prepared(one.name, one.work.complete())
        except MouseliftError as error:
            self._failed(one.name, error)

    def _prepared(self, name: str, summary: PrepareSummary) -> None:
        told = str(self.named[name].absolute())
        row = Recording(name, told, "prepared", summary.frames, summary.kept, summary.dropped)
        self._done(name, row)

    def _failed(self, name: str, error: MouseliftError) -> None:
        LOG.warning("%s: %s", name, error)
        self._done(name, Recording(name, str(self.named[name].absolute()), "failed", error=str(error)))

    def _done(self, name: str, row: Recording) -> None:
        self.rows[name] = row
        self.progress("recordings", len(self.rows), len(self.named))
