"""What preparing one capture is made of, whoever runs its blocks."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mouselift import __version__
from mouselift.atomic import visible
from mouselift.capture.capture import Capture
from mouselift.capture.scale import Scale
from mouselift.capture.source import CaptureSource, masked_frames, open_source
from mouselift.dataset.layout import CAMERAS_FILE, LISTS
from mouselift.dataset.source import DatasetSource
from mouselift.engines.engine import Job
from mouselift.errors import DatasetError, FramingError, LensFoldError, UnreachableError
from mouselift.findings import Finding
from mouselift.framing.framing import DatasetZoom, Framing
from mouselift.framing.planning import wanted_zoom
from mouselift.parallel import step
from mouselift.prepare.options import PrepareOptions, Shard
from mouselift.prepare.sample import Record, Setting, make_sample, usable_views, verdict
from mouselift.prepare.selection import assign_roles, gap_finding, select_frames, sparse_masks
from mouselift.progress import each
from mouselift.run_folder import RunFolder

LOG = logging.getLogger(__name__)

Source = CaptureSource | DatasetSource

DESCRIPTION = "dataset.json"
_FINGERPRINT_BYTES = 1 << 20


@dataclass(frozen=True)
class PrepareSummary:
    """What a run made, and what it left out and why."""

    out: Path
    frames: int  # selected
    kept: int
    made: int  # by this run; the others were there
    dropped: dict[str, int]  # finding code -> samples
    splits: dict[str, int]  # train, val, gap
    findings: tuple[Finding, ...]  # about the recording as a whole
    noticed: dict[str, int] = field(default_factory=dict)  # finding code -> samples that were kept all the same
    scale: str = ""  # the subject's size and the cameras' distance in the declared unit, in words


class Preparation:
    """One capture on its way to one dataset: opened, begun, filled by records of blocks, completed.

    MouseliftError, with what to do, where the capture is unusable or the folder belongs to another preparation.
    """

    def __init__(self, capture: Capture, out: Path, options: PrepareOptions) -> None:
        options.check()
        self.capture, self.out, self.framing = capture, out, options.framing()
        self.up = capture.require_up()
        self.source: Source = open_source(capture)
        if capture.dataset is not None and out.resolve() == capture.dataset.resolve():
            raise DatasetError(f"{out}: is the input dataset itself; expected another folder for the output")
        self.options = replace(options, jumps=(*options.jumps, *capture.jumps))
        self.frames = select_frames(self.options, self.source.frames)
        self._sparse = [] if options.frames else sparse_masks(masked_frames(self.source), self.frames)
        for finding in self._sparse:  # now, not hours later
            LOG.warning("%s", finding.message)

    def measuring(self) -> Job[DatasetZoom | None]:
        """The first pass, over masks, of a zoom that all samples share."""
        return _WantJob(self.source, self.options, self.framing)

    @contextmanager
    def begun(self, shared: DatasetZoom | None, shard: Shard | None = None) -> Iterator[None]:
        """The folder is locked and open in here. shared: what the first pass found, where there is one."""
        identity = self.identity(shared)
        self._store = DatasetStore(self.out, identity, "" if shard is None else shard.name)
        mine = self.blocks(shard)
        with self._store.locked(), closing(self.source):
            self._store.open()
            among = None if shard is None else {frame for block in mine for frame in block}
            self.known = self._store.known(among)
            self.asked = [frame for block in mine for frame in block]
            self.made = 0
            provenance = _provenance(identity)
            setting = Setting(
                self.options, self.framing, self.source.cameras, self.up, shared, self.source.rate, provenance
            )
            self.job: Job[list[Record]] = _Job(self.source, setting, self._store)
            done = sum(frame in self.known for frame in self.asked)
            LOG.info("%s: %d frames selected, %d of them finished before", self.out, len(self.asked), done)
            yield

    def blocks(self, shard: Shard | None = None) -> list[list[int]]:
        """All selected frames, cut where reading can begin; a shard's are every n-th of these blocks."""
        blocks = self.source.blocks(self.frames)
        return blocks if shard is None else blocks[shard.index :: shard.count]

    def todo(self) -> list[list[int]]:
        """Blocks of what has still to be made."""
        return self.source.blocks([frame for frame in self.asked if frame not in self.known])

    def take(self, records: Sequence[Record]) -> None:
        """What the job said of some frames."""
        for record in records:
            LOG.debug("frame %d: %s, %s", record.frame, record.status, ", ".join(f.code for f in record.findings))
        self.known.update({record.frame: record for record in records})
        self.made += len(records)

    def complete(self) -> PrepareSummary:
        """Splits, manifest, lists, description."""
        kept = [record.frame for record in self.known.values() if record.status == "kept"]
        roles = assign_roles(self.options, kept, self.source.rate)
        records = {f: msgspec.structs.replace(r, split=roles.get(f)) for f, r in self.known.items()}
        said = [*self.source.findings, *self._sparse, *gap_finding(self.options, roles, self.source.rate)]
        self._store.complete(records, _description(self.source, records, self.options))
        return self._summary(records, said)

    def stopped(self) -> PrepareSummary:
        """Of a part: nothing is completed, the samples have no splits yet."""
        return self._summary(self.known, [*self.source.findings, *self._sparse])

    def _summary(self, records: dict[int, Record], said: list[Finding]) -> PrepareSummary:
        return _summary(self.out, self.asked, records, self.made, said, _scale(self.capture, self.source, records))

    def identity(self, shared: DatasetZoom | None) -> dict[str, Any]:
        """What two runs into one folder must agree in."""
        return _identity(self.capture, self.source, self.options, self.framing, shared)


