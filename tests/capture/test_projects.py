"""Projects: anipose's config.toml, sessions below one calibration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from discoveries import said
from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import Discovery, discover
from mouselift.errors import CalibrationError, CaptureError


def videos_of(found: Discovery) -> dict[str, str]:
    return {entry.name: entry.video.name for entry in found.spec.cameras if entry.video}


@pytest.fixture
def lettered(truth):
    return [replace(camera, skew=0.0, name=letter) for camera, letter in zip(truth, "ABCD", strict=True)]


@pytest.fixture
def project(tmp_path: Path, lettered, write) -> Path:
    """An anipose project with a cam_regex, and names in which single letters are words."""
    write.anipose(tmp_path / "calibration/calibration.toml", lettered)
    (tmp_path / "config.toml").write_text("[triangulation]\ncam_regex = '-cam([A-Z])'\n")
    for camera in lettered:
        write.video(tmp_path / f"videos-raw/Trial A 1-cam{camera.name}.mp4")
    return tmp_path


def test_cam_regex_tells_the_cameras(project: Path) -> None:
    found = discover(project)
    assert videos_of(found) == {name: f"Trial A 1-cam{name}.mp4" for name in "ABCD"}
    assert said(found, "cameras are told by cam_regex = '-cam([A-Z])' of")
    assert said(found, "Recording: videos-raw/Trial A 1-cam{camera}.mp4")


def test_cam_regex_tells_masks_too_and_words_the_rest(project: Path, write) -> None:
    for name in "AB":
        write.images(project / f"masks/Trial A 1-cam{name}")
    assert [entry.mask and entry.mask.name for entry in discover(project).spec.cameras] == [
        "Trial A 1-camA",
        "Trial A 1-camB",
        None,
        None,
    ]


def test_a_file_that_cam_regex_leaves_out_is_not_taken(project: Path, write) -> None:
    """Also where its name holds a camera's name as a word."""
    write.video(project / "videos-raw/Trial B combined.mp4")
    write.video(project / "videos-raw/Trial A 1-camX.mp4")
    found = discover(project)
    assert videos_of(found)["B"] == "Trial A 1-camB.mp4"
    assert said(found, "videos-raw/Trial B combined.mp4")
    assert said(found, "videos-raw/Trial A 1-camX.mp4")


def test_a_cam_regex_that_fits_no_video_is_said_and_words_decide(project: Path) -> None:
    (project / "config.toml").write_text("[triangulation]\ncam_regex = 'view_([0-9]+)'\n")
    for file in (project / "videos-raw").iterdir():
        file.rename(file.with_name(file.name.replace("Trial A 1-", "")))
    found = discover(project)
    assert said(found, "finds no camera of the rig in any video: names are looked for as words")
    assert videos_of(found)["C"] == "camC.mp4"


@pytest.mark.parametrize(
    ("regex", "message"),
    [("'cam([A-Z'", "expected a regular expression"), ("'cam[A-Z]'", "a group round"), ("3", "regular expression")],
)
def test_a_cam_regex_that_cannot_serve_is_refused(project: Path, regex: str, message: str) -> None:
    (project / "config.toml").write_text(f"[triangulation]\ncam_regex = {regex}\n")
    with pytest.raises(CalibrationError, match=rf"config\.toml: \[triangulation\] cam_regex.*{message}"):
        discover(project)


def test_the_projects_folders_are_its_own(project: Path, lettered, write) -> None:
    """Renamed results and videos, board videos and drawings are anipose's to name."""
    (project / "calibration").rename(project / "rig")
    (project / "config.toml").write_text(
        "[pipeline]\ncalibration_results = 'rig'\ncalibration_videos = 'boards'\nvideos_raw = 'raw'\n"
        "[triangulation]\ncam_regex = '-cam([A-Z])'\n"
    )
    for camera in lettered:
        write.video(project / f"boards/charuco-cam{camera.name}.mp4")
        write.video(project / f"videos-labeled/Trial A 1-cam{camera.name}.mp4")
    (project / "videos-raw").rename(project / "raw")
    found = discover(project)
    assert found.spec.rig_file == project / "rig/calibration.toml"
    assert {entry.video.parent.name for entry in found.spec.cameras if entry.video} == {"raw"}
    labelled = discover(project, recording="labeled")
    assert {entry.video.parent.name for entry in labelled.spec.cameras if entry.video} == {"videos-labeled"}


def test_the_calibration_of_a_project_serves_its_sessions(project: Path) -> None:
    session = project / "2024/day1"
    session.mkdir(parents=True)
    (project / "videos-raw").rename(session / "videos-raw")
    found = discover(session)
    assert said(found, "the calibration above this folder, ../../calibration/calibration.toml, is this recording's")
    assert said(found, "cameras are told by cam_regex")
    write_capture_toml(session / "capture.toml", found.spec)
    assert len(load_capture(session).cameras) == 4
    assert 'file = "../../calibration/calibration.toml"' in (session / "capture.toml").read_text()


def test_a_sessions_own_calibration_comes_first(tmp_path: Path, truth, write) -> None:
    write.dannce(tmp_path / "calibration", truth)
    write.dannce(tmp_path / "day1/calibration", truth)
    for day in ("day1", "day2"):
        for camera in truth:
            write.video(tmp_path / f"{day}/videos/{camera.name}/0.mp4")
    assert discover(tmp_path / "day1").spec.rig_file == tmp_path / "day1/calibration"
    assert discover(tmp_path / "day2").spec.rig_file == tmp_path / "calibration"
    (tmp_path / "day2/videos/Camera1").rename(tmp_path / "day2/videos/Left")
    assert discover(tmp_path / "day2").spec.unused == ("Camera1",)


def test_sessions_with_calibrations_of_their_own_are_named(tmp_path: Path, truth, write) -> None:
    for day in ("day1", "day2"):
        write.dannce(tmp_path / f"{day}/calibration", truth)
    with pytest.raises(CaptureError, match=r"further below there are day1/calibration, day2/calibration: run init on"):
        discover(tmp_path)


def test_a_calibration_beside_the_recording_is_named(tmp_path: Path, truth, write) -> None:
    """As JARVIS keeps it: it is not taken unasked, for there may be one of every day."""
    write.jarvis(tmp_path / "CalibrationSets/Rig 8", truth)
    session = tmp_path / "Recordings/day1"
    for camera in truth:
        write.video(session / f"{camera.name}.mp4")
    with pytest.raises(
        CaptureError, match=r"beside it there are '\.\./\.\./CalibrationSets/Rig 8': name it with --rig"
    ):
        discover(session)
    with pytest.raises(
        CaptureError, match=r"below there are 'CalibrationSets/Rig 8': run init on the folder of one rec"
    ):
        discover(tmp_path)
    assert discover(session, rig=tmp_path / "CalibrationSets/Rig 8").spec.rig_format == "jarvis"
