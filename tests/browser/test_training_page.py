"""The page of a training run in a real browser: clean, and it fits every screen in both themes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mouselift.report.training_page import write_training_page
from training_run import training_run

if TYPE_CHECKING:
    from headless import Page


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = training_run(tmp_path_factory.mktemp("runs") / ("m" * 90))
    write_training_page(run, run.parent / "run.html")
    return run.parent / "run.html"


def test_fits_every_screen_and_is_legible_in_both_themes(page: Page) -> None:
    assert page.errors() == page.requests() == []
    for width in (1400, 400):
        page.size(width, 900)
        assert page.faults() == []
    heads = (
        "[...document.querySelectorAll('table.findings th[scope=row]')].map(head => head.getClientRects()[0].height)"
    )
    assert max(page.run(heads)) < 40, "a field's name stands in one line"
    page.dark()
    assert page.faults() == []
