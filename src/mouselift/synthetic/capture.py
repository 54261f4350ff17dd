"""Writes a whole synthetic capture in DANNCE's layout, as a user's rig would have left it, with the truth beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from scipy.io import savemat

from mouselift.array_types import ImageRGB, Levels
from mouselift.errors import CalibrationError, CaptureError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Pinhole
from mouselift.media.encode import ColourTag, FrameWriter, PngWriter, VideoWriter
from mouselift.media.frames import Box
from mouselift.progress import Progress, silent
from mouselift.synthetic import truth
from mouselift.synthetic.coat import Coat
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse, Posed
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.render import ViewRenderer, shadow_of
from mouselift.synthetic.rigs import Rig, demo_rig
from mouselift.synthetic.scene import Shadow

TO_MATLAB = 0.5  # added to our principal point: MATLAB counts pixels from 1 (docs/concepts/conventions.md)
_MAT_HEADER = b"MATLAB 5.0 MAT-file, written by mouselift.synthetic".ljust(116)  # SciPy's holds the time of day


@dataclass(frozen=True)
class Noise:
    """What is wrong with a capture. Views count from 0 in the rig's order; the default is a clean capture.

    Lossy mask edges are an option of the encoding (`CaptureSpec.mask_crf`).
    """

    dilate_px: Mapping[int, int] = field(default_factory=dict)  # view -> its masks are this much too fat
    tail_missing: tuple[int, ...] = ()  # views whose masks lack the tail
    holes: int = 0  # round holes in each mask, of `hole_px` radius
    hole_px: int = 5
    specks: int = 0  # stray spots in each mask, of `speck_px` radius
    speck_px: int = 3
    missing: Mapping[int, tuple[int, ...]] = field(default_factory=dict)  # view -> frames with an all-black mask
    lag: Mapping[int, int] = field(default_factory=dict)  # view -> frame k shows what the others showed at k - lag
    cut: Mapping[int, Box] = field(
        default_factory=dict
    )  # view -> the sensor's part (x0, y0, x1, y1), calibrated as such
    sensor_sigma: float = 0.0  # deviation of the images' noise, grey levels

    def check(self, views: int, frames: int) -> None:
        """CaptureError where a view or frame does not exist."""
        named = {*self.dilate_px, *self.tail_missing, *self.missing, *self.lag, *self.cut}
        if wrong := sorted(v for v in named if not 0 <= v < views):
            raise CaptureError(f"noise: no view {wrong}; the rig has views 0 to {views - 1}")
        asked = {frame for listed in self.missing.values() for frame in listed}
        if late := sorted(f for f in asked if not 0 <= f < frames):
            raise CaptureError(f"noise: no frame {late} to lose a mask; the capture has frames 0 to {frames - 1}")

    def spoil_mask(self, mask: Levels, view: int, frame: int, seed: int) -> Levels:
        """The mask with its faults (the tail is left out earlier: it needs the mesh)."""
        if frame in self.missing.get(view, ()):
            return np.zeros_like(mask)
        out = mask.copy()
        rng = np.random.default_rng([seed, 0x6D61736B, view, frame])
        if grow := self.dilate_px.get(view, 0):
            disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
            out = np.asarray(cv2.dilate(out, disc), dtype=np.uint8)
        inside = np.flatnonzero(mask.reshape(-1) == 255)
        for place in rng.choice(inside, self.holes) if len(inside) else ():
            _disc(out, int(place % mask.shape[1]), int(place // mask.shape[1]), self.hole_px, 0)
        for place in rng.integers(0, mask.size, self.specks):
            _disc(out, int(place % mask.shape[1]), int(place // mask.shape[1]), self.speck_px, 255)
        return out

    def spoil_image(self, rgb: ImageRGB, view: int, frame: int, seed: int) -> ImageRGB:
        """The image with the sensor's noise."""
        if self.sensor_sigma <= 0:
            return rgb
        rng = np.random.default_rng([seed, 0x73656E73, view, frame])
        noise = rng.standard_normal(rgb.shape, dtype=np.float32) * np.float32(self.sensor_sigma)
        return np.rint((rgb + noise).clip(0, 255)).astype(np.uint8)


