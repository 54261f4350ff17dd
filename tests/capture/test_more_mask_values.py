"""Masks that mean something else than they seem: inverted, in an alpha, with a border, faded, photographed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from PIL import Image

from mouselift.capture.mask_levels import OPACITY
from mouselift.capture.mask_values import look_at_masks
from mouselift.errors import MaskError
from mouselift.media.images import ImageFolder, read_values
from mouselift.media.video import VideoReader
from mouselift.media.video_index import VideoInfo, probe

Paint = Callable[[int], np.ndarray]
SIZE = (96, 64)
RED, GREEN = [200, 0, 0], [0, 200, 0]


def disc(number: int, x: float = 40.0, radius: float = 14.0) -> np.ndarray:
    """[h, w] 0 or 255, moving with the frame."""
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.uint8(255) * (np.hypot(u - x - number, v - 30) < radius)


def other(number: int) -> np.ndarray:
    return disc(number, x=75, radius=9)


def soft(number: int) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(disc(number), (0, 0), 1.2))


def cut_out(number: int, alpha: np.ndarray) -> np.ndarray:
    """RGBA of a photograph: noise in the colours."""
    colours = np.random.default_rng(number).integers(30, 220, (*alpha.shape, 3)).astype(np.uint8)
    return np.dstack([colours, alpha])


def painted(number: int) -> np.ndarray:
    """RGBA of two objects in plain colours on what is transparent."""
    colours = (disc(number) > 0)[..., None] * RED + (other(number) > 0)[..., None] * GREEN
    return np.dstack([colours, disc(number) | other(number)]).astype(np.uint8)


def files(folder: Path, paint: Paint, suffix: str = "png", quality: int = 75) -> ImageFolder:
    folder.mkdir()
    for number in range(4):
        Image.fromarray(paint(number)).save(folder / f"{number:04d}.{suffix}", quality=quality)
    return ImageFolder.scan(folder, masks=True)


def palette(folder: Path, paint: Paint, colours: list[int], transparent: int | bytes) -> ImageFolder:
    folder.mkdir()
    for number in range(4):
        image = Image.fromarray(paint(number).astype(np.uint8), mode="P")
        image.putpalette(colours + [0] * (768 - len(colours)))
        image.save(folder / f"{number:04d}.png", transparency=transparent)
    return ImageFolder.scan(folder, masks=True)


def video(path: Path, paint: Paint, codec: str, pix_fmt: str) -> VideoInfo:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pix_fmt
        for number in range(4):
            pixels = paint(number)
            form = "gray" if pixels.ndim == 2 else ("rgb24", "rgba")[pixels.shape[2] - 3]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format=form).reformat(format=pix_fmt)))
        container.mux(stream.encode())
    return probe(path)


def levels(media: ImageFolder | VideoInfo, chosen: int | str | None = None, number: int = 2) -> np.ndarray:
    values = look_at_masks("here", media, chosen)
    if isinstance(media, ImageFolder):
        return values.levels(read_values(media.files[number]))
    image = next(VideoReader(media).read([number]))[1]
    assert image is not None
    return values.levels(image)


def differ(found: np.ndarray, number: int = 2) -> float:
    """Share of the disc's pixels."""
    return float(((found >= 128) != (disc(number) > 0)).sum() / (disc(number) > 0).sum())


INVERTED: dict[str, tuple[Paint, str, float]] = {
    "black on white": (lambda n: 255 - disc(n), "png", 0),
    "0 on 1": (lambda n: 1 - disc(n) // 255, "png", 0),
    "soft": (lambda n: 255 - soft(n), "png", 0.02),
    "alpha of the background": (lambda n: cut_out(n, 255 - disc(n)), "png", 0),
    "JPEG": (lambda n: 255 - disc(n), "jpg", 0.02),
}


@pytest.mark.parametrize("kind", INVERTED)
def test_a_subject_along_the_whole_border_is_the_background(tmp_path: Path, kind: str) -> None:
    paint, suffix, share = INVERTED[kind]
    folder = files(tmp_path / "m", paint, suffix)
    with pytest.raises(MaskError, match=r"covers the whole border of the image in each of 4 masks.* mask_object = 0"):
        look_at_masks("here", folder)
    assert differ(levels(folder, 0)) <= share


def test_inverted_videos_and_right_masks_called_inverted(tmp_path: Path) -> None:
    for codec, pix_fmt in (("ffv1", "gray"), ("libx264", "yuv420p")):
        info = video(tmp_path / f"{codec}.mkv", lambda n: 255 - disc(n), codec, pix_fmt)
        with pytest.raises(MaskError, match="mask_object = 0"):
            look_at_masks("here", info)
        if codec == "ffv1":
            assert differ(levels(info, 0)) == 0
    right = files(tmp_path / "right", disc)
    with pytest.raises(MaskError, match=r"covers the whole border .*0 is the subject \(mask_object\)"):
        look_at_masks("here", right, 0)


def test_a_subject_that_is_cut_by_the_border_is_none(tmp_path: Path) -> None:
    """It covers two sides of the image, as close recordings do."""
    folder = files(tmp_path / "m", lambda n: disc(n, x=0, radius=70))
    assert look_at_masks("here", folder) == OPACITY


def test_masks_that_cover_everything_hold_none(tmp_path: Path) -> None:
    """As VP9 with an alpha that the decoder does not give."""
    with pytest.raises(MaskError, match=r"covers all of the image .* a transparency that was lost"):
        look_at_masks("here", files(tmp_path / "m", lambda n: disc(n, radius=999)))


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("qtrle", "argb"), ("png", "rgba"), ("prores_ks", "yuva444p10le"), ("ffv1", "yuva420p")]
)
@pytest.mark.parametrize("white", [False, True])
def test_the_alpha_of_a_video_is_its_mask(tmp_path: Path, codec: str, pix_fmt: str, white: bool) -> None:
    def paint(number: int) -> np.ndarray:
        colours = np.full((*SIZE[::-1], 3), 255 if white else 90, dtype=np.uint8)
        return np.dstack([colours, disc(number)])

    info = video(tmp_path / ("m.mkv" if codec == "ffv1" else "m.mov"), paint, codec, pix_fmt)
    assert "alpha" in look_at_masks("here", info).words
    assert differ(levels(info)) < 0.02


