"""Progress: how fast a stage goes and what is left of it; steps of jobs in other processes; lines and bars."""

from __future__ import annotations

import importlib
import re
from itertools import pairwise
from pathlib import Path

import pytest

from mouselift.cli.progress_bar import clock_words, progress_bar, rate_words
from mouselift.parallel import run_blocks
from mouselift.progress import Pace, counted, each, spread


def test_left_is_true_at_a_steady_pace() -> None:
    pace = Pace(100.0, 30)  # 30 steps from an earlier run say nothing
    for second in range(1, 21):
        pace.note(100.0 + 2 * second, 30 + second)
    assert pace.rate(140.0) == pytest.approx(0.5)
    assert pace.left(140.0, 60) == pytest.approx(20.0)
    assert pace.left(141.0, 60) == pytest.approx(19.0), "it falls between the steps"


def test_left_follows_a_change_of_pace_smoothly() -> None:
    pace, now = Pace(0.0, 0), 0.0
    for done in range(1, 101):
        now += 0.1
        pace.note(now, done)
    rates: list[float] = []
    for done in range(101, 161):  # ten times slower
        now += 1.0
        pace.note(now, done)
        rates.append(pace.rate(now) or 0.0)
    assert all(a > b for a, b in pairwise(rates)), "no jumps"
    assert rates[0] > 5.0
    assert rates[-1] < 1.5, "a minute later the new pace counts"


def test_a_step_that_hangs_lowers_the_rate() -> None:
    pace = Pace(0.0, 0)
    for done in range(1, 11):
        pace.note(float(done), done)
    assert pace.left(11.0, 20) == pytest.approx(9.0, abs=0.2)
    later = pace.left(60.0, 20)
    assert later is not None
    assert later > 30.0


def test_no_rate_from_a_moment() -> None:
    """84810/s: five files moved in a tenth of a millisecond."""
    pace = Pace(0.0, 0)
    pace.note(0.0001, 5)
    assert pace.rate(0.0001) is None
    assert pace.left(0.0001, 6) is None


@pytest.mark.parametrize(("rate", "words"), [(0.04, "25 s each"), (4.26, "4.3/s"), (1234.5, "1,234/s")])
def test_rates_in_words(rate: float, words: str) -> None:
    assert rate_words(rate) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0:00"), (59.6, "1:00"), (3725.0, "1:02:05")])
def test_times_in_words(seconds: float, words: str) -> None:
    assert clock_words(seconds) == words


def test_counted_each_and_spread_add_up() -> None:
    heard: list[tuple[int, int]] = []
    add = counted(lambda _, done, total: heard.append((done, total)), "work", 1, 20)
    assert list(each("abc", add, 2)) == ["a", "b", "c"]
    part = spread(add, 10, 3)
    for _ in range(3):
        part(1)
    part(5)  # more than there is
    assert heard == [(1, 20), (3, 20), (5, 20), (7, 20), (10, 20), (13, 20), (17, 20), (17, 20)]


JOB = """
import time
from mouselift.parallel import step

def slow_block(block):
    for number in block:
        step()
        time.sleep(0.35)
        yield number
"""


def test_steps_are_heard_before_their_block_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_job.py").write_text(JOB)  # other processes import it
    monkeypatch.syspath_prepend(tmp_path)
    slow_block = importlib.import_module("slow_job").slow_block
    heard: list[int] = []
    results = run_blocks(slow_block, [[1, 2, 3, 4], [5, 6, 7, 8]], 2, heard.append)
    first = next(results)
    assert sum(heard) >= 4, "from the other process, while the block was under way"
    assert len(heard) >= 2, "in steps, not at once"
    assert sorted([first, *results]) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sum(heard) == 8


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with progress_bar(clock=lambda: now[0]) as progress:
        for done in range(11):
            progress("masks", done, 10)
            now[0] += 25.0
        progress("background", 5, 5)
    assert capsys.readouterr().err.splitlines() == [
        "masks: 3 of 10, 1:15 elapsed, 2:55 left",
        "masks: 6 of 10, 2:30 elapsed, 1:40 left",
        "masks: 9 of 10, 3:45 elapsed, 0:25 left",
        "masks: 10 of 10, took 4:10",
        "background: 5 of 5, done before",
    ]


def test_a_bar_says_elapsed_left_and_rate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    now = [0.0]
    with progress_bar(clock=lambda: now[0]) as progress:
        for done in range(5):
            progress("background", done, 10)
            now[0] += 2.0
        now[0] -= 2.0
    words = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "4/10 0:08 elapsed, 0:12 left (2 s each)" in words
