"""`mouselift init`: what is recognised, what is assumed and said, what is refused as ambiguous."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import read_spec, write_capture_toml
from mouselift.capture.discovery import Discovery, discover
from mouselift.capture.source import CaptureSource
from mouselift.errors import CalibrationError, CaptureError


def loaded(found: Discovery, out: Path):
    """Written and loaded, as init does."""
    write_capture_toml(out / "capture.toml", found.spec, comments=found.comments)
    assert read_spec(out / "capture.toml") == found.spec
    return load_capture(out)


def said(found: Discovery, words: str) -> bool:
    return any(words in line for line in (*found.found, *found.assumed, *found.left))


def test_dannce_folders(dannce: Path, truth, distance) -> None:
    found = discover(dannce)
    capture = loaded(found, dannce)
    assert [camera.name for camera in capture.cameras] == [camera.name for camera in truth]
    assert max(distance(a.camera, b) for a, b in zip(capture.cameras, truth, strict=True)) < 1e-9
    assert capture.cameras[2].video == dannce / "videos/Camera3/0.mp4"
    assert capture.up is not None
    assert said(found, "+Z is up and the unit is mm")
    assert said(found, "videos/{camera}/0.mp4")
    assert said(found, "Camera2: videos/Camera2/0.mp4, 640x480, 3 frames")
    assert said(found, "No masks")
    text = (dannce / "capture.toml").read_text()
    assert "# Assumed: +Z is up" in text
    assert 'file = "calibration"' in text


def test_the_capture_may_lie_elsewhere(dannce: Path, tmp_path_factory) -> None:
    out = tmp_path_factory.mktemp("out")
    before = sorted(path for path in dannce.rglob("*"))
    capture = loaded(discover(dannce), out)
    assert capture.cameras[0].video == dannce / "videos/Camera1/0.mp4"
    assert sorted(path for path in dannce.rglob("*")) == before


def test_chunks_named_by_first_frame_below_ticks(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path / "calibration", truth)
    for index, camera in enumerate(truth):
        for first in (0, 3500, 7000) if index else (3500, 7000):
            write.video(tmp_path / f"videos/{camera.name}/63678{index}/{first}.mp4")
    found = discover(tmp_path)
    assert {entry.video.stem for entry in found.spec.cameras if entry.video} == {"3500"}
    assert said(found, "earliest of 2 chunks; the others start at frame 7000 (take one with --chunk FRAME)")
    chosen = discover(tmp_path, chunk=7000)
    assert {entry.video.stem for entry in chosen.spec.cameras if entry.video} == {"7000"}
    with pytest.raises(CaptureError, match="no recording that starts at frame 1; there is 3500, 7000"):
        discover(tmp_path, chunk=1)


def test_flat_files_and_letters(tmp_path: Path, truth, write) -> None:
    for camera, letter in zip(truth, "ELRS", strict=True):
        write.dannce(tmp_path / "calibration", [camera], pattern=f"hires_cam_Camera{letter}_params.mat")
        write.video(tmp_path / f"videos/Camera{letter}_31500.mp4")
    found = discover(tmp_path)
    assert [entry.name for entry in found.spec.cameras] == ["CameraE", "CameraL", "CameraR", "CameraS"]
    assert said(found, "videos/{camera}_31500.mp4")


def test_prepared_datasets_and_other_folders_are_not_searched(dannce: Path, truth, write) -> None:
    for camera in truth:
        for other in ("prepared", "calibration", "truth"):
            write.video(dannce / other / f"{camera.name}.mp4")
    (dannce / "prepared/dataset.json").write_text("{}")
    assert discover(dannce).spec.cameras[0].video == dannce / "videos/Camera1/0.mp4"


def test_a_camera_without_video_is_left_out_and_said(dannce: Path) -> None:
    (dannce / "videos/Camera4/0.mp4").unlink()
    found = discover(dannce)
    assert found.spec.unused == ("Camera4",)
    assert said(found, "no video carries the name of Camera4")
    assert len(loaded(found, dannce).cameras) == 3


def test_videos_are_never_bound_by_order(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path / "calibration", truth)
    for letter in "ABCD":
        write.video(tmp_path / f"videos/Camera{letter}.mp4")
    with pytest.raises(CaptureError, match=r"never guessed") as caught:
        discover(tmp_path)
    assert "videos/CameraA.mp4" in str(caught.value)
    assert "Camera1, Camera2" in str(caught.value)


def test_names_are_whole_words(tmp_path: Path, truth, write) -> None:
    many = [replace(truth[0], name="x"), truth[1], *truth[2:]]
    for number, camera in zip((1, 2, 11, 12), many, strict=True):
        write.dannce(tmp_path / "calibration", [camera], pattern=f"cam{number}_params.mat")
        write.video(tmp_path / f"videos/rec-Camera{number}-take2.mp4")
    found = discover(tmp_path)
    for entry in found.spec.cameras:
        assert entry.video is not None
        assert entry.video.name == f"rec-{entry.name}-take2.mp4"


def test_two_recordings_are_refused_until_one_is_named(dannce: Path, truth, write) -> None:
    for camera in truth:
        write.video(dannce / f"videos_undist/{camera.name}.mp4")
    with pytest.raises(CaptureError, match=r"several recordings.*videos_undist/\{camera\}\.mp4.*--recording"):
        discover(dannce)
    found = discover(dannce, recording="videos_undist")
    assert found.spec.cameras[0].video == dannce / "videos_undist/Camera1.mp4"
    assert discover(dannce, videos=dannce / "videos_undist").spec.cameras == found.spec.cameras
    with pytest.raises(CaptureError, match="no recording has 'other' in its path"):
        discover(dannce, recording="other")


def test_two_files_for_one_camera_are_refused(dannce: Path, write) -> None:
    write.video(dannce / "videos/Camera1/0.avi")
    write.video(dannce / "videos/Camera2/0.avi")
    found = discover(dannce)  # another pattern, fewer cameras
    assert found.spec.cameras[0].video == dannce / "videos/Camera1/0.mp4"
    write.video(dannce / "videos/Camera1/77/0.mp4")
    write.video(dannce / "videos/Camera1/88/0.mp4")
    with pytest.raises(CaptureError, match="two files for camera Camera1"):
        discover(dannce)


def test_a_path_with_two_names_is_refused(dannce: Path, write) -> None:
    write.video(dannce / "videos/Camera1_Camera2.mp4")
    with pytest.raises(CaptureError, match="carries the names of several cameras: Camera1, Camera2"):
        discover(dannce)


def test_masks_are_bound_like_videos(dannce: Path, truth, write) -> None:
    for camera in truth[:3]:
        write.images(dannce / f"masks/{camera.name}")
    found = discover(dannce)
    assert [entry.mask for entry in found.spec.cameras] == [dannce / f"masks/Camera{i}" for i in (1, 2, 3)] + [None]
    assert said(found, "Masks: masks/{camera}; none for Camera4")
    for camera in truth[:3]:
        write.video(dannce / f"masks_b/{camera.name}.mp4")
    found = discover(dannce)
    assert all(entry.mask is None for entry in found.spec.cameras)
    assert said(found, "Several sets of masks, none taken")


def test_mammal(tmp_path: Path, straight, write) -> None:
    write.mammal(tmp_path / "new_cam.pkl", straight)
    for camera in straight:
        write.video(tmp_path / f"videos_undist/{camera.name}.mp4")
        write.video(tmp_path / f"simpleclick_undist/{camera.name}.mp4")
    capture = loaded(discover(tmp_path), tmp_path)
    assert capture.rig_format == "mammal"
    assert [camera.mask for camera in capture.cameras] == [tmp_path / f"simpleclick_undist/{i}.mp4" for i in range(4)]


def test_anipose_does_not_invent_up(tmp_path: Path, truth, write) -> None:
    named = [replace(camera, skew=0.0, name=letter) for camera, letter in zip(truth, "ABCD", strict=True)]
    write.anipose(tmp_path / "calibration/calibration.toml", named)
    write.video(tmp_path / "calibration/calib-camA.mp4")  # of the board, not of the animal
    for camera in named:
        write.video(tmp_path / f"videos-raw/2019-08-02-vid01-cam{camera.name}.mp4")
    found = discover(tmp_path)
    assert said(found, "nothing says which way is up")
    capture = loaded(found, tmp_path)
    assert capture.up is None
    assert [camera.name for camera in capture.cameras] == ["A", "B", "C", "D"]
    for camera in named:
        write.video(tmp_path / f"videos-raw/2019-08-02-vid02-cam{camera.name}.mp4")
    with pytest.raises(CaptureError, match="several recordings"):
        discover(tmp_path)
    second = discover(tmp_path, recording="vid02").spec.cameras[0].video
    assert second == tmp_path / "videos-raw/2019-08-02-vid02-camA.mp4"


def test_label3d_file(tmp_path: Path, truth, write, world_points) -> None:
    write.label3d(tmp_path / "label3d_dannce.mat", truth, world_points)
    for camera in truth:
        write.video(tmp_path / f"videos/{camera.name}/0.mp4")
    found = discover(tmp_path)
    assert found.spec.rig_file == tmp_path / "label3d_dannce.mat"
    assert said(found, "Decided by that evidence")


def test_jarvis_and_image_folders(tmp_path: Path, truth, write) -> None:
    cameras = [replace(camera, skew=0.0, name=f"Camera_{letter}") for camera, letter in zip(truth, "TBLR", strict=True)]
    write.jarvis(tmp_path / "calib_params/set1", cameras)
    for camera in cameras:
        write.images(tmp_path / f"train/{camera.name}")
    found = discover(tmp_path)
    assert found.spec.rig_format == "jarvis"
    assert {entry.images for entry in found.spec.cameras} == {tmp_path / f"train/{c.name}" for c in cameras}
    loaded(found, tmp_path)


def test_dataset(tmp_path: Path) -> None:
    for number in (3, 4):
        (tmp_path / f"sample_{number:06d}").mkdir()
        (tmp_path / f"sample_{number:06d}/opencv_cameras.json").write_text("{}")
    found = discover(tmp_path)
    assert said(found, "FaceLift-format dataset: 2 samples, sample_000003 .. sample_000004")
    assert loaded(found, tmp_path).dataset == tmp_path


def test_several_rigs_are_refused_until_one_is_named(dannce: Path, truth, write) -> None:
    write.anipose(dannce / "calibration.toml", [replace(camera, skew=0.0) for camera in truth])
    with pytest.raises(
        CaptureError, match=r"several calibrations: calibration\.toml \(anipose\), calibration \(dannce\)"
    ):
        discover(dannce)
    assert discover(dannce, rig=dannce / "calibration.toml").spec.rig_format == "anipose"
    assert discover(dannce, rig=dannce / "calibration").spec.rig_format == "dannce"


def test_a_rig_in_doubt_needs_the_variant(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path / "calibration", truth, "opencv")
    for camera in truth:
        write.video(tmp_path / f"videos/{camera.name}.mp4")
    with pytest.raises(CalibrationError, match="in doubt"):
        discover(tmp_path)
    found = discover(tmp_path, variant="opencv")
    assert loaded(found, tmp_path).rig_format == "dannce"
    assert 'variant = "opencv"' in (tmp_path / "capture.toml").read_text()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"no calibration recognised.*new_cam\.pkl"):
        discover(tmp_path)
    with pytest.raises(CaptureError, match="no such folder"):
        discover(tmp_path / "gone")
    with pytest.raises(CaptureError, match="no such rig"):
        discover(tmp_path, rig=tmp_path / "gone.toml")
    (tmp_path / "a.ini").write_text("")
    with pytest.raises(CaptureError, match=r"no rig format ends in '\.ini'"):
        discover(tmp_path, rig=tmp_path / "a.ini")


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


def test_image_numbers_with_gaps_are_the_triggers(tmp_path: Path, truth, write) -> None:
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        folder = write.images(tmp_path / f"images/{camera.name}", frames=6)
        if index == 1:
            (folder / "000002.png").unlink()
    found = discover(tmp_path)
    assert found.spec.numbering == "common"
    assert said(
        found,
        f"Equal image numbers show one instant, since some are missing in between; images lost: {truth[1].name} 1",
    )
    assert loaded(found, tmp_path).numbering == "common"


def test_cameras_counted_from_0_and_videos_from_1_are_refused(tmp_path: Path, truth, write) -> None:
    """Three of four names fit, each to its neighbour's video."""
    named = [replace(camera, name=f"cam{index}") for index, camera in enumerate(truth)]
    write.anipose(tmp_path / "calibration.toml", named)
    for index in range(4):
        write.video(tmp_path / f"videos/cam{index + 1}.mp4")
    with pytest.raises(CaptureError, match=r"cam0 has no video, and cam4 has one.*--unused cam0"):
        discover(tmp_path)
    assert [entry.name for entry in discover(tmp_path, unused=["cam0"]).spec.cameras] == ["cam1", "cam2", "cam3"]
    (tmp_path / "videos/cam4.mp4").rename(tmp_path / "videos/cam0.mp4")
    assert len(discover(tmp_path).spec.cameras) == 4


