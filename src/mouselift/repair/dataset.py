"""Repair of a whole dataset into a new folder: cameras change where the silhouettes say how, pixels never."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mouselift import __version__
from mouselift.calibration.facelift import camera_numbers, read_cameras_json
from mouselift.calibration.registry import load_rig
from mouselift.calibration.rig import Rig
from mouselift.consistency.cameras import check_sample
from mouselift.dataset.description import warn_of_unfinished
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import CAMERAS_FILE, LISTS, find_samples, lines_of
from mouselift.diagnosis.cause import Cause, Diagnosis
from mouselift.diagnosis.explain import explain, in_order, problem_of
from mouselift.errors import CalibrationError, DatasetError
from mouselift.fingerprint import sample_fingerprint
from mouselift.parallel import Engine, run_blocks, step, worker_count
from mouselift.progress import Progress, counted, each, silent
from mouselift.repair.options import Pool, RepairOptions
from mouselift.repair.sample import MOST_VIEWS, Repaired, repair_sample
from mouselift.run_folder import RunFolder
from mouselift.sampling import evenly_spaced
from mouselift.strings_as_paths import takes_paths

LOG = logging.getLogger(__name__)

DESCRIPTION = "repair.json"

_POOLED = 50  # samples that one change a camera is fitted to: more hardly sharpen it
_PER_BLOCK = 4


class RepairSummary(msgspec.Struct):
    """How many samples a repair found in order, corrected and refused; tangency residuals in pixels of the images."""

    dataset: str
    out: str
    samples: int
    good: int
    repaired: int
    refused: int
    causes: dict[str, int]
    residual_before_px: float | None  # medians of the repaired samples
    residual_after_px: float | None
    pooled: str | None  # the shared cause, in words
    refusals: list[str]  # the first few, with their reasons
    rig: dict[str, int] = {}  # what the rig said, where one was given, and of how many samples
    keypoints_left_out: int = 0  # samples whose cameras are in a world of another scale now, and had keypoints


class RepairRecord(msgspec.Struct):
    """One sample's line in the manifest."""

    id: str
    status: str  # "good", "repaired", "refused"
    cause: str | None = None  # code of the diagnosis
    views: list[str] = []  # the faulty ones
    values: dict[str, float] = {}
    sentence: str = ""
    reason: str = ""  # why it stayed as it was
    residual_before_px: float | None = None
    residual_after_px: float | None = None
    zoom_sigma: float | None = None  # of the common zoom, relative
    shift_sigma: float | None = None  # of the common shift in space, share of the cameras' distance
    ambiguous_with: list[str] = []
    decided_by: str = ""
    rig: str = ""  # what the rig said, where one was given
    keypoints_left_out: bool = False  # the world's scale is not that of the keypoints any more
    read: str = ""  # fingerprint of the sample that it was made from


