"""A dataset or a capture in, a folder of scenes out: one folder a sample, whole or absent, and a run that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path

import msgspec
import numpy as np

from mouselift import __version__
from mouselift.atomic import check_outside
from mouselift.capture.capture import load_capture
from mouselift.capture.source import CaptureSource, masked_frames
from mouselift.dataset.collection import CAPTURE_FILE
from mouselift.dataset.layout import LISTS, find_samples, lines_of, listed_samples
from mouselift.errors import CaptureError, DatasetError, MouseliftError, UnreachableError
from mouselift.export.capture_scene import scene_of_frame
from mouselift.export.options import ExportOptions, FormatName
from mouselift.export.registry import FORMATS, ExportSummary
from mouselift.export.scene import ExportScene, scene_of_sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import Similarity
from mouselift.keypoints.keypoints import Keypoints
from mouselift.media.numbered_names import number_of
from mouselift.parallel import run_blocks, step, worker_count
from mouselift.prepare.preparation import keypoints_of
from mouselift.prepare.sample import sample_id
from mouselift.progress import Progress, counted, each
from mouselift.run_folder import RunFolder
from mouselift.run_lines import MANIFEST
from mouselift.sampling import evenly_spaced

DESCRIPTION = "export.json"
_RIG_WORLD = Similarity(1.0, np.eye(3), np.zeros(3))  # scenes of a capture stay in it
_PER_BLOCK = 4
CheckCameras = Callable[[Sequence[Camera]], object]
_SAID = 5  # notes, and refusals, in the summary; all are in the manifest


class SceneRecord(msgspec.Struct):
    """One line of the manifest."""

    id: str
    frame: int | None = None
    status: str = "written"  # or "refused"
    views: int = 0
    points: int = 0  # of the hull; 0: it has none
    keypoints: int = 0  # that were found, whether or not the format holds them
    count: int = 0  # of files (`files` is the run folder's own)
    size: int = 0  # bytes
    notes: list[str] = []
    reason: str = ""  # of a refused one


@dataclass(frozen=True)
class SceneFormat:
    """A format of scenes: `out/<sample>/` with the files of each, whole or absent.

    A sample that cannot be exported is a refusal in the summary, not the end. A killed run goes on when it is started
    again. DatasetError: no dataset, `out` inside it or holding something else, no scene at all. CalibrationError: a
    capture's camera has a lens that the format cannot hold. CaptureError: the capture, or a frame that it has not.
    """

    name: FormatName
    files: Callable[[ExportScene, ExportOptions], dict[str, bytes]]
    check: CheckCameras  # of a capture's cameras, before anything is written
    hull: bool = True  # it holds points
    resampled: bool = True  # --lens undistort makes any camera fit
    lists: bool = False  # of the splits
    keypoints: bool = False  # it holds them

    def export(
        self, source: Path, out: Path, options: ExportOptions, progress: Progress, workers: int = 0
    ) -> ExportSummary:
        """source: a dataset, or a capture with masks."""
        check_outside(out, source if source.is_dir() else source.parent)
        plan = plan_of(source, options, self.check, self.resampled, self.keypoints)
        chosen = {
            key: value
            for key, value in asdict(options).items()
            if key not in ("shard_mb", "gaussians", "activated", "read_as")
        }
        told = {"source": str(source.resolve()), "format": self.name, **chosen, "version": __version__}
        store = RunFolder(out, told, description=DESCRIPTION, record=SceneRecord, verb="export")
        with store.locked():
            store.open()
            # a refused sample may have been mended since
            known = {record.id: record for record in store.records() if record.status == "written"}
            todo = [[key for key in block if plan.names[key] not in known] for block in plan.blocks]
            count = sum(len(block) for block in plan.blocks)
            heard = counted(progress, "exporting", count - sum(map(len, todo)), count)
            job = _Job(plan, store, self.name, options)
            for record in run_blocks(job, [block for block in todo if block], worker_count(workers), heard):
                store.log([record])
                known[record.id] = record
            records = [known[plan.names[key]] for block in plan.blocks for key in block]
            left_out = () if self.keypoints else keypoints_left_out(plan, records, self.name)
            summary = summary_of(out, self.name, records, self.hull, left_out)
            if not summary.samples:
                raise DatasetError(f"{source}: no scene could be written; the first: {records[0].reason}")
            kept = {record.id for record in records if record.status == "written"}
            lists = {name: [i for i in ids if i in kept] for name, ids in plan.lists.items()}
            store.finish(records, lists if self.lists else {}, asdict(summary))
        return summary


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be made. A key is a dataset's sample by its place, or a capture's frame."""

    names: Mapping[int, str]
    blocks: Sequence[Sequence[int]]
    folders: Mapping[int, Path]  # of a dataset
    capture: CaptureSource | None
    lists: Mapping[str, list[str]]
    keypoints: Keypoints | None = None  # of a capture, where they are asked for

    def scenes(
        self, block: Sequence[int], options: ExportOptions, hull: bool
    ) -> Iterator[tuple[int, Callable[[], ExportScene]]]:
        """(key, what makes its scene or says why there is none), to be called before the next one. For a worker."""
        if self.capture is None:
            for key in each(block, step):
                yield key, partial(scene_of_sample, self.folders[key], hull)
            return
        for frameset in each(self.capture.read(block), step):
            own = None if self.keypoints is None else self.keypoints.of_sample(frameset.frame, _RIG_WORLD)
            yield frameset.frame, partial(scene_of_frame, frameset, options.lens, options.ground, own)


