"""How far one view may and should zoom: closed forms over the silhouette's outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mouselift.core.camera import Camera
from mouselift.core.reframe import Reframe
from mouselift.core.silhouette import Silhouette
from mouselift.core.similarity import shortest_turn
from mouselift.core.types import Matrix3, Points2, Vector3
from mouselift.errors import FramingError, LensFoldError
from mouselift.plan.framing import Framing


@dataclass(frozen=True, eq=False)
class Outline:
    """A silhouette on the target's normalised plane, relative to the direction that comes to the image centre.

    Times the focal length, that is output pixels from the image centre.
    """

    points: Points2
    area: float  # of the mask, to first order at its centre
    f_max: float  # largest focal length with all points inside the frame less the margin
    f_want: float  # the focal length that reaches the wanted fill

    @property
    def extent(self) -> float:
        """Longest side of the bounding box."""
        return float(np.ptp(self.points, axis=0).max())


@dataclass(frozen=True, eq=False)
class ViewGeometry:
    """A view's turn and aim, before its focal length is chosen."""

    camera: Camera  # source
    turned: Camera  # source camera turned to the target's orientation (source world); its lens does not matter
    aim: Points2  # [1, 2], direction on the target's normalised plane that comes to the image centre
    stretch: Points2  # [1, 2], fx / f and fy / f: (1, 1) but for `written="source"`
    distance: float  # camera centre to subject centre, world units
    outline: Outline | None

    def target(self, focal: float, size: int) -> Camera:
        """The output's camera in the source world: square pixels, except where the old stretch is asked for."""
        fx, fy = (focal * self.stretch[0]).tolist()
        cx, cy = (size / 2 - focal * self.stretch[0] * self.aim[0]).tolist()
        return Camera(size, size, fx, fy, cx, cy, self.turned.T_cam_world, name=self.camera.name)


def view_geometry(framing: Framing, camera: Camera, silhouette: Silhouette | None, centre: Vector3) -> ViewGeometry:
    """Raises FramingError where the centre or the outline has no place in the target picture."""
    p_cam = camera.to_cam(centre[None])[0]
    Q = np.eye(3) if framing.aim == "crop" else shortest_turn(p_cam, np.array([0.0, 0.0, 1.0]))
    turned = camera if framing.aim == "crop" else camera.turned(Q)
    aim = np.zeros((1, 2)) if framing.aim == "look-at" else (p_cam[:2] / p_cam[2])[None]
    legacy = framing.written == "source"
    if legacy and silhouette is not None:
        aim = _on_target_plane(camera, Q, silhouette.centroid)
    stretch = _old_stretch(camera) if legacy else np.ones((1, 2))
    outline = _outline(framing, camera, silhouette, Q, aim, stretch) if silhouette is not None else None
    distance = float(np.linalg.norm(camera.centre - centre))
    return ViewGeometry(camera, turned, aim, stretch, distance, outline)


def _outline(
    framing: Framing, camera: Camera, silhouette: Silhouette, Q: Matrix3, aim: Points2, stretch: Points2
) -> Outline:
    points = (_on_target_plane(camera, Q, silhouette.outline) - aim) * stretch
    # A target of unit focal length makes the local scale the normalised plane's units per source pixel.
    unit = Reframe(camera, camera.turned(Q).pinhole(1.0, (0.0, 0.0), (1, 1)))
    area = silhouette.area * unit.scale_at(silhouette.centroid) ** 2
    half = framing.size / 2 - framing.margin_px
    reach = float(np.abs(points).max())
    size = float(np.sqrt(area)) if framing.fill_measure == "area" else float(np.ptp(points, axis=0).max())
    return Outline(points, area, half / reach, framing.fill * framing.size / size)


def _on_target_plane(camera: Camera, Q: Matrix3, pixels: Points2) -> Points2:
    """Source pixels -> the target's normalised plane. FramingError where there is none."""
    try:
        xy = camera.normalised(pixels)
    except LensFoldError as error:
        raise FramingError(f"{camera.name}: the mask reaches where the lens model has no rays: {error}") from None
    ray = np.concatenate([xy, np.ones((len(xy), 1))], axis=1) @ Q.T
    if not (ray[:, 2] > 0).all():
        raise FramingError(
            f"{camera.name}: a camera turned towards the subject has part of the mask behind it; "
            "expected all of it in front. Check the mask, or use aim `crop`."
        )
    return ray[:, :2] / ray[:, 2:]


def _old_stretch(camera: Camera) -> Points2:
    """fx / f and fy / f after the old scripts' resize of the whole picture to a square."""
    across, down = camera.fx / camera.width, camera.fy / camera.height
    return np.array([[np.sqrt(across / down), np.sqrt(down / across)]])
