"""The page of `mouselift inspect`: names of cameras that do not collide, and advice for the capture at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mouselift.inspect.inspect_capture import _LagAdvice
from mouselift.inspect.subject_path import SubjectPosition
from mouselift.report.charts import Chart
from mouselift.report.inspect_page import name_places, with_commands


def test_command_lines_are_code() -> None:
    assert (
        with_commands("Next: mouselift prepare a/b.c OUT --every 5") == "Next: `mouselift prepare a/b.c OUT --every 5`"
    )
    said = with_commands("No masks. Next: mouselift mask x (or name masks in capture.toml), then inspect again.")
    assert said == "No masks. Next: `mouselift mask x` (or name masks in capture.toml), then inspect again."
    assert with_commands("so: mouselift mask x --stop 9 --force.") == "so: `mouselift mask x --stop 9 --force`."


def test_names_of_cameras_lie_apart() -> None:
    """Forty of a ring and a dense cluster; what finds no place stands in the table alone."""
    chart, rng = Chart("rig", "mm", "mm", 520, 430), np.random.default_rng(0)
    (left, right), (bottom, top) = chart.x_range, chart.y_range
    spots = [(float(rng.uniform(left + 40, right - 40)), float(rng.uniform(top + 30, bottom - 30))) for _ in range(28)]
    spots += [(200.0 + k, 200.0) for k in range(12)]
    names = [f"Camera{k}" for k in range(40)]
    looks = [rng.normal(size=2) for _ in spots]
    places = name_places(chart, names, spots, looks)
    placed = [(place, 3.6 * len(name)) for place, name in zip(places, names, strict=True) if place is not None]
    assert len(placed) >= 25
    for k, ((x, y), half) in enumerate(placed):
        assert left <= x - half
        assert x + half <= right
        assert all(abs(x - a) >= half + other or abs(y - b) >= 14 for (a, b), other in placed[:k])
        assert all(abs(x - a) > half or abs(y - 4 - b) > 7 for a, b in spots), "no name lies on a camera"


def test_lag_advice_names_the_capture_and_where_the_animal_moves() -> None:
    advice = _LagAdvice(Path("recordings/mouse 7"), range(2758))
    at = {0: 0.0, 200: 1.0, 400: 2.0, 600: 90.0, 800: 91.0}
    positions = [SubjectPosition(frame, np.array([x, 0.0, 0.0]), 50.0) for frame, x in at.items()]
    assert "mouselift mask 'recordings/mouse 7' --start 350 --stop 650 --out" in advice.more_masks(positions)
    assert "--start 0 --stop 300 " in advice.more_masks([])
    assert advice.more_instants(20) == "mouselift inspect 'recordings/mouse 7' --instants 60."
