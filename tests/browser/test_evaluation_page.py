"""The evaluation's page in a real browser, from disk, with no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mouselift.media.encode import encode_jpeg
from mouselift.reconstruct.pipeline import Evaluation
from mouselift.reconstruct.record import SHEET, SampleRecord, ViewRecord, groups
from mouselift.reconstruct.write import SHEET_QUALITY, TILE
from mouselift.report.evaluation_page import write_evaluation_page

if TYPE_CHECKING:
    from headless import Page


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    records = []
    for k in range(4):
        rows = [
            ViewRecord(
                view=f"camera_{v}",
                role="input" if v else "held-out",
                place=0,
                foreground_psnr=20.0 + k,
                foreground_ssim=0.9,
                iou=0.8,
                psnr=30.0,
                ssim=0.99,
            )
            for v in range(6)
        ]
        name, count = f"sample_{k:06d}", 1000
        records.append(
            SampleRecord(
                id=name, source="", cameras="", network="", side=64, views=rows, made=count, kept=count, seconds=1.0
            )
        )
        (folder / records[-1].id).mkdir()
        (folder / records[-1].id / SHEET).write_bytes(
            encode_jpeg(np.full((3 * TILE, 6 * TILE, 3), 180, dtype=np.uint8), SHEET_QUALITY)
        )
    means, by_view = groups(records)
    white = (1.0, 1.0, 1.0)
    result = Evaluation("ds", "held out: camera_0", None, white, {}, 4, 24, 0, means, by_view, records)
    write_evaluation_page(result, folder, folder / "index.html")
    return folder / "index.html"


def test_opens_clean(page: Page) -> None:
    assert page.errors() == []
    assert page.requests() == []


def test_the_figures_that_matter_are_on_the_first_screen(page: Page) -> None:
    assert "foreground PSNR, held-out views" in page.run("document.querySelector('.facts li').innerText")
    assert page.run("document.querySelector('#means').getBoundingClientRect().top") < 900


@pytest.mark.parametrize("width", [1400, 400])
def test_fits_every_screen_and_is_legible_in_both_themes(page: Page, width: int) -> None:
    page.size(width, 900)
    assert page.faults() == []
    heads = "[...document.querySelectorAll('.heads > span')].map(head => head.getBoundingClientRect().width)"
    assert min(page.run(heads)) > 70, "a camera's name in one piece"
    page.dark()
    assert page.faults() == []


def test_the_check_sees_what_is_cut_or_faint(page: Page) -> None:
    page.size(400, 900)
    page.run("document.querySelector('.lead').style = 'color: #aaa; width: 600px'")
    said = page.faults()
    assert [words.split(":")[0].split(" ")[0] for words in said] == ["the", "cut", "contrast"], said


def test_columns_stand_above_their_images(page: Page) -> None:
    """Each view's name is centred over its column of the sheet."""
    script = """(() => { const box = document.querySelector('.rows img').getBoundingClientRect();
        return [...document.querySelectorAll('.rows')[0].querySelectorAll('.heads > span')].map((head, k, all) => {
            const at = head.getBoundingClientRect();
            return (at.left + at.right) / 2 - (box.left + (k + 0.5) * box.width / all.length); }); })()"""
    assert max(abs(off) for off in page.run(script)) < 3
