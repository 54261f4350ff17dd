"""What `inspect` finds out: plain values, ready for JSON and for the page. None where nothing could be measured."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from mouselift.array_types import Array, Float64, Vector3
from mouselift.findings import Finding
from mouselift.inspect.apart import CamerasApart
from mouselift.keypoints.lag import KeypointLag
from mouselift.keypoints.off_mask import KeypointFacts
from mouselift.masks.quality import CameraQuality

Triple = tuple[float, float, float]


class CameraFacts(msgspec.Struct, frozen=True):
    """One camera as calibrated and as recorded; lengths in the capture's unit, angles in degrees."""

    name: str
    size: tuple[int, int]  # of the image: width, height
    focal: float  # sqrt(fx fy), pixels
    aspect: float  # fx / fy
    principal: tuple[float, float]  # cx, cy in the image, pixels; a centred one is (width/2, height/2)
    principal_off: float  # distance from the image's middle over its longer side
    field: tuple[float, float] | None  # horizontal and vertical field of view; None where the lens folds on the way
    lens: str
    folds: float  # share of the image that the lens model does not map to one ray
    position: Triple
    looks: Triple  # unit direction of the ray through the image's middle
    distance: float  # from the subject (without masks: from where the cameras look)
    elevation: float | None  # above the horizontal plane through the subject; None where up is not known
    azimuth: float | None
    upright: float | None  # cosine between the image's up and the world's; -1: upside down
    frames: int  # images in the file
    rate: float  # of the file, per second; 0 where it does not say
    frame_offset: int
    source: str  # file or folder of the images
    masks: int  # masks in the file or folder; 0 where there is none


class LostFrames(msgspec.Struct, frozen=True):
    """Images that one camera lost on the way."""

    camera: str
    stretches: tuple[tuple[int, int], ...]  # (frame of the common timeline, how many), ascending
    frames: int  # in all
    kept_place: bool  # True: those frames have no image. False: images count on, so many are missing before the frame


class PairFacts(msgspec.Struct, frozen=True):
    """Two cameras: how far apart, and under what angle the subject sees them."""

    first: str
    second: str
    baseline: float
    angle: float  # degrees, 0..180


class MaskFacts(msgspec.Struct, frozen=True):
    """One camera's masks over the sampled instants."""

    camera: str
    instants: int
    no_image: int
    no_mask: int
    empty: int
    cut: int  # reaches the image's border
    parts: int  # more than one part of at least one per cent of the largest
    area_px: float | None  # median
    area_range: tuple[float, float] | None  # 5th and 95th percentile
    quality: CameraQuality  # agreement with the other views, and a verdict in words


class LagFacts(msgspec.Struct, frozen=True):
    """One camera's silhouettes against the others', over frame offsets."""

    camera: str
    offsets: tuple[int, ...]  # tried, on top of what capture.toml says
    curve_px: tuple[float | None, ...]  # distance from the others' tangent planes by offset: (mean of the roots)^2
    best: int | None  # None: undecided
    fine: float | None  # the same between frames, by a parabola
    best_px: float | None
    instants: int  # moving instants that were compared
    agree: float | None  # share of them that fit better at `best` than at 0 (where best is 0: at its nearest rival)
    clear: float | None  # the same, in standard errors over those instants
    also: tuple[int, ...]  # neighbours of the best offset that fit nearly as well
    zero_px: float | None
    said: str  # in words


class SeriesPoint(msgspec.Struct, frozen=True):
    """One camera at one instant, for the plots."""

    frame: int
    area_px: float | None
    tangency_px: float | None  # median |residual| of its pairs, at the offsets of capture.toml


class CameraSeries(msgspec.Struct, frozen=True):
    camera: str
    points: tuple[SeriesPoint, ...]


class AgreementFacts(msgspec.Struct, frozen=True):
    """Which cameras disagree with the rest? Tangency over all instants, with and without each camera."""

    all_px: float  # median |residual| over all pairs
    camera_px: dict[str, float | None]  # over the pairs with this camera
    without_px: dict[str, float | None]  # over the pairs without it
    worst_share: dict[str, float] = {}  # of the instants: its pairs disagree more than any other camera's
    apart: CamerasApart | None = None  # two or more that stand out together


class PathPoint(msgspec.Struct, frozen=True):
    frame: int
    position: Triple
    speed: float | None  # unit per second (per frame where the rate is not known), over the frames around it
    motion_px: float | None  # how far the outline moves in a frame, median view


class PathFacts(msgspec.Struct, frozen=True):
    """The subject's centre (where the rays through the masks' centroids meet) at the sampled instants."""

    points: tuple[PathPoint, ...]
    low: Triple
    high: Triple
    length: float  # of the subject: square root of its largest view's area, in the capture's unit
    median_speed: float | None
    top_speed: float | None  # 95th percentile
    per: str  # "s" or "frame"
    moving: float | None  # share of instants at which the outline moves
    normal: Triple | None  # of the plane the path lies in, towards the cameras; None where it is a line or a point
    height: tuple[float, float] | None  # 5th and 95th percentile along up, above the floor where it is known


class Inspection(msgspec.Struct, frozen=True):
    """Facts and findings of one capture: rig, masks, lag, agreement, the subject's path; lengths in `unit`."""

    capture: str
    rig_format: str
    unit: str
    up: Triple | None
    floor: float | None
    rate: float
    frames: int  # on the common timeline
    duration: float | None  # seconds
    instants: tuple[int, ...]  # frames that were measured
    read: int  # frames that were read for it
    cameras: tuple[CameraFacts, ...]
    lost: tuple[LostFrames, ...]  # cameras that lost none are left out
    pairs: tuple[PairFacts, ...]
    centre: Triple | None  # what distances and angles refer to
    masks: tuple[MaskFacts, ...]
    series: tuple[CameraSeries, ...]
    lag: tuple[LagFacts, ...]
    lag_said: str
    agreement: AgreementFacts | None
    path: PathFacts | None
    scale: str  # the subject's size and the cameras' distance in the declared unit, in words; empty where not known
    evidence: tuple[str, ...]  # what was decided about the rig on loading, in words
    keypoints: KeypointFacts | None  # None: capture.toml names none
    keypoint_lag: KeypointLag | None  # None: none, or not tested, as keypoint_lag_said says
    keypoint_lag_said: str
    findings: tuple[Finding, ...]
    next: str  # what to run

    @property
    def failed(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)


def triple(vector: Vector3, digits: int | None = None) -> Triple:
    """Plain floats, rounded."""
    x, y, z = (vector if digits is None else np.round(vector, digits)).tolist()
    return x, y, z


def rounded_range(values: Sequence[float] | Float64[Array, " n"], digits: int) -> tuple[float, float] | None:
    """5th and 95th percentile; None of nothing."""
    if not len(values):
        return None
    low, high = np.percentile(values, (5, 95)).tolist()
    return round(low, digits), round(high, digits)
