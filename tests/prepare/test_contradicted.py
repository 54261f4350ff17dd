"""Masks that cameras contradict, as `mouselift mask` said: what is prepared of them is no success."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from mouselift.capture.made_masks import MASK_JOB, MASK_REPORT
from mouselift.cli.app import run

SAID = "camera Camera2: its place is wrong"


@pytest.fixture
def contradicted(copied: Path) -> Path:
    (copied / "masks" / MASK_JOB).write_text("{}")
    report = {"contradiction": SAID, "blamed": ["Camera2"]}
    (copied / "masks" / MASK_REPORT).write_bytes(msgspec.json.encode(report))
    return copied


def words(capture: Path, *more: str) -> list[str]:
    return ["prepare", str(capture), *more, "--size", "64", "--every", "6", "--workers", "1"]


def test_its_answer_is_no(contradicted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(words(contradicted, str(out))) == 1
    printed = capsys.readouterr()
    assert SAID in " ".join(printed.out.split())
    assert "not to be used" in " ".join(printed.err.split())
    assert run([*words(contradicted, str(out)), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["kept"] == 2
    assert [finding["code"] for finding in said["findings"] if finding["severity"] == "error"] == ["cameras-contradict"]
    assert run([*words(contradicted, str(out)), "--merge"]) == 1
    (contradicted / "masks" / MASK_REPORT).write_text("{}")
    assert run(words(contradicted, str(tmp_path / "sound"))) == 0


def test_nothing_is_sent(contradicted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mouselift.export.upload.writable", lambda _: None)
    monkeypatch.setattr("mouselift.export.registry.export", None)
    assert run([*words(contradicted, str(tmp_path / "out")), "--remote", "s3://bucket/mouse"]) == 1


def test_among_many_it_is_named(contradicted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "many"
    assert run(words(contradicted, "--out", str(out))) == 1
    printed = capsys.readouterr()
    assert SAID in " ".join(printed.out.split())
    assert f"not to be used: {contradicted.name}" in " ".join(printed.err.split())
    assert run([*words(contradicted, "--out", str(out)), "--merge", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["recordings"]
    assert row["status"] == "prepared"
    assert SAID in row["contradiction"]
