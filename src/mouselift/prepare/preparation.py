"""What preparing one capture is made of, whoever runs its blocks."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import shlex
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mouselift import __version__
from mouselift.array_types import Array, Int64
from mouselift.capture.capture import Capture
from mouselift.capture.source import CaptureSource, masked_frames, open_source
from mouselift.dataset.description import DATASET_FILE
from mouselift.dataset.layout import CAMERAS_FILE, LISTS
from mouselift.dataset.source import DatasetSource
from mouselift.engines.engine import Job
from mouselift.errors import CaptureError, DatasetError, FramingError, LensFoldError, MaskError
from mouselift.fingerprint import fingerprint, sample_fingerprint
from mouselift.framing.framing import DatasetZoom, Framing
from mouselift.framing.planning import wanted_zoom
from mouselift.keypoints.keypoints import DatasetKeypoints, Keypoints
from mouselift.parallel import step
from mouselift.prepare.options import PrepareOptions, Shard
from mouselift.prepare.sample import Record, Setting, make_sample, sample_id, sample_ids, usable_views, verdict
from mouselift.prepare.selection import Role, Roles, assign_roles, gap_finding, select_frames, sparse_masks
from mouselift.prepare.totals import PrepareSummary, Totals
from mouselift.progress import each
from mouselift.run_folder import RunFolder

LOG = logging.getLogger(__name__)

Source = CaptureSource | DatasetSource


class Preparation:
    """One capture on its way to one dataset: opened, begun, filled by records of blocks, completed.

    MouseliftError, with what to do, where the capture is unusable or the folder belongs to another preparation.
    """

    def __init__(self, capture: Capture, out: Path, options: PrepareOptions) -> None:
        options.check()
        self.capture, self.out, self.framing = capture, out, options.framing()
        self.up = capture.require_up()
        _give_back()
        self.source: Source = open_source(capture)
        _require_masks(capture, self.source)
        if capture.dataset is not None and out.resolve() == capture.dataset.resolve():
            raise DatasetError(f"{out}: is the input dataset itself; expected another folder for the output")
        self.options = replace(options, jumps=(*options.jumps, *capture.jumps))
        self.frames = select_frames(self.options, self.source.frames)
        self._sparse = [] if options.frames else sparse_masks(masked_frames(self.source), self.frames)
        for finding in self._sparse:  # now, not hours later
            LOG.warning("%s", finding.message)
        self.keypoints = _keypoints(capture, self.source, self.frames)
        _give_back()

    def measuring(self) -> Job[DatasetZoom | None]:
        """The first pass, over masks, of a zoom that all samples share."""
        return _WantJob(self.source, self.options, self.framing)

    @contextmanager
    def begun(self, shared: DatasetZoom | None, shard: Shard | None = None) -> Iterator[None]:
        """The folder is locked and open in here. shared: what the first pass found, where there is one."""
        identity = self.identity(shared)
        self._store = DatasetStore(self.out, identity, "" if shard is None else shard.name)
        among = None if shard is None else {frame for block in self.blocks(shard) for frame in block}
        with self._store.locked(), closing(self.source):
            self._store.open()
            self.known = self._store.known(among)
            self.asked = np.fromiter(self.frames if among is None else sorted(among), dtype=np.int64)
            self.made = 0
            provenance = _provenance(identity)
            setting = Setting(
                self.options, self.framing, self.source.cameras, self.up, shared, self.source.rate, provenance,
                self.keypoints,
            )  # fmt: skip
            self.job: Job[list[Record]] = _Job(self.source, setting, self._store)
            done = int(np.isin(self.asked, self.known).sum())
            LOG.info("%s: %d frames selected, %d of them finished before", self.out, len(self.asked), done)
            yield

    def blocks(self, shard: Shard | None = None) -> list[Sequence[int]]:
        """All selected frames, cut where reading can begin; a shard's are every n-th of these blocks."""
        blocks = self.source.blocks(self.frames)
        return blocks if shard is None else blocks[shard.index :: shard.count]

    def todo(self) -> list[Sequence[int]]:
        """Blocks of what has still to be made."""
        return self.source.blocks(np.setdiff1d(self.asked, self.known))

    def take(self, records: Sequence[Record]) -> None:
        """What the job said of some frames. The journal keeps it."""
        for record in records:
            LOG.debug("frame %d: %s, %s", record.frame, record.status, ", ".join(f.code for f in record.findings))
        self.made += len(records)

    def complete(self) -> PrepareSummary:
        """Splits, manifest, lists, description."""
        there = np.union1d(self.asked, self.known)  # a denser or another selection may have made more before
        summary, roles, description = self._counted(there)
        self._store.complete(there, roles, description)
        return summary

    def stopped(self) -> PrepareSummary:
        """Of a part: nothing is completed, the samples have no splits yet."""
        said = [*self.source.findings, *self._sparse]
        return self._totals(self.asked).summary(self.out, len(self.asked), self.made, {}, said, self._labelled())

    def _counted(self, there: Int64[Array, " f"]) -> tuple[PrepareSummary, Roles, dict[str, Any]]:
        totals = self._totals(there)
        roles = assign_roles(self.options, totals.kept, self.source.rate)
        said = [*self.source.findings, *self._sparse, *gap_finding(self.options, roles, self.source.rate)]
        summary = totals.summary(self.out, len(self.asked), self.made, roles, said, self._labelled())
        return summary, roles, totals.description(self.source, roles, self.options)

    def _labelled(self) -> list[int] | None:
        """Frames with keypoints; None where the capture names none."""
        if self.keypoints is not None:
            return self.keypoints.found_at
        return None if self.capture.keypoints is None else []

    def _totals(self, frames: Int64[Array, " f"]) -> Totals:
        """Of the samples of these frames, all of which are there."""
        totals = Totals(self.capture, self.source)
        mine = np.isin(frames, self.asked)
        for record, asked in zip(self._store.read_back(sample_ids(frames)), mine, strict=True):
            totals.add(record, bool(asked))
        return totals

    def identity(self, shared: DatasetZoom | None) -> dict[str, Any]:
        """What two runs into one folder must agree in."""
        return _identity(self.capture, self.source, self.options, self.framing, shared)


