"""One resampling from the raw image to the output: executes a ViewPlan and decides nothing.

The map of a view (turn, zoom, lens) is smooth, so over the subject's box a tensor product of Chebyshev
polynomials gives it to far below a thousandth of a pixel, at a fiftieth of the cost. (Trefethen,
"Approximation Theory and Approximation Practice", 2013, ch. 2-4.) Every fit is compared with the exact
map between its nodes; where it misses, the exact map is taken pixel by pixel.

How colours between source pixels are found was chosen by measurement (benchmarks/warp_quality.py). OpenCV's
remap is exact in position only where it reads linearly (OpenCV 5; OpenCV 4 rounds to 1/32 of a pixel). Its
cubic kernel (a = -3/4) moves a mark by up to 0.05 px at scale 1, its Lanczos costs ten times as much. So the
region is first brought to a grid twice as fine by separable filters, and read there linearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from mouselift.array_types import Array, Float32, Float64, ImageRGB, ImageRGBA, Levels, UInt8
from mouselift.errors import MaskError, VideoError
from mouselift.framing.plan import ViewPlan
from mouselift.geometry.camera import Reframe
from mouselift.media.images import Image
from mouselift.media.orientation import Box
from mouselift.prepare.options import Interpolation

ALPHA_FLOOR = 8  # of 255: below lies what lossy mask videos leave around a subject, not the subject

MAP_TOLERANCE_PX = 2e-4  # source pixels: room for single precision within the promised 1e-3
_DEGREES = (7, 12)  # polynomial degrees tried in turn
_CHECKS = 6  # test points a side, corners included
_FAR = -1e6  # a source position that no image has: where the lens has no ray

# Values half-way between samples, exact for polynomials of degree 3 (Keys 1981, a = -1/2) and 5.
_HALF_WAY: dict[str, np.ndarray] = {
    "cubic": np.array([-1.0, 9.0, 9.0, -1.0]) / 16,
    "quintic": np.array([3.0, -25.0, 150.0, 150.0, -25.0, 3.0]) / 256,
}
REACH = 5  # source pixels that any of the filters looks beyond a position, compensation included

# From this scale on one sample a pixel is nearest to the truth; below, the mean of several, read linearly.
_SINGLE_FROM = 0.65
_SAMPLES_PER = 0.7  # samples a pixel and side = this / scale, rounded up
# Linear reading of the fine grid loses a little sharpness: wanted as a prefilter where the image is minified,
# undone by a second difference of _GAIN from scale 1 on, fading in between.
_GAIN, _FULL_GAIN, _NO_GAIN = 0.125, 1.0, 0.7

MapPair = tuple[Float32[Array, "h w"], Float32[Array, "h w"]]
OutputRGBA = UInt8[Array, "s s 4"]  # straight alpha
Colour = tuple[int, int, int]  # red, green, blue, 0..255


def warp_view(
    plan: ViewPlan,
    image: Image,
    mask: Levels,
    *,
    interpolation: Interpolation = "quintic",
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
        resample_into(out[y0:y1, x0:x1], source_map(plan.reframe, box), image, mask, interpolation)
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


def resample_into(
    out: np.ndarray, where: SourceMap, image: Image, mask: np.ndarray, interpolation: Interpolation
) -> None:
    """Resamples into `out` [h, w, 4], the part of the output that `where` maps: straight alpha, as `warp_view`."""
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


@dataclass(frozen=True)
class Sampling:
    """How one view is read."""

    interpolation: Interpolation
    fine: bool  # through the grid twice as fine
    gain: float  # compensation on that grid
    samples: int  # a side, averaged into one output pixel
    footprint: float  # output pixels that the samples spread over

    @classmethod
    def of(cls, scale: float, interpolation: Interpolation) -> Sampling:
        """For a local scale of `scale` output pixels per source pixel."""
        if scale < _SINGLE_FROM:
            return cls(interpolation, False, 0.0, int(np.ceil(_SAMPLES_PER / scale)), footprint(scale))
        gain = _GAIN * float(np.clip((scale - _NO_GAIN) / (_FULL_GAIN - _NO_GAIN), 0.0, 1.0))
        return cls(interpolation, interpolation != "linear", gain, 1, 0.0)

    def positions(self, low: int, high: int) -> np.ndarray:
        """Output positions of the samples of pixels low .. high - 1, in order."""
        within = ((np.arange(self.samples) + 0.5) / self.samples - 0.5) * self.footprint
        return (np.arange(low, high)[:, None] + 0.5 + within).ravel()


def footprint(scale: float) -> float:
    """Side, in output pixels, of the box that an output pixel averages where the image is minified.

    sqrt(1 - scale^2): a source pixel has already averaged the scene over `scale` output pixels, and this
    box brings the variance of both together to that of one output pixel. 0 from scale 1 on.
    """
    return float(np.sqrt(max(0.0, 1 - scale**2)))


def fine_grid(region: ImageRGBA, sampling: Sampling) -> UInt8[Array, "h2 w2 4"]:
    """[h, w, 4] -> [2h, 2w, 4]: sample (j, i) of the region lands at (2j, 2i).

    Outside the region everything is zero. In the coordinates of pixel centres at integers, positions double.
    """
    at, between = _phases(sampling.interpolation, sampling.gain)
    h, w = region.shape[:2]
    out = np.empty((h, 2, w, 2), dtype=np.int32)
    for j, (kernel_y, anchor_y) in enumerate((at, between)):
        row = []
        for kernel_x, anchor_x in (at, between):
            # Single precision inside, rounded and clipped once at the end.
            plane = cv2.sepFilter2D(
                region, -1, kernel_x, kernel_y, anchor=(anchor_x, anchor_y), borderType=cv2.BORDER_CONSTANT
            )
            # Four bytes seen as one number, so that pixels interleave in one pass.
            row.append(np.asarray(plane, dtype=np.uint8).view(np.int32)[..., 0])
        out[:, j] = cv2.merge(row)
    return out.reshape(2 * h, 2 * w).view(np.uint8).reshape(2 * h, 2 * w, 4)


_Phase = tuple[np.ndarray, int]  # taps, and which of them lies at the sample before


def _phases(interpolation: str, gain: float) -> tuple[_Phase, _Phase]:
    """The fine grid's values at samples and half-way between them: half-way filter, then (-g, 1 + 2g, -g)."""
    between = _HALF_WAY[interpolation]
    half = len(between) // 2
    odd = (1 + 2 * gain) * between
    odd[half - 1 : half + 1] -= gain
    # Without compensation the samples stay themselves: no need to filter them.
    even, middle = np.ones(1), 0
    if gain > 0.0:
        even, middle = np.zeros(2 * half + 1), half
        even[half] = 1 + 2 * gain
        even[:-1] -= gain * between
        even[1:] -= gain * between
    return (even.astype(np.float32), middle), (odd.astype(np.float32), half - 1)


