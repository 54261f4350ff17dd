"""What cannot be read now is neither damaged, nor missing, nor another's: nothing is recorded of it, nothing undone."""

from __future__ import annotations

import errno
import json
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import h5py
import msgspec
import numpy as np
import pytest

from mouselift.atomic import everything_below, same_files
from mouselift.audit.dataset import audit_dataset
from mouselift.audit.premultiplied import premultiplied_findings
from mouselift.capture.made_masks import MASK_JOB, MASK_REPORT, said_of_masks
from mouselift.capture.mask_search import _may_hold_masks
from mouselift.capture.rig_search import find_rig
from mouselift.dataset.layout import is_file, is_folder, lines_of, listed_samples
from mouselift.dataset.source import DatasetSource
from mouselift.errors import CaptureError, CheckpointError, DatasetError, MaskError, OutputError, UnreachableError
from mouselift.export.options import ExportOptions
from mouselift.hdf5_file import opened
from mouselift.masks.changes import Background
from mouselift.media.images import ImageFolder
from mouselift.media.png import content_of
from mouselift.models.gslrm.facelift import read_state
from mouselift.run_folder import RunFolder
from mouselift.run_lines import read_manifest

Deny = Callable[..., None]
OUTAGES = [errno.EACCES, errno.EIO, errno.ESTALE]


class Line(msgspec.Struct):
    id: str


@pytest.fixture
def dataset(tmp_path: Path, make_exact, write_sample) -> Path:
    for name in ("sample_000050", "sample_000060"):
        write_sample(tmp_path / "data" / name, make_exact(size=64))
    return tmp_path / "data"


@pytest.mark.parametrize("code", OUTAGES)
def test_an_image_that_cannot_be_read_is_not_damaged(tmp_path: Path, denied: Deny, code: int) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(DatasetError, match="No such file"):
        content_of(path)
    path.write_bytes(b"x")
    denied(path, code)
    with pytest.raises(UnreachableError, match=r"a\.png: cannot be read now"):
        content_of(path)


@pytest.mark.parametrize("code", OUTAGES)
def test_whether_there_is_a_file_stays_open(tmp_path: Path, denied: Deny, code: int) -> None:
    for name in ("gone", "x" * 300, "a\0b"):
        assert not is_file(tmp_path / name)
        assert not is_folder(tmp_path / name)
    denied(tmp_path / "closed", code)
    with pytest.raises(UnreachableError, match="cannot be looked into now"):
        is_file(tmp_path / "closed" / "a.png")
    with pytest.raises(UnreachableError, match="cannot be looked into now"):
        is_folder(tmp_path / "closed" / "sample")


def test_a_list_of_another_user_leads_to_the_samples_beside_it(dataset: Path, tmp_path: Path, denied: Deny) -> None:
    home = tmp_path / "home" / "alice"
    (dataset / "data_train.txt").write_text(f"{home / 'data' / 'sample_000050'}\n")
    denied(home, errno.EACCES)
    assert listed_samples(dataset / "data_train.txt") == [dataset / "sample_000050"]
    (dataset / "data_train.txt").write_text(f"{home / 'data' / 'sample_000070'}\n")
    with pytest.raises(UnreachableError, match="cannot be looked into now"):  # not: "was the sample deleted?"
        listed_samples(dataset / "data_train.txt")


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_list_whose_drive_fails_does_not_lead_elsewhere(
    dataset: Path, tmp_path: Path, denied: Deny, code: int
) -> None:
    (dataset / "data_train.txt").write_text(f"{tmp_path / 'drive' / 'sample_000050'}\n")
    denied(tmp_path / "drive", code)
    with pytest.raises(UnreachableError):
        listed_samples(dataset / "data_train.txt")


@pytest.mark.parametrize("code", OUTAGES)
def test_a_list_that_cannot_be_read_is_no_bad_list(dataset: Path, denied: Deny, code: int) -> None:
    file = dataset / "data_train.txt"
    file.write_text(f"{dataset / 'sample_000050'}\n")
    denied(file, code)
    with pytest.raises(UnreachableError, match="cannot be read now"):
        lines_of(file)
    with pytest.raises(UnreachableError, match="cannot be read now"):
        audit_dataset(dataset, workers=1)


