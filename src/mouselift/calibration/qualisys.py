"""Qualisys' calibration as QTM exports it: XML, `*.qca.txt` or `*.xml`.

`transform`: the camera's place x, y, z in mm, and r11 .. r33, whose rows are its axes x right, y up, z backwards (as
Pose2Sim's converter reads them). `intrinsic`: in 64ths of a pixel, the first pixel's centre at 0. Cameras are named by
their serial numbers, which the names of QTM's videos hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from mouselift.atomic import matching
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, by_content, content_of, image_size, opencv_lens
from mouselift.errors import CalibrationError
from mouselift.foreign import numbers, whole_numbers, xml_of
from mouselift.geometry.camera import ZERO_BASED
from mouselift.geometry.lens import Lens
from mouselift.limits import IMAGE_SIDE, MEGABYTE

_BYTES = 4 * MEGABYTE  # a camera takes two kilobytes
_PARTS = 64.0  # of a pixel
_LENS = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2", "radialDistortion3")
_VARIANTS = {"lens-plain": 1.0, "lens-64ths": 1 / _PARTS}
_AXES = np.diag([1.0, -1, -1])  # OpenCV's camera axes from QTM's
_FULL_HD = (1080, 1088)  # "1080p" of a sensor of 1088 rows


def read_qualisys(path: Path, variant: str | None = None) -> Rig:
    """Rig of an exported calibration. `variant` says how lens coefficients are stored, where they are not zero."""
    if variant not in (None, *_VARIANTS):
        raise CalibrationError(f"{path}: variant {variant!r} is unknown; expected one of {', '.join(_VARIANTS)}")
    try:
        root = xml_of(content_of(path, _BYTES))
    except ValueError as error:
        raise CalibrationError(f"{path}: not a calibration of Qualisys: {error}") from None
    elements = [camera for camera in root.iter("camera") if camera.find("transform") is not None]
    filming = [camera for camera in elements if camera.find("fov_video") is not None]
    if not filming:
        raise CalibrationError(f"{path}: expected cameras with transform and fov_video, found none; export it from QTM")
    said = [f"lens coefficients are read as {variant}, as asked"] if variant else []
    said += [f"camera {c.get('serial')} takes no video (no fov_video): left out" for c in elements if c not in filming]
    return Rig(path, "qualisys", tuple(_camera(path, camera, variant) for camera in filming), tuple(said))


def _camera(path: Path, element: Element, variant: str | None) -> RigCamera:
    name = element.get("serial") or ""
    where = f"camera {name!r} ({path})"
    try:
        if not name:
            raise ValueError("expected a serial number, which the names of its videos hold")
        turned = element.get("viewrotation", "0")
        if turned not in ("0", "0.0"):
            raise ValueError(
                f"viewrotation = {turned}: the file does not say whether videos are turned too; set it to 0 in QTM, "
                "and export calibration and videos again"
            )
        inner, full = _fields(element, "fov_video"), _fields(element, "fov_video_max", "fov_video")
        width, height = _size(full)
        _check_resolution(element.get("video_resolution"), width, height)
        intrinsic, place = _fields(element, "intrinsic"), _fields(element, "transform")
        K = np.eye(3)
        K[0, 0], K[1, 1] = _of(intrinsic, "focalLengthU", "focalLengthV") / _PARTS
        K[:2, 2] = _of(intrinsic, "centerPointU", "centerPointV") / _PARTS + ZERO_BASED
        K[0, 1] = float(_of(intrinsic, "skew")[0]) / _PARTS if "skew" in intrinsic else 0.0
        lens = _lens(intrinsic, variant)
        R = _AXES @ _of(place, *(f"r{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3))).reshape(3, 3)
        t = -R @ _of(place, "x", "y", "z")
        offset = whole_numbers(_of(inner, "left", "top"), 0, IMAGE_SIDE, "fov_video")
        crop = _size(inner)
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from None
    cropped = crop != (width, height)
    return RigCamera(
        name,
        path,
        K,
        R,
        t,
        lens,
        (width, height),
        (offset[0], offset[1]) if cropped else None,
        crop if cropped else None,
    )


def _fields(element: Element, *tags: str) -> Mapping[str, str]:
    for tag in tags:
        found = element.find(tag)
        if found is not None:
            return found.attrib
    raise ValueError(f"expected an element {tags[0]}")


def _of(fields: Mapping[str, str], *names: str) -> np.ndarray:
    missing = [name for name in names if name not in fields]
    if missing:
        raise ValueError(f"expected {', '.join(names)}; {', '.join(missing)} is missing")
    try:
        return numbers([float(fields[name]) for name in names], (None,))
    except ValueError as error:
        raise ValueError(f"{', '.join(names)}: {error}") from None


def _size(fields: Mapping[str, str]) -> tuple[int, int]:
    """Both ends count."""
    left, top, right, bottom = _of(fields, "left", "top", "right", "bottom")
    return image_size([right - left + 1, bottom - top + 1], "fov_video")


def _check_resolution(said: str | None, width: int, height: int) -> None:
    """The calibration is in pixels of the sensor; a video of another resolution has others."""
    rows = said[:-1] if said is not None and said.endswith("p") and said[:-1].isdigit() else None
    if rows is not None and int(rows) != min(width, height) and (int(rows), min(width, height)) != _FULL_HD:
        raise ValueError(
            f"video_resolution = {said} of a sensor of {width} x {height}: the file does not say in pixels of which "
            "the calibration is; record at the full resolution, or calibrate in the one that is recorded"
        )


def _lens(fields: Mapping[str, str], variant: str | None) -> Lens:
    values = _of(fields, *_LENS[:4], *(name for name in _LENS[4:] if name in fields))
    if values.any() and variant is None:
        raise ValueError(
            f"lens coefficients {values.tolist()}: Qualisys does not publish how they are stored, and converters "
            'differ. Say [rig] variant = "lens-plain" (k1 k2 p1 p2 k3 as OpenCV\'s) or "lens-64ths" (divided by 64, as '
            "Pose2Sim does), or --variant; `mouselift inspect` with masks shows which agrees better"
        )
    return opencv_lens((values * _VARIANTS.get(variant or "", 1.0)).tolist())


def find_qualisys(folder: Path) -> list[Path]:
    return [file for file in matching(folder, "*.qca.txt", "*.xml") if holds_qualisys(file)]


@by_content
def holds_qualisys(file: Path) -> bool:
    data = content_of(file, _BYTES)
    return b"<calibration" in data and b"<transform" in data and b"focalLengthU" in data


FORMAT = RigFormat(read_qualisys, find_qualisys, ("*.qca.txt", "*.xml", "*.txt"), holds=holds_qualisys, unit="mm")
