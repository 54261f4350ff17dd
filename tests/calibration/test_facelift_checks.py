"""Each way in which an entry can be wrong has its code, and a good entry has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mouselift.calibration.facelift import FATAL, check_frame, same_cameras
from mouselift.calibration.image_names import image_names
from mouselift.geometry.camera import Camera

NAN = float("nan")


def frame(**changes: Any) -> dict[str, Any]:
    T = np.eye(4)
    T[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    T[2, 3] = 2.7
    good = {"w": 64, "h": 64, "fx": 70.0, "fy": 70.0, "cx": 32.0, "cy": 30.0, "w2c": T.tolist(), "camera": "top"}
    return {**good, **changes}


def pose(change: Any) -> list[list[float]]:
    return np.asarray(change(np.array(frame()["w2c"]))).tolist()


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "good": ({}, ""),
    "K that agrees": ({"K": [[70, 0, 32], [0, 70, 30], [0, 0, 1]]}, ""),
    "no number": ({"fx": "wide"}, "not-finite"),
    "NaN": ({"cy": NAN}, "not-finite"),
    "infinite": ({"fy": float("inf")}, "not-finite"),
    "NaN in the pose": ({"w2c": pose(lambda T: T * NAN)}, "not-finite"),
    "negative focal length": ({"fx": -70.0}, "bad-focal"),
    "half a pixel wide": ({"w": 63.5}, "bad-size"),
    "principal point lost": ({"cx": 0.0, "cy": 0.0}, "principal-lost"),
    "principal point outside": ({"cx": 80.0}, "principal-outside"),
    "pixels not square": ({"fx": 71.0}, "pixels-not-square"),
    "K transposed": ({"K": [[70, 0, 0], [0, 70, 0], [32, 30, 1]]}, "k-shape"),
    "K of two rows": ({"K": [[70, 0, 32], [0, 70, 30]]}, "k-shape"),
    "K that disagrees by half a pixel": ({"K": [[70, 0, 32.5], [0, 70, 30.5], [0, 0, 1]]}, "k-shape"),
    "3 x 4": ({"w2c": pose(lambda T: T[:3])}, "pose-shape"),
    "pose transposed": ({"w2c": pose(lambda T: T.T)}, "pose-shape"),
    "text for a number": ({"w2c": [[str(v) for v in row] for row in frame()["w2c"]]}, "pose-shape"),
    "true for 1": ({"w2c": [*frame()["w2c"][:3], [0, 0, 0, True]]}, "pose-shape"),
    "words": ({"w2c": "identity"}, "pose-shape"),
    "mirrored": ({"w2c": pose(lambda T: np.diag([-1.0, 1, 1, 1]) @ T)}, "mirrored"),
    "scaled by 1 %": ({"w2c": pose(lambda T: np.diag([1.01, 1.01, 1.01, 1]) @ T)}, "not-rotation"),
    "singular": ({"w2c": pose(lambda T: np.diag([0.0, 1, 1, 1]) @ T)}, "not-rotation"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_fault_has_its_code(case: str) -> None:
    changes, code = CASES[case]
    view, found = check_frame("s", Path("cameras.json"), 0, frame(**changes))
    assert [finding.code for finding in found] == ([code] if code else [])
    fatal = code in FATAL
    assert (view is None) == fatal
    for finding in found:
        assert finding.camera == "top"
        assert finding.sample == "s"
        assert finding.advice.endswith(".")
        assert finding.severity == "error" or not fatal
        assert "cameras.json: frames[0]" in finding.message


@pytest.mark.parametrize("key", ["w", "h", "fx", "fy", "cx", "cy", "w2c"])
def test_a_missing_key_is_named(key: str) -> None:
    entry = frame()
    del entry[key]
    view, found = check_frame("s", Path("f"), 3, entry)
    assert view is None
    assert [finding.code for finding in found] == ["missing-key"]
    assert f"missing {key}" in found[0].message


def test_a_rounded_rotation_is_made_whole() -> None:
    T = np.array(frame()["w2c"])
    T[0, 0] += 3e-5
    view, found = check_frame("s", Path("f"), 0, frame(w2c=T.tolist()))
    assert found == []
    assert view is not None
    R = view.camera.R_cam_world
    assert np.abs(R @ R.T - np.eye(3)).max() < 1e-12


def camera(dx: float = 0.0, focal: float = 70.0, name: str = "a") -> Camera:
    T = np.eye(4)
    T[0, 3], T[2, 3] = dx, 2.7
    return Camera(64, 64, focal, focal, 32.0, 32.0, T, name=name)


def test_same_cameras_are_found_and_near_ones_not() -> None:
    assert [f.code for f in same_cameras("s", [camera(), camera(name="b")])] == ["same-camera"]
    assert same_cameras("s", [camera(), camera(dx=1e-3, name="b")]) == []
    assert same_cameras("s", [camera(), camera(focal=70.01, name="b")]) == []  # two views of one place: legal
    assert same_cameras("s", [camera()]) == []
    many = same_cameras("s", [camera(dx=1.0), *(camera(name=f"c{k}") for k in range(200))])
    assert [f.camera for f in many] == [f"c{k}" for k in range(1, 200)], "one a view, not one a pair"


def test_names_of_images_that_are_no_names() -> None:
    assert image_names(["/", "/"]) == ["/", "/"]
    assert image_names(["a/b.png", "a/b.jpg", "b.png"]) == ["a/b", "a/b", "b"]
