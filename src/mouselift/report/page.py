"""Self-contained HTML pages: images and scenes inside, no network, no script needed to read them."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup, escape

from mouselift.array_types import ImageRGB
from mouselift.atomic import write_whole
from mouselift.media.encode import encode_jpeg
from mouselift.reconstruct.options import BOX_WORDS
from mouselift.view.scene import HullSurface, Scene

_JPEG_QUALITY = 88
_OPTION = re.compile(r"(?<![^ ])--?[a-z][a-z-]*")  # of a command line
# docs/guides/reconstruct.md, `python benchmarks/fit.py mice WORK` and `rig DATASET --instants 6`, 128 px
_TYPICAL_FIT = (
    "Typical foreground PSNR and IoU, of fits without a network at 128 px: views never given 23.2 dB and 0.920 with "
    "exact masks and cameras, 14.4 dB and 0.769 on a real recording; views that went in 25.7 dB and 0.960, and "
    "26.2 dB and 0.955. Other sizes and animals differ."
)
# docs/guides/box.md, `python experiments/box/judge.py individuals WORK` (and `--clean`) and `rig DATASET --instants 24`
_TYPICAL_BOX = (
    "Typical foreground PSNR and IoU of this network alone, of views never given: 19.9 dB and 0.901 with exact masks "
    "and colours, 18.2 dB and 0.862 with noisy ones, 16.4 dB and 0.771 on a real recording. Other sizes and animals "
    "differ."
)
_MOST_POINTS = 9000  # of a hull: more do not look better, and a page holds several scenes


@dataclass(frozen=True)
class Fact:
    """One of the numbers on the first screen."""

    value: str
    words: str


@dataclass(frozen=True)
class DifferenceScale:
    """What the colours of a picture of differences mean, and scores to compare with."""

    most: int  # levels of 255 that are drawn full red
    colour: str
    typical: str


def difference_scale(most: float, colour: tuple[int, int, int], made_by: str) -> DifferenceScale:
    """most: share of the range that is drawn in the full colour (RGB, 0 .. 255); made_by: the source in words."""
    typical = _TYPICAL_BOX if made_by.startswith(BOX_WORDS) else _TYPICAL_FIT
    return DifferenceScale(round(255 * most), f"rgb({', '.join(map(str, colour))})", typical)


def render_page(template: str, path: Path, **values: Any) -> None:
    """Fill a template of this package and write it, atomically."""
    text = _templates().get_template(template).render(**values)
    write_whole(path, text.encode(), replace=True)


@cache
def _templates() -> jinja2.Environment:
    """One for the process: it keeps what it compiled, half a second for a dataset's page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mouselift.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = with_code
    environment.filters["unsigned_zero"] = unsigned_zero
    return environment


def with_code(text: str) -> Markup:
    """What stands between backticks as <code>, in which no line ends within an option; all else as text, whatever it
    holds."""

    def code(found: re.Match[str]) -> str:
        return "<code>" + _OPTION.sub(r'<span class="option">\g<0></span>', found[1]) + "</code>"

    return Markup(re.sub(r"`([^`\n]+)`", code, str(escape(text))))


def unsigned_zero(number: str) -> str:
    """A formatted number; what rounds to nothing has no sign."""
    return number.removeprefix("-") if not number.strip("-0.") else number


def image_uri(image: ImageRGB) -> str:
    """An image as a data URI (JPEG: contact sheets are photographs)."""
    return data_uri(encode_jpeg(image, _JPEG_QUALITY), "image/jpeg")


def data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def scene_json(scene: Scene) -> Markup:
    """A scene as the JSON that the page's own renderer (templates/scene.js) draws.

    Safe inside a <script type="application/json">: no `<` is left in it. Coordinates are relative to the scene's
    centre, in units of its radius. Hull points: base64 of little-endian int16 positions (32767 = `hull.extent`), int8
    normals (127 = 1; zero: not shaded) and uint8 colours.
    """
    subject = scene.subject
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
        "subject": None if subject is None else {"middle": _rounded(subject[0]), "reach": subject[1]},
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
    return base64.b64encode(values.tobytes()).decode()


def _rounded(values: np.ndarray) -> list[float]:
    return np.round(values, 5).tolist()
