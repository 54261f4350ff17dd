"""Charts put values where the axes say."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mouselift.report import charts
from mouselift.report.charts import (
    _TOP,
    Axis,
    bars,
    by_view,
    histogram,
    legend,
    number,
    over_frames,
    series_style,
    value_axis,
)


def test_axis_places_values() -> None:
    axis = Axis(0.0, 10.0, 200.0, 0.0)
    assert axis.at(0) == 200
    assert axis.at(2.5) == 150
    assert axis.at(99) == 0, "kept inside"
    assert axis.ticks() == [0, 2, 4, 6, 8, 10]
    log = Axis(0.1, 10.0, 0.0, 100.0, log=True)
    assert log.at(1.0) == pytest.approx(50)
    assert 1.0 in log.ticks()


def test_whole_ticks() -> None:
    assert Axis(0, 3, 0, 100, whole=True).ticks() == [0, 1, 2, 3]


def test_axis_of_nothing_and_of_one_value() -> None:
    assert value_axis(np.array([np.nan]), 0, 1).high == 1
    one = value_axis(np.array([5.0]), 0.0, 1.0)
    assert one.low < 5 < one.high


def test_by_view_names_medians() -> None:
    svg = str(by_view({"a<b": np.array([0.1, 0.2, 0.3]), "none": np.array([np.nan])}, "px"))
    ElementTree.fromstring(svg)
    assert "a&lt;b 0.2" in svg
    assert "no value" in svg


def test_a_limit_has_a_line_where_the_axis_says_and_words() -> None:
    """Halfway between two medians that are drawn, so a line in a wrong place fails."""
    limit = (2.0, "at most")
    for svg, place in (
        (str(by_view({"a": np.array([1.0]), "b": np.array([3.0])}, "px", log=False, limit=limit)), "x1"),
        (str(over_frames(np.array([0.0, 1.0]), {"a": np.array([1.0, 3.0])}, "px", limit=limit)), "y1"),
    ):
        lines = [part for part in ElementTree.fromstring(svg).iter() if part.get("class") in ("median", "limit")]
        drawn = [float(part.get(place, "nan")) for part in lines if part.get("class") == "limit"]
        medians = [float(part.get(place, "nan")) for part in lines if part.get("class") == "median"]
        if not medians:
            points = re.search(r'points="([^"]+)"', svg)
            assert points is not None
            medians = [float(point.split(",")[1]) for point in points.group(1).split()]
        assert drawn == [pytest.approx(sum(medians) / 2, abs=0.02)]
        assert "at most 2" in svg


def test_a_limit_says_its_unit_and_lies_on_no_line() -> None:
    frames, series = np.arange(9.0), {"a": np.full(9, 9.0)}
    svg = str(over_frames(frames, series, "tangency, px RMS", limit=(3.0, "masks explain up to")))
    note = next(part for part in ElementTree.fromstring(svg).iter() if part.get("class") == "note")
    assert note.text == "dashed: masks explain up to 3 px"
    assert float(note.get("y", "nan")) <= _TOP, "above the highest point that a line may have"
    svg = str(by_view({"a": np.array([1.0])}, "tangency, px RMS", limit=(3.0, "masks explain up to")))
    assert ">masks explain up to 3 px</text>" in svg
    assert 'class="limit"' not in str(by_view({"a": np.array([1.0])}, "px"))


def test_charts_are_never_scaled_and_words_of_rows_stay_apart() -> None:
    """Names end before the values begin, medians begin after them, whatever they are called and however many."""
    names = [f"a very long camera name {k}" for k in range(30)]
    svg = by_view({name: np.array([49.6, 50.7]) for name in names}, "px")
    root = ElementTree.fromstring(str(svg))
    assert root.tag == "svg"
    assert root.get("style") == "width:352px"
    rows = [part for part in root if part.get("text-anchor") == "end" and part.text != "median"]
    assert len({(part.get("x"), part.get("y")) for part in rows}) == len(rows) == 2 * len(names)
    dots = [float(part.get("cx", "nan")) for part in root if part.get("class", "").startswith("dot")]
    ends = {float(part.get("x", "nan")) for part in rows}
    assert min(ends) < min(dots)
    assert max(dots) < max(ends) - 8 * len("50.2")
    wide = ElementTree.fromstring(str(over_frames(np.arange(3.0), {"a": np.arange(3.0)}, "px")))
    assert (wide.tag, wide.get("class"), wide[0].get("style")) == ("div", "scroll", "width:1060px")


def test_many_samples_stay_few_marks() -> None:
    values = np.random.default_rng(0).lognormal(size=20_000)
    svg = str(by_view({"cam": values}, "px"))
    assert svg.count('class="dot') <= 160
    series = str(over_frames(np.arange(20_000.0), {"cam": values}, "px"))
    ElementTree.fromstring(series)
    points = re.search(r'points="([^"]+)"', series)
    assert points is not None
    assert len(points.group(1).split()) == 240


def test_over_frames_leaves_gaps_out() -> None:
    values = {"cam": np.array([1.0, np.nan, 3.0])}
    svg = str(over_frames(np.array([10.0, 20.0, 30.0]), values, "px"))
    points = re.search(r'points="([^"]+)"', svg)
    assert points is not None
    assert len(points.group(1).split()) == 2


def test_histogram_bars_lie_at_their_values() -> None:
    shares, other = np.zeros(400), np.zeros(400)
    shares[301], other[100] = 1.0, 1.0  # middles of the bins: 0.5075 and -0.4975
    svg = str(histogram(shares, other, 1.0, "direction x", "profile p"))
    ElementTree.fromstring(svg)
    assert "mean 0.508" in svg
    assert "profile p -0.49" in svg
    assert svg.count('class="bar"') == 1


def test_many_series_can_be_told_apart() -> None:
    """Rigs have more cameras than there are colours."""
    styles = [series_style(index) for index in range(36)]
    assert len(set(styles)) == 36
    assert len({shape for shape, _ in styles}) == 6
    known = {part for _, kind in styles for part in kind.split()}
    style = (Path(charts.__file__).parent / "templates" / "report.css").read_text()
    assert all(f".{part} {{" in style for part in known)


def test_bars_and_legend() -> None:
    svg = str(bars([("clipped", 3, "error")], 12))
    ElementTree.fromstring(svg)
    assert "3 (error)" in svg
    assert str(legend(["a", "b&c"])).count("<li>") == 2
    assert "b&amp;c" in str(legend(["b&c"]))


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.05, "0.05"), (12345.6, "12,346"), (1.23456, "1.23")])
def test_number(value: float, text: str) -> None:
    assert number(value) == text
