"""Shards sent to a server: the bytes of a local export, whole or not at all, nothing sent twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ball_samples import balls, write
from mouselift.cli.prepare import Prepare
from mouselift.dataset import remote
from mouselift.dataset.open_store import open_store
from mouselift.dataset.remote import RemoteBytes
from mouselift.errors import CaptureError, DatasetError
from mouselift.export.options import ExportOptions
from mouselift.export.registry import export

obstore = pytest.importorskip("obstore")
from obstore.exceptions import GenericError, UnauthenticatedError  # noqa: E402
from obstore.store import MemoryStore  # noqa: E402

URL = Path("s3://lab/mouse7")


class Server:
    """Objects in memory; `puts` names what was sent; the answer to the n-th of them may break off."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.puts: list[str] = []
        self.breaks: dict[int, BaseException] = {}  # before it is stored

    def put(self, store: Any, path: str, content: Any, _put: Any = obstore.put, **how: object) -> Any:
        self.puts.append(path)
        if len(self.puts) in self.breaks:
            raise self.breaks[len(self.puts)]
        return _put(store, path, content)

    def held(self) -> dict[str, bytes]:
        names = [found["path"] for page in obstore.list(self.store) for found in page]
        return {name: bytes(obstore.get(self.store, name).bytes()) for name in names}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    server = Server()
    monkeypatch.setattr(RemoteBytes, "_store", server.store)
    monkeypatch.setattr(RemoteBytes, "_sending", server.store)
    monkeypatch.setattr(obstore, "put", server.put)
    monkeypatch.setattr(remote, "_PAUSE", 0.001)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return server


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return balls(tmp_path_factory.mktemp("upload") / "balls")


def local(dataset: Path, folder: Path) -> dict[str, bytes]:
    export(dataset, folder, "webdataset")
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_the_bytes_of_a_local_export_and_nothing_twice(dataset: Path, server: Server, tmp_path: Path) -> None:
    server.breaks[2] = GenericError("cut")
    done = export(dataset, URL, "webdataset")
    assert server.held() == local(dataset, tmp_path / "shards")
    assert done.out == "s3://lab/mouse7"
    assert server.puts[0] == server.puts[-1] == "shards.json", "not complete, then complete"
    assert server.puts[1:-1] == [f"shard-00000{k}" for k in ("0.tar", "0.tar", "0.json", "1.tar", "1.json")]
    sent = len(server.puts)
    assert export(dataset, URL, "webdataset").notes[-1].startswith("0 of 2 shards were sent")
    assert len(server.puts) == sent


def test_a_killed_upload_is_no_set_and_goes_on(dataset: Path, server: Server, tmp_path: Path) -> None:
    server.breaks[4] = KeyboardInterrupt()  # the second tar
    with pytest.raises(KeyboardInterrupt):
        export(dataset, URL, "webdataset")
    with pytest.raises(DatasetError, match="its export was not finished"):
        open_store(URL)
    before = len(server.puts)
    export(dataset, URL, "webdataset")
    assert server.puts[before:] == ["shard-000001.tar", "shard-000001.json", "shards.json"]
    assert server.held() == local(dataset, tmp_path / "shards")


def test_a_tar_that_was_cut_or_whose_samples_changed_is_sent_again(server: Server, tmp_path: Path) -> None:
    dataset = balls(tmp_path / "balls")
    export(dataset, URL, "webdataset")
    obstore.put(server.store, "shard-000001.tar", server.held()["shard-000001.tar"][:-1])
    image = next((dataset / "sample_000000" / "images").iterdir())
    data = bytearray(image.read_bytes())
    data[-1] ^= 1  # as long as before
    image.write_bytes(data)
    done = export(dataset, URL, "webdataset")
    assert done.notes[-1].startswith("2 of 2 shards were sent")
    assert server.held() == local(dataset, tmp_path / "shards")


def test_an_index_is_gone_before_its_tar_changes(server: Server, tmp_path: Path) -> None:
    dataset = balls(tmp_path / "balls")
    export(dataset, URL, "webdataset")
    image = next((dataset / "sample_000000" / "images").iterdir())
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    server.breaks[len(server.puts) + 2] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        export(dataset, URL, "webdataset")
    assert "shard-000000.json" not in server.held()
    assert json.loads(server.held()["shards.json"])["complete"] is False


def test_another_export_is_left_alone(dataset: Path, server: Server, tmp_path: Path) -> None:
    export(dataset, URL, "webdataset")
    before = server.held()
    other = tmp_path / "other"
    write(other / "sample_000000", 0)
    with pytest.raises(DatasetError, match="holds another export"):
        export(other, URL, "webdataset")
    with pytest.raises(DatasetError, match="holds another export"):
        export(dataset, URL, "webdataset", ExportOptions(shard_mb=1))
    assert server.held() == before


def test_prepare_sends_what_it_made(
    small_capture: Path, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert Prepare((small_capture, out), remote=str(URL), workers=1, json=True).run() == 0
    assert json.loads(capsys.readouterr().out)["remote"]["out"] == "s3://lab/mouse7"
    assert server.held() == local(out, tmp_path / "shards")
    assert Prepare((small_capture, out), remote=str(URL), workers=1).run() == 0
    assert "0 of 1 shards were sent" in capsys.readouterr().out


def test_addresses_that_are_refused(dataset: Path, server: Server) -> None:
    with pytest.raises(DatasetError, match="expected an address to write to"):
        export(dataset, Path("https://example.org/x"), "webdataset")
    with pytest.raises(DatasetError, match="only --format webdataset"):
        export(dataset, URL, "colmap")
    with pytest.raises(DatasetError, match="come from the environment") as refused:
        export(dataset, Path("s3://AKIA:hunter2@lab/x"), "webdataset")
    assert "hunter2" not in str(refused.value)
    server.breaks[1] = UnauthenticatedError("403: <Error><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>")
    with pytest.raises(DatasetError, match="does not allow it") as refused:
        export(dataset, URL, "webdataset")
    assert "AKIA" not in str(refused.value)
    assert not server.held()
    with pytest.raises(CaptureError, match="give it to --merge"):
        Prepare((Path("a"), Path("b")), remote=str(URL), shard="0/2").run()
    with pytest.raises(CaptureError, match="expected a folder on this machine"):
        Prepare((Path("a"), URL)).run()
