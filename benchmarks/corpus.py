"""Exact six-view samples of the synthetic mouse for the audit's benchmarks, made once and kept in the temp folder.

    python benchmarks/corpus.py                        # 1,000 of the main corpus, 100 of the others
    python benchmarks/corpus.py --count 50 --flavour mesh

Rig: the six cameras of markerless_mouse_1 with their lenses (`round`); six on a ring, or on an arc of 120 degrees, one
elevation (`ring`, `arc`). Poses: another path every 100 samples, 0.73 s of motion
between samples. Framings in turn: per-sample, per-view, canonical. Flavours:

* `warp` is what users have: a mask of the 1152 x 1024 source image, resampled by the plan's map as `prepare` does;
* `mesh` is drawn straight from the mesh through the written camera: nothing was ever resampled;
* `cut` is `warp` with source images cropped until one to three sensors cut the animal (`View.cut` says so).

No sensor cuts a subject of the first two.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Literal, cast, overload

import cv2
import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
from faults import rough as roughened
from many_views import quiet
from mouselift.array_types import Levels
from mouselift.dataset.sample import Sample, View
from mouselift.framing.framing import PRESETS
from mouselift.framing.planning import plan_sample
from mouselift.geometry.camera import Camera
from mouselift.media.images import ArrayImage
from mouselift.prepare.resample import warp_view
from mouselift.prepare.sample import SubjectMask, subject_mask
from mouselift.synthetic.mesh import Mesh
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import Rig, markerless_rig
from other_rigs import ring_rig

Flavour = Literal["warp", "mesh", "cut"]
RigName = Literal["round", "ring", "arc"]
FRAMINGS = ("per-sample", "per-view", "canonical")
_FORMAT = 1  # raised when the samples' content changes: old files are then left alone
_PATHS = 1000  # of the animal a seed: 100 samples each
_UP = np.array([0.0, 0.0, 1.0])
_SPECK = 0.05  # of find_subject; synthetic masks have none


def folder_of(flavour: Flavour, seed: int = 0, rig: RigName = "round") -> Path:
    fresh = (f"-seed{seed}" if seed else "") + ("" if rig == "round" else f"-{rig}")
    return Path(tempfile.gettempdir()) / "mouselift-benchmarks" / f"corpus-{_FORMAT}-{flavour}{fresh}"


@cache
def rig_of(name: RigName) -> Rig:
    """Aims and rolls of ring and arc are off by 2 degrees, as people set up tripods."""
    if name == "round":
        return markerless_rig()
    return ring_rig(6, (20.0,), jitter_deg=2.0, seed=13, span_deg=360.0 if name == "ring" else 120.0)


class Corpus(Sequence[Sample]):
    """A list of samples whose images are decoded when they are asked for: 1,000 of them would fill 1.6 GB."""

    def __init__(self, files: Sequence[Path], rough: bool) -> None:
        self._files, self._rough = list(files), rough

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Corpus: ...
    def __getitem__(self, index: int | slice) -> Sample | Corpus:
        if isinstance(index, slice):
            return Corpus(self._files[index], self._rough)
        sample = _load(self._files[index])
        return roughened(sample, np.random.default_rng([sample.frame or 0, 7])).sample if self._rough else sample

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))


def corpus(
    samples: int, rough: bool = False, flavour: Flavour = "warp", workers: int = 2, seed: int = 0,
    rig: RigName = "round",
) -> Corpus:  # fmt: skip
    """The first `samples` of a flavour; those not yet on disk are made first. rough: with spoiled masks.

    seed: other paths of the animal and other cuts. Limits are set on seed 0, false alarms are counted on another.
    """
    folder = folder_of(flavour, seed, rig)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{k:05d}.npz" for k in range(samples)]
    missing = [k for k, file in enumerate(files) if not file.is_file()]
    if missing:
        start = time.monotonic()
        with ProcessPoolExecutor(workers, initializer=quiet) as pool:
            for done, _ in enumerate(
                pool.map(partial(_make, flavour=flavour, seed=seed, rig=rig), missing, chunksize=4), start=1
            ):
                if done % 50 == 0:
                    left = (time.monotonic() - start) / done * (len(missing) - done)
                    print(f"corpus {flavour}: {done} of {len(missing)}, {left:.0f} s left", flush=True)
    return Corpus(files, rough)


@cache
def _stage() -> tuple[Mouse, ArrayImage]:
    return Mouse(), ArrayImage(np.zeros((1024, 1152, 3), np.uint8))


def _make(index: int, flavour: Flavour, seed: int, rig: RigName) -> None:
    """Sample number `index`: a pure function of it, the rig and the seed."""
    motion = Motion(rig_of(rig).arena, index // 100 + _PATHS * seed)
    rng = np.random.default_rng([index, 0x636F7270, seed] if seed else [index, 0x636F7270])
    for attempt in range(40):
        mesh = _stage()[0].posed(motion.pose((index % 100) * 0.73 + 0.061 * attempt)).mesh
        cameras: list[Camera] = list(rig_of(rig).cameras)
        subjects = [_seen(mesh, camera) for camera in cameras]
        if any(s is None or s.silhouette.touches_border(2) for s in subjects):
            continue  # a sensor cuts the animal here: a moment later it may not
        whole = [s for s in subjects if s is not None]
        if flavour == "cut":
            for k in rng.permutation(len(cameras))[: rng.integers(1, 4)].tolist():
                cameras[k], whole[k] = _cropped(cameras[k], whole[k], rng)
        _write(folder_of(flavour, seed, rig) / f"{index:05d}.npz", index, flavour, mesh, cameras, whole)
        return
    raise RuntimeError(f"corpus: sample {index}: no moment in 40 at which all cameras see the whole animal")


def _seen(mesh: Mesh, camera: Camera) -> SubjectMask | None:
    return subject_mask(render_silhouette(mesh, camera, 3), _SPECK)


def _cropped(camera: Camera, subject: SubjectMask, rng: np.random.Generator) -> tuple[Camera, SubjectMask]:
    """The sensor made smaller on one side, so that it cuts 5 to 35 % of the subject's box."""
    x0, y0, x1, y1 = subject.silhouette.box
    share, side = rng.uniform(0.05, 0.35), int(rng.integers(4))
    left, top, right, bottom = 0, 0, camera.width, camera.height
    if side == 0:
        left = round(x0 + share * (x1 - x0))
    elif side == 1:
        top = round(y0 + share * (y1 - y0))
    elif side == 2:
        right = round(x1 - share * (x1 - x0))
    else:
        bottom = round(y1 - share * (y1 - y0))
    seen = subject_mask(np.ascontiguousarray(subject.mask[top:bottom, left:right]), _SPECK)
    assert seen is not None
    return camera.cropped(float(left), float(top), (right - left, bottom - top)), seen


