"""Where and how large the subject is in the views: before every camera, near the origin, within reach, unclipped.

The model puts a Gaussian at `t0 + o` along each pixel's ray, t0 the point nearest the origin and |o| < 1.8, and its
training clamps Gaussians to [-1, 1]^3. Its training cameras have one focal length and centred principal points:
other ones can be exact, and are something that the model has to learn (docs/concepts/framing.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array, Points3, Vector3
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
    border = tuple(o is not None and touches_edge(c, o) for c, o in zip(cameras, outlines, strict=True))
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
    points = _nearest(centre, np.repeat(centres, counts, axis=0), d)
    size = np.maximum.reduceat(np.linalg.norm(points - centre, axis=1), first)
    extent = float(np.abs(points).max())
    depth = float((np.maximum.reduceat(np.abs(d @ centre), first) + size).max())
    depths = np.array([float(camera.depth(centre[None])[0]) for camera in cameras])
    return Placement(centre, float(np.linalg.norm(centre)), extent, depth, depths, border)


def touches_edge(camera: Camera, outline: Outline) -> bool:
    """Whether the outline reaches the image's edge."""
    x0, y0, x1, y1 = outline.box
    return x0 <= 0 or y0 <= 0 or x1 >= camera.width or y1 >= camera.height


def placement_findings(sample: Sample, place: Placement) -> list[Finding]:
    """Errors: behind a camera, out of the model's reach. Warnings: off the origin, clipped. Note: outside the cube."""
    found: list[Finding] = []

    def add(code: str, text: str, value: float, limit: float, camera: str | None = None) -> None:
        found.append(sample.finding(code, text, camera=camera, value=value, limit=limit))

    for view, depth in zip(sample.views, place.depths.tolist(), strict=True):
        if depth <= 0:
            text = f"{view.name}: the subject lies {-depth:.3g} behind the camera"
            add("behind-camera", text, depth, 0.0, view.name)
    if place.off_origin > REACH:
        text = f"the subject's centre lies {place.off_origin:.4g} from the origin; the model reaches {REACH}"
        add("out-of-reach", text, place.off_origin, REACH)
    elif place.off_origin > OFF_ORIGIN:
        text = f"the subject's centre lies {place.off_origin:.2f} from the origin (expected below {OFF_ORIGIN})"
        add("off-origin", text, place.off_origin, OFF_ORIGIN)
    if place.extent > BOX:
        text = f"the subject reaches {place.extent:.3g} along a world axis; training clamps Gaussians at {BOX:g}"
        add("outside-box", text, place.extent, BOX)
    if place.depth > REACH:
        text = f"the subject lies up to {place.depth:.3g} from the point of its ray that is nearest the origin"
        add("depth-range", text, place.depth, REACH)
    return found + border_findings(sample, place)


def border_findings(sample: Sample, place: Placement) -> list[Finding]:
    """Views whose subject reaches the image's edge. An error never: what the sensor cut, no framing brings back."""
    found: list[Finding] = []
    for view, border in zip(sample.views, place.border, strict=True):
        if border:
            by = {True: " (the sensor had cut it)", False: " (the sensor had not: preparation clipped it)", None: ""}
            text = f"{view.name}: the subject reaches the image's border{by[view.cut]}"
            found.append(sample.finding("clipped", text, camera=view.name))
    return found


def _nearest(point: Vector3, origins: Points3, directions: Points3) -> Points3:
    """The point of each ray that lies nearest `point`."""
    along = (directions * (point - origins)).sum(axis=1, keepdims=True)
    return origins + along * directions


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
    seen = [(o.area, c.width) for c, o in zip(cameras, outlines, strict=True) if o is not None]
    sides = np.sqrt([area for area, _ in seen])
    shares = sides / np.array([width for _, width in seen])
    known = len(seen) > 0
    return Spread(
        float(focals.max() / focals.min()),
        float(off.max()),
        float((off / widths).max()),
        float(sides.max() / sides.min()) if known else float("nan"),
        float(sides.min()) if known else float("nan"),
        float(shares.min()) if known else float("nan"),
    )


def spread_findings(sample: Sample, found: Spread) -> list[Finding]:
    """Notes and warnings where the spread is far from what the model was trained on."""
    out: list[Finding] = []

    def add(code: str, text: str, value: float, limit: float) -> None:
        out.append(sample.finding(code, text, value=value, limit=limit))

    if found.focal > FOCAL_SPREAD:
        add("focal-spread", f"largest / smallest focal length is {found.focal:.2f}", found.focal, FOCAL_SPREAD)
    if found.principal_share > PRINCIPAL_SHARE:
        text = f"a principal point lies {found.principal_px:.0f} px from its image's middle"
        add("principal-spread", text, found.principal_share, PRINCIPAL_SHARE)
    if found.size > SIZE_SPREAD:
        text = f"the subject is {found.size:.2f} times as large in one view as in another"
        add("size-spread", text, found.size, SIZE_SPREAD)
    if found.smallest_share < SMALLEST_SHARE:
        text = f"the smallest subject measures {found.smallest_px:.0f} px (square root of its area)"
        add("small-subject", text, found.smallest_share, SMALLEST_SHARE)
    return out
