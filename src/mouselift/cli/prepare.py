"""`mouselift prepare`: the main job."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mouselift.cli.console import EXIT_NO, EXIT_OK, emit_json, say, table
from mouselift.cli.flags import INLINE, EngineAt, Json, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.errors import CaptureError
from mouselift.findings import CODES
from mouselift.prepare.options import PrepareOptions, Shard

if TYPE_CHECKING:
    from mouselift.dataset.collection import Collection
    from mouselift.export.registry import ExportSummary
    from mouselift.prepare.totals import PrepareSummary

_NO_VAL = "data_val.txt is empty: so few samples, or --val 0"


@dataclass
class Prepare:
    """Make a model-ready dataset from a capture; every image is resampled once, with its camera.

    A killed run goes on where it stopped when the same command is given again, to the same bytes. A denser
    selection adds to a sparser one. With --out, many captures at once: folders, patterns or lists of them.
    Examples: `mouselift prepare recordings/mouse7 out/mouse7 --every 5`; `mouselift prepare 'recordings/*' --out out`
    """

    captures: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="CAPTURE... OUT")]
    """A capture is a folder with a capture.toml (`mouselift init` writes one), or that file. OUT: the dataset's folder,
    new, or one that the same preparation began. With --out: captures, 'patterns', text files that list captures."""
    out: Path | None = None
    """Prepare all of the captures given, each into a folder of its own in this one."""
    options: Annotated[PrepareOptions, INLINE] = PrepareOptions()
    split: Literal["recording", "folder", "time"] = "recording"
    """With --out, what validates: whole recordings, whole folders of recordings (one animal's, one day's), or a part of
    each recording in time."""
    shard: str | None = None
    """Make only part I of N, counted from 0 (3/8), while other jobs make theirs; slurm: as the job array says."""
    measure: bool = False
    """With --shard and --scope dataset: the first pass, which all shards make before the second."""
    merge: bool = False
    """Complete what all shards have made: the bytes of a run alone."""
    remote: str | None = None
    """Send the finished dataset as shards to a folder on a server, s3://bucket/folder or gs://bucket/folder: what
    `mouselift export --format webdataset` makes, and nothing else."""
    workers: Workers = 0
    engine: EngineAt = "local"
    json: Json = False

    def run(self) -> int:
        shard = None if self.shard is None else Shard.parse(self.shard, os.environ)
        if shard is not None and self.merge:
            raise CaptureError("--merge is given once, without --shard, when all shards are done")
        if self.measure and (shard is None or self.out is not None):
            raise CaptureError(
                "--measure is the first pass of one shard of one capture: expected --shard I/N beside it"
            )
        if self.remote is not None and (self.out is not None or shard is not None):
            raise CaptureError(
                "--remote sends one finished dataset: with --shard, give it to --merge; with --out, give "
                "`mouselift export DATASET URL --format webdataset` for each recording"
            )
        if self.out is not None:
            return self._many(self.out, shard)
        if len(self.captures) != 2:
            raise CaptureError(
                f"expected CAPTURE and OUT, got {len(self.captures)} paths; many captures: CAPTURE... --out FOLDER"
            )
        return self._one(*self.captures, shard)

    def _one(self, path: Path, out: Path, shard: Shard | None) -> int:
        import msgspec

        from mouselift.atomic import check_folder
        from mouselift.capture.capture import load_capture
        from mouselift.dataset.remote import remote_url
        from mouselift.export.upload import writable
        from mouselift.parallel import engine_at
        from mouselift.prepare.pipeline import prepare_dataset
        from mouselift.prepare.shards import measure_shard, merge_shards, prepare_shard

        if remote_url(out) is not None:
            raise CaptureError(f"{remote_url(out)}: expected a folder on this machine; --remote says where shards go")
        if self.remote is not None:
            writable(self.remote)  # before hours of work
        check_folder(out)
        capture = load_capture(path)
        with progress_bar(self.json) as progress, engine_at(self.engine, self.workers) as engine:
            if self.merge:
                summary = merge_shards(capture, out, self.options)
            elif shard is None:
                summary = prepare_dataset(capture, out, self.options, engine=engine, progress=progress)
            elif self.measure:
                frames = measure_shard(capture, out, self.options, shard, engine=engine, progress=progress)
                if self.json:
                    emit_json({"measured": frames})
                else:
                    say(f"part {shard.name} is measured, {frames} frames; when all are: the same without --measure")
                return EXIT_OK
            else:
                summary = prepare_shard(capture, out, self.options, shard, engine=engine, progress=progress)
        sound = bool(summary.kept) and not summary.errors
        sent = self._sent(out, self.remote) if self.remote is not None and sound else None
        if self.json:
            emit_json(
                summary if sent is None else msgspec.to_builtins(summary, enc_hook=str) | {"remote": asdict(sent)}
            )
        elif shard is None:
            show(summary)
            for note in () if sent is None else sent.notes:
                say(note)
        else:
            say(f"part {shard.name}: {summary.kept} of {summary.frames} frames kept; when all are made: --merge")
        return EXIT_OK if sound or shard is not None else EXIT_NO

    def _sent(self, dataset: Path, url: str) -> ExportSummary:
        from mouselift.export.registry import export

        with progress_bar(self.json) as progress:
            return export(dataset, Path(url), "webdataset", progress=progress)

    def _many(self, root: Path, shard: Shard | None) -> int:
        from mouselift.atomic import check_folder
        from mouselift.parallel import engine_at
        from mouselift.prepare.collection import gather_collection, prepare_collection

        check_folder(root)
        if self.merge:
            found = gather_collection(self.captures, root, self.options, split=self.split)
        else:
            with progress_bar(self.json) as progress, engine_at(self.engine, self.workers) as engine:
                found = prepare_collection(
                    self.captures, root, self.options, split=self.split, shard=shard, engine=engine, progress=progress
                )
        if self.json:
            emit_json(found)
        else:
            show_collection(root, found)
        return EXIT_NO if found.failed or found.contradicted else EXIT_OK


def show(summary: PrepareSummary) -> None:
    """The summary for a person."""
    for finding in summary.findings:
        say(f"{finding.severity}: {finding.message}")
    rows = [["samples kept", str(summary.kept), f"{summary.made} frames worked on by this run"]]
    splits = {"val": 0, **summary.splits} if summary.splits else {}
    rows += [[f"  {split}", str(count), "" if count else _NO_VAL] for split, count in sorted(splits.items())]
    rows += [[f"dropped: {code}", str(n), CODES[code].sentence] for code, n in sorted(summary.dropped.items())]
    rows += [[f"noticed: {code}", str(n), CODES[code].sentence] for code, n in sorted(summary.noticed.items())]
    table(f"{summary.out}: {summary.frames} frames selected", ["", "samples", " "], rows)
    if summary.scale:
        say(f"Scale: {summary.scale}")
    if summary.keypoints is not None:
        say(f"Keypoints: in {summary.keypoints} of {summary.kept} samples")
    if not summary.kept:
        say("No sample was kept; the table says why.", error=True)
    elif summary.errors:
        say("The samples are there all the same: not to be used, and sent nowhere (exit code 1).", error=True)


def show_collection(root: Path, found: Collection) -> None:
    """A row a recording; what is wrong with one stands in its row."""
    rows: list[list[str]] = []
    for one in found.recordings:
        why = one.error or one.contradiction or ", ".join(f"{n} {code}" for code, n in sorted(one.dropped.items()))
        rows.append([one.name, one.status, str(one.kept), str(one.frames - one.kept), one.role or "", why])
    table(
        f"{root}: {len(found.recordings)} recordings", ["recording", "state ", "kept", "dropped", "split ", " "], rows
    )
    if found.failed:
        say(f"{len(found.failed)} of {len(found.recordings)} failed; the same command tries them again.", error=True)
    if found.contradicted:
        named = ", ".join(one.name for one in found.contradicted)
        say(f"Made of masks that cameras contradict, not to be used: {named}", error=True)
