"""What the pages show: every Python example runs, and every command line is one that the program knows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.cli.app import VERBS, parsed, run
from mouselift.synthetic.capture import CaptureSpec, write_capture

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
NOTEBOOK = ROOT / "docs/tutorial/demo.ipynb"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(mouselift [a-z][^`]*)`")


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """(language, text) of every fenced block."""
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield match[1], match[2]


def command_lines(page: Path) -> list[str]:
    """Every `mouselift ...` line of a page, in a block or between backticks, without comments."""
    lines = [
        line.removeprefix("$ ") for language, text in blocks(page) if language != "python" for line in text.splitlines()
    ]
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    found = [line for line in lines if line.startswith("mouselift ")] + [
        " ".join(m.split()) for m in INLINE.findall(text)
    ]
    return [re.sub(r"\s+(#|> ).*", "", line) for line in found]


COMMANDS = sorted({(page.relative_to(ROOT).as_posix(), line) for page in PAGES for line in command_lines(page)})


@pytest.mark.parametrize("page", sorted({page for page, _ in COMMANDS}))
def test_command_lines_parse(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, line in COMMANDS:
        if name != page:
            continue
        arguments = [re.sub(r"^([A-Z]+)\.\.\.$", r"\1", part) for part in shlex.split(line)[1:]]
        arguments = [part for part in arguments if part != "..."]
        if len(arguments) == 1:  # `mouselift audit`: the verb's name alone, in a sentence
            arguments.append("--help")
        code = 0
        try:
            parsed(arguments[0], arguments[1:]) if arguments[0] in VERBS else run(arguments)
        except SystemExit as stop:
            code = stop.code or 0
        assert code == 0, f"{page}: {line}\n{capsys.readouterr().out}"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which examples run: recordings/mouse7, two frames of the demo's mouse, and out/mouse7."""
    folder = tmp_path_factory.mktemp("examples")
    capture = folder / "recordings/mouse7"
    write_capture(capture, CaptureSpec(frames=2, fps=1.6, start=0.5, seed=3, supersample=1))
    write_capture_toml(capture / "capture.toml", discover(capture).spec)
    assert run(["prepare", str(capture), str(folder / "out/mouse7"), "--on-cut", "keep", "--size", "256"]) == 0
    return folder


PYTHON = [
    pytest.param(text, id=f"{page.relative_to(ROOT).as_posix()}-{number}")
    for page in PAGES
    for number, text in enumerate(text for language, text in blocks(page) if language == "python")
]


@pytest.mark.parametrize("text", PYTHON)
def test_python_examples_run(text: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    exec(compile(text, "example", "exec"), {"__name__": "__main__"})


def test_the_notebook_runs(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code cells, one after another, on the demo's data; where IPython shows a value, it is only computed."""
    cells: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for number, text in enumerate(code):
        exec(compile(text, f"cell {number}", "exec"), names)


def test_the_notebook_holds_no_output() -> None:
    """Outputs are large, and stale in a week."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
