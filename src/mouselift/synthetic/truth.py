"""The exact truth beside a synthetic capture (cameras, meshes, marks), and a prepared dataset measured against it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mouselift.array_types import Levels, Points3
from mouselift.calibration.facelift import read_cameras_json
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import read_sample
from mouselift.errors import CaptureError
from mouselift.foreign import json_as
from mouselift.framing.plan import SamplePlan
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Lens, Pinhole
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.geometry.similarity import Similarity
from mouselift.media.png import read_png
from mouselift.synthetic.mesh import Mesh, Topology
from mouselift.synthetic.mouse import Marks, Posed
from mouselift.synthetic.raster import render_silhouette

FOLDER = "truth"
_LENSES: dict[str, type[Lens]] = {"pinhole": Pinhole, "opencv": BrownConrady, "fisheye": Fisheye}


class _Facts(msgspec.Struct):
    """Of capture.json, what `Truth` needs."""

    frames: int
    fps: float
    lag: dict[int, int]


@dataclass(frozen=True, eq=False)
class Truth:
    """What was in front of the cameras. Millimetres, +Z up, floor at z = 0; this project's pixel convention."""

    folder: Path  # of the truth
    cameras: tuple[Camera, ...]  # exactly those of the written images
    frame_count: int
    fps: float
    lag: Mapping[int, int]  # view -> its frame k shows the animal of frame k - lag

    @classmethod
    def load(cls, folder: Path) -> Truth:
        """From a capture's folder. CaptureError where there is none."""
        inner = folder / FOLDER
        try:
            stated = json_as((inner / "cameras.json").read_bytes(), list)
            facts = json_as((inner / "capture.json").read_bytes(), _Facts)
            cameras = tuple(map(_camera_from_json, stated))
        except FileNotFoundError as error:
            raise CaptureError(
                f"{folder}: expected the truth of a synthetic capture, but {error.filename} is missing; "
                "write one with mouselift.synthetic.capture.write_capture"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CaptureError(
                f"{inner}: is not what mouselift.synthetic.capture writes ({error}); write it anew"
            ) from None
        return cls(inner, cameras, facts.frames, facts.fps, facts.lag)

    @cached_property
    def topology(self) -> Topology:
        with np.load(self.folder / "faces.npz") as data:
            parts = zip(data["names"].tolist(), data["first"].tolist(), data["end"].tolist(), strict=True)
            return Topology(data["faces"], tuple(parts))

    def mesh(self, frame: int) -> Mesh:
        """The animal at a frame of the first camera's timeline (as the images of unlagged views show it)."""
        with np.load(self._frame(frame)) as data:
            return Mesh(data["vertices"].astype(np.float64), self.topology)

    def marks(self, frame: int) -> Marks:
        """The beads at a frame."""
        with np.load(self._frame(frame)) as data:
            return Marks(data["marks"], data["mark_normals"], float(data["mark_radius"]))

    def keypoints(self, frame: int) -> Points3:
        """Anatomical points in the order of mouse.KEYPOINTS."""
        with np.load(self._frame(frame)) as data:
            return data["keypoints"]

    def _frame(self, frame: int) -> Path:
        path = self.folder / f"frame_{frame:06d}.npz"
        if not path.is_file():
            raise CaptureError(f"{self.folder}: no truth for frame {frame}; it has frames 0 to {self.frame_count - 1}")
        return path


def write_head(
    folder: Path, cameras: tuple[Camera, ...], frames: int, fps: float, lag: Mapping[int, int], topology: Topology
) -> None:
    """All but the frames."""
    folder.mkdir(parents=True)
    facts = {"frames": frames, "fps": fps, "lag": {str(view): k for view, k in lag.items()}, "unit": "mm", "up": "+z"}
    (folder / "capture.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    listed = [_camera_to_json(camera) for camera in cameras]
    (folder / "cameras.json").write_text(json.dumps(listed, indent=1), encoding="utf-8")
    names, first, end = zip(*topology.parts, strict=True)
    np.savez(
        folder / "faces.npz", faces=topology.faces, names=np.array(names), first=np.array(first), end=np.array(end)
    )


def write_frame(folder: Path, frame: int, posed: Posed) -> None:
    """One frame's shape. Vertices are stored as float32, which they are exactly."""
    np.savez(
        folder / f"frame_{frame:06d}.npz",
        vertices=posed.mesh.vertices.astype(np.float32),
        marks=posed.marks.centres,
        mark_normals=posed.marks.normals,
        mark_radius=np.array(posed.marks.radius),
        keypoints=posed.keypoints,
    )


def _camera_to_json(camera: Camera) -> dict[str, Any]:
    """Every number as is: JSON keeps all bits of a float."""
    kind = next(name for name, lens in _LENSES.items() if isinstance(camera.lens, lens))
    fields = ("name", "width", "height", "fx", "fy", "cx", "cy", "skew")
    return {
        **{field: getattr(camera, field) for field in fields},
        "lens": {"model": kind, **asdict(camera.lens)},
        "T_cam_world": camera.T_cam_world.tolist(),
    }


def _camera_from_json(values: dict[str, Any]) -> Camera:
    """The inverse of `_camera_to_json`."""
    plain = {key: value for key, value in values.items() if key not in ("lens", "T_cam_world")}
    lens = {key: value for key, value in values["lens"].items() if key != "model"}
    T = np.array(values["T_cam_world"], dtype=np.float64)
    return Camera(T_cam_world=T, lens=_LENSES[values["lens"]["model"]](**lens), **plain)


def view_ious(dataset: Path, truth: Truth, supersample: int = 4) -> Iterator[float]:
    """Of every view of every sample: IoU of the true silhouette through the written camera with the written alpha."""
    for folder in find_samples(dataset):
        mesh = true_mesh(truth, folder)
        for view in read_sample(folder).views:
            yield iou(render_silhouette(mesh, view.camera, supersample), read_png(view.path)[:, :, 3])


def true_mesh(truth: Truth, folder: Path) -> Mesh:
    """The animal of a prepared sample's frame, in the sample's world."""
    mesh = truth.mesh(int(folder.name.rsplit("_", 1)[1]))
    return Mesh(sample_world(folder).apply(mesh.vertices), mesh.topology)


def iou(a: Levels, b: Levels) -> float:
    """Intersection over union of two soft masks at one half; 1 for two empty ones."""
    inside_a, inside_b = a >= HALF_LEVEL, b >= HALF_LEVEL
    union = int((inside_a | inside_b).sum())
    return float((inside_a & inside_b).sum() / union) if union else 1.0


def sample_world(folder: Path) -> Similarity:
    """Source world -> the sample's world, as its plan says."""
    _, content = read_cameras_json(folder / "opencv_cameras.json")
    return SamplePlan.from_json(msgspec.json.encode(content["mouselift"]["plan"])).world
