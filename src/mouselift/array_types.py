"""Array types. Letters are fixed over the project: n points, v views, h and w image rows and columns.

Shapes are checked at run time in tests only (jaxtyping + beartype).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, UInt8

Array = np.ndarray

Points2 = Float64[Array, "n 2"]  # pixels or normalised image coordinates, (x right, y down)
Points3 = Float64[Array, "n 3"]  # a frame's coordinates, or directions in it
Vector3 = Float64[Array, "3"]
Matrix3 = Float64[Array, "3 3"]
Matrix4 = Float64[Array, "4 4"]
Mask = Bool[Array, "h w"]
Levels = UInt8[Array, "h w"]  # a soft mask: 0 background .. 255 subject
ImageRGB = UInt8[Array, "h w 3"]
ImageRGBA = UInt8[Array, "h w 4"]  # straight alpha


def frozen(values: object, shape: tuple[int, ...], name: str) -> Array:
    """A read-only float64 copy of `values`; ValueError names `name` when the shape is another."""
    array = np.array(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    array.setflags(write=False)
    return array
