"""The page of `compare` in a real browser: it fits every screen, and says each thing once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mouselift.capture.capture import load_capture
from mouselift.report.compare import compare_framings
from mouselift.report.options import CompareOptions

if TYPE_CHECKING:
    from headless import Page


@pytest.fixture(scope="module")
def page_file(datasets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    capture = load_capture(datasets["per-sample"].parent / "capture")
    options = CompareOptions(presets=("per-sample", "per-view"), instants=2, size=128)
    return Path(compare_framings(capture, tmp_path_factory.mktemp("compared") / "out", options, workers=1).page)


def test_fits_every_screen_and_is_legible_in_both_themes(page: Page) -> None:
    assert page.errors() == page.requests() == []
    for width in (1400, 400):
        page.size(width, 900)
        assert page.faults() == []
    page.dark()
    assert page.faults() == []


def test_what_the_audits_say_stands_once(page: Page) -> None:
    said = page.run("[...document.querySelectorAll('.causes li')].map(line => line.innerText.split(': ')[1])")
    assert len(said) == len(set(said)) >= 1
    assert page.run("document.querySelectorAll('td small').length") == 0
