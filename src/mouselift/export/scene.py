"""One instant as other tools take it: a static scene of views with cameras, images and masks, and points of its hull.

Cameras are this project's: OpenCV axes, pixel centres at +0.5 (docs/concepts/conventions.md). A writer converts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mouselift.array_types import ImageRGB, ImageRGBA, Levels
from mouselift.dataset.foreign_sample import load_sample
from mouselift.errors import CalibrationError, DatasetError
from mouselift.export.options import Ground
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady, Fisheye, Pinhole
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.keypoints.keypoints import SampleKeypoints
from mouselift.media.png import encode_png
from mouselift.view.scene import HullSurface, hull_of

WAY_OUT = "--lens undistort resamples the images without it"  # of what a format cannot hold


@dataclass(frozen=True, eq=False)
class SceneView:
    """One view."""

    name: str  # of the camera
    camera: Camera  # of the image's pixels, exactly
    colours: ImageRGB  # straight
    mask: Levels  # 0 background .. 255 subject, of the image's size

    @property
    def rgba(self) -> ImageRGBA:
        return np.dstack([self.colours, self.mask])

    @property
    def hard_mask(self) -> Levels:
        """0 or 255, and nothing between: readers of masks take every level above 0 for 255."""
        return np.where(self.mask >= HALF_LEVEL, 255, 0).astype(np.uint8)

    def image_png(self, ground: Ground) -> bytes:
        """empty: straight RGBA, nothing is around the subject. ignored: RGB as it is, the mask says what counts."""
        return encode_png(self.rgba if ground == "empty" else self.colours)

    @property
    def mask_png(self) -> bytes:
        return encode_png(self.hard_mask)


@dataclass(frozen=True, eq=False)
class ExportScene:
    """`hull`: where Gaussians may start; None where the silhouettes have no common volume, and `notes` says why."""

    name: str
    frame: int | None
    views: tuple[SceneView, ...]
    hull: HullSurface | None
    notes: tuple[str, ...]
    keypoints: SampleKeypoints | None = None  # in the scene's world

    @property
    def files(self) -> tuple[str, ...]:
        """A file name without suffix for each view: its camera's name, of letters, digits, dot, dash, underscore."""
        out: list[str] = []
        for view in self.views:
            name = re.sub(r"[^A-Za-z0-9._-]", "_", view.name).lstrip(".") or "view"
            taken = {other.lower() for other in out}  # some file systems do not tell cases apart
            spelled, count = name, 1
            while spelled.lower() in taken:
                count += 1
                spelled = f"{name}_{count}"
            out.append(spelled)
        return tuple(out)


def scene_of_sample(folder: Path, hull: bool = True) -> ExportScene:
    """The scene of a sample in FaceLift's format. DatasetError where none of its views can be used.

    hull: carve it. Views that cannot be used are left out; `notes` says why, and names what an audit calls an error.
    """
    sample = load_sample(folder, colours=True)
    said = [finding.message for finding in sample.findings if finding.severity == "error"]
    if not sample.views:
        raise DatasetError(f"{folder}: none of its views can be used: {'; '.join(said[:3]) or 'no views'}")
    surface, words = hull_of(sample.views) if hull else (None, "")
    views = []
    for view in sample.views:
        if view.colours is None:
            raise DatasetError(f"{view.path}: expected an image with colours, got none")
        views.append(SceneView(view.name, view.camera, view.colours, view.alpha))
    without = [f"{camera.name}: no usable silhouette, left out" for camera in sample.unseen]
    missing = [words] if words and surface is None else []
    notes = (*said, *without, *missing)
    return ExportScene(sample.id, sample.frame, tuple(views), surface, notes, sample.keypoints)


def lens_numbers(camera: Camera) -> dict[str, float]:
    """A lens as OpenCV names its numbers: k1 k2 p1 p2 k3 k4 k5 k6, of a fisheye k1 k2 k3 k4; none of a pinhole."""
    lens = camera.lens
    if isinstance(lens, Pinhole):
        return {}
    keys = ("k1", "k2", "k3", "k4") if isinstance(lens, Fisheye) else ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
    return {key: float(getattr(lens, key)) for key in keys}


def require(camera: Camera, format_name: str, holds: Sequence[str]) -> None:
    """CalibrationError, by the camera's name, where it has a skew, or a number of a lens that a format cannot hold.

    holds: of OpenCV's standard model.
    """
    lacking = ["skew"] if camera.skew else []
    if isinstance(camera.lens, BrownConrady):
        lacking += [key for key, value in lens_numbers(camera).items() if value and key not in holds]
    if lacking:
        numbers = {**lens_numbers(camera), "skew": camera.skew}
        said = ", ".join(f"{key} = {numbers[key]:g}" for key in lacking)
        raise CalibrationError(f"camera {camera.name!r}: {format_name} cannot hold {said}; {WAY_OUT}")
