"""`mouselift report` as a user meets it: exit codes, files, words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mouselift.cli.report import Report
from mouselift.errors import DatasetError, OutputError


def test_error_comes_before_the_work(tmp_path: Path) -> None:
    """An existing page is refused before the dataset is even looked for."""
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        Report(tmp_path / "nowhere", page).run()
    assert page.read_text() == "mine"
    with pytest.raises(OutputError, match="is a folder"):
        Report(tmp_path / "nowhere", tmp_path).run()


def test_missing_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        Report(tmp_path / "nowhere", tmp_path / "page.html").run()


def test_a_broken_dataset_still_gets_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sample that nobody can read is a finding on the page, exit code 1, not a crash."""
    sample = tmp_path / "data" / "sample_000001"
    sample.mkdir(parents=True)
    (sample / "opencv_cameras.json").write_text("{")
    page = tmp_path / "page.html"
    assert Report(tmp_path / "data", page, workers=1, json=True).run() == 1
    summary = json.loads(capsys.readouterr().out)
    assert summary["verdict"] == "fail"
    text = page.read_text(encoding="utf-8")
    assert "bad-file" in text
    assert "FAIL" in text
