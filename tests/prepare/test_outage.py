"""What cannot be read now is no fact about the recording: the run stops and says so, the next one makes the samples."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from av.error import OSError as FFmpegOSError

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.capture.source import CaptureSource
from mouselift.cli.app import run as command
from mouselift.errors import UnreachableError
from mouselift.limits import limited_bytes
from mouselift.media.images import FrameSet, ImageFolder, read_numbered
from mouselift.media.video import VideoReader
from mouselift.media.video_index import probe
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import markerless_rig, scaled_rig

KEEP = PrepareOptions(on_cut="keep", on_missing="keep")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "mouse"
    rig = scaled_rig(markerless_rig(), 0.25)
    write_capture(folder, CaptureSpec(frames=4, rig=rig, fps=2.0, seed=3, images="png", masks="png"))
    write_capture_toml(folder / "capture.toml", discover(folder).spec)
    return folder


@pytest.fixture
def folder(images: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(images, tmp_path / "mouse"))


def after_the_first(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """`do` happens once the first frame of a run was read."""
    read = CaptureSource.read

    def outage(self: CaptureSource, frames: Sequence[int], images: bool = True) -> Iterator[FrameSet]:
        for number, found in enumerate(read(self, frames, images)):
            yield found
            if number == 0:
                do()

    monkeypatch.setattr(CaptureSource, "read", outage)


def manifest(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def failing(error: int, part: str) -> Callable[[Path, int], bytes]:
    """`limits.limited_bytes`, but for paths with `part` in them."""

    def read(path: Path, most: int) -> bytes:
        if part in str(path):
            raise OSError(error, os.strerror(error), str(path))
        return limited_bytes(path, most)

    return read


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_folder_that_goes_away_during_a_run(
    kind: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = load_capture(folder)
    camera = capture.cameras[1]
    there = camera.mask if kind == "masks" else camera.images
    assert there is not None
    out, arguments = tmp_path / "out", ["prepare", str(folder), str(tmp_path / "out"), "--workers", "1"]
    arguments += ["--on-cut", "keep", "--on-missing", "keep", "--size", "64"]
    with monkeypatch.context() as patch:
        after_the_first(patch, lambda: there.exists() and there.rename(tmp_path / "away"))
        assert command(arguments) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert there.name in said
    assert "says nothing about the recording" in said
    assert not (out / "manifest.jsonl").exists()
    (tmp_path / "away").rename(there)
    assert command(arguments) == 0
    assert [(line["frame"], line["status"], len(line["views"])) for line in manifest(out)] == [
        (frame, "kept", len(capture.cameras)) for frame in range(4)
    ]


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_an_image_that_cannot_be_read_now(
    error: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = load_capture(folder)
    there = capture.cameras[2].images
    assert there is not None
    name = ImageFolder.scan(there).files[max(ImageFolder.scan(there).files)]
    with monkeypatch.context() as patch:
        patch.setattr("mouselift.media.images.limited_bytes", failing(error, str(name)))
        with pytest.raises(UnreachableError, match=rf"{name.name}: cannot be read now \({os.strerror(error)}\)"):
            prepare_dataset(capture, tmp_path / "out", KEEP, workers=1)
    assert prepare_dataset(capture, tmp_path / "out", KEEP, workers=1).kept == 4
    assert all(line["status"] == "kept" and not line.get("findings") for line in manifest(tmp_path / "out"))


def test_what_is_there_and_damaged_is_recorded_as_damaged(folder: Path, tmp_path: Path) -> None:
    capture = load_capture(folder)
    there = capture.cameras[2].images
    assert there is not None
    files = ImageFolder.scan(there).files
    damaged = files[sorted(files)[2]]
    damaged.write_bytes(damaged.read_bytes()[:200])
    drop = PrepareOptions(on_cut="keep")
    assert prepare_dataset(capture, tmp_path / "out", drop, workers=1).dropped == {"missing-image": 1}
    assert [line["frame"] for line in manifest(tmp_path / "out") if line["status"] == "dropped"] == [2]


def test_only_a_file_that_was_listed_can_be_away(tmp_path: Path) -> None:
    for number in (0, 1, 3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((4, 6), dtype=np.uint8))
    folder = ImageFolder.scan(tmp_path)
    assert [image is None for _, image in read_numbered(folder, [1, 2])] == [False, True]
    (tmp_path / "3.png").unlink()
    with pytest.raises(UnreachableError, match=r"3\.png: cannot be read now"):
        list(read_numbered(folder, [3]))


def test_a_video_that_goes_away_before_its_worker_opens_it(copied: Path, tmp_path: Path) -> None:
    capture = load_capture(copied)
    video = capture.cameras[3].video
    assert video is not None
    source = CaptureSource(capture)
    video.rename(tmp_path / "away.mp4")
    with pytest.raises(UnreachableError, match="cannot be opened any more"):
        list(source.read(range(3)))
    source.close()
    (tmp_path / "away.mp4").rename(video)
    assert prepare_dataset(load_capture(copied), tmp_path / "out", KEEP, workers=1).kept == 12


def test_a_video_whose_reading_fails_midway(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error looks to a demultiplexer like the end of the file."""
    video = load_capture(copied).cameras[0].video
    assert video is not None
    info, opened = probe(video), VideoReader._open

    class Ends:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def demux(self, stream: Any) -> Iterator[Any]:
            for number, packet in enumerate(self.inner.demux(stream)):
                if number == 5:
                    raise FFmpegOSError(errno.EIO, os.strerror(errno.EIO), str(video))
                yield packet

    with monkeypatch.context() as patch:
        patch.setattr(VideoReader, "_open", lambda self: Ends(opened(self)))
        reader = VideoReader(info)
        with pytest.raises(UnreachableError, match="from image 5 of 12 on"):
            list(reader.read(range(12)))
    reader = VideoReader(info)
    assert all(image is not None for _, image in reader.read(range(12)))
    reader.close()


def test_a_video_that_is_cut_while_it_is_read(copied: Path) -> None:
    video = load_capture(copied).cameras[0].video
    assert video is not None
    info = probe(video)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 3])
    with pytest.raises(UnreachableError, match=video.name):
        list(VideoReader(info).read(range(12)))


def test_the_error_reaches_the_parent_of_a_worker() -> None:
    with (
        pytest.raises(UnreachableError, match=r"a/b.png: cannot be read now") as told,
        UnreachableError.reading("a/b.png"),
    ):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    again = pickle.loads(pickle.dumps(told.value))
    assert (type(again), str(again)) == (UnreachableError, str(told.value))
