"""One recording for Rerun's viewer: cameras, images, masks, hull, keypoints, Gaussians of all samples on a time line.

From Rerun's API pages and tracker (looked up 2026-11):

* `Pinhole` takes OpenCV's matrix and axes (RDF), no lens and no skew. The first pixel's centre is at (0.5, 0.5) (its
  issue 3896): this project's convention. Numbers are float32.
* `Transform3D` takes a camera to its parent: the pose's inverse.
* What is logged stays until something newer is logged in its place, so a view that an instant lacks is cleared there.
* `GaussianSplats3D` is called unstable in 0.41 (files may not open later), so Gaussians are points.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from mouselift import __version__
from mouselift.array_types import Array, Float32, UInt8
from mouselift.atomic import check_outside, whole_file
from mouselift.errors import CalibrationError, DatasetError, MissingExtraError, MouseliftError, UnreachableError
from mouselift.export.options import ExportOptions
from mouselift.export.registry import ExportSummary
from mouselift.export.scene import WAY_OUT, ExportScene, require
from mouselift.export.scenes import DESCRIPTION, Plan, SceneRecord, keypoints_found, plan_of, summary_of
from mouselift.gaussians.files import SH_DC, read_splats
from mouselift.gaussians.splats import Splats
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import Fisheye
from mouselift.media.numbered_names import number_of
from mouselift.parallel import run_blocks, worker_count
from mouselift.progress import Progress, counted
from mouselift.run_folder import RunFolder

FILE = "scenes.rrd"
HULL, GAUSSIANS, KEYPOINTS, CAMERAS = "world/hull", "world/gaussians", "world/keypoints", "world/cameras"
SAMPLE, FRAME, SECONDS = "sample", "frame", "seconds"  # time lines
_RADIUS = 0.5  # of a hull's point, voxels: neighbours touch
_LAID_OVER = 0.4  # opacity of masks on their images
_KEYPOINT = (255, 190, 0), 5.0  # colour; radius on the screen, Rerun's points


class Rerun:
    """The format. The file is written whole: a run that was stopped begins anew, a finished one stays."""

    def export(
        self, source: Path, out: Path, options: ExportOptions, progress: Progress, workers: int = 0
    ) -> ExportSummary:
        """source: a dataset, or a capture with masks. Errors as `SceneFormat`'s; MissingExtraError without rerun."""
        _module()
        check_outside(out, source if source.is_dir() else source.parent)
        options = replace(options, ground="ignored")  # masks lie beside the images: nothing is cut away
        plan = plan_of(source, options, check_cameras, keypoints=True)
        if options.gaussians is not None and plan.capture is not None:
            raise DatasetError(
                f"{source}: --gaussians: expected a dataset, got a recording: Gaussians are in the world of the "
                "dataset's samples, not in the recording's"
            )
        chosen = {"frames": options.frames, "instants": options.instants, "lens": options.lens}
        told = {"source": str(source.resolve()), "format": "rerun", **chosen, "version": __version__}
        if options.gaussians is not None:
            if options.gaussians.is_file() and len(plan.names) > 1:
                raise DatasetError(
                    f"{options.gaussians}: --gaussians: one file, but {len(plan.names)} samples; expected a folder "
                    "with one each"
                )
            told |= {"gaussians": str(options.gaussians.resolve()), "activated": options.activated}
            told |= {"read_as": list(options.read_as)} if options.read_as else {}
        store = RunFolder(out, told, description=DESCRIPTION, record=SceneRecord, verb="export")
        with store.locked():
            store.open()
            keys = [key for block in plan.blocks for key in block]
            known = {record.id: record for record in store.records() if record.status == "written"}
            if not (out / FILE).is_file() or any(plan.names[key] not in known for key in keys):
                known = {}
                with whole_file(out / FILE, replace=True) as path, recorded(path, str(told)) as recording:
                    film = Film(recording, keys, frames_of(plan), 0.0 if plan.capture is None else plan.capture.rate)
                    heard = counted(progress, "exporting", 0, len(keys))
                    for made in run_blocks(_Job(plan, options), plan.blocks, worker_count(workers), heard):
                        known[made.record.id] = made.record
                        if made.scene is not None:
                            film.add(made.key, made.scene, made.splats)
                    film.clear_what_ended()
                    if not film.shown:
                        first = known[plan.names[keys[0]]]
                        raise DatasetError(f"{source}: no scene could be written; the first: {first.reason}")
                store.log(known.values())
            records = [known[plan.names[key]] for key in keys]
            summary = replace(summary_of(out, "rerun", records, hull=True), files=1, bytes=(out / FILE).stat().st_size)
            summary = replace(summary, notes=(*summary.notes, f"open it: rerun {out / FILE}"))
            store.finish(records, {}, asdict(summary))
        return summary


