"""A capture: one recording by several calibrated cameras, as `capture.toml` describes it."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mouselift.array_types import Vector3, frozen
from mouselift.calibration.rig import Rig, RigCamera
from mouselift.capture.capture_toml import CameraEntry, CaptureSpec, capture_file, read_spec
from mouselift.capture.mask_files import Masks, open_masks
from mouselift.capture.rig_doubts import doubts
from mouselift.capture.timeline import Runs
from mouselift.errors import CaptureError
from mouselift.foreign import first_few, repeated
from mouselift.geometry.camera import Camera
from mouselift.geometry.level_cameras import level_up
from mouselift.media.images import ImageFolder
from mouselift.media.video_index import VideoInfo, probe
from mouselift.strings_as_paths import takes_paths

LOG = logging.getLogger(__name__)

_SHARED = 0.5  # of a camera's image numbers are another camera's: less is no trigger's count
_SPREAD = 1e5  # numbers for each image: more are steps of micro- or nanoseconds
_SHORTEST = 0.05  # focal length / side: a fisheye lens that sees all round has 0.16 (side = 2 pi f)
_LONGEST = 200.0  # a field of view of 0.3 degrees
_ON_AXIS = float(np.cos(np.radians(3.0)))  # as level as cameras are that count as level (geometry.level_cameras)


@dataclass(frozen=True, eq=False)
class CaptureCamera:
    """One camera of a capture.

    `camera` is as calibrated, for the full sensor, the crop offset not applied. Where the rig format holds no size
    (DANNCE, MAMMAL, JARVIS), its size is crop offset + image.
    """

    name: str
    camera: Camera
    video: Path | None
    images: Path | None
    mask: Path | None  # a video file, or a folder of images
    frame_offset: int = 0  # this camera's frame number = frame on the common timeline + frame_offset
    crop_offset: tuple[int, int] = (0, 0)  # the image's top-left corner on the calibrated sensor, pixels
    mask_object: int | str | None = None  # the subject's value in the masks, where several objects have one
    mask_first: int | None = None  # number of the first image's mask, where a folder of masks leaves it open
    as_stored: bool = False  # orientation tags and pixel aspect of its files are left aside
    image_runs: Runs = ()  # which image shows which frame, where images were lost

    def image_camera(self, size: tuple[int, int]) -> Camera:
        """The camera of the images as they are in the file: crop applied; size = (width, height)."""
        return self.camera.cropped(float(self.crop_offset[0]), float(self.crop_offset[1]), size)


@dataclass(frozen=True, eq=False)
class Capture:
    """A capture.toml, loaded and checked. Either `cameras`, or a `dataset` whose samples bring their own."""

    path: Path  # the capture.toml
    unit: str
    up: Vector3 | None  # world direction, unit length; None: the file does not say
    cameras: tuple[CaptureCamera, ...]
    jumps: tuple[int, ...]  # frames at which the recording jumps: the first frame after each
    floor: float | None  # height of the floor along `up`, world units
    dataset: Path | None  # a FaceLift-format dataset: its folder, or a list file
    rig_file: Path
    rig_format: str
    evidence: tuple[str, ...]  # what was decided about ambiguous rig variants and what looked odd, in words
    numbering: str | None = None  # of image folders: `first_numbers`
    keypoints: Path | None = None  # a file that `load_keypoints` reads
    keypoints_offset: int = 0

    def require_up(self) -> Vector3:
        """The up direction. CaptureError where the file does not say it."""
        if self.up is None:
            raise CaptureError(
                f"{self.path}: up: this needs to know which way is up, and neither capture.toml nor the rig "
                f"({self.rig_format}) says it, and it is not guessed: {self.how_to_set_up()}. Where there are masks, "
                f"`mouselift inspect {shlex.quote(str(self.path.parent))}` fits one to the subject's path, if that "
                "goes far enough both ways"
            )
        return self.up

    def how_to_set_up(self, fitted: Sequence[float] | None = None) -> str:
        """What to write where the file does not say which way is up; fitted: the direction to write, where one fits."""
        if fitted is not None:
            return f"write up = {[round(float(v), 3) for v in fitted]} at the head of {self.path}, if that is up"
        level = level_up([camera.camera for camera in self.cameras])
        if level is not None:
            return (
                f"write up = {_direction(level)} at the head of {self.path}, if the cameras were mounted upright, "
                "not rolled: their images are level about it"
            )
        return (
            f"write up = ... at the head of {self.path}: the axis of the rig's world with its sign "
            '(up = "+z", for one) or a vector (up = [0.0, -0.8, 0.6])'
        )


def _direction(up: Vector3) -> str:
    """As capture.toml takes it: an axis where it is one, else a vector."""
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) >= _ON_AXIS:
        return f'"{"+" if up[axis] > 0 else "-"}{"xyz"[axis]}"'
    return str([round(float(v), 3) for v in up])


@takes_paths
def load_capture(path: Path, *, new_masks: bool = False) -> Capture:
    """Load a capture from the folder that holds capture.toml, or from that file.

    Every video is indexed for its size. new_masks: masks are about to be made, so those that it names need not be
    there. CaptureError: the file is malformed, or files and rig do not belong
    together; CalibrationError: the rig is; VideoError: a video cannot be opened.

    Example:
        >>> capture = load_capture(Path("recordings/mouse7"))
        >>> [(camera.name, camera.camera.K) for camera in capture.cameras], capture.evidence
    """
    file = capture_file(path)
    spec = read_spec(file)
    up = None if spec.up is None else frozen(np.array(spec.up) / np.linalg.norm(spec.up), (3,), "up")
    if spec.dataset is not None:
        if not spec.dataset.exists():
            raise CaptureError(f"{file}: dataset: no such folder or list file: {spec.dataset}")
        return Capture(file, spec.unit, up, (), spec.jumps, spec.floor, spec.dataset, spec.dataset, "facelift", ())
    assert spec.rig_file is not None  # `read_spec` requires both
    assert spec.rig_format is not None
    if not spec.rig_file.exists():
        raise CaptureError(f"{file}: [rig] file: no such file or folder: {spec.rig_file}")
    from mouselift.calibration.registry import (
        load_rig,
    )  # all formats: an eighth of a second that workers need not spend

    rig = load_rig(spec.rig_file, spec.rig_format, spec.rig_variant, spec.unused)
    _bind(file, spec, rig)
    cameras: list[CaptureCamera] = []
    seen: list[Camera] = []  # of the images, crops applied
    for entry in spec.cameras:
        camera, size = _camera(file, entry, rig[entry.rig_name or entry.name], new_masks)
        cameras.append(camera)
        seen.append(camera.image_camera(size))
    oddities = [f"WARNING: {line}" for line in doubts([each.name for each in cameras], seen)]
    evidence = (*rig.evidence, *(f"Assumed: {line}" for line in rig.assumed), *oddities)
    LOG.info("%s: %s rig, %d cameras", file, spec.rig_format, len(cameras))
    for line in evidence:
        LOG.info("%s: %s", file, line)
    if spec.keypoints is not None and not spec.keypoints.is_file():
        raise CaptureError(f"{file}: keypoints: no such file: {spec.keypoints}")
    rig_told = spec.rig_file, spec.rig_format, evidence, spec.numbering, spec.keypoints, spec.keypoints_offset
    return Capture(file, spec.unit, up, tuple(cameras), spec.jumps, spec.floor, None, *rig_told)


def _bind(file: Path, spec: CaptureSpec, rig: Rig) -> None:
    """Every table has its camera in the rig, every camera of the rig its table, once."""
    wanted = {entry.name: entry.rig_name or entry.name for entry in spec.cameras}
    for name, rig_name in wanted.items():
        if rig_name not in rig.names:
            raise CaptureError(
                f"{file}: [[camera]] {name!r}: the rig {rig.file} has no camera {rig_name!r}, it has "
                f"{', '.join(rig.names)}; set rig_name where the names differ"
            )
    bound = list(wanted.values())
    twice = sorted(repeated(bound))
    if twice:
        raise CaptureError(f"{file}: rig_name: cameras {first_few(twice, 4)} of the rig are bound more than once")
    free = [name for name in rig.names if name not in bound]
    if free:
        raise CaptureError(
            f"{file}: cameras {', '.join(free)} of the rig {rig.file} have no [[camera]] table; add one with its "
            f"video, or leave them out on purpose: [rig] unused = {free}".replace("'", '"')
        )


def _camera(
    file: Path, entry: CameraEntry, rig_camera: RigCamera, new_masks: bool
) -> tuple[CaptureCamera, tuple[int, int]]:
    """The camera of one table, and the size of its images."""
    where = f"{file}: [[camera]] {entry.name!r}"
    for key in ("video", "images", "mask"):
        target: Path | None = getattr(entry, key)
        if target is not None and not target.exists() and not (key == "mask" and new_masks):
            advice = f", or `mouselift mask {shlex.quote(str(file.parent))}` makes new ones" if key == "mask" else ""
            raise CaptureError(
                f"{where}: {key}: no such file or folder: {target}; bring it back (a drive that is away? a link to "
                f"nowhere?){advice}"
            )
    media = media_of(entry)
    size = media.width, media.height
    crop = entry.crop_offset
    if crop is None:
        crop = rig_camera.crop_offset
        if rig_camera.crop_size is not None and rig_camera.crop_size != size:
            raise CaptureError(
                f"{where}: the images are {size[0]}x{size[1]}, but anipose's config.toml crops to "
                f"{rig_camera.crop_size[0]}x{rig_camera.crop_size[1]}; set crop_offset to what holds for these images"
            )
    _check_pixels(f"{where}: {media.path}", media, rig_camera, entry.as_stored)
    tagged = entry.as_stored or not media.orientation.as_stored
    _check_size(f"{where}: {media.path}", size, crop, rig_camera, tagged)
    x0, y0 = crop if crop is not None else (0, 0)
    calibrated = rig_camera.size if rig_camera.size is not None else (x0 + size[0], y0 + size[1])
    camera = replace(rig_camera.camera(calibrated), name=entry.name)
    _check_focal(where, camera, rig_camera)
    files = entry.video, entry.images, entry.mask
    told = entry.mask_object, entry.mask_first, entry.as_stored, entry.image_runs
    return CaptureCamera(entry.name, camera, *files, entry.frame_offset, (x0, y0), *told), size


def media_of(camera: CameraEntry | CaptureCamera) -> VideoInfo | ImageFolder:
    """A camera's images: the video's index, or the folder's files by number."""
    if camera.video is not None:
        return probe(camera.video, camera.as_stored)
    if camera.images is None:
        raise CaptureError(f"camera {camera.name}: expected `video` or `images`, found neither")
    return ImageFolder.scan(camera.images, camera.as_stored)


