"""Samples to folders of results, one after the other; a stopped run goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mouselift import __version__
from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.errors import CheckpointError, DatasetError
from mouselift.reconstruct.files import DESCRIPTION, METRICS, TABLE
from mouselift.reconstruct.network import Engine
from mouselift.reconstruct.options import Options
from mouselift.reconstruct.plan import Task
from mouselift.reconstruct.record import Record, metrics_csv
from mouselift.reconstruct.sample import Made, make
from mouselift.reconstruct.write import Page, write_made
from mouselift.render.base import Renderer
from mouselift.run_folder import RunFolder, file_digest

Progress = Callable[[str, int, int], None]  # stage, done, total


class Counter:
    """Progress over all tasks: samples, blocks of the network, images drawn."""

    def __init__(self, tasks: Sequence[Task], layers: int, frames: int, progress: Progress) -> None:
        self._progress = progress
        self._done = {"samples": 0, "network": 0, "images": 0}
        images = sum(task.views + frames for task in tasks)
        self._total = {"samples": len(tasks), "network": layers * len(tasks), "images": images}

    def sample(self) -> None:
        self._step("samples")

    def block(self, stage: str, done: int, total: int) -> None:
        self._step("network")

    def image(self) -> None:
        self._step("images")

    def _step(self, stage: str) -> None:
        self._done[stage] += 1
        self._progress(stage, self._done[stage], self._total[stage])


class Run:
    """Reconstructions of one checkpoint and one set of options, in one folder.

    CheckpointError where there is no checkpoint. `page` is called for every sample before its folder is
    complete.
    """

    def __init__(self, out: Path, checkpoint: Path, dtype: str, options: Options, page: Page | None = None) -> None:
        self.out, self.options, self.page = out, options, page
        self.network = network_words(checkpoint, dtype)
        if not checkpoint.is_file():
            raise CheckpointError(f"{checkpoint}: no such checkpoint; expected a .pt or .safetensors file")
        identity = {
            "checkpoint": file_digest(checkpoint),
            "dtype": dtype,
            "options": options.identity,
            "mouselift": __version__,
        }
        self.store = RunFolder(out, identity, description=DESCRIPTION, record=Record, verb="reconstruct")

    def known(self) -> dict[str, Record]:
        """Whole samples that are there already."""
        return {record.id: record for record in self.store.records() if (self.out / record.id / METRICS).is_file()}

    def todo(self, folders: Sequence[Path]) -> list[Path]:
        """Those not yet done. DatasetError where the folder is another run's, or one was made from other cameras."""
        if self.out.is_dir() and any(self.out.iterdir()):
            self.store.open()
        known = self.known()
        for folder in folders:
            there = known.get(folder.name)
            if there is not None and there.cameras != file_digest(folder / CAMERAS_FILE):
                raise DatasetError(
                    f"{self.out / folder.name}: was made from other cameras (of {there.source}) than those in "
                    f"{folder / CAMERAS_FILE}; use a new folder, or remove that one. Nothing was changed"
                )
        return [folder for folder in folders if folder.name not in known]

    def records(self, folders: Sequence[Path]) -> list[Record]:
        """Of finished samples, in this order."""
        known = self.known()
        return [known[folder.name] for folder in folders]

    def go(self, engine: Engine, tasks: Sequence[Task], progress: Progress) -> None:
        """All tasks; each finished one stays whatever becomes of the others."""
        renderer = engine.renderer()
        with self.store.locked():
            self.store.open()
            count = Counter(tasks, engine.model.config.layers, self.options.turntable, progress)
            for task in tasks:
                made = self._one(engine, renderer, task, count)
                self.store.log([made.record])
                count.sample()

    def finish(self) -> None:
        """Manifest and table over everything in the folder."""
        with self.store.locked():
            known = self.known()
            ordered = [known[name] for name in sorted(known)]
            self.store.finish(ordered, {}, {"samples": len(ordered)})
            self.store.write(TABLE, metrics_csv(ordered))

    def _one(self, engine: Engine, renderer: Renderer, task: Task, count: Counter) -> Made:
        made = reconstructed(engine, renderer, task, self.options, self.network, count)
        with self.store.writing(task.name) as folder:
            write_made(made, folder, renderer, self.options.turntable, self.page, count.image)
        return made


def reconstructed(
    engine: Engine, renderer: Renderer, task: Task, options: Options, network: str, count: Counter | None = None
) -> Made:
    """One task, nothing written. network: its name for people (`network_words`)."""
    dataset = MultiViewDataset([task.folder], size=options.size, views=options.choice, background=options.background)
    if count is None:
        return make(engine, renderer, dataset[0], task.folder, options, network)
    return make(engine, renderer, dataset[0], task.folder, options, network, count.block, count.image)


def network_words(checkpoint: Path, dtype: str) -> str:
    """What a page says of the network."""
    return f"{checkpoint.name}, {dtype}"
