from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mouselift.atomic import check_output, whole_file, write_whole
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


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
