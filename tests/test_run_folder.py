"""What the stores of prepared and repaired datasets share; each one's own tests are in its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from mouselift.atomic import TEMPORARY, this_process
from mouselift.errors import DatasetError, OutputError
from mouselift.run_folder import JOURNAL, RunFolder
from mouselift.run_lines import MANIFEST, LineIndex, as_lines, read_manifest
from mouselift.run_lock import LOCK


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
    assert sorted(path.name for path in root.iterdir()) == [JOURNAL, LOCK, "it.json", "one"]

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
    with pytest.raises(OutputError, match="is a file"), store(tmp_path / "file").locked():
        pass


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        store(tmp_path).locked(),
        pytest.raises(DatasetError, match="another `mouselift make`"),
        store(tmp_path).locked(),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [LOCK], "the lock's file stays"
    with store(tmp_path).locked():
        pass


def test_files_of_the_user_are_not_touched(tmp_path: Path) -> None:
    """A foreign folder is refused before anything is written; a link in the lock's place is not followed."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / ".lock").write_text("PRECIOUS")
    with pytest.raises(DatasetError, match="Nothing was changed"), store(mine).locked():
        pass
    assert [path.name for path in mine.iterdir()] == [".lock"]
    assert (mine / ".lock").read_text() == "PRECIOUS"

    target = tmp_path / "target"
    target.write_text("PRECIOUS")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK).symlink_to(target)
    with pytest.raises(OutputError, match="link"), store(tmp_path / "out").locked():
        pass
    assert target.read_text() == "PRECIOUS"
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(OutputError, match="is a file"), store(tmp_path / "nowhere").locked():
        pass


def test_a_run_killed_before_its_first_description_goes_on(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    (tmp_path / f"{TEMPORARY}0123-it.json").write_text("{")
    one = store(tmp_path)
    with one.locked():
        one.open()
        fill(one, "one")
        one.finish([Line("one", 3)], {}, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, "it.json", MANIFEST, "one"]


def test_shards_fill_one_folder_together(tmp_path: Path) -> None:
    """Each has a journal, nobody else is let in, a sample made twice stays as it is, a torn one is replaced."""
    shards = [
        RunFolder(tmp_path, {}, description="it.json", record=Line, verb="make", shard=f"{k}-of-2") for k in (0, 1)
    ]
    with shards[0].locked(), shards[1].locked():
        with pytest.raises(DatasetError, match="another `mouselift make`"), shards[0].locked():
            pass
        with pytest.raises(DatasetError, match="another `mouselift make`"), store(tmp_path).locked():
            pass
        shards[0].open()
        shards[1].open()
        fill(shards[0], "one", "both")
        place = (tmp_path / "both").stat().st_ino
        fill(shards[1], "both", "two")
        assert (tmp_path / "both").stat().st_ino == place
        assert sorted(path.name for path in tmp_path.glob(".journal*")) == [
            ".journal-0-of-2.jsonl",
            ".journal-1-of-2.jsonl",
        ]
        (tmp_path / "one/data").write_text("torn")
        fill(shards[1], "one")
    assert (tmp_path / "one/data").read_text() == "one"
    whole = store(tmp_path)
    with whole.locked():
        whole.open()
        assert {line.id for line in whole.records(lambda line: line.id != "two")} == {"one", "both"}
        whole.finish([Line(name, len(name)) for name in ("both", "one", "two")], {}, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, "both", "it.json", MANIFEST, "one", "two"]


def test_two_descriptions_at_once_the_first_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = store(tmp_path / "out", way="a"), store(tmp_path / "out", way="b")

    def slow() -> None:  # the other run is between its look and its writing
        first.open()

    monkeypatch.setattr(second, "_check_ours", slow)
    with pytest.raises(DatasetError, match="way: there a, now b"):
        second.open()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["it.json"]


def test_what_others_write_is_left_to_them(tmp_path: Path) -> None:
    """Of this machine: while the process runs. Of another one: for an hour."""
    one = store(tmp_path)
    host = this_process()[0]
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = {f"~{host}~{os.getppid()}": True, f"~{host}~{gone.pid}": False, "~elsewhere~7": True, "~elsewhere~8": False}
    with one.locked():
        one.open()
        for name in names:
            (tmp_path / f"{TEMPORARY}{name}~00~one").mkdir()
        os.utime(tmp_path / f"{TEMPORARY}~elsewhere~8~00~one", (0, 0))
        one.finish([], {}, {})
    for name, stays in names.items():
        assert (tmp_path / f"{TEMPORARY}{name}~00~one").exists() == stays, name


_HOLD = """
import os, sys, time
from pathlib import Path
from mouselift.run_folder import RunFolder
import msgspec
from mouselift.errors import MouseliftError
class Line(msgspec.Struct):
    id: str
root, entries, beside = Path(sys.argv[1]), 0, 0
end = time.monotonic() + 0.7
while time.monotonic() < end:
    try:
        with RunFolder(root, {}, description="it.json", record=Line, verb="make").locked():
            try:
                os.close(os.open(root / "it.json", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                beside += 1
                continue
            entries += 1
            time.sleep(0.0005)
            os.unlink(root / "it.json")
    except MouseliftError:
        pass
print(entries, beside)
"""


def test_two_processes_are_never_inside_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "out")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].split() for process in both]
    assert sum(int(entries) for entries, _ in said) > 3
    assert [beside for _, beside in said] == ["0", "0"]


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="was the run finished"):
        read_manifest(tmp_path, Line)
    (tmp_path / MANIFEST).write_text('{"id": 3}\n')
    with pytest.raises(DatasetError, match="one record a line"):
        read_manifest(tmp_path, Line)


