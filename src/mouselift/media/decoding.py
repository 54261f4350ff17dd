"""The one decoder of image files, by OpenCV: pixels as they are stored, or as they are shown."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from mouselift.array_types import Array
from mouselift.media.orientation import of_image, turned_by_opencv

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def decoded(data: bytes) -> Array | None:
    """[h, w] or [h, w, c] in OpenCV's order of channels, with the file's bits; None where it is no whole image.

    As Pillow does, and so as loaders see it: EXIF's orientation is left aside, except in TIFFs.
    """
    shown = _without_extras(data) if data.startswith(SIGNATURE) else data
    image = cv2.imdecode(np.frombuffer(shown, dtype=np.uint8), cv2.IMREAD_UNCHANGED) if shown else None
    return None if image is None else np.asarray(image)


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
    """A PNG less the chunks that no pixel depends on: libpng complains on the terminal about Blender's EXIF."""
    parts, at, extras = [SIGNATURE], len(SIGNATURE), False
    while at + 12 <= len(data):
        end = at + 12 + struct.unpack_from(">I", data, at)[0]
        if data[at + 4 : at + 8] in _PIXEL_CHUNKS:
            parts.append(data[at:end])
        else:
            extras = True
        at = end
    return b"".join(parts) if extras else data
