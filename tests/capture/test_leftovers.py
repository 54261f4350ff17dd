"""What `init` finds and does not use is listed with its reason, in few lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mouselift.capture.discovery import Discovery, discover


def line_with(found: Discovery, words: str) -> str:
    lines = [line for line in found.left if words in line]
    assert len(lines) == 1, (words, found.left)
    return lines[0]


def test_nothing_is_left_of_a_plain_recording(dannce: Path, truth, write) -> None:
    for camera in truth:
        write.images(dannce / f"masks/{camera.name}")
    (dannce / "capture.toml").write_text("")
    assert discover(dannce).left == ()


def test_a_link_is_used_like_its_target(tmp_path: Path, truth, write) -> None:
    """Calibration, videos and masks lie elsewhere; the recording's folder holds links to files, or to folders."""
    there, here = tmp_path / "archive/mouse7", tmp_path / "work/mouse7"
    write.dannce(there / "calibration", truth)
    for camera in truth:
        write.video(there / f"videos/{camera.name}.mp4")
        write.images(there / f"masks/{camera.name}")
        for part in ("videos", "masks", "days/one"):
            (here / part).mkdir(parents=True, exist_ok=True)
        (here / f"videos/{camera.name}.mp4").symlink_to(there / f"videos/{camera.name}.mp4")
        (here / f"masks/{camera.name}").symlink_to(there / f"masks/{camera.name}")
    (here / "calibration").symlink_to(there / "calibration")
    (here / "days/one/notes.dat").write_text("")
    assert discover(here).left == ("days/ (1 .dat): not what init looks for",)
    (here / "videos/notes.xlsx").write_text("")
    assert "videos/notes.xlsx" in line_with(discover(here), "not what init looks for")


def test_a_link_to_what_is_away_is_said_to_be_one(dannce: Path, truth, write) -> None:
    """On a drive that is not mounted, say: neither a file of another kind nor one that never was."""
    for camera in truth:
        write.images(dannce / f"masks/{camera.name}")
    (dannce / "masks/Camera9.mp4").symlink_to("/nowhere/Camera9.mp4")
    (dannce / "videos/Camera9").mkdir()
    (dannce / "videos/Camera9/0.mp4").symlink_to("/nowhere/0.mp4")
    found = discover(dannce)
    assert "(a link to /nowhere/Camera9.mp4, which is not there): cannot be read now" in line_with(found, "masks/")
    assert "videos/Camera9/ (1 .mp4 linked to nothing)" in line_with(found, "videos/")


def test_files_of_cameras_that_are_left_out(dannce: Path, truth, write) -> None:
    for camera in truth:
        write.images(dannce / f"masks/{camera.name}")
    np.savez(dannce / "masks/overview.npz", masks=np.zeros((2, 4, 4), bool))
    left = discover(dannce, unused=("Camera2",)).left
    assert "videos/Camera2/0.mp4: of camera Camera2, which --unused leaves out" in left
    assert [line for line in left if line.startswith("masks/Camera2")] == [
        "masks/Camera2: of camera Camera2, which --unused leaves out"
    ]
    assert "masks/overview.npz: carries no camera's name" in left
    assert "calibration/hires_cam2_params.mat: of camera Camera2, which --unused leaves out" in left
    two = discover(dannce, unused=("Camera2", "Camera3")).left
    assert [line for line in two if line.startswith("masks/Camera")] == [
        f"masks/{name}: of camera {name}, which --unused leaves out" for name in ("Camera2", "Camera3")
    ]


def test_files_that_nothing_reads(dannce: Path) -> None:
    (dannce / "masks").mkdir()
    np.savez(dannce / "masks/seg_a.npz", masks=np.zeros((2, 4, 4), bool))
    (dannce / "masks/seg_b.npz").write_bytes(b"")
    (dannce / "videos/Camera1/weights.xlsx").write_text("")
    (dannce / "notes.txt").write_text("")
    (dannce / "sync").mkdir()
    for index in range(5):
        (dannce / f"sync/{index}.dat").write_bytes(b"")
    (dannce / "calibration/board.pdf").write_bytes(b"")
    found = discover(dannce)
    assert line_with(found, "seg_a.npz") == "masks/seg_a.npz: carries no camera's name"
    assert "damaged" in line_with(found, "seg_b.npz")
    rest = line_with(found, "not what init looks for")
    for words in ("calibration/board.pdf", "videos/Camera1/weights.xlsx", "notes.txt", "sync/ (5 .dat)"):
        assert words in rest