@dataclass(frozen=True, eq=False)
class SourceMap:
    """Source positions of the pixels of one output box."""

    box: Box  # output pixels
    bounds: tuple[float, float, float, float]  # x0, y0, x1, y1 of the box's image in the source, pixels
    scale: float  # output pixels per source pixel at the box's middle
    polynomials: tuple[Float64[Array, "k k"], Float64[Array, "k k"]] | None  # of x and y, [row order, column order]
    reframe: Reframe

    def at(
        self, columns: Float64[Array, " w"], rows: Float64[Array, " h"], origin: tuple[float, float], factor: float
    ) -> MapPair:
        """`factor * (source position - origin)` of the output positions `columns` x `rows`, single precision.

        Positions are in the project's convention: pixel centres at + 0.5 on both sides.
        """
        if self.polynomials is None:
            return self._exact(columns, rows, origin, factor)
        across = _basis(columns, self.box[0], self.box[2], len(self.polynomials[0]))
        down = _basis(rows, self.box[1], self.box[3], len(self.polynomials[0]))
        return self._product(0, down, across, origin, factor), self._product(1, down, across, origin, factor)

    def _product(
        self, axis: int, down: np.ndarray, across: np.ndarray, origin: tuple[float, float], factor: float
    ) -> np.ndarray:
        assert self.polynomials is not None
        C = factor * self.polynomials[axis]
        # The shift joins the constant term while all is double: single precision then only sees small numbers.
        C[0, 0] -= factor * origin[axis]
        return (down @ C).astype(np.float32) @ across.T.astype(np.float32)

    def _exact(self, columns: np.ndarray, rows: np.ndarray, origin: tuple[float, float], factor: float) -> MapPair:
        x, y = np.meshgrid(columns, rows)
        source = self.reframe.to_source(np.stack([x.ravel(), y.ravel()], axis=1))
        moved = np.where(np.isfinite(source), factor * (source - np.array(origin)), _FAR).astype(np.float32)
        return moved[:, 0].reshape(x.shape), moved[:, 1].reshape(x.shape)


