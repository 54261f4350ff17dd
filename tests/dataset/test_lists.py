"""A dataset that was moved: its samples are found by name, which is said once; `mouselift lists` rewrites its lists."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ball_samples import write
from mouselift.cli.app import run
from mouselift.dataset.layout import listed_samples
from mouselift.dataset.lists import rewrite_lists
from mouselift.errors import DatasetError

SPLIT = {"data_train.txt": (2, 0), "data_val.txt": (1,)}


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    """Three samples whose lists name the folder in which they were made."""
    old = tmp_path / "old/mouse7"
    for number in range(3):
        write(old / f"sample_{number:06d}", number, side=8)
    for name, numbers in SPLIT.items():
        (old / name).write_text("".join(f"{old}/sample_{number:06d}\n" for number in numbers))
    return Path(shutil.move(old, tmp_path / "new"))


def test_moved_samples_are_found_and_it_is_said_once(moved: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        assert [folder.name for folder in listed_samples(moved / "data_train.txt")] == [
            "sample_000002",
            "sample_000000",
        ]
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert "2 of 2 lines" in said[0]
    assert "old/mouse7/sample_000002" in said[0], "what was recorded"
    assert str(moved / "sample_000002") in said[0], "what was used"


def test_lists_are_rewritten_and_keep_the_split(
    moved: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (moved / name).read_bytes() for name in SPLIT}
    assert run(["lists", str(moved), "--dry-run", "--json"]) == 0
    assert [each["changed"] for each in json.loads(capsys.readouterr().out)] == [2, 1]
    assert {name: (moved / name).read_bytes() for name in SPLIT} == before
    assert run(["lists", str(moved)]) == 0
    assert "old/mouse7/sample_000002 -> " in capsys.readouterr().out
    for name, numbers in SPLIT.items():
        assert (moved / name).read_text().splitlines() == [str(moved / f"sample_{number:06d}") for number in numbers]
        listed_samples(moved / name)
    assert not caplog.records, "nothing is left to warn of"
    assert run(["lists", str(moved)]) == 0
    assert "nothing to change" in capsys.readouterr().out


def test_a_copy_names_its_own_samples(moved: Path, tmp_path: Path) -> None:
    rewrite_lists(moved)
    shutil.copytree(moved, tmp_path / "copy")
    done = rewrite_lists(tmp_path / "copy")
    assert [(each.changed, each.still_there) for each in done] == [(2, 2), (1, 1)]
    assert listed_samples(tmp_path / "copy/data_val.txt") == [tmp_path / "copy/sample_000001"]


def test_nothing_is_written_where_a_line_names_nothing(moved: Path) -> None:
    before = (moved / "data_train.txt").read_bytes()
    shutil.rmtree(moved / "sample_000001")  # of the list that is looked at last
    with pytest.raises(DatasetError, match="sample_000001 is not there"):
        rewrite_lists(moved)
    assert (moved / "data_train.txt").read_bytes() == before


def test_two_places_are_an_error(moved: Path) -> None:
    shutil.copytree(moved / "sample_000000", moved / "mouse7/sample_000000")
    for work in (lambda: rewrite_lists(moved), lambda: listed_samples(moved / "data_train.txt")):
        with pytest.raises(DatasetError, match="its end fits"):
            work()


@pytest.mark.parametrize("line", ["- " * 400, "../" * 3000, "a\0b"])
def test_a_line_that_no_path_can_be_is_refused_in_few_words(line: str, tmp_path: Path) -> None:
    (tmp_path / "data_train.txt").write_text(line + "\n")
    for read in (lambda: listed_samples(tmp_path / "data_train.txt"), lambda: rewrite_lists(tmp_path)):
        with pytest.raises(DatasetError, match="line 1") as caught:
            read()
        assert len(str(caught.value)) < 1500
