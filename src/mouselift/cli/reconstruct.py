"""`mouselift reconstruct`: prepared samples to 3D Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mouselift.cli.console import EXIT_OK, duration, emit_json, progress_bar, say, size, table
from mouselift.errors import DatasetError

if TYPE_CHECKING:
    from mouselift.reconstruct.network import Engine
    from mouselift.reconstruct.options import Options
    from mouselift.reconstruct.plan import Estimate, Task
    from mouselift.reconstruct.record import Record
    from mouselift.reconstruct.scores import Role


@dataclass
class Reconstruct:
    """Turn prepared samples into 3D Gaussians with a trained reconstructor, draw them, and score them.

    For each sample OUT/<sample> gets gaussians.ply (opens in splat viewers), renders of all views, scores, a turntable
    and a page, index.html. OUT/metrics.csv holds all scores. An OUT that ends in .ply, for one sample: only that file.
    Finished samples are skipped when the same command is given again. No weights come with mouselift; see
    docs/guides/reconstruct.md. Example: `mouselift reconstruct out/mouse7 recon/mouse7 --checkpoint facelift.pt`
    """

    paths: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="SAMPLE... OUT")]
    """Sample folders, datasets or list files; last the folder for the results."""
    checkpoint: Path
    """The network's weights: FaceLift's released .pt, or .safetensors of mouselift."""
    views: tuple[str, ...] = ()
    """Cameras that go in; the others are held out and scored apart. All by default."""
    size: int | None = None
    """Resize images to this many pixels a side, with their cameras; 256 is a tenth of the work of 512."""
    filter: Literal["none", "facelift", "facelift-gradio", "facelift-training"] = "none"
    """Which Gaussians to leave out. The facelift ones are the release's and made for human heads."""
    turntable: int = 60
    """Frames of one turn; 0: no film."""
    background: tuple[int, int, int] = (255, 255, 255)
    """RGB levels behind the subject, in what the network sees and in what is drawn."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the network's linear layers; bfloat16 halves their memory."""
    device: str | None = None
    """cpu, cuda or cuda:1; CUDA where there is one, by default."""
    threads: int | None = None
    """CPU threads; torch's choice by default."""
    json: bool = False
    """Print the result as JSON on stdout, and nothing else there."""

    def run(self) -> int:
        import mouselift.models  # noqa: F401, I001  (first: it says what to install where torch is missing)
        import torch

        from mouselift.atomic import check_outside
        from mouselift.reconstruct.options import Options
        from mouselift.reconstruct.plan import sample_folders

        if len(self.paths) < 2:
            raise DatasetError("expected at least one sample, and last the folder for the results: SAMPLE... OUT")
        if self.threads is not None and self.threads < 1:
            raise DatasetError(f"--threads: expected at least 1, got {self.threads}")
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        *given, out = self.paths
        folders = sample_folders(given)
        for folder in (*given, *folders):
            check_outside(out, folder)
        red, green, blue = (level / 255 for level in self.background)
        options = Options(self.views, self.size, self.filter, self.turntable, (red, green, blue))
        if out.suffix.lower() == ".ply":
            return self._one_file(folders, out, options)
        return self._folder(folders, out, options)

    def _folder(self, folders: list[Path], out: Path, options: Options) -> int:
        from mouselift.reconstruct.plan import tasks_of
        from mouselift.reconstruct.run import Run
        from mouselift.report.reconstruction_page import write_reconstruction_page

        run = Run(out, self.checkpoint, self.dtype, options, write_reconstruction_page)
        todo = run.todo(folders)
        if todo:
            engine = self._engine()
            tasks = tasks_of(todo, options, engine)
            self._announce(engine, tasks)
            with progress_bar(self.json) as progress:
                run.go(engine, tasks, progress)
        run.finish()
        records = run.records(folders)
        self._show(records, out)
        if not self.json:
            there = len(folders) - len(todo)
            made = "1 sample" if len(todo) == 1 else f"{len(todo)} samples"
            say(f"{made} made" + (f", {there} found whole and left" if there else "") + f", in [bold]{out}[/]")
            say(f"Open [bold]{(out / records[0].id / 'index.html').resolve()}[/]")
        return EXIT_OK

    def _one_file(self, folders: list[Path], out: Path, options: Options) -> int:
        from mouselift.atomic import check_output
        from mouselift.gaussians.ply import write_ply
        from mouselift.reconstruct.plan import tasks_of
        from mouselift.reconstruct.run import Counter, network_words, reconstructed

        check_output(out, False)
        if len(folders) != 1:
            raise DatasetError(f"{out}: a .ply holds one sample, got {len(folders)}; expected a folder for the results")
        engine = self._engine()
        tasks = tasks_of(folders, options, engine)
        self._announce(engine, tasks)
        with progress_bar(self.json) as progress:
            count = Counter(tasks, engine.model.config.layers, 0, progress)
            network = network_words(self.checkpoint, self.dtype)
            made = reconstructed(engine, engine.renderer(), tasks[0], options, network, count)
            count.sample()
        write_ply(out, made.splats)
        self._show([made.record], out)
        return EXIT_OK

    def _engine(self) -> Engine:
        import torch

        from mouselift.reconstruct.network import Engine

        return Engine.load(self.checkpoint, dtype=getattr(torch, self.dtype), device=self.device)

    def _announce(self, engine: Engine, tasks: list[Task]) -> None:
        """Memory and time, before anything starts; with --json only the check of the memory."""
        from mouselift.reconstruct.plan import estimate

        found = estimate(engine, tasks)
        if not self.json:
            import torch

            threads = f", {torch.get_num_threads()} threads" if engine.device.type == "cpu" else ""
            for line in announcement(found, f"{engine.device}, {self.dtype}{threads}"):
                say(line, error=True, markup=False)

    def _show(self, records: list[Record], out: Path) -> None:
        from mouselift.reconstruct.record import overall, with_means

        if self.json:
            emit_json({"out": str(out), "means": overall(records), "samples": [with_means(r) for r in records]})
        else:
            scores(records)


