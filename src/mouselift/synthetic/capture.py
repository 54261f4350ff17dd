"""Writes a whole synthetic capture in DANNCE's layout, as a user's rig would have left it, with the truth beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.io import savemat

from mouselift.errors import CalibrationError, CaptureError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Pinhole
from mouselift.media.encode import ColourTag, FrameWriter, PngWriter, VideoWriter
from mouselift.progress import Progress, silent
from mouselift.synthetic import truth
from mouselift.synthetic.coat import Coat
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse, Posed
from mouselift.synthetic.render import Shadow, ViewRenderer, shadow_of
from mouselift.synthetic.rigs import Rig, demo_rig

TO_MATLAB = 0.5  # added to our principal point: MATLAB counts pixels from 1 (docs/concepts/conventions.md)
_MAT_HEADER = b"MATLAB 5.0 MAT-file, written by mouselift.synthetic".ljust(116)  # SciPy's holds the time of day


@dataclass(frozen=True)
class CaptureSpec:
    """What to film, with which rig, and how it is stored. Equal specs give equal bytes."""

    frames: int = 60
    rig: Rig = field(default_factory=demo_rig)
    coat: Coat = "brown"
    seed: int = 0
    fps: float = 25.0
    start: float = 0.0  # seconds into the animal's motion
    images: Literal["video", "png"] = "video"
    masks: Literal["video", "png", "none"] = "video"
    gop: int = 30  # frames from key frame to key frame
    crf: int = 18  # H.264 quality: 0 lossless .. 51
    mask_crf: int = 18  # larger: softer, dirtier mask edges
    colour: ColourTag = "untagged"
    marks: int = 0  # beads on the animal, for sub-pixel checks
    supersample: int = 3  # samples a pixel, along each side
    lag: Mapping[int, int] = field(default_factory=dict)  # view -> frame k shows what the others showed at k - lag

    def check(self) -> None:
        """CaptureError on values that make no capture."""
        if self.frames < 1 or self.fps <= 0 or self.gop < 1 or self.supersample < 1 or self.marks < 0:
            raise CaptureError(
                "synthetic capture: expected frames, gop and supersample of at least 1, a positive fps and no "
                f"negative marks, got {self.frames}, {self.gop}, {self.supersample}, {self.fps}, {self.marks}"
            )
        views = len(self.rig.cameras)
        if wrong := sorted(view for view in self.lag if not 0 <= view < views):
            raise CaptureError(f"lag: no view {wrong}; the rig has views 0 to {views - 1}")


def write_capture(folder: Path, spec: CaptureSpec, progress: Progress = silent) -> truth.Truth:
    """Renders and writes frame by frame: memory does not grow with their number.

    Raises CaptureError when `folder` exists and is not empty, or the spec makes no capture, and
    CalibrationError when DANNCE's files cannot hold a camera's lens (before any frame is rendered).
    """
    spec.check()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CaptureError(f"{folder}: not an empty folder; a synthetic capture is never written over existing files")
    folder.mkdir(parents=True, exist_ok=True)
    mouse, motion = Mouse(spec.coat, spec.seed, spec.marks), Motion(spec.rig.arena, spec.seed)
    write_dannce_calibration(folder, spec.rig.cameras)
    inner = folder / truth.FOLDER
    truth.write_head(inner, spec.rig.cameras, spec.frames, spec.fps, spec.lag, mouse.topology)
    with ExitStack() as stack:
        views = [_View(folder, index, camera, spec, stack) for index, camera in enumerate(spec.rig.cameras)]
        for frame in range(spec.frames):
            instants: dict[int, tuple[Posed, Shadow]] = {}  # lag -> shape and shadow, the same for all cameras
            for lag in {0, *spec.lag.values()}:
                posed = mouse.posed(motion.pose(spec.start + (frame - lag) / spec.fps))
                instants[lag] = posed, shadow_of(posed)
            truth.write_frame(inner, frame, instants[0][0])
            for view in views:
                view.write(*instants[spec.lag.get(view.index, 0)])
            progress("rendering", frame + 1, spec.frames)
    return truth.Truth.load(folder)


class _View:
    """One camera: its renderer and its open files."""

    def __init__(self, folder: Path, index: int, camera: Camera, spec: CaptureSpec, stack: ExitStack) -> None:
        self.index = index
        self._renderer = ViewRenderer(camera, spec.rig.arena, spec.seed, spec.supersample)
        name, as_png = f"Camera{index + 1}", spec.images == "png"
        images = folder / "images" / name if as_png else folder / "videos" / name / "0.mp4"
        self._images = stack.enter_context(_writer(images, as_png, camera, spec, spec.crf))
        self._masks: FrameWriter | None = None
        if spec.masks != "none":
            as_png = spec.masks == "png"
            masks = folder / "masks" / (name if as_png else f"{name}.mp4")
            self._masks = stack.enter_context(_writer(masks, as_png, camera, spec, spec.mask_crf))

    def write(self, posed: Posed, shadow: Shadow) -> None:
        rendering = self._renderer.render(posed, shadow)
        self._images.write(rendering.rgb)
        if self._masks is not None:
            self._masks.write(rendering.mask)


def _writer(path: Path, as_png: bool, camera: Camera, spec: CaptureSpec, crf: int) -> FrameWriter:
    if as_png:
        return PngWriter(path)
    return VideoWriter(path, (camera.width, camera.height), spec.fps, spec.gop, crf, spec.colour)


def write_dannce_calibration(folder: Path, cameras: Sequence[Camera]) -> None:
    """calibration/hires_cam1_params.mat and so on. CalibrationError where the format cannot hold a camera's lens."""
    for i, camera in enumerate(cameras, start=1):
        savemat_repeatable(folder / "calibration" / f"hires_cam{i}_params.mat", dannce_params(camera))


def dannce_params(camera: Camera) -> dict[str, np.ndarray]:
    """Transposed K with a 1-based principal point; row-vector rotation (formats.md, a)."""
    lens = as_brown(camera, "a DANNCE parameter file")
    return {
        "K": shifted_K(camera, TO_MATLAB).T,
        "RDistort": np.array([[lens.k1, lens.k2, lens.k3]]),
        "TDistort": np.array([[lens.p1, lens.p2]]),
        "r": camera.R_cam_world.T,
        "t": camera.t_cam_world[None],
    }


def shifted_K(camera: Camera, shift: float) -> np.ndarray:
    K = camera.K.copy()
    K[:2, 2] += shift
    return K


def as_brown(camera: Camera, form: str) -> BrownConrady:
    """The lens as k1 k2 p1 p2 k3; CalibrationError on any other."""
    lens = camera.lens
    if isinstance(lens, Pinhole):
        return BrownConrady()
    if isinstance(lens, Fisheye) or lens.k4 or lens.k5 or lens.k6:
        raise CalibrationError(f"camera {camera.name!r}: {form} holds k1 k2 p1 p2 k3 only, got {lens}")
    return lens


def savemat_repeatable(path: Path, values: dict[str, np.ndarray]) -> None:
    """A MATLAB v5 file with a fixed header, so that equal captures are equal bytes."""
    buffer = io.BytesIO()
    savemat(buffer, values)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_MAT_HEADER + buffer.getvalue()[len(_MAT_HEADER) :])
