"""The fast decoder gives what OpenCV gives, and knows what it cannot read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.data.decode import Cutout, cutout_of
from mouselift.errors import DatasetError
from mouselift.media.png import content_of, encode_png, up_filtered_steps


def whole(cutout: Cutout) -> np.ndarray:
    """The image as premultiplied float, in planes."""
    return cutout.premultiplied((0, 0, cutout.width, cutout.height))


def expected(rgba: np.ndarray) -> np.ndarray:
    values = rgba.astype(np.float32) / 255
    values[..., :3] *= values[..., 3:]
    return values.transpose(2, 0, 1)


def image_of(case: str) -> np.ndarray:
    image = np.random.default_rng(7).integers(0, 256, (37, 52, 4), dtype=np.uint8)
    hidden = np.ones(image.shape[:2], dtype=bool)
    spans = {
        "middle": (5, 30, 9, 41),
        "to the bottom": (20, 37, 0, 52),
        "corner": (0, 4, 49, 52),
        "whole": (0, 37, 0, 52),
    }
    if case in spans:
        y0, y1, x0, x1 = spans[case]
        hidden[y0:y1, x0:x1] = False
    if case == "flat to the bottom":
        hidden[10:, 20:30] = False
        image[10:, 20:30] = (9, 8, 7, 255)
    if case == "opaque":
        image[..., 3] = 255
        return image
    image[hidden] = 0
    return image


def read_cutout(file: Path) -> Cutout:
    return cutout_of(content_of(file), file)


@pytest.mark.parametrize(
    "case", ["middle", "to the bottom", "corner", "whole", "flat to the bottom", "opaque", "blank"]
)
@pytest.mark.parametrize("encoder", ["ours", "opencv"])
def test_same_image(case: str, encoder: str, tmp_path: Path) -> None:
    image, file = image_of(case), tmp_path / "a.png"
    if encoder == "ours":
        file.write_bytes(encode_png(image))
    else:
        cv2.imwrite(str(file), cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA))
    assert (up_filtered_steps(file.read_bytes()) is not None) == (encoder == "ours")
    cutout = read_cutout(file)
    assert (cutout.width, cutout.height) == (52, 37)
    np.testing.assert_allclose(whole(cutout), expected(image), rtol=0, atol=2e-7)  # one rounding of a float32
    assert cutout.opaque == (case == "opaque")


def test_scene_kept_under_alpha_vanishes(tmp_path: Path) -> None:
    image = np.full((8, 8, 4), 200, dtype=np.uint8)
    image[:, :4, 3] = 0
    cv2.imwrite(str(tmp_path / "a.png"), cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA))
    values = whole(read_cutout(tmp_path / "a.png"))
    assert not values[..., :4].any()


def test_other_formats_and_depths(tmp_path: Path) -> None:
    deep = np.full((8, 8, 4), 65535, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert (whole(read_cutout(tmp_path / "deep.png")) == 1).all()
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((8, 8, 3), 100, dtype=np.uint8))
    assert read_cutout(tmp_path / "a.jpg").opaque


def test_every_damage_is_seen(tmp_path: Path) -> None:
    data = encode_png(image_of("middle"))
    file = tmp_path / "a.png"
    for at in (60, len(data) // 2, len(data) - 17):
        spoiled = bytearray(data)
        spoiled[at] ^= 0x40
        assert up_filtered_steps(bytes(spoiled)) is None
    for kept in (0, 20, 50, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:kept])
        with pytest.raises(DatasetError, match=r"a\.png"):
            read_cutout(file)
    with pytest.raises(DatasetError, match="readable image"):
        read_cutout(tmp_path / "none.png")
