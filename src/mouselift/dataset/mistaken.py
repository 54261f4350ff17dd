"""What a folder is that was given in place of a dataset, and what to give instead."""

from __future__ import annotations

import shlex
from itertools import islice
from pathlib import Path

from mouselift.dataset.collection import CAPTURE_FILE
from mouselift.dataset.description import DATASET_FILE, read_dataset_file
from mouselift.foreign import first_few

_CAMERAS_FILE = "opencv_cameras.json"
_VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm"}  # the commonest: only a hint follows
_SHOWN = 4  # datasets that are named
_LOOKED_AT = 2000  # files: a folder of millions is not walked through for a hint


def what_it_is(path: Path) -> str:
    """In words, with the command or the folder that is probably meant. `path` is a folder without samples."""
    quoted = shlex.quote(str(path))
    if (path / CAPTURE_FILE).is_file():
        return (
            f"this is a capture, a recording: `mouselift prepare {quoted} OUT` makes a dataset of it, "
            f"`mouselift inspect {quoted}` checks the recording itself"
        )
    if (path / "shards.json").is_file():
        return "these are shards, which `mouselift train` reads: give the dataset that they were exported from"
    if (path / DATASET_FILE).is_file():
        return _without_samples(path)
    datasets = sorted({file.parent.parent for file in islice(path.glob(f"[!.]*/[!.]*/{_CAMERAS_FILE}"), _LOOKED_AT)})
    if datasets:
        names = first_few([str(folder) for folder in datasets], _SHOWN)
        return f"this folder holds datasets ({names}): give one of them"
    if (path / "masks.json").is_file():
        return f"these are masks of a recording: `mouselift prepare {shlex.quote(str(path.parent))} OUT` uses them"
    if (path / "images").is_dir():
        return "a sample has that file beside its images: was it lost in copying?"
    if not any(path.iterdir()):
        return "the folder is empty"
    if any(file.suffix.lower() in _VIDEOS for file in islice(path.rglob("*"), _LOOKED_AT)):
        return f"it holds videos: `mouselift init {quoted}` recognises a recording"
    return "a dataset's samples lie side by side in one folder"


def _without_samples(path: Path) -> str:
    try:
        complete = read_dataset_file(path).complete
    except OSError:
        complete = True
    if complete:
        return "its preparation kept no sample: manifest.jsonl holds the reason for each frame"
    return "its preparation was stopped before the first sample: give the same `mouselift prepare` again, it goes on"
