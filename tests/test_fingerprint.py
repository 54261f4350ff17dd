"""Another input is noticed, a moved one is not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.fingerprint import fingerprint, sample_fingerprint


def stored(path: Path, pixels: np.ndarray) -> None:
    """A PNG without compression: its size does not depend on the pixels."""
    path.write_bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes())


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    (tmp_path / "one/images").mkdir(parents=True)
    (tmp_path / "one/opencv_cameras.json").write_text("{}")
    for name in ("a.png", "b.png"):
        stored(tmp_path / "one/images" / name, np.zeros((200, 200, 3), np.uint8))
    return tmp_path / "one"


def test_a_pixel_in_an_image_of_the_same_size(sample: Path) -> None:
    image = sample / "images/b.png"
    before, size = (fingerprint(sample / "images"), sample_fingerprint(sample)), image.stat().st_size
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[100, 100] = 1
    stored(image, pixels)
    assert image.stat().st_size == size
    assert fingerprint(sample / "images") != before[0]
    assert sample_fingerprint(sample) != before[1]


def test_what_was_copied_is_the_same(sample: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere/two"
    shutil.copytree(sample, copy)
    for path in copy.rglob("*.png"):
        os.utime(path, (1, 1))
    assert sample_fingerprint(copy) == sample_fingerprint(sample)


def test_names_and_cameras_count_and_hidden_files_do_not(sample: Path) -> None:
    before = sample_fingerprint(sample)
    (sample / "images/._a.png").write_bytes(b"macOS")
    assert sample_fingerprint(sample) == before
    (sample / "images/a.png").rename(sample / "images/c.png")
    assert sample_fingerprint(sample) != before
    (sample / "images/c.png").rename(sample / "images/a.png")
    (sample / "opencv_cameras.json").write_text("[]")
    assert sample_fingerprint(sample) != before