FORMAT = Rerun()


def check_cameras(cameras: Sequence[Camera]) -> None:
    """CalibrationError, by the camera's name, for a lens or a skew: Rerun's `Pinhole` has none."""
    for camera in cameras:
        require(camera, "Rerun", ())
        if isinstance(camera.lens, Fisheye):
            raise CalibrationError(f"camera {camera.name!r}: Rerun cannot hold a fisheye lens; {WAY_OUT}")


def frames_of(plan: Plan) -> Mapping[int, int]:
    """Each key's frame. {} where a sample's name has no number, or two have one: no time line of frames then."""
    if plan.capture is not None:
        return {key: key for key in plan.names}
    found = {key: number_of(name) for key, name in plan.names.items()}
    known = {key: number for key, number in found.items() if number is not None}
    return known if len(set(known.values())) == len(found) else {}


@contextmanager
def recorded(path: Path, identity: str) -> Iterator[Any]:
    """What is logged goes to `path`. Equal identities are one recording to the viewer."""
    rr = _module()
    recording = rr.RecordingStream(
        "mouselift", recording_id=sha256(identity.encode()).hexdigest()[:32], send_properties=False
    )
    rr.set_strict_mode(True)  # what Rerun cannot hold is an error, not a warning and a hole in the file
    recording.set_log_time_enabled(False)
    recording.set_log_tick_enabled(False)
    recording.save(path)
    try:
        yield recording
    finally:
        recording.flush()
        recording.disconnect()


class Film:
    """Scenes in one recording, in any order. frames: of each key, {} for no time line; rate: frames/s, 0: not known."""

    def __init__(self, recording: Any, keys: Sequence[int], frames: Mapping[int, int], rate: float) -> None:
        self._rr, self._to = _module(), recording
        self._place, self._frames, self._rate = {key: i for i, key in enumerate(keys)}, frames, rate
        self.shown: dict[int, set[str]] = {}  # paths, by key
        classes = [(0, "ground", (0, 0, 0, 0)), (1, "subject", (40, 200, 120, 255))]
        recording.log("/", self._rr.AnnotationContext(classes), static=True)

    def add(self, key: int, scene: ExportScene, splats: Splats | None = None) -> None:
        """One instant. CalibrationError as `check_cameras`."""
        rr = self._rr
        check_cameras([view.camera for view in scene.views])
        self._at(key)
        self._to.log(SAMPLE, rr.TextDocument(scene.name))
        shown = self.shown.setdefault(key, set())
        for view, stem in zip(scene.views, scene.files, strict=True):
            camera, path = view.camera, f"{CAMERAS}/{stem}"
            shown.add(path)
            self._to.log(path, rr.Transform3D(translation=camera.centre, mat3x3=camera.R_cam_world.T))
            size = [camera.width, camera.height]
            axes = rr.ViewCoordinates.RDF
            self._to.log(path, rr.Pinhole(image_from_camera=camera.K, resolution=size, camera_xyz=axes))
            self._to.log(f"{path}/image", rr.EncodedImage(contents=view.image_png("ignored"), media_type="image/png"))
            mask = (view.hard_mask > 0).astype(np.uint8)
            self._to.log(f"{path}/mask", rr.SegmentationImage(mask, opacity=_LAID_OVER))
        if scene.hull is not None:
            shown.add(HULL)
            hull = scene.hull
            self._to.log(HULL, rr.Points3D(hull.points, colors=hull.colours, radii=_RADIUS * hull.voxel))
        own = None if scene.keypoints is None else scene.keypoints.found
        if own is not None and own.names:
            shown.add(KEYPOINTS)
            colour, radius = _KEYPOINT
            drawn = rr.Points3D(own.points, colors=colour, radii=rr.Radius.ui_points(radius), labels=own.names)
            self._to.log(KEYPOINTS, drawn)
        if splats is not None:
            shown.add(GAUSSIANS)
            radii = np.exp(splats.scales.mean(axis=1))
            self._to.log(GAUSSIANS, rr.Points3D(splats.positions, colors=colours_of(splats), radii=radii))

    def clear_what_ended(self) -> None:
        """The viewer shows the newest of each path: what an instant lacks would be another instant's."""
        everything = set[str]().union(*self.shown.values())
        for key in self._place:
            lacking = everything - self.shown.get(key, set())
            self._at(key)
            for path in sorted(lacking):
                self._to.log(path, self._rr.Clear(recursive=True))
            if key not in self.shown:
                self._to.log(SAMPLE, self._rr.Clear(recursive=True))

    def _at(self, key: int) -> None:
        self._to.reset_time()
        self._to.set_time(SAMPLE, sequence=self._place[key])
        if key in self._frames:
            self._to.set_time(FRAME, sequence=self._frames[key])
            if self._rate:
                self._to.set_time(SECONDS, duration=self._frames[key] / self._rate)


