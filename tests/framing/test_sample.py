"""Plans as JSON: stable bytes, the same numbers back, and nothing foreign accepted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mouselift.errors import DatasetError
from mouselift.framing.framing import PRESETS
from mouselift.framing.plan import PlannedCameras, SamplePlan
from mouselift.framing.planning import plan_sample
from mouselift.geometry.lens import Fisheye, Pinhole


@pytest.mark.parametrize("preset", list(PRESETS))
def test_round_trip_is_exact(preset: str, scene: Any, up: Any) -> None:
    plan = plan_sample(PRESETS[preset], scene.cameras, scene.silhouettes, up)
    text = plan.to_json()
    back = SamplePlan.from_json(text)
    assert back.to_json() == text
    assert back.framing == plan.framing
    for i, view in enumerate(plan.views):
        assert back.views[i].source.lens == view.source.lens
        assert np.array_equal(back.views[i].source.K, view.source.K)
        assert np.array_equal(back.written_camera(i).T_cam_world, plan.written_camera(i).T_cam_world)
        assert np.array_equal(back.written_camera(i).K, plan.written_camera(i).K)
        pixels = np.array([[10.25, 500.5], [256.0, 256.0]])
        assert np.array_equal(back.reframe(i).to_source(pixels), plan.reframe(i).to_source(pixels))


@pytest.mark.parametrize("preset", ["per-sample", "canonical"])
def test_cameras_read_alone_are_those_of_the_plan(preset: str, scene: Any, up: Any) -> None:
    plan = plan_sample(PRESETS[preset], scene.cameras, scene.silhouettes, up)
    read = PlannedCameras.from_json(plan.to_json())
    written = [plan.written_camera(k) for k in range(len(plan.views))]
    assert read.names == tuple(view.name for view in plan.views)
    assert read.scale.tolist() == [view.scale for view in plan.views]
    assert np.abs(read.T_cam_world - [camera.T_cam_world for camera in written]).max() < 1e-12
    assert np.array_equal(read.K, [[c.fx, c.fy, c.cx, c.cy] for c in written])
    assert np.array_equal(read.source[:, 4:], [view.source.T_cam_world.ravel() for view in plan.views])


def test_cameras_are_not_read_from_other_text(scene: Any, up: Any) -> None:
    legacy = plan_sample(PRESETS["legacy"], scene.cameras, scene.silhouettes, up).to_json()
    odd = json.loads(plan_sample(PRESETS["canonical"], scene.cameras, scene.silhouettes, up).to_json())
    odd["views"][0]["target"]["w2c"] = [[1.0, 0.0]]
    for text in (legacy, json.dumps(odd), "{"):
        with pytest.raises(DatasetError, match="sample plan"):
            PlannedCameras.from_json(text)


def test_the_same_input_gives_the_same_bytes(scenes: Any, up: Any) -> None:
    first, second = scenes(5), scenes(5)
    framing = PRESETS["canonical"]
    assert (
        plan_sample(framing, first.cameras, first.silhouettes, up).to_json()
        == plan_sample(framing, second.cameras, second.silhouettes, up).to_json()
    )


@pytest.mark.parametrize("lens", [Pinhole(), Fisheye(0.01, -0.02, 0.003, 0.0)])
def test_other_lenses(lens: Any, scene: Any, up: Any) -> None:
    cameras = [replace(camera, lens=lens) for camera in scene.cameras]
    text = plan_sample(PRESETS["per-view"], cameras, scene.silhouettes, up).to_json()
    back = SamplePlan.from_json(text)
    assert all(view.source.lens == lens for view in back.views)
    assert back.to_json() == text


def test_a_view_by_name(scene: Any, up: Any) -> None:
    plan = plan_sample(PRESETS["per-sample"], scene.cameras, scene.silhouettes, up)
    assert plan.view("cam3") is plan.views[3]
    with pytest.raises(KeyError):
        plan.view("cam9")


def test_foreign_text_is_refused(scene: Any, up: Any) -> None:
    plan = plan_sample(PRESETS["per-sample"], scene.cameras, scene.silhouettes, up)
    good = json.loads(plan.to_json())
    faults: dict[str, Any] = {
        "schema 1, got 9": {**good, "schema": 9},
        "unknown field `more`": {**good, "more": 1},
        "missing required field `views`": {k: v for k, v in good.items() if k != "views"},
        "Invalid enum value 'sideways'": {**good, "framing": {**good["framing"], "aim": "sideways"}},
        "not a rotation": {**good, "world": {**good["world"], "R_new_old": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}},
    }
    for message, value in faults.items():
        with pytest.raises(DatasetError, match=message):
            SamplePlan.from_json(json.dumps(value))
    with pytest.raises(DatasetError, match="sample plan"):
        SamplePlan.from_json(b"{")
    good["views"][0]["source"]["lens"]["model"] = "mirror"
    with pytest.raises(DatasetError, match="lens model: expected one of brown-conrady, fisheye, got 'mirror'"):
        SamplePlan.from_json(json.dumps(good))
