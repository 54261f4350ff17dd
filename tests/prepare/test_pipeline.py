"""capture -> dataset: what lies in the folder, resuming, and being the same whatever the circumstances."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from folder_files import files_of
from mouselift.capture.capture import load_capture
from mouselift.engines import local
from mouselift.errors import DatasetError, MouseliftError
from mouselift.framing.plan import SamplePlan
from mouselift.inspect.inspect_capture import inspect_capture
from mouselift.inspect.options import InspectOptions
from mouselift.media.png import read_png
from mouselift.prepare.collection import prepare_collection
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.prepare.totals import PrepareSummary

KEEP = PrepareOptions(on_cut="keep")
# The command line, which starts processes for little work too.
WITH_POOL = "from mouselift.engines import local; local.WORTH = 0; from mouselift.cli import main; main()"


def run(capture: Path, out: Path, options: PrepareOptions = KEEP, workers: int = 1) -> PrepareSummary:
    return prepare_dataset(load_capture(capture), out, options, workers=workers)


def test_folder_is_what_facelift_loaders_read(recording: Path, tmp_path: Path) -> None:
    summary = run(recording, tmp_path / "out")
    assert summary.kept == 12
    samples = [Path(line) for name in ("train", "val") for line in lines(tmp_path / "out" / f"data_{name}.txt")]
    assert samples
    for sample in samples:
        assert sample.is_absolute()
        content = json.loads((sample / "opencv_cameras.json").read_bytes())
        assert content["id"] == sample.name
        assert len(content["frames"]) == 6
        for frame in content["frames"]:
            assert {"w", "h", "fx", "fy", "cx", "cy", "w2c", "file_path", "view_id", "camera"} <= set(frame)
            assert frame["w"] == frame["h"] == 512
            w2c = np.array(frame["w2c"])
            assert w2c.shape == (4, 4)
            assert np.linalg.det(w2c[:3, :3]) == pytest.approx(1.0, abs=1e-12)
            rgba = read_png(sample / frame["file_path"])
            assert rgba.shape == (512, 512, 4)
            assert not rgba[rgba[:, :, 3] == 0].any(), "background is exactly zero"


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_manifest_has_a_line_a_sample(recording: Path, tmp_path: Path) -> None:
    run(recording, tmp_path / "out")
    records = [json.loads(line) for line in lines(tmp_path / "out" / "manifest.jsonl")]
    assert [r["frame"] for r in records] == list(range(12))
    assert records[3]["time"] == pytest.approx(1.5)
    assert {view["camera"] for view in records[0]["views"]} == {f"Camera{i}" for i in range(1, 7)}


def test_plan_in_the_sample_makes_the_image_again(recording: Path, tmp_path: Path) -> None:
    from mouselift.capture.source import CaptureSource
    from mouselift.prepare.resample import warp_view
    from mouselift.prepare.sample import subject_mask

    run(recording, tmp_path / "out", replace(KEEP, frames=(5,)))
    folder = tmp_path / "out" / "sample_000005"
    content = json.loads((folder / "opencv_cameras.json").read_bytes())
    plan = SamplePlan.from_json(json.dumps(content["mouselift"]["plan"]))
    source = CaptureSource(load_capture(recording))
    (frameset,) = source.read([5])
    for index, view in enumerate(frameset.views):
        assert view.image is not None
        assert view.mask is not None
        subject = subject_mask(view.mask, KEEP.speck)
        assert subject is not None
        again = warp_view(plan.views[index], view.image, subject.mask, interpolation=KEEP.interpolation)
        assert np.array_equal(again, read_png(folder / f"images/cam_{index:03d}.png"))
    source.close()


def test_workers_do_not_change_a_byte(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(recording, tmp_path / "one", workers=1)
    monkeypatch.setattr(local, "WORTH", 0.0)
    run(recording, tmp_path / "two", workers=2)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


class Quick:
    """A job of two items is little work, of four it is not."""

    seconds_an_item = 0.4

    def __call__(self, block: Sequence[int]) -> Iterator[int]:
        return iter(block)


def test_processes_start_where_there_is_work_for_them(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve samples are made sooner than two interpreters start; of other jobs nobody knows."""
    started: list[int] = []

    class NoPool:
        def __init__(self, workers: int) -> None:
            started.append(workers)
            raise MouseliftError("started")

    monkeypatch.setattr(local, "_Pool", NoPool)
    assert run(recording, tmp_path / "out", replace(KEEP, size=64), workers=2).kept == 12
    captures = [shutil.copytree(recording, tmp_path / name) for name in ("mouse7", "mouse8")]
    prepare_collection(captures, tmp_path / "many", replace(KEEP, size=64), workers=2)
    assert not started
    engine, units = local.LocalEngine(2), [(Quick(), [1]), (Quick(), [2])]
    assert list(engine.run(units)) == [1, 2]
    with pytest.raises(MouseliftError, match="started"):
        list(engine.run(units))  # many calls of little work are much
    with pytest.raises(MouseliftError, match="started"):
        list(local.LocalEngine(2).run([(iter, [1]), (iter, [2])]))
    monkeypatch.setattr(local, "WORTH", 0.1)
    with pytest.raises(MouseliftError, match="started"):
        run(recording, tmp_path / "other", replace(KEEP, size=64), workers=2)
    assert started == [2, 2, 2]


