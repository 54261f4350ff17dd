"""A run that is killed right before any change on disk goes on, when called again, to the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

KILL = Path(__file__).parent / "shared/kill_points.py"
VERBS = ("prepare", "mask", "repair", "reconstruct", "evaluate", "compare", "train", "report")

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


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_killed_before_each_change(verb: str) -> None:
    """The same command ends well, and leaves the bytes of a run that was not disturbed."""
    script = Path(__file__).parent.parent / "benchmarks/kill_everywhere.py"
    done = subprocess.run([sys.executable, str(script), "--verbs", verb], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "points" in done.stdout
