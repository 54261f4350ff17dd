"""Bad input: an error or a finding that names file, camera and frame, and nothing else lost."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import scipy.io

from layouts import write_laid_out
from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.errors import (
    CalibrationError,
    CaptureError,
    MaskError,
    MouseliftError,
    OutputError,
    VideoError,
)
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.prepare.totals import PrepareSummary
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import demo_rig, markerless_rig, scaled_rig
from other_rigs import cut_rig, undistorted_rig, unskewed_rig

KEEP = PrepareOptions(on_cut="keep")


def run(capture: Path, out: Path, options: PrepareOptions = KEEP, frames: tuple[int, ...] = ()) -> PrepareSummary:
    return prepare_dataset(load_capture(capture), out, replace(options, frames=frames), workers=1)


def recode(path: Path, count: int, size: tuple[int, int] | None = None) -> None:
    """The first `count` images of a video, scaled to `size`, in its place."""
    temporary = path.with_suffix(".short.mp4")
    with av.open(str(path)) as source, av.open(str(temporary), "w") as out:
        stream = out.add_stream("libx264", rate=2, options={"g": "4"})
        first = source.streams.video[0].codec_context
        stream.width, stream.height = size or (first.width, first.height)
        stream.pix_fmt = "yuv420p"
        for index, frame in enumerate(source.decode(video=0)):
            if index == count:
                break
            out.mux(stream.encode(frame.reformat(stream.width, stream.height)))
        out.mux(stream.encode(None))
    temporary.replace(path)


def test_video_three_frames_short(copied: Path, tmp_path: Path) -> None:
    """A finding that names camera and file; the frames that all cameras have are made."""
    recode(copied / "videos/Camera3/0.mp4", 9)
    recode(copied / "masks/Camera3.mp4", 9)
    summary = run(copied, tmp_path / "out")
    assert (summary.kept, summary.dropped) == (9, {"missing-image": 3})
    beside = ("split-neighbours", "masks-sparse")  # a short recording; its masks end early too
    (finding,) = (found for found in summary.findings if found.code not in beside)
    assert finding.code == "video-short"
    assert finding.camera == "Camera3"
    assert "ends 3 frames before" in finding.message
    assert "frame 9 of 12" in finding.message
    last = json.loads((tmp_path / "out/manifest.jsonl").read_text().splitlines()[-1])
    assert last["reason"] == "missing-image"
    assert "Camera3" in last["findings"][0]["message"]


def test_short_video_can_be_kept_without_that_view(copied: Path, tmp_path: Path) -> None:
    recode(copied / "videos/Camera3/0.mp4", 9)
    recode(copied / "masks/Camera3.mp4", 9)
    summary = run(copied, tmp_path / "out", PrepareOptions(on_cut="keep", on_missing="keep"))
    assert summary.kept == 12
    views = json.loads((tmp_path / "out/sample_000011/opencv_cameras.json").read_bytes())["frames"]
    assert [view["view_id"] for view in views] == [0, 1, 3, 4, 5], "the others keep their numbers"


def test_truncated_video(copied: Path, tmp_path: Path) -> None:
    path = copied / "videos/Camera2/0.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"Camera2/0\.mp4.*[Tt]runcated"):
        run(copied, tmp_path / "out")


def test_damaged_image_costs_only_its_frames(copied: Path, tmp_path: Path) -> None:
    path = copied / "videos/Camera2/0.mp4"
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size, p.is_keyframe) for p in container.demux(video=0) if p.size]
    position, size, _ = [p for p in packets if p[2]][1]  # the second key frame
    assert position is not None
    data[position + 40 : position + size] = os.urandom(size - 40)
    path.write_bytes(data)
    summary = run(copied, tmp_path / "out")
    assert summary.kept >= 8, "groups of images before and after it are good"
    assert summary.kept + summary.dropped.get("missing-image", 0) == 12


def test_video_of_another_size(tmp_path: Path) -> None:
    """Anipose calibrations carry their size."""
    write_laid_out(tmp_path / "mouse", "anipose", CaptureSpec(frames=2, supersample=1, rig=unskewed_rig(demo_rig())))
    write_capture_toml(tmp_path / "mouse/capture.toml", discover(tmp_path / "mouse").spec)
    video = next(path for path in sorted((tmp_path / "mouse").rglob("*1*.mp4")) if "mask" not in str(path))
    recode(video, 2, (288, 256))
    with pytest.raises(CaptureError, match=r"288x256.*576x512"):
        load_capture(tmp_path / "mouse")


def test_missing_camera(copied: Path, tmp_path: Path) -> None:
    (copied / "calibration/hires_cam4_params.mat").unlink()
    with pytest.raises(MouseliftError, match="Camera4"):
        run(copied, tmp_path / "out")


def test_missing_video_file(copied: Path, tmp_path: Path) -> None:
    (copied / "videos/Camera4/0.mp4").unlink()
    with pytest.raises(CaptureError, match=r"Camera4.*0\.mp4"):
        run(copied, tmp_path / "out")


def spoil(folder: Path, camera: int, **changes: object) -> None:
    path = folder / f"calibration/hires_cam{camera}_params.mat"
    values = {key: value for key, value in scipy.io.loadmat(path).items() if not key.startswith("_")}
    for key, change in changes.items():
        values[key] = change(values[key])  # type: ignore[operator]
    scipy.io.savemat(path, values)


def nan_at(row: int, column: int):
    def change(matrix: np.ndarray) -> np.ndarray:
        out = matrix.copy()
        out[row, column] = np.nan
        return out

    return change


def no_focal(K: np.ndarray) -> np.ndarray:
    out = K.copy()
    out[0, 0] = 0.0
    return out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"K": nan_at(0, 0)}, "nan"),
        ({"t": nan_at(0, 1)}, "finite"),
        ({"K": no_focal}, "focal"),
        ({"r": lambda r: r * [[1], [1], [-1]]}, "det"),
        ({"K": lambda K: K.T}, "transposed"),
    ],
    ids=["NaN in K", "NaN in t", "zero focal length", "det -1", "K of one camera transposed"],
)
def test_impossible_calibration(copied: Path, tmp_path: Path, changes: dict, words: str) -> None:
    spoil(copied, 5, **changes)
    with pytest.raises(CalibrationError, match=words) as caught:
        run(copied, tmp_path / "out")
    assert "Camera5" in str(caught.value)
    assert str(copied / "calibration") in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_two_cameras_with_one_calibration(copied: Path, tmp_path: Path) -> None:
    shutil.copy(copied / "calibration/hires_cam2_params.mat", copied / "calibration/hires_cam6_params.mat")
    with pytest.raises(CalibrationError, match=r"Camera2.*Camera6|Camera6.*Camera2"):
        run(copied, tmp_path / "out")


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch bombed",)


def test_pickle_with_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mouse"
    write_laid_out(folder, "mammal", CaptureSpec(frames=1, supersample=1, rig=_undistorted()))
    (folder / "new_cam.pkl").write_bytes(pickle.dumps([_Bomb()]))
    with pytest.raises(CalibrationError, match=r"new_cam\.pkl.*system"):
        discover(folder)
    assert not (tmp_path / "bombed").exists()


def _undistorted():
    return undistorted_rig(scaled_rig(markerless_rig(), 0.25))


def test_mask_video_with_another_frame_count(copied: Path, tmp_path: Path) -> None:
    recode(copied / "masks/Camera2.mp4", 11)
    with pytest.raises(MaskError, match=r"Camera2.*11 frames.*12"):
        run(copied, tmp_path / "out")


def test_empty_mask_drops_its_frames_only(tmp_path: Path, recording: Path) -> None:
    folder = _png_masks(recording, tmp_path / "mouse")
    path = folder / "masks/Camera2/000004.png"
    cv2.imwrite(str(path), np.zeros_like(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))
    summary = run(folder, tmp_path / "out")
    assert (summary.kept, summary.dropped) == (11, {"empty-mask": 1})
    lines = (tmp_path / "out/manifest.jsonl").read_text().splitlines()
    (finding,) = json.loads(lines[4])["findings"]
    assert finding["camera"] == "Camera2"
    assert finding["frame"] == 4
    assert "highest level 0" in finding["message"]


def test_missing_mask(tmp_path: Path, recording: Path) -> None:
    folder = _png_masks(recording, tmp_path / "mouse")
    (folder / "masks/Camera2/000004.png").unlink()
    summary = run(folder, tmp_path / "out")
    assert (summary.kept, summary.dropped) == (11, {"missing-mask": 1})
    with pytest.raises(MaskError, match=r"Camera2.*frame 4"):
        run(folder, tmp_path / "strict", PrepareOptions(on_cut="keep", on_missing="fail"))


def _png_masks(recording: Path, folder: Path) -> Path:
    """The recording with its mask videos as PNG folders."""
    shutil.copytree(recording, folder)
    for video in sorted((folder / "masks").glob("*.mp4")):
        target = video.with_suffix("")
        target.mkdir()
        with av.open(str(video)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                cv2.imwrite(str(target / f"{index:06d}.png"), frame.to_ndarray(format="gray"))
        video.unlink()
    toml = folder / "capture.toml"
    text = [line.replace(".mp4", "") if line.startswith("mask") else line for line in toml.read_text().splitlines()]
    toml.write_text("\n".join(text) + "\n")
    return folder


def test_subject_cut_by_the_sensor_is_counted(tmp_path: Path) -> None:
    """Dropped by default, kept on request, refused on request; always counted."""
    rig = scaled_rig(markerless_rig(), 0.25)
    whole = tmp_path / "whole"
    truth = write_capture(whole, CaptureSpec(frames=1, rig=rig, supersample=1, seed=3))
    x = float(truth.cameras[0].project(truth.mesh(0).vertices)[:, 0].mean())
    rig = cut_rig(rig, 0, (int(x) // 2 * 2, 0, 288, 256))
    folder = tmp_path / "mouse"
    write_capture(folder, CaptureSpec(frames=1, rig=rig, supersample=1, seed=3))
    write_capture_toml(folder / "capture.toml", discover(folder).spec)
    assert run(folder, tmp_path / "drop", PrepareOptions()).dropped == {"cut-by-sensor": 1}
    kept = run(folder, tmp_path / "keep")
    assert (kept.kept, kept.noticed["cut-by-sensor"]) == (1, 1)
    with pytest.raises(MaskError, match=r"Camera1.*border"):
        run(folder, tmp_path / "fail", PrepareOptions(on_cut="fail"))


def test_disk_full(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third sample finds no room: an error that says so, two whole samples, and the rest next time."""
    real, count = Path.write_bytes, 0

    def write_bytes(self: Path, data: bytes) -> int:
        nonlocal count
        if self.name == "cam_003.png":
            count += 1
            if count == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(OutputError, match=r"disk is full.*same command goes on"):
        run(copied, tmp_path / "out")
    left = sorted(path.name for path in (tmp_path / "out").iterdir() if "sample" in path.name)
    assert left == ["sample_000000", "sample_000001"]
    monkeypatch.undo()
    assert run(copied, tmp_path / "out").kept == 12


def test_fewer_than_two_views(recording: Path, tmp_path: Path) -> None:
    folder = _png_masks(recording, tmp_path / "mouse")
    for camera in range(2, 7):
        (folder / f"masks/Camera{camera}/000000.png").unlink()
    summary = run(folder, tmp_path / "out", PrepareOptions(on_cut="keep", on_missing="keep"), frames=(0, 1))
    assert summary.dropped == {"too-few-views": 1}
