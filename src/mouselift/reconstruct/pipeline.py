"""The two verbs: samples to Gaussians, renders, scores and a turntable; and the same with views held out, for scores.

Samples are made one after the other; a stopped run goes on where it was. Memory does not grow with the dataset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from mouselift import __version__, parallel
from mouselift.atomic import check_folder, check_output, check_outside
from mouselift.dataset.description import warn_of_unfinished
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.errors import DatasetError
from mouselift.fingerprint import file_digest
from mouselift.fit.camera_colours import CameraColours
from mouselift.gaussians.files import write_ply
from mouselift.media.encode import encode_jpeg
from mouselift.progress import Progress, silent
from mouselift.reconstruct.each_sample import colours_of, network_of, processes_for, reconstructions, source_of
from mouselift.reconstruct.gaussian_source import FileSource, Source
from mouselift.reconstruct.lpips import Lpips
from mouselift.reconstruct.options import EvaluateOptions, ReconstructOptions, colour_of
from mouselift.reconstruct.plan import Estimate, Plan, Task, estimate, make_plan, sample_folders
from mouselift.reconstruct.record import (
    EVALUATION,
    METRICS,
    METRICS_CSV,
    RECONSTRUCTION,
    ROLES,
    SAMPLES_CSV,
    SHEET,
    VIEWS_CSV,
    Group,
    Mean,
    SampleRecord,
    artefact_means,
    groups,
    metrics_csv,
    samples_csv,
    views_csv,
)
from mouselift.reconstruct.sample import Made, Shot
from mouselift.reconstruct.write import SHEET_QUALITY, Page, sheet, write_made
from mouselift.render.backends import renderer_for
from mouselift.render.base import Colour
from mouselift.run_folder import RunFolder
from mouselift.sampling import evenly_spaced
from mouselift.strings_as_paths import takes_paths

Announce = Callable[[Plan, Estimate | None], None]  # hears what is about to start; None: no network runs


class Evaluation(msgspec.Struct):
    """The result of an evaluation."""

    dataset: str
    held_out: str  # the rule in words
    size: int | None  # pixels a side that samples were resized to
    background: Colour
    notes: dict[str, str]  # for the description and the page: what made the Gaussians, device, ...
    samples: int
    images: int  # scored
    without_mask: int  # of them, that have whole-image figures only
    means: list[Group]  # held-out first
    by_view: list[Group]
    records: list[SampleRecord]
    artefacts: dict[str, Mean] = {}  # of `reconstruct.artefacts`


@dataclass(frozen=True)
class Reconstructed:
    """The result of a reconstruction."""

    records: list[SampleRecord]  # of the samples that were asked for, in their order
    made: int  # of them, in this run; the others were there


@takes_paths
def reconstruct_samples(
    samples: Path | Sequence[Path],
    out: Path,
    options: ReconstructOptions,
    *,
    workers: int = 1,
    engine: parallel.Engine | None = None,
    progress: Progress = silent,
    page: Page | None = None,
    announce: Announce = lambda *_: None,
) -> Reconstructed:
    """Turns prepared samples into 3D Gaussians, with a trained network or by a fit, draws them, and scores them.

    samples: folders of samples, datasets or list files. out: a folder, in which each sample gets one of its name with
    gaussians.ply, renders, cameras.json, metrics.json and a turntable; finished samples are left as they are. Or,
    for one sample, a .ply: that file alone. page: writes a sample's page before its folder is complete
    (`report.reconstruction_page.write_reconstruction_page`). workers: samples that are fitted at a time, in processes
    (`--method fit` on a CPU only; 0: one a core); the result does not depend on it. engine: where they run instead.

    DatasetError: a sample that cannot be used, or a folder of another run. OutputError: a place where nothing may be
    written. ModelError, CheckpointError: the network cannot be used, or not on such samples.

    Example:
        >>> options = ReconstructOptions(checkpoint=Path("facelift.pt"), size=256)
        >>> done = reconstruct_samples(Path("out/mouse7"), Path("recon"), options)
        >>> [record.mean("foreground_psnr", "input") for record in done.records]
    """
    given = [samples] if isinstance(samples, Path) else list(samples)
    folders = sample_folders(given)
    for folder in (*given, *folders):
        check_outside(out, folder)
    alone = out.suffix.lower() == ".ply"
    if alone:
        check_output(out, False)
    else:
        check_folder(out)
    warn_of_unfinished(*given)
    if alone and len(folders) != 1:
        raise DatasetError(f"{out}: a .ply holds one sample, got {len(folders)}; expected a folder for the results")
    source = source_of(options)
    runs_on, network = processes_for(source, workers, engine), network_of(source)
    identity = {**source.identity, "options": options.identity, "mouselift": __version__}
    store = RunFolder(out, identity, description=RECONSTRUCTION, record=SampleRecord, verb="reconstruct")
    wanted = evenly_spaced(folders, options.samples or len(folders))
    todo = wanted if alone else _unfinished(store, wanted)
    plan = make_plan(todo, options.rule, options.size)
    if todo:
        announce(plan, estimate(network.engine, plan) if network else None)
    progress = over_samples(plan.tasks, 0 if alone else options.turntable, progress)
    made_of = partial(
        reconstructions,
        plan.tasks,
        source,
        options,
        progress,
        filter=options.filter,
        colours=colours_of(folders, options),
        workers=runs_on,
    )
    if alone:
        (made,) = made_of()
        write_ply(out, made.splats, options.colour_bytes)
        return Reconstructed([made.record], 1)
    with store.locked():
        store.open()
        for made in made_of():
            with store.writing(made.record.id) as hidden:
                write_made(
                    made,
                    hidden,
                    renderer_for(source.device),
                    options.turntable,
                    page,
                    progress,
                    colour_bytes=options.colour_bytes,
                )
            store.log([made.record])
        known = _finished(store, METRICS)
        ordered = [known[name] for name in sorted(known)]
        store.finish(ordered, {}, {"samples": len(ordered)})
        store.write(METRICS_CSV, metrics_csv(ordered))
    return Reconstructed([known[folder.name] for folder in wanted], len(todo))


@takes_paths
def evaluate_reconstruction(
    dataset: Path,
    out: Path | None,
    options: EvaluateOptions,
    *,
    source: Source | None = None,
    workers: int = 1,
    progress: Progress = silent,
    announce: Announce = lambda *_: None,
) -> Evaluation:
    """Reconstructs a dataset's samples with views held out, draws all views and scores them against their images.

    out: folder for evaluation.json, views.csv, samples.csv and a sheet of images a sample; a run with the same dataset
    and options goes on in it, another one is refused (DatasetError). None: nothing is written. source: what gives the
    Gaussians, in place of the options' checkpoint or files. workers, errors: as `reconstruct_samples`.

    Example:
        >>> options = EvaluateOptions(checkpoint=Path("facelift.pt"), hold_out=("Camera6",))
        >>> evaluate_reconstruction(Path("out/mouse7/data_val.txt"), Path("evaluated"), options).means
    """
    if out is not None:
        check_folder(out)
    plan = make_plan(dataset, options.rule, options.size, options.samples, progress)
    warn_of_unfinished(dataset)
    if source is None:
        source = source_of(options)
    runs_on, network = processes_for(source, workers), network_of(source)
    if isinstance(source, FileSource):
        source.check([task.name for task in plan.tasks])
    announce(plan, estimate(network.engine, plan) if network else None)
    lpips = None if options.lpips is None else Lpips.load(options.lpips, source.device)
    identity = {
        "dataset": str(dataset.resolve()),
        "source": source.identity,
        "hold_out": plan.rule,
        "size": options.size,
        "background": colour_of(options.background),
        **({"camera_colours": True} if options.camera_colours else {}),
        "lpips": None if options.lpips is None else file_digest(options.lpips),
    }
    store = None
    if out is not None:
        store = RunFolder(out, identity, description=EVALUATION, record=SampleRecord, verb="evaluate")
    with store.locked() if store else nullcontext():
        if store:
            store.open()
        known = _finished(store, SHEET) if store else {}
        todo = [task for task in plan.tasks if not _same_input(known.get(task.name), task.folder, source)]
        progress = over_samples(todo, 0, progress)
        colours = colours_of([task.folder for task in plan.tasks], options)
        made_of = reconstructions(
            todo, source, options, progress, lpips=lpips, judged=True, colours=colours, workers=runs_on
        )
        for made in made_of:
            if store:
                with store.writing(made.record.id) as hidden:
                    (hidden / SHEET).write_bytes(encode_jpeg(sheet(_shown(made, plan.rule.rotate)), SHEET_QUALITY))
                store.log([made.record])
            known[made.record.id] = made.record
        records = [known.pop(task.name) for task in plan.tasks]
        result = _evaluation(dataset, options, plan, source, records, colours)
        if store:
            store.write(VIEWS_CSV, views_csv(records))
            store.write(SAMPLES_CSV, samples_csv(records))
            keys = [key for key in result.__struct_fields__ if key not in ("records", "dataset")]
            store.finish([*records, *known.values()], {}, {key: getattr(result, key) for key in keys})
    return result


def over_samples(tasks: Sequence[Task], frames: int, progress: Progress) -> Progress:
    """Counts over all samples: a call is one more sample, block of the network, step of a fit, or image.

    frames: images more a sample.
    """
    rounds = sum(len(task.rounds) for task in tasks)
    images = sum(task.views * len(task.rounds) + frames for task in tasks)
    done, totals = Counter[str](), {"samples": len(tasks), "images": images}
    if tasks:
        progress("samples", 0, len(tasks))  # else the first one would count as done before

    def one_more(stage: str, _: int, total: int) -> None:
        if stage == "transformer":  # `total`: blocks of one pass
            stage, totals["network"] = "network", total * rounds
        if stage == "steps":  # `total`: of one fit
            totals[stage] = total * rounds
        done[stage] += 1
        progress(stage, done[stage], totals[stage])

    return one_more


def _finished(store: RunFolder[SampleRecord], file: str) -> dict[str, SampleRecord]:
    """Samples whose folder is whole: it holds the file that is written last."""
    return {record.id: record for record in store.records() if (store.root / record.id / file).is_file()}


def _unfinished(store: RunFolder[SampleRecord], folders: Sequence[Path]) -> list[Path]:
    """Those not yet done. DatasetError where the folder is another run's, or one was made from other cameras."""
    if store.root.is_dir() and any(store.root.iterdir()):
        store.open()
    known = _finished(store, METRICS)
    for folder in folders:
        there = known.get(folder.name)
        if there is not None and there.cameras != file_digest(folder / CAMERAS_FILE):
            raise DatasetError(
                f"{store.root / folder.name}: was made from other cameras (of {there.source}) than those in "
                f"{folder / CAMERAS_FILE}; use a new folder, or remove that one. Nothing was changed"
            )
    return [folder for folder in folders if folder.name not in known]


