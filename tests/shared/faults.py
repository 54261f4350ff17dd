"""Faults put into exact samples by editing the cameras in their files; no image is ever resampled.

A pipeline that scales an image and forgets the intrinsics leaves a file whose camera belongs to the unscaled image.
So the pixels here stay as they are, and the written camera becomes that of the image "before". Each function draws
realistic values where none are given and answers what it did (`Injected`). `rough` spoils masks and leaves cameras;
`lens_left` alone resamples, for a lens is in the pixels. What is done to files is in `file_faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mouselift.array_types import Matrix4
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from rough_masks import Roughness, roughen


@dataclass(frozen=True, eq=False)
class Injected:
    """A spoiled sample and the truth about it.

    `values`, for changes of images p' = middle + scale (p - middle) + (dx, dy): "scale", "dx", "dy" (pixels) of the
    one faulty view, or "scale[k]", "dx[k]", "dy[k]" of view k.
    """

    sample: Sample
    views: tuple[int, ...]  # the faulty ones; all of them where no single view is
    values: dict[str, float]
    fault: str


def unscaled(camera: Camera, scale: float, dx: float = 0.0, dy: float = 0.0) -> Camera:
    """The camera of the image before p' = middle + scale (p - middle) + (dx, dy), middle = (w/2, h/2).

    `camera` is that of p'. Writing the answer next to p' is the fault; the inverse change is the repair.
    """
    x, y = camera.width / 2, camera.height / 2
    return replace(
        camera,
        fx=camera.fx / scale,
        fy=camera.fy / scale,
        cx=x + (camera.cx - x - dx) / scale,
        cy=y + (camera.cy - y - dy) / scale,
    )


def view_scale(
    sample: Sample, rng: np.random.Generator, *, scale: float | None = None, view: int | None = None
) -> Injected:
    """One view's pixels scaled about the image's middle, fx, fy, cx, cy not. Drawn: 0.7 .. 1.4, either sign."""
    k = _one(sample, rng, view)
    s = scale if scale is not None else float(np.exp(rng.uniform(np.log(0.7), np.log(1.4))))
    return _one_camera(sample, k, unscaled(sample.views[k].camera, s), {"scale": s}, "view_scale")


def view_shift(
    sample: Sample, rng: np.random.Generator, *, pixels: float | None = None, view: int | None = None
) -> Injected:
    """One view's pixels shifted by `pixels` in a random direction, cx, cy not. Drawn: 1 .. 40 px."""
    k = _one(sample, rng, view)
    length = pixels if pixels is not None else float(np.exp(rng.uniform(0.0, np.log(40.0))))
    turn = rng.uniform(0.0, 2 * np.pi)
    dx, dy = float(length * np.cos(turn)), float(length * np.sin(turn))
    return _one_camera(
        sample, k, unscaled(sample.views[k].camera, 1.0, dx, dy), {"dx": dx, "dy": dy}, "view_shift"
    )  # fmt: skip


def half_pixel_all(sample: Sample, rng: np.random.Generator, *, pixels: float | None = None) -> Injected:
    """All principal points off by (0.5, 0.5): another tool's pixel centres. Drawn: either sign."""
    d = pixels if pixels is not None else float(rng.choice([-0.5, 0.5]))
    cameras = [unscaled(view.camera, 1.0, d, d) for view in sample.views]
    return _all_cameras(sample, cameras, {"dx": d, "dy": d}, "half_pixel_all")


def views_rescaled(sample: Sample, rng: np.random.Generator, *, spread: float = 1.5) -> Injected:
    """Every view's pixels scaled (1/spread .. spread) and shifted (up to 40 px) on its own, intrinsics not."""
    scales = np.exp(rng.uniform(-np.log(spread), np.log(spread), len(sample.views)))
    shifts = rng.uniform(-40.0, 40.0, (len(sample.views), 2))
    return _rescaled(sample, scales, shifts, "views_rescaled")


def legacy(sample: Sample, rng: np.random.Generator, *, spread: float = 1.5) -> Injected:
    """The old pipeline: each view scaled about its centre of mass, which is shifted to the middle; intrinsics left.

    The images are rolled by whole pixels, so the centre of mass comes to lie within half a pixel of the middle.
    """
    scales = np.exp(rng.uniform(-np.log(spread), np.log(spread), len(sample.views)))
    shifts, views = np.zeros((len(sample.views), 2)), []
    for k, view in enumerate(sample.views):
        size = np.array([view.camera.width, view.camera.height], dtype=np.float64)
        rolled = _rolled(view, np.rint(size / 2 - _centre_of_mass(view)).astype(np.int64))
        views.append(rolled)
        before = size / 2 + rng.uniform(-0.12, 0.12, 2) * size  # of the centre of mass, in the image that was scaled
        shifts[k] = _centre_of_mass(rolled) - size / 2 - scales[k] * (before - size / 2)
    return _rescaled(replace(sample, views=tuple(views)), scales, shifts, "legacy")