def first_numbers(media: Mapping[str, VideoInfo | ImageFolder], numbering: str | None = None) -> dict[str, int]:
    """The number that is instant 0, for each camera; of videos 0. numbering, of image folders:

    * "common": equal numbers are one instant (a trigger's count); a number that is not there is an image lost.
    * "own": each camera counts from its own first image, without gaps.
    * None: only where both say the same. CaptureError with both readings where they do not.
    """
    folders = {name: found for name, found in media.items() if isinstance(found, ImageFolder)}
    if numbering == "common":
        _check_counts({name: found.files.keys() for name, found in folders.items()})
        start = min((found.first for found in folders.values()), default=0) if len(folders) == len(media) else 0
        return dict.fromkeys(media, start) | {name: 0 for name in media if name not in folders}
    gaps = [name for name, found in folders.items() if not found.complete]
    shown = ", ".join(f"{name} {f.first} to {max(f.files)} ({f.frames} images)" for name, f in folders.items())
    if gaps and numbering == "own":
        raise CaptureError(f"images are not consecutive, so they do not count from each camera's own first: {shown}")
    if numbering is None and (gaps or len({found.first for found in folders.values()}) > 1):
        raise CaptureError(
            f"images are numbered differently: {shown}. Either equal numbers show one instant and missing ones are "
            "lost (common), or the first image of each camera shows the same instant (own)"
        )
    return {name: folders[name].first if name in folders else 0 for name in media}


