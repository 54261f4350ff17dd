"""Datasets are read as the model's loader reads them, by Pillow: pixels as stored, and a tag that says else is told."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mouselift.data.decode import cutout_of
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.source import DatasetSource
from mouselift.media.png import content_of, encode_png, read_alpha, read_colours, read_rgb_alpha

SIZE = 64


def pixels() -> np.ndarray:
    """[64, 64, 4], unlike itself in every turn and mirror image."""
    out = np.zeros((SIZE, SIZE, 4), dtype=np.uint8)
    out[8:50, 20:30] = (200, 40, 10, 255)
    out[40:50, 20:52] = (10, 90, 220, 255)
    return out


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """A chunk behind the header, as cameras and Blender write it."""
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return png[:33] + chunk + png[33:]


def exif(code: int) -> bytes:
    """A TIFF with one entry, the orientation."""
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, code, 0, 0)


def png(path: Path, code: int) -> None:
    path.write_bytes(with_chunk(encode_png(pixels()), b"eXIf", exif(code)))


def pillow_png(path: Path, code: int) -> None:
    Image.fromarray(pixels()).save(path, "png", exif=b"Exif\0\0" + exif(code))


def jpeg(path: Path, code: int) -> None:
    """A JPEG whatever the name says; its ground is white."""
    colours = np.where(pixels()[..., 3:] > 0, pixels()[..., :3], 255).astype(np.uint8)
    Image.fromarray(colours).save(path, "jpeg", quality=100, subsampling=0, exif=b"Exif\0\0" + exif(code))


def tiff(path: Path, code: int) -> None:
    """Pillow turns TIFFs when it decodes them, so loaders see them turned."""
    image = Image.fromarray(pixels())
    image.save(path, "tiff", tiffinfo={0x0112: code})


WRITERS: list[Callable[[Path, int], None]] = [png, pillow_png, jpeg, tiff]


@pytest.mark.parametrize("code", range(1, 9))
@pytest.mark.parametrize("write", WRITERS)
def test_every_reader_sees_what_pillow_sees(tmp_path: Path, write: Callable[[Path, int], None], code: int) -> None:
    path = tmp_path / "000.png"
    write(path, code)
    with Image.open(path) as image:
        seen = np.asarray(image.convert("RGBA")).astype(int)
    lossy = 40 if write is jpeg else 0  # OpenCV's and Pillow's JPEG decoders round differently; a turn differs by 200
    np.testing.assert_allclose(read_colours(path), seen[..., :3], atol=lossy)
    if write is jpeg:
        return
    for alpha in (read_alpha(path).alpha, read_rgb_alpha(path)[1]):
        np.testing.assert_array_equal(alpha, seen[..., 3])
    cutout = cutout_of(content_of(path), path)
    x0, y0, x1, y1 = cutout.box
    np.testing.assert_array_equal(cutout.rgba[..., 3], seen[y0:y1, x0:x1, 3])


@pytest.mark.parametrize("write", [png, pillow_png, jpeg])
@pytest.mark.parametrize("code", [1, 3, 6])
def test_a_tag_is_said_and_not_followed(tmp_path: Path, write: Callable[[Path, int], None], code: int) -> None:
    folder = tmp_path / "sample_000001"
    (folder / "images").mkdir(parents=True)
    frames = []
    for index in range(2):
        write(folder / f"images/cam_{index:03d}.png", code)
        w2c = np.eye(4)
        w2c[:3, 3] = (0.1 * index, 0, 2.7)
        intrinsics = {"w": SIZE, "h": SIZE, "fx": 80.0, "fy": 80.0 + index, "cx": 32.0, "cy": 32.0}
        frames.append({"file_path": f"images/cam_{index:03d}.png", "view_id": index, "w2c": w2c.tolist(), **intrinsics})
    (folder / "opencv_cameras.json").write_text(json.dumps({"frames": frames}))
    sample = load_sample(folder)
    told = [finding for finding in sample.findings if finding.code == "orientation-tag"]
    assert len(told) == (0 if code == 1 else 2)
    for view in sample.views:
        assert ((view.alpha > 127) != (pixels()[..., 3] > 127)).mean() < 0.01  # turned, a tenth would differ
    (frame,) = DatasetSource(tmp_path).read([1])
    for view in frame.views:
        assert view.image is not None
        red = view.image.rgb()[10:38, 21:29].astype(int)
        assert np.abs(red - [200, 40, 10]).max() < 40
