"""Without the extra, the line that installs it; with it, nothing that preparation does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("package", "module"),
    [("torch", "data.dataset"), ("torch", "models.lora"), ("safetensors", "models.gslrm.facelift")],
)
def test_a_missing_extra_names_its_line(package: str, module: str) -> None:
    said = run(
        f"import sys\nsys.modules[{package!r}] = None\nfrom mouselift.errors import MissingExtraError\n"
        f"try:\n    import mouselift.{module}\nexcept MissingExtraError as error:\n    print(error)"
    )
    assert said.startswith(f"this needs {package}")
    assert "pip install 'mouselift[train]'" in said


def test_nothing_else_heavy_is_loaded() -> None:
    heavy = ("av", "scipy", "safetensors", "viser", "numba")
    code = "import sys, mouselift.models.gslrm.facelift, mouselift.data.dataset"
    assert run(f"{code}\nprint([m for m in {heavy!r} if m in sys.modules])") == "[]"


WITHOUT_TORCH = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] == "torch" else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""


@pytest.mark.parametrize("verb", ["reconstruct", "evaluate"])
def test_a_verb_without_torch_says_what_to_install(verb: str) -> None:
    """Exit code 2, as for every error that the user can mend."""
    arguments = [verb, "samples", *(["out"] if verb == "reconstruct" else []), "--checkpoint", "weights.pt"]
    code = f"{WITHOUT_TORCH}\nfrom mouselift.cli.app import run\nsys.exit(run({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'mouselift[train]'" in done.stderr
    assert "Traceback" not in done.stderr