def _same_input(record: SampleRecord | None, folder: Path, source: Source) -> bool:
    """Whether a finished sample was made from these cameras and Gaussians."""
    return record is not None and (record.cameras, record.gaussians_file) == (
        file_digest(folder / CAMERAS_FILE),
        source.key(folder.name),
    )


def _shown(made: Made, rotate: bool) -> list[Shot]:
    """What a sheet shows: held-out views first, and no view twice."""
    shots = [shot for shot in made.shots if shot.scores.role == "held-out" or not rotate]
    return sorted(shots, key=lambda shot: ROLES.index(shot.scores.role))


def _evaluation(
    dataset: Path,
    options: EvaluateOptions,
    plan: Plan,
    source: Source,
    records: list[SampleRecord],
    colours: CameraColours | None,
) -> Evaluation:
    made_by = str(options.checkpoint or options.gaussians or source.words)
    notes = {"Gaussians": made_by, "Device": str(source.device)}
    if options.refine:
        notes["Refined"] = f"{options.refine} steps"
    if colours is not None:
        notes["Camera colours"] = f"of all {len(plan.tasks)} samples, held-out views included: {colours.words}"
    if options.checkpoint is not None or options.boxed:
        notes["Precision"] = options.dtype
    if options.lpips is not None:
        notes["LPIPS weights"] = str(options.lpips)
    means, by_view = groups(records)
    rows = [row for record in records for row in record.views]
    return Evaluation(
        str(dataset),
        plan.rule.words,
        options.size,
        colour_of(options.background),
        notes,
        len(records),
        len(rows),
        sum(row.foreground_psnr is None and row.iou is None for row in rows),
        means,
        by_view,
        records,
        artefact_means(records),
    )