@dataclass(frozen=True, eq=False)
class _Job:
    """What a worker does with a block of frames: one list of records a few samples long at a time."""

    source: Source
    setting: Setting
    store: DatasetStore

    @property
    def seconds_an_item(self) -> float:
        """About: 27 ms a sample of six quarter-size cameras at 128 px, 70 ms at 512 (docs/evidence/performance.md)."""
        side = self.setting.options.size
        return len(self.setting.cameras) * (0.004 + 3e-8 * side**2)

    def __call__(self, block: Sequence[int]) -> Iterator[list[Record]]:
        for frameset in self.source.read(block):
            record, files = make_sample(frameset, self.setting)
            if record.status == "kept":
                self.store.add(record.id, files)
            self.store.log([record])
            yield [record]
            step()
        self.store.sync()


@dataclass(frozen=True, eq=False)
class _WantJob:
    """First pass of a zoom over the dataset: masks only."""

    source: Source
    options: PrepareOptions
    framing: Framing

    def __call__(self, block: Sequence[int]) -> Iterator[DatasetZoom | None]:
        for frameset in each(self.source.read(block, images=False), step):
            views, subjects, findings = usable_views(frameset, self.options, images=False)
            if verdict(findings, len(views), self.options) is not None:
                yield None
                continue
            silhouettes = [subject.silhouette for subject in subjects]
            try:
                yield wanted_zoom(self.framing, [v.camera for v in views], silhouettes, frameset.frame)
            except (FramingError, LensFoldError):
                yield None


def _require_masks(capture: Capture, source: Source) -> None:
    """MaskError where no camera has any: all of the recording would be decoded, and every frame of it dropped."""
    if isinstance(source, CaptureSource) and all(track.masks is None for track in source.tracks):
        raise MaskError(
            f"{capture.path}: no camera has masks, so no frame can become a sample; `mouselift mask "
            f"{shlex.quote(str(capture.path.parent))}` makes them, or name masks in capture.toml"
        )


