"""Frame numbers in names."""

from __future__ import annotations

import pytest

from mouselift.errors import CaptureError
from mouselift.media.numbered_names import number_of, numbers_of


@pytest.mark.parametrize(
    "pattern",
    ["{:06d}", "{}", "frame_{:06d}", "frame_{:06d}_mask", "mouse_cam1_{:06d}", "{:05d}_cam1", "2024-01-05_{}_obj2_seg"],
)
def test_the_number_is_found_before_and_behind_other_words(pattern: str) -> None:
    numbers = [7, 12, 13, 1001]
    assert numbers_of("here", [pattern.format(number) for number in numbers]) == numbers


def test_what_carries_no_number_or_several_is_refused() -> None:
    for names, words in (
        (["a_1", "thumbnail"], "thumbnail: expected a name that ends in the frame number"),
        (["a_001", "b_1"], "a_001 and b_1 both carry frame number 1"),
        (["1_obj1", "1_obj2", "2_obj1", "2_obj2"], "both carry frame number 1: .* folder each"),
        (["cam1_5_a", "cam2_6_a"], "differ in their frame number only"),
    ):
        with pytest.raises(CaptureError, match=f"here: .*{words}"):
            numbers_of("here", names)


@pytest.mark.parametrize(
    "pattern",
    ["frame_{:06d}_obj_{}", "{:06d}_id{}", "{:05d}_0.9{:02d}", "frame{:d}_{}", "{:04d} track{}", "img_{:03d}_area_{}"],
)
def test_words_tell_the_frame_from_what_is_counted_at_the_end(pattern: str) -> None:
    """Ends that are all different could be frame numbers: identities of a tracker, scores, an index of the export."""
    numbers, others = [7, 12, 13, 90], [3, 1, 2, 11]
    names = [pattern.format(*both) for both in zip(numbers, others, strict=True)]
    assert numbers_of("here", names, marked=True) == numbers
    assert numbers_of("here", names) != numbers  # of a recording's own images: what its camera counted last


@pytest.mark.parametrize(("part", "pattern"), [((0, 0, 1, 1), "v{}.{:05d}"), ((0, 1, 2, 3), "part.{}.{:05d}")])
def test_digits_behind_a_point_may_be_the_frame(part: tuple[int, ...], pattern: str) -> None:
    numbers = [7, 12, 1001, 20013]
    names = [pattern.format(*both) for both in zip(part, numbers, strict=True)]
    assert numbers_of("here", names, marked=True) == numbers


def test_a_score_of_one_is_a_score() -> None:
    names = ["000007_0.93", "000012_1.00", "000013_0.91", "000090_0.88"]
    assert numbers_of("here", names, marked=True) == [7, 12, 13, 90]
    assert numbers_of("here", ["00007.3", "00012.1", "00013.2"], marked=True) == [7, 12, 13]


def test_words_that_tell_nothing_leave_the_end() -> None:
    assert numbers_of("here", ["003_000030", "004_000040"], marked=True) == [30, 40]
    assert numbers_of("here", ["12_30_0001", "13_31_0002"], marked=True) == [1, 2]
    assert numbers_of("here", ["obj_3_000001", "obj_4_000002"], marked=True) == [1, 2]


def test_several_objects_of_one_frame_are_no_frames() -> None:
    """Identities that a tool counts through a whole folder are all different."""
    with pytest.raises(CaptureError, match="frame_0001_id_3 and frame_0001_id_4 both carry frame number 1"):
        numbers_of("here", ["frame_0001_id_3", "frame_0001_id_4", "frame_0002_id_5"], marked=True)


def test_one_name_alone() -> None:
    assert numbers_of("here", ["mouse_cam1_000012"]) == [12]
    assert numbers_of("here", ["frame_000012_mask"]) == [12]
    assert number_of("sample_000786") == 786
    assert number_of("sample") is None
