"""What is said while a run goes wrong; nothing while it goes right."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from mouselift.train.guard import Watch
from mouselift.train.log import LogLine


def lines(count: int, change: Callable[[int, LogLine], None] | None = None) -> list[str]:
    """What is said of `count` healthy updates with a change."""
    random, watch = np.random.default_rng(0), Watch(warmup=10)
    said: list[str] = []
    for update in range(1, count + 1):
        noise = float(random.uniform(0.8, 1.2))
        line = LogLine(
            update=update,
            loss=noise * (0.02 + 0.2 / update),
            views={name: 0.02 * float(random.uniform(0.5, 1.5)) for name in ("a", "b", "c", "d")},
            norm=noise,
            covered=noise,
            seconds=1.0,
            waited=0.02,
        )
        if change is not None:
            change(update, line)
        said += watch.add(line)
    return said


def test_a_healthy_run_is_not_spoken_of() -> None:
    assert lines(400) == []


def empty(update: int, line: LogLine) -> None:
    line.covered = 0.01


def covering(update: int, line: LogLine) -> None:
    line.covered = 12.0


def exploding(update: int, line: LogLine) -> None:
    line.norm = 500.0 if update > 120 else line.norm


def skipping(update: int, line: LogLine) -> None:
    line.taken = update % 2 == 0


def wrong_camera(update: int, line: LogLine) -> None:
    line.views["c"] *= 9.0


def waiting(update: int, line: LogLine) -> None:
    line.waited = 0.5


def frozen(update: int, line: LogLine) -> None:
    line.loss = 0.25


def flat(update: int, line: LogLine) -> None:
    line.norm = 0.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (empty, "is empty"),
        (covering, "covers 12 times the subject"),
        (exploding, "gradient's norm is 500"),
        (skipping, "gradients were not finite"),
        (wrong_camera, "view c is .* times worse than the others"),
        (waiting, "--readers"),
        (frozen, "does not change"),
        (flat, "has no gradient"),
    ],
)
def test_each_fault_is_said_once(change: Callable[[int, LogLine], None], words: str) -> None:
    said = lines(200, change)
    assert len([text for text in said if re.search(words, text)]) == 1
    assert len(said) == 1


def test_a_run_may_begin_by_covering_everything() -> None:
    def at_first(update: int, line: LogLine) -> None:
        if update < 40:
            line.covered = 18.0

    assert lines(200, at_first) == []


def test_a_fault_that_comes_again_is_said_again() -> None:
    def twice(update: int, line: LogLine) -> None:
        if update < 100 or update > 300:
            line.covered = 0.01

    assert len(lines(400, twice)) == 2


def test_a_cloud_is_not_the_best() -> None:
    """Figures of a run on a real recording."""
    cloud, animal = (
        LogLine(update=u, kind="validation", psnr=p, iou=i) for u, p, i in ((50, 15.6, 0.24), (250, 14.7, 0.75))
    )
    assert animal.merit > cloud.merit
    assert animal.merit < LogLine(update=300, psnr=14.8, iou=0.75).merit
    assert LogLine(update=1).merit == LogLine(update=1, psnr=20.0, iou=0.0).merit == float("-inf")
