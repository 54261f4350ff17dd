"""Times beside a recording and in its videos: found, read, and applied image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import read_spec, write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.capture.source import CaptureSource
from mouselift.capture.timestamps import read_times, seconds
from mouselift.errors import CaptureError

RATE = 30.0
KEPT = {1: np.setdiff1d(np.arange(12), [4, 5]), 2: np.setdiff1d(np.arange(12), [9])}


@pytest.fixture
def recording(tmp_path: Path, truth, write):
    """Four cameras; the second lost images 4 and 5, the third image 9."""
    write.dannce(tmp_path / "calibration", truth)
    kept = [KEPT.get(index, np.arange(12)) for index in range(4)]
    for camera, images in zip(truth, kept, strict=True):
        write.video(tmp_path / f"videos/{camera.name}/0.mp4", frames=len(images))
    return tmp_path, [f"videos/{camera.name}" for camera in truth], kept


def campy(file: Path, images: np.ndarray) -> None:
    np.save(file / "frametimes.npy", np.stack([np.arange(len(images)) + 1.0, images / RATE]))


def milliseconds(file: Path, images: np.ndarray) -> None:
    rows = [f"{n},{t:.3f}" for n, t in zip(images, images / RATE * 1e3, strict=True)]
    (file / "timestamps.csv").write_text("\ufeffframe,time_ms\r\n" + "\r\n".join(rows), encoding="utf-8")


def nanoseconds(file: Path, images: np.ndarray) -> None:
    (file / "frame_times.txt").write_text("\n".join(str(round(t)) for t in images / RATE * 1e9))


@pytest.mark.parametrize("write_times", [campy, milliseconds, nanoseconds])
def test_lost_images_are_gaps(recording, write_times) -> None:
    folder, places, kept = recording
    for place, images in zip(places, kept, strict=True):
        write_times(folder / place, images)
    found = discover(folder)
    assert [entry.image_runs for entry in found.spec.cameras] == [
        ((0, 0, 12),),
        ((0, 0, 4), (6, 4, 6)),
        ((0, 0, 9), (10, 9, 2)),
        ((0, 0, 12),),
    ]
    assert any("Times of images" in line and "2 lost" in line and "30/s" in line for line in found.found)
    write_capture_toml(folder / "capture.toml", found.spec)
    assert read_spec(folder / "capture.toml") == found.spec
    source = CaptureSource(load_capture(folder))
    assert source.frames == range(12)
    assert not source.findings
    for track, images in zip(source.tracks, kept, strict=True):
        numbers = track.images.numbers(range(12))
        assert [frame for frame in range(12) if numbers[frame] >= 0] == images.tolist()
        assert [n for n in numbers if n >= 0] == list(range(len(images)))
    read = [[view.image is not None for view in frame.views] for frame in source.read(range(12))]
    source.close()
    assert read == [[frame in images for images in kept] for frame in range(12)]


def test_no_lost_images_write_nothing(recording) -> None:
    folder, places, kept = recording
    before = discover(folder).spec
    for place, images in zip(places, kept, strict=True):
        campy(folder / place, np.arange(len(images)))
    found = discover(folder)
    assert found.spec == before
    assert any("no image was lost" in line for line in found.found)


def test_what_is_refused(recording) -> None:
    folder, places, kept = recording
    for place, images in zip(places, kept, strict=True):
        campy(folder / place, images)
    campy(folder / places[1], np.arange(12))
    with pytest.raises(CaptureError, match=r"frametimes.npy has 12 times, .*0.mp4 has 10 images"):
        discover(folder)
    campy(folder / places[1], kept[1] + 40)
    with pytest.raises(CaptureError, match=r"common.*own.*--times common or --times own"):
        discover(folder)
    assert discover(folder, times="own").spec.cameras[1].image_runs == ((0, 0, 4), (6, 4, 6))
    assert discover(folder, times="common").spec.cameras[1].image_runs == ((40, 0, 4), (46, 4, 6))
    (folder / places[1] / "frametimes.npy").unlink()
    with pytest.raises(CaptureError, match="none for"):
        discover(folder)
    ignored = discover(folder, times="ignore")
    assert not any(entry.image_runs for entry in ignored.spec.cameras)
    assert any("times, as asked" in line for line in ignored.left)


@pytest.mark.parametrize(("unit", "factor"), [("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
def test_units(tmp_path: Path, unit: str, factor: float) -> None:
    file = tmp_path / "times.txt"
    file.write_text("\n".join(f"{t * factor:.9f}" for t in np.arange(50) / RATE))
    for rate in (RATE, 0.0, 120.0):  # of the video; 0: images
        found, told = seconds("a", read_times(file), rate)
        assert told == unit
        np.testing.assert_allclose(found, np.arange(50) / RATE, atol=1e-6)


@pytest.mark.parametrize("text", ["time,time2\n1,2\n", "1,2,3\n4,5,6\n", "0.1\nlater\n"])
def test_no_list_of_times(tmp_path: Path, text: str) -> None:
    (tmp_path / "times.csv").write_text(text)
    with pytest.raises(CaptureError, match=r"times\.csv"):
        read_times(tmp_path / "times.csv")
