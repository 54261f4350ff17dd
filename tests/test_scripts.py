"""Programs as people write them: text for paths, lists for tuples, and scripts that guard nothing."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mouselift as ml
from mouselift.errors import CaptureError, DatasetError
from mouselift.strings_as_paths import takes_paths

BARE = """
from mouselift.engines.local import LocalEngine
print("ran", flush=True)
with LocalEngine(2) as engine:
    print(sorted(engine.run([(list, [1, 2]), (list, [3, 4])])))
print(__spec__, bool(__file__))
"""
OWN = """
from mouselift.engines.local import LocalEngine

class Twice:
    def __call__(self, block):
        return [2 * k for k in block]

if __name__ == "__main__":
    job = Twice()
    with LocalEngine(2) as engine:
        print(sorted(engine.run([(job, [1, 2]), (job, [3, 4])])))
"""


def said_by(script: str, folder: Path) -> list[str]:
    file = folder / "mine.py"
    file.write_text(script)
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    assert said_by(BARE, tmp_path) == ["ran", "[1, 2, 3, 4]", "None True"]


def test_classes_of_the_script_itself_reach_the_workers(tmp_path: Path) -> None:
    assert said_by(OWN, tmp_path) == ["[2, 4, 6, 8]"]


def test_text_is_a_path(tmp_path: Path) -> None:
    place = str(tmp_path / "nowhere")
    with pytest.raises(CaptureError, match="nowhere"):
        ml.load_capture(place)  # pyright: ignore[reportArgumentType]
    with pytest.raises(DatasetError, match="nowhere"):
        ml.audit_dataset(place)  # pyright: ignore[reportArgumentType]
    with pytest.raises(DatasetError, match="nowhere"):
        ml.audit_dataset(path=place)  # pyright: ignore[reportArgumentType]


def test_every_function_of_the_api_takes_text() -> None:
    """A parameter that says Path and nothing about text: its function is wrapped."""
    functions = [getattr(ml, name) for name in ml.__all__ if inspect.isfunction(getattr(ml, name))]
    wanting = [f for f in functions if any("Path" in str(hint) for hint in f.__annotations__.values())]
    assert len(wanting) > 15
    assert not [f.__name__ for f in wanting if not hasattr(f, "__wrapped__")]


def test_what_becomes_a_path_and_what_stays() -> None:
    @takes_paths
    def told(one: Path, other: Path | None, several: list[Path], name: str, patterns: list[str | Path]) -> list[object]:
        return [one, other, several, name, patterns]

    given = ["a", None, ["b", Path("c")], "d", "e/*"]
    made = [Path("a"), None, [Path("b"), Path("c")], "d", ["e/*"]]
    assert told(*given) == made  # pyright: ignore[reportArgumentType]
    names = ("one", "other", "several", "name", "patterns")
    assert told(**dict(zip(names, given, strict=True))) == made  # pyright: ignore[reportArgumentType]


OPTIONS = """
from pathlib import Path
import mouselift as ml
from mouselift.errors import OptionError

options = ml.ReconstructOptions(checkpoint="a.pt", views="Camera1", background=[0, 0, 0])
print(options.checkpoint == Path("a.pt"), options.views, options.background)
print(ml.PrepareOptions(frames=[3, 5]).frames, ml.TrainOptions(precision=None, log_to="wandb").log_to)
for kind, values in (
    (ml.PrepareOptions, {"on_cut": "kept"}),
    (ml.TrainOptions, {"log_to": ("wandb", "board")}),
    (ml.PrepareOptions, {"size": "256"}),
):
    try:
        print("taken", kind(**values))
    except OptionError as error:
        print(error)
"""


def test_options_take_what_reads_well_and_refuse_what_is_no_choice(tmp_path: Path) -> None:
    """Before, `on_cut="kept"` was taken. In a process of its own: here, tests compare types first."""
    assert said_by(OPTIONS, tmp_path) == [
        "True ('Camera1',) (0, 0, 0)",
        "(3, 5) ('wandb',)",
        "on_cut: expected one of drop, keep, fail, got 'kept'; did you mean 'keep'?",
        "log_to: expected one of tensorboard, wandb, got 'board'",
        "--size: expected 16 to 11,585, got '256'",
    ]
