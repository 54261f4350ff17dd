"""`mouselift evaluate`: how near reconstructions come to the images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mouselift.cli.console import EXIT_OK, Progress, duration, emit_json, progress_bar, say, size, table
from mouselift.errors import DatasetError, ModelError

if TYPE_CHECKING:
    from mouselift.reconstruct.evaluation import Evaluation, Plan, Settings
    from mouselift.reconstruct.gaussian_source import Source
    from mouselift.reconstruct.hold_out import HoldOut

PAGE = "index.html"
_SHORT = {
    "foreground_psnr": "fg PSNR",
    "foreground_ssim": "fg SSIM",
    "iou": "IoU",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "lpips": "LPIPS",
}


@dataclass
class Evaluate:
    """Score reconstructions against their images: PSNR, SSIM and IoU on the subject first, held-out views first.

    Every sample's Gaussians come from a checkpoint, or from files that are there already (--gaussians); each view is
    drawn with its camera and compared. With --out: tables as CSV and JSON, a page, and images of every sample; a
    killed run goes on when the same command is given again. Example: `mouselift evaluate out/mouse7/data_val.txt
    --checkpoint ckpt.pt --out evaluated`
    """

    dataset: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DATASET")]
    """Folder of samples in FaceLift's format, one sample, or a list file (data_val.txt)."""
    checkpoint: Path | None = None
    """GS-LRM weights: the released .pt, or a .safetensors of mouselift."""
    gaussians: Path | None = None
    """Instead: a folder that holds a <sample>/gaussians.ply (`mouselift reconstruct` writes them), <sample>.ply or
    <sample>.splat of every sample, in the world of its cameras; or one such file for one sample."""
    out: Path | None = None
    """Folder for the tables, the page and the images; without it, text only."""
    hold_out: tuple[str, ...] = ()
    """Views that are kept from the network, by name (default: the first sample's last view), or `none`."""
    views: tuple[str, ...] = ()
    """Instead: the views that go in; all others are held out."""
    rotate: bool = False
    """Instead: hold each view out in turn, one reconstruction each."""
    size: int | None = None
    """Resize images to this many pixels a side, with their cameras. 256 needs a quarter of the memory of 512."""
    background: tuple[int, int, int] = (255, 255, 255)
    """RGB levels behind the subject, in what goes in, in what is drawn and in what it is compared with."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the network's linear layers."""
    device: str | None = None
    """cpu, cuda, cuda:1; default: CUDA where there is one."""
    limit: int | None = None
    """This many samples, spread evenly over the dataset."""
    lpips: Path | None = None
    """Weights of LPIPS with VGG16 (a state dict, .pt or .safetensors): adds LPIPS to the figures."""
    threads: int = 0
    """Threads of torch; 0: its own choice."""
    json: bool = False
    """Print everything as JSON on stdout, and nothing else there."""

    def run(self) -> int:
        if (self.checkpoint is None) == (self.gaussians is None):
            raise ModelError("expected --checkpoint FILE, or --gaussians FOLDER with files that are there already")
        import torch

        from mouselift.reconstruct.evaluation import evaluate, make_plan
        from mouselift.reconstruct.tables import counted

        if self.threads:
            torch.set_num_threads(self.threads)
        rule = self._rule()
        with progress_bar(self.json) as progress:
            plan = make_plan(self.dataset, rule, self.size, self.limit, progress)
            source, said = self._source(plan)
            settings = self._settings(str(source.device))
            drawn = f"{plan.rounds:,} set{'' if plan.rounds == 1 else 's'} of Gaussians"
            say(f"{counted(len(plan.folders), 'sample')}, {drawn}; {plan.rule.words}.", error=True, markup=False)
            say(said, error=True, markup=False)
            result = evaluate(plan, source, settings, self.out, _smooth(progress, plan.rounds))
            if self.out is not None:
                from mouselift.report.evaluation_page import write_evaluation_page

                write_evaluation_page(result, self.out, self.out / PAGE)
        if self.json:
            emit_json({**{key: getattr(result, key) for key in result.__struct_fields__}, "out": self.out})
        else:
            show(result)
            if self.out is not None:
                say(f"[bold]Page[/]: {self.out / PAGE}")
        return EXIT_OK

    def _rule(self) -> HoldOut:
        """What the options say. DatasetError where they contradict one another."""
        from mouselift.reconstruct.hold_out import NONE, HoldOut

        if self.gaussians is None:
            return HoldOut(self.hold_out, self.views, self.rotate)
        if self.rotate:
            raise DatasetError("--rotate makes a reconstruction a view; expected --checkpoint with it, got --gaussians")
        # files do not say what they were made from
        return HoldOut(self.hold_out if self.hold_out or self.views else (NONE,), self.views)

    def _source(self, plan: Plan) -> tuple[Source, str]:
        """What gives the Gaussians, and a sentence about what that will take. Errors of checkpoint and memory."""
        import torch

        from mouselift.reconstruct.estimate import forward_seconds
        from mouselift.reconstruct.gaussian_source import FileSource, NetworkSource
        from mouselift.reconstruct.network import Engine, device_of

        if self.gaussians is not None:
            files = FileSource(self.gaussians, device_of(self.device))
            files.check([folder.name for folder in plan.folders])
            known = (
                "" if self.hold_out or self.views else ". Files do not say which views they were made from: all are "
            )
            return files, f"Gaussians from {self.gaussians}{known}{'counted as input views' if known else ''}."
        assert self.checkpoint is not None
        engine = Engine.load(self.checkpoint, dtype=getattr(torch, self.dtype), device=self.device)
        network = NetworkSource(engine, self.checkpoint)
        if plan.side is None:
            return network, f"{self.checkpoint} on {engine.device}; samples differ in size, memory is checked for each."
        bytes_ = engine.memory(plan.most_inputs, plan.side, plan.side)
        tokens = engine.model.config.tokens(plan.most_inputs, plan.side, plan.side)
        seconds = plan.rounds * forward_seconds(engine, plan.most_inputs, plan.side, plan.side)
        return network, (
            f"{self.checkpoint} on {engine.device}, {self.dtype}: {plan.most_inputs} views of {plan.side} px a "
            f"reconstruction, {tokens:,} tokens, about {size(bytes_)}; about {duration(seconds)} for the network."
        )

    def _settings(self, device: str) -> Settings:
        from mouselift.reconstruct.evaluation import Settings
        from mouselift.reconstruct.lpips import Lpips
        from mouselift.run_folder import file_digest

        if not all(0 <= level <= 255 for level in self.background):
            raise DatasetError(f"--background: expected three levels 0..255, got {self.background}")
        red, green, blue = (level / 255 for level in self.background)
        lpips = None if self.lpips is None else Lpips.load(self.lpips, device)
        notes = {"Gaussians": str(self.checkpoint or self.gaussians), "Device": device}
        if self.checkpoint is not None:
            notes["Precision"] = self.dtype
        if self.lpips is not None:
            notes["LPIPS weights"] = str(self.lpips)
        key = None if self.lpips is None else file_digest(self.lpips)
        return Settings(self.size, (red, green, blue), lpips, key, notes)


def show(result: Evaluation) -> None:
    """The means for a person."""
    from mouselift.reconstruct.tables import counted, figure_rows, rows, shown_figures, words_of

    said = f"{counted(result.samples, 'sample')}, {counted(result.images, 'image')}"
    say(f"{result.dataset}: {said}; {result.held_out}", markup=False)
    table("Mean over samples ± standard error", ["", *map(words_of, result.means)], figure_rows(result.means))
    if len(result.by_view) > len(result.means):
        heads = [_SHORT[figure] for figure in shown_figures(result.by_view)]
        table("By view (fg: foreground)", ["", "images", *heads], rows(result.by_view, errors=False))
    if result.without_mask:
        say(
            f"{result.without_mask} of {result.images} images have no mask (not one transparent pixel): they count "
            "in the whole-image figures only.",
            markup=False,
        )


def _smooth(progress: Progress, rounds: int) -> Progress:
    """One bar for the blocks of all reconstructions, in place of one a reconstruction."""
    finished = 0

    def advance(stage: str, done: int, total: int) -> None:
        nonlocal finished
        if stage == "samples":
            progress(stage, done, total)
            return
        progress("network blocks", finished * total + done, rounds * total)
        finished += done == total

    return advance
