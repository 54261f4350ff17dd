"""Spreads against numbers by hand; every exact preset stays a note at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mouselift.audit.placement import spread, spread_findings
from mouselift.audit.profile import training_cameras
from mouselift.dataset.sample import Sample
from mouselift.geometry.outlines import outline_of


def square(side: int) -> np.ndarray:
    alpha = np.zeros((512, 512), dtype=np.uint8)
    alpha[100 : 100 + side, 50 : 50 + side] = 255
    return alpha


def test_by_hand() -> None:
    a, b = training_cameras()[:2]
    b = replace(b, fx=b.fx * 1.5, fy=b.fy * 1.5, cx=256.0 + 30, cy=256.0 - 40)
    found = spread([a, b], [outline_of(square(100)), outline_of(square(160))])
    assert found.focal == pytest.approx(1.5)
    assert found.principal_px == pytest.approx(50.0)
    assert found.principal_share == pytest.approx(50 / 512)
    assert found.size == pytest.approx(1.6)
    assert found.smallest_px == pytest.approx(100.0)
    unseen = spread([a, b], [None, None])
    assert np.isnan(unseen.size)
    assert spread_findings(Sample("s", ()), unseen) == []


def test_one_per_cent_and_half_a_pixel_show() -> None:
    a, b = training_cameras()[:2]
    outlines = [outline_of(square(100)), outline_of(square(101))]
    exact = spread([a, b], [outlines[0], outlines[0]])
    assert (exact.focal, exact.size, exact.principal_px) == (1.0, 1.0, 0.0)
    off = spread([a, replace(b, fx=b.fx * 1.01, fy=b.fy * 1.01, cx=b.cx + 0.5)], outlines)
    assert off.focal == pytest.approx(1.01)
    assert off.size == pytest.approx(1.01)
    assert off.principal_px == pytest.approx(0.5)


def test_far_apart_is_noted() -> None:
    a, b = training_cameras()[:2]
    b = replace(b, fx=b.fx * 2.5, fy=b.fy * 2.5, cx=600.0)
    found = spread([a, b], [outline_of(square(20)), outline_of(square(90))])
    notes = spread_findings(Sample("s", (), frame=4), found)
    assert [f.code for f in notes] == ["focal-spread", "principal-spread", "size-spread", "small-subject"]
    assert {f.severity for f in notes} == {"note"}
    assert all(f.value is not None and f.limit is not None and f.advice for f in notes)


@pytest.mark.parametrize("preset", ["per-sample", "per-view", "canonical"])
def test_exact_presets_have_little_to_note(make_exact: Callable[..., Sample], preset: str) -> None:
    sample = make_exact(preset=preset)
    found = spread([v.camera for v in sample.views], [outline_of(v.alpha) for v in sample.views])
    assert [f.code for f in spread_findings(sample, found)] == (["focal-spread"] if preset == "per-view" else [])