def _check_counts(numbers: Mapping[str, Collection[int]]) -> None:
    """CaptureError where numbers are no counts of a trigger, but times: cameras share few, or they spread too far."""
    if not numbers:
        return
    most = max(numbers, key=lambda name: len(numbers[name]))
    span = max(max(found) for found in numbers.values()) - min(min(found) for found in numbers.values())
    apart = [name for name, found in numbers.items() if len(set(found) & set(numbers[most])) < _SHARED * len(found)]
    if apart or span > _SPREAD * len(numbers[most]):
        shown = ", ".join(
            f"{name} {', '.join(map(str, sorted(numbers[name])[:3]))}, ..." for name in apart[:2] or [most]
        )
        why = f"{most} shares few with {', '.join(apart)}" if apart else f"{len(numbers[most])} images in {span + 1}"
        raise CaptureError(
            f"images are numbered by times, not counted ({shown}; {why}). Number them 0, 1, 2, ... in each camera, and "
            "where some were lost write the times into CAMERA_timestamps.csv beside them, one a line"
        )


def masks_of(camera: CameraEntry | CaptureCamera) -> Masks | None:
    """A camera's masks in the same way; None where it has none."""
    if camera.mask is None:
        return None
    rig_name = camera.rig_name if isinstance(camera, CameraEntry) else camera.camera.name
    names = (camera.name, rig_name) if rig_name else (camera.name,)
    return open_masks(camera.mask, names, camera.mask_object, camera.as_stored)


