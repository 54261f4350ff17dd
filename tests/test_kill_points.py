"""A run that is killed right before any change on disk goes on, when called again, to the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mouselift.cli.app import run
from mouselift.run_folder import LOCK

KILL = Path(__file__).parent / "shared/kill_points.py"

# Imports the folder alone, and forks: a point costs milliseconds.
_FILL = """
import os, sys
from pathlib import Path
import msgspec
sys.path.insert(0, sys.argv[1])
from kill_points import KillPoint
from mouselift.run_folder import RunFolder
class Line(msgspec.Struct):
    id: str
def fill(root):
    one = RunFolder(root, {}, description="it.json", record=Line, verb="make")
    with one.locked():
        one.open()
        known = {line.id for line in one.records()}
        for name in {"one", "two"} - known:
            with one.writing(name) as folder:
                (folder / "data").write_text(name)
            one.log([Line(name)])
        one.finish([Line("one"), Line("two")], {}, {"all": 2})
def content(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
top = Path(sys.argv[2])
fill(top / "whole")
number, killed = 0, True
while killed:
    number += 1
    root = top / str(number)
    child = os.fork()
    if child == 0:
        KillPoint(number, str(root))
        fill(root)
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    fill(root)
    assert content(root) == content(top / "whole"), (number, sorted(content(root)))
print(number)
"""


def test_a_folder_killed_before_each_change(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FILL, str(KILL.parent), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def content(root: Path) -> dict[str, bytes]:
    """Lists hold the folder's own path."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes().replace(os.fsencode(root.resolve()), b"ROOT")
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != LOCK
    }


def killed_at(number: int, root: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(KILL), str(number), str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["prepare", "mask", "repair", "reconstruct", "evaluate"])
def test_a_verb_killed_before_each_change(verb: str, tmp_path: Path) -> None:
    """The same command ends well, and leaves the bytes of a run that was not disturbed."""
    from mouselift.capture.capture_toml import write_capture_toml
    from mouselift.capture.discovery import discover
    from mouselift.synthetic.capture import CaptureSpec, write_capture
    from mouselift.synthetic.rigs import markerless_rig, scaled_rig

    capture, dataset = tmp_path / "mouse", tmp_path / "dataset"
    write_capture(capture, CaptureSpec(frames=2, rig=scaled_rig(markerless_rig(), 0.25), fps=2.0, seed=3))
    write_capture_toml(capture / "capture.toml", discover(capture).spec)
    prepare = ["--size", "64", "--on-cut", "keep", "--workers", "1"]
    fit = ["--method", "fit", "--steps", "2", "--size", "32", "--workers", "1"]
    assert run(["prepare", str(capture), str(dataset), *prepare]) == 0

    def arguments(out: Path) -> list[str]:
        return {
            "prepare": ["prepare", str(capture), str(out), *prepare],
            "mask": ["mask", str(capture), "--out", str(out), "--workers", "1"],
            "repair": ["repair", str(dataset), str(out), "--workers", "1"],
            "reconstruct": ["reconstruct", str(dataset), str(out), *fit],
            "evaluate": ["evaluate", str(dataset), "--out", str(out), *fit],
        }[verb]

    out = tmp_path / "out"
    whole = killed_at(0, out, arguments(out))
    assert whole.returncode == 0, whole.stderr
    expected, count = content(out), int(whole.stdout.split("changes")[-1])
    failed: list[str] = []
    for number in range(1, count + 1):
        shutil.rmtree(out)
        if killed_at(number, out, arguments(out)).returncode != -signal.SIGKILL:
            failed.append(f"{number}: was not killed")
        again = killed_at(0, out, arguments(out))
        if again.returncode != 0:
            failed.append(f"{number}: {again.stderr[-300:]}")
        elif content(out) != expected:
            found = content(out)
            names = [name for name in {*found, *expected} if found.get(name) != expected.get(name)]
            failed.append(f"{number}: other bytes in {names[:5]}")
    assert not failed, "\n".join(failed)