def test_a_transparent_background_hides_no_object(tmp_path: Path) -> None:
    """Its alpha alone would be both objects as one."""
    indexed = palette(tmp_path / "p", lambda n: (disc(n) > 0) + 2 * (other(n) > 0), [0, 0, 0, *RED, *GREEN], 0)
    with pytest.raises(MaskError, match="several values fill areas: 1, 2"):
        look_at_masks("here", indexed)
    assert differ(levels(indexed, 1)) == 0
    coloured = files(tmp_path / "c", painted)
    with pytest.raises(MaskError, match=r'several values fill areas: "#00c800", "#c80000"'):
        look_at_masks("here", coloured)
    assert differ(levels(coloured, "#c80000")) == 0


def test_cut_outs_of_photographs_and_faded_palettes_keep_their_alpha(tmp_path: Path) -> None:
    photo = files(tmp_path / "photo", lambda n: cut_out(n, soft(n)))
    assert look_at_masks("here", photo) == OPACITY
    np.testing.assert_array_equal(levels(photo), soft(2))
    faded = palette(tmp_path / "faded", lambda n: disc(n) > 0, [0, 0, 0, *RED], bytes([0, 128]))
    np.testing.assert_array_equal(levels(faded), disc(2))


def see_through(number: int, strength: int = 153) -> np.ndarray:
    """As overlays are saved: what is opaque in `painted` lets the image shine through."""
    return painted(number) * np.array([1, 1, 1, strength / 255]) // 1


def test_overlays_that_let_the_image_through_hide_no_object(tmp_path: Path) -> None:
    """Their alpha has one value, and would be both objects as one."""
    overlay = files(tmp_path / "o", lambda n: see_through(n).astype(np.uint8))
    with pytest.raises(MaskError, match=r'several values fill areas: "#00c800", "#c80000"'):
        look_at_masks("here", overlay)
    assert differ(levels(overlay, "#c80000")) == 0
    faded = palette(
        tmp_path / "p", lambda n: (disc(n) > 0) + 2 * (other(n) > 0), [0, 0, 0, *RED, *GREEN], bytes([0, 128, 128])
    )
    with pytest.raises(MaskError, match=r'several values fill areas: "#00c800", "#c80000"'):
        look_at_masks("here", faded)


