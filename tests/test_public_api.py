"""The public API: light to import, whole, and helpful about misspelt names."""

from __future__ import annotations

import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mouselift as ml


def test_import_loads_nothing_heavy() -> None:
    heavy = ("numpy", "scipy", "cv2", "av", "torch", "viser", "jinja2")
    code = f"import sys, mouselift\ndir(mouselift)\nprint([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_an_audit_loads_no_rig_formats_but_its_own() -> None:
    code = (
        "import sys, mouselift.audit.dataset\nprint([m for m in sys.modules if m.startswith('mouselift.calibration.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert len(done.stdout.split(",")) <= 5, done.stdout  # thirty formats take 40 ms of every start


@pytest.mark.parametrize("name", [name for name in ml.__all__ if name != "__version__"])
def test_every_name_resolves_and_is_documented(name: str) -> None:
    if name in ("reconstruct_samples", "evaluate_reconstruction", "Gaussians", "render_gaussians"):
        pytest.importorskip("torch")
    value = getattr(ml, name)
    assert value.__name__ == name
    text = re.sub(r"`[^`]*`|>>>.*", "", inspect.getdoc(value) or "")
    assert text
    assert not re.search(r"<[a-z]+>", text), "a browser takes it for a tag, and shows nothing"


@pytest.mark.parametrize("name", [name for name in ml.__all__ if name[0].islower()])
def test_text_will_do_for_a_path(name: str) -> None:
    """As docs/api says of every function."""
    if name in ("reconstruct_samples", "evaluate_reconstruction", "render_gaussians"):
        pytest.importorskip("torch")
    function = getattr(ml, name)
    takes_a_path = any("Path" in str(hint) for hint in function.__annotations__.values())
    assert inspect.getsource(inspect.unwrap(function)).startswith("@takes_paths\n") == takes_a_path


def test_names_are_listed_and_hide_no_subpackage() -> None:
    assert set(dir(ml)) == set(ml.__all__)
    assert not set(ml.__all__) & {module.name for module in pkgutil.iter_modules(ml.__path__)}


def test_unknown_name_gets_a_hint() -> None:
    with pytest.raises(AttributeError, match=r"did you mean audit_dataset\?"):
        _ = ml.audit_datasets  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match="has no attribute"):
        _ = ml.nothing_like_it  # pyright: ignore[reportAttributeAccessIssue]


def test_the_stub_lists_the_same_names() -> None:
    stub = Path(ml.__file__).with_name("__init__.pyi").read_text(encoding="utf-8")
    assert set(re.findall(r"(\w+) as \1", stub)) == set(ml.__all__) - {"__version__"}