def one_intrinsics_for_all(sample: Sample, rng: np.random.Generator, *, source: int | None = None) -> Injected:
    """All views get one view's fx, fy, cx, cy."""
    k = _one(sample, rng, source)
    given = sample.views[k].camera
    cameras = [replace(v.camera, fx=given.fx, fy=given.fy, cx=given.cx, cy=given.cy) for v in sample.views]
    return _all_cameras(sample, cameras, {"source": float(k)}, "one_intrinsics_for_all")


def wrong_intrinsics_all(sample: Sample, rng: np.random.Generator, *, scale: float | None = None) -> Injected:
    """All views scaled alike about their middles (one wrong focal length). Drawn: 0.7 .. 0.9 or 1.1 .. 1.4.

    Nearly a gauge: subjects in the middle of the image hardly tell a common zoom from a smaller subject.
    """
    s = scale if scale is not None else float(rng.choice([rng.uniform(0.7, 0.9), rng.uniform(1.1, 1.4)]))
    cameras = [unscaled(view.camera, s) for view in sample.views]
    return _all_cameras(sample, cameras, {"scale": s}, "wrong_intrinsics_all")


def anisotropic(sample: Sample, rng: np.random.Generator, *, ratio: float | None = None) -> Injected:
    """All images stretched in x by `ratio` against y, written fx, cx not. Drawn: 0.75 .. 0.95 or its inverse."""
    drawn = float(rng.uniform(0.75, 0.95))
    a = ratio if ratio is not None else float(rng.choice([drawn, 1 / drawn]))
    cameras = [
        replace(v.camera, fx=v.camera.fx / a, cx=v.camera.width / 2 + (v.camera.cx - v.camera.width / 2) / a)
        for v in sample.views
    ]
    return _all_cameras(sample, cameras, {"ratio": a}, "anisotropic")


def k_transposed(sample: Sample, rng: np.random.Generator) -> Injected:
    """K read transposed: the principal point is lost, cx = cy = 0."""
    cameras = [replace(view.camera, cx=0.0, cy=0.0) for view in sample.views]
    return _all_cameras(sample, cameras, {}, "k_transposed")


def image_size_wrong(sample: Sample, rng: np.random.Generator, *, factor: float | None = None) -> Injected:
    """Intrinsics of images of another size: fx, fy, cx, cy all times `factor`. Drawn: usual sizes over 512."""
    r = factor if factor is not None else float(rng.choice([224, 256, 384, 640, 720, 800, 1024]) / 512)
    cameras = [
        replace(v.camera, fx=v.camera.fx * r, fy=v.camera.fy * r, cx=v.camera.cx * r, cy=v.camera.cy * r)
        for v in sample.views
    ]
    return _all_cameras(sample, cameras, {"factor": r}, "image_size_wrong")


_ASPECTS = (16 / 9, 3 / 2, 4 / 3, 5 / 4, 9 / 8)  # of source images, width over height
_SIDES = (640, 720, 960, 1024, 1152, 1280, 1920)  # of source images, pixels


def normalised_intrinsics(sample: Sample, rng: np.random.Generator) -> Injected:
    """fx, fy, cx, cy in units of the image's width, as RealEstate10K's loaders keep them."""
    cameras = [
        replace(c, fx=c.fx / c.width, fy=c.fy / c.width, cx=c.cx / c.width, cy=c.cy / c.width)
        for c in (view.camera for view in sample.views)
    ]
    return _all_cameras(sample, cameras, {}, "normalised_intrinsics")


def fy_from_height(sample: Sample, rng: np.random.Generator) -> Injected:
    """fx from the width and fy from the height of source images, by one field of view; pixels are square."""
    a = float(rng.choice(_ASPECTS))
    cameras = [replace(v.camera, fy=v.camera.fy / a) for v in sample.views]
    return _all_cameras(sample, cameras, {"ratio": a}, "fy_from_height")