def test_serial_numbers_stand_among_dates(tmp_path: Path, truth, write) -> None:
    named = [replace(camera, name=str(22181467 + index)) for index, camera in enumerate(truth)]
    write.anipose(tmp_path / "calibration.toml", named)
    for camera in named:
        write.video(tmp_path / f"videos/{camera.name}_20240501_120000.mp4")
    found = discover(tmp_path)
    assert [entry.video for entry in found.spec.cameras] == [
        tmp_path / f"videos/{camera.name}_20240501_120000.mp4" for camera in named
    ]


def test_different_numbers_of_images_are_said(tmp_path: Path, truth, write) -> None:
    """Numbered anew without gaps: which were lost, nothing says."""
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        write.images(tmp_path / f"images/{camera.name}", frames=6 - (index == 1))
    found = discover(tmp_path)
    assert any(
        f"different numbers of images ({truth[0].name} 6, {truth[1].name} 5" in line and "mouselift inspect" in line
        for line in found.assumed
    )
    write.images(tmp_path / f"images/{truth[1].name}", frames=6)
    assert not any("different numbers of images" in line for line in discover(tmp_path).assumed)


def test_image_numbers_that_go_up_by_other_steps_are_asked_about(tmp_path: Path, truth, write) -> None:
    """Every second number: half the rate, or counted by twos."""
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        folder = write.images(tmp_path / f"images/{camera.name}", frames=6)
        for number in range(5, -1, -1) if index == 1 else ():
            (folder / f"{number:06d}.png").rename(folder / f"{2 * number:06d}.png")
    with pytest.raises(CaptureError, match=f"{truth[0].name} 1, {truth[1].name} 2.*--numbering common"):
        discover(tmp_path)
    assert discover(tmp_path, numbering="common").spec.numbering == "common"


