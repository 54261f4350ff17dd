"""What a diagnosis answers: causes, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from mouselift.diagnosis.candidate import Candidate, change_of
from mouselift.diagnosis.causes import CAUSES, DECIDED_BY, VALUE_SENTENCES
from mouselift.diagnosis.fit import Fit
from mouselift.diagnosis.search import Problem


class Cause(msgspec.Struct, frozen=True):
    """One cause."""

    code: str  # a key of `causes.CAUSES`
    sentence: str
    views: tuple[str, ...]  # names of the faulty cameras
    values: dict[str, float]  # "cam4.scale", "cam4.dx" (px), "cam4.distance" (ratio), and "..._sigma" of each
    residual_before_px: float | None = None  # RMS of the tangency residuals; None where no pair has any
    residual_after_px: float | None = None
    ambiguous_with: tuple[str, ...] = ()  # other causes that explain the silhouettes as well
    decided_by: str = ""  # what would tell them apart


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Nothing found: no causes. Of several causes the best stands alone; rivals are named in it."""

    causes: tuple[Cause, ...]
    residual_px: float | None  # RMS with the file's cameras
    undone: Fit | None = None  # the best candidate with corrected cameras; None where nothing can be undone
    rivals: tuple[Fit, ...] = field(default=(), repr=False)  # as good as the best, to the score's grain

    @property
    def cause(self) -> Cause | None:
        return self.causes[0] if self.causes else None


def finite(value: float) -> float | None:
    """None for what no pair of views tells."""
    return value if np.isfinite(value) else None


def describe(best: Fit, rivals: Sequence[Fit], names: tuple[str, ...], before: float | None, problem: Problem) -> Cause:
    """The cause of the best fit; rivals by name."""
    candidate = best.candidate
    code = candidate.code
    views = tuple(names[i] for i in candidate.views)
    values = _values(best, names, problem)
    own = label_of(best, names)
    named = dict.fromkeys(label_of(rival, names) for rival in rivals)
    labels = tuple(f"{label}, other values" if label == own else label for label in named)
    deciders = dict.fromkeys(
        text for rival in (best, *rivals) for key, text in DECIDED_BY.items() if rival.candidate.code.endswith(key)
    )
    after = None if code in ("unexplained", "one-pose") else finite(best.rms_px)
    decided_by = "; ".join(deciders) if labels else ""
    return Cause(code, _sentence(best, names, values), views, values, before, after, labels, decided_by)


def without_values(cause: Cause) -> Cause:
    """The same cause, of which only the kind is known."""
    sentence = f"{CAUSES[cause.code].sentence}; by how much, too few tangent planes say"
    return msgspec.structs.replace(cause, sentence=sentence, values={})


def in_general(candidate: Candidate, names: tuple[str, ...]) -> str:
    """A cause that many samples have in common, without values."""
    who = _who(candidate.views, names)
    if candidate.code == "calibration-copied" and len(candidate.views) > 1:
        return f"{who}: they have one pose; one is a copy of the other, and which one the silhouettes do not say"
    sentence = CAUSES[candidate.code].sentence
    return sentence if candidate.code == "one-intrinsics" else f"{who}: {sentence}"


def label_of(found: Fit, names: tuple[str, ...]) -> str:
    """Code and, where not all views are meant, the views."""
    code = found.candidate.code
    everyone = len(found.candidate.views) in (0, len(names))
    return code if everyone else f"{code} ({', '.join(names[i] for i in found.candidate.views)})"


def _who(views: tuple[int, ...], names: tuple[str, ...]) -> str:
    if len(views) == len(names):
        return "all views"
    return ", ".join(f"view {names[i]}" for i in views)


def _sentence(found: Fit, names: tuple[str, ...], values: dict[str, float]) -> str:
    code = found.candidate.code
    who = _who(found.candidate.views, names)
    sentence = CAUSES[code].sentence
    if code == "one-pose":
        return sentence
    if code == "lens-left":
        return f"{who}: {sentence}: " + "; ".join(dict.fromkeys(_lens(names, values)))
    if code == "one-intrinsics" or code.startswith("each-"):
        return f"{sentence}: " + "; ".join(f"{names[i]} {_one(names[i], values)}" for i in found.candidate.views)
    if code == "all-half-pixel" or not code.startswith(("view-", "all-")):
        middle = "; the image's middle fits" if code == "k-transposed" and not values else ""
        detail = f": {found.candidate.detail}" if found.candidate.detail else ""
        return f"{who}: {sentence}{detail}{middle}" if who else sentence
    first = names[found.candidate.views[0]]
    if len(found.candidate.views) == 2 and code.startswith("view-"):
        return "; ".join(f"view {names[i]}: pixels {_one(names[i], values)}" for i in found.candidate.views)
    what = VALUE_SENTENCES[code.split("-", 1)[1]]
    return f"{who}: " + what.format(v=_one(first, values))


