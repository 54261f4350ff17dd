"""capture.toml: read strictly, written whole, edited in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mouselift.capture.capture_toml import (
    CameraEntry,
    CaptureSpec,
    capture_file,
    read_spec,
    set_masks,
    write_capture_toml,
)
from mouselift.errors import CaptureError

TOML = """# my rig
format = 1
unit = "mm"   # calibration board in mm
up = "+z"
jumps = [100, 50]

[rig]
file = "calibration"
format = "dannce"

# the left one was cleaned in March
[[camera]]
name = "CameraL"
video = "videos/CameraL.mp4"
frame_offset = -2
crop_offset = [16, 8]

[[camera]]
name = "CameraR"   # loud fan
images = "/data/CameraR"
rig_name = "Camera2"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "capture.toml"
    path.write_text(TOML)
    return path


def test_everything_is_read(file: Path, tmp_path: Path) -> None:
    spec = read_spec(file)
    assert spec == CaptureSpec(
        unit="mm",
        up=(0.0, 0.0, 1.0),
        rig_file=tmp_path / "calibration",
        rig_format="dannce",
        jumps=(50, 100),
        cameras=(
            CameraEntry("CameraL", tmp_path / "videos/CameraL.mp4", None, None, -2, (16, 8), None),
            CameraEntry("CameraR", None, Path("/data/CameraR"), None, 0, None, "Camera2"),
        ),
    )


def test_the_folder_or_the_file_is_meant(file: Path, tmp_path: Path) -> None:
    assert capture_file(tmp_path) == capture_file(file) == file
    with pytest.raises(CaptureError, match="mouselift init"):
        capture_file(tmp_path / "absent")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format = 1", "format = 2", r"format: expected 1, got 2"),
        ("format = 1", "", r"key 'format' is missing"),
        ('unit = "mm"', 'unit = "inch"', r"unit: expected one of um, mm"),
        (
            'unit = "mm"',
            'unit = "mm"\nkeypoints_offset = 2',
            r"keypoints_offset: expected keypoints = \.\.\. beside it",
        ),
        ('unit = "mm"', 'unit = "mm"\nkeypoints_offset = 0.5', r"keypoints_offset: expected a whole number"),
        ('unit = "mm"', "unit = 3", r"unit: expected a text, got 3"),
        ('up = "+z"', 'up = "z"', r'up: expected "\+z"'),
        ('up = "+z"', "up = [0, 0, 0]", r"up: expected .*not all zero"),
        ('up = "+z"', "up = [0, nan, 1]", r"up: expected"),
        ('up = "+z"', "upp = 1", r"unknown key 'upp'; did you mean 'up'\?"),
        ('up = "+z"', "floor = true", r"floor: expected a number"),
        ("jumps = [100, 50]", "jumps = [-1]", r"jumps: expected a list of frame numbers"),
        ("[rig]", "[rigg]\nx = 1\n[rig]", r"unknown key 'rigg'; did you mean 'rig'\?"),
        ('format = "dannce"', 'fromat = "dannce"', r"\[rig\]: unknown key 'fromat'; did you mean 'format'\?"),
        ('format = "dannce"', "", r"\[rig\]: key 'format' is missing"),
        ("frame_offset = -2", "frame_offset = 1.5", r"\[\[camera\]\] 'CameraL': frame_offset: expected a whole number"),
        (
            "frame_offset = -2",
            "frame_ofset = 1",
            r"'CameraL': unknown key 'frame_ofset'; did you mean 'frame_offset'\?",
        ),
        ("[16, 8]", "[16, -8]", r"'CameraL': crop_offset: expected \[x, y\]"),
        ("[16, 8]", "[16.0, 8]", r"'CameraL': crop_offset: expected \[x, y\]"),
        ('video = "videos/CameraL.mp4"', "", r"'CameraL': expected either video .* got neither"),
        ('images = "/data/CameraR"', 'images = "a"\nvideo = "b"', r"'CameraR': expected either video .* got both"),
        ('name = "CameraR"   # loud fan', "", r"\[\[camera\]\] number 2: key 'name' is missing"),
        ('name = "CameraR"', 'name = "CameraL"', r"expected every name once, got CameraL"),
        ("[[camera]]", "[camera]", r"not valid TOML|expected tables \[\[camera\]\]"),
        ("[rig]", "[rig", "not valid TOML"),
        ("[rig]", f"x = {'[' * 2000}\n[rig]", "not valid TOML: .*nested too deeply"),
        ("jumps = [100, 50]", f"jumps = [{10**30}]", "jumps: expected a list of frame numbers"),
        ("frame_offset = -2", f"frame_offset = -{10**12}", "frame_offset: expected a whole number up to 2,147,483,648"),
        ('up = "+z"', f"floor = {10**400}", "floor: expected a finite number up to 1e.12"),
        ("videos/CameraL.mp4", "~nouser/x", "'CameraL': video: expected a path, .*nobody here has the name behind ~"),
        ("videos/CameraL.mp4", "a\\u0000b", "video: expected a path, .*zero byte"),
        ("videos/CameraL.mp4", "a" * 300, "video: expected a path, .*name is too long"),
        ("videos/CameraL.mp4", "loop/x", "video: expected a path, .*links lead in a circle"),
        ("jumps = [100, 50]", 'dataset = "d"', r"dataset: a dataset brings its own cameras"),
    ],
)
def test_errors_name_file_table_and_key(old: str, new: str, message: str, file: Path) -> None:
    assert old in TOML
    (file.parent / "loop").symlink_to(file.parent / "loop")
    file.write_text(TOML.replace(old, new))
    with pytest.raises(CaptureError, match=message) as caught:
        read_spec(file)
    assert str(file) in str(caught.value)


