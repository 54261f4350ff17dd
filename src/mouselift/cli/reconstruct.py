"""`mouselift reconstruct`: prepared samples to 3D Gaussians."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mouselift.cli.console import EXIT_OK, bold, duration, emit_json, say, size, table
from mouselift.cli.flags import INLINE, EngineAt, Json, Threads, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.errors import DatasetError
from mouselift.reconstruct.options import BOX_SIZE, ReconstructOptions

if TYPE_CHECKING:
    from mouselift.reconstruct.plan import Estimate, Plan
    from mouselift.reconstruct.record import Role, SampleRecord

_MOST_ROWS = 20
_TITLES: dict[Role, str] = {"input": "Views that went in", "held-out": "Views that were held out"}


@dataclass
class Reconstruct:
    """Turn prepared samples into 3D Gaussians, draw them, and score them: with a trained network, or by a fit.

    For each sample OUT/<sample> gets gaussians.ply (opens in splat viewers), renders of all views, scores, a turntable
    and a page, index.html. OUT/metrics.csv holds all scores. An OUT that ends in .ply, for one sample: only that file.
    Finished samples are skipped when the same command is given again. Without --checkpoint the small network runs that
    comes with mouselift; see docs/guides/reconstruct.md. Examples: `mouselift reconstruct out/mouse7 recon/mouse7`;
    `mouselift reconstruct out/mouse7 recon/mouse7 --checkpoint facelift.pt`; `... --method fit`
    """

    paths: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="SAMPLE... OUT")]
    """Sample folders, datasets or list files; last the folder for the results."""
    options: Annotated[ReconstructOptions, INLINE]
    workers: Workers = 0
    engine: EngineAt = "local"
    threads: Threads = None
    json: Json = False

    def run(self) -> int:
        import mouselift.models  # noqa: F401  (first: it says what to install where torch is missing)
        from mouselift.parallel import engine_at
        from mouselift.reconstruct.pipeline import reconstruct_samples
        from mouselift.reconstruct.record import overall, with_means
        from mouselift.report.reconstruction_page import write_reconstruction_page

        if len(self.paths) < 2:
            raise DatasetError("expected at least one sample, and last the folder for the results: SAMPLE... OUT")
        use_threads(self.threads)
        *given, out = self.paths

        def announce(plan: Plan, found: Estimate | None) -> None:
            if self.json:
                return
            if self.options.boxed:
                tell_box()
            if found is not None:
                tell(found, disk=True)
            else:
                tell_fit(plan, self.options.steps)

        elsewhere = nullcontext() if self.engine == "local" else engine_at(self.engine)
        with progress_bar(self.json) as progress, elsewhere as engine:
            done = reconstruct_samples(
                given,
                out,
                self.options,
                workers=self.workers,
                engine=engine,
                progress=progress,
                page=write_reconstruction_page,
                announce=announce,
            )
        if self.json:
            samples = [with_means(record) for record in done.records]
            emit_json({"out": str(out), "means": overall(done.records), "samples": samples})
            return EXIT_OK
        show(done.records)
        if out.suffix.lower() != ".ply":
            there = len(done.records) - done.made
            made = "1 sample" if done.made == 1 else f"{done.made} samples"
            say(f"{made} made" + (f", {there} found whole and left" if there else "") + ", in ", bold(out))
            say("Open ", bold((out / done.records[0].id / "index.html").resolve()))
        return EXIT_OK


def use_threads(count: int | None) -> None:
    """Torch's threads; None: its own choice."""
    import torch

    if count is not None:
        torch.set_num_threads(count)


def tell_box() -> None:
    """That no checkpoint was given, for a person."""
    say(
        f"No --checkpoint: the small network that comes with mouselift. It learned from synthetic mice and rats at "
        f"{BOX_SIZE} px; what it is worth: docs/guides/box.md",
        error=True,
    )


def tell(found: Estimate, disk: bool) -> None:
    """What the network is about to do, for a person; `disk`: and what is written."""
    samples = f"{found.tasks} samples" if found.tasks > 1 else "1 sample"
    up_to = "at most " if found.tasks > 1 else ""
    free = "" if found.free is None else f" of {size(found.free)} free"
    each = f", {duration(found.seconds / found.tasks)} a sample" if found.tasks > 1 else ""
    written = f"; on disk up to {size(found.disk)} a sample" if disk else ""
    for line in (
        f"{samples}: {up_to}{found.views} input views of {found.side} x {found.side} pixels, {found.tokens:,} tokens, "
        f"{found.gaussians:,} Gaussians",
        f"memory: about {size(found.bytes)}{free} ({found.where}){written}",
        f"time: about {duration(found.seconds)} for the network{each}; drawing comes on top",
    ):
        say(line, error=True)


def tell_fit(plan: Plan, steps: int) -> None:
    """What a fit is about to do, for a person."""
    from mouselift.reconstruct.record import counted

    fits, side = counted(plan.rounds, "fit"), max(task.side for task in plan.tasks)
    say(f"{fits} of {steps} steps, without a network, views of {side} x {side} pixels", error=True)


def show(records: list[SampleRecord]) -> None:
    """Tables for a person: foreground first, views that went in and held-out ones apart."""
    from mouselift.reconstruct.record import METRICS_CSV, SCORES, WORDS, overall, value_words

    for role, means in overall(records).items():
        having = [record for record in records if role in record.roles]
        found = [(record.id, record.means[role]) for record in having[:_MOST_ROWS]]
        if len(having) > 1:
            found.append((f"mean of {len(having)}", means))
        rows = [[name, *(value_words(score, values[score]) for score in SCORES)] for name, values in found]
        table(f"{_TITLES[role]}, means", ["", *(WORDS[score] for score in SCORES)], rows)
        say()
    if len(records) > _MOST_ROWS:
        say(f"{len(records) - _MOST_ROWS} more samples in {METRICS_CSV}")