def announcement(found: Estimate, where: str) -> list[str]:
    """What is about to happen, for a person."""
    samples = f"{found.tasks} samples" if found.tasks > 1 else "1 sample"
    up_to = "at most " if found.tasks > 1 else ""
    free = "" if found.free is None else f" of {size(found.free)} free"
    each = f", {duration(found.seconds / found.tasks)} a sample" if found.tasks > 1 else ""
    return [
        f"{samples}: {up_to}{found.views} input views of {found.side} x {found.side} pixels, {found.tokens:,} tokens, "
        f"{found.gaussians:,} Gaussians",
        f"memory: about {size(found.bytes)}{free} ({where}); on disk up to {size(found.disk)} a sample",
        f"time: about {duration(found.seconds)} for the network{each}; drawing comes on top",
    ]


_TITLES: dict[Role, str] = {"input": "Views that went in", "held-out": "Views that were held out"}
_MOST_ROWS = 20


def scores(records: list[Record]) -> None:
    """Tables for a person: foreground first, views that went in and held-out ones apart."""
    from mouselift.reconstruct.record import SCORES, overall
    from mouselift.reconstruct.scores import WORDS

    for role, means in overall(records).items():
        having = [record for record in records if role in record.roles]
        rows = [[record.id, *(_short(record.mean(key, role)) for key in SCORES)] for record in having[:_MOST_ROWS]]
        if len(having) > 1:
            rows.append([f"mean of {len(having)}", *(_short(means[key]) for key in SCORES)])
        table(f"{_TITLES[role]}, means", ["", *(WORDS[key] for key in SCORES)], rows)
        say()
    if len(records) > _MOST_ROWS:
        say(f"{len(records) - _MOST_ROWS} more samples in metrics.csv")


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
