"""The page of `inspect` in a real browser: clean with hostile names, on any screen, names of cameras apart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mouselift.capture.capture import load_capture
from mouselift.inspect.inspect_capture import inspect_capture
from mouselift.inspect.options import InspectOptions
from mouselift.report.inspect_page import write_inspect_page

if TYPE_CHECKING:
    from headless import Page

HOSTILE = "<img src=x onerror=window.ran=1>&'\"`x`"
COLLIDE = """[...document.querySelectorAll('#rig ~ .two svg')].slice(0, 2).flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text.value')].map(t => t.getBBox());
  return boxes.flatMap((a, k) => boxes.slice(0, k).filter(b => a.x < b.x + b.width && b.x < a.x + a.width
    && a.y < b.y + b.height && b.y < a.y + a.height));
}).length"""
NAMES = "document.querySelectorAll('#rig ~ .two svg text.value')"


@pytest.fixture(scope="module")
def page_file(datasets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspected")
    shutil.copytree(datasets["per-sample"].parent / "capture", folder / HOSTILE)
    found = inspect_capture(load_capture(folder / HOSTILE), InspectOptions(instants=2))
    write_inspect_page(found, folder / "inspect.html")
    return folder / "inspect.html"


def test_opens_clean_and_names_are_text(page: Page) -> None:
    assert page.errors() == page.requests() == []
    assert page.run("document.querySelector('h1').innerText").endswith(HOSTILE)
    assert page.run("window.ran") is None


def test_fits_every_screen_in_both_themes_and_names_lie_apart(page: Page) -> None:
    assert page.run(f"{NAMES}.length") >= 12
    for width in (400, 1400):
        page.size(width, 900)
        assert page.faults() == []
        assert page.run(COLLIDE) == 0
    page.run("(([a, b]) => ['x', 'y'].forEach(n => b.setAttribute(n, a.getAttribute(n))))(" + NAMES + ")")
    assert page.run(COLLIDE) == 1, "the check sees one that lies on another"
    page.dark()
    assert page.faults() == []
    colour = page.run("getComputedStyle(document.body).backgroundColor")
    assert sum(int(v) for v in colour.strip("rgb()").split(",")) < 150
    assert page.errors() == []
