"""Exact six-view samples of the synthetic mouse, drawn through their written cameras."""

from __future__ import annotations

import numpy as np
import pytest

from mouselift.audit.views import SampleViews, View
from mouselift.core.silhouette import Silhouette
from mouselift.plan.framing import PRESETS
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.pose import Pose
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig, undistorted_rig, unskewed_rig

_POSES = (
    Pose(x=60.0, y=52.0, heading=0.4, tail_bend=0.6, head_yaw=0.2),
    Pose(x=66.0, y=44.0, heading=2.2, rear=0.7, tail_bend=-0.5, spine_bend=0.3),
)


@pytest.fixture(scope="session")
def exact() -> tuple[SampleViews, ...]:
    """Two postures, framed per sample."""
    rig = unskewed_rig(undistorted_rig(markerless_rig()))
    mouse, out = Mouse(), []
    for number, pose in enumerate(_POSES):
        mesh = mouse.posed(pose).mesh
        outlines = [Silhouette.from_mask(render_silhouette(mesh, camera, 1) >= 128) for camera in rig.cameras]
        framing = PRESETS["per-sample"]
        plan = framing.plan(rig.cameras, outlines, np.array([0.0, 0.0, 1.0]))
        views = tuple(
            View(view.name, plan.written_camera(k), render_silhouette(mesh, view.target, 4))
            for k, view in enumerate(plan.views)
        )
        out.append(SampleViews(f"{number:06d}", views, number))
    return tuple(out)
