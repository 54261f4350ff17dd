"""The same instants of the same individuals, in every way in which cameras are written for them.

An arm is a dataset: six views of the rig to train on, and held-out individuals with six exact views more. What differs
between arms is the framing of the pictures and what the file says of the cameras; the extra views show the same pixels
at their true poses in all of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

import mouselift as ml
from mouselift.calibration.facelift import ViewEntry, read_cameras_json, sample_json
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.framing.framing import PRETRAINED_DISTANCE, Preset
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import Similarity
from mouselift.progress import Progress
from mouselift.repair.options import RepairOptions
from mouselift.synthetic.individual import HELD_OUT
from mouselift.synthetic.sample_rigs import surround_rig
from mouselift.synthetic.samples import SampleOptions, write_samples

SIZE = 64  # px
_REPAIRED = 256  # px of the pictures that a repair sees: of 64 it says that outlines do not determine the values
INPUTS = tuple(f"cam{k}" for k in range(6))
INSTANTS = 4
_JUDGED_FIRST = 2000  # of the held-out individuals: others than those of experiments/box
_BELOW = (-80.0, -30.0)  # degrees: where no camera of a rig stands, and a reconstruction was never compared
RAW = Similarity(110.0, np.eye(3), np.array([-1.9, 1.3, -0.5]))  # a rig's own world: mm, its origin beside the animal

Change = Callable[[ViewEntry], ViewEntry]  # of an input view


def _as_drawn(view: ViewEntry) -> ViewEntry:
    return view


@dataclass(frozen=True)
class Arm:
    """How one arm's files come about."""

    words: str
    framing: Preset  # whose pictures
    change: Change = _as_drawn
    repaired: str = ""  # this arm, after `mouselift repair`
    world: Similarity = field(default_factory=Similarity)  # of the sample, inputs and extra views alike
    exact: bool = True  # cameras are the pixels'


def _stale(view: ViewEntry) -> ViewEntry:
    """The recording's intrinsics, merely rescaled to the frame, for a picture that was cropped and zoomed."""
    source, size = {camera.name: camera for camera in surround_rig().cameras}[view.camera.name], view.camera.width
    along, down = size / source.width, size / source.height
    middle = (source.cx * along, source.cy * down)
    return replace(view, camera=view.camera.pinhole(source.focal * float(np.sqrt(along * down)), middle, (size, size)))


def _own_distance(view: ViewEntry) -> ViewEntry:
    """The camera at the pretrained distance from the origin, whatever its own is."""
    scale = PRETRAINED_DISTANCE / float(np.linalg.norm(view.camera.centre))
    return replace(view, camera=view.camera.in_world(Similarity(scale)))


ARMS: dict[str, Arm] = {
    "per-sample": Arm("all views of an instant scaled together, principal points off the middle", "per-sample"),
    "per-view": Arm("every view scaled on its own, intrinsics with it", "per-view"),
    "canonical": Arm("cameras turned to the subject, principal points in the middle, equal magnification", "canonical"),
    "legacy": Arm("the pictures of per-view, intrinsics left alone", "per-view", _stale, exact=False),
    "repaired": Arm("legacy after `mouselift repair`", "per-view", repaired="legacy", exact=False),
    "own distances": Arm("as per-sample; each camera's distance normalised on its own", "per-sample", _own_distance,
                         exact=False),
    "per-sample, raw world": Arm("as per-sample, the rig's world in mm, untouched", "per-sample", world=RAW),
    "canonical, raw world": Arm("as canonical, the rig's world in mm, untouched", "canonical", world=RAW),
}  # fmt: skip


def write_arms(folder: Path, individuals: int, judged: int, workers: int, progress: Progress) -> None:
    """FOLDER/drawn; of it FOLDER/arms/<arm>/train and judged, and of the judged `below`, with extra views from below,
    and `other`, before random cameras."""
    clean = SampleOptions(size=SIZE, noise=None, sensor=False)
    held = HELD_OUT[_JUDGED_FIRST : _JUDGED_FIRST + judged]
    drawn = folder / "drawn"
    for framing in ("per-view", "per-sample", "canonical"):
        options = replace(clean, framing=framing)
        write_samples(drawn / framing / "train", range(individuals), INSTANTS, replace(options, extra=0),
                      workers=workers, progress=progress)  # fmt: skip
        write_samples(drawn / framing / "judged", held, 1, options, workers=workers, progress=progress)
        under = replace(options, extra_elevations=_BELOW)
        write_samples(drawn / framing / "below", held, 1, under, workers=workers, progress=progress)
    large = replace(clean, framing="per-view", size=_REPAIRED, extra=0)
    write_samples(drawn / "large/train", range(individuals), INSTANTS, large, workers=workers, progress=progress)
    write_samples(drawn / "large/judged", held, 1, large, workers=workers, progress=progress)
    write_samples(drawn / "other", held, 1, replace(clean, rig="random"), workers=workers, progress=progress)
    for name, arm in ARMS.items():
        for part in ("train", "judged", "below"):
            _write(folder, name, arm, part, workers, progress)
        _copy(drawn / "other", folder / "arms" / name / "other", partial(_moved, world=arm.world))


def _write(folder: Path, name: str, arm: Arm, part: str, workers: int, progress: Progress) -> None:
    out, drawn = folder / "arms" / name / part, folder / "drawn"
    if not arm.repaired:
        _copy(drawn / arm.framing / part, out, partial(_written, arm=arm))
        return
    same = "judged" if part == "below" else part  # the same inputs
    given, before = folder / "repair" / same, folder / "arms" / arm.repaired / part
    _copy(drawn / "large" / same, given / "before", partial(_written, arm=ARMS[arm.repaired]))
    ml.repair_dataset(given / "before", given / "after", RepairOptions(), workers=workers, progress=progress)
    _copy(before, out, partial(_repaired, given / "after"))


def _repaired(after: Path, sample: str, views: list[ViewEntry]) -> list[ViewEntry]:
    """The cameras that a repair wrote for larger pictures, for these."""
    cameras = {view.camera.name: view.camera for view in _views(after / sample)}

    def resized(camera: Camera) -> Camera:
        shrunk = SIZE / camera.width
        return camera.pinhole(shrunk * camera.focal, (shrunk * camera.cx, shrunk * camera.cy), (SIZE, SIZE))

    return [replace(v, camera=resized(cameras[v.camera.name])) if v.camera.name in INPUTS else v for v in views]


def _written(_: str, views: list[ViewEntry], arm: Arm) -> list[ViewEntry]:
    return _moved("", [arm.change(view) if view.camera.name in INPUTS else view for view in views], arm.world)


def _moved(_: str, views: list[ViewEntry], world: Similarity) -> list[ViewEntry]:
    return [replace(view, camera=view.camera.in_world(world)) for view in views]


def _copy(drawn: Path, out: Path, change: Callable[[str, list[ViewEntry]], list[ViewEntry]]) -> None:
    """Every sample with its pictures and changed cameras, and nothing that says how it was made. A folder or none."""
    if out.is_dir():
        return
    hidden = out.with_name(f".{out.name}")
    shutil.rmtree(hidden, ignore_errors=True)
    samples = find_samples(drawn)
    for sample in samples:
        shutil.copytree(sample / "images", hidden / sample.name / "images")
        written = change(sample.name, _views(sample))
        (hidden / sample.name / CAMERAS_FILE).write_bytes(sample_json(sample.name, written, {}))
    hidden.rename(out)


def _views(sample: Path) -> list[ViewEntry]:
    return read_cameras_json(sample / CAMERAS_FILE)[0]
