"""The fast alpha reader gives what OpenCV gives, for our files and for others, and refuses damage."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.errors import DatasetError
from mouselift.media.png import decode_png, encode_png, read_alpha, read_colours, rgb_alpha_of, up_filtered_alpha


def image_of(seed: int, height: int = 37, width: int = 21) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)


@given(st.integers(0, 99), st.integers(1, 70), st.integers(1, 40))
def test_our_files_take_the_fast_path(seed: int, height: int, width: int) -> None:
    image = image_of(seed, height, width)
    alpha = up_filtered_alpha(encode_png(image))
    assert alpha is not None
    assert np.array_equal(alpha, image[:, :, 3])
    data = encode_png(image)
    decoded = decode_png(data, "by OpenCV")
    colours, told = rgb_alpha_of(data, Path("ours.png"))
    assert np.array_equal(colours, decoded[:, :, :3])
    assert np.array_equal(np.asarray(told), decoded[:, :, 3])


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (16, 3), (33, 7), (64, 2)])
def test_the_scan_sums_what_cumsum_sums(shape: tuple[int, int]) -> None:
    """Blank, one block, and images whose last rows repeat: the box of differences is smaller than the subject."""
    height, width = shape
    blank = np.zeros((height, width, 4), dtype=np.uint8)
    full = np.full_like(blank, 255)
    block = blank.copy()
    block[height // 3 : 1 + 2 * height // 3, width // 2 :, 3] = 200
    lower = blank.copy()
    lower[height // 2 :, : 1 + width // 2, 3] = 7
    for image in (blank, full, block, lower):
        steps = np.diff(image[:, :, 3], axis=0, prepend=np.zeros((1, width), np.uint8))
        alpha = np.asarray(up_filtered_alpha(encode_png(image)))
        assert np.array_equal(alpha, np.cumsum(steps, axis=0, dtype=np.uint8))
        assert np.array_equal(alpha, image[:, :, 3])


def test_other_files_fall_back(tmp_path: Path) -> None:
    image = image_of(1)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), image)  # mixed filters
    assert up_filtered_alpha(path.read_bytes()) is None
    assert np.array_equal(np.asarray(read_alpha(path).alpha), image[:, :, 3])
    assert np.array_equal(read_colours(path), image[:, :, 2::-1])


def test_sixteen_bits_are_rounded(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (9, 9, 4), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), image)
    assert np.array_equal(np.asarray(read_alpha(tmp_path / "deep.png").alpha), np.rint(image[:, :, 3] / 257))


def test_without_alpha_it_says_so(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), image_of(2)[:, :, :3])
    found = read_alpha(tmp_path / "a.jpg")
    assert found.alpha is None
    assert (found.width, found.height) == (21, 37)


def test_damage_never_passes_the_fast_path(tmp_path: Path) -> None:
    data = encode_png(image_of(3))
    for at in range(33, len(data) - 12, 101):
        spoiled = bytearray(data)
        spoiled[at] ^= 0x10
        assert up_filtered_alpha(bytes(spoiled)) is None, at
    (tmp_path / "cut.png").write_bytes(data[:40])
    with pytest.raises(DatasetError, match=r"cut\.png"):
        read_alpha(tmp_path / "cut.png")
    with pytest.raises(DatasetError, match="readable"):
        read_alpha(tmp_path / "nowhere.png")


def test_an_old_decoder_agrees_with_the_sums() -> None:
    """The rows by hand from the standard's text, one after the other."""
    image = image_of(4, 40, 3)
    data = encode_png(image)
    rows = np.frombuffer(zlib.decompress(data[41:-16]), dtype=np.uint8).reshape(40, 13)
    above = np.zeros(12, dtype=np.uint8)
    for index in range(40):
        above = above + rows[index, 1:]
        assert np.array_equal(above[3::4], image[index, :, 3])


def test_equal_files_have_equal_digests(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        (tmp_path / f"{name}.png").write_bytes(encode_png(image_of(seed)))
    a, b, c = (read_alpha(tmp_path / f"{name}.png").digest for name in "abc")
    assert a == b != c
