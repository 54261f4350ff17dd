"""Times beside a recording and in its videos: found, read, and applied image by image."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from discoveries import loaded, said
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


def decimal_commas(file: Path, images: np.ndarray) -> None:
    rows = [f"{n};{t:.6f}".replace(".", ",") for n, t in enumerate(images / RATE)]
    (file / "timestamps.csv").write_text("frame;time\n" + "\n".join(rows))


def spreadsheet(file: Path, images: np.ndarray) -> None:
    rows = [f"{n}\t{t:.6f}" for n, t in enumerate(images / RATE)]
    (file / "timestamps.csv").write_text("frame\ttime\n" + "\n".join(rows), encoding="utf-16")


def dates(file: Path, images: np.ndarray) -> None:
    """As Bonsai writes them, over the end of a minute."""
    times = [datetime(2024, 5, 1, 11, 59, 59, 900000) + timedelta(seconds=float(t)) for t in images / RATE]
    (file / "timestamps.csv").write_text("\n".join(f"{time.isoformat()}+02:00" for time in times))


def numpy_dates(file: Path, images: np.ndarray) -> None:
    np.save(file / "frametimes.npy", (1.7e18 + images / RATE * 1e9).astype("datetime64[ns]"))


def microseconds_of_32_bits(file: Path, images: np.ndarray) -> None:
    ticks = (images / RATE * 1e6 + 2**32 - 1.9e5).astype(np.int64) % 2**32
    (file / "timestamps.txt").write_text("\n".join(map(str, ticks)))


def firewire(file: Path, images: np.ndarray) -> None:
    """Seconds of the bus, which start again at 128."""
    (file / "timestamps.txt").write_text("\n".join(f"{t:.6f}" for t in (images / RATE + 127.85) % 128))


def times_of_day(file: Path, images: np.ndarray) -> None:
    """Over midnight, below two lines of remarks, in quotes."""
    start = datetime(2024, 5, 1, 23, 59, 59, 900000)
    times = [(start + timedelta(seconds=float(t))).strftime("%H:%M:%S.%f") for t in images / RATE]
    (file / "timestamps.csv").write_text(
        "# cam\n# frame;time\n" + "\n".join(f'"{n}";"{t}"' for n, t in enumerate(times))
    )


def slashes(file: Path, images: np.ndarray) -> None:
    """With a zone without a colon."""
    times = [datetime(2024, 5, 1, 11, 59, 59, 900000) + timedelta(seconds=float(t)) for t in images / RATE]
    (file / "timestamps.csv").write_text("\n".join(f"{time:%Y/%m/%d %H:%M:%S.%f}+0200" for time in times))


def microseconds_of_windows(file: Path, images: np.ndarray) -> None:
    """A table whose name has a micro sign in one byte, and a column of exposures."""
    rows = [f"{n},{t:.0f},{5000 + n}" for n, t in enumerate(images / RATE * 1e6)]
    (file / "timestamps.csv").write_text("frame,time (µs),exposure time (µs)\n" + "\n".join(rows), encoding="latin-1")


FILES = [
    times_of_day,
    slashes,
    microseconds_of_windows,
    campy,
    milliseconds,
    nanoseconds,
    decimal_commas,
    spreadsheet,
    dates,
    numpy_dates,
]


@pytest.mark.parametrize("write_times", [*FILES, microseconds_of_32_bits, firewire])
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


def test_a_length_is_no_time_and_no_camera_is_so_fast(recording) -> None:
    folder, places, kept = recording
    for header, words in (
        ("frame,exposure_time_us", "expected one column of times"),
        ("frame,time_us", "1,000,000 im"),
    ):
        for place, images in zip(places, kept, strict=True):
            rows = "\n".join(f"{n},{5000 + n}" for n in range(len(images)))
            (folder / place / "timestamps.csv").write_text(f"{header}\n{rows}\n")
        with pytest.raises(CaptureError, match=words):
            discover(folder)


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


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("name", ["timeStamp", "timestamps"])
def test_times_of_a_mat_file(name: str, column: bool, tmp_path: Path) -> None:
    """campy's: numbers from 1, seconds; MATLAB keeps rows and columns apart."""
    file, times = tmp_path / "frametimes.mat", np.array([0.0, 1.0, 2.0, 5.0]) / RATE
    values = {name: times, "frameNumber": np.array([1, 2, 3, 6], dtype=np.int32)}
    savemat(file, values, oned_as="column" if column else "row")
    found = read_times(file)
    np.testing.assert_array_equal(found.values, times)
    assert found.numbers is not None
    np.testing.assert_array_equal(found.numbers, [1, 2, 3, 6])
    assert found.unit is None
    savemat(file, {name: times})
    assert read_times(file).numbers is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"timeStamp": np.ones((4, 2))}, "timeStamp: expected one row of numbers, one an image; got 4 x 2 of float64"),
        ({"timeStamp": np.zeros((0, 0))}, "timeStamp: expected one row of numbers, one an image; got 0 x 0"),
        ({"timeStamp": "0.1"}, "timeStamp: expected one row of numbers"),
        (
            {"timeStamp": np.array([0.0, 1.0j])},
            "timeStamp: expected one row of numbers, one an image; got 1 x 2 of com",
        ),
        ({"timeStamp": np.array([0.0, np.nan, 2.0])}, r"timeStamp: number 1 \(from 0\) is not finite"),
        ({"timeStamp": np.arange(4.0), "frameNumber": np.arange(3)}, "4 times in timeStamp, but 3 numbers in frameN"),
        ({"frameNumber": np.arange(3)}, r"expected timeStamp \(and frameNumber\), got frameNumber"),
    ],
)
def test_a_mat_file_that_holds_no_times(values: dict[str, np.ndarray], said: str, tmp_path: Path) -> None:
    savemat(tmp_path / "frametimes.mat", values)
    with pytest.raises(CaptureError, match=f"frametimes.mat: {said}"):
        read_times(tmp_path / "frametimes.mat")