def test_image_numbers_that_start_elsewhere_are_asked_about(tmp_path: Path, truth, write) -> None:
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        folder = write.images(tmp_path / f"images/{camera.name}", frames=6)
        if index == 1:
            (folder / "000000.png").rename(folder / "000006.png")
    with pytest.raises(CaptureError, match=r"1 to 6 \(6 images\).*--numbering common or --numbering own"):
        discover(tmp_path)
    assert discover(tmp_path, numbering="own").spec.numbering == "own"
    assert said(discover(tmp_path, numbering="common"), f"as asked; images lost: {truth[0].name} 1, {truth[1].name} 1")


def with_sync(file: Path, frames: list[np.ndarray]) -> None:
    """Adds Label3D's `sync` to a *_dannce.mat: row k of all cameras is one instant."""
    content = {key: value for key, value in loadmat(file).items() if not key.startswith("__")}
    cells = np.empty((len(frames), 1), dtype=object)
    for index, rows in enumerate(frames):
        cells[index, 0] = {"data_frame": rows.reshape(-1, 1), "data_sampleID": np.arange(len(rows)).reshape(-1, 1)}
    savemat(file, {**content, "sync": cells})


def test_sync_of_dannce_says_the_offsets(tmp_path: Path, truth, world_points, write) -> None:
    file = write.label3d(tmp_path / "20240101_rig_dannce.mat", truth, world_points)
    for camera in truth:
        write.video(tmp_path / f"videos/{camera.name}/0.mp4", frames=8)
    rows = np.arange(5.0)
    with_sync(file, [rows, rows + 3, rows, rows])
    found = discover(tmp_path)
    assert [entry.frame_offset for entry in found.spec.cameras] == [0, 3, 0, 0]
    assert said(found, f"by sync of {file.name} (frame_offset): {truth[1].name} 3")
    assert [camera.frame_offset for camera in loaded(found, tmp_path).cameras] == [0, 3, 0, 0]
    with_sync(file, [rows, rows, rows, rows])
    assert not any("sync" in line for line in (*discover(tmp_path).found, *discover(tmp_path).assumed))
    with_sync(file, [rows, np.array([0.0, 1, 3, 4, 6]), rows, rows])
    drifting = discover(tmp_path)
    assert [entry.frame_offset for entry in drifting.spec.cameras] == [0, 0, 0, 0]
    runs = [entry.image_runs for entry in drifting.spec.cameras]
    assert runs[1] == ((0, 0, 2), (2, 3, 2), (4, 6, 1))
    assert runs[0] == runs[2] == runs[3] == ((0, 0, 5),)
    (tmp_path / "capture.toml").unlink()
    track = CaptureSource(loaded(drifting, tmp_path)).tracks[1].images
    assert track.numbers(range(5)) == [0, 1, 3, 4, 6]
    with_sync(file, [rows, np.array([0.0, 1, 1, 2, 3]), rows, rows])  # nothing says which instant image 1 shows
    found = discover(tmp_path)
    assert found.spec.cameras[1].image_runs == ((0, 0, 1), (3, 2, 2))
    assert said(found, f"{truth[1].name} 2 lost")


