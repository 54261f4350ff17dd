"""Which frames become samples, and how they are split."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mouselift.errors import CaptureError, OptionError
from mouselift.geometry.outlines import SPECK_SHARE
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.selection import assign_roles, mask_flags, select_frames, sparse_masks


def checked_selection(options: PrepareOptions) -> Sequence[int]:
    options.check()
    return select_frames(options, range(10))


def test_every_counts_from_start() -> None:
    assert list(select_frames(PrepareOptions(every=5), range(12))) == [0, 5, 10]
    assert list(select_frames(PrepareOptions(every=5, start=3, stop=9), range(12))) == [3, 8]


def test_denser_selection_contains_the_sparser_one() -> None:
    assert set(select_frames(PrepareOptions(every=10), range(100))) <= set(
        select_frames(PrepareOptions(every=5), range(100))
    )


def test_named_frames_are_taken_once_and_in_order() -> None:
    assert select_frames(PrepareOptions(frames=(1103, 786, 786)), range(2000)) == [786, 1103]


def test_sparse_numbers_are_counted_by_position() -> None:
    assert select_frames(PrepareOptions(every=2), [3, 10, 11, 40]) == [3, 11]


def test_jumps_are_left_out_unless_named() -> None:
    assert select_frames(PrepareOptions(jumps=(2,)), range(4)) == [0, 1, 3]
    assert select_frames(PrepareOptions(frames=(2,), jumps=(2,)), range(4)) == [2]


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
    with pytest.raises((CaptureError, OptionError), match=words):
        checked_selection(PrepareOptions(**selection))


def test_split_keeps_a_gap_between_training_and_validation() -> None:
    frames = list(range(0, 1000, 5))
    roles = assign_roles(PrepareOptions(val=0.1, val_blocks=4, gap=20), frames)
    train = [f for f in frames if roles[f] == "train"]
    val = [f for f in frames if roles[f] == "val"]
    assert len(val) == 20
    assert min(abs(t - v) for t in train for v in val) > 20


def test_split_without_a_gap_would_leak() -> None:
    roles = assign_roles(PrepareOptions(val=0.1, val_blocks=4, gap=0), list(range(0, 1000, 5)))
    train = [f for f, role in roles.items() if role == "train"]
    val = [f for f, role in roles.items() if role == "val"]
    assert min(abs(t - v) for t in train for v in val) == 5


def test_split_is_contiguous_in_each_block() -> None:
    frames = list(range(400))
    roles = assign_roles(PrepareOptions(val=0.1, val_blocks=4, gap=5), frames)
    starts = [f for f in frames if roles[f] == "val" and roles.get(f - 1) != "val"]
    assert len(starts) == 4


def test_a_jump_needs_no_gap() -> None:
    frames = list(range(100))
    bridged = assign_roles(PrepareOptions(val=0.1, val_blocks=1, gap=10), frames)
    jumped = assign_roles(PrepareOptions(val=0.1, val_blocks=1, gap=10, jumps=(90,)), frames)
    assert bridged[89] == "gap"
    assert jumped[89] == "train"


def test_default_gap_is_half_a_second_but_never_eats_a_short_recording() -> None:
    long = assign_roles(PrepareOptions(val=0.1, val_blocks=1), list(range(10_000)), rate=100.0)
    assert sum(role == "gap" for role in long.values()) == 50
    short = assign_roles(PrepareOptions(val=0.1, val_blocks=4), list(range(24)), rate=100.0)
    assert "val" in short.values()
    assert sum(role == "train" for role in short.values()) >= 20


def test_no_validation() -> None:
    assert set(assign_roles(PrepareOptions(val=0.0), list(range(50))).values()) == {"train"}


def test_specks_are_those_of_the_audit() -> None:
    assert PrepareOptions().speck == SPECK_SHARE


@pytest.mark.parametrize(
    ("masked", "frames", "flags"),
    [
        (range(0, 100, 10), range(100), "--every 10"),
        (range(5, 100, 10), range(100), "--every 10 --start 5"),
        (range(20, 50, 10), range(100), "--every 10 --start 20 --stop 41"),
        (range(30), range(100), "--stop 30"),
        (range(100), range(100), ""),
        ([3, 4, 9], range(100), ""),
        ([], range(100), ""),
    ],
)
def test_flags_that_select_the_masked_frames(masked: Sequence[int], frames: range, flags: str) -> None:
    assert mask_flags(masked, frames) == flags
    said = sparse_masks(masked, frames)
    assert [finding.code for finding in said] == ["masks-sparse"] * bool(flags)
    if flags:
        words = flags.split()
        given = {word[2:]: int(number) for word, number in zip(words[::2], words[1::2], strict=True)}
        options = PrepareOptions(every=given.get("every", 1), start=given.get("start", 0), stop=given.get("stop"))
        assert list(select_frames(options, frames)) == list(masked), "the advice holds"
        assert f"`{flags}`" in said[0].message
