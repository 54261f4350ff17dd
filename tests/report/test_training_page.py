"""The page of a training run, from what a run leaves in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from mouselift.cli.app import run
from mouselift.errors import DatasetError
from mouselift.report.training_page import write_training_page
from mouselift.train.log import LogLine, append_log
from training_run import training_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return training_run(tmp_path / "runs" / "<b>mouse</b>")


def test_page_says_what_the_run_did(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    assert run(["report", str(folder), str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    for words in (
        "40 of 40 updates of recipe tiny_cpu, finished", "14.00 dB", "at update 40", "10.0 %", "left is 7 times worse",
        "update 20", "update 40", "Held out: top", "90 samples", "1 sample<", "l2 1.0", "<td>no</td>",
        "<td>\N{EN DASH}</td>",
    ):  # fmt: skip
        assert words in text
    assert text.count("data:image/jpeg") == 2
    assert text.count('<svg class="chart"') == 4
    assert "ssim 0.0" not in text
    assert '<code>mouselift reconstruct DATASET OUT <span class="option">--checkpoint</span>' in text
    assert "best.safetensors" in text
    assert "<b>mouse</b>" not in text  # a folder's name is text
    assert "http" not in text.replace("http://www.w3.org", "")
    assert run(["report", str(folder), str(page)]) == 2  # never overwritten unasked


def test_a_picture_that_is_a_link_out_of_the_run_is_not_shown(folder: Path, tmp_path: Path) -> None:
    picture = folder / "validation/update_000040.jpg"
    picture.rename(tmp_path / "private.jpg")
    picture.symlink_to(tmp_path / "private.jpg")
    assert run(["report", str(folder), str(tmp_path / "run.html")]) == 0
    assert (tmp_path / "run.html").read_text(encoding="utf-8").count("data:image/jpeg") == 1


def test_a_run_without_an_update_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "log.jsonl").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"no update was made yet"):
        write_training_page(folder, tmp_path / "run.html")


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"identity": {"config": {"recipe": 1, "updates": 4, "hold_out": []}, "dataset": {}}}',
        b'{"identity": {"config": {"recipe": "r", "updates": "4", "hold_out": []}, "dataset": {}}}',
        b'{"identity": {"config": {"recipe": "r", "updates": 4, "hold_out": [2]}, "dataset": {}}}',
        b'{"identity": {"config": {"recipe": "r", "updates": 4, "hold_out": []}, "dataset": {"train": 9}}}',
    ],
)
def test_a_damaged_description_is_an_error_with_a_way_out(folder: Path, tmp_path: Path, damaged: bytes) -> None:
    (folder / "train.json").write_bytes(damaged)
    with pytest.raises(DatasetError, match=r"train\.json: expected what `mouselift train` writes, .*train again"):
        write_training_page(folder, tmp_path / "run.html")
    assert not (tmp_path / "run.html").exists()


def test_numbers_and_pictures_that_no_run_writes(folder: Path, tmp_path: Path) -> None:
    """Losses at the end of a double, an update that is none, a picture of the user's."""
    (folder / "validation/update_best.jpg").write_bytes(b"x")
    append_log(folder, LogLine(update=41, loss=1e308, parts={"l2": 1e308}, views={"left": 1e308, "right": 1e-308}))
    with (folder / "log.jsonl").open("ab") as file:
        file.write(b'{"update": 1' + b"0" * 400 + b"}\n")
    write_training_page(folder, tmp_path / "run.html")
    assert (tmp_path / "run.html").read_text(encoding="utf-8").count("data:image/jpeg") == 2
