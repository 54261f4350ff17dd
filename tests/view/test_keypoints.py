"""Keypoints of a scene: their state over all views, what is said of them, and the nodes that show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from mouselift.dataset.sample import Sample
from mouselift.view.keypoints import ScenePoint, drawn, keypoint_note, scene_points
from mouselift.view.live import draw
from mouselift.view.scene import scene_of

Make = Callable[..., Sample]


def test_a_point_is_on_where_every_alpha_holds_it(make_exact: Make) -> None:
    sample = make_exact(0.5, "per-sample", 256)
    assert sample.keypoints is not None
    points = sample.keypoints.points.copy()
    points[1], points[2] = points[1] + 5.0, np.nan
    sample = replace(sample, keypoints=replace(sample.keypoints, points=points))
    found = {point.name: point for point in scene_points(sample)}
    assert found["nose"].state == "on"
    assert found["nose"].compared == 6
    assert found["left_ear"].off == sample.names
    assert "right_ear" not in found
    cut = replace(sample, views=tuple(replace(view, cut=True) for view in sample.views))
    assert {point.state for point in scene_points(cut)} == {"unknown"}
    assert scene_points(replace(sample, keypoints=None)) == ()


def test_what_is_said() -> None:
    def point(name: str, *off: str, compared: int = 6) -> ScenePoint:
        return ScenePoint(name, np.zeros(3), off, compared)

    assert keypoint_note([]) == ""
    assert keypoint_note([point("nose")]) == "Keypoints: 1 of 1 lie on every alpha (green)."
    said = keypoint_note([point("nose"), point("tail", "a", "b", "c", "d")])
    assert said == "Keypoints: 1 of 2 lie on every alpha (green). Red: tail off a, b, c and 1 more."
    assert keypoint_note([point(f"p{k}", "a") for k in range(8)]).endswith("p5 off a; and 2 more.")
    assert "nothing is known" in keypoint_note([point("nose", compared=0)])


class Recorder:
    """Every node that is added, by name."""

    def __init__(self) -> None:
        self.nodes: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        def add(name: str, *values: Any, **_: Any) -> Any:
            self.nodes[name] = kind, values
            return SimpleNamespace(visible=True)

        return add


def test_each_has_a_ball_of_its_colour_and_a_name(make_exact: Make) -> None:
    sample = make_exact(0.5, "per-sample", 256)
    api = Recorder()
    assert set(draw(api, scene_of(sample))) == {"hull", "keypoints"}
    balls = [values for kind, values in api.nodes.values() if kind == "add_icosphere"]
    assert [colour for _, colour in balls] == [(31, 160, 92)] * 8
    names = {values[0] for name, (kind, values) in api.nodes.items() if kind == "add_label" and "/keypoints/" in name}
    assert names == {"nose", *(sample.keypoints.names if sample.keypoints else ())}
    assert set(draw(Recorder(), scene_of(replace(sample, keypoints=None)))) == {"hull"}


def test_of_too_many_the_worst_are_drawn(make_exact: Make) -> None:
    """100,000 names of a damaged record made as many nodes for the browser."""
    points = [ScenePoint(f"p{k}", np.zeros(3), ("a",) if k == 999 else (), 6) for k in range(1000)]
    shown = drawn(points)
    assert (len(shown), shown[0].name, shown[1].name) == (300, "p999", "p0")
    assert keypoint_note(points).endswith("Red: p999 off a. 700 are not drawn.")
    api, scene = Recorder(), scene_of(make_exact(0.5, "per-sample", 256))
    draw(api, replace(scene, keypoints=tuple(points)))
    assert sum(kind == "add_icosphere" for kind, _ in api.nodes.values()) == 300
