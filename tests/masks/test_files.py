"""Masks on disk, quality without truth, options, and whole runs: resumed, in any order, refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from folder_files import files_of
from mouselift.capture.capture import Capture, CaptureCamera
from mouselift.capture.source import CaptureSource
from mouselift.errors import CaptureError, DatasetError, MaskError, MouseliftError, OutputError
from mouselift.masks.options import MaskOptions
from mouselift.masks.quality import FrameRecord, measure, summarise
from mouselift.masks.segment_capture import (
    MaskReport,
    png_name,
    read_mask,
    segment_capture,
    write_mask,
    write_video,
)
from mouselift.media.images import ImageFolder
from mouselift.media.png import encode_png
from mouselift.media.video import VideoReader
from mouselift.media.video_index import probe
from mouselift.parallel import run_blocks
from mouselift.run_folder import JOURNAL
from mouselift.run_lock import LOCK

UP = np.array([0.0, 0.0, 1.0])


def levels(number: int) -> np.ndarray:
    out = np.zeros((46, 71), np.uint8)
    out[5 : 5 + number, 9:30] = np.arange(21) * 12
    return out


def test_video_is_lossless_and_the_same_every_time(tmp_path: Path):
    images = [levels(n) for n in range(12)]
    for name in ("a.mkv", "b.mkv"):
        write_video(tmp_path / name, iter(images), (71, 46), 120.0)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()
    info = probe(tmp_path / "a.mkv")
    assert (info.frames, info.width, info.height) == (12, 71, 46)
    assert info.rate == pytest.approx(120.0)
    for number, image in VideoReader(info).read(range(12)):
        assert image is not None
        assert np.array_equal(image.luma(), images[number])


def test_failed_video_leaves_nothing(tmp_path: Path):
    def broken():
        yield levels(1)
        raise OSError("disk full")

    with pytest.raises(OutputError, match=r"m\.mkv: cannot be written: disk full"):
        write_video(tmp_path / "m.mkv", broken(), (71, 46), 25.0)
    assert list(tmp_path.iterdir()) == []


def test_pngs_carry_the_frame_number(tmp_path: Path):
    write_mask(tmp_path, 123, levels(4))
    assert [p.name for p in tmp_path.iterdir()] == ["000123.png"]
    assert np.array_equal(read_mask(tmp_path / png_name(123)), levels(4))
    (tmp_path / png_name(1)).mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_mask(tmp_path, 1, levels(1))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"every": 0}, "every"),
        ({"start": 5, "stop": 5}, "start"),
        ({"learn_from": 300}, "8 to 255"),
    ],
)
def test_impossible_options_are_refused(wrong, said):
    with pytest.raises(MouseliftError, match=said):
        MaskOptions(**wrong)


def test_impossible_numbers_of_workers_are_refused(capture, tmp_path):
    with pytest.raises(MouseliftError, match="work"):
        segment_capture(capture, tmp_path / "o", workers=-1)
    assert not (tmp_path / "o").exists()


# Quality


def truth_levels(recording, frame: int) -> list[np.ndarray]:
    arena, pose = recording.arena, replace(recording.poses[frame], lift=8.0)
    return [arena.truth(view, pose).astype(np.uint8) * np.uint8(255) for view in range(len(arena.cameras))]


def test_true_silhouettes_agree_and_a_shifted_one_is_named(recording):
    cameras = recording.arena.cameras
    good = [measure(cameras, truth_levels(recording, f), f, None) for f in (25, 28, 31, 34, 37)]
    for quality in summarise([c.name for c in cameras], good):
        assert quality.tangency_px is not None
        assert quality.tangency_px < 0.6
        assert quality.verdict == "good"
    bad: list[FrameRecord] = []
    for frame in (25, 28, 31, 34, 37):
        views = truth_levels(recording, frame)
        views[2] = np.roll(views[2], 12, axis=1)
        bad.append(measure(cameras, views, frame, None))
    found = summarise([c.name for c in cameras], bad)
    assert max(found, key=lambda q: q.tangency_px or 0).camera == "cam2"
    assert found[2].verdict.startswith("look at it")
    assert "px" in found[2].verdict


def test_cut_and_empty_views_are_counted_not_measured(recording):
    cameras = recording.arena.cameras
    views = truth_levels(recording, 30)
    views[0] = np.zeros_like(views[0])
    views[1][:, :3] = 255
    record = measure(cameras, [*views[:4], None], 30, None)
    assert [v.state for v in record.views] == ["empty", "ok", "ok", "ok", "no-image"]
    assert record.views[1].cut
    assert record.views[1].centroid_px is None
    quality = summarise([c.name for c in cameras], [record])
    assert (quality[0].empty, quality[1].cut, quality[4].missing) == (1, 1, 1)
    assert "no subject in 1 of 1 frames" in quality[0].verdict
    assert "cut by the image's border" in quality[1].verdict


# Whole runs


@pytest.fixture(scope="module")
def capture(recording, tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """Five image folders; the arena is empty in frames 38 and 39."""
    root = tmp_path_factory.mktemp("capture")
    cameras = []
    for view, camera in enumerate(recording.arena.cameras):
        folder = root / camera.name
        folder.mkdir()
        for frame in range(40):
            image = recording.arena.image(view, recording.poses[frame] if frame < 38 else None, frame)

            (folder / f"{frame:04d}.png").write_bytes(encode_png(image.colours))
        cameras.append(CaptureCamera(camera.name, camera, None, folder, None))
    toml = root / "capture.toml"
    toml.write_text("format = 1\n")
    return Capture(toml, "mm", UP, tuple(cameras), (), None, None, toml, "test", ())


@pytest.fixture(scope="module")
def finished(capture, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MaskReport]:
    out = tmp_path_factory.mktemp("out") / "masks"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mouselift.masks.segment_capture._BLOCK", 10)
        return out, segment_capture(capture, out, MaskOptions(every=2), workers=1)


def test_run_writes_masks_that_the_capture_reads_back(capture, finished, recording):
    out, report = finished
    assert report.frames == 20
    folders = report.paths(out)
    assert set(folders) == {f"cam{i}" for i in range(5)}
    assert sorted(ImageFolder.scan(folders["cam0"]).files) == list(range(0, 40, 2))
    cameras = tuple(replace(camera, mask=folders[camera.name]) for camera in capture.cameras)
    frame = next(iter(CaptureSource(replace(capture, cameras=cameras)).read([30])))
    for view, seen in enumerate(frame.views):
        truth = recording.arena.truth(view, recording.poses[30])
        assert seen.mask is not None
        mask = seen.mask >= 128
        assert (mask & truth).sum() / (mask | truth).sum() > 0.85
    missing = next(iter(CaptureSource(replace(capture, cameras=cameras)).read([31])))
    assert all(view.mask is None for view in missing.views)  # not segmented is not the same as empty


def test_run_reports_quality_and_the_empty_frame(finished):
    out, report = finished
    assert report.empty == (38,)
    assert any("empty-mask" in finding and "first: 38" in finding for finding in report.findings)
    assert not read_mask(out / "cam1" / png_name(38)).any()
    assert report.centroid_px is not None
    assert report.centroid_px < 4
    assert report.tangency_px is not None
    assert report.tangency_px < 4
    assert sorted(p.name for p in out.iterdir() if p.name != LOCK) == [
        *(f"cam{i}" for i in range(5)),
        "job.json",
        "masks.json",
    ]
    assert msgspec.json.decode((out / "masks.json").read_bytes(), type=MaskReport) == report


def test_killed_run_goes_on_to_the_same_bytes(capture, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("mouselift.masks.segment_capture._BLOCK", 10)
    whole, _ = finished
    assert files_of(whole / "cam3") != {}

    def killed(stage: str, done: int, total: int) -> None:
        if stage == "masks" and done == 12:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        segment_capture(capture, out, MaskOptions(every=2), workers=1, progress=killed)
    journal = [msgspec.json.decode(line, type=FrameRecord) for line in (out / JOURNAL).read_bytes().splitlines()]
    assert [record.frame for record in journal] == list(range(0, 24, 2))  # two whole blocks, and part of a third
    stages: list[tuple[str, int]] = []
    report = lambda stage, done, total: stages.append((stage, done))  # noqa: E731
    segment_capture(capture, out, MaskOptions(every=2), workers=1, progress=report)
    assert ("masks", 10) in stages
    assert len([done for stage, done in stages if stage == "scene"]) > 100  # 48 samples, read twice and carved
    assert ("masks", 2) not in stages
    assert files_of(out) == files_of(whole)


def test_order_and_division_of_the_work_do_not_matter(capture, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("mouselift.masks.segment_capture._BLOCK", 10)

    def backwards(job, blocks, workers, hears):
        assert workers == 3
        yield from run_blocks(job, list(reversed(blocks)), 1, hears)

    monkeypatch.setattr("mouselift.masks.segment_capture.run_blocks", backwards)
    segment_capture(capture, tmp_path / "b", MaskOptions(every=2), workers=3)
    assert files_of(tmp_path / "b") == files_of(finished[0])


def test_finished_run_is_not_done_again(capture, finished):
    out, report = finished
    stages: list[str] = []
    report_stage = lambda stage, done, total: stages.append(stage)  # noqa: E731
    again = segment_capture(capture, out, MaskOptions(every=2), progress=report_stage)
    assert again == report
    assert stages == []


def test_masks_that_went_missing_are_made_again_and_others_stay(capture, finished, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("mouselift.masks.segment_capture._BLOCK", 10)
    whole, _ = finished
    out = tmp_path / "masks"
    shutil.copytree(whole, out)
    shutil.rmtree(out / "cam1")
    (out / "cam2" / png_name(8)).unlink()
    mended = encode_png(np.full((40, 40), 255, np.uint8))
    (out / "cam3" / png_name(8)).write_bytes(mended)
    segment_capture(capture, out, MaskOptions(every=2), workers=1)
    assert "masks of cam1, cam2 are not there any more; they are made again" in caplog.text
    assert files_of(out) == files_of(whole) | {f"cam3/{png_name(8)}": mended}


def test_what_changed_is_said_in_words(capture, finished):
    out, _ = finished
    wide = replace(capture.cameras[0], camera=replace(capture.cameras[0].camera, fx=capture.cameras[0].camera.fx + 1))
    changed = replace(capture, up=np.array([0.0, 1.0, 0.0]), floor=2.5, cameras=(wide, *capture.cameras[1:]))
    said = (
        r"made \(cameras: the calibration is another; up: there \[0.0, 0.0, 1.0\], now \[0.0, 1.0, 0.0\]; "
        r"floor: there none, now 2.5\)\. To make masks anew, delete .*, or name another folder .*then names"
    )
    with pytest.raises(DatasetError, match=said):
        segment_capture(changed, out, MaskOptions(every=2))


def test_a_run_that_made_no_mask_yet_is_begun_anew(capture, tmp_path, monkeypatch):
    """The floor was not found, and is given now. What was learnt of the backgrounds is used again."""

    def unknown(*_: object) -> None:
        raise MaskError("the floor cannot be found")

    out, options = tmp_path / "out", MaskOptions(every=2)
    with monkeypatch.context() as patch:
        patch.setattr("mouselift.masks.segment_capture.learn_scene", unknown)
        with pytest.raises(MaskError, match="floor cannot"):
            segment_capture(capture, out, options, workers=1)
    given, left = replace(capture, floor=0.0), set[int]()

    def hears(stage: str, done: int, total: int) -> None:
        if stage == "background":
            left.add(total - done)

    report = segment_capture(given, out, options, workers=1, progress=hears)
    assert report.floor == "floor at 0.0 mm, as given"
    assert left == {0}
    segment_capture(given, tmp_path / "alone", options, workers=1)
    assert files_of(out) == files_of(tmp_path / "alone")


def test_other_videos_have_other_backgrounds(capture, tmp_path):
    out, options = tmp_path / "out", MaskOptions(every=2)

    def killed(stage: str, done: int, total: int) -> None:
        if stage == "scene":
            raise KeyboardInterrupt

    def first(stage: str, done: int, total: int) -> None:
        if stage == "background":
            assert done == 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_capture(capture, out, options, workers=1, progress=killed)
    with pytest.raises(KeyboardInterrupt):
        segment_capture(replace(capture, cameras=capture.cameras[:4]), out, options, workers=1, progress=first)
    (out / "notes.txt").write_text("mine")  # whatever else lies there is not begun over
    with pytest.raises(DatasetError, match=r"cameras: there \['cam0', .*\], now"):
        segment_capture(capture, out, options, workers=1)


def test_foreign_folders_are_left_alone(capture, finished, tmp_path, monkeypatch):
    out, _ = finished
    with pytest.raises(DatasetError, match=r"another run of `mouselift mask` made \(every: there 2, now 3\)"):
        segment_capture(capture, out, MaskOptions(every=3))
    with pytest.raises(DatasetError, match=r"learn_from: there 48, now 30\)\. .*\(--out FOLDER --force: "):
        segment_capture(capture, out, MaskOptions(every=2, learn_from=30))
    image = capture.cameras[0].images / "0007.png"
    data = image.read_bytes()
    image.write_bytes(data[:-1] + b"?")  # another one of the same size
    with pytest.raises(DatasetError, match=r"made \(videos: their contents are others\)"):
        segment_capture(capture, out, MaskOptions(every=2))
    image.write_bytes(data)
    with monkeypatch.context() as later:
        later.setattr("mouselift.masks.mask_folder._METHOD", 99)
        with pytest.raises(DatasetError, match=r"made \(by a release of mouselift that made other masks"):
            segment_capture(capture, out, MaskOptions(every=2))
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DatasetError, match=r"not empty .*make them elsewhere: --out FOLDER --force \(capture\.toml"):
        segment_capture(capture, tmp_path, MaskOptions(every=2))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    former = tmp_path / "former"  # as a former release described its folders
    former.mkdir()
    (former / "job.json").write_text('{"schema": 1, "every": 2}')
    with pytest.raises(DatasetError, match="was not written by `mouselift mask`"):
        segment_capture(capture, former, MaskOptions(every=2))
    assert [p.name for p in former.iterdir()] == ["job.json"]


def test_dataset_and_empty_selection_are_refused(capture, tmp_path):
    with pytest.raises(MaskError, match="alpha is their mask"):
        segment_capture(replace(capture, dataset=tmp_path), tmp_path / "o")
    with pytest.raises(MaskError, match="no frames from 900"):
        segment_capture(capture, tmp_path / "o", MaskOptions(start=900))


def test_unknown_up_and_a_full_disk_are_errors_that_say_so(capture, tmp_path, monkeypatch):
    with pytest.raises(CaptureError, match="which way is up"):
        segment_capture(replace(capture, up=None), tmp_path / "o")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mouselift.atomic.os.fsync", full)
    with pytest.raises(OutputError, match=r"job\.json: the disk is full.*goes on"):
        segment_capture(capture, tmp_path / "o")


def test_every_frame_of_videos_becomes_mask_videos(recording, capture, tmp_path):
    """One camera started a frame early, another lost its last two."""
    cameras = []
    for view, (name, early, short) in enumerate([("cam0", 1, 0), ("cam1", 0, 0), ("cam2", 0, 2)]):
        frames = [0] * early + list(range(40 - short))
        images = [recording.arena.image(view, recording.poses[f], f).colours[..., 0] for f in frames]
        size = (images[0].shape[1], images[0].shape[0])
        write_video(tmp_path / f"{name}.mkv", iter(images), size, 50.0)
        cameras.append(replace(capture.cameras[view], video=tmp_path / f"{name}.mkv", images=None, frame_offset=early))
    filmed = replace(capture, cameras=tuple(cameras), floor=0.0)
    out = tmp_path / "masks"
    report = segment_capture(filmed, out, MaskOptions(learn_from=30), workers=1)
    assert report.masks == {name: f"{name}.mkv" for name in ("cam0", "cam1", "cam2")}
    assert [probe(path).frames for path in report.paths(out).values()] == [41, 40, 38]
    assert any("missing-image" in finding and "cam2" in finding for finding in report.findings)
    masked = tuple(replace(camera, mask=report.paths(out)[camera.name]) for camera in cameras)
    for frame in CaptureSource(replace(filmed, cameras=masked)).read([5, 33]):
        for view, seen in enumerate(frame.views):
            truth = recording.arena.truth(view, recording.poses[frame.frame])
            assert seen.mask is not None
            assert ((seen.mask >= 128) & truth).sum() / ((seen.mask >= 128) | truth).sum() > 0.8
    first = next(iter(VideoReader(probe(out / "cam0.mkv")).read([0])))[1]
    assert first is not None
    assert not first.luma().any()  # before the common timeline begins
    kept = files_of(out)
    (out / "cam1.mkv").unlink()
    segment_capture(filmed, out, MaskOptions(learn_from=30), workers=1)
    assert files_of(out) == kept
