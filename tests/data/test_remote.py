"""Shards on a server: the same tensors, by ranges; answers that break off are asked for again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ball_samples import balls
from cutting_server import cutting_server
from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset import remote
from mouselift.dataset.open_store import split_stores
from mouselift.dataset.remote import index_cache, remote_url
from mouselift.dataset.store import SampleStore
from mouselift.errors import DatasetError
from mouselift.export.registry import export

pytest.importorskip("obstore")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("remote")
    export(balls(root / "balls"), root / "shards", "webdataset")
    return root / "shards"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(remote, "_PAUSE", 0.001)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def training(dataset: Path) -> SampleStore:
    stores = split_stores(dataset)
    assert stores is not None
    return stores[0]


def test_addresses_as_the_command_line_gives_them() -> None:
    assert remote_url(Path("s3://lab/mouse7/")) == "s3://lab/mouse7"
    assert remote_url("https://example.org/shards") == "https://example.org/shards"
    assert remote_url(Path("gs:/lab/x")) == "gs://lab/x"
    assert remote_url(Path("out/mouse7")) is remote_url(Path("/data/s3:/x")) is None


def test_the_same_tensors_though_every_third_answer_breaks_off(shards: Path) -> None:
    local = MultiViewDataset(training(shards))
    with cutting_server(shards, cut=3) as server:
        there = MultiViewDataset(training(Path(server.url)))
        order = there.order(1)
        assert order == local.order(1)
        for place in order:
            assert torch.equal(there.sample(place, 1).image, local.sample(place, 1).image)
        assert server.cuts >= 3
        tars = [asked for file, asked in server.asked if file.endswith(".tar")]
        assert all(asked.startswith("bytes=") for asked in tars)
        assert len(set(tars)) == 8, "one range a sample"
        before = len(server.asked)
        split_stores(Path(server.url))
        assert {file for file, _ in server.asked[before:]} == {"shards.json"}, "indexes are kept here"


def test_a_kept_index_that_was_damaged_is_fetched_again(shards: Path) -> None:
    with cutting_server(shards) as server:
        names = [list(store.names) for store in split_stores(Path(server.url)) or ()]
        for kept in index_cache().iterdir():
            kept.write_bytes(b"{}")
        assert [list(store.names) for store in split_stores(Path(server.url)) or ()] == names


def test_what_is_not_there_and_a_server_that_never_answers_whole(shards: Path, tmp_path: Path) -> None:
    with cutting_server(tmp_path) as server, pytest.raises(DatasetError, match=r"shards\.json: not on the server"):
        MultiViewDataset(Path(server.url))
    with cutting_server(shards, cut=1) as server, pytest.raises(DatasetError, match="failed 6 times"):
        MultiViewDataset(Path(server.url))
