"""The page of an evaluation, from records made by hand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mouselift.errors import DatasetError
from mouselift.media.encode import encode_jpeg
from mouselift.reconstruct.pipeline import Evaluation
from mouselift.reconstruct.record import SHEET, Mean, Role, SampleRecord, ViewRecord, groups
from mouselift.reconstruct.write import SHEET_QUALITY, TILE
from mouselift.report.evaluation_page import write_evaluation_page


def record(number: int, masked: bool = True) -> SampleRecord:
    def row(view: str, role: Role, value: float) -> ViewRecord:
        front = {"foreground_psnr": value, "foreground_ssim": 0.9, "iou": 0.8} if masked else {}
        return ViewRecord(view=view, role=role, place=0, round=0, **front, psnr=value + 10, ssim=0.99)

    rows = [row("back", "held-out", 20.0 + number), row("left", "input", 30.0), row("right", "input", 31.0)]
    return SampleRecord(
        id=f"sample_{number:06d}",
        source="",
        cameras="",
        network="",
        side=64,
        views=rows,
        made=1234,
        kept=1234,
        seconds=2.5,
        total_seconds=2.5,
    )


ARTEFACTS = {"needles": Mean.of([0.25, 0.05]), "outside": Mean.of([0.5])}


def result_of(folder: Path, count: int, masked: bool = True) -> Evaluation:
    records = [record(k, masked) for k in range(count)]
    for each in records:
        (folder / each.id).mkdir(parents=True)
        levels = np.full((3 * TILE, 3 * TILE, 3), 200, dtype=np.uint8)
        (folder / each.id / SHEET).write_bytes(encode_jpeg(levels, SHEET_QUALITY))
    means, by_view = groups(records)
    notes = {"Gaussians": "ckpt <b>.pt"}
    without = 0 if masked else 3 * count
    white = (1.0, 1.0, 1.0)
    return Evaluation(
        "data/<ds>", "held out: back", None, white, notes, count, 3 * count, without, means, by_view, records, ARTEFACTS
    )


def text_of(folder: Path, count: int = 9, masked: bool = True) -> str:
    page = folder / "index.html"
    write_evaluation_page(result_of(folder, count, masked), folder, page)
    return page.read_text()


def test_held_out_and_foreground_come_first(tmp_path: Path) -> None:
    text = text_of(tmp_path)
    table = text[text.index('id="means"') :]
    assert table.index("held-out views") < table.index("input views")
    assert table.index("foreground PSNR") < table.index('">PSNR, dB')
    assert "24.00 ± 0.91" in text  # of 20 .. 28: 2.74 / 3
    assert "30.50 ± 0.00" in text
    artefacts = text[text.index('id="artefacts"') :]
    assert "<td>15.00 %</td><td>5.00 %</td><td>25.00 %</td>" in artefacts
    assert artefacts.index("needles, share") < artefacts.index("<td>50.00 %</td>")


def test_worst_and_median_samples_are_shown(tmp_path: Path) -> None:
    shown = re.findall(r"<h3>(.*?): <code>(.*?)</code>", text_of(tmp_path))
    assert shown == [
        ("Worst", "sample_000000"),
        ("Number 2 from below", "sample_000001"),
        ("Number 3 from below", "sample_000002"),
        ("Median", "sample_000004"),
    ]


def test_few_samples_are_not_shown_twice(tmp_path: Path) -> None:
    assert len(re.findall(r"<h3>", text_of(tmp_path, 2))) == 2


def test_stands_alone_and_can_be_read_aloud(tmp_path: Path) -> None:
    text = text_of(tmp_path)
    assert "http" not in text.replace("http://www.w3.org", "")
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"#]+)"', text))
    assert all("alt=" in image for image in re.findall(r"<img[^>]*>", text))
    assert all('scope="' in head for head in re.findall(r"<th[ >][^>]*>?", text))
    assert len(re.findall("<caption>", text)) == len(re.findall("<table", text))
    assert "data/&lt;ds&gt;" in text
    assert "ckpt &lt;b&gt;.pt" in text


def test_without_masks(tmp_path: Path) -> None:
    text = text_of(tmp_path, 3, masked=False)
    assert "<strong>9</strong> of 9 images have no mask" in text
    assert "foreground PSNR, dB" not in text[text.index('id="means"') : text.index('id="samples"')]


def test_a_page_of_one_sample_and_a_long_table(tmp_path: Path) -> None:
    assert "±" not in text_of(tmp_path / "one", 1).split("<tbody>")[1]
    text = text_of(tmp_path / "many", 230)
    assert "The worst 200 of 230" in text
    assert len(text) < 1_000_000


def test_a_missing_sheet_is_named(tmp_path: Path) -> None:
    result = result_of(tmp_path, 2)
    (tmp_path / "sample_000000" / SHEET).unlink()
    with pytest.raises(DatasetError, match=r"sample_000000/sheet.jpg: expected the images of a sample"):
        write_evaluation_page(result, tmp_path, tmp_path / "index.html")