def _write(
    target: Path, index: int, flavour: Flavour, mesh: Mesh, cameras: list[Camera], subjects: list[SubjectMask]
) -> None:
    framing = PRESETS[FRAMINGS[index % len(FRAMINGS)]]
    plan = plan_sample(framing, cameras, [s.silhouette for s in subjects], _UP)
    blank = _stage()[1]
    arrays: dict[str, np.ndarray] = {"names": np.array([camera.name for camera in cameras])}
    for k, (view, subject) in enumerate(zip(plan.views, subjects, strict=True)):
        if flavour == "mesh":
            alpha: Levels = render_silhouette(mesh, view.target, 8)
        else:
            image = ArrayImage(blank.colours[: view.source.height, : view.source.width])
            alpha = np.ascontiguousarray(warp_view(view, image, subject.mask)[..., 3])
        camera = plan.written_camera(k)
        numbers = [camera.width, camera.fx, camera.fy, camera.cx, camera.cy, bool(view.cut)]
        arrays[f"camera{k}"] = np.concatenate([numbers, camera.T_cam_world.ravel()])
        arrays[f"png{k}"] = np.asarray(cv2.imencode(".png", alpha, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])
    part = target.with_suffix(".part.npz")
    np.savez(part, **cast("dict[str, np.ndarray]", arrays))  # type: ignore[arg-type]
    part.replace(target)


def _load(file: Path) -> Sample:
    with np.load(file) as data:
        views = []
        for k, name in enumerate(data["names"].tolist()):
            values = data[f"camera{k}"]
            size, fx, fy, cx, cy, cut = (float(value) for value in values[:6])
            camera = Camera(int(size), int(size), fx, fy, cx, cy, values[6:].reshape(4, 4), name=name)
            alpha = np.asarray(cv2.imdecode(data[f"png{k}"], cv2.IMREAD_UNCHANGED), dtype=np.uint8)
            views.append(View(name, camera, alpha, cut=bool(cut)))
    return Sample(f"sample_{int(file.stem):06d}", tuple(views), frame=int(file.stem))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=None, help="samples of each flavour")
    parser.add_argument("--flavour", choices=("warp", "mesh", "cut"), default=None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for flavour, usual in (("warp", 1000), ("mesh", 100), ("cut", 100)):
        if options.flavour in (None, flavour):
            made = corpus(
                options.count or usual, flavour=cast("Flavour", flavour), workers=options.workers, seed=options.seed
            )
            print(f"{flavour}: {len(made)} samples in {folder_of(cast('Flavour', flavour), options.seed)}")


if __name__ == "__main__":
    main()
