"""Runs the commands in a page and writes their real output below them.

    python docs/run_commands.py docs/start/demo.md
    python docs/run_commands.py docs/tutorial/index.md --recording PATH/mouse_cylinder
    python docs/run_commands.py docs/start/demo.md --check

In a block of the language `console`, a line that starts with `$ ` is a command; what follows is its output. All
commands of a page run in one new folder, one after another. --check changes nothing and fails where the output differs.
Numbers with a time unit are not compared.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDTH = "100"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
PROGRESS = re.compile(r"^[\w ,-]+: \d+ of \d+(, .*)?\s*$")


def output_of(command: str, folder: Path) -> str:
    """Standard output and errors of one command, without progress lines and without this machine's paths."""
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "COLUMNS": WIDTH, "NO_COLOR": "1", "PATH": search}
    command = command.replace("examples/", f"{ROOT}/examples/")
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode not in (0, 1):  # 1: the answer is no
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stdout}")
    text = done.stdout.replace(f"{folder}/", "").replace(f"{folder.resolve()}/", "")
    lines = [line.rstrip() for line in text.splitlines() if not PROGRESS.match(line)]
    return "\n".join(lines).strip("\n")


def with_output(page: str, folder: Path) -> str:
    """The page with every command's output as it is now."""

    def ran(block: re.Match[str]) -> str:
        commands = [line for line in block[1].splitlines() if line.startswith("$ ")]
        parts = []
        for command in commands:
            print(command, file=sys.stderr, flush=True)
            parts.append("\n".join(filter(None, [command, output_of(command[2:], folder)])))
        return "```console\n" + "\n".join(parts) + "\n```"

    return BLOCK.sub(ran, page)


def comparable(page: str) -> list[str]:
    return re.sub(r"\d+(\.\d+)? (s|min|MB|kB)\b", "N", page).splitlines()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--recording", type=Path, help="copied to recordings/ before the first command")
    parser.add_argument("--folder", type=Path, help="run here and keep what was made; default: a temporary folder")
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 where the output differs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if options.recording:
            shutil.copytree(options.recording, folder / "recordings" / options.recording.name)
        before = options.page.read_text(encoding="utf-8")
        after = with_output(before, folder)
    if not options.check:
        options.page.write_text(after, encoding="utf-8")
        return 0
    changes = list(difflib.unified_diff(comparable(before), comparable(after), "page", "now", lineterm=""))
    print("\n".join(changes))
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
