"""Exact samples with any number of views: scenes of 64 cameras, made once and kept in the temp folder.

    python benchmarks/many_views.py --scenes 40 --seed 0

Subjects in turn: the synthetic mouse, ellipsoids, the same with few facets (corners that many planes touch). Rigs in
turn: FaceLift's ring (elevation 20 degrees, f = 549, distance 2.7), another ring, a dome, an arc of 120 degrees, two
clusters. Images have 512 px, in every fourth scene 256 px. A sample takes some of a scene's cameras, evenly or at
random. Alphas are drawn straight from the mesh, so cameras are exact. Limits are set on seed 0 and judged on another.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

import _paths  # noqa: F401  (puts tests/shared on the path)
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Pinhole
from mouselift.synthetic.mesh import Mesh, Piece, ellipsoid, join
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import Arena, aimed_camera

CAMERAS = 64  # a scene
RIGS = ("facelift", "ring", "dome", "arc", "clusters")
SUBJECTS = ("mouse", "ellipsoids", "facets")
_FORMAT = 1  # raised when the scenes' content changes
_RADIUS = 0.6  # of the subject about the origin, in worlds whose cameras are 2.7 away
_SUPERSAMPLE = 6


def folder_of(seed: int) -> Path:
    return Path(tempfile.gettempdir()) / "mouselift-benchmarks" / f"many-views-{_FORMAT}-seed{seed}"


def scenes(count: int, seed: int = 0, workers: int = 1) -> list[Path]:
    """Files of the first `count` scenes; those not yet on disk are made first."""
    folder = folder_of(seed)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{k:04d}.npz" for k in range(count)]
    missing = [k for k, file in enumerate(files) if not file.is_file()]
    with ProcessPoolExecutor(workers, initializer=quiet) as pool:
        list(pool.map(partial(_make, seed=seed), missing))
    return files


def quiet() -> None:
    threadpool_limits(1, user_api="blas")
    cv2.setNumThreads(1)


def load_scene(file: Path) -> Sample:
    """All cameras of a scene, in the order of the rig."""
    with np.load(file) as data:
        views: list[View] = []
        for k, values in enumerate(data["cameras"]):
            size, fx, cx, cy = (float(value) for value in values[:4])
            camera = Camera(int(size), int(size), fx, fx, cx, cy, values[4:].reshape(4, 4), name=f"cam_{k:03d}")
            alpha = np.asarray(cv2.imdecode(data[f"png{k}"], cv2.IMREAD_UNCHANGED), dtype=np.uint8)
            views.append(View(camera.name, camera, alpha))
    return Sample(f"sample_{int(file.stem):06d}", tuple(views), frame=int(file.stem))


def some_views(scene: Sample, views: int, draw: int) -> Sample:
    """`views` of a scene's views: spread evenly where `draw` is even, else at random."""
    rng = np.random.default_rng([draw, views, scene.frame or 0])
    if draw % 2:
        chosen = np.sort(rng.permutation(CAMERAS)[:views])
    else:
        chosen = np.unique((int(rng.integers(CAMERAS)) + np.arange(views) * CAMERAS // views) % CAMERAS)
    return replace(scene, id=f"{scene.id}-{views}-{draw}", views=tuple(scene.views[k] for k in chosen))


def mouse_on_domes(views: int, seed: int) -> Sample:
    """The mouse at 512 px before as many cameras as are asked for: domes of 64, one after the other."""
    mesh = _subject("mouse", np.random.default_rng([seed, 0x6D6F7573]))
    domes = (np.random.default_rng([seed, k, 0x646F6D65]) for k in range(-(-views // CAMERAS)))
    cameras = [camera for rng in domes for camera in _rig("dome", 512, rng)]
    spread = [cameras[k] for k in np.linspace(0, len(cameras) - 1, views).round().astype(int).tolist()]
    named = [replace(camera, name=f"cam_{k:03d}") for k, camera in enumerate(spread)]
    return Sample("mouse", tuple(View(c.name, c, render_silhouette(mesh, c, _SUPERSAMPLE)) for c in named))


def _make(index: int, seed: int) -> None:
    rng = np.random.default_rng([index, seed, 0x76696577])
    mesh = _subject(SUBJECTS[index % len(SUBJECTS)], rng)
    size = 256 if index % 4 == 3 else 512
    cameras = _rig(RIGS[index % len(RIGS)], size, rng)
    arrays: dict[str, np.ndarray] = {}
    arrays["cameras"] = np.array([[size, c.fx, c.cx, c.cy, *c.T_cam_world.ravel()] for c in cameras])
    for k, camera in enumerate(cameras):
        alpha = render_silhouette(mesh, camera, _SUPERSAMPLE)
        arrays[f"png{k}"] = np.asarray(cv2.imencode(".png", alpha, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])
    target = folder_of(seed) / f"{index:04d}.npz"
    part = target.with_suffix(".part.npz")
    np.savez(part, **cast("dict[str, np.ndarray]", arrays))  # type: ignore[arg-type]
    part.replace(target)


@cache
def _mouse() -> Mouse:
    return Mouse()


def _subject(kind: str, rng: np.random.Generator) -> Mesh:
    """Within `_RADIUS` of the origin."""
    if kind == "mouse":
        mesh = _mouse().posed(Motion(Arena(), int(rng.integers(1000))).pose(float(rng.uniform(0, 60)))).mesh
    else:
        rings, segments = (48, 64) if kind == "ellipsoids" else (4, 6)
        mesh = Mesh(*join([_body(k, rng, rings, segments) for k in range(int(rng.integers(4, 8)))]))
    vertices = mesh.vertices - (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    return Mesh(vertices * (_RADIUS / np.linalg.norm(vertices, axis=1).max()), mesh.topology)


def _body(number: int, rng: np.random.Generator, rings: int, segments: int) -> Piece:
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    if number == 0:
        return ellipsoid("trunk", np.zeros(3), turn * np.array([[0.42], [0.24], [0.2]]), rings, segments)
    axes = turn * np.exp(rng.uniform(np.log(0.05), np.log(0.25), (3, 1)))
    return ellipsoid(f"part{number}", rng.uniform(-0.4, 0.4, 3), axes, rings, segments)


def _rig(kind: str, size: int, rng: np.random.Generator) -> list[Camera]:
    number = np.arange(CAMERAS)
    turn, around = rng.uniform(0, 360), number * 360 / CAMERAS
    focal, low = float(rng.uniform(549, 760)), float(rng.uniform(-10, 45))
    azimuth, elevation = around, np.full(CAMERAS, low)
    distance, aim = rng.uniform(2.4, 3.2, CAMERAS), rng.uniform(-0.08, 0.08, (CAMERAS, 3))
    if kind == "facelift":
        focal, elevation, distance, aim = 548.99377, np.full(CAMERAS, 20.0), np.full(CAMERAS, 2.7), 0 * aim
    elif kind == "dome":
        azimuth, elevation = around + rng.uniform(-3, 3, CAMERAS), rng.uniform(5, 65, CAMERAS)
    elif kind == "arc":
        azimuth, elevation = around / 3, low + rng.uniform(-10, 10, CAMERAS)
    elif kind == "clusters":
        azimuth = 90.0 * (number % 2) + rng.uniform(-25, 25, CAMERAS)
        elevation = 20 + rng.uniform(-20, 30, CAMERAS)
    a, e, f = np.radians(azimuth + turn), np.radians(elevation), focal * size / 512
    places = distance[:, None] * np.stack([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)], axis=1)
    roll = rng.uniform(-180, 180, CAMERAS) if kind == "dome" else np.zeros(CAMERAS)
    return [
        aimed_camera(
            f"cam_{k:03d}", (size, size), (f, f, 0.0, size / 2, size / 2), Pinhole(), _three(places[k]), _three(aim[k]),
            float(roll[k]),
        )
        for k in number.tolist()
    ]  # fmt: skip


def _three(point: Sequence[float]) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    made = scenes(options.scenes, options.seed, options.workers)
    print(f"{len(made)} scenes of {CAMERAS} cameras in {folder_of(options.seed)}")


if __name__ == "__main__":
    main()