def fov_wrong_side(sample: Sample, rng: np.random.Generator) -> Injected:
    """A field of view of one side taken for the other's: fx, fy off by the source's aspect, either way."""
    a = float(rng.choice(_ASPECTS)) ** int(rng.choice([-1, 1]))
    cameras = [replace(v.camera, fx=v.camera.fx / a, fy=v.camera.fy / a) for v in sample.views]
    return _all_cameras(sample, cameras, {"ratio": a}, "fov_wrong_side")


def principal_not_scaled(sample: Sample, rng: np.random.Generator) -> Injected:
    """Images resized with fx, fy; cx, cy are those of the source's size."""
    s = sample.views[0].camera.width / float(rng.choice(_SIDES))
    cameras = [replace(v.camera, cx=v.camera.cx / s, cy=v.camera.cy / s) for v in sample.views]
    return _all_cameras(sample, cameras, {"principal": s}, "principal_not_scaled")


def crop_not_shifted(sample: Sample, rng: np.random.Generator) -> Injected:
    """One crop for all views, 5 to 60 % of the image's width from the source's corner; cx, cy left as they were."""
    dx, dy = (rng.uniform(0.05, 0.6, 2) * sample.views[0].camera.width).tolist()
    cameras = [unscaled(view.camera, 1.0, -dx, -dy) for view in sample.views]
    return _all_cameras(sample, cameras, {"dx": -dx, "dy": -dy}, "crop_not_shifted")


def crops_not_shifted(sample: Sample, rng: np.random.Generator) -> Injected:
    """A crop a view, up to 40 % of the image's width apart; cx, cy left as they were."""
    shifts = -rng.uniform(0.0, 0.4, (len(sample.views), 2)) * sample.views[0].camera.width
    return _rescaled(sample, np.ones(len(sample.views)), shifts, "crops_not_shifted")


def lens_left(sample: Sample, rng: np.random.Generator, *, k1: float | None = None) -> Injected:
    """Every image distorted by one k1 about its principal point, as before undistortion. Drawn: -0.35 .. -0.1.

    Values: "k1", and "px": the largest displacement of a subject's pixel.
    """
    k = k1 if k1 is not None else float(rng.uniform(-0.35, -0.1))
    views, largest = [], 0.0
    for view in sample.views:
        camera = view.camera
        y, x = np.mgrid[: camera.height, : camera.width] + 0.5
        seen = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy])
        far = np.linalg.norm(seen, axis=0)
        ideal = far.copy()  # of the undistorted image, by fixed point
        for _ in range(30):
            ideal = far / (1 + k * ideal**2)
        at = seen * (ideal / np.maximum(far, 1e-12))
        u, v = at[0] * camera.fx + camera.cx - 0.5, at[1] * camera.fy + camera.cy - 0.5
        alpha = cv2.remap(view.alpha, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR)
        moved = np.hypot(u + 0.5 - x, v + 0.5 - y)[alpha > 127]
        largest = max(largest, float(moved.max(initial=0.0)))
        views.append(replace(view, alpha=alpha))
    everyone = tuple(range(len(views)))
    return Injected(replace(sample, views=tuple(views)), everyone, {"k1": k, "px": largest}, "lens_left")


def pictures_turned(sample: Sample, rng: np.random.Generator, *, quarters: int | None = None) -> Injected:
    """All images turned clockwise by 90, 180 or 270 degrees."""
    turn = quarters if quarters is not None else int(rng.integers(1, 4))
    views = tuple(_turned(view, turn) for view in sample.views)
    return Injected(replace(sample, views=views), tuple(range(len(views))), {"quarters": turn}, "pictures_turned")


def picture_turned(sample: Sample, rng: np.random.Generator, *, view: int | None = None) -> Injected:
    """One image turned clockwise by 90, 180 or 270 degrees."""
    k, turn = _one(sample, rng, view), int(rng.integers(1, 4))
    return Injected(_with(sample, {k: _turned(sample.views[k], turn)}), (k,), {"quarters": turn}, "picture_turned")


def views_cycled(sample: Sample, rng: np.random.Generator) -> Injected:
    """Three views' images exchanged in a circle."""
    a, b, c = rng.permutation(len(sample.views))[:3].tolist()
    spoiled = {
        k: replace(sample.views[k], alpha=sample.views[j].alpha, colours=sample.views[j].colours)
        for k, j in ((a, b), (b, c), (c, a))
    }
    return Injected(_with(sample, spoiled), tuple(sorted((a, b, c))), {}, "views_cycled")


def one_r_transposed(sample: Sample, rng: np.random.Generator, *, view: int | None = None) -> Injected:
    """R^T in place of R in one view, t kept."""
    k = _one(sample, rng, view)
    T = sample.views[k].camera.T_cam_world
    camera = replace(sample.views[k].camera, T_cam_world=_pose(T[:3, :3].T, T[:3, 3]))
    return _one_camera(sample, k, camera, {}, "one_r_transposed")


