"""Moves of pixels and camera together: resize, zoom, crop and in-plane turn in one resampling; and their random draws.

Nothing else in `data` may change an image's grid. There is no flip: a mirrored image belongs to no camera. Pixel
centres lie at +0.5 (docs/concepts/conventions.md); OpenCV counts pixels by integer centres, so its maps are shifted by
-0.5 on the way in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from mouselift.array_types import Array, Float64, Matrix3
from mouselift.data.decode import Cutout, Premultiplied
from mouselift.geometry.camera import Camera, Reframe
from mouselift.geometry.lens import Pinhole
from mouselift.media.orientation import Box

_FINE_ABOVE = 0.5  # output pixels per source pixel: from here on images are interpolated on a grid twice as fine
_REACH = 4  # pixels: more than the widest kernel used here
_AXIS_TOLERANCE = 1e-9
_LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)  # ITU-R BT.709
_MIDDLE = np.float32(0.5)


@dataclass(frozen=True, eq=False)
class ViewMove:
    """From `source` to `target`, pinholes at one centre and along one axis; ValueError otherwise.

    `target` is exactly the camera of the image that `apply` gives.
    """

    source: Camera
    target: Camera

    def __post_init__(self) -> None:
        Reframe(self.source, self.target)  # raises where the centres differ or the target has a lens
        turn = self._turn
        if max(np.abs(turn[2, :2]).max(), np.abs(turn[:2, 2]).max(), 1.0 - turn[2, 2]) > _AXIS_TOLERANCE:
            raise ValueError("ViewMove: expected one optical axis; the cameras look in different directions")
        if not isinstance(self.source.lens, Pinhole) or self.source.skew or self.target.skew:
            raise ValueError("ViewMove: expected pinholes without skew; undistort first (mouselift prepare)")

    @cached_property
    def to_source(self) -> Float64[Array, "2 3"]:
        """Affine map of target pixels (x, y, 1) to source pixels: K_source R_source R_target^-1 K_target^-1."""
        return (self.source.K @ self._turn @ np.linalg.inv(self.target.K))[:2]

    @property
    def _turn(self) -> Matrix3:
        # The inverse, not the transpose: rotations that a file rounds to seven digits are off by as much.
        return self.source.R_cam_world @ np.linalg.inv(self.target.R_cam_world)

    @property
    def scale(self) -> float:
        """Output pixels per source pixel (square root of the area ratio)."""
        return float(1 / math.sqrt(abs(np.linalg.det(self.to_source[:, :2]))))

    @property
    def resize_only(self) -> bool:
        """The whole source image becomes the whole target image, without a turn."""
        whole = np.diag([self.source.width / self.target.width, self.source.height / self.target.height])
        return bool(np.abs(self.to_source - np.pad(whole, ((0, 0), (0, 1)))).max() < _AXIS_TOLERANCE)

    def apply(self, cutout: Cutout) -> tuple[Premultiplied, Box]:
        """The moved image's pixels within the answered box; all others are zero.

        Minified: mean over the output pixel's area. Magnified or turned: cubic. Values stay within 0..1, colours
        within alpha. ValueError where the image has another size than the source camera.
        """
        if (cutout.width, cutout.height) != (self.source.width, self.source.height):
            raise ValueError(
                f"ViewMove: expected an image of {self.source.width} x {self.source.height}, got {cutout.width} x "
                f"{cutout.height}"
            )
        if cutout.rgba.size == 0:
            return np.zeros((4, 0, 0), dtype=np.float32), (0, 0, 0, 0)
        if not self.resize_only:
            box = self._target_box(cutout.box)
            return _within(self._sampled(cutout, box)), box
        if self.scale == 1.0:
            return cutout.premultiplied(), cutout.box
        return self._resized(cutout)

    def _resized(self, cutout: Cutout) -> tuple[Premultiplied, Box]:
        """A box of whole grid periods, so that resizing it gives what resizing the whole image would."""
        sizes = ((self.source.width, self.target.width), (self.source.height, self.target.height))
        spans = [
            _periods(low, high, *size) for low, high, size in zip(cutout.box[:2], cutout.box[2:], sizes, strict=True)
        ]
        (x0, x1, u0, u1), (y0, y1, v0, v1) = spans
        minified = self.source.width >= self.target.width and self.source.height >= self.target.height
        kind = cv2.INTER_AREA if minified else cv2.INTER_CUBIC
        planes = cutout.premultiplied((x0, y0, x1, y1))
        values = np.stack([cv2.resize(plane, (u1 - u0, v1 - v0), interpolation=kind) for plane in planes])
        return (values if minified else _within(values)), (u0, v0, u1, v1)

    def _sampled(self, cutout: Cutout, box: Box) -> Premultiplied:
        """Cubic on a grid twice as fine, linear between its samples: remap's own cubic rounds to 1/32 pixel."""
        samples = max(1, math.ceil(1 / self.scale - 1e-9))  # per output pixel and axis; then their mean
        fine = 2 if self.scale > _FINE_ABOVE else 1
        x0, y0, x1, y1 = cutout.box
        room = (x0 - _REACH, y0 - _REACH, x1 + _REACH, y1 + _REACH)  # zeros around, wherever the image ends
        values = np.asarray(cv2.merge(list(cutout.premultiplied(room))))
        if fine > 1:
            values = np.asarray(cv2.resize(values, None, fx=fine, fy=fine, interpolation=cv2.INTER_CUBIC))
        x = box[0] + (np.arange((box[2] - box[0]) * samples) + 0.5) / samples
        y = box[1] + (np.arange((box[3] - box[1]) * samples) + 0.5) / samples
        A = self.to_source
        map_x, map_y = (
            (fine * (A[k, 0] * x[None] + A[k, 1] * y[:, None] + A[k, 2] - room[k]) - 0.5).astype(np.float32)
            for k in (0, 1)
        )
        found = np.asarray(cv2.remap(values, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))
        if samples > 1:
            size = (box[2] - box[0], box[3] - box[1])
            found = np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_AREA))
        return np.stack(cv2.split(found))

    def _target_box(self, box: Box) -> Box:
        """Target pixels that the source box and a kernel's reach can touch."""
        A = self.to_source
        grown = np.array([box[0] - _REACH, box[1] - _REACH, box[2] + _REACH, box[3] + _REACH], dtype=np.float64)
        corners = np.stack([grown[[0, 2, 0, 2]], grown[[1, 1, 3, 3]]])
        moved = np.linalg.solve(A[:, :2], corners - A[:, 2:])
        low, high = np.floor(moved.min(axis=1)), np.ceil(moved.max(axis=1))
        size = np.array([self.target.width, self.target.height])
        x0, y0 = (int(value) for value in np.clip(low, 0, size - 1))
        x1, y1 = (int(value) for value in np.clip(high, 1, size))
        return x0, y0, x1, y1


