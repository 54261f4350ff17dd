"""The commands of the page about many recordings run, at small size, and all ways end in the same dataset."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from folder_files import files_of
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.cli.app import run
from mouselift.dataset.collection import read_collection
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import Rig, markerless_rig, scaled_rig

PAGE = (Path(__file__).resolve().parents[2] / "docs/guides/many-recordings.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PARTS = 2  # in place of the page's 8 or 16
DATASET = "out/mouse7"


def command_lines(*languages: str) -> list[str]:
    """What is given to a shell in blocks of these languages, in order."""
    texts = [text for language, text in BLOCKS if language in languages]
    return [line for text in texts for line in re.findall(r"^mouselift .*|(?<=\")mouselift [^\"]*", text, re.MULTILINE)]


def filled(line: str, part: int = 0) -> str:
    """The command with what a workflow fills in; number of parts, processes and cluster are those of a small test."""
    line = line.replace("$params.capture", "recordings/mouse7").replace("$params.out", DATASET)
    line = re.sub(r"\{wildcards\.n\}|\$n\b", str(part), line)
    line = re.sub(r"--shard \d+/\d+", f"--shard {part}/{PARTS}", line)
    return re.sub(r" --workers \S+| \$\{task\.cpus\}| --engine dask://\S+", "", line)


def give(line: str, part: int = 0) -> None:
    """One command, at small size and in this process."""
    small = ["--size", "64", "--on-cut", "keep", "--interpolation", "linear", "--workers", "1", "--json"]
    assert run([*shlex.split(filled(line, part))[1:], *small]) == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of three blocks."""
    folder = tmp_path_factory.mktemp("many")
    first = folder / "recordings/mouse7"
    rig = scaled_rig(markerless_rig(), 0.25)
    rig = Rig(rig.cameras[:3], rig.arena)
    write_capture(first, CaptureSpec(frames=3, rig=rig, fps=2.0, gop=1, supersample=1))
    write_capture_toml(first / "capture.toml", discover(first).spec)
    shutil.copytree(first, folder / "recordings/mouse8")
    return folder


@pytest.fixture
def alone(made: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The files of mouse7 as one process makes them; the test begins without them."""
    monkeypatch.chdir(made)
    whole = made / "alone"
    if not whole.exists():
        give(f"mouselift prepare recordings/mouse7 {DATASET}")
        shutil.move(made / "out", whole)
    shutil.rmtree("out", ignore_errors=True)
    there = str((made / DATASET).resolve()).encode()  # its lists name the place where it was made
    return {name: data.replace(there, b"OUT") for name, data in files_of(whole / "mouse7").items()}


def test_commands_of_a_shell(made: Path, alone: dict[str, bytes]) -> None:
    """One command, then parts by hand; a cluster is in tests/prepare/test_engines.py."""
    whole, part, merge = dict.fromkeys(filled(line) for line in command_lines(""))
    give(whole)
    assert files_of(made / DATASET) == alone
    shutil.rmtree("out")
    for number in range(PARTS):
        give(part, number)
    give(merge)
    assert files_of(made / DATASET) == alone


def test_a_collection_in_parts(made: Path, alone: dict[str, bytes]) -> None:
    """Commands within a sentence. Until they are merged there is no collection."""
    part, merge = re.findall(r"`(mouselift prepare 'recordings/\*'[^`]*)`", PAGE)
    for number in range(PARTS):
        give(part, number)
        assert not (made / "out/collection.json").exists()
    give(merge)
    assert [one.status for one in read_collection(made / "out").recordings] == ["prepared", "prepared"]
    assert files_of(made / DATASET) == alone


def test_a_job_array(made: Path, alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    (script,) = [text for language, text in BLOCKS if language == "bash"]
    assert re.search(r"--array=0-\d+", script)
    for name, value in {"COUNT": PARTS, "MIN": 0, "MAX": PARTS - 1}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    (line,) = command_lines("bash")
    for part in range(PARTS):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(part))
        give(line)
    give(f"mouselift prepare recordings/mouse7 {DATASET} --merge")
    assert files_of(made / DATASET) == alone


@pytest.mark.parametrize("language", ["snakemake", "groovy"])
def test_rules_of_workflows(language: str) -> None:
    """They give the commands that `test_commands_of_a_shell` runs. By hand, Snakemake 9.27 ran its rules."""
    known = {filled(line, part) for line in command_lines("") for part in range(PARTS)}
    part, merge = command_lines(language)
    assert {*(filled(part, number) for number in range(PARTS)), filled(merge)} <= known
