"""The sheet of a sample."""

from __future__ import annotations

import numpy as np
import torch

from mouselift.geometry.camera import Camera
from mouselift.media.encode import encode_jpeg
from mouselift.reconstruct.record import ViewRecord
from mouselift.reconstruct.sample import Shot
from mouselift.reconstruct.write import MOST, SHEET_QUALITY, TILE, sheet
from mouselift.render.base import Rendering


def shot(target: torch.Tensor, drawn: torch.Tensor) -> Shot:
    scores = ViewRecord(view="a", role="input", place=0)
    return Shot(Camera(80, 80, 70.0, 70.0, 40.0, 40.0, np.eye(4)), scores, target, Rendering(drawn[:3], drawn[3]))


def pair(shift: int = 0) -> Shot:
    """A black square on white, and the same, shifted."""
    target, drawn = torch.ones(4, 80, 80), torch.ones(4, 80, 80)
    target[3] = drawn[3] = 0.0
    for image, by in ((target, 0), (drawn, shift)):
        image[:3, 20:50, 10 + by : 40 + by] = 0.0
        image[3, 20:50, 10 + by : 40 + by] = 1.0
    return shot(target, drawn)


def test_rows_are_prepared_rendered_difference() -> None:
    found = sheet([pair(), pair(20)])
    assert found.shape == (3 * TILE, 2 * TILE, 3)
    prepared, rendered, difference = (found[k * TILE : (k + 1) * TILE] for k in range(3))
    assert (prepared[:, :TILE] == rendered[:, :TILE]).all()
    assert difference[:, :TILE].min() == 255
    assert not (prepared[:, TILE:] == rendered[:, TILE:]).all()
    red = difference[:, TILE:]
    assert red[..., 0].min() >= 178
    assert red[..., 2].min() <= 31


def test_columns_are_cut_to_both_subjects() -> None:
    first = sheet([pair()])[:TILE]
    dark = np.flatnonzero((first.max(axis=2) < 128).any(axis=0))
    assert 0.7 * TILE < len(dark) < TILE  # the square fills its tile but for some room
    apart = sheet([pair(35)])
    prepared = np.flatnonzero((apart[:TILE].max(axis=2) < 128).any(axis=0))
    rendered = np.flatnonzero((apart[TILE : 2 * TILE].max(axis=2) < 128).any(axis=0))
    assert prepared.max() < rendered.min()
    assert rendered.max() < TILE - 1


def test_many_views_and_none_of_a_subject() -> None:
    assert sheet([pair()] * 12).shape[1] == MOST * TILE
    empty = torch.ones(4, 80, 80)
    empty[3] = 0
    assert sheet([shot(empty, empty)]).min() == 255
    assert encode_jpeg(sheet([pair()]), SHEET_QUALITY).startswith(b"\xff\xd8")
