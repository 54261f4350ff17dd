"""Masks are closed, opened, grown and blurred about their own pixels: no kernel has its middle between two.

OpenCV takes the pixel after the middle of an even kernel for it. Erosion or dilation by one moves a mask by half a
pixel, an opening or closing by a whole one, and all that is measured with such masks is off by as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest


def centred(function: Callable[..., Any], place: int) -> Callable[..., Any]:
    """`function`, whose argument number `place` is a kernel, or the size of one: odd, unless an anchor is given too."""

    def call(*args: Any, **options: Any) -> Any:
        kernel = args[place] if len(args) > place else options.get("kernel", options.get("ksize"))
        sides = kernel.shape[:2] if isinstance(kernel, np.ndarray) else tuple(kernel or ())
        if "anchor" not in options and any(side and side % 2 == 0 for side in sides):
            raise AssertionError(
                f"cv2.{function.__name__}: a kernel of {' x '.join(map(str, sides))} moves the mask; expected odd sides"
            )
        return function(*args, **options)

    return call


KERNELS = {"erode": 1, "dilate": 1, "morphologyEx": 2, "blur": 1}


@pytest.fixture(autouse=True, scope="session")
def odd_kernels() -> Iterator[None]:
    """In every test of the process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, place in KERNELS.items():
            patch.setattr(cv2, name, centred(getattr(cv2, name), place))
        yield
