"""The one decoder of image files, by OpenCV: pixels as they are stored, or as they are shown."""

from __future__ import annotations

import io
import struct
import warnings

import cv2
import numpy as np

from mouselift.array_types import Array
from mouselift.limits import check_image_size
from mouselift.media.orientation import of_image, turned_by_opencv

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "BMP", "DIB", "WEBP", "PPM")
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def decoded(data: bytes) -> Array | None:
    """[h, w] or [h, w, c] in OpenCV's order of channels, with the file's bits; None where it is no whole image.

    As Pillow does, and so as loaders see it: EXIF's orientation is left aside, except in TIFFs.
    """
    if not has_sane_size(data):
        return None
    shown = _without_extras(data) if data.startswith(SIGNATURE) else data
    try:
        image = cv2.imdecode(np.frombuffer(shown, dtype=np.uint8), cv2.IMREAD_UNCHANGED) if shown else None
    except cv2.error:  # OpenCV's own checks of a damaged header
        return None
    return None if image is None else np.asarray(image)


def has_sane_size(data: bytes) -> bool:
    """Whether the header says a size that a camera has (`limits.check_image_size`); False for no known header.

    Read before the decoder makes room for that size. Only the formats that Pillow knows are let through: OpenCV takes
    others by their content, whatever the file is called.
    """
    try:
        check_image_size(*size_of(data))
    except ValueError:
        return False
    return True


def size_of(data: bytes) -> tuple[int, int]:
    """(width, height) that the header says. ValueError where there is none."""
    if data.startswith(SIGNATURE) and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            if image.format not in _FORMATS:
                raise ValueError(f"an image of format {image.format}")
            return image.size
    except ValueError:
        raise
    except Exception as error:  # Pillow's parsers of damaged headers raise nearly anything
        raise ValueError(f"no image's header ({error})") from None


def decoded_upright(data: bytes, as_stored: bool = False) -> Array | None:
    """As `decoded`, turned as EXIF says; TIFFs too are not with `as_stored`."""
    image = decoded(data)
    if image is None:
        return None
    orientation = of_image(data)
    if orientation.as_stored or turned_by_opencv(data) != as_stored:
        return image
    return orientation.stored(image) if as_stored else orientation.shown(image)


def _without_extras(data: bytes) -> bytes:
    """A PNG less the chunks that no pixel depends on: libpng complains on the terminal about Blender's EXIF.

    Nothing of a file whose chunks say that they are longer than it is: OpenCV would make room for 2 GB.
    """
    parts, at, extras = [SIGNATURE], len(SIGNATURE), False
    while at + 12 <= len(data):
        end = at + 12 + struct.unpack_from(">I", data, at)[0]
        if end > len(data):
            return b""
        if data[at + 4 : at + 8] in _PIXEL_CHUNKS:
            parts.append(data[at:end])
        else:
            extras = True
        at = end
    return b"".join(parts) if extras else data
