"""Exact samples of the synthetic mouse, six views of 512 pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.dataset.sample import Sample, View
from mouselift.framing.framing import PRESETS
from mouselift.framing.planning import plan_sample
from mouselift.geometry.outlines import Silhouette
from mouselift.keypoints.keypoints import SampleKeypoints
from mouselift.media.png import encode_png
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import KEYPOINTS, Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import Rig, markerless_rig


def make_sample(time: float, preset: str = "per-sample", size: int = 512, rig: Rig | None = None) -> Sample:
    """What prepare would write for one instant, with the alpha drawn straight from the mesh: the cameras are exact.

    rig: six cameras all round where none is given.
    """
    rig = markerless_rig() if rig is None else rig
    posed = Mouse().posed(Motion(rig.arena, 3).pose(time))
    mesh = posed.mesh
    outlines = [Silhouette.from_mask(render_silhouette(mesh, camera, 1) > 0) for camera in rig.cameras]
    framing = replace(PRESETS[preset], size=size)
    plan = plan_sample(framing, rig.cameras, outlines, np.array([0.0, 0.0, 1.0]))
    views = [
        View(view.name, plan.written_camera(k), render_silhouette(mesh, view.target, 6), cut=view.cut)
        for k, view in enumerate(plan.views)
    ]
    keypoints = SampleKeypoints(KEYPOINTS, plan.world.apply(posed.keypoints), "truth", "truth")
    return Sample(f"sample_{round(time * 100):06d}", tuple(views), frame=round(time * 100), keypoints=keypoints)


@pytest.fixture(scope="session")
def make_exact() -> Callable[..., Sample]:
    """(time in seconds, preset, size) -> an exact six-view sample, made once."""
    made: dict[tuple[object, ...], Sample] = {}

    def make(time: float = 0.5, preset: str = "per-sample", size: int = 512) -> Sample:
        key = (time, preset, size)
        if key not in made:
            made[key] = make_sample(time, preset, size)
        return made[key]

    return make


@pytest.fixture(scope="session")
def exact(make_exact: Callable[..., Sample]) -> Sample:
    """One exact six-view sample."""
    return make_exact()


@pytest.fixture(scope="session")
def write_sample() -> Callable[..., Path]:
    """(folder, sample) -> the folder, as mouselift's prepare writes it but without its record; grey where opaque.

    keypoints: with the sample's keypoints, which prepare writes where the recording has some.
    """

    def write(folder: Path, sample: Sample, keypoints: bool = False) -> Path:
        (folder / "images").mkdir(parents=True)
        stated: list[ViewEntry] = []
        for index, view in enumerate(sample.views):
            path = f"images/cam_{index:03d}.png"
            grey = np.where(view.alpha > 0, 90, 0).astype(np.uint8)
            (folder / path).write_bytes(encode_png(np.dstack([grey, grey, grey, view.alpha])))
            stated.append(ViewEntry(replace(view.camera, name=view.name), path, index))
        own = {"keypoints": sample.keypoints.to_record()} if keypoints and sample.keypoints is not None else {}
        (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, stated, own))
        return folder

    return write
