"""Array types. Letters are fixed over the project: n points, v views, h and w image rows and columns.

Shapes are checked at run time in tests only (jaxtyping + beartype), whose plugin loads jaxtyping before this package.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Float32 as Float32
    from jaxtyping import Float64 as Float64
    from jaxtyping import Int32 as Int32
    from jaxtyping import Int64 as Int64
    from jaxtyping import UInt8 as UInt8
else:  # what checks nothing need not be loaded: with unittest and asyncio it takes every process 0.1 s

    class _Shaped:
        """An array type with a shape, as the array type alone."""

        def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
            return item[0]

    Bool = Float = Float32 = Float64 = Int32 = Int64 = UInt8 = _Shaped

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
