"""What a folder is that was given in place of a dataset, and what to give instead."""

from __future__ import annotations

import shlex
from contextlib import suppress
from itertools import islice
from pathlib import Path

from mouselift.atomic import folders_in
from mouselift.calibration.places import above, rigs_at
from mouselift.dataset.collection import CAPTURE_FILE
from mouselift.dataset.description import DATASET_FILE, read_dataset_file
from mouselift.errors import MouseliftError
from mouselift.foreign import first_few

_CAMERAS_FILE = "opencv_cameras.json"
_VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm"}  # the commonest: only a hint follows
_DEPTH = 4  # folders: a recording's videos lie no deeper (videos/Camera1/TICKS/0.mp4)
_SHOWN = 4  # datasets that are named
_LOOKED_AT = 2000  # files: a folder of millions is not walked through for a hint


def what_it_is(path: Path) -> str:
    """In words, with the command or the folder that is probably meant. `path` is a folder without samples."""
    quoted = _quoted(path)
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
        of = _recording_above(path.resolve())
        return f"these are masks of a recording: `mouselift prepare {_quoted(of) if of else 'CAPTURE'} OUT` uses them"
    if (path / "images").is_dir():
        return "a sample has that file beside its images: was it lost in copying?"
    if not any(path.iterdir()):
        return "the folder is empty"
    return _part_of_a_recording(path)


def _part_of_a_recording(path: Path) -> str:
    """Videos, images or masks, whose recording is often a folder above: where its capture.toml or calibration lies."""
    folder, videos = path.resolve(), _has_videos(path)
    if (of := _recording_above(folder)) is not None:
        return (
            f"it {'holds videos of' if videos else 'lies in'} the recording {of}: `mouselift prepare {_quoted(of)} OUT`"
            f" makes a dataset of that, `mouselift inspect {_quoted(of)}` checks the recording itself"
        )
    if not videos:
        return "a dataset's samples lie side by side in one folder"
    with suppress(OSError, MouseliftError):  # `init` says what cannot be read
        if (place := _calibrated(folder)) is not None and place != folder:
            return f"it holds videos, and a calibration lies above it: {_to_recognise(place, folder)}"
    return f"it holds videos: `mouselift init {_quoted(path)}` recognises a recording"


def _calibrated(folder: Path) -> Path | None:
    """The nearest folder, this one or above, with a calibration in it or its usual subfolders."""
    nearest, held = None, set[tuple[str, Path]]()
    for place in [folder, *above(folder, _DEPTH)]:
        rigs = set(rigs_at(place))
        if (rigs and not held) or rigs & held:  # what is found from above too lies in a subfolder of a recording
            nearest, held = place, rigs
    return nearest


def _recording_above(folder: Path) -> Path | None:
    """Of a resolved folder: the nearest one above with a capture.toml."""
    return next((place for place in above(folder, _DEPTH) if (place / CAPTURE_FILE).is_file()), None)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _to_recognise(place: Path, folder: Path) -> str:
    """`place` has the calibration; other folders with videos in it may be other recordings with the same."""
    whole = f"`mouselift init {_quoted(place)}` recognises the recording"
    inner = place / folder.relative_to(place).parts[0]
    if any(_has_videos(other) for other in folders_in(place) if other != inner):
        return f"{whole}; where {place} holds several, `mouselift init {_quoted(inner)}`"
    return whole


def _has_videos(path: Path) -> bool:
    return any(file.suffix.lower() in _VIDEOS for file in islice(path.rglob("*"), _LOOKED_AT))


def _without_samples(path: Path) -> str:
    try:
        complete = read_dataset_file(path).complete
    except OSError:
        complete = True
    if complete:
        return "its preparation kept no sample: manifest.jsonl holds the reason for each frame"
    return "its preparation was stopped before the first sample: give the same `mouselift prepare` again, it goes on"
