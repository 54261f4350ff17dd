"""How a stored image is turned for viewing: EXIF's orientation of images, the display matrix of videos.

Players, browsers, OpenCV and labelling tools show files turned, so calibrations and masks are made on turned images.
Sources: EXIF 2.32, tag 0x0112; ISO/IEC 14496-12, matrix of `tkhd`.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.array_types import Array

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, half open

_TIFF = (b"II*\0", b"MM\0*")
_EXIF_MARKS = (b"Exif\0\0", b"eXIf", b"EXIF")  # in JPEG, PNG, WebP
_EXIF_TAG = 0x0112


@dataclass(frozen=True)
class Orientation:
    """Stored to shown: first rows and columns change places, then columns, then rows are reversed."""

    transposed: bool = False
    columns_reversed: bool = False
    rows_reversed: bool = False

    @property
    def as_stored(self) -> bool:
        return self == UPRIGHT

    @property
    def words(self) -> str:
        return _WORDS[self.transposed, self.columns_reversed, self.rows_reversed]

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) as shown of one as stored, and the other way round."""
        width, height = size
        return (height, width) if self.transposed else (width, height)

    def shown(self, stored: Array) -> Array:
        """[h, w, ...] as it is stored, to [h', w', ...] as it is shown."""
        out = stored.swapaxes(0, 1) if self.transposed else stored
        out = out[:, ::-1] if self.columns_reversed else out
        out = out[::-1] if self.rows_reversed else out
        return np.ascontiguousarray(out)

    def stored(self, shown: Array) -> Array:
        """The inverse of `shown`."""
        out = shown[::-1] if self.rows_reversed else shown
        out = out[:, ::-1] if self.columns_reversed else out
        return np.ascontiguousarray(out.swapaxes(0, 1) if self.transposed else out)

    def stored_box(self, box: Box, size: tuple[int, int]) -> Box:
        """Where a box of the shown image lies in the stored one; size: (width, height) as shown."""
        x0, y0, x1, y1 = box
        if self.columns_reversed:
            x0, x1 = size[0] - x1, size[0] - x0
        if self.rows_reversed:
            y0, y1 = size[1] - y1, size[1] - y0
        return (y0, x0, y1, x1) if self.transposed else (x0, y0, x1, y1)


UPRIGHT = Orientation()
_EXIF = {
    1: UPRIGHT,
    2: Orientation(columns_reversed=True),
    3: Orientation(columns_reversed=True, rows_reversed=True),
    4: Orientation(rows_reversed=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, columns_reversed=True),
    7: Orientation(transposed=True, columns_reversed=True, rows_reversed=True),
    8: Orientation(transposed=True, rows_reversed=True),
}
_WORDS = {
    (False, False, False): "upright",
    (False, True, False): "mirrored left to right",
    (False, True, True): "turned by 180 degrees",
    (False, False, True): "mirrored top to bottom",
    (True, False, False): "mirrored along its diagonal",
    (True, True, False): "turned by 90 degrees clockwise",
    (True, True, True): "mirrored along its other diagonal",
    (True, False, True): "turned by 90 degrees counter-clockwise",
}


def of_image(data: bytes) -> Orientation:
    """What an image file's EXIF says; upright where there is none, or none that can be read."""
    tiff = data.startswith(_TIFF)
    if not tiff and not any(mark in data for mark in _EXIF_MARKS):
        return UPRIGHT
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            return _EXIF.get(image.getexif().get(_EXIF_TAG, 1), UPRIGHT)
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, struct.error):  # no tag that a viewer could read
        return UPRIGHT


def turned_by_opencv(data: bytes) -> bool:
    """Whether cv2.IMREAD_UNCHANGED turns the file all the same: TIFFs, and no other format."""
    return data.startswith(_TIFF)


def of_display_matrix(matrix: Sequence[int]) -> Orientation | None:
    """Of the nine 16.16 and 2.30 fixed-point numbers (a b u, c d v, x y w): x' = a x + c y, y' = b x + d y.

    None where the matrix does more than turn by right angles and mirror.
    """
    a, b, c, d = (matrix[k] / 65536 for k in (0, 1, 3, 4))
    if abs(abs(a) - 1) < 1e-3 and abs(abs(d) - 1) < 1e-3 and max(abs(b), abs(c)) < 1e-3:
        return Orientation(False, a < 0, d < 0)
    if abs(abs(b) - 1) < 1e-3 and abs(abs(c) - 1) < 1e-3 and max(abs(a), abs(d)) < 1e-3:
        return Orientation(True, c < 0, b < 0)
    return None
