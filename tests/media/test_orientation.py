"""Files that say how they are to be turned: pixels, boxes and sizes, against Pillow and OpenCV."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from mouselift.errors import VideoError
from mouselift.masks.changes import yuv_image
from mouselift.media.images import ImageFolder, read_image
from mouselift.media.orientation import Orientation, of_display_matrix
from mouselift.media.video import VideoReader
from mouselift.media.video_image import VideoImage
from mouselift.media.video_index import probe

PIXELS = np.random.default_rng(5).integers(0, 255, (20, 30, 3), dtype=np.uint8)
ALL = [Orientation(t, c, r) for t in (False, True) for c in (False, True) for r in (False, True)]
# a, b, c, d of the display matrix: x' = a x + c y, y' = b x + d y; and what OpenCV shows, where it knows
MATRICES = {
    "right angle": ((0, 1, -1, 0), cv2.ROTATE_90_CLOCKWISE),
    "upside down": ((-1, 0, 0, -1), cv2.ROTATE_180),
    "left angle": ((0, -1, 1, 0), cv2.ROTATE_90_COUNTERCLOCKWISE),
    "mirrored": ((-1, 0, 0, 1), None),
    "mirrored top to bottom": ((1, 0, 0, -1), None),
    "transposed": ((0, 1, 1, 0), None),
    "transposed the other way": ((0, -1, -1, 0), None),
}


def tagged(path: Path, matrix: tuple[float, float, float, float]) -> Path:
    """A copy of an mp4 with another display matrix in its track header, where action cameras write it."""
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 4
    at = start + (36 if data[start] else 24) + 16
    a, b, c, d = (round(value * 65536) for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    out = path.with_name(f"{path.stem}_{a}_{b}_{c}_{d}.mp4")
    out.write_bytes(data)
    return out


def first(path: Path, as_stored: bool = False) -> VideoImage:
    image = next(VideoReader(probe(path, as_stored)).read([0]))[1]
    assert image is not None
    return image


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
@pytest.mark.parametrize("code", range(1, 9))
def test_images_are_turned_as_exif_says(tmp_path: Path, suffix: str, code: int) -> None:
    image = Image.fromarray(PIXELS)
    exif = image.getexif()
    exif[0x0112] = code
    path = tmp_path / f"image_{code:03d}{suffix}"
    image.save(path, exif=exif, lossless=True, quality=95)
    expected, raw = PIXELS, PIXELS
    if suffix == ".jpg":
        raw = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))[..., ::-1]
    fresh = Image.fromarray(raw)
    fresh.getexif()[0x0112] = code
    fresh.info["exif"] = exif.tobytes()
    expected = np.asarray(ImageOps.exif_transpose(fresh))
    np.testing.assert_array_equal(read_image(path), expected)
    np.testing.assert_array_equal(read_image(path, as_stored=True), raw)
    folder = ImageFolder.scan(tmp_path)
    assert (folder.height, folder.width) == expected.shape[:2]
    assert folder.orientation.size((folder.width, folder.height)) == (30, 20)


def test_a_damaged_tag_is_no_tag(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), PIXELS)
    data = (tmp_path / "0.png").read_bytes()
    end = data.rindex(b"IEND") - 4
    chunk = struct.pack(">I", 4) + b"eXIf" + b"MM\0*" + b"\0\0\0\0"
    (tmp_path / "1.png").write_bytes(data[:end] + chunk + data[end:])
    np.testing.assert_array_equal(read_image(tmp_path / "1.png"), read_image(tmp_path / "0.png"))


@pytest.mark.parametrize("orientation", ALL, ids=lambda o: o.words)
def test_shown_stored_and_boxes(orientation: Orientation) -> None:
    shown = orientation.shown(PIXELS)
    np.testing.assert_array_equal(orientation.stored(shown), PIXELS)
    size = shown.shape[1], shown.shape[0]
    assert orientation.size((30, 20)) == size
    x0, y0, x1, y1 = box = (3, 5, 9, 17)
    a, b, c, d = orientation.stored_box(box, size)
    np.testing.assert_array_equal(orientation.shown(PIXELS[b:d, a:c]), shown[y0:y1, x0:x1])


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
def test_videos_are_turned_as_their_matrix_says(make_video: Callable[..., Path], name: str, pix_fmt: str) -> None:
    matrix, rotation = MATRICES[name]
    plain = make_video("turned.mp4", count=4, size=(98, 64), pix_fmt=pix_fmt, noise=True)
    path = tagged(plain, matrix)
    image, stored = first(path), first(plain)
    orientation = of_display_matrix(
        [round(v * 65536) for v in (matrix[0], matrix[1], 0, matrix[2], matrix[3], 0, 0, 0)]
    )
    assert orientation is not None
    assert (image.width, image.height) == orientation.size((98, 64)) == (probe(path).width, probe(path).height)
    whole = image.rgb()
    np.testing.assert_array_equal(whole, orientation.shown(stored.rgb()))
    np.testing.assert_array_equal(image.luma(), orientation.shown(stored.luma()))
    np.testing.assert_array_equal(image.rgb((5, 3, 40, 31)), whole[3:31, 5:40])
    np.testing.assert_array_equal(image.luma((5, 3, 40, 31)), image.luma()[3:31, 5:40])
    np.testing.assert_array_equal(first(path, as_stored=True).rgb(), stored.rgb())
    assert yuv_image(image).luma.shape == whole.shape[:2]
    if rotation is not None:
        np.testing.assert_array_equal(whole, cv2.rotate(stored.rgb(), rotation))
        seen = cv2.VideoCapture(str(path)).read()[1]
        assert seen.shape == whole.shape
        grey = np.asarray(cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY), dtype=float)
        assert np.corrcoef(grey.ravel(), image.luma().ravel())[0, 1] > 0.99


def test_other_angles_are_refused_by_name(make_video: Callable[..., Path]) -> None:
    path = tagged(make_video("turned.mp4", count=4, size=(98, 64)), (0.866, 0.5, -0.5, 0.866))
    with pytest.raises(VideoError, match=r"turned_.*other than right angles.*ffmpeg"):
        probe(path)


def test_pixel_aspect(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    assert probe(tmp_path / "a.mp4").aspect == pytest.approx(4 / 3)
    assert probe(tagged(tmp_path / "a.mp4", (0, 1, -1, 0))).aspect == pytest.approx(3 / 4)
