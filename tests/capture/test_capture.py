"""load_capture: rig, videos and capture.toml together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from mouselift.capture.capture import load_capture
from mouselift.errors import CalibrationError, CaptureError, VideoError
from mouselift.geometry.camera import Camera


@pytest.fixture
def folder(tmp_path: Path, truth, write) -> Path:
    return write.dannce_capture(tmp_path, truth)


def edit(folder: Path, change: Callable[[str], str]) -> None:
    file = folder / "capture.toml"
    file.write_text(change(file.read_text()))


def test_a_capture_is_loaded_exactly(folder: Path, truth, distance) -> None:
    capture = load_capture(folder)
    assert capture.path == folder / "capture.toml"
    assert (capture.unit, capture.rig_format, capture.dataset, capture.floor) == ("mm", "dannce", None, None)
    np.testing.assert_array_equal(capture.require_up(), [0.0, 0.0, 1.0])
    for camera, expected in zip(capture.cameras, truth, strict=True):
        assert camera.name == camera.camera.name == expected.name
        assert (camera.camera.width, camera.camera.height) == (640, 480)
        assert camera.video == folder / f"videos/{camera.name}/0.mp4"
        assert distance(camera.camera, expected) < 1e-9
        assert distance(camera.image_camera((640, 480)), expected) < 1e-9


def test_crop_offset_moves_the_principal_point(folder: Path, truth, world_points) -> None:
    edit(folder, lambda text: text.replace('name = "Camera2"\n', 'name = "Camera2"\ncrop_offset = [32, 10]\n'))
    camera = load_capture(folder).cameras[1]
    assert (camera.camera.width, camera.camera.height) == (672, 490)
    image = camera.image_camera((640, 480))
    assert (image.width, image.height) == (640, 480)
    shift = truth[1].project(world_points) - image.project(world_points)
    np.testing.assert_allclose(shift, np.tile([32.0, 10.0], (len(shift), 1)), atol=1e-9)


def test_floor_jumps_and_up_are_passed_on(tmp_path: Path, truth, write) -> None:
    write.dannce_capture(tmp_path, truth, "floor = -2\njumps = [30, 10]\n")
    edit(tmp_path, lambda text: text.replace('"+z"', "[0.0, 3.0, 4.0]"))
    capture = load_capture(tmp_path)
    assert (capture.floor, capture.jumps) == (-2.0, (10, 30))
    np.testing.assert_allclose(capture.require_up(), [0.0, 0.6, 0.8])


def test_no_up_is_an_error_only_when_needed(folder: Path) -> None:
    edit(folder, lambda text: text.replace('up = "+z"\n', ""))
    capture = load_capture(folder)
    assert capture.up is None
    with pytest.raises(CaptureError, match=r"capture\.toml: up:.*up = .*`mouselift inspect .*` fits one"):
        capture.require_up()
    assert "write up = [0.0, 0.123, 1.0] at the head of" in capture.how_to_set_up((0.0, 0.12345, 1.0))


def test_rig_name_binds_by_name(folder: Path, truth, distance) -> None:
    edit(
        folder,
        lambda text: text.replace('\nname = "Camera3"\n', '\nname = "right"\nrig_name = "Camera1"\n').replace(
            '\nname = "Camera1"\n', '\nname = "left"\nrig_name = "Camera3"\n'
        ),
    )
    capture = load_capture(folder)
    left = next(camera for camera in capture.cameras if camera.name == "left")
    assert distance(left.camera, truth[2]) < 1e-9
    assert left.camera.name == "left"
    assert not distance(left.camera, truth[0]) < 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace('name = "Camera2"', 'name = "CameraB"'), r"'CameraB': the rig .* has no camera 'CameraB'"),
        (
            lambda t: t[: t.index('[[camera]]\nname = "Camera4"')],
            r'cameras Camera4 of the rig .*\[rig\] unused = \["Camera4"\]',
        ),
        (lambda t: t.replace('name = "Camera2"\n', 'name = "x"\nrig_name = "Camera1"\n'), "bound more than once"),
        (lambda t: t.replace("videos/Camera2/0.mp4", "videos/none.mp4"), r"'Camera2': video: no such file"),
        (
            lambda t: t.replace('"videos/Camera2/0.mp4"', '"videos/Camera2/0.mp4"\nmask = "m"'),
            r"'Camera2': mask: no such .*`mouselift mask .*` makes new ones",
        ),
        (lambda t: t.replace('"calibration"', '"calib"'), r"\[rig\] file: no such file or folder"),
    ],
)
def test_what_does_not_belong_together(change: Callable[[str], str], message: str, folder: Path) -> None:
    edit(folder, change)
    with pytest.raises(CaptureError, match=message) as caught:
        load_capture(folder)
    assert "capture.toml" in str(caught.value)


def test_cameras_can_be_left_out_on_purpose(folder: Path) -> None:
    edit(folder, lambda text: text[: text.index('[[camera]]\nname = "Camera4"')])
    edit(folder, lambda text: text.replace('format = "dannce"\n', 'format = "dannce"\nunused = ["Camera4"]\n'))
    assert [camera.name for camera in load_capture(folder).cameras] == ["Camera1", "Camera2", "Camera3"]


def test_one_calibration_twice_names_both(folder: Path, truth, write) -> None:
    savemat(folder / "calibration/hires_cam3_params.mat", write.fields(truth[0]))
    with pytest.raises(CalibrationError, match=r"'Camera1' and 'Camera3' have one and the same calibration"):
        load_capture(folder)


def test_impossible_cameras_name_their_file(folder: Path, truth, write) -> None:
    fields = write.fields(truth[0])
    savemat(folder / "calibration/hires_cam3_params.mat", fields | {"r": fields["r"] * [[-1], [1], [1]]})
    with pytest.raises(CalibrationError, match=r"Camera3.*hires_cam3_params\.mat.*mirrored view"):
        load_capture(folder)


def test_the_variant_of_the_toml_is_used(folder: Path, truth, write, distance) -> None:
    write.dannce(folder / "calibration", truth, "opencv")
    with pytest.raises(CalibrationError, match="in doubt"):
        load_capture(folder)
    edit(folder, lambda text: text.replace('format = "dannce"\n', 'format = "dannce"\nvariant = "opencv"\n'))
    assert distance(load_capture(folder).cameras[0].camera, truth[0]) < 1e-9


def test_far_principal_point_is_said_not_refused(folder: Path, truth, write) -> None:
    assert not any("principal point" in line and "WARNING" in line for line in load_capture(folder).evidence)
    savemat(folder / "calibration/hires_cam2_params.mat", write.fields(replace(truth[1], cy=900.0)))
    assert any(
        "WARNING: camera Camera2" in line and "cy = 900 of 480" in line for line in load_capture(folder).evidence
    )


@pytest.fixture
def anipose(tmp_path: Path, truth, write) -> Path:
    unskewed: list[Camera] = [replace(camera, skew=0.0) for camera in truth]
    write.anipose(tmp_path / "calibration.toml", unskewed)
    text = 'format = 1\nunit = "mm"\n[rig]\nfile = "calibration.toml"\nformat = "anipose"\n'
    for camera in unskewed:
        write.video(tmp_path / f"{camera.name}.mp4")
        text += f'[[camera]]\nname = "{camera.name}"\nvideo = "{camera.name}.mp4"\n'
    (tmp_path / "capture.toml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("size", "offset", "message"),
    [
        ((320, 240), "", r"scaled by 0\.5\?"),
        ((600, 400), "", r"cropped\? .*set crop_offset"),
        ((600, 400), "crop_offset = [20, 10]", None),
        ((600, 400), "crop_offset = [50, 10]", r"does not fit at crop_offset \[50, 10\]"),
        ((640, 480), "crop_offset = [0, 0]", None),
    ],
)
def test_image_sizes_against_the_calibration(
    size: tuple[int, int], offset: str, message: str | None, anipose: Path, write
) -> None:
    write.video(anipose / "Camera2.mp4", size=size)
    edit(anipose, lambda text: text.replace('name = "Camera2"\n', f'name = "Camera2"\n{offset}\n'))
    if message is None:
        camera = load_capture(anipose).cameras[1]
        assert (camera.camera.width, camera.camera.height) == (640, 480)
        return
    with pytest.raises(CaptureError, match=message) as caught:
        load_capture(anipose)
    for part in ("'Camera2'", "Camera2.mp4", f"{size[0]}x{size[1]}", "640x480"):
        assert part in str(caught.value)


def test_crops_of_anipose_config_are_used_and_checked(anipose: Path, write) -> None:
    (anipose / "config.toml").write_text("[cameras.Camera2]\noffsets = [20, 10, 600, 400]\n")
    with pytest.raises(CaptureError, match=r"'Camera2': the images are 640x480, but anipose's config\.toml crops"):
        load_capture(anipose)
    write.video(anipose / "Camera2.mp4", size=(600, 400))
    camera = load_capture(anipose).cameras[1]
    assert camera.crop_offset == (20, 10)
    assert camera.image_camera((600, 400)).cx == pytest.approx(camera.camera.cx - 20)


def test_image_folders_and_masks(folder: Path, write) -> None:
    write.images(folder / "images/Camera2")
    write.images(folder / "masks/Camera2")
    edit(
        folder,
        lambda text: text.replace(
            'video = "videos/Camera2/0.mp4"', 'images = "images/Camera2"\nmask = "masks/Camera2"'
        ),
    )
    camera = load_capture(folder).cameras[1]
    assert (camera.video, camera.images, camera.mask) == (None, folder / "images/Camera2", folder / "masks/Camera2")
    assert (camera.camera.width, camera.camera.height) == (640, 480)


def test_an_unreadable_video_is_named(folder: Path) -> None:
    (folder / "videos/Camera2/0.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"Camera2/0\.mp4"):
        load_capture(folder)


def test_a_dataset_as_a_capture(tmp_path: Path) -> None:
    (tmp_path / "capture.toml").write_text('format = 1\nunit = "normalised"\nup = "+z"\ndataset = "."\n')
    capture = load_capture(tmp_path)
    assert (capture.dataset, capture.cameras, capture.rig_format) == (tmp_path, (), "facelift")
    (tmp_path / "capture.toml").write_text('format = 1\nunit = "normalised"\nup = "+z"\ndataset = "gone"\n')
    with pytest.raises(CaptureError, match="dataset: no such folder or list file"):
        load_capture(tmp_path)
