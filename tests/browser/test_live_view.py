"""`mouselift view` in a real browser: the page opens, draws, and reaches nothing but this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from headless import Browser

pytestmark = pytest.mark.skipif(importlib.util.find_spec("viser") is None, reason="viser is not installed")

# As in a terminal: where the tests themselves run in the background, they inherit an ignored SIGINT.
_CODE = """
import signal, sys, tyro
signal.signal(signal.SIGINT, signal.default_int_handler)
from mouselift.cli.view import View
sys.exit(tyro.cli(View, args=sys.argv[1:]).run())
"""


@pytest.fixture(scope="module")
def served(datasets: dict[str, Path]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """(address, process) of a view of the exact dataset, as a user would start it."""
    with serving(datasets["per-sample"]) as view:
        yield view


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-u", "-c", _CODE, str(folder), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 60)
    assert ready, "no address within a minute"
    line = process.stdout.readline()
    assert "http://127.0.0.1:" in line
    yield line.split()[1], process
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdout.close()


def test_opens_clean_and_draws(local: Browser, served: tuple[str, subprocess.Popen[str]], tmp_path: Path) -> None:
    address, _ = served
    with local.page() as page:
        page.open(address, settle=4.0)
        # Software rendering has warnings to log; a script error is another thing.
        assert [error for error in page.errors() if "WebGL" not in error and "GPU" not in error] == []
        assert all(url.startswith((address, "ws://127.0.0.1")) for url in page.requests())
        assert page.run("document.querySelectorAll('canvas').length") >= 1
        said = page.run("document.body.innerText")
        assert "sample_" in said
        assert "per-sample" in said, "the dataset's name heads the panel"
        assert "1 of 3" in said
        assert re.search(r"\nsample\s+1\s+3\n", said), "the slider counts from 1 too"


@pytest.mark.slow
def test_names_run_no_script(local: Browser, datasets: dict[str, Path], tmp_path: Path) -> None:
    """A sample's folder and a camera whose names are HTML: shown as they are, and nothing in them runs."""
    bait = """<iframe srcdoc="<img src=x onerror=parent.document.title='RAN'>">**b**"""
    sample = tmp_path / "set" / bait
    shutil.copytree(next(datasets["per-sample"].glob("sample_*")), sample)
    cameras = json.loads((sample / "opencv_cameras.json").read_text())
    cameras["frames"][0]["view_id"] = bait
    (sample / "opencv_cameras.json").write_text(json.dumps(cameras))
    with serving(tmp_path / "set") as (address, _), local.page() as page:
        page.open(address, settle=5.0)
        assert page.run("document.title") != "RAN"
        assert page.run("document.querySelectorAll('iframe').length") == 0
        assert bait in page.run("document.body.innerText")
        assert page.run("document.querySelectorAll('canvas').length") >= 1


def test_only_this_machine_can_reach_it(served: tuple[str, subprocess.Popen[str]]) -> None:
    """The listening socket is bound to the loopback address, as the kernel tells."""
    address, _ = served
    port = f"{urlsplit(address).port:04X}"
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not tables[0].exists():
        pytest.skip("no /proc/net/tcp on this system")
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    bound = {row[1] for row in rows if row[1].endswith(f":{port}") and row[3] == "0A"}
    assert bound == {f"0100007F:{port}"}


def test_ctrl_c_ends_it(served: tuple[str, subprocess.Popen[str]]) -> None:
    _, process = served
    process.send_signal(signal.SIGINT)
    end = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    assert process.returncode == 0