def test_times_that_are_not_read_are_said(dannce: Path) -> None:
    """One table for all cameras, a kind of file that is not read: before, they were "not what init looks for"."""
    (dannce / "timestamps.csv").write_text("Camera1,Camera2\n0.0,0.0\n0.01,0.01\n")
    assert "of no camera: init reads one file a camera" in line_with(discover(dannce), "timestamps.csv")
    (dannce / "timestamps.csv").unlink()
    for name in ("Camera1", "Camera2"):
        np.savez(dannce / f"videos/{name}_frametimes.npz", np.arange(3.0))
    line = line_with(discover(dannce), "frametimes.npz")
    assert "Camera1_frametimes.npz, videos/Camera2_frametimes.npz: named as times, which are not read from .npz" in line


def test_other_recordings_calibrations_and_files_without_a_name(dannce: Path, truth, write) -> None:
    write.anipose(dannce / "calibration.toml", [replace(camera, skew=0.0) for camera in truth])
    for camera in truth[:2]:
        write.video(dannce / f"pilot/{camera.name}.mp4")
    write.video(dannce / "videos/overview.mp4")
    found = discover(dannce, rig=dannce / "calibration")
    assert line_with(found, "calibration.toml") == "calibration.toml: another calibration (anipose)"
    assert line_with(found, "pilot") == "pilot/{camera}.mp4: of 2 cameras, the recording has 4"
    assert line_with(found, "overview") == "videos/overview.mp4: carries no camera's name"
    assert "# Not used: videos/overview.mp4" in "\n".join(f"# {line}" for line in found.comments)


def test_masks_of_another_recording_are_never_taken(tmp_path: Path, truth, write) -> None:
    """Two trials in one folder, masks of one of them."""
    write.dannce(tmp_path / "calibration", truth)
    for camera in truth:
        for trial in ("trial1", "trial2"):
            write.video(tmp_path / f"videos/{trial}-{camera.name}.mp4")
        write.video(tmp_path / f"masks/trial1-{camera.name}.mp4")
    first, second = (discover(tmp_path, recording=trial) for trial in ("trial1", "trial2"))
    assert all(entry.mask is not None for entry in first.spec.cameras)
    assert all(entry.mask is None for entry in second.spec.cameras)
    assert line_with(second, "masks/trial1") == "masks/trial1-{camera}.mp4: masks of another recording"
    assert line_with(second, "videos/trial1") == "videos/trial1-{camera}.mp4: another recording"
    for camera in truth:
        write.video(tmp_path / f"masks/trial2-{camera.name}.mp4")
    second = discover(tmp_path, recording="trial2")
    assert {entry.mask.name for entry in second.spec.cameras if entry.mask} == {
        f"trial2-{camera.name}.mp4" for camera in truth
    }


def test_a_long_list_is_cut(dannce: Path) -> None:
    for index in range(40):
        folder = dannce / f"run{index:02d}"
        folder.mkdir()
        (folder / "log.bin").write_bytes(b"")
    (line,) = discover(dannce).left
    assert line.endswith("and 28 more: not what init looks for")


def test_masks_named_by_camera_alone_belong_to_any_recording(tmp_path: Path, truth, write) -> None:
    """A second recording whose files are named like the masks does not take them away."""
    write.dannce(tmp_path / "calibration", truth)
    for camera in truth:
        write.video(tmp_path / f"videos/{camera.name}_31500.mp4")
        write.video(tmp_path / f"undistorted/{camera.name}.mp4")
        write.video(tmp_path / f"masks/{camera.name}.mp4")
    found = discover(tmp_path, recording="31500")
    assert all(entry.mask is not None for entry in found.spec.cameras)


def test_a_leftover_with_two_names_stops_nothing(dannce: Path) -> None:
    (dannce / "masks").mkdir()
    (dannce / "masks/Camera1_Camera2.npz").write_bytes(b"")
    (dannce / "README.md").write_text("")
    (line,) = discover(dannce).left
    assert line == "masks/Camera1_Camera2.npz: carries the names of several cameras"
