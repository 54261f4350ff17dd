"""A six-camera recording to time things on: 1152x1024 H.264 with mask videos, made once and kept in a cache folder.

Thirty instants of the synthetic mouse are rendered and played forwards and backwards, so that a recording of any
length costs little more than its encoding.
"""

from __future__ import annotations

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.capture.capture_toml import CameraEntry, CaptureSpec, write_capture_toml
from mouselift.geometry.camera import Camera
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.render import ViewRenderer, shadow_of
from mouselift.synthetic.rigs import markerless_rig
from other_rigs import undistorted_rig

INSTANTS, RATE = 30, 100
NOISES = 8  # different images of sensor noise, used in turn
CACHE = Path(tempfile.gettempdir()) / "mouselift-benchmarks"


def recording(frames: int, gop: int, noise: float = 0.0, crf: int = 20, instants: int = INSTANTS) -> Path:
    """Folder with capture.toml, videos/ and masks/; made unless it is there.

    `noise` (of the sensor, levels) and `crf` set the bytes a frame, and so what decoding costs.
    """
    folder = CACHE / f"six-{frames}-gop{gop}-noise{noise:g}-crf{crf}"
    if (folder / "capture.toml").exists():
        return folder
    rig = undistorted_rig(markerless_rig())
    mouse, motion = Mouse("brown", seed=1), Motion(rig.arena, seed=1)
    posed = [mouse.posed(motion.pose(1.0 + k / RATE)) for k in range(instants)]
    shadows = [shadow_of(p) for p in posed]
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    for camera in rig.cameras:
        renderer = ViewRenderer(camera, rig.arena, seed=1, supersample=2)
        drawn = [renderer.render(p, s) for p, s in zip(posed, shadows, strict=True)]
        order = [_bounce(k, instants) for k in range(frames)]
        encode(folder / "videos" / f"{camera.name}.mp4", [d.rgb for d in drawn], order, gop, noise, crf)
        encode(folder / "masks" / f"{camera.name}.mp4", [np.dstack([d.mask] * 3) for d in drawn], order, gop)
    write_rig(folder, rig.cameras)
    return folder


def paired_arguments(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, Path]:
    """(with how many rounds and which frames of it, the capture) of a benchmark that prepares one in turns."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--capture", type=Path, help="in place of the benchmarks' recording")
    arguments = parser.parse_args()
    return arguments, arguments.capture or recording(arguments.frames, 30, 4.0, 17)


def _bounce(k: int, n: int) -> int:
    phase = k % (2 * n - 2)
    return phase if phase < n else 2 * n - 2 - phase


def encode(path: Path, images: list[np.ndarray], order: list[int], gop: int, noise: float = 0.0, crf: int = 20) -> None:
    height, width = images[0].shape[:2]
    rng = np.random.default_rng(0)
    grains = [
        rng.normal(scale=noise, size=(height, width, 1)).astype(np.float32) for _ in range(NOISES if noise else 0)
    ]
    with av.open(str(path), "w") as container:
        options = {"crf": str(crf), "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0", "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=Fraction(RATE), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, index in enumerate(order):
            image = images[index]
            if grains:
                image = np.clip(image + grains[number * 5 % NOISES], 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def write_rig(folder: Path, cameras: tuple[Camera, ...]) -> None:
    views = [ViewEntry(camera, f"{camera.name}.png", i) for i, camera in enumerate(cameras)]
    (folder / "opencv_cameras.json").write_bytes(sample_json("rig", views, {}))
    entries = tuple(
        CameraEntry(c.name, video=folder / "videos" / f"{c.name}.mp4", mask=folder / "masks" / f"{c.name}.mp4")
        for c in cameras
    )
    spec = CaptureSpec(
        unit="mm",
        up=(0.0, 0.0, 1.0),
        rig_file=folder / "opencv_cameras.json",
        rig_format="facelift",
        cameras=entries,
    )
    write_capture_toml(folder / "capture.toml", spec)