def test_hidden_companions_are_not_seen(dannce: Path) -> None:
    before = discover(dannce)
    for path in [*dannce.rglob("*.mp4"), *dannce.rglob("*.mat")]:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\26\7")
    assert discover(dannce).spec == before.spec


@pytest.mark.parametrize("suffix", ["h264", "ts", "mts", "flv"])
def test_raw_streams_are_found(tmp_path: Path, truth, write, suffix: str) -> None:
    write.dannce(tmp_path / "calibration", truth)
    for camera in truth:
        write.video(tmp_path / f"videos/{camera.name}.{suffix}")
    assert [entry.video and entry.video.suffix for entry in discover(tmp_path).spec.cameras] == [f".{suffix}"] * 4


def test_byte_order_marks_are_no_part_of_a_file(tmp_path: Path, truth, write) -> None:
    """Windows' editors put one before UTF-8."""
    file = write.anipose(tmp_path / "calibration.toml", truth)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    for camera in truth:
        write.video(tmp_path / f"videos/{camera.name}.mp4")
    loaded(discover(tmp_path), tmp_path)
    written = tmp_path / "capture.toml"
    written.write_bytes(b"\xef\xbb\xbf" + written.read_bytes().replace(b"\n", b"\r\n"))
    assert len(load_capture(tmp_path).cameras) == 4
