"""Where the subject lies for the model, against spheres whose place and size are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mouselift.audit.placement import OFF_ORIGIN, REACH, placement, placement_findings
from mouselift.audit.profile import ring
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Outline, outline_of
from mouselift.geometry.similarity import Similarity

CAMERAS = [replace(camera, width=512, height=512) for camera in ring([0.0, 60.0, 120.0, 180.0, 240.0, 300.0], 20.0)]


def sphere(camera: Camera, centre: np.ndarray, radius: float) -> np.ndarray:
    """A sphere's exact silhouette: rays nearer to its centre than its radius; soft by 4 x 4 samples a pixel."""
    step = (np.arange(512 * 4) + 0.5) / 4
    x, y = np.meshgrid((step - camera.cx) / camera.fx, (step - camera.cy) / camera.fy)
    c = camera.to_cam(centre[None])[0]
    along = (x * c[0] + y * c[1] + c[2]) ** 2 / (x**2 + y**2 + 1)
    inside = (c @ c - along) <= radius**2
    return np.rint(inside.reshape(512, 4, 512, 4).mean(axis=(1, 3)) * 255).astype(np.uint8)


def seen(centre: list[float], radius: float, cameras: list[Camera] | None = None) -> tuple[Sample, list[Outline]]:
    cameras = cameras if cameras is not None else CAMERAS
    alphas = [sphere(camera, np.array(centre, dtype=np.float64), radius) for camera in cameras]
    views = tuple(View(camera.name, camera, alpha) for camera, alpha in zip(cameras, alphas, strict=True))
    outlines = [outline for alpha in alphas if (outline := outline_of(alpha)) is not None]
    return Sample("s", views, frame=3), outlines


@pytest.fixture(scope="module")
def ball() -> tuple[Sample, list[Outline]]:
    return seen([0.2, -0.1, 0.05], 0.4)


def codes(sample: Sample, outlines: list[Outline], cameras: list[Camera] | None = None) -> list[str]:
    place = placement(cameras or [view.camera for view in sample.views], outlines)
    return [finding.code for finding in placement_findings(sample, place)]


def test_centre_extent_and_depth_of_a_sphere(ball: tuple[Sample, list[Outline]]) -> None:
    place = placement(CAMERAS, ball[1])
    assert place.centre is not None
    # A sphere's projection is an ellipse whose centre is not the sphere's: up to 1 % of the offset here.
    assert np.abs(place.centre - [0.2, -0.1, 0.05]).max() < 0.006
    assert place.off_origin == pytest.approx(np.linalg.norm([0.2, -0.1, 0.05]), abs=0.006)
    # Outline points seen from a finite distance lie on a circle a little smaller or larger than the sphere's.
    assert place.extent == pytest.approx(0.2 + 0.4, abs=0.02)
    assert place.depth < REACH
    assert np.allclose(place.depths, [c.depth(place.centre[None])[0] for c in CAMERAS])
    assert codes(*ball) == []


@pytest.mark.parametrize(
    "fault",
    {
        "half a pixel": lambda c: replace(c, cx=c.cx + 0.5, cy=c.cy + 0.5),
        "one per cent": lambda c: replace(c, fx=c.fx * 1.01, fy=c.fy * 1.01),
        "R transposed": lambda c: c.turned(c.R_cam_world.T @ c.R_cam_world.T),
    }.items(),
    ids=lambda item: item[0],
)
def test_the_centre_notices_each_fault(ball: tuple[Sample, list[Outline]], fault: tuple[str, Callable]) -> None:
    """With cameras of both sides off, the rays miss each other: the centre's projections leave the centroids."""
    right, wrong = placement(CAMERAS, ball[1]), placement([fault[1](c) for c in CAMERAS], ball[1])
    assert right.centre is not None
    assert wrong.centre is not None
    cameras = [fault[1](c) for c in CAMERAS]
    before = [
        np.linalg.norm(c.project(right.centre[None])[0] - o.centroid[0]) for c, o in zip(CAMERAS, ball[1], strict=True)
    ]
    after = [
        np.linalg.norm(c.project(wrong.centre[None])[0] - o.centroid[0]) for c, o in zip(cameras, ball[1], strict=True)
    ]
    assert max(before) < 1.2  # the ellipse's centre, again
    moved = float(np.linalg.norm(wrong.centre - right.centre))
    assert moved > 1e-4 or max(np.nan_to_num(after, nan=np.inf)) > max(before) + 0.3


def test_each_place_has_its_code(ball: tuple[Sample, list[Outline]]) -> None:
    sample, outlines = ball

    def moved(scale: float, shift: list[float]) -> list[str]:
        cameras = [c.in_world(Similarity(scale, origin_old=np.array(shift, dtype=np.float64))) for c in CAMERAS]
        return codes(sample, outlines, cameras)

    assert moved(1.0, [0.0, 0.0, 0.3]) == []
    assert moved(1.0, [0.0, 0.0, OFF_ORIGIN + 0.1]) == ["off-origin", "outside-box"]  # 0.65 + 0.4 > 1
    assert "out-of-reach" in moved(1.0, [5.0, 0.0, 0.0])
    assert "out-of-reach" in moved(100.0, [0.0, 0.0, 0.0])  # millimetres
    assert moved(2.0, [0.2, -0.1, 0.05]) == []
    assert moved(3.0, [0.2, -0.1, 0.05]) == ["outside-box"]
    assert moved(5.0, [0.2, -0.1, 0.05]) == ["outside-box", "depth-range"]


def test_behind_a_camera(ball: tuple[Sample, list[Outline]]) -> None:
    """One camera turned round: its line still meets the others', but behind it."""
    sample, outlines = ball
    turned = [CAMERAS[0].turned(np.diag([1.0, -1.0, -1.0])), *CAMERAS[1:]]
    flipped = replace(outlines[0], centroid=512 - outlines[0].centroid)
    place = placement(turned, [flipped, *outlines[1:]])
    found = placement_findings(sample, place)
    assert [finding.code for finding in found][:1] == ["behind-camera"]
    assert found[0].camera == sample.views[0].name
    assert found[0].severity == "error"


def test_the_border_is_a_warning_and_says_who_cut() -> None:
    sample, outlines = seen([0.0, 0.0, 1.2], 0.4)
    place = placement(CAMERAS, outlines)
    assert all(place.border)
    views = tuple(replace(view, cut=cut) for view, cut in zip(sample.views, [True, False, None] * 2, strict=True))
    found = [f for f in placement_findings(replace(sample, views=views), place) if f.code == "clipped"]
    assert [f.severity for f in found] == ["warning"] * 6
    assert "the sensor had cut it" in found[0].message
    assert "preparation clipped it" in found[1].message
    assert found[2].message.endswith("border")


def test_too_few_views_say_nothing(ball: tuple[Sample, list[Outline]]) -> None:
    place = placement(CAMERAS[:2], [ball[1][0], None])
    assert place.centre is None
    assert np.isnan(place.off_origin)
    assert placement_findings(Sample("s", ball[0].views[:2]), place) == []
    same = placement([CAMERAS[0], CAMERAS[0]], [ball[1][0], ball[1][0]])  # parallel rays
    assert same.centre is None
