"""`train_model`: a recipe and a dataset to weights. One update after another, resumable at each that was saved."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset.description import warn_of_unfinished
from mouselift.dataset.store import SampleStore
from mouselift.errors import CheckpointError
from mouselift.models.gslrm.config import available_bytes
from mouselift.models.gslrm.facelift import load_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.progress import Progress, silent
from mouselift.render.backends import renderer_for
from mouselift.render.base import Renderer
from mouselift.run_folder import RunFolder
from mouselift.sampling import evenly_spaced
from mouselift.strings_as_paths import takes_paths
from mouselift.train.config import TrainConfig, resolve
from mouselift.train.facelift_file import FACELIFT, write_facelift_file
from mouselift.train.gradients import BatchLosses, add_gradients
from mouselift.train.guard import Watch, check_cameras
from mouselift.train.identity import identity, note_start, split, training_list
from mouselift.train.log import BEST, DESCRIPTION, LAST, PICTURES, LogLine, append_log, cut_log, read_log
from mouselift.train.losses import Losses
from mouselift.train.memory import check_card
from mouselift.train.optimiser import Optimiser, freeze
from mouselift.train.options import TrainOptions
from mouselift.train.perceptual import PerceptualLoss, vgg_weights
from mouselift.train.ranks import Ranks, started, whole
from mouselift.train.samples import batches_from
from mouselift.train.state import RunState, load_state, save_state, save_weights
from mouselift.train.trackers import Tracker, trackers
from mouselift.train.validate import validate
from mouselift.train.views import training_views, validation_views, with_views

LOG = logging.getLogger(__name__)

DEFAULTS = TrainOptions()


@dataclass(frozen=True)
class TrainSummary:
    """How a training ended: updates, scores of held-out views, what to look at."""

    out: str
    updates: int
    skipped: int  # updates whose gradient was not finite
    best_psnr: float | None  # dB, held-out views, foreground; of the best weights (`LogLine.merit`)
    last_psnr: float | None
    warnings: list[str]


@takes_paths
def train_model(
    recipe: str | TrainConfig,
    dataset: Path,
    out: Path,
    options: TrainOptions = DEFAULTS,
    *,
    checked: bool = True,
    progress: Progress = silent,
) -> TrainSummary:
    """Trains on a prepared dataset; the latest weights are always `out`/last.safetensors.

    recipe: a name or a config. dataset: a folder with data_train.txt and data_val.txt (`prepare` writes them), any
    folder of samples, a list, or a folder of shards; without lists the last tenth of the samples validates. The same
    call goes on from the state in `out`; killed at any moment and given again, the weights come out the same, bit for
    bit, on one machine with one number of threads. checked: False trains on data whose cameras an audit refuses. Called
    in every process that torchrun started, all make one run, and the first writes.

    ModelError, CheckpointError, DatasetError, OutputError: what came does not fit, with what to do.

    Example:
        >>> train_model("tiny_cpu", Path("out/mouse7"), Path("runs/mouse7"), TrainOptions(updates=500))
    """
    config = resolve(recipe, options)
    config.check_ready()
    if config.facelift_file:
        vgg_weights(config.vgg_file)  # that they are there: before hours are spent
    with started(config.device) as ranks:
        progress = progress if ranks.first else silent
        device = ranks.device(config.device)
        train, val = ranks.from_first(lambda: split(dataset))
        config = ranks.from_first(lambda: with_views(config, train.facts(0).views))
        same = ranks.from_first(lambda: identity(config, train, val, ranks.count))
        folder = RunFolder(out, same, description=DESCRIPTION, record=LogLine, verb="train")
        with folder.locked() if ranks.first else nullcontext():
            ranks.from_first(folder.open)
            run = _Run.begin(config, train, val, device, out, ranks)
            ranks.from_first(lambda: _prepare(run, dataset, checked, progress))
            try:
                run.train(progress)
            finally:
                for tracker in run.trackers:
                    tracker.close()
            if config.facelift_file and ranks.first:
                write_facelift_file(out / LAST, config.vgg_file, out / FACELIFT)
            summary = run.summary(out)
            ranks.from_first(lambda: folder.close({"summary": dataclasses.asdict(summary)}))
    return summary


def _prepare(run: _Run, dataset: Path, checked: bool, progress: Progress) -> None:
    """What stands in the way is found before the first step; what was logged after the state is forgotten."""
    cut_log(run.folder, run.state.update)
    run.training.check(progress)
    warn_of_unfinished(dataset)
    if run.device.type == "cuda":
        side = run.config.size or run.training.store.facts(0).side
        held = torch.cuda.memory_allocated(run.device)  # the weights are there already
        check_card(run.config, side, (available_bytes(run.device) or 0) + held)
    said = check_cameras(training_list(dataset), run.training.store, progress) if checked else "unchecked"
    note_start(run.folder, run.state.update, run.config, run.ranks.count, run.device, said)


@dataclass(eq=False)
class _Run:
    config: TrainConfig
    model: GSLRM
    optimiser: Optimiser
    losses: Losses
    renderer: Renderer
    training: MultiViewDataset
    validation: MultiViewDataset | None
    device: torch.device
    folder: Path
    ranks: Ranks
    state: RunState
    watch: Watch
    warnings: list[str]
    trackers: list[Tracker]

    @classmethod
    def begin(
        cls, config: TrainConfig, train: SampleStore, val: SampleStore, device: torch.device, out: Path, ranks: Ranks
    ) -> _Run:
        """Everything built from the config, and set to the state that `out` holds, if any."""
        torch.manual_seed(config.seed)
        model = GSLRM(config.network) if config.checkpoint is None else _loaded(config.checkpoint, config)
        model.checkpoint_activations = config.recompute
        freeze(model, config)
        model.to(device).train()
        ranks.begin_alike(model)
        if config.shard_weights:
            ranks.shard(model, model.transformer_layers, device)
        optimiser = Optimiser(model, config, device)
        found = load_state(out, device)
        if found is not None:
            optimiser.load(found[1])
        state = RunState() if found is None else found[0]
        ranks.check_equal(f"updates in the state of {out}", state.update)
        perceptual = None
        if config.losses.perceptual:
            perceptual = PerceptualLoss.load(config.vgg_file, device)
        training = MultiViewDataset(
            train, size=config.size, views=training_views(config), augment=config.augment,
            background=config.background, seed=config.seed,
        )  # fmt: skip
        validation = None
        if config.validate_every and len(val):
            chosen = val.take(evenly_spaced(range(len(val)), config.validation_samples))
            validation = MultiViewDataset(
                chosen, size=config.size, views=validation_views(config), background=config.background
            )
        losses, renderer = Losses(config.losses, perceptual), renderer_for(device)
        watch = Watch(config.warmup)
        followed = trackers(config.log_to, out, state.update, config.as_json()) if ranks.first else []
        return cls(
            config, model, optimiser, losses, renderer, training, validation, device, out, ranks, state, watch, [],
            followed,
        )  # fmt: skip

    def train(self, progress: Progress) -> None:
        """From the state's update to the last."""
        config, ranks = self.config, self.ranks
        left = config.updates - self.state.update
        batches = batches_from(
            self.training,
            first=self.state.update * config.samples_an_update(ranks.count),
            count=left * config.accumulate,
            batch=config.batch,
            workers=config.readers,
            pin_memory=self.device.type == "cuda",
            rank=ranks.rank,
            ranks=ranks.count,
            inputs=None if config.fewest_inputs is None else (config.fewest_inputs, config.inputs),
        )
        progress("updates", self.state.update, config.updates)
        saved = time.monotonic()
        for update in range(self.state.update, config.updates):
            begun, waited = time.perf_counter(), 0.0
            parts: list[BatchLosses] = []
            for _ in range(config.accumulate):
                asked = time.perf_counter()
                batch = next(batches).to(self.device)
                waited += time.perf_counter() - asked
                parts.append(
                    add_gradients(
                        self.model,
                        self.renderer,
                        self.losses,
                        batch,
                        share=1.0 / config.accumulate,
                        views_at_once=config.views_at_once,
                        precision=config.precision,
                        scale=self.optimiser.scaler.scale(torch.ones(())) if config.precision == "float16" else None,
                    )
                )
            save = time.monotonic() - saved > 60 * config.save_minutes
            told = ranks.gather((parts, waited, save))  # the first decides about saving: clocks differ
            ranks.average(self.model.parameters())
            step = self.optimiser.step(update)
            self.state.update = update + 1
            rate = self.optimiser.inner.param_groups[0]["lr"]
            line = _line([part for each in told for part in each[0]], self.state.update, rate, step.norm, step.taken)
            line.seconds = round(time.perf_counter() - begun, 4)
            line.waited = round(max(each[1] for each in told), 4)
            if ranks.first:
                self._log(line)
            if self._due(config.validate_every):
                self._validate()
            if config.keep_every and self.state.update % config.keep_every == 0:
                self._save_weights(f"update_{self.state.update:06d}.safetensors")
            if told[0][2]:
                self._save()
                saved = time.monotonic()
            progress("updates", self.state.update, config.updates)
        self._save()

    def summary(self, out: Path) -> TrainSummary:
        best = self.state.best_psnr
        validations = [line for line in read_log(self.folder) if line.kind == "validation"]  # earlier starts' too
        return TrainSummary(
            out=str(out),
            updates=self.state.update,
            skipped=self.optimiser.skipped,
            best_psnr=best if math.isfinite(best) else None,
            last_psnr=validations[-1].psnr if validations else None,
            warnings=self.warnings,
        )

    def _log(self, line: LogLine, picture: Path | None = None) -> None:
        append_log(self.folder, line)
        for tracker in self.trackers:
            tracker.add(line, picture)
        for text in self.watch.add(line) if line.kind == "update" else ():
            LOG.warning("%s", text)
            self.warnings.append(text)

    def _due(self, every: int) -> bool:
        now = self.state.update
        return bool(every) and (now % every == 0 or now in (1, self.config.updates))

    def _validate(self) -> None:
        if self.validation is None:
            return
        begun = time.perf_counter()
        picture = self.folder / PICTURES / f"update_{self.state.update:06d}.jpg"
        with self.optimiser.averaged():  # in every process: as fast as waiting for one, and sharded needs it
            shown = picture if self.ranks.first else None
            found = validate(self.model, self.renderer, self.validation, self.device, shown)
            self.ranks.shard_again(self.model)
        found = self.ranks.from_first(lambda: found)
        line = LogLine(update=self.state.update, kind="validation", psnr=found.psnr, iou=found.iou, views=found.views)
        line.seconds = round(time.perf_counter() - begun, 4)
        if self.ranks.first:
            self._log(line, picture)
        LOG.info("update %d: held out %.2f dB, IoU %.3f", self.state.update, found.psnr, found.iou)
        if line.merit > self.state.best:
            self.state.best, self.state.best_psnr = line.merit, found.psnr
            self._save_weights(BEST)

    def _save(self) -> None:
        state = whole(self.optimiser.state(), self.ranks)
        if self.ranks.first:
            save_state(self.folder, self.state, state)
        self._save_weights(LAST)

    def _save_weights(self, name: str) -> None:
        with self.optimiser.averaged():
            weights = whole(self.model.state_dict(), self.ranks)
            if self.ranks.first:
                save_weights(self.model, self.folder / name, weights)


def _line(parts: list[BatchLosses], update: int, rate: float, norm: float, taken: bool) -> LogLine:
    count = len(parts)
    views: dict[str, list[float]] = {}
    for part in parts:
        for name, values in part.views.items():
            views.setdefault(name, []).extend(values)
    return LogLine(
        update=update,
        loss=sum(part.total for part in parts) / count,
        parts={name: sum(part.parts[name] for part in parts) / count for name in parts[0].parts},
        views={name: float(np.mean(values)) for name, values in views.items()},
        rate=rate,
        norm=norm,
        taken=taken,
        covered=sum(part.covered for part in parts) / count,
    )


def _loaded(checkpoint: Path, config: TrainConfig) -> GSLRM:
    model = load_gslrm(checkpoint)
    wanted = config.network
    taken = replace(model.config, mask_margin=wanted.mask_margin, hull_channels=wanted.hull_channels)
    if taken != wanted or (model.config.hull_channels and not wanted.hull_channels):
        raise CheckpointError(f"{checkpoint}: holds {model.config}; the recipe {config.recipe} trains {wanted}")
    if wanted.hull_channels and not model.config.hull_channels:
        model.add_hull_channels()
    model.config = wanted
    return model
