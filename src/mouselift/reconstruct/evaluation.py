"""Evaluates a dataset sample by sample; goes on where a killed run stopped. Memory does not grow with the dataset."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from mouselift.data.dataset import MultiViewDataset
from mouselift.data.sample import SampleTensors
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.dataset.sample import read_sample
from mouselift.errors import DatasetError, MouseliftError
from mouselift.reconstruct.gaussian_source import Progress, Source
from mouselift.reconstruct.hold_out import HoldOut, Round
from mouselift.reconstruct.metrics import Distance, view_scores
from mouselift.reconstruct.network import draw, view_of
from mouselift.reconstruct.scores import Group, Role, SampleRecord, ViewRecord, groups, known_figures
from mouselift.reconstruct.sheet import MOST, Pair, jpeg, sheet
from mouselift.reconstruct.tables import samples_csv, views_csv
from mouselift.render.base import WHITE, Colour, Renderer
from mouselift.run_folder import RunFolder, file_digest

DESCRIPTION, SHEET = "evaluation.json", "sheet.jpg"
VIEWS_CSV, SAMPLES_CSV = "views.csv", "samples.csv"


@dataclass(frozen=True)
class Plan:
    """What will be done, checked: every sample's cameras and image headers are read, nothing is decoded."""

    dataset: Path
    folders: tuple[Path, ...]
    rule: HoldOut
    views: int  # of the sample that has most
    side: int | None  # pixels of the images that will be used; None: they differ
    most_inputs: int  # that go in at once
    rounds: int  # reconstructions in all


@dataclass(frozen=True, eq=False)
class Settings:
    """How images are compared."""

    size: int | None = None  # pixels a side that samples are resized to, with their cameras
    background: Colour = WHITE
    lpips: Distance | None = None
    lpips_digest: str | None = None  # of the weights' file
    notes: Mapping[str, str] = field(default_factory=dict)  # for the description and the page: model, device, ...


class Evaluation(msgspec.Struct):
    """The result."""

    dataset: str
    held_out: str  # the rule in words
    size: int | None
    background: Colour
    notes: dict[str, str]
    samples: int
    images: int  # scored
    without_mask: int  # of them, that have whole-image figures only
    means: list[Group]  # held-out first
    by_view: list[Group]
    records: list[SampleRecord]


def make_plan(
    dataset: Path,
    rule: HoldOut,
    size: int | None = None,
    limit: int | None = None,
    progress: Progress = lambda *_: None,
) -> Plan:
    """Of a dataset folder, a list file or one sample. limit: that many samples, evenly spread over the dataset.

    DatasetError names the sample: unusable, not square, without a view that the rule names; or named as another one.
    """
    folders = [folder.resolve() for folder in find_samples(dataset)]
    if limit is not None and limit < 1:
        raise DatasetError(f"limit: expected at least one sample, got {limit}")
    if limit is not None and limit < len(folders):
        folders = [folders[int(k)] for k in np.linspace(0, len(folders) - 1, limit).round()]
    names = [folder.name for folder in folders]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DatasetError(f"{dataset}: expected samples of different names, got {twice[0]} more than once")
    views = inputs = rounds = 0
    sides = set()
    for done, folder in enumerate(folders, start=1):
        found = read_sample(folder)
        try:
            rule = rule.settled(found.names)
            its = rule.rounds(found.names)
        except DatasetError as error:
            raise DatasetError(f"sample {folder.name}: {error}") from None
        views, rounds = max(views, len(found.names)), rounds + len(its)
        inputs = max(inputs, *(len(one.inputs) for one in its))
        sides.add(size or found.views[0].camera.width)
        progress("samples checked", done, len(folders))
    return Plan(dataset, tuple(folders), rule, views, sides.pop() if len(sides) == 1 else None, inputs, rounds)


