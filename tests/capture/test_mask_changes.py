"""Masks that are not like those which told what values mean: none of them is read as if it were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from PIL import Image

from mouselift.capture.mask_values import look_at_masks
from mouselift.errors import MaskError
from mouselift.media.images import ImageFolder
from mouselift.media.video import VideoReader
from mouselift.media.video_index import probe

SIZE = (96, 64)
COUNT, LATE = 24, 11  # masks, and the one that differs: none of those that `look_at_masks` looks at
Paint = Callable[[int], np.ndarray]


def disc(number: int, x: float = 30.0, radius: float = 14.0) -> np.ndarray:
    """[h, w] 0 or 255, moving with the frame."""
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.uint8(255) * (np.hypot(u - x - number / 2, v - 30) < radius)


def other(number: int) -> np.ndarray:
    return disc(number, x=70, radius=9)


def soft(number: int) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(disc(number), (0, 0), 1.2))


def coloured(mask: np.ndarray, channel: int) -> np.ndarray:
    return np.dstack([mask * (k == channel) for k in range(3)])


def but_late(usual: Paint, late: Paint) -> Paint:
    return lambda number: late(number) if number == LATE else usual(number)


def files(folder: Path, paint: Paint) -> ImageFolder:
    folder.mkdir()
    for number in range(COUNT):
        Image.fromarray(paint(number)).save(folder / f"{number:04d}.png")
    return ImageFolder.scan(folder, masks=True)


def video(path: Path, paint: Paint, codec: str, pix_fmt: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pix_fmt
        stream.options = {"crf": "8", "g": str(COUNT)} if codec == "libx264" else {}
        for number in range(COUNT):
            image = paint(number)
            colours = image if image.ndim == 3 else np.dstack([image] * 3)
            for packet in stream.encode(av.VideoFrame.from_ndarray(colours, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.mark.parametrize(
    ("late", "words"),
    [
        (lambda n: disc(n) // 255, "^1 fills an area here"),  # labelled by hand
        (lambda n: np.maximum(disc(n), other(n) // 2), "^127 fills"),  # a second animal
        (lambda n: np.maximum(disc(n), np.uint8(200) * (other(n) > 0)), "^200 fills"),
        (lambda n: coloured(disc(n), 0), '^"#ff0000" fills'),  # its green channel is empty
        (lambda n: disc(n).astype(np.uint16), "^1 fills"),  # 255 of 65535
    ],
)
def test_another_value_in_one_mask_of_a_folder_is_refused(tmp_path: Path, late: Paint, words: str) -> None:
    folder = files(tmp_path / "m", but_late(disc, late))
    values = look_at_masks("here", folder)
    for number in range(COUNT):
        found = folder.read(number)
        assert found is not None
        if number != LATE:
            np.testing.assert_array_equal(values.levels(found), disc(number))
            continue
        with pytest.raises(MaskError, match=words):
            values.levels(found)


@pytest.mark.parametrize("late", [disc, lambda n: np.zeros_like(disc(n)), soft, lambda n: np.dstack([disc(n)] * 3)])
@pytest.mark.parametrize("usual", [disc, soft])
def test_empty_soft_and_other_forms_of_one_meaning_are_read(tmp_path: Path, usual: Paint, late: Paint) -> None:
    folder = files(tmp_path / "m", but_late(usual, late))
    values = look_at_masks("here", folder)
    found = folder.read(LATE)
    assert found is not None
    levels = values.levels(found)
    np.testing.assert_array_equal(levels > 127, (late(LATE) if late(LATE).ndim == 2 else disc(LATE)) > 127)


def test_a_second_object_among_soft_masks_is_refused(tmp_path: Path) -> None:
    folder = files(tmp_path / "m", but_late(soft, lambda n: np.maximum(soft(n), other(n) // 2)))
    values, found = look_at_masks("here", folder), folder.read(LATE)
    assert found is not None
    with pytest.raises(MaskError, match="127 fills an area"):
        values.levels(found)


def unsure(number: int, most: float) -> np.ndarray:
    """A network's opacity that varies from place to place, `most` at its highest; patches have one level by chance."""
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    waves = 1 + 0.06 * np.cos((u - 36) / 12) * np.cos((v - 30) / 12)
    return np.asarray(np.round(soft(number) * waves * most / 1.06)).astype(np.uint8)