@dataclass(frozen=True, eq=False)
class _Job:
    """What a worker does with a block of frames: one list of records a few samples long at a time."""

    source: Source
    setting: Setting
    store: DatasetStore

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
        "sources": {f"{path.parent.name}/{path.name}": fingerprint(path) for path in source.files},
        "version": __version__,
    }


def _provenance(identity: dict[str, Any]) -> dict[str, Any]:
    """What goes into every sample's file."""
    keep = ("preset", "version", "cameras")
    sources = hashlib.sha256(msgspec.json.encode(identity["sources"], order="sorted")).hexdigest()[:16]
    return {**{key: identity[key] for key in keep}, "unit": identity["rig"]["unit"], "sources": sources}


def fingerprint(path: Path) -> str:
    """16 hex digits from a file's size and its first, middle and last megabyte, or a folder's names and sizes.

    Enough to notice that a source is another one, at no cost for recordings of many gigabytes. UnreachableError where
    it cannot be read.
    """
    digest = hashlib.sha256()
    with UnreachableError.reading(path):
        if path.is_dir():
            for entry in visible(path.iterdir()):
                if entry.is_file():
                    digest.update(f"{entry.name}:{entry.stat().st_size};".encode())
            return digest.hexdigest()[:16]
        size = path.stat().st_size
        digest.update(str(size).encode())
        with path.open("rb") as handle:
            for start in sorted({0, max(0, size // 2), max(0, size - _FINGERPRINT_BYTES)}):
                handle.seek(start)
                digest.update(handle.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()[:16]


def _scale(capture: Capture, source: Source, records: Mapping[int, Record]) -> Scale | None:
    """Sizes by the plans of the samples that are kept; None of a dataset, whose samples are normalised, and of none."""
    kept = [record for record in records.values() if record.status == "kept" and record.views]
    if not isinstance(source, CaptureSource) or not kept:
        return None
    cameras = {track.name: track.camera for track in source.tracks}
    distances: dict[str, list[float]] = {}
    lengths: list[float] = []
    for record in kept:
        seen: list[float] = []
        for view in record.views:
            camera = cameras[view["camera"]]
            distances.setdefault(camera.name, []).append(view["distance"])
            if view["fill_before"] is not None:
                side = view["fill_before"] * (camera.width * camera.height) ** 0.5
                seen.append(side * view["distance"] / camera.focal)
        lengths += [max(seen)] if seen else []
    subject = float(np.median(lengths)) if lengths else None
    return Scale(capture.unit, tuple(float(np.median(values)) for values in distances.values()), subject)


def _summary(
    out: Path,
    frames: list[int],
    records: dict[int, Record],
    made: int,
    findings: Sequence[Finding],
    scale: Scale | None,
) -> PrepareSummary:
    mine = [records[frame] for frame in frames]
    kept = [record for record in mine if record.status == "kept"]
    return PrepareSummary(
        out,
        len(frames),
        len(kept),
        made,
        dict(Counter(record.reason or "unknown" for record in mine if record.status == "dropped")),
        dict(Counter(record.split or "none" for record in kept)),
        (*findings, *(scale.findings() if scale is not None else ())),
        dict(Counter(code for record in kept for code in {finding.code for finding in record.findings})),
        scale.words if scale is not None else "",
    )


def _description(source: Source, records: dict[int, Record], options: PrepareOptions) -> dict[str, Any]:
    """What dataset.json says once the dataset is complete. No clock and no path: the same run, the same bytes."""
    kept = [record for record in records.values() if record.status == "kept"]
    split = {"validation": options.val, "blocks": options.val_blocks, "gap": options.gap}
    focal = np.array([view["focal"] for record in kept for view in record.views])
    return {
        "samples": len(kept),
        "dropped": dict(sorted(Counter(r.reason or "" for r in records.values() if r.status == "dropped").items())),
        "split": {"options": split, **dict(sorted(Counter(r.split or "" for r in kept).items()))},
        "focal_px": {"min": float(focal.min()), "max": float(focal.max())} if focal.size else None,
        "frame_rate": source.rate,
        "findings": [msgspec.to_builtins(finding) for finding in source.findings],
    }


class DatasetStore(RunFolder[Record]):
    """One prepared dataset on disk."""

    def __init__(self, root: Path, identity: dict[str, Any], shard: str = "") -> None:
        super().__init__(root, identity, description=DESCRIPTION, record=Record, verb="prepare", shard=shard)

    def known(self, among: Container[int] | None = None) -> dict[int, Record]:
        """Records, by frame, of samples that need no work: dropped, or whole on disk. among: frames; None: all."""
        return {
            record.frame: msgspec.structs.replace(record, split=None)
            for record in self.records(lambda record: among is None or record.frame in among)
            if record.status == "dropped" or (self.root / record.id / CAMERAS_FILE).is_file()
        }

    def add(self, sample: str, files: dict[str, bytes]) -> None:
        """All files of a sample, whole or absent."""
        with self.writing(sample) as folder:
            (folder / "images").mkdir()
            for name, data in files.items():
                (folder / name).write_bytes(data)

    def complete(self, records: dict[int, Record], summary: dict[str, Any]) -> None:
        """Manifest by frame, the lists of the splits, the description."""
        ordered = [records[frame] for frame in sorted(records)]
        lists = {name: [r.id for r in ordered if r.split == split] for split, name in LISTS.items()}
        self.finish(ordered, lists, summary)