def test_denser_run_adds_and_equals_a_fresh_one(recording: Path, tmp_path: Path) -> None:
    run(recording, tmp_path / "grown", replace(KEEP, every=4))
    stamp = (tmp_path / "grown/sample_000004/images/cam_000.png").stat().st_mtime_ns
    summary = run(recording, tmp_path / "grown", replace(KEEP, every=2))
    assert summary.made == 3
    assert (tmp_path / "grown/sample_000004/images/cam_000.png").stat().st_mtime_ns == stamp
    run(recording, tmp_path / "fresh", replace(KEEP, every=2))
    assert files_of(tmp_path / "grown") == files_of(tmp_path / "fresh")


def test_second_run_has_nothing_to_do(recording: Path, tmp_path: Path) -> None:
    run(recording, tmp_path / "out")
    before = files_of(tmp_path / "out")
    assert run(recording, tmp_path / "out").made == 0
    assert files_of(tmp_path / "out") == before


def test_lost_sample_is_made_again(recording: Path, tmp_path: Path) -> None:
    run(recording, tmp_path / "out")
    before = files_of(tmp_path / "out")
    (tmp_path / "out/sample_000002/opencv_cameras.json").unlink()
    run(recording, tmp_path / "out")
    assert files_of(tmp_path / "out") == before


def test_killed_ten_times_equals_undisturbed(recording: Path, tmp_path: Path) -> None:
    """`kill -9` at random moments, then the same command: the same bytes."""
    command = [sys.executable, "-c", WITH_POOL, "prepare", str(recording), str(tmp_path / "killed")]
    command += ["--on-cut", "keep", "--size", "256", "--workers", "2", "--json"]
    rng = random.Random(0)
    killed = 0
    for attempt in range(10):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # From start-up to the end of the run, on fast and slow machines alike.
        deadline = time.monotonic() + 0.3 + 0.2 * attempt + rng.uniform(0.0, 0.2)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
        whole = [p for p in (tmp_path / "killed").glob("sample_*") if not (p / "opencv_cameras.json").exists()]
        assert not whole, "a sample is whole or absent"
    assert killed
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["kept"] == 12
    options = replace(KEEP, size=256)
    run(recording, tmp_path / "undisturbed", options)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "undisturbed")


def test_interrupted_says_so_and_goes_on(recording: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of the terminal's group."""
    command = [sys.executable, "-c", WITH_POOL, "prepare", str(recording), str(tmp_path / "out"), "--on-cut", "keep"]
    command += ["--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("sample_*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, words = process.communicate()
    if process.returncode != 0:  # 0: it had finished before the signal came
        assert process.returncode == 130, words
        assert "goes on" in words
        assert "Traceback" not in words
    assert run(recording, tmp_path / "out").kept == 12


def test_another_preparation_in_the_folder_is_refused(recording: Path, tmp_path: Path) -> None:
    run(recording, tmp_path / "out")
    before = files_of(tmp_path / "out")
    with pytest.raises(DatasetError, match=r"per-sample.*per-view"):
        run(recording, tmp_path / "out", replace(KEEP, preset="per-view"))
    assert files_of(tmp_path / "out") == before


def test_foreign_folder_is_refused(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("precious")
    with pytest.raises(DatasetError, match="not empty"):
        run(recording, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_dataset_scope_holds_one_value(recording: Path, tmp_path: Path) -> None:
    run(recording, tmp_path / "out", replace(KEEP, preset="canonical", scope="dataset"))
    records = [json.loads(line) for line in lines(tmp_path / "out/manifest.jsonl")]
    values = [view["magnification"] for record in records for view in record["views"]]
    assert max(values) == pytest.approx(min(values), rel=1e-12)


def test_dataset_is_a_capture_too(recording: Path, tmp_path: Path) -> None:
    run(recording, tmp_path / "first")
    capture = tmp_path / "again"
    capture.mkdir()
    (capture / "capture.toml").write_text('format = 1\nunit = "normalised"\nup = "+z"\ndataset = "../first"\n')
    summary = run(capture, tmp_path / "second", replace(KEEP, preset="canonical"))
    assert summary.kept == 12
    content = json.loads((tmp_path / "second/sample_000003/opencv_cameras.json").read_bytes())
    assert all(frame["cx"] == frame["cy"] == 256.0 for frame in content["frames"])


def test_the_library_logs_and_says_nothing_unasked(
    recording: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", logger="mouselift")
    run(recording, tmp_path / "out", replace(KEEP, frames=(0, 1)))
    run(recording, tmp_path / "out", replace(KEEP, frames=(0, 1, 2)))
    said = [record.getMessage() for record in caplog.records]
    assert any("dannce rig, 6 cameras" in line for line in said)
    assert any("3 frames selected, 2 of them finished before" in line for line in said)
    assert any("goes on with what an earlier run made" in line for line in said)
    assert any(line.startswith("frame 2: kept") for line in said)
    assert capsys.readouterr() == ("", "")


def test_the_scale_is_stated_and_an_absurd_one_warned_of(copied: Path, tmp_path: Path) -> None:
    options = PrepareOptions(every=6)
    summary = prepare_dataset(load_capture(copied), tmp_path / "mm", options, workers=1)
    assert re.match(r"the subject is about [3-9]\d\.?\d* mm across, the cameras are [23]\d\d mm from", summary.scale)
    assert not [finding for finding in summary.findings if finding.code == "unit-doubtful"]
    file = copied / "capture.toml"
    file.write_text(file.read_text().replace('unit = "mm"', 'unit = "m"'))
    summary = prepare_dataset(load_capture(copied), tmp_path / "m", options, workers=1)
    (finding,) = [finding for finding in summary.findings if finding.code == "unit-doubtful"]
    assert "In mm" in finding.message
    inspected = inspect_capture(load_capture(copied), InspectOptions(instants=2, lag=0))
    assert [found.code for found in inspected.findings].count("unit-doubtful") == 1
    assert " m across" in inspected.scale