def test_a_rig_or_a_dataset_is_needed(file: Path) -> None:
    file.write_text('format = 1\nunit = "mm"\n')
    with pytest.raises(CaptureError, match=r"expected a table \[rig\]"):
        read_spec(file)
    file.write_text('format = 1\nunit = "mm"\n[rig]\nfile = "a"\nformat = "dannce"\n')
    with pytest.raises(CaptureError, match="at least 2"):
        read_spec(file)


@pytest.mark.parametrize(
    ("text", "vector"), [('"-Y"', (0.0, -1.0, 0.0)), ("[0, 0.6, 0.8]", (0.0, 0.6, 0.8)), ('"+x"', (1.0, 0.0, 0.0))]
)
def test_up_directions(text: str, vector: tuple[float, float, float], file: Path) -> None:
    file.write_text(TOML.replace('"+z"', text))
    assert read_spec(file).up == vector


def test_written_and_read_back(file: Path, tmp_path: Path) -> None:
    spec = read_spec(file)
    out = tmp_path / "elsewhere/deep/capture.toml"
    write_capture_toml(out, spec, comments=["made by hand", "twice"])
    assert read_spec(out) == spec
    text = out.read_text()
    assert text.startswith("# made by hand\n# twice\n")
    assert 'file = "../../calibration"' in text
    assert 'up = "+z"' in text
    assert sorted(path.name for path in out.parent.iterdir()) == ["capture.toml"]


def test_a_full_spec_and_a_dataset_are_written(tmp_path: Path) -> None:
    out = tmp_path / "capture.toml"
    cameras = (CameraEntry("a", tmp_path / "a.mp4", None, tmp_path / "m/a"), CameraEntry("b", tmp_path / "b.mp4"))
    full = CaptureSpec(
        "cm", (0.0, 0.6, 0.8), tmp_path / "r", "dannce", "opencv", ("c",), cameras, floor=-1.5, jumps=(4,)
    )
    write_capture_toml(out, full)
    assert read_spec(out) == full
    dataset = CaptureSpec("normalised", (0.0, 0.0, 1.0), dataset=tmp_path)
    write_capture_toml(out, dataset, force=True)
    assert read_spec(out) == dataset


def test_nothing_is_overwritten_unasked(file: Path) -> None:
    spec = read_spec(file)
    with pytest.raises(CaptureError, match=r"exists already.*--force"):
        write_capture_toml(file, spec)
    assert file.read_text() == TOML
    write_capture_toml(file, spec, force=True)
    assert read_spec(file) == spec


def test_masks_are_set_and_comments_stay(file: Path, tmp_path: Path) -> None:
    set_masks(tmp_path, {"CameraR": tmp_path / "masks/CameraR", "CameraL": tmp_path / "masks/CameraL.mkv"})
    spec = read_spec(file)
    assert [camera.mask for camera in spec.cameras] == [tmp_path / "masks/CameraL.mkv", tmp_path / "masks/CameraR"]
    text = file.read_text()
    for comment in ("# my rig", "# calibration board in mm", "# the left one was cleaned in March", "# loud fan"):
        assert comment in text
    assert 'mask = "masks/CameraL.mkv"' in text
    without = "\n".join(line for line in text.splitlines() if not line.startswith("mask"))
    assert without.split() == TOML.split()  # nothing else changed
    set_masks(file, {"CameraL": tmp_path / "other.mkv"})
    assert read_spec(file).cameras[0].mask == tmp_path / "other.mkv"


def test_masks_of_unknown_cameras_change_nothing(file: Path, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"no \[\[camera\]\] named CameraX; it has CameraL, CameraR"):
        set_masks(file, {"CameraL": tmp_path / "a", "CameraX": tmp_path / "b"})
    assert file.read_text() == TOML


def test_the_file_keeps_its_permissions(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    set_masks(file, {"CameraL": tmp_path / "a"})
    assert file.stat().st_mode & 0o777 == 0o640