def one_pose_for_all(sample: Sample, rng: np.random.Generator) -> Injected:
    """The first view's pose in all entries: a loop index that stood still."""
    T = sample.views[0].camera.T_cam_world
    return _all_cameras(sample, [replace(v.camera, T_cam_world=T) for v in sample.views], {}, "one_pose_for_all")


def r_transposed(sample: Sample, rng: np.random.Generator) -> Injected:
    """R^T in place of R in all views, t kept."""
    return _posed(sample, lambda T: _pose(T[:3, :3].T, T[:3, 3]), "r_transposed")


def c2w_for_w2c(sample: Sample, rng: np.random.Generator) -> Injected:
    """The inverse pose under the name of w2c, in all views."""
    return _posed(sample, lambda T: _pose(T[:3, :3].T, -T[:3, :3].T @ T[:3, 3]), "c2w_for_w2c")


def opengl_axes(sample: Sample, rng: np.random.Generator) -> Injected:
    """Camera axes y up, z backward (OpenGL, Blender), in all views."""
    flip = np.diag([1.0, -1.0, -1.0])
    return _posed(sample, lambda T: _pose(flip @ T[:3, :3], flip @ T[:3, 3]), "opengl_axes")


def mirrored_view(sample: Sample, rng: np.random.Generator, *, view: int | None = None) -> Injected:
    """One view's image flipped left to right."""
    k = _one(sample, rng, view)
    old = sample.views[k]
    colours = None if old.colours is None else np.ascontiguousarray(old.colours[:, ::-1])
    flipped = replace(old, alpha=np.ascontiguousarray(old.alpha[:, ::-1]), colours=colours)
    return Injected(_with(sample, {k: flipped}), (k,), {}, "mirrored_view")


def centre_moved(sample: Sample, rng: np.random.Generator, *, strength: float = 1.0) -> Injected:
    """Every camera set to one distance (the median) from the world's origin on its own; R and pixels kept.

    strength: 1 moves all the way; values "ratio[k]": written distance over the true one.
    """
    distances = np.array([np.linalg.norm(view.camera.centre) for view in sample.views])
    target = float(np.median(distances))
    cameras, values = [], {}
    for k, view in enumerate(sample.views):
        ratio = float(1 + strength * (target / distances[k] - 1))
        R = view.camera.R_cam_world
        cameras.append(replace(view.camera, T_cam_world=_pose(R, -R @ (view.camera.centre * ratio))))
        values[f"ratio[{k}]"] = ratio
    return _all_cameras(sample, cameras, values, "centre_moved")


def swapped_views(sample: Sample, rng: np.random.Generator, *, views: tuple[int, int] | None = None) -> Injected:
    """Two views' images exchanged, cameras kept."""
    i, j = views if views is not None else sorted(rng.permutation(len(sample.views))[:2].tolist())
    a, b = sample.views[i], sample.views[j]
    spoiled = {
        i: replace(a, alpha=b.alpha, colours=b.colours, cut=b.cut, path=b.path),
        j: replace(b, alpha=a.alpha, colours=a.colours, cut=a.cut, path=a.path),
    }
    return Injected(_with(sample, spoiled), (i, j), {}, "swapped_views")


def copied_calibration(sample: Sample, rng: np.random.Generator, *, pair: tuple[int, int] | None = None) -> Injected:
    """One camera's entry is a copy of another's: `pair` = (the faulty camera, whose entry it got)."""
    k, other = pair if pair is not None else tuple(rng.permutation(len(sample.views))[:2].tolist())
    camera = replace(sample.views[other].camera, name=sample.views[k].camera.name)
    return _one_camera(sample, k, camera, {"copy_of": float(other)}, "copied_calibration")


def rough(sample: Sample, rng: np.random.Generator, *, what: Roughness | None = None) -> Injected:
    """Masks spoiled, cameras exact: no fault of geometry. `views`: whose outline is off by pixels."""
    spoiled, views, values = roughen(sample, rng, what)
    return Injected(spoiled, views, values, "rough")


