"""Means, their errors, and the order of samples, by hand."""

from __future__ import annotations

import csv
import io
import math

import pytest

from mouselift.reconstruct.metrics import ViewScores, known_figures
from mouselift.reconstruct.record import (
    Role,
    SampleRecord,
    ViewRecord,
    figure_rows,
    groups,
    ranked,
    rows,
    samples_csv,
    views_csv,
)


def row(view: str, role: Role, psnr: float | None) -> ViewRecord:
    return ViewRecord(view=view, role=role, place=0, foreground_psnr=psnr, psnr=30.0)


def record_of(name: str, views: list[ViewRecord]) -> SampleRecord:
    return SampleRecord(id=name, source="", cameras="", network="", side=64, views=views, made=5, kept=5, seconds=1.0)


RECORDS = [
    record_of("one", [row("b", "held-out", 20.0), row("a", "input", 30.0), row("c", "input", 34.0)]),
    record_of("two", [row("b", "held-out", 24.0), row("a", "input", 40.0), row("c", "input", None)]),
]


def test_means_are_over_samples_held_out_first() -> None:
    by_role, by_view = groups(RECORDS)
    assert [group.role for group in by_role] == ["held-out", "input"]
    held, given = (group.figures["foreground_psnr"] for group in by_role)
    assert (held.mean, held.low, held.high, held.samples) == (22.0, 20.0, 24.0, 2)
    assert held.error == pytest.approx(math.sqrt(8) / math.sqrt(2))  # standard deviation 2.83 over the root of 2
    assert given.mean == pytest.approx((32 + 40) / 2)  # of samples, not of images
    assert [(group.view, group.role, group.views) for group in by_view] == [
        ("b", "held-out", 2),
        ("a", "input", 2),
        ("c", "input", 2),
    ]
    assert by_view[2].figures["foreground_psnr"].samples == 1
    assert by_view[2].figures["foreground_psnr"].error is None
    assert "ssim" not in by_role[0].figures


def test_worst_first_unknown_last() -> None:
    third = record_of("three", [row("b", "held-out", None)])
    assert [record.id for record in ranked([third, RECORDS[1], RECORDS[0]])] == ["one", "two", "three"]
    assert [record.id for record in ranked([third])] == ["three"]


def test_what_is_undefined_is_none() -> None:
    known = known_figures(ViewScores(math.nan, math.nan, 0.0, 20.0, 0.5, None))
    assert known == {"iou": 0.0, "psnr": 20.0, "ssim": 0.5}
    made = ViewRecord(view="a", role="input", place=0, round=2, **known)
    assert (made.foreground_psnr, made.iou, made.psnr, made.lpips) == (None, 0.0, 20.0, None)


def test_tables() -> None:
    table = list(csv.DictReader(io.StringIO(views_csv(RECORDS).decode())))
    assert len(table) == 6
    assert table[5] == {
        "sample": "two", "view": "c", "role": "input", "reconstruction": "0", "foreground_psnr": "",
        "foreground_ssim": "", "iou": "", "psnr": "30", "ssim": "", "lpips": "",
    }  # fmt: skip
    table = list(csv.DictReader(io.StringIO(samples_csv(RECORDS).decode())))
    assert [(line["sample"], line["role"], line["images"], line["foreground_psnr"]) for line in table] == [
        ("one", "held-out", "1", "20"),
        ("one", "input", "2", "32"),
        ("two", "held-out", "1", "24"),
        ("two", "input", "2", "40"),
    ]
    by_role, by_view = groups(RECORDS)
    assert rows(by_role)[0] == ["held-out views", "2", "22.00 ± 2.00", "30.00 ± 0.00"]
    assert rows(by_view, errors=False)[2] == ["c (input)", "2", "34.00", "30.00"]
    assert figure_rows(by_role)[0] == ["foreground PSNR, dB", "22.00 ± 2.00", "36.00 ± 4.00"]
