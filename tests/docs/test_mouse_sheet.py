from __future__ import annotations

import numpy as np

from mouselift.synthetic.rigs import Rig, markerless_rig, scaled_rig
from scripts import script


def test_a_sheet_of_individuals_shows_one_in_each_cell() -> None:
    sheet = script("docs/mouse_sheet.py").animal_sheet(per_row=2, rows=1, cell=60)
    assert sheet.shape == (2 * 64 + 4, 2 * 64 + 4, 3)
    cells = [sheet[4 + r * 64 : 64 + r * 64, 4 + c * 64 : 64 + c * 64] for r in range(2) for c in range(2)]
    shares = [float((np.abs(cell.astype(int) - 237) > 6).any(axis=2).mean()) for cell in cells]
    assert all(0.06 < share < 0.5 for share in shares), shares


def test_a_sheet_has_a_cell_for_each_view_and_instant() -> None:
    module = script("docs/mouse_sheet.py")
    small = scaled_rig(markerless_rig(), 0.25)
    sheet = module.mouse_sheet((0.5, 4.0, 6.0), (0, 1), Rig(small.cameras[:3], small.arena), 90)
    assert sheet.shape == (2 * 94 + 4, 3 * 94 + 4, 3)
    cells = [sheet[4 + r * 94 : 94 + r * 94, 4 + c * 94 : 94 + c * 94] for r in range(2) for c in range(3)]
    for cell in cells:
        assert (cell.mean(axis=2) < 90).mean() > 0.02  # an animal is in it
