"""Where and how large the subject is in the views: before every camera, near the origin, within reach, unclipped.

The model puts a Gaussian at `t0 + o` along each pixel's ray, t0 the point nearest the origin and |o| < 1.8, and its
training clamps Gaussians to [-1, 1]^3. Its training cameras have one focal length and centred principal points:
other ones can be exact, and are something that the model has to learn (docs/concepts/framing.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array, Float64, Vector3
from mouselift.dataset.sample import Sample
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Outline
from mouselift.geometry.triangulation import meeting_point

REACH = 1.8  # of the model along a ray, from the point nearest the origin, world units
BOX = 1.0  # half side of the cube that training clamps to; FaceLift's own head sample reaches 1.21: a note only
OFF_ORIGIN = 0.6  # warning: exact presets lie below 0.02, FaceLift's own head sample (cut at the neck) at 0.45
FOCAL_SPREAD = 2.0  # largest / smallest: 1 in the pretrained cameras; `per-view` reaches 4 on the six-camera rig
PRINCIPAL_SHARE = 0.5  # of the image's side, from its middle: beyond it the axis leaves the image
SIZE_SPREAD = 3.0  # largest / smallest side of the subject
SMALLEST_SHARE = 0.08  # of the image's side: a smaller subject is a few of the model's 8 px patches

_Beyond = tuple[str, str, float, float]  # a code, a text, what was measured, its limit


@dataclass(frozen=True, eq=False)
class Placement:
    """World units of the sample. NaN and None where fewer than two views see the subject."""

    centre: Vector3 | None  # where the rays through the alphas' centroids meet
    off_origin: float  # |centre|
    extent: float  # largest |coordinate| of the outline's points at the subject's depth
    depth: float  # largest distance of a subject's point from its ray's point nearest the origin
    depths: Float64[Array, " v"]  # of the centre in each camera, along its axis
    border: tuple[bool, ...]  # one a view: the subject reaches the image's edge


def placement(cameras: Sequence[Camera], outlines: Sequence[Outline | None]) -> Placement:
    """Centre, extent and depth range of the subject from the silhouettes, each to the outline's accuracy.

    Extent: each outline point's ray is taken at its nearest point to the centre. The subject's own points lie on these
    rays within its size of that point, so a long animal's end is placed to a few per cent.
    """
    boxes = [None if outline is None else outline.box for outline in outlines]
    border = tuple(
        box is not None and (min(box[:2]) <= 0 or box[2] >= camera.width or box[3] >= camera.height)
        for camera, box in zip(cameras, boxes, strict=True)
    )
    seen = [(camera, outline) for camera, outline in zip(cameras, outlines, strict=True) if outline is not None]
    nothing = Placement(None, np.nan, np.nan, np.nan, np.full(len(cameras), np.nan), border)
    if len(seen) < 2:
        return nothing
    rays = [camera.rays(np.concatenate([outline.centroid, outline.convex])) for camera, outline in seen]
    centres = np.stack([camera.centre for camera, _ in seen])
    try:
        centre = meeting_point(centres, np.stack([own[0] for own in rays]))
    except ValueError:  # parallel rays
        return nothing
    counts = np.array([len(own) - 1 for own in rays])
    d, first = np.concatenate([own[1:] for own in rays]), np.cumsum(counts) - counts
    origins = np.repeat(centres, counts, axis=0)
    points = origins + (d * (centre - origins)).sum(axis=1, keepdims=True) * d  # of each ray, nearest the centre
    size = np.maximum.reduceat(np.linalg.norm(points - centre, axis=1), first)
    extent = float(np.abs(points).max())
    depth = float((np.maximum.reduceat(np.abs(d @ centre), first) + size).max())
    depths = np.array([float(camera.depth(centre[None])[0]) for camera in cameras])
    return Placement(centre, float(np.linalg.norm(centre)), extent, depth, depths, border)


def placement_findings(sample: Sample, place: Placement) -> list[Finding]:
    """Errors: behind a camera, out of the model's reach. Warnings: off the origin, clipped. Note: outside the cube."""
    found: list[Finding] = []
    for view, depth in zip(sample.views, place.depths.tolist(), strict=True):
        if depth <= 0:
            text = f"{view.name}: the subject lies {-depth:.3g} behind the camera"
            found.append(sample.finding("behind-camera", text, camera=view.name, value=depth, limit=0.0))
    found += [sample.finding(code, text, value=value, limit=limit) for code, text, value, limit in _misplaced(place)]
    for view, border in zip(sample.views, place.border, strict=True):
        if border:  # never an error: what the sensor cut, no framing brings back
            by = {True: " (the sensor had cut it)", False: " (the sensor had not: preparation clipped it)", None: ""}
            text = f"{view.name}: the subject reaches the image's border{by[view.cut]}"
            found.append(sample.finding("clipped", text, camera=view.name))
    return found


