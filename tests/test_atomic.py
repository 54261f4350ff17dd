from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mouselift.atomic import check_output, check_writable, create_new, folders_in, same_files, whole_file, write_whole
from mouselift.errors import OutputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(b"ha")
        raise RuntimeError("half")


def write_late(path: Path) -> None:
    """Somebody else writes the file meanwhile."""
    with whole_file(path) as temporary:
        temporary.write_bytes(b"yours")
        path.write_text("mine")


def test_whole_or_nothing(tmp_path: Path) -> None:
    write_whole(tmp_path / "new/a.txt", b"one")
    assert (tmp_path / "new/a.txt").read_bytes() == b"one"
    with pytest.raises(RuntimeError, match="half"):
        write_half(tmp_path / "new/b.txt")
    assert names(tmp_path / "new") == ["a.txt"]


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for attempt in (lambda: check_output(mine, replace=False), lambda: write_whole(mine, b"yours")):
        with pytest.raises(OutputError, match=r"mine\.txt: exists already"):
            attempt()
    late = tmp_path / "late.txt"
    with pytest.raises(OutputError, match="exists already"):
        write_late(late)
    assert (mine.read_text(), late.read_text()) == ("mine", "mine")
    assert names(tmp_path) == ["late.txt", "mine.txt"]


def test_replacing_keeps_the_permissions(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    mine.chmod(0o640)
    write_whole(mine, b"new", replace=True)
    assert mine.read_bytes() == b"new"
    assert mine.stat().st_mode & 0o777 == 0o640


def test_places_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder; expected the name of a file"):
        check_output(tmp_path, replace=True)
    with pytest.raises(OutputError, match="nothing is written"):
        check_output(tmp_path / "data/x.json", replace=False, outside=_made(tmp_path / "data"))
    with pytest.raises(OutputError, match="disk is full"), whole_file(tmp_path / "x"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_nothing_of_the_user_is_written_through(tmp_path: Path) -> None:
    """Hidden names that a link or a file has taken, and a link that leads nowhere."""
    (tmp_path / "target").write_text("PRECIOUS")
    for name in (".writing-a.json", ".mouselift-writing-a.json"):
        (tmp_path / name).symlink_to(tmp_path / "target")
    write_whole(tmp_path / "a.json", b"new")
    assert (tmp_path / "target").read_text() == "PRECIOUS"
    assert (tmp_path / "a.json").read_bytes() == b"new"
    with pytest.raises(FileExistsError):
        create_new(tmp_path / ".writing-a.json")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        write_whole(tmp_path / "dangling", b"new")
    write_whole(tmp_path / "dangling", b"new", replace=True)
    assert not (tmp_path / "nowhere").exists()
    assert (tmp_path / "dangling").read_bytes() == b"new"


def test_the_reason_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    write_whole(tmp_path / ("x" * 250), b"a name of 250 bytes is allowed")
    for path, words in (
        (tmp_path / "file/a.json", "a file where a folder is expected"),
        (tmp_path / "loop/a.json", "a link; choose another place"),
        (tmp_path / ("y" * 300), "too long; use a shorter one"),
    ):
        with pytest.raises(OutputError, match=words):
            write_whole(path, b"")
    with pytest.raises(OutputError, match="disk is full"):
        fail_twice(tmp_path / "b")


def test_a_folder_that_takes_no_files_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run as root, who may write anywhere: the system's answer is put in its place."""
    made = _made(tmp_path / "made")
    check_writable(made / "new/folders/x.json")
    monkeypatch.setattr(os, "access", lambda folder, _: Path(folder) != made)
    for place in (made / "x.json", made / "new/folders/x.json"):
        with pytest.raises(OutputError, match=r"x\.json: cannot be written: permission denied"):
            check_writable(place)
        with pytest.raises(OutputError, match="permission denied"):
            check_output(place, replace=False)
    check_writable(tmp_path / "other/x.json")
    assert not list(made.iterdir())


def fail_twice(path: Path) -> None:
    """The clean-up fails as well: what is said is the first error."""
    with whole_file(path) as temporary:
        temporary.unlink()
        temporary.mkdir()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_what_a_killed_run_left_of_a_file_goes(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with whole_file(tmp_path / "page.html"):
            os._exit(0)  # as a kill: nothing is cleaned up
    os.waitpid(child, 0)
    (left,) = (path.name for path in tmp_path.iterdir())
    (tmp_path / left.replace("page.html", "other.html")).touch()
    alive = left.replace(f"~{child}~", f"~{os.getppid()}~")
    (tmp_path / alive).touch()
    with whole_file(tmp_path / "page.html", replace=True) as first:
        write_whole(tmp_path / "page.html", b"by another thread")
        assert first.exists()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"page.html", alive, left.replace("page.html", "other.html")}


def test_what_is_no_file_equals_nothing_and_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "one/a").write_text("a")
    os.mkfifo(tmp_path / "other/a")
    assert not same_files(tmp_path / "one", tmp_path / "other")
    assert not same_files(tmp_path / "other", tmp_path / "one")


def test_a_look_around_passes_over_links_that_lead_nowhere(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")  # `DirEntry.is_dir` raises OSError for it, `Path.is_dir` does not
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "link").symlink_to("a")
    assert [path.name for path in folders_in(tmp_path)] == ["a", "b", "link"]
    assert folders_in(tmp_path / "file") == folders_in(tmp_path / "missing") == []