FAULTS: dict[str, Callable[[Sample, np.random.Generator], Injected]] = {
    "view_scale": view_scale,
    "view_shift": view_shift,
    "half_pixel_all": half_pixel_all,
    "views_rescaled": views_rescaled,
    "legacy": legacy,
    "one_intrinsics_for_all": one_intrinsics_for_all,
    "wrong_intrinsics_all": wrong_intrinsics_all,
    "anisotropic": anisotropic,
    "k_transposed": k_transposed,
    "image_size_wrong": image_size_wrong,
    "normalised_intrinsics": normalised_intrinsics,
    "fy_from_height": fy_from_height,
    "fov_wrong_side": fov_wrong_side,
    "principal_not_scaled": principal_not_scaled,
    "crop_not_shifted": crop_not_shifted,
    "crops_not_shifted": crops_not_shifted,
    "lens_left": lens_left,
    "pictures_turned": pictures_turned,
    "picture_turned": picture_turned,
    "views_cycled": views_cycled,
    "one_r_transposed": one_r_transposed,
    "one_pose_for_all": one_pose_for_all,
    "r_transposed": r_transposed,
    "c2w_for_w2c": c2w_for_w2c,
    "opengl_axes": opengl_axes,
    "mirrored_view": mirrored_view,
    "centre_moved": centre_moved,
    "swapped_views": swapped_views,
    "copied_calibration": copied_calibration,
}


def _turned(view: View, quarters: int) -> View:
    """The image turned clockwise; its camera keeps its numbers."""
    colours = None if view.colours is None else np.ascontiguousarray(np.rot90(view.colours, -quarters))
    return replace(view, alpha=np.ascontiguousarray(np.rot90(view.alpha, -quarters)), colours=colours)


def _one(sample: Sample, rng: np.random.Generator, view: int | None) -> int:
    return int(rng.integers(len(sample.views))) if view is None else view


def _with(sample: Sample, changed: dict[int, View]) -> Sample:
    return replace(sample, views=tuple(changed.get(k, view) for k, view in enumerate(sample.views)))


def _one_camera(sample: Sample, k: int, camera: Camera, values: dict[str, float], fault: str) -> Injected:
    return Injected(_with(sample, {k: replace(sample.views[k], camera=camera)}), (k,), values, fault)


def _all_cameras(sample: Sample, cameras: Sequence[Camera], values: dict[str, float], fault: str) -> Injected:
    spoiled = {k: replace(sample.views[k], camera=camera) for k, camera in enumerate(cameras)}
    return Injected(_with(sample, spoiled), tuple(range(len(cameras))), values, fault)


def _rescaled(sample: Sample, scales: np.ndarray, shifts: np.ndarray, fault: str) -> Injected:
    cameras, values = [], {}
    for k, (view, scale, (dx, dy)) in enumerate(zip(sample.views, scales.tolist(), shifts.tolist(), strict=True)):
        cameras.append(unscaled(view.camera, scale, dx, dy))
        values |= {f"scale[{k}]": scale, f"dx[{k}]": dx, f"dy[{k}]": dy}
    return _all_cameras(sample, cameras, values, fault)


def _pose(R: np.ndarray, t: np.ndarray) -> Matrix4:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, t
    return T


def _posed(sample: Sample, change: Callable[[Matrix4], Matrix4], fault: str) -> Injected:
    cameras = [replace(view.camera, T_cam_world=change(view.camera.T_cam_world)) for view in sample.views]
    return _all_cameras(sample, cameras, {}, fault)


def _centre_of_mass(view: View) -> np.ndarray:
    """Pixels; the image's middle where nothing is on it."""
    levels = view.alpha.astype(np.float64)
    total = float(levels.sum())
    if total == 0:
        return np.array([view.camera.width / 2, view.camera.height / 2])
    across, down = np.arange(levels.shape[1]) + 0.5, np.arange(levels.shape[0]) + 0.5
    return np.array([levels.sum(axis=0) @ across, levels.sum(axis=1) @ down]) / total


def _rolled(view: View, by: np.ndarray) -> View:
    """Image and camera moved by whole pixels (x, y); what leaves the frame is lost, as in the old pipeline."""
    dx, dy = int(by[0]), int(by[1])
    height, width = view.alpha.shape
    source = (slice(max(0, -dy), min(height, height - dy)), slice(max(0, -dx), min(width, width - dx)))
    target = (slice(max(0, dy), min(height, height + dy)), slice(max(0, dx), min(width, width + dx)))
    alpha = np.zeros_like(view.alpha)
    alpha[target] = view.alpha[source]
    colours = view.colours
    if colours is not None:
        moved = np.zeros_like(colours)
        moved[target] = colours[source]
        colours = moved
    camera = replace(view.camera, cx=view.camera.cx + dx, cy=view.camera.cy + dy)
    return replace(view, alpha=alpha, colours=colours, camera=camera)
