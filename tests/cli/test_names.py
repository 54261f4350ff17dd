"""Names of folders, cameras and files are text on a terminal, whatever they hold."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from ball_samples import write
from mouselift.cli import progress_bar
from mouselift.cli.app import run
from mouselift.cli.console import bold, printable, say, table
from mouselift.cli.logs import Logs, logging_to
from mouselift.dataset.layout import find_samples
from mouselift.errors import OptionError, check_name
from rig_files import Writers, bent_cameras

HOSTILE = "[bold]x[/red]\x1b[31m\nError: \u202eevil\udcff"
SHOWN = "[bold]x[/red]\\x1b[31m\\nError: \\u202eevil\\xff"


def test_what_is_printable_stays() -> None:
    assert printable("Maus/größe [1] 鼠\tok") == "Maus/größe [1] 鼠\tok"
    assert printable(HOSTILE) == SHOWN


@pytest.mark.parametrize("error", [False, True])
def test_paragraphs_tables_and_logs_show_names_as_text(
    error: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say("Open ", bold(HOSTILE), error=error)
    shown = capsys.readouterr()
    assert (shown.err if error else shown.out) == f"Open {SHOWN}\n"
    table(HOSTILE, ["a", HOSTILE], [[HOSTILE, "1"]])
    assert capsys.readouterr().out.count("evil") == 3
    # Else pytest keeps the record, and xdist's worker dies of sending a lone surrogate.
    monkeypatch.setattr(logging.getLogger("mouselift"), "propagate", False)
    with logging_to(Logs(verbose=1)):
        logging.getLogger("mouselift.x").info("%s", HOSTILE)
    assert capsys.readouterr().err == f"mouselift.x: {SHOWN}\n"


def test_stages_are_text_too(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(
        progress_bar, "console_on", lambda error: Console(file=out, force_terminal=True, color_system=None, width=200)
    )
    with progress_bar.progress_bar() as progress:
        progress(HOSTILE, 0, 2)
        progress(HOSTILE, 2, 2)
    assert SHOWN in out.getvalue()


def test_errors_show_the_path_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", str(tmp_path / "[/red][bold]x\x1b[31m")]) == 2
    assert "[/red][bold]x\\x1b[31m: " in capsys.readouterr().err


@pytest.mark.parametrize(("name", "why"), [("\udcff\udcfe", "is no UTF-8"), ("a\nb", "line break"), ("a\0b", "zero")])
def test_paths_that_no_list_can_name_are_refused_before_any_work(
    name: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path), "--out", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert "rename" in said
    assert not list(tmp_path.iterdir())
    with pytest.raises(OptionError):
        check_name(f"/a/{name}")


def test_names_within_folders_that_no_list_can_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are used are refused, others shown."""
    cameras, files = bent_cameras()[:2], Writers()
    files.anipose(tmp_path / "calibration.toml", cameras)
    for name in (cameras[0].name, cameras[1].name, "x"):
        files.images(tmp_path / name, 2, (640, 480))
    (tmp_path / "x").rename(tmp_path / "\udcff\nother = 1")  # OpenCV ends the process where such a path is written to
    assert run(["init", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_used"] == ["\\udcff\nother = 1: carries no camera's name"]
    assert "# Not used: \\udcff other = 1: carries" in (tmp_path / "capture.toml").read_text()
    (tmp_path / "\udcff").mkdir()
    for camera in cameras:
        (tmp_path / camera.name).rename(tmp_path / "\udcff" / camera.name)
    assert run(["init", str(tmp_path), "--force"]) == 2
    assert "its name is no UTF-8" in capsys.readouterr().err
    write(tmp_path / "dataset/a", 1, 16).rename(tmp_path / "dataset/a\udcff")
    with pytest.raises(OptionError, match="no UTF-8"):
        find_samples(tmp_path / "dataset")


def test_a_command_goes_on_to_its_answer_without_a_reader(tmp_path: Path) -> None:
    """In a process of its own: closed at once, closed after a line, and full."""
    python = [sys.executable, "-m", "mouselift", "disk"]
    environment = {**os.environ, "HOME": str(tmp_path)}
    script = '"$@" --json >&-; echo $?; "$@" | true; echo ${PIPESTATUS[0]}; "$@" > /dev/full; echo $?; '
    script += '"$@" --help | true; echo ${PIPESTATUS[0]}'
    done = subprocess.run(
        ["bash", "-c", script, "-", *python], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.split() == ["0", "0", "2", "0"]
    assert done.stderr.splitlines() == ["Error: standard output: the disk is full; free some space"]
