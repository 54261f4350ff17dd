"""The released trainer's layout: `opencv_cameras.json` and `images/cam_NNN.png` (straight RGBA) a sample, and lists.

One layout whatever wrote the source: masks that were inverted, of levels 0 and 1, or to be taken from a plain ground
become straight alpha; images lie where the trainer looks. Images must be square and cameras pinholes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mouselift import __version__
from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.errors import DatasetError
from mouselift.export.scene import ExportScene
from mouselift.export.scenes import SceneFormat
from mouselift.geometry.camera import Camera


def facelift_files(scene: ExportScene) -> dict[str, bytes]:
    """The sample's files by their path in its folder. DatasetError or CalibrationError where the layout cannot hold it:
    an image that is not square, a lens, a skew."""
    files: dict[str, bytes] = {}
    entries: list[ViewEntry] = []
    check_square([view.camera for view in scene.views])
    for number, view in enumerate(scene.views):
        path = f"images/cam_{number:03d}.png"
        entries.append(ViewEntry(view.camera, path, number))
        files[path] = view.image_png("empty")
    own: dict[str, Any] = {"export": {"version": __version__}}
    if scene.keypoints is not None:
        own["keypoints"] = scene.keypoints.to_record()
    files[CAMERAS_FILE] = sample_json(scene.name, entries, own)
    return files


def check_square(cameras: Sequence[Camera]) -> None:
    """DatasetError names the first camera whose image is not square."""
    for camera in cameras:
        if camera.width != camera.height:
            raise DatasetError(
                f"camera {camera.name!r}: expected a square image (the trainer's loader does), got "
                f"{camera.width}x{camera.height}; `mouselift prepare` makes square images with their cameras"
            )


FORMAT = SceneFormat(
    "facelift",
    lambda scene, options: facelift_files(scene),
    check_square,
    hull=False,
    resampled=False,
    lists=True,
    keypoints=True,
)
