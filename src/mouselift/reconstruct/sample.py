"""One sample: the network's Gaussians, filtered, drawn with the sample's own cameras and scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mouselift.array_types import ImageRGB, Levels
from mouselift.data.moves import resized
from mouselift.data.sample import SampleTensors
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.dataset.sample import read_sample
from mouselift.gaussians.filters import FILTERS
from mouselift.gaussians.ply import Splats
from mouselift.geometry.camera import Camera
from mouselift.progress import Progress, silent
from mouselift.reconstruct.metrics import view_scores
from mouselift.reconstruct.network import Engine, background_of, draw, view_of
from mouselift.reconstruct.options import Options
from mouselift.reconstruct.record import Record, ViewRecord
from mouselift.reconstruct.scores import Role, known_figures
from mouselift.render.base import Colour, Gaussians, Renderer
from mouselift.render.orbit import images, levels_of, turntable
from mouselift.run_folder import file_digest

_LARGEST = 512  # pixels a side of the turntable
_STEEPEST_DEG = 75.0  # of the turntable's elevation: nearer the pole a turn is a spin


@dataclass(frozen=True, eq=False)
class Shot:
    """One view: what was prepared and what was drawn, both over the background, and the prepared alpha."""

    camera: Camera
    scores: ViewRecord
    wanted: ImageRGB
    drawn: ImageRGB
    mask: Levels


@dataclass(frozen=True, eq=False)
class Made:
    """A sample's reconstruction before it is written."""

    record: Record
    splats: Splats  # as the file will hold them
    gaussians: Gaussians  # the same, to be drawn
    shots: tuple[Shot, ...]  # the sample's views, in its order
    background: Colour

    @property
    def cameras(self) -> list[Camera]:
        return [shot.camera for shot in self.shots]


def make(
    engine: Engine,
    renderer: Renderer,
    sample: SampleTensors,
    folder: Path,
    options: Options,
    network: str,
    blocks: Progress = silent,
    drawn: Callable[[], None] = lambda: None,
) -> Made:
    """Gaussians of the sample's inputs, and all of its views drawn. `blocks` and `drawn` hear of progress.

    folder: the sample's, whose cameras the shots get (resized as the images were). network: its name, for people.
    """
    start = time.perf_counter()
    gaussians = engine.reconstruct(sample, progress=blocks)
    seconds = time.perf_counter() - start
    return assess(gaussians, renderer, sample, folder, options, network, seconds, drawn)


def assess(
    whole: Gaussians,
    renderer: Renderer,
    sample: SampleTensors,
    folder: Path,
    options: Options,
    network: str,
    seconds: float = 0.0,
    drawn: Callable[[], None] = lambda: None,
) -> Made:
    """Gaussians, wherever they come from, as `make` has them: filtered, drawn with the sample's cameras, scored."""
    cameras = _cameras(folder, sample)
    splats = whole.to_splats()
    finite = _finite(splats)
    centres = np.stack([camera.centre for camera in cameras])
    kept = np.zeros(len(splats), dtype=bool)
    kept[finite] = FILTERS[options.filter].kept(splats.taken(finite), centres)
    which = torch.from_numpy(np.flatnonzero(kept)).to(whole.positions.device)
    gaussians = Gaussians(
        *(part[which] for part in (whole.positions, whole.scales, whole.rotations, whole.opacities, whole.colours))
    )
    shots = []
    for place, camera in enumerate(cameras):
        shots.append(_shot(renderer, gaussians, sample, place, camera))
        drawn()
    record = Record(
        id=sample.name,
        source=str(folder),
        cameras=file_digest(folder / CAMERAS_FILE),
        network=network,
        filter=options.filter,
        side=int(sample.image.shape[-1]),
        views=[shot.scores for shot in shots],
        made=len(whole),
        kept=int(kept.sum()),
        not_finite=int((~finite).sum()),
        seconds=round(seconds, 3),
    )
    return Made(record, splats.taken(kept), gaussians, tuple(shots), background_of(sample))


def turn(renderer: Renderer, made: Made, frames: int) -> Iterator[ImageRGB]:
    """One turn about the world's origin, as far away, as high and as wide as the sample's cameras (medians)."""
    cameras = made.cameras
    centres = np.stack([camera.centre for camera in cameras])
    distances = np.linalg.norm(centres, axis=1)
    elevation = float(np.median(np.degrees(np.arcsin(centres[:, 2] / distances))))
    fields = [2 * np.degrees(np.arctan(camera.width / 2 / camera.fx)) for camera in cameras]
    side = min(_LARGEST, cameras[0].width) // 2 * 2  # H.264 halves the colours
    path = turntable(
        frames,
        float(np.clip(elevation, -_STEEPEST_DEG, _STEEPEST_DEG)),
        float(np.median(distances)),
        float(np.median(fields)),
        side,
    )
    return images(renderer, made.gaussians, path, made.background)


def _shot(renderer: Renderer, gaussians: Gaussians, sample: SampleTensors, place: int, camera: Camera) -> Shot:
    background = background_of(sample)
    rendering = draw(renderer, gaussians, view_of(sample, place), background)
    target = sample.image[place]
    scores = view_scores(rendering.colour.cpu(), rendering.alpha.cpu(), target, background)
    role: Role = "input" if place in sample.inputs.tolist() else "held-out"
    levels = (target.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    return Shot(
        camera,
        ViewRecord(view=sample.views[place], role=role, place=int(sample.index[place, 0]), **known_figures(scores)),
        np.ascontiguousarray(levels[:, :, :3]),
        levels_of(rendering),
        np.ascontiguousarray(levels[:, :, 3]),
    )


def _cameras(folder: Path, sample: SampleTensors) -> list[Camera]:
    """In float64, as the file says, at the size of the sample's images."""
    by_name = {view.camera.name: view.camera for view in read_sample(folder).views}
    height, width = sample.image.shape[-2:]
    found = [by_name[name] for name in sample.views]
    return [c if (c.width, c.height) == (width, height) else resized(c, width, height) for c in found]


def _finite(splats: Splats) -> np.ndarray:
    parts = (splats.positions, splats.scales, splats.rotations, splats.opacities, splats.harmonics)
    return np.all([np.isfinite(part).reshape(len(splats), -1).all(axis=1) for part in parts], axis=0)
