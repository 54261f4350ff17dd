"""Images with an orientation tag: what tells whether they are turned, and what is said where nothing does."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from discoveries import loaded, said
from mouselift.capture.discovery import discover
from mouselift.capture.source import CaptureSource
from mouselift.errors import CaptureError


def turned_images(folder: Path, size: tuple[int, int], code: int, frames: int = 2) -> None:
    """JPEGs of `size` as stored, with an orientation tag."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(frames):
        image = Image.fromarray(np.full((size[1], size[0], 3), 80, dtype=np.uint8))
        exif = image.getexif()
        exif[0x0112] = code
        image.save(folder / f"{index:04d}.jpg", exif=exif)


def test_orientation_without_evidence_is_applied_and_said(tmp_path: Path, truth, write) -> None:
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        turned_images(tmp_path / f"images/{camera.name}", (640, 480), 3 if index == 1 else 1)
    found = discover(tmp_path)
    name = truth[1].name
    assert [line for line in found.assumed if name in line] == [
        f"{name}: its tag says turned by 180 degrees: images are turned so, as OpenCV and players show them"
    ]
    assert not any(entry.as_stored for entry in found.spec.cameras)
    assert len(loaded(found, tmp_path).cameras) == 4


@pytest.mark.parametrize("made_on_turned", [True, False])
@pytest.mark.parametrize("code", [2, 3, 4])
def test_outlines_tell_which_images_masks_were_made_on(
    tmp_path: Path, truth, write, code: int, made_on_turned: bool
) -> None:
    """Mirrored or turned by 180 degrees both readings have the masks' size; a wrong one was taken in silence."""
    write.anipose(tmp_path / "calibration.toml", truth)
    rng = np.random.default_rng(0)
    floor = np.kron(rng.integers(120, 150, (48, 64)), np.ones((10, 10))).astype(np.uint8)
    for index, camera in enumerate(truth):
        own = code if index == 2 else 1
        for frame in range(5):
            stored = np.repeat(floor[:, :, None], 3, axis=2)
            mask = np.zeros((480, 640), np.uint8)
            cv2.ellipse(mask, (150 + 20 * frame, 120), (60, 30), 30.0, 0, 360, 255, -1)
            stored[mask > 0] = 60
            folder = tmp_path / f"images/{camera.name}"
            folder.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(stored)
            exif = image.getexif()
            exif[0x0112] = own
            image.save(folder / f"{frame:04d}.jpg", exif=exif)
            masks = tmp_path / f"masks/{camera.name}"
            masks.mkdir(parents=True, exist_ok=True)
            turned = {1: mask, 2: mask[:, ::-1], 3: mask[::-1, ::-1], 4: mask[::-1]}[own]
            Image.fromarray(turned if made_on_turned else mask).save(masks / f"{frame:04d}.png")
    found = discover(tmp_path)
    assert [entry.as_stored for entry in found.spec.cameras] == [False, False, not made_on_turned, False]
    if made_on_turned:
        assert said(found, "images are turned so; the masks' outlines follow only such images")
    else:
        assert [line for line in found.assumed if "left aside (as_stored = true); the masks' outlines" in line]


@pytest.mark.parametrize("turned_twice", [True, False])
@pytest.mark.parametrize("code", [3, 4, 6])
def test_a_tag_that_masks_alone_have(tmp_path: Path, truth, write, code: int, turned_twice: bool) -> None:
    """Tools that turn images hand the tag on: their masks were turned a second time, and nothing said it."""
    write.anipose(tmp_path / "calibration.toml", truth)
    rng = np.random.default_rng(0)
    floor = np.kron(rng.integers(120, 150, (48, 64)), np.ones((10, 10))).astype(np.uint8)
    turn = {3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM, 6: Image.Transpose.ROTATE_90}[code]
    for index, camera in enumerate(truth):
        for frame in range(5):
            mask = mask_of(frame)
            for kind in ("images", "masks"):
                (tmp_path / kind / camera.name).mkdir(parents=True, exist_ok=True)
            image = np.where(mask > 0, np.uint8(60), floor)
            Image.fromarray(image).save(tmp_path / f"images/{camera.name}/{frame:04d}.png")
            stored = Image.fromarray(mask)
            stored = stored if turned_twice or index != 2 else stored.transpose(turn)
            exif = stored.getexif()
            exif[0x0112] = code if index == 2 else 1
            stored.save(tmp_path / f"masks/{camera.name}/{frame:04d}.png", exif=exif)
    found = discover(tmp_path)
    assert [entry.as_stored for entry in found.spec.cameras] == [False, False, turned_twice, False]
    assert said(found, "masks are turned so; the") != turned_twice
    lines = [line for line in found.assumed if f"{truth[2].name}: a tag of its masks says" in line]
    assert len(lines) == turned_twice
    with closing(CaptureSource(loaded(found, tmp_path))) as source:
        (views,) = source.read([3])
        np.testing.assert_array_equal(views.views[2].mask, mask_of(3))