def resized(camera: Camera, width: int, height: int) -> Camera:
    """The camera of the whole image resized: fx, cx by the width's ratio, fy, cy by the height's."""
    across, down = width / camera.width, height / camera.height
    return replace(
        camera,
        width=width,
        height=height,
        fx=camera.fx * across,
        cx=camera.cx * across,
        fy=camera.fy * down,
        cy=camera.cy * down,
    )


def turned(camera: Camera, degrees: float) -> Camera:
    """Turned about its optical axis; the image turns clockwise by `degrees` about the principal point."""
    return camera.turned(_about_z(math.radians(degrees)))


def _about_z(angle: float) -> Matrix3:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def zoomed(camera: Camera, factor: float) -> Camera:
    """Zoomed about the principal point, which stays where it is."""
    return replace(camera, fx=camera.fx * factor, fy=camera.fy * factor)


def window(camera: Camera, x0: float, y0: float, factor: float) -> Camera:
    """The window with its top-left corner at (x0, y0), blown up by `factor` to the size that the image had."""
    return replace(
        camera,
        fx=camera.fx * factor,
        fy=camera.fy * factor,
        cx=(camera.cx - x0) * factor,
        cy=(camera.cy - y0) * factor,
    )


def _periods(low: int, high: int, old: int, new: int) -> tuple[int, int, int, int]:
    """Source range around low..high with a kernel's room and the target range that it becomes exactly."""
    common = math.gcd(old, new)
    step, out = old // common, new // common
    first, last = max(0, (low - _REACH) // step), min(common, -(-(high + _REACH) // step))
    return first * step, last * step, first * out, last * out


def _within(values: Premultiplied) -> Premultiplied:
    """Cubic kernels overshoot: alpha back to 0..1, colours to 0..alpha."""
    np.clip(values[3], 0.0, 1.0, out=values[3])
    np.clip(values[:3], 0.0, values[3], out=values[:3])
    return values


@dataclass(frozen=True)
class ColourGains:
    """One draw: the same for all views of a sample, as one light is."""

    brightness: float = 1.0
    contrast: float = 1.0  # about the middle grey
    saturation: float = 1.0  # about the pixel's own luma

    def apply(self, image: Premultiplied) -> Premultiplied:
        """Acts on the subject's colours; alpha stays, and fully transparent pixels stay exactly zero.

        Every step is linear in (colour, alpha), so premultiplied colours give what straight ones would.
        """
        alpha = image[3]
        middle = _MIDDLE * alpha
        colour = (image[:3] * np.float32(self.brightness) - middle) * np.float32(self.contrast) + middle
        grey = np.tensordot(_LUMA, colour, axes=1)
        colour = grey + (colour - grey) * np.float32(self.saturation)
        return np.concatenate([np.clip(colour, 0.0, alpha), alpha[None]])


@dataclass(frozen=True)
class Augmentation:
    """Ranges to draw from. ValueError for ranges that hold nothing or are not positive. All off by default."""

    turn_degrees: float = 0.0  # each view turns about its axis by up to this, either way
    zoom: tuple[float, float] = (1.0, 1.0)  # each view's factor
    crop: bool = False  # zoom into a window at a random place, not about the principal point; may cut the subject
    brightness: float = 0.0  # a sample's factor lies within 1 - this .. 1 + this
    contrast: float = 0.0
    saturation: float = 0.0
    world_turn: bool = False  # a sample's cameras turn together about the world's z axis, by any angle; no pixel moves

    def __post_init__(self) -> None:
        low, high = self.zoom
        if not 0 < low <= high:
            raise ValueError(f"Augmentation: zoom: expected 0 < smallest <= largest factor, got {self.zoom}")
        if not 0 <= self.turn_degrees <= 180:
            raise ValueError(f"Augmentation: turn_degrees: expected 0 .. 180, got {self.turn_degrees}")
        for key in ("brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, key) < 1:
                raise ValueError(f"Augmentation: {key}: expected 0 <= value < 1, got {getattr(self, key)}")

    @property
    def colours(self) -> bool:
        """Changes colours, so that the subject must be known from its ground."""
        return max(self.brightness, self.contrast, self.saturation) > 0

    def gains(self, rng: np.random.Generator) -> ColourGains:
        """A sample's draw."""
        spans = (self.brightness, self.contrast, self.saturation)
        return ColourGains(*(float(rng.uniform(1 - span, 1 + span)) for span in spans))

    def world(self, rng: np.random.Generator) -> Matrix3:
        """A sample's draw: R_new_old of its world."""
        return _about_z(float(rng.uniform(0, 2 * math.pi)) if self.world_turn else 0.0)

    def camera(self, camera: Camera, rng: np.random.Generator) -> Camera:
        """A view's draw: the camera to resample for."""
        degrees = float(rng.uniform(-self.turn_degrees, self.turn_degrees))
        factor = float(np.exp(rng.uniform(*np.log(self.zoom))))
        across, down = rng.uniform(size=2)
        moved = turned(camera, degrees) if degrees else camera
        if not self.crop:
            return zoomed(moved, factor)
        x0 = float(across) * camera.width * (1 - 1 / factor)
        y0 = float(down) * camera.height * (1 - 1 / factor)
        return window(moved, x0, y0, factor)