@pytest.mark.parametrize("most", [0.6, 0.7])
def test_an_image_of_which_a_network_is_less_sure_is_read(tmp_path: Path, most: float) -> None:
    def late(number: int) -> np.ndarray:
        return unsure(number, most)

    folder = files(tmp_path / "m", but_late(soft, late))
    values, found = look_at_masks("here", folder), folder.read(LATE)
    assert found is not None
    inner = (found == cv2.erode(found, np.ones((3, 3)))) & (found == cv2.dilate(found, np.ones((3, 3))))
    assert np.bincount(found[inner])[1:].max() >= 16  # some level fills a patch
    np.testing.assert_array_equal(values.levels(found), found)


def test_a_subject_that_comes_in_late_with_another_value_is_no_empty_mask(tmp_path: Path) -> None:
    folder = files(tmp_path / "m", but_late(lambda n: np.zeros_like(disc(n)), lambda n: disc(n) // 255))
    values, found = look_at_masks("here", folder), folder.read(LATE)
    assert found is not None
    assert "nothing is marked" in values.words
    with pytest.raises(MaskError, match=r"^1 fills an area"):
        values.levels(found)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix", "usual", "late", "words"),
    [
        ("ffv1", "gray", "mkv", disc, lambda n: disc(n) // 255, "^1 fills"),
        ("ffv1", "gray", "mkv", disc, lambda n: np.maximum(disc(n), other(n) // 2), "^127 fills"),
        ("libx264", "yuv420p", "mp4", disc, lambda n: np.maximum(disc(n), other(n) // 2), "^12[5-9] fills"),
        ("libx264", "yuv420p", "mp4", disc, lambda n: disc(n) // 5, "^(49|5[0-3]) fills"),  # faded
        (
            *("png", "rgb24", "mov", lambda n: coloured(disc(n), 0)),
            lambda n: coloured(disc(n), 0) + coloured(other(n) * (disc(n) == 0), 1),
            '^"#00ff00" fills',
        ),
        ("libx264", "yuv420p", "mp4", lambda n: coloured(disc(n), 0), lambda n: coloured(disc(n), 1), '^"#0[0-3]f'),
    ],
)
def test_another_value_in_one_image_of_a_video_is_refused(
    tmp_path: Path, codec: str, pix_fmt: str, suffix: str, usual: Paint, late: Paint, words: str
) -> None:
    info = probe(video(tmp_path / f"m.{suffix}", but_late(usual, late), codec, pix_fmt))
    values = look_at_masks("here", info)
    for number, found in VideoReader(info).read(list(range(COUNT))):
        assert found is not None
        if number != LATE:
            shown = usual(number) if usual(number).ndim == 2 else usual(number).max(axis=2)
            assert ((values.levels(found) > 127) != (shown > 127)).mean() < 0.01
            continue
        with pytest.raises(MaskError, match=words):
            values.levels(found)


def test_a_palette_that_is_numbered_anew_is_refused(tmp_path: Path) -> None:
    """Programs that make PNGs smaller drop colours that are not used: then 1 is another object in each file."""
    folder = tmp_path / "m"
    folder.mkdir()
    for number in range(4):
        both = np.where(disc(number) > 0, 1, np.where(other(number) > 0, 2, 0)).astype(np.uint8)
        late = number == 2
        image = Image.fromarray((other(number) > 0).astype(np.uint8) if late else both, mode="P")
        image.putpalette([0, 0, 0, 0, 128, 0] if late else [0, 0, 0, 128, 0, 0, 0, 128, 0])
        image.save(folder / f"{number:04d}.png")
    masks = ImageFolder.scan(folder, masks=True)
    assert masks.read(1) is not None
    with pytest.raises(MaskError, match=r"0002\.png: its palette has number 1 for the colour #008000, which is number"):
        masks.read(2)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_lines_round_a_subject_are_no_masks(tmp_path: Path, width: int) -> None:
    """As `cv2.drawContours` draws them without FILLED; views agree about them, and all inside is left out."""

    def line(number: int) -> np.ndarray:
        filled = disc(number, radius=20)
        edges, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        return cv2.drawContours(np.zeros_like(filled), edges, -1, 255, width)

    with pytest.raises(MaskError, match="lines round a subject"):
        look_at_masks("here", files(tmp_path / "m", line))
    curled = files(tmp_path / "c", lambda n: disc(n) - np.minimum(disc(n), disc(n, radius=9.0)))
    assert look_at_masks("here", curled).words == "opacity"
