"""The command in bad surroundings: nobody reads, nothing can be written, no room, no working directory, no memory."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mouselift
from mouselift.cli.app import run
from mouselift.cli.logs import Logs, logging_to


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A line of bash in which $M is the command; the exit code is the command's own, not that of what reads it."""
    command = f"{sys.executable} -m mouselift"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; M='{command}'; {line}"],
        env={**os.environ, "PYTHONPATH": str(Path(mouselift.__file__).parents[1]), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$M export --help | true", 0),
        ("$M export --workers x 2>&1 >/dev/null | true", 2),
        ("$M export --help >/dev/full", 2),
        ("$M --version >/dev/full", 2),
        ("$M --help >/dev/full", 2),
        ("$M export --workers x 2>/dev/full", 2),
    ],
)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
def test_help_that_nobody_reads_or_that_cannot_be_written(line: str, code: int) -> None:
    done = shell(line)
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    assert ("standard output: the disk is full" in done.stderr) == (">/dev/full" in line and "2>" not in line)


@pytest.mark.parametrize("columns", ["1", "5", "0", "-3", "wide", "999999"])
def test_help_at_any_width(columns: str) -> None:
    """tyro's layout never ended below six columns, and took 10 MB a second."""
    done = shell("$M profile --help", COLUMNS=columns)
    assert done.returncode == 0
    assert "--force" in done.stdout


def test_a_working_directory_that_is_gone() -> None:
    done = shell("cd $(mktemp -d); rmdir $PWD; $M audit there")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "no such file or folder" in done.stderr


@pytest.mark.parametrize("arguments", [["audit", ""], ["audit", "there", "--out="], ["view", "there", "--host", ""]])
def test_an_empty_argument_is_not_the_working_directory(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert "an argument is empty" in capsys.readouterr().err


def test_no_memory_is_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: object) -> int:
        raise MemoryError

    monkeypatch.setattr("mouselift.cli.lists.Lists.run", full)
    assert run(["lists", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "the memory does not suffice" in said
    assert "defect" not in said


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
def test_a_log_on_a_full_disk_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(Logs(log_file=Path("/dev/full"))):
        for number in range(3):
            logging.getLogger("mouselift").info("line %d", number)
    said = capsys.readouterr().err
    assert said.count("the disk is full") == 1
    assert "Traceback" not in said
