"""Causes in words, with values and what would decide between rivals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mouselift.diagnosis.candidate import Candidate, change_of
from mouselift.diagnosis.cause import Cause, finite
from mouselift.diagnosis.fit import Fit, Problem

_FIXED = {
    "rotation-transposed": "the rotation was written transposed",
    "c2w-for-w2c": "the file holds camera-to-world matrices under the name w2c",
    "opengl-axes": "the camera's axes are OpenGL's (y up, z backward), expected OpenCV's (y down, z forward)",
    "c2w-opengl": "the file holds camera-to-world matrices of OpenGL axes under the name w2c",
    "views-swapped": "the images of the two views are exchanged",
    "poses-swapped": "the poses of the two views are exchanged, their intrinsics are not",
    "intrinsics-swapped": "the intrinsics of the two views are exchanged, their poses are not",
    "views-out-of-order": "the images stand in another order than the cameras",
    "mirrored": "the image is mirrored; no camera can say that, so the image itself must be flipped",
    "xy-swapped": "fx, cx and fy, cy are exchanged (rows for columns)",
    "all-half-pixel": "off by half a pixel: pixel centres at whole numbers on one side, at +0.5 on the other",
    "views-disagree": "the other views agree without it, and no change of its intrinsics or centre explains it: a "
    "wrong calibration, a wrong mask, or a video that lags (`mouselift inspect` on the capture decides)",
    "unexplained": "the views disagree, and no single cause explains it",
}

_COPIED = "its pose is a copy of another camera's; its own calibration is missing"
_ONE_INTRINSICS = "all views state the same intrinsics, and each image needs its own"

_DECIDED = {
    "focal": "the original calibration's focal length",
    "centre": "the original calibration, or more samples at other places",
    "distance": "the original camera positions",
    "anisotropic": "the size of the source images",
    "scale": "the size of the source images and crops",
    "shift": "the crop that was cut out",
    "disagree": "neighbouring frames (a lag follows the movement), or the original calibration",
}


def describe(best: Fit, rivals: Sequence[Fit], names: tuple[str, ...], before: float | None, problem: Problem) -> Cause:
    """The cause of the best fit; rivals by name."""
    candidate = best.candidate
    code = candidate.code
    views = tuple(names[i] for i in candidate.views)
    values = _values(best, names, problem)
    labels = tuple(dict.fromkeys(_label(rival, names) for rival in rivals))
    own = _label(best, names)
    labels = tuple(label for label in labels if label != own)
    deciders = dict.fromkeys(
        text for rival in (best, *rivals) for key, text in _DECIDED.items() if rival.candidate.code.endswith(key)
    )
    after = None if code == "unexplained" else finite(best.rms_px)
    return Cause(
        code,
        views,
        values,
        _sentence(best, names, values),
        before,
        after,
        labels,
        "; ".join(deciders) if labels else "",
    )


def in_general(candidate: Candidate, names: tuple[str, ...]) -> str:
    """A cause that many samples have in common, without values."""
    who = _who(candidate.views, names)
    if candidate.code == "calibration-copied" and len(candidate.views) > 1:
        return f"{who}: they state one pose; one is a copy of the other, and which one the silhouettes do not say"
    if candidate.code == "one-intrinsics":
        return _ONE_INTRINSICS
    if candidate.code == "k-transposed":
        return f"{who}: the principal point is 0, as when K is read from its transpose"
    return f"{who}: {_FIXED.get(candidate.code, _COPIED)}"


def _label(found: Fit, names: tuple[str, ...]) -> str:
    code = found.candidate.code
    everyone = len(found.candidate.views) in (0, len(names))
    return code if everyone else f"{code} ({', '.join(names[i] for i in found.candidate.views)})"


def _who(views: tuple[int, ...], names: tuple[str, ...]) -> str:
    if len(views) == len(names):
        return "all views"
    return ", ".join(f"view {i} ({names[i]})" for i in views)


def _sentence(found: Fit, names: tuple[str, ...], values: dict[str, float]) -> str:
    code = found.candidate.code
    who = _who(found.candidate.views, names)
    if code in _FIXED:
        return f"{who}: {_FIXED[code]}" if who else _FIXED[code]
    if code == "calibration-copied":
        return f"{who}: {_COPIED}"
    if code == "k-transposed":
        return f"{who}: the principal point is 0, as when K is read from its transpose" + _fitted_point(names, values)
    if code == "one-intrinsics" or code.startswith("each-"):
        head = {
            "one-intrinsics": _ONE_INTRINSICS,
            "each-distance": "each camera's distance was set on its own (the centre moved, the image did not)",
            "each-scale": "each view's pixels were scaled on their own without fx, fy",
            "each-shift": "each view's pixels were shifted on their own without cx, cy",
        }.get(code, "each view's pixels were scaled and shifted on their own without fx, fy, cx, cy")
        return f"{head}: " + "; ".join(f"{names[i]} {_one(names[i], values)}" for i in found.candidate.views)
    first = names[found.candidate.views[0]]
    if len(found.candidate.views) == 2 and code.startswith("view-"):
        return "; ".join(f"view {i} ({names[i]}): pixels {_one(names[i], values)}" for i in found.candidate.views)
    what = {
        "centre": "the camera's centre was moved on its own: {v}",
        "distance": "the camera's distance was changed on its own: {v}",
        "size": "the intrinsics belong to images of another size: pixels {v}",
        "focal": "fx, fy are not those of the images: pixels {v} about the principal point",
        "anisotropic": "the image was stretched without fx, fy alike (anisotropic resize): {v}",
        "shift": "pixels {v} without cx, cy",
        "scale": "pixels {v} without fx, fy",
        "scale-shift": "pixels {v} without fx, fy, cx, cy",
    }[code.split("-", 1)[1]]
    return f"{who}: " + what.format(v=_one(first, values))


def _one(name: str, values: dict[str, float]) -> str:
    get = {key.removeprefix(f"{name}."): value for key, value in values.items() if key.startswith(f"{name}.")}
    parts = []
    if "scale" in get:
        parts.append(f"scaled by {get['scale']:.4f} +- {get.get('scale_sigma', 0):.4f}")
    if "scale_x" in get:
        parts.append(f"scaled by {get['scale_x']:.4f} across and {get['scale_y']:.4f} down")
    if "dx" in get:
        parts.append(f"shifted by ({get['dx']:.1f}, {get['dy']:.1f}) px")
    if "distance" in get:
        parts.append(f"stated distance {1 / get['distance']:.4f} times the true one")
    elif "move_x" in get:
        parts.append(f"true centre = stated + ({get['move_x']:.4g}, {get['move_y']:.4g}, {get['move_z']:.4g})")
    return " and ".join(parts)


def _fitted_point(names: tuple[str, ...], values: dict[str, float]) -> str:
    return "" if values else "; the image's middle fits"


def _values(found: Fit, names: tuple[str, ...], problem: Problem) -> dict[str, float]:
    """What happened to the images, in the terms of the candidate's parameters."""
    candidate = found.candidate
    if candidate.basis is None:
        return {}
    cameras = candidate.apply(problem[0][0])
    basis = candidate.basis(cameras)
    y = basis @ found.x
    spread = np.sqrt(np.maximum(np.einsum("vak,kl,val->va", basis, found.covariance, basis), 0.0))
    change, _ = change_of(candidate, cameras, found.x)
    used = np.abs(basis).sum(axis=2) > 0
    out: dict[str, float] = {}
    for view in candidate.views:
        name = names[view]
        if used[view, :2].any():
            if used[view, :2].all() and (basis[view, 0] == basis[view, 1]).all():
                out[f"{name}.scale"] = float(np.exp(y[view, 0]))
                out[f"{name}.scale_sigma"] = float(np.exp(y[view, 0]) * spread[view, 0])
            else:
                for axis, key in enumerate("xy"):
                    out[f"{name}.scale_{key}"] = float(np.exp(y[view, axis]))
                    out[f"{name}.scale_{key}_sigma"] = float(np.exp(y[view, axis]) * spread[view, axis])
        if used[view, 2:4].any():
            for axis, key in ((2, "dx"), (3, "dy")):
                out[f"{name}.{key}"] = float(y[view, axis])
                out[f"{name}.{key}_sigma"] = float(spread[view, axis])
        if used[view, 4:].any():
            out |= _centre_values(name, cameras.centre[view], change[view, 4:], spread[view, 4:], candidate.code)
    return out


def _centre_values(name: str, centre: np.ndarray, move: np.ndarray, spread: np.ndarray, code: str) -> dict[str, float]:
    if code.endswith("distance"):
        before = max(float(np.linalg.norm(centre)), 1e-300)
        return {f"{name}.distance": float(np.linalg.norm(centre + move)) / before,
                f"{name}.distance_sigma": float(np.linalg.norm(spread))}  # fmt: skip
    return {f"{name}.move_{key}": float(value) for key, value in zip("xyz", move, strict=True)}