def source_map(reframe: Reframe, box: Box) -> SourceMap:
    """The map of `box` (output pixels, not empty). Exact to MAP_TOLERANCE_PX, or evaluated pixel by pixel."""
    for degree in _DEGREES:
        terms, checks = degree + 1, np.linspace(-1.0, 1.0, _CHECKS)
        asked = [_grid(_nodes(terms), box), _grid(checks, box), _middle(box)]
        found = reframe.to_source(np.concatenate(asked))
        if not np.isfinite(found).all():
            break
        at_nodes, at_checks, at_middle = np.split(found, np.cumsum([len(points) for points in asked])[:-1])
        square, fit = at_nodes.reshape(terms, terms, 2), _transform(terms)
        x, y = fit @ square[..., 0] @ fit.T, fit @ square[..., 1] @ fit.T
        test = np.polynomial.chebyshev.chebvander(checks, degree)
        guess = np.stack([(test @ x @ test.T).ravel(), (test @ y @ test.T).ravel()], axis=1)
        if float(np.abs(guess - at_checks).max()) <= MAP_TOLERANCE_PX:
            return SourceMap(box, _bounds(at_checks), _scale(at_middle), (x, y), reframe)
    known = reframe.to_source(_grid(np.linspace(-1.0, 1.0, 65), box))
    return SourceMap(box, _bounds(known), _scale(reframe.to_source(_middle(box))), None, reframe)


def _bounds(points: np.ndarray) -> tuple[float, float, float, float]:
    """Bounding box of the finite points, with room for what lies between them; all zero where there is none."""
    good = points[np.isfinite(points).all(axis=1)]
    if len(good) == 0:
        return 0.0, 0.0, 0.0, 0.0
    low, high = good.min(axis=0), good.max(axis=0)
    room = 1.0 + 0.01 * (high - low)
    (x0, y0), (x1, y1) = (low - room).tolist(), (high + room).tolist()
    return x0, y0, x1, y1


def _middle(box: Box) -> np.ndarray:
    """Four points about the box's middle, half a pixel away: right, left, down, up."""
    middle = np.array([[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]])
    return middle + np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])


def _scale(moved: np.ndarray) -> float:
    """Output pixels per source pixel from the source positions of `_middle`; 1 where the lens has no rays there."""
    a, b = moved[0] - moved[1], moved[2] - moved[3]
    area = float(abs(a[0] * b[1] - a[1] * b[0]))
    return float(area**-0.5) if np.isfinite(area) and area > 0 else 1.0


def _grid(t: np.ndarray, box: Box) -> np.ndarray:
    """Output positions at t x t, t in [-1, 1] over the box; row by row."""
    x = box[0] + (t + 1) / 2 * (box[2] - box[0])
    y = box[1] + (t + 1) / 2 * (box[3] - box[1])
    return np.stack([np.tile(x, len(t)), np.repeat(y, len(t))], axis=1)


def _basis(positions: np.ndarray, low: int, high: int, terms: int) -> np.ndarray:
    return np.polynomial.chebyshev.chebvander(2 * (positions - low) / (high - low) - 1, terms - 1)


@cache
def _nodes(terms: int) -> np.ndarray:
    return np.cos(np.pi * (np.arange(terms) + 0.5) / terms)


@cache
def _transform(terms: int) -> np.ndarray:
    """Values at the nodes -> Chebyshev coefficients (a discrete cosine transform)."""
    matrix = np.cos(np.pi * np.outer(np.arange(terms), np.arange(terms) + 0.5) / terms) * 2 / terms
    matrix[0] /= 2
    return matrix
