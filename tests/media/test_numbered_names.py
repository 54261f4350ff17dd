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


def test_one_name_alone() -> None:
    assert numbers_of("here", ["mouse_cam1_000012"]) == [12]
    assert numbers_of("here", ["frame_000012_mask"]) == [12]
    assert number_of("sample_000786") == 786
    assert number_of("sample") is None
