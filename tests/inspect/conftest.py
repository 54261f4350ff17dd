"""Small recordings: one as a rig would have left it, and quick ones with true masks and black images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.capture.capture_toml import CameraEntry, CaptureSpec, write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.geometry.camera import Camera
from mouselift.synthetic import capture as synthetic
from mouselift.synthetic.capture import write_dannce_calibration
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import Rig, markerless_rig, scaled_rig


@pytest.fixture(scope="session")
def small_rig() -> Rig:
    """The markerless rig at a quarter of the size, four cameras of it: 288 x 256, lens and skew included."""
    rig = scaled_rig(markerless_rig(), 0.25)
    return Rig(rig.cameras[:4], rig.arena)


@pytest.fixture(scope="session")
def late_recording(small_rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By synthetic.capture, lossy mask videos and all; Camera2 shows at frame k what the others showed at k - 2."""
    folder = tmp_path_factory.mktemp("recording") / "mouse"
    rig = Rig(small_rig.cameras[:3], small_rig.arena)
    synthetic.write_capture(
        folder, synthetic.CaptureSpec(frames=22, rig=rig, start=0.6, seed=4, supersample=2, lag={1: 2})
    )
    write_capture_toml(folder / "capture.toml", discover(folder).spec)
    return folder


@pytest.fixture(scope="session")
def record(small_rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes masks (PNG) and black images; answers the folder. Seconds for a hundred masks."""

    def write(
        times: Sequence[float],
        rig: Rig = small_rig,
        written: Sequence[Camera] | None = None,  # cameras of the calibration file, where these are not the true ones
        lag: Mapping[int, int] | None = None,
        masks: bool = True,
        every: int = 1,  # a mask every so many frames
        **top: object,
    ) -> Path:
        folder = tmp_path_factory.mktemp("recording")
        mouse, motion = Mouse(), Motion(rig.arena, 4)
        write_dannce_calibration(folder, written or rig.cameras)
        meshes = [mouse.posed(motion.pose(time)).mesh for time in times]
        entries = []
        for view, camera in enumerate(rig.cameras):
            late = (lag or {}).get(view, 0)
            name = f"Camera{view + 1}"
            for kind in ("images", "masks"):
                (folder / kind / name).mkdir(parents=True)
            for frame in range(len(times)):
                black = np.zeros((camera.height, camera.width, 3), np.uint8)
                cv2.imwrite(str(folder / "images" / name / f"{frame:06d}.png"), black)
                if masks and frame % every == 0:
                    shown = render_silhouette(meshes[max(frame - late, 0)], camera, 3)
                    cv2.imwrite(str(folder / "masks" / name / f"{frame:06d}.png"), shown)
            mask = folder / "masks" / name if masks else None
            entries.append(CameraEntry(name, images=folder / "images" / name, mask=mask))
        spec = CaptureSpec("mm", (0.0, 0.0, 1.0), folder / "calibration", "dannce", "dannce", cameras=tuple(entries))
        write_capture_toml(folder / "capture.toml", replace(spec, **top))  # type: ignore[arg-type]
        return folder

    return write


@pytest.fixture(scope="session")
def steady(record: Callable[..., Path]) -> Path:
    """Nothing is wrong: 18 frames at 25 a second, four cameras in step."""
    return record([0.6 + frame / 25 for frame in range(18)])
