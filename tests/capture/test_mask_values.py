"""What tools write into masks, and what it means: values, palettes, colours, label maps, opacity; files and videos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from PIL import Image

from mouselift.capture.mask_levels import OPACITY, MaskValues
from mouselift.capture.mask_values import look_at_masks
from mouselift.errors import MaskError, VideoError
from mouselift.media.images import ImageFolder, read_values
from mouselift.media.video import VideoReader
from mouselift.media.video_index import VideoInfo, probe

SIZE = (96, 64)
Paint = Callable[[int], np.ndarray]
DAVIS = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [0] * 756


def disc(number: int, x: float = 40.0, radius: float = 14.0, soft: bool = False) -> np.ndarray:
    """0..1, moving with the frame."""
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    inside = radius - np.hypot(u - x - number, v - 30)
    return np.clip(inside / 3 + 0.5, 0, 1) if soft else (inside > 0).astype(float)


def other(number: int) -> np.ndarray:
    return disc(number, x=75, radius=9)


def soft_other(number: int) -> np.ndarray:
    return disc(number, x=75, radius=9, soft=True)


def files(folder: Path, paint: Paint, suffix: str = "png", count: int = 4) -> ImageFolder:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        pixels = paint(number)
        cv2.imwrite(str(folder / f"{number:04d}.{suffix}"), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return ImageFolder.scan(folder, masks=True)


def palette(folder: Path, paint: Paint, colours: list[int] = DAVIS) -> ImageFolder:
    folder.mkdir(exist_ok=True)
    for number in range(4):
        image = Image.fromarray(paint(number).astype(np.uint8), mode="P")
        image.putpalette(colours)
        image.save(folder / f"{number:04d}.png")
    return ImageFolder.scan(folder, masks=True)


def video(path: Path, paint: Paint, codec: str, pix_fmt: str, count: int = 4) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pix_fmt
        for number in range(count):
            pixels = paint(number).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="gray" if pixels.ndim == 2 else "rgb24")
            container.mux(stream.encode(frame.reformat(format=pix_fmt)))
        container.mux(stream.encode())
    return path


def read(values: MaskValues, folder: ImageFolder, number: int = 2) -> np.ndarray:
    return values.levels(read_values(folder.files[number]))


def frame_levels(values: MaskValues, info: VideoInfo) -> np.ndarray:
    image = next(VideoReader(info).read([2]))[1]
    assert image is not None
    return values.levels(image)


@pytest.mark.parametrize("value", [1, 2, 7, 128, 200, 254])
def test_of_two_values_the_one_that_is_not_zero_is_the_subject(tmp_path: Path, value: int) -> None:
    folder = files(tmp_path / "m", lambda n: (disc(n) * value).astype(np.uint8))
    values = look_at_masks("here", folder)
    np.testing.assert_array_equal(read(values, folder), disc(2) * 255)
    assert f"{value} is the subject" in values.words


@pytest.mark.parametrize("soft", [False, True])
def test_opacity_is_taken_as_it_is(tmp_path: Path, soft: bool) -> None:
    folder = files(tmp_path / "m", lambda n: np.round(disc(n, soft=soft) * 255).astype(np.uint8))
    values = look_at_masks("here", folder)
    assert values == OPACITY
    np.testing.assert_array_equal(read(values, folder), np.round(disc(2, soft=soft) * 255))


def test_opacity_in_16_bits_is_rounded_to_8(tmp_path: Path) -> None:
    folder = files(tmp_path / "m", lambda n: np.round(disc(n, soft=True) * 65535).astype(np.uint16))
    values = look_at_masks("here", folder)
    assert values == OPACITY
    np.testing.assert_allclose(read(values, folder), disc(2, soft=True) * 255, atol=0.51)
    hard = files(tmp_path / "hard", lambda n: (disc(n) * 65535).astype(np.uint16))
    np.testing.assert_array_equal(read(look_at_masks("here", hard), hard), disc(2) * 255)


@pytest.mark.parametrize("when", [range(95, 100), range(30, 70)])
def test_a_second_object_is_found_wherever_it_shows(tmp_path: Path, when: range) -> None:
    """In a video of which access points alone are decoded, but for the last image."""

    def paint(number: int, late: range) -> np.ndarray:
        return disc(number % 10) * 255 + other(number % 10) * 130 * (number in late)

    both = probe(video(tmp_path / "both.mp4", lambda n: paint(n, when), "mpeg4", "yuv420p", 100))
    assert len(both.keys) > 6
    with pytest.raises(MaskError, match="more than one level or colour"):
        look_at_masks("here", both)
    one = probe(video(tmp_path / "one.mp4", lambda n: paint(n, range(0)), "mpeg4", "yuv420p", 100))
    assert look_at_masks("here", one) == OPACITY


def test_255_of_65535_is_a_label(tmp_path: Path) -> None:
    """As opacity it would be nothing."""
    folder = files(tmp_path / "m", lambda n: (disc(n) * 255).astype(np.uint16))
    np.testing.assert_array_equal(read(look_at_masks("here", folder), folder), disc(2) * 255)


def test_other_types_than_whole_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="expected 8 or 16 bits a channel, got float32"):
        files(tmp_path / "m", lambda n: disc(n).astype(np.float32), "tif")


def test_lossy_white_masks_are_opacity(tmp_path: Path) -> None:
    assert look_at_masks("here", files(tmp_path / "m", lambda n: (disc(n) * 255).astype(np.uint8), "jpg")) == OPACITY


def test_masks_that_are_nowhere_opaque_are_refused_with_their_levels(tmp_path: Path) -> None:
    folder = files(tmp_path / "m", lambda n: np.round(disc(n, soft=True) * 158).astype(np.uint8))
    with pytest.raises(MaskError, match=r"here: the subject is nowhere opaque: levels found are 0 to 158 of 255"):
        look_at_masks("here", folder)


def test_two_soft_objects_are_no_opacity_with_one_plateau(tmp_path: Path) -> None:
    """Levels of a soft mask whose subject is 210 look alike, but fill nearly nothing below it."""
    one = files(tmp_path / "one", lambda n: np.rint(210 * disc(n, soft=True)))
    assert look_at_masks("masks", one).top == 210
    second = files(tmp_path / "two", lambda n: np.rint(np.maximum(210 * disc(n, soft=True), 100 * soft_other(n))))
    with pytest.raises(MaskError, match="several values fill areas: 100, 210"):
        look_at_masks("masks", second)


@pytest.mark.parametrize("object_", [1, 2])
def test_coloured_palettes_mean_their_indices(tmp_path: Path, object_: int) -> None:
    one = palette(tmp_path / "one", lambda n: disc(n) * object_)
    np.testing.assert_array_equal(read(look_at_masks("here", one), one), disc(2) * 255)
    both = palette(tmp_path / "both", lambda n: disc(n) + 2 * other(n))
    with pytest.raises(MaskError, match=r"several values fill areas: 1, 2; .*mask_object = 1"):
        look_at_masks("here", both)
    expected = (disc, other)[object_ - 1](2) * 255
    np.testing.assert_array_equal(read(look_at_masks("here", both, object_), both), expected)
    with pytest.raises(MaskError, match=r"mask_object = 3 fills no area; values that do: 1, 2"):
        look_at_masks("here", both, 3)


def test_grey_palettes_mean_their_levels(tmp_path: Path) -> None:
    grey = [level for index in range(256) for level in [255 * min(index, 1)] * 3]
    folder = palette(tmp_path / "m", lambda n: disc(n) * 1, grey)
    assert look_at_masks("here", folder) == OPACITY
    np.testing.assert_array_equal(read(OPACITY, folder), disc(2) * 255)


@pytest.mark.parametrize("deep", [False, True])
def test_label_maps_ask_for_the_object(tmp_path: Path, deep: bool) -> None:
    kind, second = (np.uint16, 700) if deep else (np.uint8, 2)
    folder = files(tmp_path / "m", lambda n: (disc(n) + second * other(n)).astype(kind))
    with pytest.raises(MaskError, match=rf"several values fill areas: 1, {second}"):
        look_at_masks("here", folder)
    np.testing.assert_array_equal(read(look_at_masks("here", folder, second), folder), other(2) * 255)


def test_void_is_an_object_too(tmp_path: Path) -> None:
    """PASCAL and DAVIS mark what nobody decided by 255: as opacity it would be the whole subject."""
    folder = files(tmp_path / "m", lambda n: (disc(n) + 255 * other(n)).astype(np.uint8))
    with pytest.raises(MaskError, match="several values fill areas: 1, 255"):
        look_at_masks("here", folder)


def test_colours(tmp_path: Path) -> None:
    red = files(tmp_path / "red", lambda n: (disc(n)[..., None] * [255, 0, 0]).astype(np.uint8))
    np.testing.assert_array_equal(read(look_at_masks("here", red), red), disc(2) * 255)
    soft = files(tmp_path / "soft", lambda n: (disc(n, soft=True)[..., None] * [0, 0, 200]).astype(np.uint8))
    found = read(look_at_masks("here", soft), soft)
    assert (found[disc(2, soft=True) == 1] == 255).all()
    assert np.abs(found / 255 - disc(2, soft=True)).max() < 0.2

    def two(number: int) -> np.ndarray:
        return (disc(number)[..., None] * [128, 0, 0] + other(number)[..., None] * [0, 128, 0]).astype(np.uint8)

    both = files(tmp_path / "both", two)
    with pytest.raises(MaskError, match=r'"#008000", "#800000"'):
        look_at_masks("here", both)
    np.testing.assert_array_equal(read(look_at_masks("here", both, "#008000"), both), other(2) * 255)
    with pytest.raises(MaskError, match=r"mask_object: expected a number or a colour such as .#800000., got 'red'"):
        look_at_masks("here", both, "red")


def test_alpha_that_varies_is_the_mask(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    for number in range(2):
        pixels = np.dstack([np.full((*SIZE[::-1], 3), 90), disc(number) * 255]).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"m/{number}.png")
    folder = ImageFolder.scan(tmp_path / "m", masks=True)
    np.testing.assert_array_equal(read(look_at_masks("here", folder), folder, 1), disc(1) * 255)


def test_an_object_that_comes_late_is_not_passed_over(tmp_path: Path) -> None:
    folder = files(tmp_path / "m", lambda n: (disc(0) + (2 * other(0) if n == 9 else 0)).astype(np.uint8), count=60)
    values = look_at_masks("here", folder)
    read(values, folder, 8)
    with pytest.raises(MaskError, match=r"seemed to be 1, but here 2 fills an area too"):
        read(values, folder, 9)


def test_empty_masks_say_nothing(tmp_path: Path) -> None:
    values = look_at_masks("here", files(tmp_path / "m", lambda n: np.zeros(SIZE[::-1], dtype=np.uint8)))
    assert replace(values, words=OPACITY.words) == OPACITY


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "colour"),
    [
        ("ffv1", "gray", 1),
        ("ffv1", "gray", 255),
        ("ffv1", "yuv420p", 255),
        ("libx264", "yuv420p", 255),
        ("libx264", "yuv420p", 128),
        ("libx264", "yuv444p", (255, 0, 0)),
        ("libx264", "yuv420p", (0, 0, 255)),
        ("mpeg4", "yuv420p", (0, 200, 0)),
    ],
)
def test_videos(tmp_path: Path, codec: str, pix_fmt: str, colour: int | tuple[int, int, int]) -> None:
    def paint(number: int) -> np.ndarray:
        return disc(number) * colour if isinstance(colour, int) else disc(number)[..., None] * colour

    info = probe(video(tmp_path / "m.mkv", paint, codec, pix_fmt))
    values = look_at_masks("here", info)
    if colour == 255:
        assert values == OPACITY
    levels = frame_levels(values, info)
    assert ((levels > 127) != (disc(2) > 0.5)).mean() < 0.02
    assert np.median(levels[disc(2) > 0.5]) == 255
    assert levels[disc(2, radius=18) == 0].max() < 40


def test_a_video_of_several_objects_is_refused(tmp_path: Path) -> None:
    def grey(number: int) -> np.ndarray:
        return disc(number) * 120 + other(number) * 250

    def coloured(number: int) -> np.ndarray:
        return disc(number)[..., None] * [255, 0, 0] + other(number)[..., None] * [0, 255, 0]

    for name, paint in (("grey", grey), ("coloured", coloured)):
        info = probe(video(tmp_path / f"{name}.mp4", paint, "libx264", "yuv420p"))
        with pytest.raises(MaskError, match="more than one level or colour"):
            look_at_masks("here", info)
    lossless = probe(video(tmp_path / "labels.mkv", lambda n: disc(n) + 2 * other(n), "ffv1", "gray"))
    with pytest.raises(MaskError, match="several values fill areas: 1, 2"):
        look_at_masks("here", lossless)
    found = frame_levels(look_at_masks("here", lossless, 2), lossless)
    np.testing.assert_array_equal(found, other(2) * 255)
