"""The page of a reconstruction: numbers as recorded, images of the same region, nothing from outside."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from mouselift.gaussians.files import SH_DC, Splats
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.reconstruct.options import BOX_WORDS
from mouselift.reconstruct.record import SCORES, SampleRecord, ViewRecord
from mouselift.reconstruct.sample import Made, Shot
from mouselift.render.base import Gaussians, Rendering
from mouselift.report.reconstruction_page import difference_image, facts_of, region_of, write_reconstruction_page

SIDE = 64


def shot_of(k: int, held_out: bool = False) -> Shot:
    """A square at (20..39, 10..29), drawn two pixels to the right."""
    centre = 2.7 * np.array([np.cos(k), np.sin(k), 0.0])
    T = looking_at(np.zeros(3), centre)
    wanted, drawn = np.full((2, SIDE, SIDE, 3), 255, np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    wanted[10:30, 20:40], drawn[10:30, 22:42], mask[10:30, 20:40] = 90, 90, 255
    figures = {"foreground_psnr": 31.234 + k, "foreground_ssim": 0.9, "iou": 0.75, "psnr": 40.0}
    scores = ViewRecord(view=f"cam{k}", place=k, round=0, role="held-out" if held_out else "input", **figures)
    return Shot(Camera(SIDE, SIDE, 70.0, 70.0, 33.0, 31.0, T, name=f"cam{k}"), scores, *tensors(wanted, drawn, mask))


def tensors(wanted: np.ndarray, drawn: np.ndarray, mask: np.ndarray) -> tuple[torch.Tensor, Rendering]:
    """Levels as what is loaded and what a renderer gives."""
    target, colour = (torch.tensor(image).permute(2, 0, 1) / 255 for image in (np.dstack([wanted, mask]), drawn))
    return target, Rendering(colour, torch.ones(SIDE, SIDE))


def other(shot: Shot, drawn: np.ndarray, mask: np.ndarray) -> Shot:
    target, rendering = tensors(shot.wanted, drawn, mask)
    return replace(shot, target=target, rendering=rendering)


@pytest.fixture
def made() -> Made:
    rng = np.random.default_rng(0)
    parts = (
        rng.normal(0, 0.2, (30, 3)),
        (rng.uniform(0, 1, (30, 1, 3)) - 0.5) / SH_DC,
        rng.normal(2, 1, 30),
        rng.normal(-4, 0.5, (30, 3)),
        rng.normal(0, 1, (30, 4)),
    )
    splats = Splats(*(part.astype(np.float32) for part in parts))
    shots = (shot_of(0), shot_of(1), shot_of(2, held_out=True))
    record = SampleRecord(
        id="sample_<7>",
        source="/data/sample_7",
        cameras="00",
        network="net.pt, float32",
        side=SIDE,
        views=[shot.scores for shot in shots],
        made=40,
        kept=30,
        not_finite=2,
        seconds=1.5,
    )
    return Made(record, Gaussians.from_splats(splats), shots, (1.0, 1.0, 1.0))


def test_the_page(made: Made, tmp_path: Path) -> None:
    write_reconstruction_page(made, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "sample_&lt;7&gt;" in page
    assert "<7>" not in page
    assert page.count("<img ") == len(re.findall(r'<img [^>]*alt="[^"]{10,}"', page)) == 9
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page), "nothing from outside"
    assert "31.73 dB" in page, "mean of the inputs, the first number"
    assert "33.23 dB" in page, "the held-out view's, apart"
    for head in re.findall(r"<th[ >][^>]*", page):
        assert "scope=" in head
    assert "2 Gaussians had numbers that no viewer can show" in page
    assert "30 kept, 8 left out by filter" in page
    assert "Turntable" not in page, "there is none in the folder"
    assert "64 of 255 levels or more" in page, "a quarter of the range is full red"
    assert "linear-gradient(to right, #fff, rgb(179, 38, 30))" in page


def test_scores_are_compared_with_those_of_the_same_method(made: Made, tmp_path: Path) -> None:
    for folder, words, typical in (
        ("box", f"{BOX_WORDS}, float32", "of this network alone"),
        ("fit", "fitted to the input views in 200 steps, no network", "of fits without a network"),
    ):
        record = msgspec.structs.replace(made.record, network=words)
        (tmp_path / folder).mkdir()
        write_reconstruction_page(replace(made, record=record), tmp_path / folder)
        assert typical in (tmp_path / folder / "index.html").read_text()


def test_a_turn_is_in_the_page_unless_it_is_large(made: Made, tmp_path: Path) -> None:
    (tmp_path / "turntable.jpg").write_bytes(b"jpeg")
    (tmp_path / "turntable.mp4").write_bytes(b"film")
    write_reconstruction_page(made, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "data:video/mp4;base64,ZmlsbQ==" in page
    assert re.search(r'<video [^>]*poster="data:image/jpeg;base64,', page)
    (tmp_path / "turntable.mp4").write_bytes(bytes(4_000_001))
    write_reconstruction_page(made, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "data:video" not in page
    assert "data:image/jpeg;base64,anBlZw==" in page
    assert "turntable.mp4</code> beside this page" in page


def test_facts_put_the_foreground_first(made: Made) -> None:
    facts = facts_of(made.record)
    assert [fact.value for fact in facts] == ["33.23 dB", "0.750", "31.73 dB", "0.750", "30"]
    assert "1 held-out view" in facts[0].words
    assert "2 input views" in facts[2].words
    blank = replace_scores(made.record, None)
    assert facts_of(blank)[0].value == "\N{EN DASH}"


def replace_scores(record: SampleRecord, value: float | None) -> SampleRecord:
    views = [
        ViewRecord(view=v.view, place=v.place, round=0, role=v.role, **dict.fromkeys(SCORES, value))
        for v in record.views
    ]
    return SampleRecord(**{**{key: getattr(record, key) for key in record.__struct_fields__}, "views": views})


def test_difference_is_white_where_equal_and_red_from_a_quarter_on() -> None:
    a = np.full((4, 4, 3), 100, np.uint8)
    b = a.copy()
    b[1, 1], b[2, 2], b[3, 3] = 164, 255, 132
    shown = difference_image(a, b)
    assert tuple(shown[0, 0]) == (255, 255, 255)
    assert tuple(shown[1, 1]) == tuple(shown[2, 2]) == (179, 38, 30)
    assert 38 < shown[3, 3, 1] < 255


def test_region_holds_subject_and_what_was_drawn() -> None:
    shot = shot_of(0)
    rows, columns = region_of(shot)
    assert rows.stop - rows.start == columns.stop - columns.start
    assert rows.start <= 10
    assert rows.stop >= 30
    assert columns.start <= 20
    assert columns.stop >= 42
    assert rows.stop - rows.start < SIDE
    drawn = shot.drawn.copy()
    drawn[60, 60] = 0
    rows, columns = region_of(other(shot, drawn, shot.mask))
    assert rows.stop >= 61
    assert columns.stop >= 61
    empty = other(shot, np.full_like(drawn, 255), np.zeros_like(shot.mask))
    assert region_of(empty) == (slice(0, SIDE), slice(0, SIDE))