def plan_of(
    source: Path, options: ExportOptions, check: CheckCameras, resampled: bool = True, keypoints: bool = False
) -> Plan:
    """What an export of `source` is to make. Errors as `SceneFormat`'s; check, resampled, keypoints: as its fields."""
    if source.suffix == ".toml" or (source / CAPTURE_FILE).is_file():
        capture = load_capture(source)
        if capture.dataset is None:
            frames = CaptureSource(capture)
            plan = _of_capture(frames, options, check, resampled)
            return replace(plan, keypoints=keypoints_of(capture, frames.rate)) if keypoints else plan
        source = capture.dataset
    folders = find_samples(source)
    if options.frames:
        folders = [folder for folder in folders if number_of(folder.name) in options.frames]
        lost = sorted(set(options.frames) - {number_of(folder.name) for folder in folders})
        if lost:
            raise DatasetError(f"{source}: --frames: no sample is of frame {lost[0]}")
    names = dict(enumerate(folder.name for folder in folders))
    if len(set(names.values())) < len(names):
        raise DatasetError(f"{source}: two samples have one name; export their folders one by one")
    keys = list(names)
    blocks = [keys[i : i + _PER_BLOCK] for i in range(0, len(keys), _PER_BLOCK)]
    return Plan(names, blocks, dict(enumerate(folders)), None, _lists(source, list(names.values())))


def _of_capture(source: CaptureSource, options: ExportOptions, check: CheckCameras, resampled: bool) -> Plan:
    masked = masked_frames(source)
    if not masked:
        raise CaptureError(f"{source.capture.path}: no camera has masks; `mouselift mask` makes them")
    frames = sorted(set(options.frames)) or evenly_spaced(masked, options.instants)
    lost = sorted(set(frames) - set(source.frames))
    if lost:
        raise CaptureError(f"{source.capture.path}: --frames: {lost[0]} is not one of its {len(source.frames)} frames")
    cameras = [track.camera for track in source.tracks]
    if options.lens == "keep" or not resampled:
        check(cameras)
    return Plan({frame: sample_id(frame) for frame in frames}, source.blocks(frames), {}, source, {
        LISTS["train"]: [sample_id(frame) for frame in frames]
    })  # fmt: skip


def _lists(source: Path, names: list[str]) -> dict[str, list[str]]:
    """The splits that the source has; where it has none, all samples train."""
    files = [source] if source.is_file() else [source / name for name in LISTS.values()]
    found = {file.name: [folder.name for folder in listed_samples(file)] for file in files if _filled(file)}
    return found or {LISTS["train"]: names}


def _filled(file: Path) -> bool:
    return file.is_file() and bool(lines_of(file))


@dataclass(frozen=True, eq=False)
class _Job:
    """What a worker does; sent to it once."""

    plan: Plan
    store: RunFolder[SceneRecord]
    name: FormatName
    options: ExportOptions

    @property
    def format(self) -> SceneFormat:
        return import_module(FORMATS[self.name]).FORMAT

    def __call__(self, block: Sequence[int]) -> Iterator[SceneRecord]:
        for key, scene_of in self.plan.scenes(block, self.options, self.format.hull):
            yield self._made(key, scene_of)

    def _made(self, key: int, scene_of: Callable[[], ExportScene]) -> SceneRecord:
        name = self.plan.names[key]
        try:
            scene = scene_of()
            files = self.format.files(scene, self.options)
        except UnreachableError:  # a record would say of the scene what is true of the drive
            raise
        except MouseliftError as error:
            return SceneRecord(name, None, "refused", reason=str(error))
        with self.store.writing(name) as folder:
            for path, data in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
        points = 0 if scene.hull is None else len(scene.hull.points)
        return SceneRecord(
            name, scene.frame, "written", len(scene.views), points, keypoints_found(scene), len(files),
            sum(map(len, files.values())), list(scene.notes),
        )  # fmt: skip


def keypoints_left_out(plan: Plan, records: Sequence[SceneRecord], name: FormatName) -> list[str]:
    """A note where the source has keypoints, for a format that holds none."""
    count = sum(record.keypoints > 0 for record in records)
    whose = f"keypoints of {count} sample{'s' if count > 1 else ''}" if count else ""
    if plan.capture is not None and plan.capture.capture.keypoints is not None:
        whose = f"keypoints of {plan.capture.capture.keypoints}"
    return [f"{whose} left out: {name} has no place for them; facelift and rerun have"] if whose else []


def keypoints_found(scene: ExportScene) -> int:
    """How many of its keypoints were found."""
    return 0 if scene.keypoints is None else len(scene.keypoints.found.names)


def summary_of(
    out: Path, name: FormatName, records: Sequence[SceneRecord], hull: bool, left_out: Sequence[str] = ()
) -> ExportSummary:
    """What came of the scenes. hull: the format holds points. left_out: notes that come first."""
    written = [record for record in records if record.status == "written"]
    refused = [f"refused: {record.id}: {record.reason}" for record in records if record.status == "refused"]
    notes = [f"{record.id}: {note}" for record in written for note in record.notes]
    empty = sum(not record.points for record in written) if hull else 0
    said = [*left_out]
    said += [f"{empty} scenes have no hull, so no points to start from"] if empty else []
    for lines in (refused, notes):
        said += lines[:_SAID] + ([f"and {len(lines) - _SAID} more: {out / MANIFEST}"] if len(lines) > _SAID else [])
    return ExportSummary(
        str(out), name, len(written), sum(r.count for r in written), sum(r.size for r in written),
        len(refused), tuple(said),
    )  # fmt: skip
