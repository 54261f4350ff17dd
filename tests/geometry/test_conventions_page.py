"""docs/concepts/conventions.md: its example runs, and its numbers are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mouselift.geometry.camera import Camera

PAGE = (Path(__file__).parents[2] / "docs" / "concepts" / "conventions.md").read_text(encoding="utf-8")


def test_the_example() -> None:
    match = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert match is not None
    names: dict[str, object] = {}
    exec(match.group(1), names)
    camera = names["camera"]
    assert isinstance(camera, Camera)
    assert camera.rays(np.array([[576.0, 512.0]])).tolist() == [[0.0, 0.0, 1.0]]
    assert camera.cropped(100.0, 40.0, (512, 512)).cx == 476.0


def test_the_stride_rule() -> None:
    """`image[::2, ::2]` keeps the centre of pixel 0: x' = (x + 0.5) / 2."""
    kept = np.arange(0, 8, 2) + 0.5  # centres of the source pixels that stay
    np.testing.assert_array_equal((kept + 0.5) / 2, np.arange(4) + 0.5)
    assert (kept / 2 != np.arange(4) + 0.5).all()


def test_the_price_of_integer_centres() -> None:
    """Scaling integer-centre coordinates by s is wrong by 0.5 (1 - s) pixels."""
    s, x = 512 / 1152, 300.25
    right, wrong = s * x, s * (x - 0.5) + 0.5
    assert abs(abs(wrong - right) - 0.5 * (1 - s)) < 1e-12