def mask_of(frame: int) -> np.ndarray:
    mask = np.zeros((480, 640), np.uint8)
    return cv2.ellipse(mask, (150 + 20 * frame, 120), (60, 30), 30.0, 0, 360, 255, -1)


def test_masks_on_plain_images_do_not_tell_and_that_is_said(tmp_path: Path, truth, write) -> None:
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        turned_images(tmp_path / f"images/{camera.name}", (640, 480), 2 if index == 1 else 1, frames=4)
        write.images(tmp_path / f"masks/{camera.name}", size=(640, 480))
    found = discover(tmp_path)
    assert not any(entry.as_stored for entry in found.spec.cameras)
    assert [line for line in found.assumed if "mirrored left to right" in line and "do not tell" in line]


@pytest.mark.parametrize(("stored", "as_stored"), [((480, 640), False), ((640, 480), True)])
def test_the_calibrated_size_decides_about_a_tag(
    tmp_path: Path, truth, write, stored: tuple[int, int], as_stored: bool
) -> None:
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        turned_images(tmp_path / f"images/{camera.name}", stored if index == 2 else (640, 480), 6 if index == 2 else 1)
    found = discover(tmp_path)
    assert [entry.as_stored for entry in found.spec.cameras] == [False, False, as_stored, False]
    assert any("the calibrated size (640x480) fit" in line and "clockwise" in line for line in found.found)
    capture = loaded(found, tmp_path)
    with closing(CaptureSource(capture)) as source:
        images = next(source.read([0])).views
    assert {(view.image.width, view.image.height) for view in images if view.image} == {(640, 480)}


def test_masks_decide_about_a_tag_or_contradict_the_calibration(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path / "calibration", truth)  # holds no size
    for index, camera in enumerate(truth):
        turned_images(tmp_path / f"images/{camera.name}", (640, 480), 8 if index == 0 else 1)
        write.images(tmp_path / f"masks/{camera.name}", size=(640, 480))
    found = discover(tmp_path)
    assert [entry.as_stored for entry in found.spec.cameras] == [True, False, False, False]
    assert said(found, "left aside (as_stored = true); the masks' size (640x480) fit only images that are not turned")
    shutil.rmtree(tmp_path / "calibration")
    write.anipose(tmp_path / "calibration.toml", [replace(truth[0], width=480, height=640), *truth[1:]])
    with pytest.raises(CaptureError, match=r"480x640 turned, 640x480 as stored; the calibrated size .* contradict"):
        discover(tmp_path)


def test_the_size_of_masks_in_arrays_decides_about_a_tag(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path / "calibration", truth)
    (tmp_path / "masks").mkdir()
    for index, camera in enumerate(truth):
        turned_images(tmp_path / f"images/{camera.name}", (640, 480), 8 if index < 2 else 1)
        size = (640, 480) if index == 1 else (480, 640)  # rows, columns: the second's as shown, the others' as stored
        np.save(tmp_path / f"masks/{camera.name}.npy", np.zeros((2, *size), dtype=bool))
    found = discover(tmp_path)
    assert [entry.as_stored for entry in found.spec.cameras] == [True, False, False, False]
    assert said(found, "left aside (as_stored = true); the masks' size (640x480) fit only images that are not turned")
    assert said(found, "images are turned so; the masks' size (480x640) fit only that")
