"""Self-contained HTML pages: images inside, no network, no script needed to read them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2

from mouselift.array_types import ImageRGB
from mouselift.atomic import write_whole
from mouselift.media.encode import encode_jpeg

_JPEG_QUALITY = 88


def image_uri(image: ImageRGB) -> str:
    """An image as a data URI (JPEG: contact sheets are photographs)."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image, _JPEG_QUALITY)).decode()


def render_page(template: str, path: Path, **values: Any) -> None:
    """Fill a template of this package and write it, atomically."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mouselift.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**values)
    write_whole(path, text.encode(), replace=True)
