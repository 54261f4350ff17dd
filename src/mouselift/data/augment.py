"""Augmentations that keep cameras and pixels together: in-plane turn, zoom, and colours of the subject alone.

There is no flip: a mirrored image belongs to no camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mouselift.data.decode import Premultiplied
from mouselift.data.moves import turned, window, zoomed
from mouselift.geometry.camera import Camera

_LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)  # ITU-R BT.709
_MIDDLE = np.float32(0.5)


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
    crop: bool = (
        False  # zoom into a window at a random place, in place of about the principal point; may cut the subject
    )
    brightness: float = 0.0  # a sample's factor lies within 1 - this .. 1 + this
    contrast: float = 0.0
    saturation: float = 0.0

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
