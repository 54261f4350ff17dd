"""`mouselift repair` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tyro

from mouselift.cli.repair import Repair
from mouselift.errors import DatasetError
from mouselift.repair import dataset as module
from mouselift.repair.dataset import RepairSummary
from mouselift.repair.options import RepairOptions


def summary(refused: int) -> RepairSummary:
    refusals = ["000002: the image is mirrored"] * min(refused, 5)
    return RepairSummary("old", "new", 3, 1, 1, refused, {"views-swapped": 1}, 40.0, 0.1, None, refusals)


@pytest.mark.parametrize(("refused", "code"), [(0, 0), (1, 1), (12, 1)])
def test_exit_code_and_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refused: int, code: int
) -> None:
    monkeypatch.setattr(module, "repair_dataset", lambda *_, **__: summary(refused))
    assert Repair(Path("old"), Path("new")).run() == code
    printed = capsys.readouterr().out
    assert "views-swapped" in printed
    assert ("mirrored" in printed) == bool(refused)
    assert ("and 7 more: new/manifest.jsonl" in printed) == (refused == 12)


def test_json_is_one_document(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "repair_dataset", lambda *_, **__: summary(0))
    Repair(Path("old"), Path("new"), json=True).run()
    assert json.loads(capsys.readouterr().out)["repaired"] == 1


def test_no_dataset_is_an_error_that_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected a folder of samples"):
        Repair(tmp_path / "nowhere", tmp_path / "new", workers=1).run()


def test_options_of_the_command_line_reach_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[RepairOptions] = []

    def repair(dataset: Path, out: Path, options: RepairOptions, **_: object) -> RepairSummary:
        asked.append(options)
        return summary(0)

    monkeypatch.setattr(module, "repair_dataset", repair)
    command = tyro.cli(Repair, args=["old", "new", "--pool", "camera", "--rig", "rig.toml", "--rig-format", "anipose"])
    assert command.run() == 0
    assert asked == [RepairOptions(pool="camera", rig=Path("rig.toml"), rig_format="anipose")]
