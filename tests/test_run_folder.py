"""What the stores of prepared and repaired datasets share; each one's own tests are in its folder."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mouselift.errors import DatasetError
from mouselift.run_folder import JOURNAL, MANIFEST, RunFolder, read_manifest


class Line(msgspec.Struct):
    id: str
    number: int


def store(root: Path, **identity: object) -> RunFolder[Line]:
    return RunFolder(root, identity, description="it.json", record=Line, verb="make")


def fill(one: RunFolder[Line], *names: str) -> None:
    for name in names:
        with one.writing(name) as folder:
            (folder / "data").write_text(name)
        one.log([Line(name, len(name))])


def stop_halfway(one: RunFolder[Line], name: str) -> None:
    with one.writing(name) as folder:
        (folder / "data").write_text("half")
        raise KeyboardInterrupt


def test_a_run_that_stopped_and_went_on(tmp_path: Path) -> None:
    root = tmp_path / "out"
    first = store(root, way="a")
    with first.locked():
        first.open()
        fill(first, "one")
        with pytest.raises(KeyboardInterrupt):
            stop_halfway(first, "two")
    (root / JOURNAL).write_bytes((root / JOURNAL).read_bytes() + b'{"id": "tw')
    assert sorted(path.name for path in root.iterdir()) == [JOURNAL, "it.json", "one"]

    second = store(root, way="a")
    with second.locked():
        second.open()
        assert [line.id for line in second.records()] == ["one"], "the line that was being written is left out"
        fill(second, "three")
        second.finish([Line("one", 3), Line("three", 5)], {"list.txt": ["one"]}, {"all": 2})
    assert not (root / JOURNAL).exists()
    assert [line.number for line in read_manifest(root, Line)] == [3, 5]
    assert (root / "list.txt").read_text() == f"{(root / 'one').resolve()}\n"
    assert msgspec.json.decode((root / "it.json").read_bytes()) == {
        "schema": 1, "identity": {"way": "a"}, "complete": True, "all": 2,
    }  # fmt: skip


def test_runs_are_not_mixed(tmp_path: Path) -> None:
    store(tmp_path / "out", way={"size": 512, "up": [0, 0, 1]}).open()
    with pytest.raises(DatasetError, match=r"another run of `mouselift make` made \(way\.size: there 512, now 256\)"):
        store(tmp_path / "out", way={"size": 256, "up": (0, 0, 1)}).open()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").touch()
    with pytest.raises(DatasetError, match=r"not empty and holds no it\.json.*Nothing was changed"):
        store(tmp_path / "mine").open()
    (tmp_path / "out/it.json").write_text("[]")
    with pytest.raises(DatasetError, match="was not written by `mouselift make`"):
        store(tmp_path / "out", way="a").open()
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="is a file"), store(tmp_path / "file").locked():
        pass


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        store(tmp_path).locked(),
        pytest.raises(DatasetError, match="another `mouselift make`"),
        store(tmp_path).locked(),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="was the run finished"):
        read_manifest(tmp_path, Line)
    (tmp_path / MANIFEST).write_text('{"id": 3}\n')
    with pytest.raises(DatasetError, match="one record a line"):
        read_manifest(tmp_path, Line)