def _give_back() -> None:
    """Memory in which videos were indexed goes back to the system: glibc would keep it, in pieces, while this runs.

    Of 12 videos of 100,000 images it is 10 MB.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def _identity(
    capture: Capture, source: Source, options: PrepareOptions, framing: Framing, shared: DatasetZoom | None
) -> dict[str, Any]:
    """What two runs into one folder must agree in."""
    each = ("interpolation", "background", "on_missing", "on_cut", "speck")
    recipe = {"framing": framing, **{name: getattr(options, name) for name in each}}
    return {
        "preset": framing.preset,
        "recipe": msgspec.to_builtins(recipe),
        "shared_zoom": None if shared is None else msgspec.to_builtins(shared),
        "rig": {"format": capture.rig_format, "unit": capture.unit, "up": capture.require_up().tolist()},
        "cameras": list(source.cameras),
        "sources": _sources(source, [] if capture.keypoints is None else [capture.keypoints]),
        **({"keypoints_offset": capture.keypoints_offset} if capture.keypoints_offset else {}),
        "version": __version__,
    }


def _keypoints(capture: Capture, source: Source, frames: Sequence[int]) -> Keypoints | DatasetKeypoints | None:
    """Of the frames that are selected, in the world of their cameras; None where there are none, which is said.

    A dataset's samples bring their own.
    """
    if isinstance(source, DatasetSource):
        mine = set(frames)
        own = {f: s.keypoints for f, s in source.samples.items() if f in mine and s.keypoints is not None}
        return DatasetKeypoints(own) if own else None
    found = keypoints_of(capture, source.rate)
    chosen = None if found is None else found.among(frames)
    if found is not None and chosen is None:
        LOG.warning("%s: none of the %d selected frames has keypoints (%s)", found.file, len(frames), found.words)
    return chosen


def keypoints_of(capture: Capture, rate: float) -> Keypoints | None:
    """What a capture names, in its rig's world. CaptureError, with the way out, where it cannot be read."""
    if capture.keypoints is None:
        return None
    from mouselift.keypoints.registry import load_keypoints  # all readers: workers need none of them

    try:
        return load_keypoints(capture.keypoints, rate, capture.keypoints_offset)
    except CaptureError as error:
        raise CaptureError(f"{error}. Without `keypoints` in {capture.path} samples are made without them") from None


def _provenance(identity: dict[str, Any]) -> dict[str, Any]:
    """What goes into every sample's file."""
    keep = ("preset", "version", "cameras")
    sources = hashlib.sha256(msgspec.json.encode(identity["sources"], order="sorted")).hexdigest()[:16]
    return {**{key: identity[key] for key in keep}, "unit": identity["rig"]["unit"], "sources": sources}


def _sources(source: Source, others: Sequence[Path]) -> dict[str, str]:
    found = {f"{path.parent.name}/{path.name}": fingerprint(path) for path in (*source.files, *others)}
    if isinstance(source, DatasetSource):
        parts = [sample_fingerprint(sample.folder) for sample in source.samples.values() if sample.folder is not None]
        found["samples"] = hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
    return found


class DatasetStore(RunFolder[Record]):
    """One prepared dataset on disk."""

    def __init__(self, root: Path, identity: dict[str, Any], shard: str = "") -> None:
        super().__init__(root, identity, description=DATASET_FILE, record=Record, verb="prepare", shard=shard)

    def known(self, among: Container[int] | None = None) -> Int64[Array, " f"]:
        """Frames, ascending, of samples that need no work: dropped, or whole on disk. among: frames; None: all."""
        frames = (
            record.frame
            for record in self.records(lambda record: among is None or record.frame in among)
            if record.status == "dropped" or (self.root / record.id / CAMERAS_FILE).is_file()
        )
        return np.unique(np.fromiter(frames, dtype=np.int64))

    def add(self, sample: str, files: dict[str, bytes]) -> None:
        """All files of a sample, whole or absent."""
        with self.writing(sample) as folder:
            (folder / "images").mkdir()
            for name, data in files.items():
                (folder / name).write_bytes(data)

    def complete(self, frames: Int64[Array, " f"], roles: Mapping[int, Role], summary: dict[str, Any]) -> None:
        """Manifest by frame, the lists of the splits, the description. roles: of the frames that were kept."""
        records = (
            msgspec.structs.replace(record, split=roles.get(record.frame))
            for record in self.read_back(sample_ids(frames))
        )

        def samples(role: str) -> Iterator[str]:
            return (sample_id(frame) for frame in roles if roles[frame] == role)

        self.finish(records, {name: samples(role) for role, name in LISTS.items()}, summary)