@takes_paths
def repair_dataset(
    dataset: Path,
    out: Path,
    options: RepairOptions = RepairOptions(),
    *,
    workers: int = 0,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> RepairSummary:
    """Copy every sample of `dataset` to `out`, with cameras that agree with the silhouettes where that can be had.

    Pixels are copied byte for byte. `dataset` is a folder of samples in FaceLift's format, a single sample or a list
    file. An interrupted run goes on when it is started again. The result does not depend on `workers` (0: one process
    a core), nor on `engine`, which is where blocks run in their place. Example::

        summary = repair_dataset(Path("data/old"), Path("data/repaired"), RepairOptions(pool="camera"))
        print(summary.repaired, summary.refused, summary.refusals)

    DatasetError: no dataset, `out` inside it or not empty, two samples of one name, pooled samples with different
    cameras, a rig with pool "camera". CalibrationError: the rig cannot be read.
    """
    rig = None if options.rig is None else load_rig(options.rig, options.rig_format, options.rig_variant)
    if rig is not None and options.pool == "camera":
        raise DatasetError("repair: a rig fixes the gauge of single samples; expected --pool sample with --rig")
    folders = find_samples(dataset)
    _check(dataset, out, folders)
    warn_of_unfinished(dataset)
    # What was read goes by contents, sample by sample: a dataset that was moved is the same one.
    identity: dict[str, Any] = {"pool": options.pool, "version": __version__}
    if rig is not None:
        identity["rig"] = _identity(rig)
    store = RunFolder(out, identity, description=DESCRIPTION, record=RepairRecord, verb="repair")
    with store.locked():
        store.open()
        known = {record.id: record for record in store.records() if (out / record.id).is_dir()}  # whole on disk
        _check_unchanged(folders, known, out)
        todo = [folder for folder in folders if folder.name not in known]
        shared = pooled_diagnosis(folders, progress) if options.pool == "camera" and todo else None
        blocks = [list(range(i, min(i + _PER_BLOCK, len(todo)))) for i in range(0, len(todo), _PER_BLOCK)]
        job = _Job(tuple(todo), store, shared, options.pool, rig)
        heard = counted(progress, "repairing", len(folders) - len(todo), len(folders))
        for record in run_blocks(job, blocks, engine or worker_count(workers), heard):
            store.log([record])
            known[record.id] = record
            LOG.debug("%s: %s", record.id, record.status)
        records = [known[folder.name] for folder in folders]
        summary = _summary(dataset, out, records, None if shared is None else shared.cause)
        usable = {record.id for record in records if record.status != "refused"}
        lists = {name: [i for i in ids if i in usable] for name, ids in _lists(dataset).items()}
        store.finish(records, lists, msgspec.to_builtins(summary))
    return summary


def pooled_diagnosis(folders: Sequence[Path], progress: Progress) -> Diagnosis:
    """The cause that up to 50 samples, evenly chosen among the faulty ones, share."""
    problem, names = [], ()
    for k, folder in enumerate(folders):
        sample = load_sample(folder)
        progress("looking for faulty samples", k + 1, len(folders))
        if not 3 <= len(sample.views) <= MOST_VIEWS:
            continue
        check = check_sample(sample)
        if in_order(sample, check):
            continue
        if names and sample.names != names:
            raise DatasetError(
                f"{folder}: has the views {', '.join(sample.names)}, others have {', '.join(names)}; one transform a "
                "camera needs the same cameras in all samples: use --pool sample"
            )
        names = sample.names
        problem.append(problem_of(sample, check))
    if not problem:
        return Diagnosis((), None)
    progress("finding the common cause", 0, 1)
    found = explain(evenly_spaced(problem, _POOLED), names)
    progress("finding the common cause", 1, 1)
    return found


@dataclass(frozen=True, eq=False)
class _Job:
    """What a worker does with its samples; sent to it once."""

    folders: tuple[Path, ...]
    store: RunFolder[RepairRecord]
    shared: Diagnosis | None
    pool: Pool
    rig: Rig | None

    def __call__(self, block: Sequence[int]) -> Iterator[RepairRecord]:
        for index in each(block, step):
            read = sample_fingerprint(self.folders[index])
            yield msgspec.structs.replace(self._repair(self.folders[index]), read=read)

    def _repair(self, folder: Path) -> RepairRecord:
        try:
            views, content = read_cameras_json(folder / CAMERAS_FILE)
        except CalibrationError as error:
            self._copy(folder, None)
            return RepairRecord(folder.name, "refused", reason=str(error))
        sample = load_sample(folder)
        found = repair_sample(sample, self.shared, self.rig)
        if len(sample.views) != len(views) and found.status != "good":
            lost = "; ".join(f.message for f in sample.findings if f.severity != "note")
            found = Repaired("refused", found.cameras, found.cause, lost, found.residual_before_px, None)
        data = repaired_json(content, found, self.pool) if found.status == "repaired" else None
        self._copy(folder, data)
        return _record(folder.name, found, sample.keypoints is not None)

    def _copy(self, source: Path, cameras_json: bytes | None) -> None:
        """The sample folder, its cameras replaced where given: whole or absent."""
        with self.store.writing(source.name) as folder:
            # A link stays a link: what it leads to is not the dataset's, and may be any file of the user's.
            shutil.copytree(source, folder, dirs_exist_ok=True, symlinks=True)
            if cameras_json is not None:
                (folder / CAMERAS_FILE).unlink(missing_ok=True)
                (folder / CAMERAS_FILE).write_bytes(cameras_json)


def _identity(rig: Rig) -> dict[str, str]:
    """What must be equal for two runs to have used one rig: its numbers, wherever the file lies."""
    numbers = [[c.name, c.K.tolist(), c.R_cam_world.tolist(), c.t_cam_world.tolist(), c.size] for c in rig.cameras]
    return {"format": rig.format, "sha256": sha256(msgspec.json.encode(numbers)).hexdigest()}


def repaired_json(content: dict[str, Any], found: Repaired, pool: Pool) -> bytes:
    """The cameras file with corrected numbers; what was there before goes under "mouselift.repair"."""
    keys = ("w", "h", "fx", "fy", "cx", "cy", "w2c")
    frames = content["frames"]
    original = [{key: frame[key] for key in keys} for frame in frames]
    changed = [{**frame, **camera_numbers(camera)} for frame, camera in zip(frames, found.cameras, strict=True)]
    own = content.get("mouselift")
    own = dict(own) if isinstance(own, dict) else {}
    record = msgspec.to_builtins(_record(str(content.get("id", "")), found, "keypoints" in own))
    del record["read"]  # said by the manifest
    entry = {"version": __version__, "pool": pool, **record, "original": original}
    if record["keypoints_left_out"]:
        entry["original_keypoints"] = own.pop("keypoints")
    if "repair" in own:
        entry["earlier"] = own["repair"]
    whole = {**content, "frames": changed, "mouselift": {**own, "repair": entry}}
    return msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"


def _record(name: str, found: Repaired, keypoints: bool) -> RepairRecord:
    """keypoints: the sample had some."""
    cause = found.cause or Cause("", "", (), {})
    gauge = found.gauge
    return RepairRecord(
        name, found.status, cause.code or None, list(cause.views), cause.values, cause.sentence, found.reason,
        found.residual_before_px, found.residual_after_px,
        None if gauge is None else gauge.zoom, None if gauge is None else gauge.shift,
        list(cause.ambiguous_with), cause.decided_by, found.rig,
        keypoints and found.status == "repaired" and found.world_lost,
    )  # fmt: skip


def _check_unchanged(folders: Sequence[Path], known: Mapping[str, RepairRecord], out: Path) -> None:
    """DatasetError where a sample is another one than `out` was made from, or is gone. Samples may be added."""
    gone = sorted(known.keys() - {folder.name for folder in folders})
    if gone:
        raise DatasetError(
            f"{out / gone[0]}: was made from a sample that is not in the dataset now ({len(gone)} of {len(known)} are "
            "not). Use a new folder for another dataset. Nothing was changed"
        )
    made = [(folder, record) for folder in folders if (record := known.get(folder.name)) is not None]
    changed = [folder for folder, record in made if record.read and record.read != sample_fingerprint(folder)]
    if changed:
        raise DatasetError(
            f"{changed[0]}: changed since `mouselift repair` wrote {out} ({len(changed)} of {len(made)} samples did). "
            "Use a new folder. Nothing was changed"
        )


def _check(dataset: Path, out: Path, folders: Sequence[Path]) -> None:
    inner, outer = out.resolve(), (dataset if dataset.is_dir() else dataset.parent).resolve()
    if inner == outer or outer in inner.parents or any(f.resolve() in (inner, *inner.parents) for f in folders):
        raise DatasetError(f"{out}: lies inside the dataset {dataset}; give a folder outside it. Nothing was changed")
    twice = [name for name, count in Counter(folder.name for folder in folders).items() if count > 1]
    if twice:
        raise DatasetError(f"{dataset}: two samples are called {twice[0]}; repair their folders one by one")
    for folder in folders:
        if folder.name.startswith("."):
            raise DatasetError(f"{folder}: sample folders whose name starts with a dot are not copied; rename it")


def _lists(dataset: Path) -> dict[str, list[str]]:
    """Sample names of the list files beside the dataset's samples, or of the list that was given."""
    files = [dataset] if dataset.is_file() else [dataset / name for name in LISTS.values()]
    return {file.name: [Path(line).name for _, line in lines_of(file)] for file in files if file.is_file()}


def _summary(dataset: Path, out: Path, records: Sequence[RepairRecord], shared: Cause | None) -> RepairSummary:
    status = Counter(record.status for record in records)
    done = [record for record in records if record.status == "repaired"]
    refusals = [f"{record.id}: {record.reason}" for record in records if record.status == "refused"]
    return RepairSummary(
        str(dataset), str(out), len(records), status["good"], status["repaired"], status["refused"],
        dict(Counter(record.cause for record in records if record.cause is not None)),
        _median([record.residual_before_px for record in done]), _median([record.residual_after_px for record in done]),
        None if shared is None else shared.sentence, refusals[:5],
        dict(Counter(record.rig for record in records if record.rig)),
        sum(record.keypoints_left_out for record in records),
    )  # fmt: skip


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
