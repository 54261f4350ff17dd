"""One sample: its Gaussians, filtered, drawn with the sample's own cameras and scored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mouselift.array_types import Array, Float, ImageRGB, Levels, UInt8
from mouselift.data.moves import resized
from mouselift.data.sample import SampleTensors
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.dataset.sample import read_sample
from mouselift.errors import DatasetError, MouseliftError
from mouselift.fingerprint import file_digest
from mouselift.fit.camera_colours import CameraColours
from mouselift.gaussians.files import Splats
from mouselift.gaussians.filters import FILTERS
from mouselift.geometry.camera import Camera
from mouselift.progress import Progress, silent
from mouselift.reconstruct.artefacts import artefacts
from mouselift.reconstruct.gaussian_source import FileSource, Source
from mouselift.reconstruct.metrics import Distance, known_figures, view_scores
from mouselift.reconstruct.options import FilterName
from mouselift.reconstruct.plan import Task
from mouselift.reconstruct.record import Role, SampleRecord, ViewRecord
from mouselift.render.base import Colour, Gaussians, RenderCamera, Renderer, Rendering, draw
from mouselift.render.orbit import levels_of


@dataclass(frozen=True, eq=False)
class Shot:
    """One view of one reconstruction: what was prepared and what was drawn, both over the background."""

    camera: Camera
    scores: ViewRecord
    target: Float[Tensor, "4 h w"]  # prepared colours and alpha, 0..1
    rendering: Rendering

    @cached_property
    def wanted(self) -> ImageRGB:
        """The prepared colours as levels."""
        return np.ascontiguousarray(self._levels[:, :, :3])

    @cached_property
    def drawn(self) -> ImageRGB:
        return levels_of(self.rendering.colour)

    @cached_property
    def mask(self) -> Levels:
        """The prepared alpha as levels."""
        return np.ascontiguousarray(self._levels[:, :, 3])

    @cached_property
    def _levels(self) -> UInt8[Array, "h w 4"]:
        return levels_of(self.target)


@dataclass(frozen=True, eq=False)
class Made:
    """A sample's reconstructions before they are written: the Gaussians of the first, held-out shots of all."""

    record: SampleRecord
    gaussians: Gaussians
    shots: tuple[Shot, ...]  # of the first reconstruction all views, in the sample's order
    background: Colour

    @cached_property
    def splats(self) -> Splats:
        """The Gaussians as a file will hold them."""
        return self.gaussians.to_splats()

    @property
    def cameras(self) -> list[Camera]:
        return [shot.camera for shot in self.shots]


def reconstruct_sample(
    source: Source,
    renderer: Renderer,
    sample: SampleTensors,
    task: Task,
    filter: FilterName | None = None,
    lpips: Distance | None = None,
    progress: Progress = silent,
    judged: bool = False,
    colours: CameraColours | None = None,
) -> Made:
    """Every reconstruction of the task: Gaussians of its inputs, and all views drawn and scored.

    filter: which Gaussians to leave out, besides those that are not finite; None: none, as the source gives them.
    judged: its artefacts are looked for. colours: the source gets the images in common colours, and each view is drawn
    in its camera's. progress: hears of the network's blocks and of every image.
    DatasetError names a view that cannot be scored.
    """
    start, seconds = time.perf_counter(), 0.0
    cameras, background = _cameras(task.folder, sample), background_of(sample)
    rows: list[ViewRecord] = []
    shots: list[Shot] = []
    given = sample if colours is None else colours.common(sample)
    first, made, not_finite = None, 0, 0
    for number, each in enumerate(task.rounds):
        begun = time.perf_counter()
        whole = source.gaussians(given, each.inputs, progress)
        seconds += time.perf_counter() - begun
        gaussians, lost = (whole, 0) if filter is None else _filtered(whole, filter)
        if first is None:
            first, made, not_finite = gaussians, len(whole), lost
        for place, camera in enumerate(cameras):
            role: Role = "held-out" if place in each.held_out else "input"
            rendering, target = draw(renderer, gaussians, camera_of(sample, place), background), sample.image[place]
            if colours is not None:
                rendering = colours.seen_by(camera.name, rendering, background)
            there = target.to(rendering.colour.device)
            try:
                scores = view_scores(rendering.colour, rendering.alpha, there, background, lpips)
            except (ValueError, MouseliftError) as error:
                raise DatasetError(f"sample {sample.name}, view {sample.views[place]}: {error}") from error
            in_file, figures = int(sample.index[place, 0]), known_figures(scores)
            rows.append(ViewRecord(view=sample.views[place], role=role, place=in_file, round=number, **figures))
            if number == 0 or role == "held-out":
                shots.append(Shot(camera, rows[-1], target, rendering))
            progress("images", len(rows), len(cameras) * len(task.rounds))
    assert first is not None, "a task has at least one round"
    record = SampleRecord(
        id=sample.name,
        source=str(task.folder),
        cameras=file_digest(task.folder / CAMERAS_FILE),
        gaussians_file=source.key(sample.name),
        notes=_notes(source, sample.name, colours),
        network=source.words,
        filter=filter or "none",
        artefacts=artefacts(first, cameras, list(sample.image[:, 3]), renderer) if judged else None,
        side=int(sample.image.shape[-1]),
        views=rows,
        made=made,
        kept=len(first),
        not_finite=not_finite,
        seconds=round(seconds, 3),
        total_seconds=round(time.perf_counter() - start, 3),
    )
    return Made(record, first, tuple(shots), background)


def _notes(source: Source, sample: str, colours: CameraColours | None) -> tuple[str, ...]:
    read = source.notes.get(sample, ()) if isinstance(source, FileSource) else ()
    return read if colours is None else (*read, f"camera colours: {colours.words}")


def camera_of(sample: SampleTensors, place: int) -> RenderCamera:
    """The camera of one of a sample's views, for renderers."""
    height, width = sample.image.shape[-2:]
    return RenderCamera.posed(sample.c2w[place], sample.fxfycxcy[place], width, height)


def background_of(sample: SampleTensors) -> Colour:
    """What a sample's views were laid on."""
    red, green, blue = sample.background.tolist()
    return red, green, blue


def _filtered(whole: Gaussians, name: FilterName) -> tuple[Gaussians, int]:
    """(those that stay, how many were not finite)."""
    splats = whole.to_splats()
    parts = (splats.positions, splats.scales, splats.rotations, splats.opacities, splats.harmonics)
    finite = np.all([np.isfinite(part).reshape(len(splats), -1).all(axis=1) for part in parts], axis=0)
    kept = np.zeros(len(splats), dtype=bool)
    kept[finite] = FILTERS[name].kept(splats.taken(finite))
    which = torch.from_numpy(np.flatnonzero(kept)).to(whole.positions.device)
    stays = (whole.positions, whole.scales, whole.rotations, whole.opacities, whole.colours)
    return Gaussians(*(part[which] for part in stays)), int((~finite).sum())


def _cameras(folder: Path, sample: SampleTensors) -> list[Camera]:
    """In float64, as the file says, at the size of the sample's images."""
    by_name = {view.camera.name: view.camera for view in read_sample(folder).views}
    height, width = sample.image.shape[-2:]
    found = [by_name[name] for name in sample.views]
    return [c if (c.width, c.height) == (width, height) else resized(c, width, height) for c in found]
