"""Faults put into a written capture of PNG images and masks; for cameras that lag see CaptureSpec.lag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mouselift.array_types import ImageRGB, Levels
from mouselift.errors import CaptureError
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.truth import Truth


@dataclass(frozen=True)
class Noise:
    """What is wrong with a capture. Views count from 0 in the rig's order; the default changes nothing."""

    dilate_px: Mapping[int, int] = field(default_factory=dict)  # view -> its masks are this much too fat
    tail_missing: tuple[int, ...] = ()  # views whose masks lack the tail
    holes: int = 0  # round holes in each mask, of `hole_px` radius
    hole_px: int = 5
    specks: int = 0  # stray spots in each mask, of `speck_px` radius
    speck_px: int = 3
    missing: Mapping[int, tuple[int, ...]] = field(default_factory=dict)  # view -> frames with an all-black mask
    sensor_sigma: float = 0.0  # deviation of the images' noise, grey levels

    def check(self, views: int, frames: int) -> None:
        """CaptureError where a view or frame does not exist."""
        named = {*self.dilate_px, *self.tail_missing, *self.missing}
        if wrong := sorted(v for v in named if not 0 <= v < views):
            raise CaptureError(f"noise: no view {wrong}; the rig has views 0 to {views - 1}")
        asked = {frame for listed in self.missing.values() for frame in listed}
        if late := sorted(f for f in asked if not 0 <= f < frames):
            raise CaptureError(f"noise: no frame {late} to lose a mask; the capture has frames 0 to {frames - 1}")

    def spoil_mask(self, mask: Levels, view: int, frame: int, seed: int) -> Levels:
        """The mask with its faults (the tail is left out earlier: it needs the mesh)."""
        if frame in self.missing.get(view, ()):
            return np.zeros_like(mask)
        out = mask.copy()
        rng = np.random.default_rng([seed, 0x6D61736B, view, frame])
        if grow := self.dilate_px.get(view, 0):
            disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow + 1, 2 * grow + 1))
            out = np.asarray(cv2.dilate(out, disc), dtype=np.uint8)
        inside = np.flatnonzero(mask.reshape(-1) == 255)
        for place in rng.choice(inside, self.holes) if len(inside) else ():
            _disc(out, int(place % mask.shape[1]), int(place // mask.shape[1]), self.hole_px, 0)
        for place in rng.integers(0, mask.size, self.specks):
            _disc(out, int(place % mask.shape[1]), int(place // mask.shape[1]), self.speck_px, 255)
        return out

    def spoil_image(self, rgb: ImageRGB, view: int, frame: int, seed: int) -> ImageRGB:
        """The image with the sensor's noise."""
        if self.sensor_sigma <= 0:
            return rgb
        rng = np.random.default_rng([seed, 0x73656E73, view, frame])
        noise = rng.standard_normal(rgb.shape, dtype=np.float32) * np.float32(self.sensor_sigma)
        return np.rint((rgb + noise).clip(0, 255)).astype(np.uint8)


def spoil_capture(folder: Path, noise: Noise, seed: int = 0) -> None:
    """Rewrites the images and masks. CaptureError where `noise` names a view or frame that does not exist."""
    truth = Truth.load(folder)
    noise.check(len(truth.cameras), truth.frame_count)
    for view, camera in enumerate(truth.cameras):
        images = sorted((folder / "images" / f"Camera{view + 1}").glob("*.png"))
        masks = sorted((folder / "masks" / f"Camera{view + 1}").glob("*.png"))
        for frame, (image, mask) in enumerate(zip(images, masks, strict=True)):
            colours = np.asarray(cv2.imread(str(image), cv2.IMREAD_COLOR), dtype=np.uint8)
            cv2.imwrite(str(image), noise.spoil_image(colours, view, frame, seed))
            levels = np.asarray(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
            if view in noise.tail_missing:
                levels = render_silhouette(truth.mesh(frame).without("tail"), camera, 3)
            cv2.imwrite(str(mask), noise.spoil_mask(levels, view, frame, seed))


def _disc(mask: Levels, x: int, y: int, radius: int, value: int) -> None:
    cv2.circle(mask, (x, y), radius, (value,), thickness=cv2.FILLED)