def test_a_damaged_mat_file(tmp_path: Path) -> None:
    (tmp_path / "frametimes.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(60))
    with pytest.raises(CaptureError, match=r"frametimes\.mat: times cannot be read"):
        read_times(tmp_path / "frametimes.mat")


def test_a_clock_that_jumps_back_elsewhere_is_no_wrap(recording) -> None:
    """Set anew in the middle: what came before it is another time, and nothing says how much later it is."""
    folder, places, kept = recording
    for place, images in zip(places, kept, strict=True):
        times = images / RATE + 40.0 * (images < 6)
        (folder / place / "timestamps.txt").write_text("\n".join(f"{t:.6f}" for t in times))
    with pytest.raises(CaptureError, match="times do not increase at image"):
        discover(folder)


def test_counts_of_gige_cameras_leave_out_0(recording) -> None:
    """Their block numbers go from 65535 to 1: taken for an image lost there, they would contradict the times."""
    folder, places, kept = recording
    for place, images in zip(places, kept, strict=True):
        rows = [f"{(n + 65530 - 1) % 65535 + 1},{t:.6f}" for n, t in zip(images, images / RATE, strict=True)]
        (folder / place / "timestamps.csv").write_text("block_id,time\n" + "\n".join(rows))
    assert [len(entry.image_runs) for entry in discover(folder).spec.cameras] == [1, 2, 2, 1]
    lost = [f"{n},{t:.6f}" for n, t in zip((*range(65530, 65536), 1, 2, 4, 5, 6, 7), kept[0] / RATE, strict=True)]
    (folder / places[0] / "timestamps.csv").write_text("block_id,time\n" + "\n".join(lost))
    with pytest.raises(CaptureError, match=r"by its count image 8 is number 9 from the first, by its times 8"):
        discover(folder)


def test_counts_that_start_again_agree_with_their_times(recording) -> None:
    folder, places, kept = recording
    for place, images in zip(places, kept, strict=True):
        rows = [f"{(n + 250) % 256},{t:.6f}" for n, t in zip(images, images / RATE, strict=True)]
        (folder / place / "timestamps.csv").write_text("frame,time\n" + "\n".join(rows))
    assert [len(entry.image_runs) for entry in discover(folder).spec.cameras] == [1, 2, 2, 1]


def test_two_files_of_times_that_differ_are_named(recording) -> None:
    """One of them was taken by its suffix, and said nothing of what the other knows."""
    folder, places, kept = recording
    for place, images in zip(places, kept, strict=True):
        campy(folder / place, np.arange(len(images)))
        milliseconds(folder / place, images)
    with pytest.raises(CaptureError, match=r"frametimes.npy and .*timestamps.csv tell different times: image 4 is num"):
        discover(folder)
    for place, images in zip(places, kept, strict=True):
        campy(folder / place, images)
        (folder / place / "times.txt").write_text("\n".join(f"{round(n / RATE, 1)}" for n in images))  # too coarse
        (folder / place / "image_times.mat").write_bytes(b"not yet")
    found = discover(folder)
    assert [len(entry.image_runs) for entry in found.spec.cameras] == [1, 2, 2, 1]
    assert not found.left


def test_no_date_and_no_time_are_named(tmp_path: Path) -> None:
    (tmp_path / "timestamps.csv").write_text("2024-02-31T12:00:00\n2024-02-31T12:00:01\n2024-02-31T12:00:02\n")
    with pytest.raises(CaptureError, match=r"expected numbers only, got .*2024-02-31"):
        read_times(tmp_path / "timestamps.csv")
    np.save(tmp_path / "frametimes.npy", np.array(["2024-01-01", "NaT"], dtype="datetime64[ns]"))
    with pytest.raises(CaptureError, match=r"number 1 \(from 0\) is no time"):
        read_times(tmp_path / "frametimes.npy")


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
