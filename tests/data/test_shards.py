"""Folders and shards are the same samples: tensors, order, a run in the middle of an epoch; damage is named."""

from __future__ import annotations

import pickle
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest
import torch

from ball_samples import balls
from mouselift.data.dataset import MultiViewDataset, ViewChoice
from mouselift.data.moves import Augmentation
from mouselift.data.sample import Batch
from mouselift.dataset.layout import find_samples, split_samples
from mouselift.dataset.open_store import open_store, split_stores
from mouselift.dataset.shards import LocalBytes, ShardStore
from mouselift.errors import DatasetError
from mouselift.export.options import ExportOptions
from mouselift.export.registry import export
from mouselift.train.samples import batches_from


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(dataset, its shards: three of the training samples, one of the others). Read only."""
    root = tmp_path_factory.mktemp("stored")
    dataset = balls(root / "balls")
    for folder in dataset.glob("sample_*"):
        (folder / "notes.bin").write_bytes(bytes(300_000))
    export(dataset, root / "shards", "webdataset", ExportOptions(shard_mb=1))
    assert len(list((root / "shards").glob("*.tar"))) == 4
    return dataset, root / "shards"


def same(one: Batch, other: Batch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Batch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_tensors_are_the_same_bit_for_bit(stored: tuple[Path, Path]) -> None:
    options = {"size": 24, "views": ViewChoice(inputs=2, draw="random"), "augment": Augmentation(10.0, (0.9, 1.1))}
    one, other = (MultiViewDataset(path, seed=5, **options) for path in stored)
    assert list(one.store.names) == list(other.store.names) == [folder.name for folder in find_samples(stored[0])]
    for place in (7, 0, 9):
        a, b = one.sample(place, 3), other.sample(place, 3)
        assert a.name == b.name
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.c2w, b.c2w)
    assert not torch.equal(one.sample(7, 3).image, other.sample(6, 3).image), "and it can fail"


def test_splits_are_those_of_the_lists(stored: tuple[Path, Path]) -> None:
    dataset, shards = stored
    for split, store in zip(("train", "val"), split_stores(shards) or (), strict=True):
        assert list(store.names) == [folder.name for folder in split_samples(dataset, split)]


def test_resumes_in_mid_epoch_from_the_other_storage(stored: tuple[Path, Path]) -> None:
    sides = [split_stores(path) for path in stored]
    datasets = [MultiViewDataset(side[0], seed=2) for side in sides if side is not None]
    whole = list(batches_from(datasets[0], first=0, count=7, batch=2))  # into the second epoch of 8
    resumed = list(batches_from(datasets[1], first=6, count=4, batch=2))
    assert all(same(a, b) for a, b in zip(whole[3:], resumed, strict=True))
    assert len({name for batch in whole[:4] for name in batch.names}) == 8, "an epoch takes every sample once"
    shard_of = {name: int(name[-1]) // 3 for name in datasets[1].store.names}
    assert len({shard_of[name] for name in whole[0].names + whole[1].names}) > 1, "shuffled across shards"


def test_a_store_travels_to_other_processes(stored: tuple[Path, Path]) -> None:
    store = open_store(stored[1])
    expected = store.open(4).image(2)
    assert pickle.loads(pickle.dumps(store)).open(4).image(2) == expected


def test_facts_are_the_same(stored: tuple[Path, Path]) -> None:
    folders, shards = (open_store(path) for path in stored)
    assert [folders.facts(k) for k in range(10)] == [shards.facts(k) for k in range(10)]


def test_a_sample_unpacks_as_it_was(stored: tuple[Path, Path], tmp_path: Path) -> None:
    made = ShardStore(LocalBytes(stored[1])).unpack(3, tmp_path)
    for path in (stored[0] / made.name).rglob("*.*"):
        assert (made / path.relative_to(stored[0] / made.name)).read_bytes() == path.read_bytes()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    export(balls(tmp_path / "balls"), tmp_path / "shards", "webdataset")
    return tmp_path / "shards"


def test_a_changed_byte_is_named(copied: Path) -> None:
    store = ShardStore(LocalBytes(copied))
    offset, _, _ = store._line(1)[0].files["images/cam_002.png"]
    with (copied / "shard-000000.tar").open("r+b") as stream:
        stream.seek(offset + 60)
        stream.write(bytes([255 ^ stream.read(1)[0]]))
    MultiViewDataset(copied)[0]
    with pytest.raises(DatasetError, match=r"sample_000001.*images/cam_002.png.*CRC"):
        MultiViewDataset(copied)[1]


def test_a_cut_file_is_named(copied: Path) -> None:
    with (copied / "shard-000000.tar").open("r+b") as stream:
        stream.truncate(9000)
    with pytest.raises(DatasetError, match="cut short"):
        MultiViewDataset(copied)[3]


def test_an_unfinished_export_is_not_read(copied: Path) -> None:
    said = msgspec.json.decode((copied / "shards.json").read_bytes())
    (copied / "shards.json").write_bytes(msgspec.json.encode({**said, "complete": False}))
    with pytest.raises(DatasetError, match="not finished"):
        MultiViewDataset(copied)


def test_another_index_is_refused(copied: Path) -> None:
    data = (copied / "shard-000000.json").read_bytes()
    (copied / "shard-000000.json").write_bytes(data.replace(b"sample_000001", b"sample_0000xx"))
    with pytest.raises(DatasetError, match="is not the index"):
        MultiViewDataset(copied)


@pytest.mark.parametrize("name", ["../../evil", "images/../../evil"])
def test_an_index_of_somebody_elses_leads_nowhere(copied: Path, name: str, tmp_path: Path) -> None:
    import hashlib

    path, said = copied / "shard-000001.json", msgspec.json.decode((copied / "shards.json").read_bytes())
    data = path.read_bytes().replace(b'"files":{', f'"files":{{"{name}":[0,5,0],'.encode())
    path.write_bytes(data)
    said["shards"][1]["index_sha256"] = hashlib.sha256(data).hexdigest()
    (copied / "shards.json").write_bytes(msgspec.json.encode(said))
    with pytest.raises(DatasetError, match="within the sample"):
        ShardStore(LocalBytes(copied), "val").unpack(0, tmp_path)
