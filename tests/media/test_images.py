"""Folders of numbered images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.errors import CaptureError, VideoError
from mouselift.media.images import ArrayImage, ImageFolder, as_levels, as_rgb, read_image, read_numbered


def write(path: Path, value: int = 0, size: tuple[int, int] = (6, 4), channels: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if channels == 1 else (size[1], size[0], channels)
    assert cv2.imwrite(str(path), np.full(shape, value, dtype=np.uint8))
    return path


@pytest.mark.parametrize("first", [0, 1, 17])
def test_numbers_are_those_of_the_names(first: int, tmp_path: Path) -> None:
    for number in range(first, first + 12):  # without leading zeros: by number, not by name
        write(tmp_path / f"frame_{number}.png", number)
    folder = ImageFolder.scan(tmp_path)
    assert (folder.first, folder.complete, folder.width, folder.height) == (first, True, 6, 4)
    assert sorted(folder.files) == list(range(first, first + 12))
    wanted = [first + 11, first, first + 2]
    for number, image in read_numbered(folder, wanted):
        assert image is not None
        assert image[0, 0, 0] == number


def test_gaps_and_missing_numbers(tmp_path: Path) -> None:
    for number in (3, 5, 9):
        write(tmp_path / f"m{number:04d}.PNG", number)
    folder = ImageFolder.scan(tmp_path)
    assert not folder.complete
    found = dict(read_numbered(folder, [3, 4, 9, 100]))
    assert [image is None for image in found.values()] == [False, True, False, True]


def test_a_damaged_image_is_missing_and_says_so_when_read_alone(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.png", number, (40, 30))
    data = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(data[:20])
    (tmp_path / "2.png").write_bytes(b"")
    folder = ImageFolder.scan(tmp_path)
    assert [image is None for _, image in read_numbered(folder, range(3))] == [False, True, True]
    for name in ("1.png", "2.png", "7.png"):
        with pytest.raises(VideoError, match=rf"{name}: cannot be decoded"):
            read_image(tmp_path / name)


def test_an_image_of_another_size_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "0.png")
    write(tmp_path / "1.png", size=(4, 6))
    with pytest.raises(VideoError, match=r"1\.png: is 4x6, the first image of its folder is 6x4"):
        list(read_numbered(ImageFolder.scan(tmp_path), [0, 1]))


def test_folders_that_cannot_be_numbered_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no such image folder"):
        ImageFolder.scan(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("hello")
    with pytest.raises(CaptureError, match=r"expected images .* found none"):
        ImageFolder.scan(tmp_path / "empty")
    write(tmp_path / "named" / "background.png")
    with pytest.raises(CaptureError, match=r"background: expected a name that ends in the frame number"):
        ImageFolder.scan(tmp_path / "named")
    write(tmp_path / "twice" / "a_001.png")
    write(tmp_path / "twice" / "b_1.jpg")
    with pytest.raises(CaptureError, match=r"a_001 and b_1 both carry frame number 1"):
        ImageFolder.scan(tmp_path / "twice")


def test_channels_come_in_rgb_order(tmp_path: Path) -> None:
    bgra = np.zeros((3, 5, 4), dtype=np.uint8)
    bgra[:] = (10, 20, 30, 128)
    cv2.imwrite(str(tmp_path / "1.png"), bgra)
    cv2.imwrite(str(tmp_path / "2.png"), bgra[:, :, :3])
    cv2.imwrite(str(tmp_path / "3.png"), bgra[:, :, 0])
    assert read_image(tmp_path / "1.png")[0, 0].tolist() == [30, 20, 10, 128]
    assert read_image(tmp_path / "2.png")[0, 0].tolist() == [30, 20, 10]
    assert as_rgb(read_image(tmp_path / "1.png"))[0, 0].tolist() == [30, 20, 10]
    assert as_rgb(read_image(tmp_path / "3.png"))[0, 0].tolist() == [10, 10, 10]


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((3, 5), dtype=np.uint16))
    with pytest.raises(VideoError, match="expected 8 bits a channel, got uint16"):
        read_image(tmp_path / "1.png")


def test_a_mask_is_the_alpha_where_it_varies() -> None:
    rgba = np.full((2, 3, 4), 255, dtype=np.uint8)
    rgba[:, :, 1] = 70
    assert (as_levels(rgba) == 70).all()  # alpha says nothing: the green channel does
    rgba[0, 0, 3] = 0
    assert as_levels(rgba).tolist() == [[0, 255, 255], [255, 255, 255]]
    assert (as_levels(np.full((2, 3), 9, dtype=np.uint8)) == 9).all()
    assert as_levels(np.full((2, 3, 3), 8, dtype=np.uint8)).shape == (2, 3)


def test_a_region_of_a_image() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = ArrayImage(colours)
    assert (image.width, image.height) == (7, 5)
    np.testing.assert_array_equal(image.rgb(), colours)
    np.testing.assert_array_equal(image.rgb((2, 1, 6, 4)), colours[1:4, 2:6])