def going_on(root: Path) -> list[str]:
    with store(root).locked():
        return [line.id for line in store(root).records()]


@pytest.mark.parametrize("damage", [b"", b"o", b"xxx", None])
def test_files_that_a_power_loss_emptied_are_made_again(tmp_path: Path, damage: bytes | None) -> None:
    """Emptied, cut, other bytes of the same size, and gone."""
    one = store(tmp_path)
    with one.locked():
        one.open()
        fill(one, "one", "two")
    assert going_on(tmp_path) == ["one", "two"]
    data = tmp_path / "one/data"
    data.unlink() if damage is None else data.write_bytes(damage)
    assert going_on(tmp_path) == ["two"]


def test_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    one = store(tmp_path)
    with one.locked():
        one.open()
        fill(one, "one")
    with (tmp_path / JOURNAL).open("ab") as journal:
        journal.write(b'{"id": "tw')
    with one.locked():
        fill(one, "two")
    assert going_on(tmp_path) == ["one", "two"]


def test_lines_reach_the_disk_after_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    one = store(tmp_path / "out")
    with one.locked():
        one.open()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            fill(one, "one")
    assert synced[0] == "data"
    assert synced[-1] == JOURNAL
    assert {"one", "out"} < set(synced), "a name reaches the disk with its folder"


def remove_midway(root: Path, removed: Path) -> None:
    one = store(root)
    with one.locked():
        one.open()
        fill(one, "one")
        shutil.rmtree(removed)
        if removed == root:
            fill(one, "two")
        one.finish([Line("one", 3)], {}, {})


def test_a_folder_that_is_removed_meanwhile_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "out"
    with pytest.raises(OutputError, match="no such file"):
        remove_midway(root, root)
    with pytest.raises(OutputError, match="one: files that this run wrote are not there any more"):
        remove_midway(root, root / "one")


class LongLine(msgspec.Struct):
    id: str
    text: str


def test_memory_of_a_long_journal_is_a_few_bytes_a_sample(tmp_path: Path) -> None:
    """Records of 5 kB: were they held, they would take 5 MB."""
    one, many = RunFolder(tmp_path, {}, description="it.json", record=LongLine, verb="make"), 1_000
    names = [f"sample_{k:06d}" for k in range(many)]
    with one.locked():
        one.open()
        (tmp_path / JOURNAL).write_bytes(as_lines(LongLine(name, name * 384) for name in names))
        tracemalloc.start()
        assert sum(1 for _ in one.records()) == many
        one.finish(one.read_back(names), {"all.txt": iter(names)}, {})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 300_000, "70 kB of 1,000 lines' places, and buffers"
    assert [line.id for line in read_manifest(tmp_path, LongLine)] == names


def test_the_last_line_of_a_sample_counts(tmp_path: Path) -> None:
    first, second = tmp_path / MANIFEST, tmp_path / JOURNAL
    first.write_bytes(b'{"id":"a","number":1}\n{"id":"b","number":1}\n')
    second.write_bytes(b'{"id":"a","number":2}\nhalf a li\n{"id":"a","number":3}\n')
    with LineIndex([first, second]) as index:
        assert index.line("a") == b'{"id":"a","number":3}\n'
        assert index.line("b") == b'{"id":"b","number":1}\n'
        assert index.line("c") is None
    with LineIndex([tmp_path / "none"]) as index:
        assert index.line("a") is None


DEEP = b'{"id": "one", "number": 3, "more": ' + b"[" * 20_000 + b"\n"


def test_a_damaged_line_of_a_journal_is_left_out_and_a_damaged_description_refused(tmp_path: Path) -> None:
    root = tmp_path / "out"
    one = store(root)
    with one.locked():
        one.open()
        fill(one, "one")
    outside = tmp_path / "outside"
    outside.mkdir()
    named = [str(outside), "../outside", "/", "", ".", "a" * 300, "a\0"]
    with (root / JOURNAL).open("ab") as journal:
        journal.write(DEEP + b'{"id": "\xff", "number": "\xff"}\n' + as_lines(Line(name, 1) for name in named))
    assert [line.id for line in store(root).records()] == ["one"]
    assert [line.id for line in store(root).read_back(["one"])] == ["one"]
    (root / JOURNAL).write_bytes((root / JOURNAL).read_bytes() + b'{"id": "one", "number": "x"}\n')
    with pytest.raises(OutputError, match="the record of one was changed meanwhile"):
        list(store(root).read_back(["one"]))
    (root / MANIFEST).write_bytes(DEEP)
    with pytest.raises(DatasetError, match="expected one record a line"):
        read_manifest(root, Line)
    (root / "it.json").write_bytes(DEEP)
    with pytest.raises(DatasetError, match="was not written by `mouselift make`"):
        store(root).open()
