"""Training on a server whose answers break off, that is too busy now and then, and that goes away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset import remote
from mouselift.dataset.open_store import split_stores
from mouselift.errors import DatasetError
from mouselift.export.registry import export
from mouselift.models.gslrm.facelift import read_state
from mouselift.train.config import TrainConfig
from mouselift.train.log import read_log
from mouselift.train.loop import train_model
from mouselift.train.optimiser import Optimiser, Step
from s3_server import S3Server, s3_server

pytest.importorskip("obstore")

URL = Path("s3://lab/balls")
Make = Callable[..., TrainConfig]


@pytest.fixture
def server(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Holds the dataset's shards."""
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(remote, "_PAUSE", 0.001)
        export(dataset, URL, "webdataset")
        yield server


def same_weights(a: Path, b: Path) -> bool:
    first, second = (read_state(folder / "last.safetensors")[0] for folder in (a, b))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_nothing_is_lost_where_answers_break_off(config: Make, dataset: Path, server: S3Server, tmp_path: Path) -> None:
    """Tensors and weights of the local folder, bit for bit, validation included."""
    told = config(validate_every=3, updates=6)
    train_model(told, dataset, tmp_path / "local", checked=False)
    server.cut, server.busy = 3, 7
    train_model(told, URL, tmp_path / "remote", checked=False)
    assert server.cuts > 3
    assert server.refusals > 3
    assert same_weights(tmp_path / "local", tmp_path / "remote")
    scores = [
        [line.psnr for line in read_log(tmp_path / run) if line.kind == "validation"] for run in ("local", "remote")
    ]
    assert scores[0] == scores[1]
    for mine, theirs in zip(split_stores(dataset) or (), split_stores(URL) or (), strict=True):
        local, there = MultiViewDataset(mine), MultiViewDataset(theirs)
        assert local.order(2) == there.order(2)
        assert all(torch.equal(local.sample(k, 2).image, there.sample(k, 2).image) for k in local.order(2))


@pytest.mark.parametrize("readers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_server_that_stays_away_stops_the_run_which_goes_on_later(
    readers: int, config: Make, dataset: Path, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a process of its own reads ahead."""
    told = config(readers=readers, updates=7, save_minutes=1e-9)
    train_model(config(updates=7), dataset, tmp_path / "whole", checked=False)
    step = Optimiser.step

    def leaving(self: Optimiser, update: int) -> Step:
        server.away = update >= 1
        return step(self, update)

    with monkeypatch.context() as patch:
        patch.setattr(Optimiser, "step", leaving)
        with pytest.raises(DatasetError) as stopped:
            train_model(told, URL, tmp_path / "run", checked=False)
    text = str(stopped.value)
    assert "s3://lab/balls/shard-000000.tar: failed 6 times" in text
    assert "the same command goes on when the server answers again" in text
    assert text.startswith("sample sample_")
    assert "Traceback" not in text
    with pytest.raises(DatasetError, match=r"s3://lab/balls/shards\.json: failed 6 times"):
        train_model(told, URL, tmp_path / "run", checked=False)
    assert (tmp_path / "run/state.pt").is_file()
    server.away = False
    train_model(told, URL, tmp_path / "run", checked=False)
    assert same_weights(tmp_path / "whole", tmp_path / "run")
