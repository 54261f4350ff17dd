"""Shards: named as webdataset wants it, the same bytes every time, whole samples only, resumed, nothing overwritten."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import msgspec
import pytest

from ball_samples import balls
from mouselift.dataset.shards import ShardIndex
from mouselift.errors import DatasetError
from mouselift.export.options import ExportOptions
from mouselift.export.registry import FORMATS, Format, export, format_named

SMALL = ExportOptions(shard_mb=1)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return balls(tmp_path / "balls")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def grouped(tar: Path) -> dict[str, dict[str, bytes]]:
    """As the webdataset library reads: consecutive members with one key up to the first dot are a sample."""
    out: dict[str, dict[str, bytes]] = {}
    last = ""
    with tarfile.open(tar) as archive:
        for member in archive:
            key, _, extension = member.name.partition(".")
            assert key == last or key not in out, "a sample's members follow one another"
            stream = archive.extractfile(member)
            assert stream is not None
            out.setdefault(key, {})[extension] = stream.read()
            last = key
    return out


def test_each_name_has_its_format() -> None:
    assert all(isinstance(format_named(name), Format) for name in FORMATS)


def test_shards_hold_the_files_of_each_split(dataset: Path, tmp_path: Path) -> None:
    done = export(dataset, tmp_path / "shards", "webdataset")
    assert (done.samples, done.files) == (10, 5)
    train, val = grouped(tmp_path / "shards/shard-000000.tar"), grouped(tmp_path / "shards/shard-000001.tar")
    assert (len(train), len(val)) == (8, 2)
    for key, files in (train | val).items():
        source = sorted(path for path in (dataset / key).rglob("*") if path.is_file())
        assert files == {
            path.relative_to(dataset / key).as_posix().replace("/", "."): path.read_bytes() for path in source
        }
    index = msgspec.json.decode((tmp_path / "shards/shard-000000.json").read_bytes(), type=ShardIndex)
    data = (tmp_path / "shards/shard-000000.tar").read_bytes()
    for sample in index.samples:
        for file, (offset, size, _) in sample.files.items():
            assert data[offset : offset + size] == (dataset / sample.name / file).read_bytes()


def test_bytes_depend_on_samples_alone(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "one", "webdataset")
    shutil.copytree(dataset, tmp_path / "elsewhere/copy")
    for path in (tmp_path / "elsewhere").rglob("*"):
        os.utime(path, (1e9, 1e9))
    export(tmp_path / "elsewhere/copy", tmp_path / "two", "webdataset")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_size_limit_keeps_samples_whole(dataset: Path, tmp_path: Path) -> None:
    for folder in dataset.glob("sample_*"):
        (folder / "notes.bin").write_bytes(bytes(400_000))
    export(dataset, tmp_path / "shards", "webdataset", SMALL)
    sizes = [len(grouped(tar)) for tar in sorted((tmp_path / "shards").glob("*.tar"))]
    assert sizes == [2, 2, 2, 2, 2]
    assert all(tar.stat().st_size <= 10**6 for tar in (tmp_path / "shards").glob("*.tar"))


def test_a_broken_sample_is_found_before_anything_is_written(dataset: Path, tmp_path: Path) -> None:
    (dataset / "sample_000009/images/cam_000.png").unlink()
    with pytest.raises(DatasetError, match="sample_000009"):
        export(dataset, tmp_path / "shards", "webdataset")
    assert not (tmp_path / "shards").exists()


def test_a_killed_run_keeps_its_finished_shards(dataset: Path, tmp_path: Path) -> None:
    out, reference = tmp_path / "shards", tmp_path / "reference"
    export(dataset, reference, "webdataset")
    shutil.copytree(reference, out)
    (out / "shard-000001.json").unlink()  # killed between a tar and its index
    first = (out / "shard-000000.tar").stat().st_mtime_ns
    export(dataset, out, "webdataset")
    assert contents(out) == contents(reference)
    assert (out / "shard-000000.tar").stat().st_mtime_ns == first, "was not written again"
    image = dataset / "sample_000003/images/cam_000.png"
    data = image.read_bytes()
    image.write_bytes(data[:40] + data[:39:-1])
    os.utime(image, (image.stat().st_atime, (out / "shard-000000.json").stat().st_mtime + 10))
    export(dataset, out, "webdataset")  # of the same size, and newer than the shard
    assert grouped(out / "shard-000000.tar")["sample_000003"]["images.cam_000.png"] == image.read_bytes()


def test_what_it_refuses(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("keep")
    with pytest.raises(DatasetError, match="Nothing was changed"):
        export(dataset, tmp_path / "mine", "webdataset")
    (dataset / "sample_000001/images.cam_000.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="one name in a tar"):
        export(dataset, tmp_path / "shards", "webdataset")
    (tmp_path / "capture.toml").write_text("")
    with pytest.raises(DatasetError, match="prepare"):
        export(tmp_path, tmp_path / "shards", "webdataset")