def test_a_view_that_cannot_be_read_is_not_missing(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, as a share that comes back at once: the next look finds the file whole."""
    source = DatasetSource(dataset)

    def refused(path: Path) -> None:
        raise UnreachableError.because(path, "cannot be read now")

    monkeypatch.setattr("mouselift.dataset.source.read_rgb_alpha", refused)
    with pytest.raises(UnreachableError):
        list(source.read(source.frames))
    monkeypatch.setattr("mouselift.audit.premultiplied.read_rgb_alpha", refused)
    with pytest.raises(UnreachableError):
        premultiplied_findings([dataset / "sample_000050"])


@pytest.mark.parametrize("module", ["scenes", "rerun"])
def test_a_scene_that_cannot_be_read_is_not_refused(module: str) -> None:
    """A record would say of the scene what is true of the drive."""
    Job = import_module(f"mouselift.export.{module}")._Job

    def scene() -> None:
        raise UnreachableError.because("/share/a.png", "cannot be read now")

    job = object.__new__(Job)
    object.__setattr__(job, "plan", SimpleNamespace(names={0: "sample"}))
    object.__setattr__(job, "name", "nerfstudio")
    object.__setattr__(job, "options", ExportOptions())
    with pytest.raises(UnreachableError):
        job._made(0, scene)


@pytest.mark.parametrize("code", OUTAGES)
def test_a_background_that_cannot_be_read_is_not_to_be_deleted(tmp_path: Path, denied: Deny, code: int) -> None:
    path = tmp_path / "background.npz"
    grey = np.zeros((4, 4), np.uint8)
    Background(grey, np.zeros((2, 2, 2), np.uint8), grey, grey > 0, 3).save(path)
    assert Background.load(path).samples == 3
    whole = path.read_bytes()
    denied(path, code)
    with pytest.raises(UnreachableError, match="cannot be read now"):
        Background.load(path)
    cut = tmp_path / "cut.npz"
    for count in (0, 3, len(whole) // 2, len(whole) - 3):
        cut.write_bytes(whole[:count])
        with pytest.raises(MaskError, match="delete it and run again"):
            Background.load(cut)
    with zipfile.ZipFile(tmp_path / "background.npz.zip", "w") as file:
        file.writestr("other.npy", b"")
    with pytest.raises(MaskError, match="delete it"):
        Background.load(tmp_path / "background.npz.zip")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_checkpoint_that_cannot_be_read_is_not_cut_short(tmp_path: Path, denied: Deny, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"cut short|would run code"):
        read_state(path)
    denied(path, errno.EIO)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_state(path)


def test_a_file_of_hdf5_that_cannot_be_read_is_not_of_another_kind(tmp_path: Path, denied: Deny) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1
    denied(path, errno.EACCES)
    with pytest.raises(MaskError, match="cannot be read: permission denied"), opened(path, "masks", MaskError):
        pass


@pytest.mark.parametrize("code", OUTAGES)
def test_what_mask_found_is_not_forgotten(tmp_path: Path, denied: Deny, code: int) -> None:
    masks = [ImageFolder(tmp_path / "Camera1", {0: tmp_path / "Camera1" / "0.png"}, 4, 4)]
    (tmp_path / MASK_JOB).touch()
    assert list(said_of_masks(masks)) == []
    (tmp_path / MASK_REPORT).write_text(json.dumps({"contradiction": "no view fits", "blamed": ["Camera1"]}))
    (said,) = said_of_masks(masks)
    assert said.code == "cameras-contradict"
    denied(tmp_path / MASK_REPORT, code)
    with pytest.raises(UnreachableError, match="cannot be read now"):
        list(said_of_masks(masks))


def test_annotations_that_cannot_be_read_are_not_left_unsaid(tmp_path: Path, denied: Deny) -> None:
    path = tmp_path / "annotations" / "instances.json"
    path.parent.mkdir()
    path.write_text("{}")
    assert not _may_hold_masks(path, inside=False)
    denied(path, errno.EACCES)
    assert _may_hold_masks(path, inside=False)


@pytest.mark.parametrize("code", OUTAGES)
@pytest.mark.parametrize("what", ["one", "one/deep", "one/deep/a"])
def test_a_finished_sample_that_cannot_be_read_is_not_made_again(
    tmp_path: Path, denied: Deny, code: int, what: str
) -> None:
    def folder() -> RunFolder[Line]:
        return RunFolder(tmp_path / "out", {"recipe": 1}, description="job.json", record=Line, verb="prepare")

    run = folder()
    run.open()
    with run.writing("one") as made:
        (made / "deep").mkdir()
        (made / "deep" / "a").write_bytes(b"a")
    run.log([Line("one")])
    run.sync()
    assert [line.id for line in folder().records()] == ["one"]
    denied(tmp_path / "out" / what, code)
    with pytest.raises(OutputError, match="one"):
        list(folder().records())
    with pytest.raises(OSError, match=str(code)):
        everything_below(tmp_path / "out" / "one") if what != "one/deep/a" else (tmp_path / "out" / what).read_bytes()


def test_a_manifest_that_cannot_be_read_is_not_unfinished(tmp_path: Path, denied: Deny) -> None:
    with pytest.raises(DatasetError, match="was the run finished"):
        read_manifest(tmp_path, Line)
    (tmp_path / "manifest.jsonl").write_text('{"id": "a"}\n')
    denied(tmp_path / "manifest.jsonl", errno.EIO)
    with pytest.raises(UnreachableError, match="cannot be read now"):
        read_manifest(tmp_path, Line)


def test_folders_of_which_one_cannot_be_listed_are_not_the_same(tmp_path: Path, denied: Deny) -> None:
    for name in ("one", "other"):
        (tmp_path / name / "deep").mkdir(parents=True)
    (tmp_path / "one" / "deep" / "a").touch()
    denied(tmp_path / "one" / "deep", errno.EACCES)
    assert not same_files(tmp_path / "one", tmp_path / "other")


def test_a_calibration_that_cannot_be_read_is_named(tmp_path: Path, denied: Deny) -> None:
    file = tmp_path / "extrinsics.xml"
    file.write_text("<opencv_storage></opencv_storage>")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.txt").touch()
    denied(file, errno.EACCES)
    with pytest.raises(CaptureError, match=r"no calibration recognised.*; cannot be read now: extrinsics\.xml\."):
        find_rig(tmp_path, None, None)
