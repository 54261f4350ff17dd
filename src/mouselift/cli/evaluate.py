"""`mouselift evaluate`: how near reconstructions come to the images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mouselift.cli.console import EXIT_OK, bold, emit_json, say, table
from mouselift.cli.flags import INLINE, Dataset, Json, Threads, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.cli.reconstruct import tell, tell_box, tell_fit, use_threads
from mouselift.reconstruct.options import EvaluateOptions

if TYPE_CHECKING:
    from mouselift.reconstruct.pipeline import Evaluation
    from mouselift.reconstruct.plan import Estimate, Plan


@dataclass
class Evaluate:
    """Score reconstructions against their images: PSNR, SSIM and IoU on the subject first, held-out views first.

    Every sample's Gaussians come from a network (--checkpoint; by default the small one that comes with mouselift),
    from a fit without one (--method fit), or from files that are there already (--gaussians); each view is drawn with
    its camera and compared. With --out: tables as CSV and JSON, a page, and images of every sample; a killed run goes
    on when the same command is given again.
    Example: `mouselift evaluate out/mouse7/data_val.txt --checkpoint ckpt.pt --out evaluated`
    """

    dataset: Dataset
    options: Annotated[EvaluateOptions, INLINE]
    out: Path | None = None
    """Folder for the tables, the page and the images; without it, text only."""
    workers: Workers = 0
    threads: Threads = None
    json: Json = False

    def run(self) -> int:
        import mouselift.models  # noqa: F401  (first: it says what to install where torch is missing)
        from mouselift.reconstruct.pipeline import evaluate_reconstruction
        from mouselift.reconstruct.record import PAGE

        use_threads(self.threads)
        with progress_bar(self.json) as progress:
            result = evaluate_reconstruction(
                self.dataset,
                self.out,
                self.options,
                workers=self.workers,
                progress=progress,
                announce=self._announce,
            )
        page = None if self.out is None else self.out / PAGE
        if page is not None:
            from mouselift.report.evaluation_page import write_evaluation_page

            write_evaluation_page(result, page.parent, page)
        if self.json:
            emit_json({**{key: getattr(result, key) for key in result.__struct_fields__}, "out": self.out})
            return EXIT_OK
        show(result)
        if page is not None:
            say(bold("Page"), f": {page}")
        return EXIT_OK

    def _announce(self, plan: Plan, found: Estimate | None) -> None:
        from mouselift.reconstruct.record import counted

        drawn = f"{plan.rounds:,} set{'' if plan.rounds == 1 else 's'} of Gaussians"
        say(f"{counted(len(plan.tasks), 'sample')}, {drawn}; {plan.rule.words}.", error=True)
        if self.options.boxed:
            tell_box()
        if found is not None:
            tell(found, disk=False)
            return
        if self.options.method == "fit":
            tell_fit(plan, self.options.steps)
            return
        asked = self.options.hold_out or self.options.views
        known = "" if asked else " Files do not say which views they were made from: all are counted as input views."
        say(f"Gaussians from {self.options.gaussians}.{known}", error=True)


def show(result: Evaluation) -> None:
    """The means for a person."""
    from mouselift.reconstruct.record import (
        WORDS,
        artefact_rows,
        counted,
        figure_rows,
        rows,
        shown_figures,
        sides_of,
        words_of,
    )

    said = f"{counted(result.samples, 'sample')}, {counted(result.images, 'image')}"
    say(f"{result.dataset}: {said}; {result.held_out}")
    title = f"Mean over samples ± standard error, at {sides_of(result.records)} (scores of other sizes differ)"
    table(title, ["", *map(words_of, result.means)], figure_rows(result.means))
    if len(result.by_view) > len(result.means):
        figures = shown_figures(result.by_view)
        heads = [WORDS[figure].replace("foreground", "fg").removesuffix(", dB") for figure in figures]
        table("By view (fg: foreground)", ["", "images", *heads], rows(result.by_view, errors=False))
    if result.artefacts:
        heads = ["", "mean", "least", "most"]
        table("Artefacts, over samples (docs/guides/evaluate.md)", heads, artefact_rows(result.artefacts))
    if result.without_mask:
        say(
            f"{result.without_mask} of {result.images} images have no mask (not one transparent pixel): they count "
            "in the whole-image figures only.",
        )
