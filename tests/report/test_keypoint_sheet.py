"""Keypoints in the report: drawn where they are, counted as the audit counts them, absent where there are none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mouselift.audit.dataset import audit_dataset
from mouselift.audit.result import DatasetAudit
from mouselift.dataset.sample import Sample
from mouselift.keypoints.keypoints import SampleKeypoints
from mouselift.keypoints.off_mask import KeypointFacts
from mouselift.report.dataset_page import write_report
from mouselift.report.keypoint_sheet import keypoint_sheet, keypoint_table

INSIDE, BESIDE, FAR = (0.0, 0.0, 0.0), (0.0, 0.0, 0.6), (0.0, 0.0, 40.0)
Write = Callable[..., Path]


def labelled(sample: Sample, *points: tuple[float, float, float] | None) -> Sample:
    rows = np.array([(np.nan,) * 3 if point is None else point for point in points])
    return replace(sample, keypoints=SampleKeypoints(tuple(f"p<{k}>" for k in range(len(rows))), rows, "a.csv", "a"))


def test_each_point_is_drawn_where_its_camera_sees_it(sample: Sample) -> None:
    sheet = keypoint_sheet(labelled(sample, INSIDE, BESIDE, FAR, None), "worst")
    assert sheet is not None
    assert sheet.lost == "p<3>"
    assert [panel.name for panel in sheet.panels] == list(sample.names)
    for panel, view in zip(sheet.panels, sample.views, strict=True):
        assert [(mark.name, mark.state) for mark in panel.marks] == [("p<0>", "on"), ("p<1>", "off")]
        x, y = view.camera.project(np.array([BESIDE]))[0]
        assert (panel.marks[1].x, panel.marks[1].y) == pytest.approx((x, y), abs=0.01)
        assert panel.words == "1 of 3 on the alpha; off: p<1>; outside the image: p<2>"
        assert panel.named


def test_a_cut_view_is_not_compared(sample: Sample) -> None:
    views = (replace(sample.views[0], cut=True), *sample.views[1:])
    sheet = keypoint_sheet(labelled(replace(sample, views=views), INSIDE), "worst")
    assert sheet is not None
    assert sheet.panels[0].marks[0].state == "unknown"
    assert sheet.panels[0].words == "not compared: the subject is cut"
    assert keypoint_sheet(sample, "worst") is None


def test_thousands_of_keypoints_keep_to_a_page(sample: Sample) -> None:
    points = [*[INSIDE] * 1000, *[BESIDE] * 20, *[None] * 30]
    sheet = keypoint_sheet(labelled(sample, *points), "worst")
    assert sheet is not None
    assert sheet.lost.endswith("p<1031> and 18 more")
    panel = sheet.panels[0]
    assert [mark.state for mark in panel.marks] == ["off"] * 20 + ["on"] * 280
    assert panel.words.endswith("p<1011> and 8 more; 720 more are not drawn")
    names = {f"p{k}": k / 1000 for k in range(1000)}
    table = keypoint_table(KeypointFacts("a", "words", (), 9, 0.9, {"c": 0.9}, names, {"c": names}))
    assert (len(table.rows), table.more) == (101, 900)


@pytest.fixture(scope="module")
def audited(sample: Sample, write_sample: Write, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetAudit]:
    folder = tmp_path_factory.mktemp("labelled")
    for number in range(6):
        points = (INSIDE, (0.2, 0.0, 0.0), BESIDE, *((INSIDE,) if number else (FAR,)))
        write_sample(folder / f"sample_{number:06d}", labelled(sample, *points), keypoints=True)
    return folder, audit_dataset(folder, workers=1)


def test_the_page_has_table_and_views(audited: tuple[Path, DatasetAudit], tmp_path: Path) -> None:
    folder, audit = audited
    table = keypoint_table(audit.keypoints[0])
    assert [name for name, _ in table.rows] == ["all", "p<2>", "p<3>", "p<0>", "p<1>"]
    assert [cell.low for cell in table.rows[1][1]] == [True] * 7
    assert not any(cell.low for cell in table.rows[3][1])
    write_report(folder, tmp_path / "page.html", audit)
    page = (tmp_path / "page.html").read_text()
    section = page[page.index('id="keypoints"') : page.index('id="findings"')]
    assert "p&lt;2&gt;" in section
    assert "p<2>" not in page
    assert re.findall(r"<h3>([^:]+): <code>([^<]+)", section) == [
        ("Lowest share", "sample_000000"), ("Median sample", "sample_000003")
    ]  # fmt: skip
    assert section.count('class="panel keypoints"') == 12


def test_without_keypoints_there_is_no_section(dataset: Path, tmp_path: Path) -> None:
    write_report(dataset, tmp_path / "page.html", audit_dataset(dataset, workers=1))
    assert "keypoints" not in re.sub(r"<style>.*?</style>", "", (tmp_path / "page.html").read_text(), flags=re.DOTALL)
