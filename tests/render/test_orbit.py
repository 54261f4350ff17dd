"""Turntable cameras against the release's; video and sheet hold what was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from mouselift.errors import OutputError, VideoError
from mouselift.render.base import RenderCamera, draw
from mouselift.render.cpu import CpuRenderer
from mouselift.render.orbit import levels_of, orbit_camera, still_sheet, turntable, write_video

GOLDEN = Path(__file__).parents[2] / ".." / "shared" / "golden" / "losses.npz"
Make = Callable[..., Any]


def test_like_the_release() -> None:
    if not GOLDEN.is_file():
        pytest.skip("no ../shared/golden/losses.npz beside the repository")
    with np.load(GOLDEN) as data:
        d = dict(data)
    for key, cameras in (
        ("default8", turntable(8, elevation_deg=20.0, size=384)),
        ("el0_150", turntable()),
    ):
        for camera, c2w, k in zip(cameras[:3], d[f"turntable_{key}_c2w"], d[f"turntable_{key}_k"], strict=True):
            np.testing.assert_allclose(np.linalg.inv(camera.T_cam_world), c2w, atol=1e-12)
            np.testing.assert_allclose([camera.fx, camera.fy, camera.cx, camera.cy], k, rtol=1e-9)


def test_matrices_of_the_release_say_the_same_camera() -> None:
    """`cam_*`: its projection puts points where this project's camera does, half a pixel less: it counts by index."""
    if not GOLDEN.is_file():
        pytest.skip("no ../shared/golden/losses.npz beside the repository")
    with np.load(GOLDEN) as data:
        d = {key: value.astype(np.float64) for key, value in data.items() if key.startswith("cam_")}
    np.testing.assert_allclose(d["cam_viewmatrix"].T, np.linalg.inv(d["cam_c2w"]), atol=1e-6)
    P = np.linalg.inv(d["cam_viewmatrix"]) @ d["cam_projmatrix"]
    np.testing.assert_allclose(P[[0, 1], [0, 1]] * d["cam_tanfov"], 1.0, atol=1e-5)  # 2 fx / W = 1 / tan


def test_a_turn() -> None:
    cameras = turntable(12, elevation_deg=10.0)
    centres = np.array([camera.centre for camera in cameras])
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 2.7)
    azimuth = np.unwrap(np.arctan2(centres[:, 1], centres[:, 0]))
    np.testing.assert_allclose(np.diff(azimuth), 2 * np.pi / 12)
    for camera in cameras:
        np.testing.assert_allclose(camera.project(np.array([[0, 0, 0.0]])), [[256, 256]])
        assert camera.project(np.array([[0, 0, 0.1]]))[0, 1] < 256, "+Z is up"
    aimed = orbit_camera(30.0, target=np.array([0.2, -0.1, 0.3]))
    np.testing.assert_allclose(aimed.project(np.array([[0.2, -0.1, 0.3]])), [[256, 256]])
    with pytest.raises(ValueError, match="parallel"):
        orbit_camera(0.0, elevation_deg=90.0)


def test_video_holds_the_images(tmp_path: Path, make_easy: Make) -> None:
    cameras = turntable(5, size=64)
    stills = [levels_of(draw(CpuRenderer(), make_easy(0), RenderCamera.of(camera)).colour) for camera in cameras]
    write_video(tmp_path / "turn.mp4", iter(stills), fps=24.0)
    with av.open(str(tmp_path / "turn.mp4")) as container:
        assert float(container.streams.video[0].average_rate or 0) == 24
        back = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(back) == 5
    # 4:2:0 halves colour resolution, so greys are compared: noise-like Gaussians of one pixel are the worst case
    for a, b in zip(stills, back, strict=True):
        assert abs(a.mean() - b.mean()) < 2.0
        assert np.abs(a.mean(axis=2) - b.mean(axis=2)).mean() < 8.0
    assert [file.name for file in tmp_path.iterdir()] == ["turn.mp4"]


def test_bad_videos(tmp_path: Path) -> None:
    def blank(*sizes: tuple[int, int]) -> Iterator[np.ndarray]:
        return (np.zeros((*size, 3), dtype=np.uint8) for size in sizes)

    cases = {
        "at least one": [],
        "even size, got 32 x 31": [(31, 32)],
        "expected a frame of 32 x 32": [(32, 32), (30, 32)],
    }
    for message, sizes in cases.items():
        with pytest.raises(VideoError, match=message):
            write_video(tmp_path / "bad.mp4", blank(*sizes))
        assert not list(tmp_path.iterdir())
    (tmp_path / "mine.mp4").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        write_video(tmp_path / "mine.mp4", blank((32, 32)))
    assert (tmp_path / "mine.mp4").read_bytes() == b"mine"


def test_sheet() -> None:
    stills = [np.full((10, 12, 3), 10 * i, dtype=np.uint8) for i in range(5)]
    sheet = still_sheet(stills, columns=3, gap=2)
    assert sheet.shape == (2 * 12 + 2, 3 * 14 + 2, 3)
    assert (sheet[14:24, 16:28] == 40).all()
    with pytest.raises(ValueError, match="one size"):
        still_sheet([*stills, stills[0][:5]])


def test_levels_are_rounded_and_held() -> None:
    colour = torch.tensor([-0.5, 0.4999, 3.0])[:, None, None].expand(3, 2, 4)
    levels = levels_of(colour)
    assert levels.shape == (2, 4, 3)
    assert levels[0, 0].tolist() == [0, 127, 255]


def test_view_of_orbit(make_easy: Make) -> None:
    view = RenderCamera.of(turntable(4, size=32)[1])
    assert torch.allclose(view.centre, torch.tensor([2.7, 0.0, 0.0], dtype=torch.float64), atol=1e-12)