def _misplaced(place: Placement) -> Iterator[_Beyond]:
    far, reach, deep = place.off_origin, place.extent, place.depth
    if far > REACH:
        yield (
            "out-of-reach",
            f"the subject's centre lies {far:.4g} from the origin; the model reaches {REACH}",
            far,
            REACH,
        )
    elif far > OFF_ORIGIN:
        text = f"the subject's centre lies {far:.2f} from the origin (expected below {OFF_ORIGIN})"
        yield "off-origin", text, far, OFF_ORIGIN
    if reach > BOX:
        text = f"the subject reaches {reach:.3g} along a world axis; training clamps Gaussians at {BOX:g}"
        yield "outside-box", text, reach, BOX
    if deep > REACH:
        text = f"the subject lies up to {deep:.3g} from the point of its ray that is nearest the origin"
        yield "depth-range", text, deep, REACH


@dataclass(frozen=True)
class Spread:
    """Over one sample's views. Spreads are largest / smallest; NaN where no view has a subject."""

    focal: float
    principal_px: float  # largest distance of a principal point from its image's middle
    principal_share: float  # the same over the image's width
    size: float  # of the square root of the subject's area
    smallest_px: float  # square root of the smallest subject's area
    smallest_share: float  # the same over the image's width


def spread(cameras: Sequence[Camera], outlines: Sequence[Outline | None]) -> Spread:
    """Raises ValueError where there is no camera."""
    focals = np.array([camera.focal for camera in cameras])
    off = np.array([np.hypot(c.cx - c.width / 2, c.cy - c.height / 2) for c in cameras])
    widths = np.array([camera.width for camera in cameras])
    seen = [(np.sqrt(o.area), c.width) for c, o in zip(cameras, outlines, strict=True) if o is not None]
    sides, shares = np.array([side for side, _ in seen] or [np.nan]), np.array([s / w for s, w in seen] or [np.nan])
    return Spread(
        float(focals.max() / focals.min()), float(off.max()), float((off / widths).max()),
        float(sides.max() / sides.min()), float(sides.min()), float(shares.min()),
    )  # fmt: skip


def spread_findings(sample: Sample, found: Spread) -> list[Finding]:
    """Notes and warnings where the spread is far from what the model was trained on."""
    return [sample.finding(code, text, value=value, limit=limit) for code, text, value, limit in _uneven(found)]


def _uneven(found: Spread) -> Iterator[_Beyond]:
    if found.focal > FOCAL_SPREAD:
        text = f"largest / smallest focal length is {found.focal:.2f}"
        yield "focal-spread", text, found.focal, FOCAL_SPREAD
    if found.principal_share > PRINCIPAL_SHARE:
        text = f"a principal point lies {found.principal_px:.0f} px from its image's middle"
        yield "principal-spread", text, found.principal_share, PRINCIPAL_SHARE
    if found.size > SIZE_SPREAD:
        text = f"the subject is {found.size:.2f} times as large in one view as in another"
        yield "size-spread", text, found.size, SIZE_SPREAD
    if found.smallest_share < SMALLEST_SHARE:
        text = f"the smallest subject measures {found.smallest_px:.0f} px (square root of its area)"
        yield "small-subject", text, found.smallest_share, SMALLEST_SHARE


def viewpoints(cameras: Sequence[Camera]) -> dict[str, np.ndarray]:
    """One number a camera for each of: fov_deg, distance, elevation_deg, principal_share."""
    centres = np.array([camera.centre for camera in cameras]).reshape(-1, 3)
    distance = np.linalg.norm(centres, axis=1)
    off = [np.hypot(c.cx - c.width / 2, c.cy - c.height / 2) / c.width for c in cameras]
    return {
        "fov_deg": np.degrees([2 * np.arctan(c.width / 2 / c.fx) for c in cameras]),
        "distance": distance,
        "elevation_deg": np.degrees(np.arcsin(np.clip(centres[:, 2] / np.maximum(distance, 1e-300), -1, 1))),
        "principal_share": np.array(off, dtype=np.float64),
    }
