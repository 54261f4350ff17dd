"""Which frames become samples, and how they are split."""

from __future__ import annotations

import pytest

from mouselift.errors import CaptureError
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.recipe import Recipe, Selection, Split


def test_every_counts_from_start() -> None:
    assert Selection(every=5).of(range(12)) == [0, 5, 10]
    assert Selection(every=5, start=3, stop=9).of(range(12)) == [3, 8]


def test_denser_selection_contains_the_sparser_one() -> None:
    assert set(Selection(every=10).of(range(100))) <= set(Selection(every=5).of(range(100)))


def test_named_frames_are_taken_once_and_in_order() -> None:
    assert Selection(frames=(1103, 786, 786)).of(range(2000)) == [786, 1103]


def test_sparse_numbers_are_counted_by_position() -> None:
    assert Selection(every=2).of([3, 10, 11, 40]) == [3, 11]


def test_jumps_are_left_out_unless_named() -> None:
    assert Selection(jumps=(2,)).of(range(4)) == [0, 1, 3]
    assert Selection(frames=(2,), jumps=(2,)).of(range(4)) == [2]


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({"frames": (99,)}, "99 is not a frame"),
        ({"every": 0}, "--every"),
        ({"start": 5, "stop": 5}, "--stop"),
        ({"frames": (1,), "every": 2}, "leave --every"),
        ({"start": 50}, "selection is empty"),
    ],
)
def test_impossible_selections_are_refused(selection: dict, words: str) -> None:
    with pytest.raises(CaptureError, match=words):
        Selection(**selection).of(range(10))


def test_split_keeps_a_gap_between_training_and_validation() -> None:
    frames = list(range(0, 1000, 5))
    roles = Split(0.1, 4, 20).assign(frames)
    train = [f for f in frames if roles[f] == "train"]
    val = [f for f in frames if roles[f] == "val"]
    assert len(val) == 20
    assert min(abs(t - v) for t in train for v in val) > 20


def test_split_without_a_gap_would_leak() -> None:
    roles = Split(0.1, 4, 0).assign(list(range(0, 1000, 5)))
    train = [f for f, role in roles.items() if role == "train"]
    val = [f for f, role in roles.items() if role == "val"]
    assert min(abs(t - v) for t in train for v in val) == 5


def test_split_is_contiguous_in_each_block() -> None:
    frames = list(range(400))
    roles = Split(0.1, 4, 5).assign(frames)
    starts = [f for f in frames if roles[f] == "val" and roles.get(f - 1) != "val"]
    assert len(starts) == 4


def test_a_jump_needs_no_gap() -> None:
    frames = list(range(100))
    bridged = Split(0.1, 1, 10).assign(frames)
    jumped = Split(0.1, 1, 10).assign(frames, jumps=[90])
    assert bridged[89] == "gap"
    assert jumped[89] == "train"


def test_default_gap_is_half_a_second_but_never_eats_a_short_recording() -> None:
    long = Split(0.1, 1).assign(list(range(10_000)), rate=100.0)
    assert sum(role == "gap" for role in long.values()) == 50
    short = Split(0.1, 4).assign(list(range(24)), rate=100.0)
    assert "val" in short.values()
    assert sum(role == "train" for role in short.values()) >= 20


def test_no_validation() -> None:
    assert set(Split(0.0).assign(list(range(50))).values()) == {"train"}


def test_options_have_the_defaults_of_what_they_build() -> None:
    options = PrepareOptions()
    assert (options.recipe(), options.selection(), options.split()) == (Recipe(), Selection(), Split())
