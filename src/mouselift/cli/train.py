"""`mouselift train`: a prepared dataset to weights of the reconstructor."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mouselift.cli.console import EXIT_NO, EXIT_OK, bold, emit_json, say, size, table
from mouselift.cli.flags import INLINE, Json, Threads
from mouselift.cli.progress_bar import progress_bar
from mouselift.errors import DatasetError
from mouselift.ranges import Range
from mouselift.train.options import RecipeName, TrainOptions


@dataclass
class Train:
    """Train the reconstructor on a prepared dataset, from released weights or from none.

    RECIPE: tiny_cpu (random weights, 64 px, minutes on two cores: a demonstration), box (a small network, 128 px, hours
    on two cores), rtx3060 (the released network with LoRA on a 12 GB card), full (all of its weights, 24 GB and more),
    cluster (full on several cards, a process each: torchrun --nproc_per_node 8 -m mouselift train cluster DATASET OUT).
    The dataset's cameras are audited first. OUT gets last.safetensors and best.safetensors, which `mouselift
    reconstruct` and `evaluate` take, the log and pictures of held-out views; the same command goes on where a run was
    stopped. Not yet run on a GPU by us.
    Example: `mouselift train tiny_cpu out/mouse7 runs/mouse7`
    """

    recipe: Annotated[tyro.conf.Positional[RecipeName], tyro.conf.arg(metavar="RECIPE")]
    """tiny_cpu, box, rtx3060, full or cluster."""
    dataset: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="DATASET")] = None
    """Folder of samples in FaceLift's format (its lists say what is trained on, if it has any), a list file, or a
    folder of shards (`mouselift export --format webdataset`)."""
    out: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="OUT")] = None
    """Folder for the run; one that it began in before goes on."""
    options: Annotated[TrainOptions, INLINE] = TrainOptions()  # noqa: RUF009 - frozen
    unchecked: bool = False
    """Train even where the audit says that cameras and pixels do not match."""
    dry_run: bool = False
    """Nothing is done: say what a step needs of memory, by what holds it. Needs no dataset, and no card."""
    card: Annotated[float, Range(0.1, 100_000.0)] = 12.0
    """GB of the card that --dry-run compares with."""
    threads: Threads = None
    json: Json = False

    def run(self) -> int:
        import mouselift.models  # noqa: F401  (first: it says what to install where torch is missing)
        from mouselift.cli.reconstruct import use_threads
        from mouselift.train.config import resolve
        from mouselift.train.loop import train_model
        from mouselift.train.ranks import placed

        if self.dry_run:
            return self._dry_run()
        if self.dataset is None or self.out is None:
            raise DatasetError("expected RECIPE DATASET OUT, got no OUT; without both: --dry-run")
        use_threads(self.threads)
        with progress_bar(self.json) as progress:
            done = train_model(
                self.recipe, self.dataset, self.out, self.options, checked=not self.unchecked, progress=progress
            )
        if placed()[0] > 0:  # of several processes the first speaks
            return EXIT_OK
        if self.json:
            emit_json(asdict(done))
            return EXIT_OK
        for text in done.warnings:
            say(text, error=True)
        say(f"{done.updates} updates" + (f", {done.skipped} of them skipped (not finite)" if done.skipped else ""))
        if done.best_psnr is not None:
            say(f"held-out views, foreground PSNR of the best weights: {done.best_psnr:.2f} dB")
        weights = self.out / "last.safetensors"
        say("Weights in ", bold(weights))
        side = resolve(self.recipe, self.options).size
        size_flag = f" --size {side}" if side else ""
        say(f"Next: mouselift evaluate DATASET --checkpoint {shlex.quote(str(weights))}{size_flag}")
        return EXIT_OK

    def _dry_run(self) -> int:
        from mouselift.train.config import resolve
        from mouselift.train.memory import RESERVED, fitting, step_memory

        config = resolve(self.recipe, self.options)
        found = step_memory(config)
        fits = found.on_card() <= self.card * 1e9
        helps = [] if fits else fitting(config, self.card * 1e9)
        if self.json:
            emit_json({**asdict(found), "peak": found.peak, "on_card": found.on_card(), "fits": fits, "helps": helps})
            return EXIT_OK if fits else EXIT_NO
        words = {
            "weights": f"weights ({found.parameters:,}, of which {found.trained:,} train)",
            "gradients": "gradients",
            "optimiser": "optimiser",
            "activations": "activations of the network",
            "renderer": "Gaussians and images of the renderer",
        }
        rows = [[text, size(getattr(found, name))] for name, text in words.items()]
        rows += [["CUDA itself (assumed; nothing on a CPU)", size(int(RESERVED))], ["sum", size(int(found.on_card()))]]
        table(f"{self.recipe}: memory at the peak of a step", ["", "memory"], rows)
        verdict = f"{'fits' if fits else 'does not fit'} in {self.card:g} GB (another card: --card GB)"
        say(f"{verdict}. A calculation: not yet compared with a card")
        if config.network.mask_margin is not None:
            say("counted with a subject that touches every patch; patches without it take no memory")
        for text in helps:
            say(f"would fit: {text}")
        return EXIT_OK if fits else EXIT_NO
