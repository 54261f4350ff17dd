"""Colours of video: the right matrix, and the chroma samples where the standard puts them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream

from mouselift.media.video import VideoReader
from mouselift.media.video_image import VideoImage, full_range_levels, region_rgb, rgb_from_yuv
from mouselift.media.video_index import probe

BT709, BT601 = 1, 6
LIMITED, FULL = 1, 2


def analytic(y: np.ndarray, u: np.ndarray, v: np.ndarray, kr: float, kb: float, full: bool) -> np.ndarray:
    """ITU-R BT.601 / BT.709, written out: R = Y + 2 (1 - Kr) Cr, B = Y + 2 (1 - Kb) Cb, G from Y."""
    Y = y / 255 if full else (y - 16) / 219
    Cb, Cr = ((c - 128) / (255 if full else 224) for c in (u, v))
    R, B = Y + 2 * (1 - kr) * Cr, Y + 2 * (1 - kb) * Cb
    G = (Y - kr * R - kb * B) / (1 - kr - kb)
    return np.clip(255 * np.stack([R, G, B], axis=-1), 0, 255)


WEIGHTS = {BT601: (0.299, 0.114), BT709: (0.2126, 0.0722)}


def planes(y: int, u: int, v: int, h: int = 8, w: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    full, half = np.ones((h, w), np.uint8), np.ones((h // 2, w // 2), np.uint8)
    return full * np.uint8(y), half * np.uint8(u), half * np.uint8(v)


@pytest.mark.parametrize("colorspace", [BT601, BT709])
@pytest.mark.parametrize("full", [False, True])
def test_flat_colours_against_the_formula(colorspace: int, full: bool) -> None:
    rng = np.random.default_rng(0)
    worst, worst_other = 0.0, 0.0
    for y, u, v in rng.integers([30, 60, 60], [220, 200, 200], (200, 3)):
        got = region_rgb(*planes(y, u, v), (0, 0, 8, 8), rgb_from_yuv(colorspace, full))
        assert (got == got[0, 0]).all()
        for kind, weights in WEIGHTS.items():
            levels = np.array([y, u, v], dtype=np.float64)[:, None]
            expected = analytic(levels[0], levels[1], levels[2], *weights, full)
            error = float(np.abs(got[0, 0] - expected).max())
            if kind == colorspace:
                worst = max(worst, error)
            else:
                worst_other = max(worst_other, error)
    assert worst < 0.65  # rounding: cv2.transform works in fixed point
    assert worst_other > 5  # the other matrix would show


def test_black_white_and_grey() -> None:
    for full, black, white in ((False, 16, 235), (True, 0, 255)):
        matrix = rgb_from_yuv(BT601, full)
        assert (region_rgb(*planes(black, 128, 128), (0, 0, 8, 8), matrix) == 0).all()
        assert (region_rgb(*planes(white, 128, 128), (0, 0, 8, 8), matrix) == 255).all()
    assert full_range_levels(True).tolist() == list(range(256))
    levels = full_range_levels(False)
    assert (levels[16], levels[235], levels[0], levels[255]) == (0, 255, 0, 255)
    assert int(levels[126]) == round(110 * 255 / 219)


def test_untagged_video_is_read_as_bt601() -> None:
    for untagged in (0, 2, 77):
        np.testing.assert_array_equal(rgb_from_yuv(untagged, False), rgb_from_yuv(BT601, False))


# Chroma siting: 4:2:0 chroma lies on even luma columns and midway between two rows.


def ramp(across: bool, h: int = 24, w: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Constant brightness; Cr rises by 2 levels a luma pixel, sampled where the standard sites it."""
    y, u, _ = planes(128, 128, 128, h, w)
    i, j = np.arange(w // 2) * 2.0, np.arange(h // 2) * 2.0 + 0.5  # luma index of each chroma sample
    along = np.tile(i, (h // 2, 1)) if across else np.tile(j[:, None], (1, w // 2))
    return y, u, np.round(100 + 2 * along).astype(np.uint8) if across else (100 + 2 * along).astype(np.uint8)


def siting_error(got: np.ndarray, across: bool) -> float:
    """Mean displacement of the colours, in luma pixels, away from the edges."""
    y = np.full(got.shape[:2], 128.0)
    at = np.arange(24.0)
    v = np.broadcast_to(100 + 2 * (at if across else at[:, None]), y.shape)
    expected = analytic(y, np.full_like(y, 128.0), v, *WEIGHTS[BT601], True)
    slope = 2 * 2 * (1 - WEIGHTS[BT601][0])  # red levels a pixel
    inner = np.s_[4:-4, 4:-4, 0]
    return float(np.abs((got[inner] - expected[inner]).mean()) / slope)


def by_hand(y: np.ndarray, u: np.ndarray, v: np.ndarray, how: str) -> np.ndarray:
    """The usual shortcuts: nearest chroma, and chroma taken as sited in the middle of four pixels."""
    flag = cv2.INTER_NEAREST if how == "nearest" else cv2.INTER_LINEAR  # cv2.resize: centres of 2 x 2 blocks
    size = (y.shape[1], y.shape[0])
    up = [cv2.resize(c, size, interpolation=flag) for c in (u, v)]
    return analytic(y.astype(float), up[0].astype(float), up[1].astype(float), *WEIGHTS[BT601], True)


@pytest.mark.parametrize("across", [True, False])
def test_chroma_is_where_the_standard_puts_it(across: bool) -> None:
    y, u, v = ramp(across)
    got = region_rgb(y, u, v, (0, 0, 24, 24), rgb_from_yuv(BT601, True))
    assert siting_error(got.astype(float), across) < 0.11  # rounding of one level is 0.18 of a pixel
    assert float(np.std(got[4:-4, 4:-4, 1].astype(float) + got[4:-4, 4:-4, 0] * 0.509)) < 1.0


def test_shortcuts_would_fail_the_siting_check() -> None:
    assert siting_error(by_hand(*ramp(True), "centred"), True) > 0.3  # half a pixel to the side
    assert siting_error(by_hand(*ramp(True), "nearest"), True) > 0.3
    nearest = by_hand(*ramp(False), "nearest")  # right on average up and down, but in steps of two rows
    assert np.ptp(nearest[4:6, 12, 0]) == 0
    assert np.ptp(region_rgb(*ramp(False), (0, 0, 24, 24), rgb_from_yuv(BT601, True))[4:6, 12, 0]) > 0


def test_a_colour_edge_lies_on_its_pixel() -> None:
    """Luma 12 and beyond is red: its sample at column 12 is the first red one, column 11 is half way."""
    y, u, v = planes(128, 128, 128, 24, 24)
    v = v.copy()
    v[:, 6:] = 200
    red = region_rgb(y, u, v, (0, 0, 24, 24), rgb_from_yuv(BT601, True))[12, :, 0].astype(int)
    low, high = int(red[0]), int(red[-1])
    assert red[:11].tolist() == [low] * 11
    assert red[12:].tolist() == [high] * 12
    assert red[11] == pytest.approx((low + high) / 2, abs=1)


@pytest.mark.parametrize("size", [(32, 24), (31, 23), (30, 23)])
def test_a_region_has_the_same_values_as_the_whole(size: tuple[int, int]) -> None:
    w, h = size
    rng = np.random.default_rng(1)
    y = rng.integers(16, 236, (h, w), dtype=np.uint8)
    u, v = (rng.integers(16, 240, ((h + 1) // 2, (w + 1) // 2), dtype=np.uint8) for _ in range(2))
    matrix = rgb_from_yuv(BT709, False)
    whole = region_rgb(y, u, v, (0, 0, w, h), matrix)
    for _ in range(200):
        x0, y0 = int(rng.integers(w)), int(rng.integers(h))
        x1, y1 = int(rng.integers(x0 + 1, w + 1)), int(rng.integers(y0 + 1, h + 1))
        np.testing.assert_array_equal(region_rgb(y, u, v, (x0, y0, x1, y1), matrix), whole[y0:y1, x0:x1])


# Through files: tags are honoured.


def tagged(path: Path, colour: tuple[int, int, int], space: int, full: bool, pix_fmt: str = "yuv420p") -> VideoImage:
    """One flat image of these YUV levels, lossless, with its colour tags."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"qp": "0"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 32, 32, pix_fmt
        stream.codec_context.colorspace = space
        stream.codec_context.color_range = FULL if full else LIMITED
        y, u, v = planes(*colour, 32, 32)
        frame = av.VideoFrame.from_ndarray(np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(48, 32), "yuv420p")
        if pix_fmt != "yuv420p":
            other = av.VideoFrame(32, 32, pix_fmt)
            for source, target in zip(frame.planes, other.planes, strict=True):
                target.update(bytes(source))
            frame = other
        frame.colorspace, frame.color_range = space, FULL if full else LIMITED
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    image = next(VideoReader(probe(path)).read([0]))[1]
    assert image is not None
    return image


@pytest.mark.parametrize(
    ("space", "full", "pix_fmt"),
    [(BT601, False, "yuv420p"), (BT709, False, "yuv420p"), (BT601, True, "yuvj420p"), (BT709, True, "yuv420p")],
)
def test_tags_of_a_file(space: int, full: bool, pix_fmt: str, tmp_path: Path) -> None:
    colour = (110, 90, 190)
    image = tagged(tmp_path / "flat.mp4", colour, space, full, pix_fmt)
    y, u, v = np.array(colour, dtype=np.float64)[:, None]
    got = image.rgb((3, 5, 20, 30))
    assert got.shape == (25, 17, 3)
    np.testing.assert_allclose(got[7, 7], analytic(y, u, v, *WEIGHTS[space], full)[0], atol=0.65)
    wrong = analytic(y, u, v, *WEIGHTS[BT601 if space == BT709 else BT709], full)
    assert np.abs(got[7, 7] - wrong).max() > 5
    level = 110 if full else round((110 - 16) * 255 / 219)
    assert (image.luma() == level).all()


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "gray"])
def test_region_and_whole_of_a_image(
    pix_fmt: str, make_video: Callable[..., Path], number_of: Callable[[np.ndarray], int]
) -> None:
    codec = "libx264" if pix_fmt.startswith("yuv") else "ffv1"
    info = probe(make_video(f"{pix_fmt}.mkv", count=8, codec=codec, pix_fmt=pix_fmt, size=(98, 66)))
    image = dict(VideoReader(info).read([5]))[5]
    assert image is not None
    assert (image.width, image.height) == (98, 66)
    whole = image.rgb()
    assert whole.shape == (66, 98, 3)
    assert number_of(whole[:, :, 1]) == number_of(image.luma()) == 5
    for x0, y0, x1, y1 in ((0, 0, 98, 66), (7, 11, 52, 43), (51, 1, 98, 66), (10, 10, 11, 11)):
        np.testing.assert_array_equal(image.rgb((x0, y0, x1, y1)), whole[y0:y1, x0:x1])
        np.testing.assert_array_equal(image.luma((x0, y0, x1, y1)), image.luma()[y0:y1, x0:x1])
    assert np.abs(whole[:, :, 1].astype(int) - image.luma().astype(int)).max() <= 3  # a grey image is grey


def test_grey_video_keeps_its_levels_through_a_curve(make_video: Callable[..., Path]) -> None:
    info = probe(make_video("curve.mkv", count=3, codec="ffv1", pix_fmt="gray"))
    image = dict(VideoReader(info).read([1]))[1]
    assert image is not None
    curve = np.arange(255, -1, -1, dtype=np.uint8)
    np.testing.assert_array_equal(image.luma(curve=curve), 255 - image.luma())