def colours_of(splats: Splats) -> UInt8[Array, "n 4"]:
    """Straight RGBA: of the constant harmonic, with the opacity."""
    colours: Float32[Array, "n 3"] = SH_DC * splats.harmonics[:, 0] + 0.5
    opacities = 1 / (1 + np.exp(-splats.opacities.astype(np.float64)))
    return np.rint(255 * np.clip(np.column_stack([colours, opacities]), 0, 1)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class _Made:
    """A worker's answer."""

    key: int
    record: SceneRecord
    scene: ExportScene | None = None
    splats: Splats | None = None


@dataclass(frozen=True, eq=False)
class _Job:
    """What a worker does; sent to it once."""

    plan: Plan
    options: ExportOptions

    def __call__(self, block: Sequence[int]) -> Iterator[_Made]:
        for key, scene_of in self.plan.scenes(block, self.options, hull=True):
            yield self._made(key, scene_of)

    def _made(self, key: int, scene_of: Callable[[], ExportScene]) -> _Made:
        name = self.plan.names[key]
        try:
            scene = scene_of()
            check_cameras([view.camera for view in scene.views])
            splats = self._splats(name)
        except UnreachableError:  # a record would say of the scene what is true of the drive
            raise
        except MouseliftError as error:
            return _Made(key, SceneRecord(name, None, "refused", reason=str(error)))
        points = 0 if scene.hull is None else len(scene.hull.points)
        notes = [*scene.notes, *(() if splats is None else splats.notes)]
        return _Made(
            key,
            SceneRecord(name, scene.frame, "written", len(scene.views), points, keypoints_found(scene), notes=notes),
            scene,
            splats,
        )

    def _splats(self, sample: str) -> Splats | None:
        path = self.options.gaussians
        return (
            None if path is None else read_splats(_file_of(path, sample), self.options.activated, self.options.read_as)
        )


def _file_of(folder: Path, sample: str) -> Path:
    if folder.is_file():
        return folder
    names = (f"{sample}/gaussians.ply", f"{sample}.ply", f"{sample}.splat")
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) != 1:
        said = " and ".join(path.name for path in found) or "none"
        raise DatasetError(f"{folder}: --gaussians: sample {sample}: expected one of {', '.join(names)}, got {said}")
    return found[0]


def _module() -> Any:
    """rerun, whose types nothing here knows. MissingExtraError where it is not installed."""
    try:
        return importlib.import_module("rerun")
    except ImportError as error:
        raise MissingExtraError(
            f"--format rerun needs rerun-sdk ({error}); install it with: pip install 'mouselift[rerun]'"
        ) from None