def _one(name: str, values: dict[str, float]) -> str:
    get = {key.removeprefix(f"{name}."): value for key, value in values.items() if key.startswith(f"{name}.")}
    parts = []
    if "principal" in get:
        return f"multiply them by {get['principal']:.4f} +- {get['principal_sigma']:.4f}"
    if "scale" in get:
        deviation = f" +- {get['scale_sigma']:.4f}" if "scale_sigma" in get else ""
        parts.append(f"scaled by {get['scale']:.4f}{deviation}")
    if "scale_x" in get:
        parts.append(f"scaled by {get['scale_x']:.4f} across and {get['scale_y']:.4f} down")
    if "dx" in get:
        parts.append(f"shifted by ({get['dx']:.1f}, {get['dy']:.1f}) px")
    if "distance" in get:
        parts.append(f"distance in the file {1 / get['distance']:.4f} times the true one")
    elif "move_x" in get:
        parts.append(f"true centre = the file's + ({get['move_x']:.4g}, {get['move_y']:.4g}, {get['move_z']:.4g})")
    return " and ".join(parts)


def _lens(names: tuple[str, ...], values: dict[str, float]) -> Iterator[str]:
    """k1 of every view; of all at once where it is one."""
    k1 = [values[f"{name}.k1"] for name in names]
    for name, value in zip(names, k1, strict=True):
        who = "" if len(set(k1)) == 1 else f"{name} "
        yield f"{who}k1 = {value:.3f} +- {values[f'{name}.k1_sigma']:.3f}"


def _values(found: Fit, names: tuple[str, ...], problem: Problem) -> dict[str, float]:
    """What happened to the images, in the terms of the candidate's parameters."""
    candidate = found.candidate
    if candidate.code == "lens-left":
        k1, sigma = (np.broadcast_to(v, len(names)) for v in (found.x, np.sqrt(np.diag(found.covariance))))
        return {key: float(v) for n, x, s in zip(names, k1, sigma, strict=True)
                for key, v in ((f"{n}.k1", x), (f"{n}.k1_sigma", s))}  # fmt: skip
    if candidate.basis is None:
        return _read_values(found, names, problem)
    if candidate.code == "all-principal":
        factor = {"principal": 1 + float(found.x[0]), "principal_sigma": float(np.sqrt(found.covariance[0, 0]))}
        return {f"{name}.{key}": value for name in names for key, value in factor.items()}
    cameras = candidate.apply(problem[0][0])
    basis = candidate.basis(cameras)
    y = basis @ found.x
    sigma = np.sqrt(np.maximum(np.einsum("vak,kl,val->va", basis, found.covariance, basis), 0.0))
    change, _ = change_of(candidate, cameras, found.x)
    used = np.abs(basis).sum(axis=2) > 0
    out: dict[str, float] = {}
    for view in candidate.views:
        name = names[view]
        if used[view, :2].any():
            uniform = used[view, :2].all() and (basis[view, 0] == basis[view, 1]).all()
            for axis, key in ((0, "scale"),) if uniform else ((0, "scale_x"), (1, "scale_y")):
                grow = float(np.exp(y[view, axis]))
                out |= {f"{name}.{key}": grow, f"{name}.{key}_sigma": grow * float(sigma[view, axis])}
        if used[view, 2:4].any():
            for axis, key in ((2, "dx"), (3, "dy")):
                out |= {f"{name}.{key}": float(y[view, axis]), f"{name}.{key}_sigma": float(sigma[view, axis])}
        if used[view, 4:].any():
            out |= _centre_values(name, cameras.centre[view], change[view, 4:], sigma[view, 4:], candidate.code)
    return out


def _read_values(found: Fit, names: tuple[str, ...], problem: Problem) -> dict[str, float]:
    """Of a reading that says how large the image became: no silhouette decided it, so it has no deviation."""
    if not found.candidate.code.startswith("all-") or found.candidate.code == "all-half-pixel":
        return {}
    grown = found.corrected[0].focal / problem[0][0].focal
    out: dict[str, float] = {}
    for name, (x, y) in zip(names, grown.tolist(), strict=True):
        out |= {f"{name}.scale": x} if np.isclose(x, y) else {f"{name}.scale_x": x, f"{name}.scale_y": y}
    return out


def _centre_values(name: str, centre: np.ndarray, move: np.ndarray, sigma: np.ndarray, code: str) -> dict[str, float]:
    if code.endswith("distance"):
        before = max(float(np.linalg.norm(centre)), 1e-300)
        return {f"{name}.distance": float(np.linalg.norm(centre + move)) / before,
                f"{name}.distance_sigma": float(np.linalg.norm(sigma))}  # fmt: skip
    return {f"{name}.move_{key}": float(value) for key, value in zip("xyz", move, strict=True)}
