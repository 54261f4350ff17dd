"""PNG: any decoder reads the same image back, the bytes are stable, damage is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.errors import DatasetError
from mouselift.media.decoding import decoded
from mouselift.media.png import decode_png, encode_png, read_png


def image_of(seed: int, height: int, width: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    if channels == 4:
        image[..., 3] *= rng.integers(0, 2, (height, width), dtype=np.uint8)
    return image


def blanked(image: np.ndarray) -> np.ndarray:
    return np.where(image[..., 3:] == 0, 0, image).astype(np.uint8)


def by_the_book(data: bytes) -> np.ndarray:
    """A decoder written from the standard, for what the encoder uses: UP-filtered rows, 8 bit, no interlace."""
    at, body, header = 8, b"", b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + content), kind
        header, body = (content, body) if kind == b"IHDR" else (header, body + content)
        at += 12 + length
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", header)
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(body), dtype=np.uint8).reshape(height, 1 + width * channels)
    assert (rows[:, 0] == 2).all()
    return np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).reshape(height, width, channels)


@given(
    seed=st.integers(0, 99), height=st.integers(1, 40), width=st.integers(1, 40), channels=st.sampled_from([1, 3, 4])
)
def test_any_decoder_reads_the_image_back(seed: int, height: int, width: int, channels: int) -> None:
    image = image_of(seed, height, width, channels)
    data = encode_png(image)
    shown = blanked(image) if channels == 4 else image.reshape(height, width, -1)
    assert np.array_equal(by_the_book(data), shown)
    found = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    assert np.array_equal(found.reshape(height, width, -1)[..., order], shown)
    assert np.array_equal(decode_png(data, "x.png")[..., : min(channels, 3)], shown[..., :3])


def test_pillow_reads_the_image_back() -> None:
    Image = pytest.importorskip("PIL.Image")
    import io

    image = image_of(1, 33, 21, 4)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(image)))), blanked(image))


def test_the_same_image_gives_the_same_bytes() -> None:
    image = image_of(2, 64, 50, 4)
    assert encode_png(image) == encode_png(image.copy()) == encode_png(np.asfortranarray(image))
    hidden = image.copy()
    hidden[image[..., 3] == 0, :3] = 77
    assert encode_png(hidden) == encode_png(image)


def test_the_input_is_not_changed() -> None:
    image = image_of(3, 20, 20, 4)
    before = image.copy()
    encode_png(image)
    assert np.array_equal(image, before)


def test_a_view_into_a_larger_image() -> None:
    image = image_of(4, 40, 40, 4)
    assert np.array_equal(decode_png(encode_png(image[5:30, 7:33]), "x"), blanked(image[5:30, 7:33]))


@pytest.mark.parametrize("shape", [(4, 4, 2), (0, 4, 4), (4, 0)])
def test_impossible_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        encode_png(np.zeros(shape, dtype=np.uint8))


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    wide = np.array([[[0, 257 * 7, 65535, 65535], [128, 129, 257 * 200 - 1, 257 * 50]]], dtype=np.uint16)
    path = tmp_path / "wide.png"
    assert cv2.imwrite(str(path), wide[..., [2, 1, 0, 3]])
    assert read_png(path).tolist() == [[[0, 7, 255, 255], [0, 1, 200, 50]]]


def test_damage_is_refused(tmp_path: Path) -> None:
    good = encode_png(image_of(5, 30, 30, 4))
    flipped = bytearray(good)
    flipped[60] ^= 0xFF
    faults: dict[str, Any] = {"short": good[:-30], "text": b"not an image", "empty": b""}
    for name, data in faults.items():
        with pytest.raises(DatasetError, match=f"{name}: expected a whole PNG file, got {len(data)} bytes"):
            decode_png(data, name)
    with pytest.raises(DatasetError, match=r"gone\.png: expected a readable PNG file, got: No such file"):
        read_png(tmp_path / "gone.png")
    with pytest.raises(DatasetError, match="broken: expected a PNG file"):
        decode_png(bytes(flipped), "broken")


def test_a_chunk_longer_than_its_file_is_no_image() -> None:
    """OpenCV makes room for what it says, up to 2 GB."""
    data = bytearray(encode_png(np.full((16, 16, 4), 200, np.uint8)))
    assert decoded(bytes(data)) is not None
    struct.pack_into(">I", data, data.index(b"IDAT") - 4, 0x71300112)
    assert decoded(bytes(data)) is None
