"""`mouselift init`: what is recognised, what is assumed and said, what is refused as ambiguous."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from discoveries import loaded, said
from mouselift.capture.capture import load_capture
from mouselift.capture.discovery import discover
from mouselift.errors import CalibrationError, CaptureError


def test_dannce_folders(dannce: Path, truth, distance) -> None:
    found = discover(dannce)
    capture = loaded(found, dannce)
    assert [camera.name for camera in capture.cameras] == [camera.name for camera in truth]
    assert max(distance(a.camera, b) for a, b in zip(capture.cameras, truth, strict=True)) < 1e-9
    assert capture.cameras[2].video == dannce / "videos/Camera3/0.mp4"
    assert capture.up is not None
    assert said(found, "the unit is mm, as dannce rigs are made: cameras are ")
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


def test_a_link_in_a_circle_beside_the_recording_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "recording").mkdir()
    with pytest.raises(CaptureError, match="no calibration recognised"):
        discover(tmp_path / "recording")


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
