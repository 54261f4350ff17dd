"""Names of recordings and masks that could be read in two ways: times, stamps, stacks, masks among the videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import Discovery, discover
from mouselift.capture.source import CaptureSource
from mouselift.errors import CaptureError, MaskError, VideoError
from mouselift.media.images import ImageFolder, read_numbered

STAMPS = (
    "videos/{camera}_2024-05-01-12-00-0{n}.mp4",
    "videos/2024050112000{n}_{camera}.mp4",
    "{camera}/12-00-0{n}.mp4",
)


def opened(found: Discovery) -> CaptureSource:
    write_capture_toml(found.folder / "capture.toml", found.spec, force=True)
    return CaptureSource(load_capture(found.folder))


def image(path: Path, number: int, size: tuple[int, int] = (640, 480)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0]), 10 + number, dtype=np.uint8))


def mask(path: Path, number: int, size: tuple[int, int] = (640, 480)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0]), dtype=np.uint8)
    pixels[100:200, 100 : 110 + number] = 255
    cv2.imwrite(str(path), pixels)


@pytest.mark.parametrize("pattern", STAMPS)
def test_each_cameras_own_time_of_start_in_its_name(tmp_path: Path, truth, write, pattern: str) -> None:
    write.dannce(tmp_path / "calibration", truth)
    for n, camera in enumerate(truth):
        write.video(tmp_path / pattern.format(camera=camera.name, n=n // 2))
    found = discover(tmp_path)
    assert [entry.name for entry in found.spec.cameras] == [camera.name for camera in truth]
    assert any("differ in other digits too" in line for line in found.found)


@pytest.mark.parametrize("pattern", STAMPS)
def test_stamps_of_two_sessions_do_not_tell_which_files_belong_together(tmp_path: Path, truth, write, pattern) -> None:
    write.dannce(tmp_path / "calibration", truth)
    for n, camera in enumerate(truth):
        write.video(tmp_path / pattern.format(camera=camera.name, n=n))
        write.video(tmp_path / pattern.format(camera=camera.name, n=4 + n))
    with pytest.raises(CaptureError, match="their names do not tell which belong together"):
        discover(tmp_path)


def test_a_camera_whose_file_has_another_stamp_is_not_said_to_have_none(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path / "calibration", truth)
    for n, camera in enumerate(truth):
        write.video(tmp_path / f"videos/2024_{camera.name}_{n // 3}.mp4")
    write.video(tmp_path / f"videos/2025_{truth[0].name}_0.mp4")
    found = discover(tmp_path)
    assert any("Camera4 recorded nothing that is named as" in line for line in found.assumed)


def test_masks_among_the_videos(recording: Path, truth, write) -> None:
    for camera in truth:
        write.video(recording / f"videos/{camera.name}/0_mask.mp4")
    found = discover(recording)
    assert [entry.mask and entry.mask.name for entry in found.spec.cameras] == ["0_mask.mp4"] * len(truth)
    assert [entry.video and entry.video.name for entry in found.spec.cameras] == ["0.mp4"] * len(truth)


@pytest.mark.parametrize("folder", ["seg", "Annotations", "mattes"])
def test_folders_of_masks_that_have_other_names(recording: Path, truth, folder: str) -> None:
    for camera in truth:
        for number in range(12):
            mask(recording / folder / camera.name / f"{number:05d}.png", number, (camera.width, camera.height))
    assert all(entry.mask is not None for entry in discover(recording).spec.cameras)


@pytest.mark.parametrize("jitter", [0, 1])
def test_times_are_no_counts(tmp_path: Path, truth, write, jitter: int) -> None:
    """As numbers of a trigger, images of jittered times would never meet; equal ones spread over 10^8 frames."""
    write.dannce(tmp_path / "calibration", truth)
    for k, camera in enumerate(truth):
        for number in range(4):
            time = 1699999999000000000 + number * 33333333 + jitter * (k + 1) * 1000
            image(tmp_path / "images" / camera.name / f"{time}.png", number, (camera.width, camera.height))
    with pytest.raises(CaptureError, match=r"numbered by times, not counted .* into CAMERA_timestamps\.csv"):
        discover(tmp_path)


def test_every_second_image_is_a_count(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path / "calibration", truth)
    for camera in truth:
        for number in range(4):
            path = tmp_path / "images" / camera.name / f"{2 * number:04d}.png"
            image(path, number, (camera.width, camera.height))
    source = opened(discover(tmp_path))
    shown = [[v.image is not None for v in views.views] for views in source.read(range(7))]
    assert shown == [[number % 2 == 0] * len(truth) for number in range(7)]


def test_masks_of_a_part_may_be_every_nth_counted_anew(recording: Path, truth) -> None:
    """Images extracted at a third of the rate, as a segmentation was given them."""
    for camera in truth:
        for number in range(4):
            mask(recording / "masks" / camera.name / f"{number:05d}.png", number, (camera.width, camera.height))
    with pytest.raises(MaskError, match=r"the first 4 images, or one in 3, counted anew\? Say mask_first = 0"):
        opened(discover(recording))
    file = recording / "capture.toml"
    file.write_text(file.read_text().replace("mask = ", "mask_first = 0\nmask = "))
    masks = [views.views[0].mask for views in CaptureSource(load_capture(file)).read(range(5))]
    assert [found is not None for found in masks] == [True] * 4 + [False]
    late = truth[1]
    mask(recording / "masks" / late.name / "00011.png", 11, (late.width, late.height))
    opened(discover(recording))  # one camera's are numbered as its images, so all are


def test_a_number_of_masks_that_no_step_gives_is_the_beginning(recording: Path, truth) -> None:
    for camera in truth:
        for number in range(9):
            mask(recording / "masks" / camera.name / f"{number:05d}.png", number, (camera.width, camera.height))
    opened(discover(recording))


def test_one_stack_of_pages_a_camera_is_no_mask_of_one_frame(recording: Path, truth) -> None:
    """cam1.tif would be the mask of frame 1, cam2.tif that of frame 2."""
    (recording / "masks").mkdir()
    for camera in truth:
        pages = [Image.new("L", (camera.width, camera.height), n) for n in range(3)]
        pages[0].save(recording / "masks" / f"{camera.name}.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(MaskError, match=r"this name holds the camera's alone\. A stack of pages"):
        discover(recording)


def test_a_stack_of_pages_is_no_image_and_a_preview_no_page(tmp_path: Path) -> None:
    pages = [Image.new("L", (40, 30), n) for n in range(3)]
    (tmp_path / "m").mkdir()
    pages[0].save(tmp_path / "m/0001.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(CaptureError, match=r"holds several images \(pages\)"):
        ImageFolder.scan(tmp_path / "m")
    preview = Image.new("L", (20, 15))
    preview.encoderinfo = {"tiffinfo": {254: 1}}
    pages[0].save(tmp_path / "m/0001.tif", save_all=True, append_images=[preview])
    assert ImageFolder.scan(tmp_path / "m").frames == 1


def test_one_image_in_two_formats(tmp_path: Path) -> None:
    image(tmp_path / "0001.png", 1)
    image(tmp_path / "0001.jpg", 1)
    with pytest.raises(CaptureError, match=r"0001\.jpg and 0001\.png: two files for one image"):
        ImageFolder.scan(tmp_path)


def test_a_damaged_first_image_costs_itself_alone(tmp_path: Path) -> None:
    for number in range(3):
        image(tmp_path / f"{number}.png", number)
    (tmp_path / "0.png").write_bytes(b"")
    folder = ImageFolder.scan(tmp_path)
    assert [found is not None for _, found in read_numbered(folder, range(3))] == [False, True, True]


def test_an_image_that_lost_its_tag_is_named_with_the_cause(tmp_path: Path) -> None:
    tag = Image.Exif()
    tag[0x0112] = 6
    for number in range(3):
        told = tag.tobytes() if number != 1 else b""
        Image.new("L", (40, 30), number).save(tmp_path / f"{number}.png", exif=told)
    with pytest.raises(VideoError, match=r"1\.png: is 40x30, .* 30x40; .* another orientation tag"):
        list(read_numbered(ImageFolder.scan(tmp_path), range(3)))
