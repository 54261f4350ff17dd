"""`mouselift inspect` as a user meets it: words, JSON, the page, exit codes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
import tyro

from mouselift.capture.capture_toml import CameraEntry, CaptureSpec, write_capture_toml
from mouselift.cli.console import EXIT_NO, EXIT_OK
from mouselift.cli.inspect import Inspect
from mouselift.dataset.collection import Collection, Recording
from mouselift.errors import CalibrationError, CaptureError
from mouselift.synthetic.capture import write_dannce_calibration
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import KEYPOINTS, Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig, scaled_rig


def inspect(*arguments: str) -> int:
    return tyro.cli(Inspect, args=list(arguments)).run()


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Three cameras of the markerless rig at a quarter of the size; `lags` in frames, None: no masks."""

    def make(lags: Sequence[int] | None) -> Path:
        folder = tmp_path_factory.mktemp("capture")
        rig = scaled_rig(markerless_rig(), 0.25)
        cameras, frames = rig.cameras[:3], 16 if lags else 2
        write_dannce_calibration(folder, cameras)
        mouse, motion = Mouse(), Motion(rig.arena, 4)
        meshes = [mouse.posed(motion.pose(0.6 + k / 25)).mesh for k in range(frames)]
        entries = []
        for view, camera in enumerate(cameras):
            images, masks = folder / f"images{view}", folder / f"masks{view}"
            images.mkdir()
            masks.mkdir()
            for k in range(frames):
                cv2.imwrite(str(images / f"{k:04d}.png"), np.full((camera.height, camera.width, 3), 90, np.uint8))
                if lags:
                    shown = render_silhouette(meshes[max(k - lags[view], 0)], camera, 3)
                    cv2.imwrite(str(masks / f"{k:04d}.png"), shown)
            entries.append(CameraEntry(f"Camera{view + 1}", images=images, mask=masks if lags else None))
        spec = CaptureSpec("mm", (0.0, 0.0, 1.0), folder / "calibration", "dannce", "dannce", cameras=tuple(entries))
        write_capture_toml(folder / "capture.toml", spec)
        return folder

    return make


@pytest.fixture(scope="module")
def steady(write: Callable[..., Path]) -> Path:
    return write([0, 0, 0])


@pytest.fixture(scope="module")
def late(write: Callable[..., Path]) -> Path:
    return write([0, 1, 0])