def _disc(mask: Levels, x: int, y: int, radius: int, value: int) -> None:
    cv2.circle(mask, (x, y), radius, (value,), thickness=cv2.FILLED)


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
    noise: Noise = field(default_factory=Noise)

    def check(self) -> None:
        """CaptureError on values that make no capture."""
        if self.frames < 1 or self.fps <= 0 or self.gop < 1 or self.supersample < 1 or self.marks < 0:
            raise CaptureError(
                "synthetic capture: expected frames, gop and supersample of at least 1, a positive fps and no "
                f"negative marks, got {self.frames}, {self.gop}, {self.supersample}, {self.fps}, {self.marks}"
            )
        self.noise.check(len(self.rig.cameras), self.frames)
        for view, (x0, y0, x1, y1) in self.noise.cut.items():
            camera = self.rig.cameras[view]
            if not (0 <= x0 < x1 <= camera.width and 0 <= y0 < y1 <= camera.height):
                raise CaptureError(
                    f"noise: cut {(x0, y0, x1, y1)} of camera {camera.name!r} does not lie in its "
                    f"{camera.width} x {camera.height} image"
                )


def cameras_of(spec: CaptureSpec) -> tuple[Camera, ...]:
    """The cameras of the written images: the rig's, less what `noise.cut` takes away."""
    out = list(spec.rig.cameras)
    for view, (x0, y0, x1, y1) in spec.noise.cut.items():
        out[view] = out[view].cropped(float(x0), float(y0), (x1 - x0, y1 - y0))
    return tuple(out)


def write_capture(folder: Path, spec: CaptureSpec | None = None, progress: Progress = silent) -> truth.Truth:
    """Renders and writes frame by frame: memory does not grow with their number.

    Raises CaptureError when `folder` exists and is not empty, or the spec makes no capture, and
    CalibrationError when DANNCE's files cannot hold a camera's lens (before any frame is rendered).
    """
    spec = spec if spec is not None else CaptureSpec()
    spec.check()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CaptureError(f"{folder}: not an empty folder; a synthetic capture is never written over existing files")
    folder.mkdir(parents=True, exist_ok=True)
    cameras, mouse, motion = (
        cameras_of(spec),
        Mouse(spec.coat, spec.seed, spec.marks),
        Motion(spec.rig.arena, spec.seed),
    )
    write_dannce_calibration(folder, cameras)
    inner = folder / truth.FOLDER
    truth.write_head(inner, cameras, spec.frames, spec.fps, spec.noise.lag, mouse.topology)
    with ExitStack() as stack:
        views = [_View(folder, index, camera, spec, stack) for index, camera in enumerate(cameras)]
        for frame in range(spec.frames):
            instants: dict[int, tuple[Posed, Shadow]] = {}  # lag -> shape and shadow, the same for all cameras
            for lag in {0, *spec.noise.lag.values()}:
                posed = mouse.posed(motion.pose(spec.start + (frame - lag) / spec.fps))
                instants[lag] = posed, shadow_of(posed)
            truth.write_frame(inner, frame, instants[0][0])
            for view in views:
                view.write(frame, *instants[spec.noise.lag.get(view.index, 0)])
            progress("rendering", frame + 1, spec.frames)
    return truth.Truth.load(folder)


class _View:
    """One camera: its renderer, its open files, its faults."""

    def __init__(self, folder: Path, index: int, camera: Camera, spec: CaptureSpec, stack: ExitStack) -> None:
        self.index, self._camera, self._spec = index, camera, spec
        self._renderer = ViewRenderer(camera, spec.rig.arena, spec.seed, spec.supersample)
        name, as_png = f"Camera{index + 1}", spec.images == "png"
        images = folder / "images" / name if as_png else folder / "videos" / name / "0.mp4"
        self._images = stack.enter_context(self._writer(images, as_png, spec.crf))
        self._masks: FrameWriter | None = None
        if spec.masks != "none":
            as_png = spec.masks == "png"
            masks = folder / "masks" / (name if as_png else f"{name}.mp4")
            self._masks = stack.enter_context(self._writer(masks, as_png, spec.mask_crf))

    def _writer(self, path: Path, as_png: bool, crf: int) -> FrameWriter:
        if as_png:
            return PngWriter(path)
        size = (self._camera.width, self._camera.height)
        return VideoWriter(path, size, self._spec.fps, self._spec.gop, crf, self._spec.colour)

    def write(self, frame: int, posed: Posed, shadow: Shadow) -> None:
        noise, seed = self._spec.noise, self._spec.seed
        rendering = self._renderer.render(posed, shadow)
        self._images.write(noise.spoil_image(rendering.rgb, self.index, frame, seed))
        if self._masks is not None:
            mask = rendering.mask
            if self.index in noise.tail_missing:
                mask = render_silhouette(posed.mesh.without("tail"), self._camera, self._spec.supersample)
            self._masks.write(noise.spoil_mask(mask, self.index, frame, seed))


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
