from __future__ import annotations

from mouselift.synthetic.rigs import Rig
from mouselift.synthetic.sheet import mouse_sheet


def test_a_sheet_has_a_cell_for_each_view_and_instant(small_rig: Rig) -> None:
    sheet = mouse_sheet((0.5, 4.0, 6.0), (0, 1), rig=small_rig, cell=90)
    assert sheet.shape == (2 * 94 + 4, 3 * 94 + 4, 3)
    cells = [sheet[4 + r * 94 : 94 + r * 94, 4 + c * 94 : 94 + c * 94] for r in range(2) for c in range(3)]
    for cell in cells:
        assert (cell.mean(axis=2) < 90).mean() > 0.02  # an animal is in it