def test_one_object_in_another_colour_each_time_is_one(tmp_path: Path) -> None:
    """SAM's own demo draws its overlays in random colours."""

    def paint(number: int) -> np.ndarray:
        colour = np.random.default_rng(number).integers(0, 255, 3)
        return np.dstack([np.full((*SIZE[::-1], 3), colour), disc(number) // 255 * 153]).astype(np.uint8)

    assert differ(levels(files(tmp_path / "m", paint))) == 0


@pytest.mark.parametrize(("codec", "pix_fmt"), [("qtrle", "argb"), ("png", "rgba")])
def test_the_alpha_of_a_video_hides_no_object(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    with pytest.raises(MaskError, match="painted in several colours"):
        look_at_masks("here", video(tmp_path / "m.mov", painted, codec, pix_fmt))


def test_what_is_all_transparent_is_no_empty_mask(tmp_path: Path) -> None:
    """Drawn into an array of zeros with four channels."""

    def paint(number: int) -> np.ndarray:
        return np.dstack([disc(number)] * 3 + [np.zeros_like(disc(0))])

    with pytest.raises(MaskError, match="alpha is 0 in each of 4 masks"):
        look_at_masks("here", files(tmp_path / "m", paint))
    with pytest.raises(MaskError, match="alpha is 0 in each of 4 masks"):
        look_at_masks("here", video(tmp_path / "m.mov", paint, "png", "rgba"))


def test_lossy_videos_of_dark_subjects_are_not_empty(tmp_path: Path) -> None:
    """A label 20 is as dark as the ripples that are removed."""
    info = video(tmp_path / "m.mp4", lambda n: soft(n) // 12, "libx264", "yuv420p")
    with pytest.raises(MaskError, match=r"nowhere opaque: what fills areas has levels up to (19|2\d) of 255"):
        look_at_masks("here", info)
    assert "nothing is marked" in look_at_masks("here", files(tmp_path / "e", lambda n: disc(n) * 0)).words


def test_h264_that_hardly_loses_anything_has_no_second_object(tmp_path: Path) -> None:
    """At crf 6 few values are left, and one that lies beside the subject may fill an area."""

    def paint(number: int) -> np.ndarray:
        near = cv2.dilate(disc(number), np.ones((3, 3), dtype=np.uint8)) - disc(number)
        left = np.array([1, 2, 3, 5, 6, 191, 249, 250, 252, 253], dtype=np.uint8)
        out = np.where(near > 0, left[np.arange(near.size).reshape(near.shape) % len(left)], disc(number) // 255 * 254)
        out[48:56, 40:56] = 1
        return out.astype(np.uint8)

    assert differ(levels(files(tmp_path / "m", paint))) < 0.1
    assert differ(levels(video(tmp_path / "m.mkv", paint, "ffv1", "gray"))) < 0.1


@pytest.mark.parametrize("pix_fmt", ["yuv420p9le", "yuv422p10le", "yuv444p12le", "yuv420p16le", "gray10le"])
def test_more_bits_than_8(tmp_path: Path, pix_fmt: str) -> None:
    assert differ(levels(video(tmp_path / "m.mkv", disc, "ffv1", pix_fmt))) == 0


def test_a_border_of_255_round_a_label_is_no_subject(tmp_path: Path) -> None:
    """As in PASCAL VOC: as opacity the border alone would be left."""

    def paint(number: int) -> np.ndarray:
        wide = cv2.dilate(disc(number), np.ones((3, 3), dtype=np.uint8))
        return np.where(disc(number) > 0, 1, wide).astype(np.uint8)

    folder = files(tmp_path / "m", paint)
    assert "255 lies on edges only" in look_at_masks("here", folder).words
    assert differ(levels(folder)) == 0


@pytest.mark.parametrize("top", [160, 200, 230])
def test_soft_masks_whose_subject_is_below_255(tmp_path: Path, top: int) -> None:
    """The subject ends at half of its own level, not at 128."""
    folder = files(tmp_path / "m", lambda n: (soft(n) * (top / 255)).astype(np.uint8))
    if top < 192:
        with pytest.raises(MaskError, match=f"nowhere opaque.* mask_object = {top}"):
            look_at_masks("here", folder)
    found = levels(folder, top if top < 192 else None)
    assert found.max() == 255
    assert differ(found) < 0.02
    grey = video(tmp_path / "m.mkv", lambda n: soft(n) // 2, "ffv1", "gray")
    assert differ(levels(grey)) < 0.02


def test_jpegs_are_read_about(tmp_path: Path) -> None:
    red = files(tmp_path / "red", lambda n: np.dstack([disc(n), 0 * disc(n), 0 * disc(n)]), "jpg")
    assert differ(levels(red)) < 0.03
    grey = files(tmp_path / "grey", lambda n: disc(n) // 2, "jpg")
    assert differ(levels(grey)) < 0.03
    with pytest.raises(MaskError, match="more than one level or colour"):
        look_at_masks("here", files(tmp_path / "both", lambda n: disc(n) | other(n) // 5 * 2, "jpg"))
    with pytest.raises(MaskError, match="in JPEGs, which keep no labels"):
        look_at_masks("here", files(tmp_path / "label", lambda n: disc(n) // 255, "jpg"))
    with pytest.raises(MaskError, match="more than one level or colour"):
        look_at_masks("here", files(tmp_path / "webp", lambda n: disc(n) | other(n) // 5 * 2, "webp", quality=60))


def test_levels_that_mean_black_in_a_video_are_told(tmp_path: Path) -> None:
    """0 and 1 in the plane of brightness itself: every player shows black."""
    path = tmp_path / "m.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(4):
            planes = np.concatenate([disc(number) // 255, np.full((SIZE[1] // 2, SIZE[0]), 128, dtype=np.uint8)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    with pytest.raises(MaskError, match="stores levels 0, 1, which all mean black"):
        look_at_masks("here", probe(path))
