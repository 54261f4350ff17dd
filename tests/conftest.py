"""Settings for the whole test suite, and what several folders use: numbered videos, readers, exact samples."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from mouselift.dataset.sample import Sample, View
from mouselift.framing.framing import PRESETS
from mouselift.framing.planning import plan_sample
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import HALF_LEVEL, Silhouette
from mouselift.synthetic.body import Pose
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig
from other_rigs import undistorted_rig, unskewed_rig

pytest_plugins = ["exact_samples", "odd_kernels", "outages", "rig_files"]  # fixtures that several folders share

# A process of tests has a core to itself, and matrices here are small: waiting for BLAS threads was a sixth of the CPU
# time of tests/consistency. The variables are for libraries that are loaded later, and for processes that tests start.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
threadpool_limits(1)
cv2.setNumThreads(1)

# The same examples on every run and machine: a red test is a defect, never bad luck.
settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    max_examples=30,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
settings.load_profile("deterministic")

_BLOCK = 16  # pixels; one bit a block, so the number survives any compression
_DARK, _BRIGHT = 40, 215


def numbered(number: int, size: tuple[int, int], noise: bool = False) -> np.ndarray:
    """[h, w] levels: `number` in 12 bits on the top two rows of blocks, movement below."""
    w, h = size
    y, x = np.mgrid[:h, :w]
    image = 128 + 60 * np.sin((x + 3 * number) / 7.0) * np.cos((y - 2 * number) / 9.0)
    if noise:
        image = image + np.random.default_rng(number).normal(size=(h, w)) * 12
    for bit in range(12):
        row, column = divmod(bit, 6)
        area = np.s_[row * _BLOCK : (row + 1) * _BLOCK, column * _BLOCK : (column + 1) * _BLOCK]
        image[area] = _BRIGHT if number >> bit & 1 else _DARK
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(params=["half a pixel", "one per cent", "transposed rotation"])
def camera_fault(request: pytest.FixtureRequest) -> Callable[[Camera], Camera]:
    """What a camera must not be, one after the other: each must make a geometric test fail."""

    def spoiled(camera: Camera) -> Camera:
        if request.param == "half a pixel":
            return replace(camera, cx=camera.cx + 0.5, cy=camera.cy + 0.5)
        if request.param == "one per cent":
            return replace(camera, fx=1.01 * camera.fx, fy=1.01 * camera.fy)
        T = camera.T_cam_world.copy()
        T[:3, :3] = T[:3, :3].T
        return replace(camera, T_cam_world=T)

    return spoiled


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network with seeded weights. Read only."""
    import torch  # two seconds, for the tests that need it

    from mouselift.models.gslrm.config import tiny
    from mouselift.models.gslrm.facelift import save_gslrm
    from mouselift.models.gslrm.model import GSLRM

    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    torch.manual_seed(5)
    save_gslrm(GSLRM(tiny()), path)
    return path


@pytest.fixture(scope="session")
def number_of() -> Callable[[np.ndarray], int]:
    """The number that an image's levels carry."""

    def decode(levels: np.ndarray) -> int:
        out = 0
        for bit in range(12):
            row, column = divmod(bit, 6)
            middle = levels[row * _BLOCK + 5 : row * _BLOCK + 11, column * _BLOCK + 5 : column * _BLOCK + 11]
            out |= int(middle.mean() > (_DARK + _BRIGHT) / 2) << bit
        return out

    return decode


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a video of numbered images (once for one set of arguments) and answers its path."""
    made: dict[str, Path] = {}

    def make(
        name: str,
        count: int = 50,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        options: dict[str, str] | None = None,
        size: tuple[int, int] = (96, 64),
        rate: float = 100,
        faststart: bool = False,
        noise: bool = False,
        leave_out: tuple[int, ...] = (),  # images that the recorder dropped: their times stay empty
    ) -> Path:
        key = repr((name, count, codec, pix_fmt, options, size, rate, faststart, noise, leave_out))
        if key in made:
            return made[key]
        path = tmp_path_factory.mktemp("video") / name
        muxer = {"movflags": "faststart"} if faststart else {}
        with av.open(str(path), "w", options=muxer) as container:
            stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001), options=options or {})
            assert isinstance(stream, VideoStream)
            stream.width, stream.height = size
            stream.pix_fmt = pix_fmt
            stream.codec_context.thread_count = 1
            for number in sorted(set(range(count)) - set(leave_out)):
                frame = av.VideoFrame.from_ndarray(numbered(number, size, noise), format="gray")
                frame = frame.reformat(format=pix_fmt)
                frame.pts, frame.time_base = number, 1 / stream.codec_context.framerate
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        made[key] = path
        return path

    return make


@pytest.fixture(scope="session")
def frames_of() -> Callable[[Path], np.ndarray]:
    """[n, h, w, 3] RGB of a video, by plain PyAV, or of a PNG folder, by plain OpenCV."""

    def read(path: Path) -> np.ndarray:
        if path.is_dir():
            listed = [cv2.imread(str(p), cv2.IMREAD_COLOR_RGB) for p in sorted(path.glob("*.png"))]
            return np.stack([np.asarray(image) for image in listed])
        with av.open(str(path)) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])

    return read


_POSES = (
    Pose(x=60.0, y=52.0, heading=0.4, tail_bend=0.6, head_yaw=0.2),
    Pose(x=66.0, y=44.0, heading=2.2, rear=0.7, tail_bend=-0.5, spine_bend=0.3),
)


@pytest.fixture(scope="session")
def exact_postures() -> tuple[Sample, ...]:
    """Two postures, framed per sample."""
    rig = unskewed_rig(undistorted_rig(markerless_rig()))
    mouse, out = Mouse(), []
    for number, pose in enumerate(_POSES):
        mesh = mouse.posed(pose).mesh
        outlines = [Silhouette.from_mask(render_silhouette(mesh, camera, 1) >= HALF_LEVEL) for camera in rig.cameras]
        framing = PRESETS["per-sample"]
        plan = plan_sample(framing, rig.cameras, outlines, np.array([0.0, 0.0, 1.0]))
        views = tuple(
            View(view.name, plan.written_camera(k), render_silhouette(mesh, view.target, 4))
            for k, view in enumerate(plan.views)
        )
        out.append(Sample(f"{number:06d}", views, number))
    return tuple(out)
