"""`mouselift demo`: see it work without any data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mouselift.cli.console import EXIT_NO, EXIT_OK, Styled, bold, emit_json, say, table
from mouselift.cli.flags import Json, Workers
from mouselift.cli.progress_bar import progress_bar


@dataclass
class Demo:
    """Render a small synthetic recording with exact truth, prepare it with every preset, check it, reconstruct a mouse.

    Ends with a page. Needs no data, a CPU and about a minute. What a stopped demo made is used again.
    """

    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")] = Path("mouselift-demo")
    """Folder for the recording, the datasets and the page."""
    workers: Workers = 0
    json: Json = False

    def run(self) -> int:
        from mouselift.parallel import worker_count
        from mouselift.report.demo import run_demo

        with progress_bar(self.json) as progress:
            result = run_demo(self.out, worker_count(self.workers), progress)
        if self.json:
            emit_json(result)
        else:
            rows = [
                [
                    r.preset,
                    f"{r.iou_mean:.4f}",
                    f"{r.iou_worst:.4f}",
                    f"{r.tangency_px:.2f}",
                    Styled("exact", "green") if r.exact else Styled("cameras do not match", "red"),
                    Styled(r.verdict, {"pass": "green", "fail": "red"}.get(r.verdict, "")),
                ]
                for r in result.presets
            ]
            columns = ["preset", "overlap with truth", "worst view", "tangency, px", "verdict ", "audit "]
            table("The true shape through the written cameras", columns, rows)
            made = result.reconstruction
            if made is not None:
                scores = f"foreground PSNR {made.foreground_psnr:.1f} dB, IoU {made.iou:.2f}"
                say(f"In 3D from {made.inputs} views: ", bold((self.out / made.page).resolve()))
                say(f"The view that was not given, {made.held_out}: {scores}.")
            else:
                say("With torch (pip install '.[train]') the demo ends with a mouse in 3D.")
            say("Open ", bold(result.page.resolve()))
        exact = all((r.exact and r.verdict == "pass") != (r.preset == "legacy") for r in result.presets)
        return EXIT_OK if exact else EXIT_NO
