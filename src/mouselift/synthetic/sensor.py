"""What a camera adds to a picture: exposure, white balance, blur, shot and read noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, ImageRGB


@dataclass(frozen=True)
class Sensor:
    """One camera. Values are display values, 0..1; the default changes nothing."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)  # exposure times white balance: red, green, blue
    blur_px: float = 0.0  # deviation of a Gaussian
    read: float = 0.0  # deviation in the dark
    shot: float = 0.0  # deviation at 1, over the root of the brightness

    def expose(self, image: Float32[Array, "h w 3"], rng: np.random.Generator) -> ImageRGB:
        """The picture of a scene."""
        out = image * np.array(self.gain, dtype=np.float32)
        if self.blur_px > 0:
            out = np.asarray(cv2.GaussianBlur(out, (0, 0), self.blur_px))
        if self.read > 0 or self.shot > 0:
            deviation = np.sqrt(self.read**2 + self.shot**2 * np.maximum(out, 0.0))
            out = out + deviation * rng.standard_normal(out.shape, dtype=np.float32)
        return np.rint(255 * out.clip(0.0, 1.0)).astype(np.uint8)


def random_sensor(rng: np.random.Generator) -> Sensor:
    """A camera of a rig whose cameras nobody matched."""
    exposure, balance = np.exp(0.10 * rng.standard_normal()), np.exp(0.03 * rng.standard_normal(3))
    red, green, blue = (exposure * balance).tolist()
    blur, read, shot = rng.uniform([0.25, 0.002, 0.003], [0.6, 0.010, 0.020]).tolist()
    return Sensor((red, green, blue), blur, read, shot)