def test_words_for_a_sound_recording(steady: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(str(steady), "--lag", "2") == EXIT_OK
    words = capsys.readouterr().out
    for piece in ("3 cameras (dannce)", "Camera2", "288x256", "Nothing wrong was found", "mouselift prepare"):
        assert piece in words


def test_a_late_camera_is_exit_code_one(late: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(str(late), "--lag", "2", "--json") == EXIT_NO
    found = json.loads(capsys.readouterr().out)
    (finding,) = [f for f in found["findings"] if f["code"] == "camera-lags"]
    assert (finding["camera"], finding["value"], finding["severity"]) == ("Camera2", 1.0, "error")
    assert [lag["best"] for lag in found["lag"]] == [0, 1, 0]
    assert found["page"] is None
    assert inspect(str(late), "--lag", "2") == EXIT_NO
    assert "frame_offset = 1" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["late", "steady", "no masks"])
def test_the_page_stands_alone(
    name: str, request: pytest.FixtureRequest, write: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write(None) if name == "no masks" else request.getfixturevalue(name)
    inspect(str(folder), "--lag", "2", "--out", str(tmp_path))
    page = (tmp_path / "inspect.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page), "opens offline: nothing is fetched"
    assert "<script" not in page
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img[^>]*>", page))
    charts = re.findall(r'<svg class="chart"[^>]*>', page)
    assert len(charts) == (2 if name == "no masks" else 6)
    assert all('role="img"' in tag and re.search(r'aria-label="[^"]+"', tag) for tag in charts)
    assert all("scope=" in tag for tag in re.findall(r"<th[ >][^>]*>?", page))
    assert "nan" not in re.sub(r'data:[^"]+', "", page).lower()
    assert len(page) < 1_000_000
    assert ("frame_offset = 1" in page) == (name == "late")
    assert [p.name for p in tmp_path.iterdir()] == ["inspect.html"]


def test_keypoints_stand_on_the_page(steady: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(steady, tmp_path / "mouse"))
    mouse, motion = Mouse(), Motion(scaled_rig(markerless_rig(), 0.25).arena, 4)
    head = [*(f"{name}_{axis}" for name in KEYPOINTS for axis in "xyz"), "fnum"]
    rows = [[*mouse.posed(motion.pose(0.6 + k / 25)).keypoints.ravel(), k] for k in range(16)]
    (folder / "pose.csv").write_text("\n".join(",".join(map(str, row)) for row in (head, *rows)))
    toml = folder / "capture.toml"
    toml.write_text(f'keypoints = "pose.csv"\n{toml.read_text()}')
    inspect(str(folder), "--lag", "2", "--out", str(tmp_path / "page"))
    page = (tmp_path / "page/inspect.html").read_text(encoding="utf-8")
    assert 'id="keypoints"' in page
    assert page.count('<th scope="row">tail_tip</th>') == 1
    for words in (page, capsys.readouterr().out):
        assert "Their frame numbers were not tested" in words


def test_masks_at_every_fourth_frame_lead_to_those(
    steady: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(steady, tmp_path / "mouse"))
    for mask in folder.glob("masks*/*.png"):
        if int(mask.stem) % 4:
            mask.unlink()
    inspect(str(folder), "--lag", "0")
    assert re.search(r"mouselift\s+prepare\s+\S+\s+OUT\s+--every\s+4", capsys.readouterr().out)


def test_what_cameras_have_in_common_stands_once(
    steady: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(steady, tmp_path / "mouse"))
    for mask in folder.glob("masks*/**/*.png"):
        levels = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
        assert levels is not None
        depth = cv2.distanceTransform((levels > 127).astype(np.uint8), cv2.DIST_L2, 5)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        cv2.circle(levels, (int(x), int(y)), round(0.65 * float(depth.max())), 0, -1)  # a hole in each
        cv2.imwrite(str(mask), levels)
    inspect(str(folder), "--lag", "0", "--out", str(tmp_path / "page"))
    said = capsys.readouterr().out
    assert said.count("[mask-torn]") == 1
    assert all(f"camera {name}: its masks are torn" in said for name in ("Camera1", "Camera2", "Camera3"))
    assert said.count("Look at the masks. Where") == 1
    page = (tmp_path / "page/inspect.html").read_text(encoding="utf-8")
    assert page.count("mask-torn</code>") == page.count("Look at the masks. Where") == 1


def test_keypoints_without_masks_are_not_compared(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(None)
    (folder / "pose.csv").write_text("nose_x,nose_y,nose_z,fnum\n1,2,3,0\n")
    toml = folder / "capture.toml"
    toml.write_text(f'keypoints = "pose.csv"\n{toml.read_text()}')
    assert inspect(str(folder)) == EXIT_OK
    said = capsys.readouterr().out
    assert "keypoints-off-mask" not in said
    assert re.search(r"there\s+are no masks yet", said)


def test_a_page_is_never_overwritten_unasked(steady: Path, tmp_path: Path) -> None:
    (tmp_path / "inspect.html").write_text("mine")
    with pytest.raises(CaptureError, match="--force"):
        inspect(str(steady), "--out", str(tmp_path))
    assert (tmp_path / "inspect.html").read_text() == "mine"
    inspect(str(steady), "--lag", "0", "--instants", "3", "--out", str(tmp_path), "--force")
    assert (tmp_path / "inspect.html").read_text() != "mine"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"capture\.toml"):
        inspect(str(tmp_path))


def test_a_copied_calibration_is_refused_with_both_names(steady: Path) -> None:
    files = sorted((steady / "calibration").glob("*.mat"))
    kept = files[1].read_bytes()
    files[1].write_bytes(files[0].read_bytes())
    try:
        with pytest.raises(CalibrationError, match="one and the same calibration"):
            inspect(str(steady))
    finally:
        files[1].write_bytes(kept)


def test_of_several_recordings_a_row_each(
    steady: Path, late: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A collection's captures are those that its file names; one that cannot be read does not stop the others."""
    rows = [Recording(path.name, str(path), "prepared") for path in (late, tmp_path / "gone")]
    (tmp_path / "collection.json").write_bytes(msgspec.json.encode(Collection("recording", rows)))
    words = ["--instants", "12", "--lag", "1"]
    assert inspect(str(tmp_path), *words, "--out", str(tmp_path / "pages"), "--json") == EXIT_NO
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["recordings"]}
    assert list(found) == [late.name, "gone"]
    assert [f["code"] for f in found[late.name]["facts"]["findings"]] == ["camera-lags"]
    assert found["gone"]["facts"] is None
    assert "capture.toml" in found["gone"]["error"]
    assert [path.parent.name for path in (tmp_path / "pages").glob("*/inspect.html")] == [late.name]
    with pytest.raises(CaptureError, match="--force"):
        inspect(str(tmp_path), "--out", str(tmp_path / "pages"))
    assert inspect(str(steady), str(late), *words) == EXIT_NO
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[1] for line in said if line[:1] in ([steady.name], [late.name])] == ["sound", "error"]
    assert any("camera-lags" in line and "(Camera2)" in line for line in said)
