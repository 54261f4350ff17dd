"""`import mouselift` and `--help` load nothing heavy, and say their piece at once."""

from __future__ import annotations

import subprocess
import sys
import time

HEAVY = ("numpy", "cv2", "av", "scipy", "torch", "numba", "viser", "ray", "jinja2", "zlib_ng")


def loaded(code: str) -> set[str]:
    """Heavy modules that a fresh interpreter has loaded after `code`."""
    check = f"\nimport sys\nprint(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + check], check=True, capture_output=True, text=True)
    return set(done.stdout.split("\n")[-2].split())


def test_import_loads_nothing_heavy() -> None:
    assert loaded("import mouselift") == set()


def test_help_loads_nothing_heavy() -> None:
    """Every verb's, in one interpreter; what the first verb loads would be seen as well as what the last one does."""
    code = "from mouselift.cli.app import VERBS, run\nfor verb in (None, *VERBS):\n    try:\n"
    code += "        run([*([verb] if verb else []), '--help'])\n"
    code += "    except SystemExit as stop:\n        assert not stop.code"
    assert loaded(code) == set()


def test_the_check_can_fail() -> None:
    assert loaded("import mouselift.media.video") >= {"cv2", "av"}


def test_help_is_quick() -> None:
    """Ten times what it takes on an idle machine; with OpenCV and PyAV loaded it took several times as long."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mouselift", "--help"], check=True, capture_output=True)
    assert time.perf_counter() - start < 5.0
