"""COLMAP sparse models: a folder of `cameras`, `images` (and `rigs`), text or binary.

Pixel centres at +0.5 as here, poses world to camera, quaternions with w first. Scale and world are arbitrary. A pose
belongs to an image, not to a camera: an image is a camera where each has one, where all of a camera's agree, or where
a rig says how its cameras stand to each other; `variant = "images"` makes every image a camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from mouselift.array_types import Matrix3, Vector3
from mouselift.calibration.colmap_files import Image, Intrinsics, Model, model_suffix, read_model
from mouselift.calibration.image_names import image_names
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, opencv_lens
from mouselift.errors import CalibrationError
from mouselift.geometry.lens import Lens, Pinhole
from mouselift.limits import check_image_size

_UNIT = 1e-3  # a quaternion further from length 1 is something else, or damaged
_SAME_POSE = 1e-9  # relative; as in rig.py
_KNOWN = "SIMPLE_PINHOLE, PINHOLE, SIMPLE_RADIAL, RADIAL, OPENCV, FULL_OPENCV, OPENCV_FISHEYE"


def read_colmap(path: Path, variant: str | None = None) -> Rig:
    """Rig of a model's folder, or of a file in it; cameras are named by their images."""
    if variant not in (None, "images"):
        raise CalibrationError(f"{path}: variant {variant!r} is unknown; COLMAP's only one is 'images'")
    folder = path if path.is_dir() else path.parent
    model = read_model(folder)
    source = folder / f"images{model.suffix}"
    if not model.images:
        raise CalibrationError(f"{source}: holds no image, and so no pose of a camera")
    lost = sorted({image.camera for image in model.images} - set(model.cameras))
    if lost:
        raise CalibrationError(f"{source}: its images are of cameras {lost}, which cameras{model.suffix} lacks")
    views, words = _views(source, model, variant)
    cameras = tuple(_camera(source, name, model.cameras[camera], pose) for name, camera, pose in views)
    both = model.suffix == ".bin" and (folder / "cameras.txt").is_file()
    said = [words, *(["the text files beside the binary ones are not read"] if both else [])]
    return Rig(folder, "colmap", cameras, tuple(said))


def _views(source: Path, model: Model, variant: str | None) -> tuple[list[tuple[str, int, np.ndarray]], str]:
    """(name, camera, pose) of every view, and how they were chosen."""
    by_camera: dict[int, list[Image]] = {}
    for image in model.images:
        by_camera.setdefault(image.camera, []).append(image)
    moved = [camera for camera, images in by_camera.items() if not _one_pose(images)]
    if variant == "images" or not moved:
        images = model.images if variant == "images" else [images[0] for images in by_camera.values()]
        names = image_names([image.name for image in images])
        words = "as asked, every image is a camera" if variant else "every camera has one pose"
        rows = [(name, image.camera, image.pose) for name, image in zip(names, images, strict=True)]
        return sorted(rows, key=lambda row: row[0]), f"{words}; cameras are named by their images"
    rigs = [rig for rig in model.rigs if len(rig) > 1 and set(rig) & set(by_camera)]
    if len(rigs) == 1 and set(by_camera) <= set(rigs[0]):
        return _rig_views(source, rigs[0], by_camera), (
            "the cameras stand in a rig: the world is that of its reference camera, not of one frame"
        )
    first = moved[0]
    raise CalibrationError(
        f"{source}: camera {first} has {len(by_camera[first])} images at different poses (such as "
        f"{', '.join(image.name for image in by_camera[first][:3])}): one camera that moved, or several that share "
        f"intrinsics? Expected one image a camera, or one rig (rigs{model.suffix}) with all cameras, found {len(rigs)} "
        'rigs. If every image is a camera of its own that stands still, say [rig] variant = "images" (or --variant).'
    )


def _rig_views(
    source: Path, rig: dict[int, np.ndarray | None], by_camera: dict[int, list[Image]]
) -> list[tuple[str, int, np.ndarray]]:
    folders = {camera: PurePosixPath(images[0].name).parent.name for camera, images in sorted(by_camera.items())}
    known = len(set(folders.values())) == len(folders) and all(folders.values())
    out: list[tuple[str, int, np.ndarray]] = []
    for camera, folder in folders.items():
        pose = rig[camera]
        if pose is None:
            raise CalibrationError(
                f"{source}: camera {camera} has images, but no pose in its rig; expected a rig that was calibrated "
                "(colmap rig_configurator, then the mapper)"
            )
        out.append((folder if known else f"camera{camera}", camera, pose))
    return out


def _one_pose(images: Sequence[Image]) -> bool:
    first = images[0].pose
    reach = max(float(np.abs(first[4:]).max()), 1.0)
    return all(np.abs(image.pose - first).max() <= _SAME_POSE * reach for image in images)


def _camera(source: Path, name: str, intrinsics: Intrinsics, pose: np.ndarray) -> RigCamera:
    where = f"camera {name!r} ({source})"
    try:
        check_image_size(*intrinsics.size)
        K, lens = _of_model(intrinsics.model, intrinsics.parameters)
        R = rotation_of(pose[:4])
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from None
    return RigCamera(name, source, K, R, pose[4:], lens, intrinsics.size)


def _of_model(model: str, p: tuple[float, ...]) -> tuple[Matrix3, Lens]:
    """K and lens of COLMAP's parameters. ValueError for the models that OpenCV's two lenses do not hold."""
    one_focal = model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
    fx, fy, cx, cy, *lens = (p[0], *p) if one_focal else p
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    if model in ("SIMPLE_PINHOLE", "PINHOLE"):
        return K, Pinhole()
    if model in ("SIMPLE_RADIAL", "RADIAL"):
        return K, opencv_lens([*lens, 0.0, 0.0, 0.0][:4])
    if model in ("OPENCV", "FULL_OPENCV"):
        return K, opencv_lens(lens)
    if model == "OPENCV_FISHEYE":
        return K, opencv_lens(lens, fisheye=True)
    raise ValueError(
        f"camera model {model} is not supported; expected one of {_KNOWN}. Undistort the images with COLMAP (colmap "
        "image_undistorter), or estimate with --ImageReader.camera_model OPENCV"
    )


def rotation_of(q: Vector3 | np.ndarray) -> Matrix3:
    """Rotation of a quaternion w x y z (Hamilton). ValueError where its length is not 1 but for rounding."""
    length = float(np.linalg.norm(q))
    if abs(length - 1) > _UNIT:
        raise ValueError(f"expected a quaternion of length 1, got {q.tolist()} of length {length:.4g}")
    w, x, y, z = q / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def find_colmap(folder: Path) -> list[Path]:
    """The folder itself where it holds a model."""
    return [folder] if model_suffix(folder) else []


def holds_colmap(file: Path) -> bool:
    return model_suffix(file.parent) is not None


_FILES = tuple(f"{name}{suffix}" for name in ("cameras", "images", "rigs") for suffix in (".bin", ".txt"))
FORMAT = RigFormat(read_colmap, find_colmap, _FILES, holds=holds_colmap, unit="unknown")
