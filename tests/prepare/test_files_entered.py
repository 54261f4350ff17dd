"""How many files a reader has to open to follow one frame from the recording to the files of its sample."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import mouselift
from mouselift.capture.capture import load_capture
from mouselift.prepare import pipeline
from mouselift.prepare.options import PrepareOptions

SOURCE = str(Path(mouselift.__file__).parent)
STEPS = ("capture", "framing", "prepare")  # read the frame, plan, resample, write


def call_depths(work: Callable[[], object]) -> dict[str, int]:
    """Files of mouselift in which a function is entered meanwhile, and by the fewest calls: 0 for `work` itself."""
    found: dict[str, int] = {}

    def note(frame: FrameType, event: str, arg: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(SOURCE):
            return
        depth, above = 0, frame.f_back
        while above is not None and above.f_code is not call_depths.__code__:
            depth += above.f_code.co_filename.startswith(SOURCE)
            above = above.f_back
        file = frame.f_code.co_filename[len(SOURCE) + 1 :]
        found[file] = min(depth, found.get(file, depth))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


def test_a_frame_passes_through_few_files(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, int]] = []

    def one_frame(job: Callable[..., Iterator[Any]], blocks: Sequence[Sequence[int]], *_: object) -> Iterator[Any]:
        (block,) = blocks
        done: list[Any] = []
        found.append(call_depths(lambda: done.extend(job(block))))
        yield from done

    monkeypatch.setattr(pipeline, "run_blocks", one_frame)
    options = PrepareOptions(frames=(3,), on_cut="keep")
    for run in ("first", "second"):  # what is cached is made by the first
        assert pipeline.prepare_dataset(load_capture(recording), tmp_path / run, options, workers=1).kept == 1
    depths = found[-1]
    steps = sorted(file for file, depth in depths.items() if depth <= 2 and file.startswith(STEPS))
    assert len(steps) <= 6, steps  # those that the worker's function enters itself or through one other
    # with all that these call, down to the lens and to the report of progress from other processes (29 at 8c97fb4)
    assert len(depths) <= 26, sorted(depths)
