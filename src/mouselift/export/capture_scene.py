"""A recording's instant as a scene: images as they are in the file, or resampled once to a camera without a lens."""

from __future__ import annotations

import numpy as np

from mouselift.array_types import ImageRGB, Levels
from mouselift.dataset.sample import View
from mouselift.errors import DatasetError
from mouselift.export.options import Ground, LensChoice
from mouselift.export.scene import ExportScene, SceneView
from mouselift.geometry.camera import Camera, Reframe
from mouselift.geometry.lens import Pinhole
from mouselift.geometry.outlines import outline_of
from mouselift.keypoints.keypoints import SampleKeypoints
from mouselift.media.images import FrameSet, Image
from mouselift.prepare.resample import resample_into, source_map
from mouselift.prepare.sample import sample_id
from mouselift.view.scene import hull_of


def scene_of_frame(
    frameset: FrameSet, lens: LensChoice, ground: Ground, keypoints: SampleKeypoints | None = None
) -> ExportScene:
    """The scene of one instant, in the recording's world and unit. DatasetError where fewer than two views are left.

    Views without an image or a mask are left out, and `notes` says so. The hull is carved from the images as they are.
    """
    views: list[SceneView] = []
    seen: list[View] = []
    notes: list[str] = []
    for view in frameset.views:
        if view.image is None or view.mask is None or outline_of(view.mask) is None:
            lacks = "image" if view.image is None else "mask" if view.mask is None else "subject in its mask"
            notes.append(f"{view.where}: no {lacks}, left out")
            continue
        colours = view.image.rgb()
        seen.append(View(view.camera.name, view.camera, view.mask, colours))
        if lens == "undistort" and (view.camera.skew or not isinstance(view.camera.lens, Pinhole)):
            made, lost = undistorted(view.camera, view.image, view.mask, ground)
            views.append(made)
            if lost:
                notes.append(f"{view.where}: undistorted, {lost:.1%} of the subject's outline lie outside the image")
        else:
            views.append(SceneView(view.camera.name, view.camera, colours, view.mask))
    if len(views) < 2:
        raise DatasetError(f"frame {frameset.frame}: {len(views)} views can be used: {'; '.join(notes)}")
    hull, words = hull_of(seen)
    notes += [] if hull else [words]
    return ExportScene(sample_id(frameset.frame), frameset.frame, tuple(views), hull, tuple(notes), keypoints)


def undistorted(camera: Camera, image: Image, mask: Levels, ground: Ground) -> tuple[SceneView, float]:
    """(the view without lens and skew, share of the outline that lies outside it).

    Same size and principal point, square pixels of the mean focal length. Colours outside the source are black.
    """
    target = camera.pinhole(camera.focal, (camera.cx, camera.cy), (camera.width, camera.height))
    reframe = Reframe(camera, target)
    where = source_map(reframe, (0, 0, camera.width, camera.height))
    out = np.zeros((camera.height, camera.width, 4), dtype=np.uint8)
    resample_into(out, where, image, mask, "quintic")
    colours: ImageRGB = np.ascontiguousarray(out[..., :3])
    if ground == "ignored":  # what is around the subject stays
        whole = np.zeros_like(out)
        resample_into(whole, where, image, np.full_like(mask, 255), "quintic")
        colours = np.ascontiguousarray(whole[..., :3])
    outline = outline_of(mask)
    lost = 0.0
    if outline is not None:
        moved = reframe.to_target(outline.convex)
        with np.errstate(invalid="ignore"):
            inside = ((moved >= 0) & (moved <= [camera.width, camera.height])).all(axis=1)
        lost = 1 - float(np.mean(inside))
    return SceneView(camera.name, target, colours, np.ascontiguousarray(out[..., 3])), lost
