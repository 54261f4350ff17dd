"""One resampling from the raw image to the output: executes a ViewPlan and decides nothing."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from mouselift.array_types import Array, ImageRGB, ImageRGBA, Levels
from mouselift.errors import MaskError, VideoError
from mouselift.framing.plan import ViewPlan
from mouselift.media.frames import Box, Image
from mouselift.prepare.filters import DEFAULT_INTERPOLATION, REACH, Interpolation, Sampling, fine_grid
from mouselift.prepare.source_map import SourceMap, source_map

ALPHA_FLOOR = 8  # of 255: below lies what lossy mask videos leave around a subject, not the subject

OutputRGBA = UInt8[Array, "s s 4"]  # straight alpha
Colour = tuple[int, int, int]  # red, green, blue, 0..255


def warp_view(
    plan: ViewPlan,
    image: Image,
    mask: Levels,
    *,
    interpolation: Interpolation = DEFAULT_INTERPOLATION,
    background: Colour | None = None,
) -> OutputRGBA:
    """The output image of one view: [size, size, 4], straight alpha.

    image, mask: of the plan's source camera, raw (lens not undone); mask levels 0 background .. 255
    subject. Colour and mask are premultiplied and resampled together by the one map of the plan. Alpha is
    the resampled mask; where it falls below ALPHA_FLOOR, colour and alpha are exactly zero. With
    `background` the result is composited on that colour and opaque.

    Pixels outside the source image are background. Positions are exact to 0.001 source pixels with OpenCV 5;
    OpenCV 4 rounds them to 1/64 of a pixel (1/32 for `linear`).
    Raises MaskError or VideoError where mask or image have another size than the plan's source camera.
    """
    _check(plan, image, mask)
    size = plan.target.width
    out = np.zeros((size, size, 4), dtype=np.uint8)
    box = _grown(plan)
    if box is not None:
        x0, y0, x1, y1 = box
        _fill(out[y0:y1, x0:x1], source_map(plan.reframe, box), image, mask, interpolation)
    return out if background is None else composited(out, background)


def composited(image: ImageRGBA, background: Colour) -> ImageRGBA:
    """Straight alpha on an opaque colour."""
    alpha = image[..., 3:].astype(np.float32) / 255
    out = np.full_like(image, 255)
    out[..., :3] = np.rint(alpha * image[..., :3] + (1 - alpha) * np.array(background, dtype=np.float32))
    return out


def _check(plan: ViewPlan, image: Image, mask: np.ndarray) -> None:
    want = (plan.source.width, plan.source.height)
    if (image.width, image.height) != want:
        raise VideoError(
            f"{plan.name}: expected an image of the calibrated size {want[0]} x {want[1]}, "
            f"got {image.width} x {image.height}"
        )
    if mask.shape != want[::-1]:
        raise MaskError(
            f"{plan.name}: expected a mask of the image's size {want[0]} x {want[1]}, "
            f"got {mask.shape[1]} x {mask.shape[0]}"
        )


def _grown(plan: ViewPlan) -> Box | None:
    """The subject's box with room for the mask's soft rim and the kernel; None where nothing of it is in the frame."""
    size = plan.target.width
    if plan.box is None:
        return 0, 0, size, size
    x0, y0, x1, y1 = plan.box
    if x0 >= x1 or y0 >= y1:
        return None
    room = int(np.ceil(REACH * max(1.0, plan.scale)))
    return max(0, x0 - room), max(0, y0 - room), min(size, x1 + room), min(size, y1 + room)


def _fill(out: np.ndarray, where: SourceMap, image: Image, mask: np.ndarray, interpolation: Interpolation) -> None:
    """Resamples into `out`, the part of the output that `where` maps."""
    region = _source_box(where, mask.shape)
    if region is None:
        return
    x0, y0, x1, y1 = region
    sampling = Sampling.of(where.scale, interpolation)
    values = premultiplied(image.rgb(region), mask[y0:y1, x0:x1])
    box = where.box
    columns, rows = sampling.positions(box[0], box[2]), sampling.positions(box[1], box[3])
    # remap takes pixel centres at integers: the origin lies half a pixel inside the region's corner.
    origin = (x0 + 0.5, y0 + 0.5)
    map_x, map_y = where.at(columns, rows, origin, 2.0 if sampling.fine else 1.0)
    if sampling.fine:
        values = fine_grid(values, sampling)
    found = cv2.remap(values, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    if sampling.samples > 1:
        # A whole number of samples a pixel: INTER_AREA is their exact mean.
        found = cv2.resize(found, (box[2] - box[0], box[3] - box[1]), interpolation=cv2.INTER_AREA)
    out[:] = straight(found)


def _source_box(where: SourceMap, shape: tuple[int, ...]) -> Box | None:
    """Source pixels that the map and its kernel touch; None where they lie outside the image."""
    x0, y0, x1, y1 = where.bounds
    low_x, low_y = max(0, int(np.floor(x0)) - REACH), max(0, int(np.floor(y0)) - REACH)
    high_x, high_y = min(shape[1], int(np.ceil(x1)) + REACH), min(shape[0], int(np.ceil(y1)) + REACH)
    return (low_x, low_y, high_x, high_y) if low_x < high_x and low_y < high_y else None


def premultiplied(rgb: ImageRGB, alpha: Levels) -> ImageRGBA:
    """[h, w, 4], 0..255: colours weighed by alpha, rounded, and alpha.

    Rounding touches the soft rim only; single precision instead took four times as long in all that follows.
    """
    coloured = cv2.multiply(rgb, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB), scale=1 / 255)
    return np.asarray(cv2.merge([coloured, alpha]))


def straight(premultiplied_rgba: ImageRGBA) -> ImageRGBA:
    """Premultiplied 8 bit -> straight; below ALPHA_FLOOR exactly zero."""
    alpha = np.asarray(cv2.extractChannel(premultiplied_rgba, 3))
    keep = alpha >= ALPHA_FLOOR
    out = np.asarray(cv2.copyTo(premultiplied_rgba, keep.view(np.uint8)))
    rim = np.flatnonzero(keep & (alpha < 255))
    pixels = out.reshape(-1, 4)
    weight = 255 / alpha.reshape(-1)[rim, None].astype(np.float32)
    pixels[rim, :3] = np.minimum(np.rint(pixels[rim, :3] * weight), 255)
    return out
