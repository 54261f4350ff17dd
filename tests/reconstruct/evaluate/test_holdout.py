"""Which views go in."""

from __future__ import annotations

import pytest

from mouselift.errors import DatasetError
from mouselift.reconstruct.options import HoldOut, Round

NAMES = ("a", "b", "c", "d")


def test_the_last_view_is_held_out_unasked() -> None:
    rule = HoldOut().settled(NAMES)
    assert rule == HoldOut(held_out=("d",))
    assert rule.rounds(NAMES) == (Round((0, 1, 2), (3,)),)
    assert rule.rounds(("d", "c", "b")) == (Round((1, 2), (0,)),)  # by name, not by place
    assert "held out: d" in rule.words


def test_three_views_are_too_few_to_hold_one_out_unasked() -> None:
    with pytest.raises(DatasetError, match="at least 4 views to hold one out, got a, b, c; say --hold-out NAME"):
        HoldOut().settled(NAMES[:3])
    assert HoldOut(held_out=("c",)).settled(NAMES[:3]).rounds(NAMES[:3]) == (Round((0, 1), (2,)),)


def test_named_none_inputs_and_rotation() -> None:
    assert HoldOut(held_out=("b", "d")).rounds(NAMES) == (Round((0, 2), (1, 3)),)
    assert HoldOut(held_out=("none",)).rounds(NAMES) == (Round((0, 1, 2, 3), ()),)
    assert HoldOut(inputs=("c", "a")).rounds(NAMES) == (Round((0, 2), (1, 3)),)
    turns = HoldOut(rotate=True).rounds(NAMES)
    assert [turn.held_out for turn in turns] == [(0,), (1,), (2,), (3,)]
    assert turns[1] == Round((0, 2, 3), (1,))
    assert "do not say whether the shape is right" in HoldOut(held_out=("none",)).words


def test_contradictions_and_absent_views_are_refused() -> None:
    with pytest.raises(DatasetError, match="one of --hold-out, --views and --rotate"):
        HoldOut(held_out=("a",), rotate=True)
    with pytest.raises(DatasetError, match="expected the view e; the sample has a, b, c, d"):
        HoldOut(held_out=("e",)).rounds(NAMES)
    with pytest.raises(DatasetError, match="expected the views e, f"):
        HoldOut(inputs=("a", "e", "f")).rounds(NAMES)
    with pytest.raises(DatasetError, match="at least one view to go in"):
        HoldOut(held_out=NAMES).rounds(NAMES)
    with pytest.raises(DatasetError, match="at least 2 views"):
        HoldOut(rotate=True).rounds(("a",))
