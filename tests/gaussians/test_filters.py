"""Filters: neutral unless set; each field does what it says; the presets keep what the release keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from mouselift.gaussians.files import Splats
from mouselift.gaussians.filters import FILTERS, SplatFilter
from mouselift.reconstruct.options import FilterName

GOLDEN = Path(__file__).parents[2] / ".." / "shared" / "golden" / "losses.npz"


def cloud(positions: np.ndarray, scale: float = 0.05, opacity: float = 0.5) -> Splats:
    count = len(positions)
    return Splats(
        positions.astype(np.float32),
        np.zeros((count, 1, 3), np.float32),
        np.full(count, np.log(opacity / (1 - opacity)), np.float32),
        np.full((count, 3), np.log(scale), np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
    )


def test_neutral_keeps_all() -> None:
    far = cloud(np.array([[1e6, 0, -1e6], [0, 0, 0]]), scale=1e3, opacity=1e-6)
    assert SplatFilter().kept(far).all()
    assert FILTERS["none"] == SplatFilter()


def test_each_field() -> None:
    two = cloud(np.array([[0.0, 0.0, -0.5], [0.0, 0.0, 0.5]]), scale=0.2)
    assert SplatFilter(opacity=0.49).kept(two).all()
    assert not SplatFilter(opacity=0.51).kept(two).any()
    assert SplatFilter(scale=0.1).kept(two).tolist() == [False, False]
    assert SplatFilter(scale=0.1, upper_half_exempt=True).kept(two).tolist() == [False, True]
    corner = cloud(np.array([[0.7, -0.7, -0.7], [0.7, 0.1, -0.7], [0.7, 0.7, 0.7]]))
    assert SplatFilter(corners=0.6).kept(corner).tolist() == [False, True, True]
    box = SplatFilter(box=(0.0, 0.75, -1.0, 0.5, -1.0, 1.0))
    assert box.kept(corner).tolist() == [True, True, False]


def test_opacity_is_compared_in_float32() -> None:
    """As the release does: where a float32 sigmoid lies on the threshold, the float64 one may lie above it."""
    middle = np.float32(np.log(0.3 / 0.7))
    logits = (middle.view(np.int32) + np.arange(-60, 61, dtype=np.int32)).view(np.float32)  # neighbouring numbers
    narrow, wide = (1 / (1 + np.exp(-logits.astype(kind))) for kind in (np.float32, np.float64))
    splats = replace(cloud(np.zeros((len(logits), 3))), opacities=logits)
    assert np.array_equal(SplatFilter(opacity=0.3).kept(splats), narrow > np.float32(0.3))
    assert not np.array_equal(narrow > np.float32(0.3), wide > 0.3)


def test_presets_keep_what_the_release_keeps() -> None:
    if not GOLDEN.is_file():
        pytest.skip("no ../shared/golden/losses.npz beside the repository")
    with np.load(GOLDEN) as data:
        d = dict(data)
    splats = Splats(
        d["filt_xyz"],
        np.zeros((len(d["filt_xyz"]), 1, 3), np.float32),
        d["filt_opacity"][:, 0],
        d["filt_scaling"],
        d["filt_rotation"],
    )
    for preset, key in (("facelift", "inference"), ("facelift-gradio", "gradio"), ("facelift-training", "train_vis")):
        assert np.array_equal(np.flatnonzero(FILTERS[preset].kept(splats)), d[f"filt_kept_{key}"]), preset


def test_the_options_name_every_filter() -> None:
    """`--help` lists them without loading NumPy."""
    assert get_args(FilterName) == tuple(FILTERS)
