"""A scene as the JSON that the page's own renderer (templates/scene.js) draws. Needs neither viser nor a network."""

from __future__ import annotations

import base64
import json

import numpy as np
from markupsafe import Markup

from mouselift.report.page import image_uri
from mouselift.view.hull_surface import HullSurface
from mouselift.view.scene import Scene

_MOST_POINTS = 9000  # of a hull: more do not look better, and a page holds several scenes


def scene_json(scene: Scene) -> Markup:
    """Safe inside a <script type="application/json">: no `<` is left in it.

    Coordinates are relative to the scene's centre, in units of its radius. Hull points: base64 of little-endian
    int16 positions (32767 = `hull.extent`), int8 normals (127 = 1; zero: not shaded) and uint8 colours.
    """
    content = {
        "title": scene.title,
        "note": scene.note,
        "origin": _rounded(scene.local(np.zeros((1, 3)))[0]),
        "cameras": [
            {
                "name": camera.name,
                "centre": _rounded(scene.local(camera.camera.centre[None])[0]),
                "corners": [_rounded(corner) for corner in scene.local(camera.corners)],
                "image": None if camera.image is None else image_uri(camera.image),
            }
            for camera in scene.cameras
        ],
        "hull": None if scene.hull is None else _hull(scene.hull, scene),
    }
    return Markup(json.dumps(content, separators=(",", ":")).replace("<", "\\u003c"))


def _hull(hull: HullSurface, scene: Scene) -> dict[str, object]:
    step = max(1, -(-len(hull.points) // _MOST_POINTS)) if hull.normals.any() else 1  # a cloud is thinned already
    points = scene.local(hull.points[::step])
    extent = max(float(np.abs(points).max()), 1e-9)
    return {
        "count": len(points),
        "extent": extent,
        "size": hull.voxel / scene.radius * float(np.sqrt(step)),
        "positions": _packed((points / extent * 32767).round().astype("<i2")),
        "normals": _packed((hull.normals[::step] * 127).round().astype(np.int8)),
        "colours": _packed(hull.colours[::step]),
    }


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 5) for value in values]