def evaluate(
    plan: Plan, source: Source, settings: Settings, out: Path | None = None, progress: Progress = lambda *_: None
) -> Evaluation:
    """Reconstructs, draws and scores every sample of the plan.

    out: folder for evaluation.json, views.csv, samples.csv and a sheet of images a sample; a run with the same plan,
    source and settings goes on in it, another one is refused (DatasetError). Without it, nothing is written.
    """
    if out is None:
        return _result(plan, settings, _records(plan, source, settings, None, progress))
    identity = {
        "dataset": str(plan.dataset.resolve()),
        "source": source.identity,
        "hold_out": plan.rule,
        "size": settings.size,
        "background": settings.background,
        "lpips": settings.lpips_digest,
    }
    store = RunFolder(out, identity, description=DESCRIPTION, record=SampleRecord, verb="evaluate")
    with store.locked():
        store.open()
        records = _records(plan, source, settings, store, progress)
        result = _result(plan, settings, records)
        store.write(VIEWS_CSV, views_csv(records))
        store.write(SAMPLES_CSV, samples_csv(records))
        mine = {record.id for record in records}
        others = [record for record in _known(store).values() if record.id not in mine]
        summary = {key: getattr(result, key) for key in result.__struct_fields__ if key not in ("records", "dataset")}
        store.finish([*records, *others], {}, summary)
    return result


def _records(
    plan: Plan, source: Source, settings: Settings, store: RunFolder[SampleRecord] | None, progress: Progress
) -> list[SampleRecord]:
    known = _known(store) if store else {}
    data = MultiViewDataset(plan.folders, size=settings.size, background=settings.background)
    renderer = source.renderer()
    records = []
    for place, folder in enumerate(plan.folders):
        made_from = f"{file_digest(folder / CAMERAS_FILE)} {source.key(folder.name)}".strip()
        if folder.name not in known or known[folder.name].made_from != made_from:
            record, image = _scored(data[place], made_from, source, plan.rule, settings, renderer, progress)
            if store is not None:
                with store.writing(record.id) as hidden:
                    (hidden / SHEET).write_bytes(image)
                store.log([record])
            known[record.id] = record
        records.append(known[folder.name])
        progress("samples", place + 1, len(plan.folders))
    return records


def _known(store: RunFolder[SampleRecord]) -> dict[str, SampleRecord]:
    """Finished samples."""
    return {record.id: record for record in store.records() if (store.root / record.id / SHEET).is_file()}


def _scored(
    sample: SampleTensors,
    made_from: str,
    source: Source,
    rule: HoldOut,
    settings: Settings,
    renderer: Renderer,
    progress: Progress,
) -> tuple[SampleRecord, bytes]:
    """(the record, its sheet of images)."""
    start = time.monotonic()
    rows: list[ViewRecord] = []
    pairs: dict[int, Pair] = {}
    count = 0
    for number, each in enumerate(rule.rounds(sample.views)):
        gaussians = source.gaussians(sample, each.inputs, progress)
        count = count or len(gaussians)
        for place in (*each.held_out, *each.inputs):
            rendering = draw(renderer, gaussians, view_of(sample, place), settings.background)
            target = sample.image[place]
            try:
                scores = view_scores(
                    rendering.colour,
                    rendering.alpha,
                    target.to(rendering.colour.device),
                    settings.background,
                    settings.lpips,
                )
            except (ValueError, MouseliftError) as error:
                raise DatasetError(f"sample {sample.name}, view {sample.views[place]}: {error}") from error
            rows.append(
                ViewRecord(view=sample.views[place], role=_role(each, place), round=number, **known_figures(scores))
            )
            if (place in each.held_out or not rule.rotate) and len(pairs) < MOST:
                pairs[place] = Pair(target, rendering)
    record = SampleRecord(sample.name, made_from, count, round(time.monotonic() - start, 3), rows)
    return record, jpeg(sheet(list(pairs.values())))


def _role(each: Round, place: int) -> Role:
    return "held-out" if place in each.held_out else "input"


def _result(plan: Plan, settings: Settings, records: Sequence[SampleRecord]) -> Evaluation:
    means, by_view = groups(records)
    rows = [row for record in records for row in record.views]
    return Evaluation(
        str(plan.dataset),
        plan.rule.words,
        settings.size,
        settings.background,
        dict(settings.notes),
        len(records),
        len(rows),
        sum(row.foreground_psnr is None and row.iou is None for row in rows),
        means,
        by_view,
        list(records),
    )
