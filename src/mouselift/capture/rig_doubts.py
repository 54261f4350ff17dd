"""Calibrations that are odd for the images they are used with: of another size, or of cameras that look apart.

Each of these happens on sound rigs too, so it is said and nothing is refused. Where a rig's format holds no image size
(DANNCE, MAMMAL, JARVIS), nothing else tells that the video was binned, or exported at half the size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mouselift.array_types import Array, Float64, Vector3
from mouselift.foreign import first_few
from mouselift.geometry.camera import Camera
from mouselift.geometry.triangulation import meeting_point

_FAR = 0.25  # of the image's side: a principal point this far outside is worth a word
_BESIDE = 0.5  # of the image's side: so far outside lies no place that a camera is pointed at
_SPREAD = 1.2  # of a common factor: lenses are mounted to a few per cent of the sensor, and aimed about as well
_FACTOR = 1.25  # smaller ones are aim and mounting; images are binned by 2, exported at half, 2/3 or 3/2
_PARALLEL = float(np.cos(np.radians(10.0)))  # axes that meet far away, or behind the cameras where they part
_NEARER = 20.0  # times as near as the others: as no rig is built, but as metres are among millimetres


def doubts(names: Sequence[str], cameras: Sequence[Camera]) -> Iterator[str]:
    """Sentences. cameras: of the images as they are in the files, crops applied."""
    point = _looked_at(cameras)
    projected = [None if point is None else _pixel(each, point) for each in cameras]
    for name, image, pixel in zip(names, cameras, projected, strict=True):
        if pixel is not None and (np.abs(pixel / (image.width, image.height) - 0.5) < 0.5).all():
            continue  # images cut out about the animal: with K of another size or part that place would be off as well
        for label, centre, side in (("cx", image.cx, image.width), ("cy", image.cy, image.height)):
            if not -_FAR * side <= centre <= (1 + _FAR) * side:
                yield (
                    f"camera {name}: its principal point lies far outside the image ({label} = {centre:.0f} of {side} "
                    "px): sound on some rigs, else a sign of another image size or a crop that is not given."
                )
    if point is None and len(cameras) > 2 and _meet_turned(cameras):
        yield (
            "all cameras look the same way, to 10 degrees: do they stand beside each other? Where they stand round the "
            "animal, poses are read the wrong way round (camera to world for world to camera)."
        )
    middles = np.array([[each.width / 2, each.height / 2] for each in cameras])
    principal = np.array([[each.cx, each.cy] for each in cameras]) / middles
    aimed = None if any(p is None for p in projected) else np.array(projected) / middles
    yield from _of_another_size(cameras, principal, aimed)
    if point is not None:
        yield from _looking_apart(names, cameras, projected)
        yield from _of_another_unit(names, np.linalg.norm([each.centre - point for each in cameras], axis=1))


def _of_another_size(
    cameras: Sequence[Camera], principal: Float64[Array, "n 2"], aimed: Float64[Array, "n 2"] | None
) -> Iterator[str]:
    """principal, aimed: principal points, and the place that all cameras look at, in halves of the images' sides."""
    what = "the principal point of every camera lies"
    factor = _common(principal)
    if factor is None and aimed is not None:
        what, factor = "every camera has the place that all look at", _common(aimed)
    if factor is not None and len(cameras) > 1:
        width, height = round(cameras[0].width * factor), round(cameras[0].height * factor)
        yield (
            f"{what} at the middle of an image of about {width}x{height}, images are {cameras[0].width}x"
            f"{cameras[0].height}: is the calibration of another size (binned, scaled by about {1 / factor:.3g}), or "
            "were images cropped alike? Scale K to these images, or say crop_offset."
        )


def _common(shares: Float64[Array, "n 2"]) -> float | None:
    """The factor that all numbers are about, where it is not about 1."""
    if shares.min() <= 0 or shares.max() / shares.min() > _SPREAD**2:
        return None
    factor = float(np.exp(np.log(shares).mean()))
    return factor if max(factor, 1 / factor) > _FACTOR else None


def _looking_apart(
    names: Sequence[str], cameras: Sequence[Camera], projected: Sequence[Float64[Array, "2"] | None]
) -> Iterator[str]:
    """Cameras that do not have the place that all look at in their images, or behind them."""
    apart: list[str] = []
    for name, camera, pixel in zip(names, cameras, projected, strict=True):
        if pixel is None:
            apart.append(f"{name} (behind it)")
        elif (np.abs(pixel / (camera.width, camera.height) - 0.5) > 0.5 + _BESIDE).any():
            apart.append(f"{name} (at {pixel[0]:.0f}, {pixel[1]:.0f} of {camera.width}x{camera.height})")
    if apart:
        yield (
            f"the place nearest to all optical axes is not in the images of {first_few(apart, 6)}: do all look at the "
            "animal? Else poses are read the wrong way round (camera to world for world to camera, degrees for "
            "radians), or one has another unit or another world."
        )


def _of_another_unit(names: Sequence[str], distances: Float64[Array, " n"]) -> Iterator[str]:
    """distances: of the cameras, from the place that all look at."""
    middle = float(np.median(distances))
    for name, distance in zip(names, distances.tolist(), strict=True):
        if len(names) > 2 and not middle / _NEARER < distance < middle * _NEARER:
            yield (
                f"camera {name} is {distance:.3g} from the place that all look at, the others are about {middle:.3g}: "
                "is its translation in another unit?"
            )


def _looked_at(cameras: Sequence[Camera]) -> Vector3 | None:
    """The point nearest to all optical axes; None where these are about parallel: of a stereo pair, or face to face."""
    axes = np.stack([each.R_cam_world[2] for each in cameras])
    return _meeting(np.stack([each.centre for each in cameras]), axes)


def _meet_turned(cameras: Sequence[Camera]) -> bool:
    """Whether all look at one place where poses are read the other way round: no parallel cameras then do."""
    centres = np.stack([each.t_cam_world for each in cameras])
    axes = np.stack([each.R_cam_world[:, 2] for each in cameras])
    point = _meeting(centres, axes)
    return point is not None and bool((np.einsum("nk,nk->n", point - centres, axes) > 0).all())


def _meeting(centres: Float64[Array, "n 3"], axes: Float64[Array, "n 3"]) -> Vector3 | None:
    if len(axes) < 2 or float(np.abs(axes @ axes.T).min()) > _PARALLEL:
        return None
    try:
        return meeting_point(centres, axes)
    except ValueError:
        return None


def _pixel(camera: Camera, point: Vector3) -> Float64[Array, "2"] | None:
    """Without the lens, which bends far outside of the image; None behind the camera."""
    x, y, depth = camera.R_cam_world @ point + camera.t_cam_world
    return np.array([camera.fx * x / depth + camera.cx, camera.fy * y / depth + camera.cy]) if depth > 0 else None
