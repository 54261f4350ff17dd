"""Where the subject is at the chosen instants, how fast it goes, and whether the given up direction fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mouselift.array_types import Points3, Vector3
from mouselift.errors import LensFoldError
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.geometry.triangulation import triangulate
from mouselift.inspect.facts import PathFacts, PathPoint, rounded_range, triple
from mouselift.inspect.lag import MOVING_PX
from mouselift.inspect.sampled_frames import FrameOutlines
from mouselift.masks.quality import rounded_median

_FLAT = 0.35  # third over second extent of a path that lies in a plane
_WIDE = 0.2  # second over first extent of one that is not a line
_AWAY = 0.5  # of the subject's length: root mean square distance that it must go, both ways
_TILT = 20.0  # degrees between up and the path's plane before a word is said
# A jump is farther, in one frame, than an animal runs and than its centre jitters, in its lengths (root of its largest
# view's area: 55 mm of a mouse). It jitters by less than what a view may be off in it (`_OUTLIER`).
_RUNS = 20.0  # lengths a second: a mouse at 1.1 m/s, a gallop
_ASSUMED_RATE = 30.0  # frames a second where the recording does not say
_OUTLIER = 0.25  # of a silhouette's size: a view whose centroid is farther off is not used (framing.subject's)


@dataclass(frozen=True, eq=False)
class SubjectPosition:
    """Where the subject is in one frame, and how long it is."""

    frame: int
    centre: Vector3
    length: float  # world units


def subject_position(outlines: FrameOutlines) -> SubjectPosition | None:
    """Meeting point of the rays through the centroids of the views that no border cuts; None with fewer than two."""
    whole = [view for view in outlines.views if view is not None and not view.outline.uninformative.any()]
    if len(whole) < 2:
        return None
    cameras = [view.camera for view in whole]
    size = float(np.median([np.sqrt(view.outline.area) for view in whole]))
    pixels = np.concatenate([view.outline.centroid for view in whole])
    try:
        point = triangulate(cameras, pixels, _OUTLIER * size).point
    except (ValueError, LensFoldError):
        return None
    lengths = [
        np.sqrt(view.outline.area) * float(view.camera.depth(point[None])[0]) / view.camera.focal for view in whole
    ]
    return SubjectPosition(outlines.frame, point, float(max(lengths)))


def path_facts(
    positions: Sequence[SubjectPosition],
    motions: Mapping[int, float | None],
    reach: int,
    rate: float,
    up: Vector3 | None,
    floor: float | None,
    cameras: Sequence[Camera],
) -> PathFacts | None:
    """`positions`: neighbours of instants included; `motions`: instant -> pixels a frame. None without any."""
    by_frame = {position.frame: position for position in positions}
    chosen = [by_frame[frame] for frame in motions if frame in by_frame]
    if not chosen:
        return None
    centres = np.stack([position.centre for position in chosen])
    points = [_point(position, motions[position.frame], by_frame, reach, rate) for position in chosen]
    speeds = [point.speed for point in points if point.speed is not None]
    known = [point.motion_px for point in points if point.motion_px is not None]
    length = float(np.median([position.length for position in chosen]))
    normal = plane_normal(centres, np.stack([camera.centre for camera in cameras]).mean(axis=0), length)
    return PathFacts(
        points=tuple(points),
        low=triple(centres.min(axis=0), 4),
        high=triple(centres.max(axis=0), 4),
        length=round(length, 4),
        median_speed=rounded_median(speeds, 4),
        top_speed=round(float(np.percentile(speeds, 95)), 4) if speeds else None,
        per="s" if rate > 0 else "frame",
        moving=round(float(np.mean([m >= MOVING_PX for m in known])), 4) if known else None,
        normal=None if normal is None else triple(normal, 5),
        height=None if up is None else rounded_range(centres @ up - (floor or 0.0), 4),
    )


def _point(
    position: SubjectPosition, motion: float | None, by_frame: Mapping[int, SubjectPosition], reach: int, rate: float
) -> PathPoint:
    """Speed over the frames around an instant: a centre jitters by more than an animal goes in one frame."""
    before, after = by_frame.get(position.frame - reach), by_frame.get(position.frame + reach)
    speed = None
    if reach > 0 and before is not None and after is not None:
        speed = round(float(np.linalg.norm(after.centre - before.centre)) / (2 * reach) * (rate or 1.0), 4)
    moved = None if motion is None else round(motion, 3)
    return PathPoint(position.frame, triple(position.centre, 4), speed, moved)


def plane_normal(centres: Points3, cameras_mean: Vector3, length: float) -> Vector3 | None:
    """Normal of the plane in which the path lies, towards the cameras; None where it is no plane, or the subject
    (`length` world units long) hardly walks: its centre then moves as it bends."""
    if len(centres) < 8:
        return None
    apart = centres - np.median(centres, axis=0)
    _, extent, axes = np.linalg.svd(apart, full_matrices=False)
    spread = extent / np.sqrt(len(centres))
    if spread[1] < max(_WIDE * spread[0], _AWAY * length) or spread[2] > _FLAT * spread[1]:
        return None
    normal = axes[2]
    return normal if float(normal @ (cameras_mean - centres.mean(axis=0))) >= 0 else -normal


def jump_findings(positions: Sequence[SubjectPosition], rate: float) -> Iterator[Finding]:
    """Neighbouring frames between which the subject is suddenly elsewhere. rate: frames a second; 0: not known."""
    ordered = sorted(positions, key=lambda position: position.frame)
    length = float(np.median([position.length for position in ordered])) if ordered else 0.0
    limit = _OUTLIER + _RUNS / (rate or _ASSUMED_RATE)
    found = [
        (b.frame, float(np.linalg.norm(b.centre - a.centre)))
        for a, b in pairwise(ordered)
        if b.frame == a.frame + 1 and float(np.linalg.norm(b.centre - a.centre)) > limit * length
    ]
    if found:
        frame, step = found[0]
        per = f"at {rate:.4g} frames/s" if rate else f"at {_ASSUMED_RATE:g} frames/s, assumed since none is stated"
        text = (
            f"the subject's centre jumps by {step:.3g} world units ({step / length:.1f} times its length) in one "
            f"frame, at {len(found)} of the sampled frames, first at {frame}; {per}, expected at most {limit:.2f} "
            f"({_RUNS:g} lengths a second, and jitter): frames are missing there (list it under `jumps` in "
            "capture.toml), a mask holds something else, or the rate is wrong"
        )
        yield Finding.of("path-jumps", text, frame=frame, value=step / length, limit=limit)


def up_findings(
    cameras: Sequence[Camera], up: Vector3 | None, floor: float | None, path: PathFacts | None
) -> Iterator[Finding]:
    """Does the given up fit the cameras' own upright direction, their heights and the path's plane?"""
    normal = None if path is None or path.normal is None else np.array(path.normal)
    if up is None:
        guess = (
            "" if normal is None else f" The path lies in a plane; up = {[round(float(v), 3) for v in normal]} fits it."
        )
        yield Finding.of(
            "up-unknown",
            "which way is up is not known: elevations and heights are left out, and `mask` and `prepare` refuse "
            f"to work.{guess}",
        )
        return
    upright = np.array([-camera.R_cam_world[1] @ up for camera in cameras])
    down = [camera.name for camera, cosine in zip(cameras, upright, strict=True) if cosine < -0.3]
    if len(down) > len(cameras) / 2:
        text = (
            f"{len(down)} of {len(cameras)} cameras ({', '.join(down)}) stand on their heads with the stated up; "
            "expected most of them upright. Is its sign wrong?"
        )
        yield Finding.of("up-flipped", text, value=len(down) / len(cameras), limit=0.5)
    if normal is not None:
        angle = float(np.degrees(np.arccos(min(1.0, abs(float(normal @ up))))))
        if angle > _TILT:
            text = (
                f"the subject's path lies in a plane that is tilted by {angle:.0f} degrees against the stated up; "
                f"expected it level. Its normal is {[round(float(v), 3) for v in normal]}"
            )
            yield Finding.of("up-tilted", text, value=angle, limit=_TILT)
    if path is None or not path.points:
        return
    middle = np.median([point.position for point in path.points], axis=0)
    below = [camera.name for camera in cameras if float((camera.centre - middle) @ up) < 0]
    if len(below) == len(cameras):
        text = "all cameras lie below the subject: right for a glass floor, else up has the wrong sign"
        yield Finding.of("cameras-below", text)
    if floor is not None and path.height is not None and path.height[1] < 0:
        text = (
            f"the subject's centre lies {-path.height[1]:.3g} units below the floor that capture.toml states (floor = "
            f"{floor:g}); expected it above. Correct floor, or up"
        )
        yield Finding.of("floor-above", text, value=path.height[1], limit=0.0)