def _check_pixels(where: str, media: VideoInfo | ImageFolder, rig_camera: RigCamera, as_stored: bool) -> None:
    """CaptureError for pixels that are not square, unless the calibration is for the pixels as they are stored."""
    size = media.width, media.height
    if isinstance(media, ImageFolder) or media.aspect == 1.0 or as_stored or rig_camera.size == size:
        return
    shown = f"{round(size[0] * media.aspect)}x{size[1]}"
    known = "" if rig_camera.size is None else f", the calibration is for {rig_camera.size[0]}x{rig_camera.size[1]}"
    raise CaptureError(
        f"{where}: its pixels are not square (aspect {media.aspect:.4g}): players show {size[0]}x{size[1]} as "
        f"{shown}{known}. If it was calibrated on the pixels as stored, as OpenCV reads them, say as_stored = true; "
        "else export the video with square pixels"
    )


def _check_focal(where: str, camera: Camera, rig_camera: RigCamera) -> None:
    """CaptureError for a field of view that no lens has: of focal lengths that are not in pixels."""
    shares = camera.fx / camera.width, camera.fy / camera.height
    if min(shares) < _SHORTEST or max(shares) > _LONGEST:
        unit = "the image's width and height" if max(camera.cx, camera.cy) <= 1 else "millimetres, or of another image"
        raise CaptureError(
            f"{where}: fx = {camera.fx:.4g}, fy = {camera.fy:.4g}, cx = {camera.cx:.4g}, cy = {camera.cy:.4g} "
            f"({rig_camera.source}) of images {camera.width}x{camera.height}: no lens has such a field of view. "
            f"Are they in units of {unit}? Write them in pixels"
        )


def _check_size(
    where: str, size: tuple[int, int], crop: tuple[int, int] | None, rig_camera: RigCamera, tagged: bool
) -> None:
    """The images' size against the calibrated one."""
    if rig_camera.size is None:
        return
    (w, h), (full_w, full_h) = size, rig_camera.size
    said = f"{where} is {w}x{h}, its calibration ({rig_camera.source}) is for {full_w}x{full_h}"
    if crop is not None:
        if crop[0] + w > full_w or crop[1] + h > full_h:
            raise CaptureError(f"{said}: an image of this size does not fit at crop_offset [{crop[0]}, {crop[1]}]")
    elif size != rig_camera.size:
        scaled = w * full_h == h * full_w
        cause = f"scaled by {w / full_w:.4g}?" if scaled else "cropped?"
        remedy = (
            "Record or export at the calibrated size, or calibrate again at this size."
            if scaled
            else "If the image is a part of the sensor, set crop_offset = [x, y]; if scaled, calibrate at this size."
        )
        if size[::-1] == rig_camera.size:
            cause = "turned by 90 degrees?"
            remedy = "Images are turned as their orientation tag says; as_stored = true leaves the tag aside."
            if not tagged:
                remedy = (
                    "Its files have no orientation tag. Exchange the two numbers in the calibration if they stand for "
                    "height and width; else turn the files, or calibrate again."
                )
        raise CaptureError(f"{said}: {cause} {remedy}")
