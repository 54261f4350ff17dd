"""A prepared dataset against the truth: the true shape through the written cameras, next to the written images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mouselift.array_types import Levels
from mouselift.calibration.facelift import read_cameras_json
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import read_sample
from mouselift.framing.plan import SamplePlan
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.geometry.similarity import Similarity
from mouselift.media.png import read_png
from mouselift.synthetic.marks import find_marks
from mouselift.synthetic.mesh import Mesh
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.truth import Truth


@dataclass(frozen=True)
class ViewCheck:
    """One written image against the truth."""

    sample: str
    camera: str
    iou: float  # of the true mesh's silhouette through the written camera with the written alpha
    marks_px: tuple[float, ...]  # of each bead that is seen whole: distance from where the written camera puts it


def check_dataset(dataset: Path, truth: Truth, supersample: int = 4, marks: bool = False) -> Iterator[ViewCheck]:
    """Every view of every sample. Uses each file's own cameras; only the world's normalisation comes from the plan."""
    for folder in find_samples(dataset):
        frame = int(folder.name.rsplit("_", 1)[1])
        world = sample_world(folder)
        mesh = truth.mesh(frame)
        moved = Mesh(world.apply(mesh.vertices), mesh.topology)
        for view in read_sample(folder).views:
            rgba = read_png(view.path)
            distances: tuple[float, ...] = ()
            if marks:
                beads = truth.marks(frame).in_world(world)
                distances = tuple(mark.error_px for mark in find_marks(rgba, view.camera, beads, mesh=moved))
            silhouette = render_silhouette(moved, view.camera, supersample)
            score = iou(silhouette, rgba[:, :, 3])
            yield ViewCheck(folder.name, view.camera.name, score, distances)


def iou(a: Levels, b: Levels) -> float:
    """Intersection over union of two soft masks at one half; 1 for two empty ones."""
    inside_a, inside_b = a >= HALF_LEVEL, b >= HALF_LEVEL
    union = int((inside_a | inside_b).sum())
    return float((inside_a & inside_b).sum() / union) if union else 1.0


def sample_world(folder: Path) -> Similarity:
    """Source world -> the sample's world, as its plan says."""
    _, content = read_cameras_json(folder / "opencv_cameras.json")
    return SamplePlan.from_json(msgspec.json.encode(content["mouselift"]["plan"])).world
