"""How many files a reader has to open to follow the audit of one sample."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import mouselift
from mouselift.audit.sample import audit_sample
from mouselift.dataset.sample import Sample

SOURCE = str(Path(mouselift.__file__).parent)


@contextmanager
def entered() -> Iterator[set[str]]:
    """Files of mouselift in which a function is entered meanwhile."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(SOURCE):
            found.add(frame.f_code.co_filename[len(SOURCE) + 1 :])

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(before)


def test_a_sample_passes_through_at_most_twelve_files(exact: Sample) -> None:
    plain = replace(exact, keypoints=None)
    follow = inspect.unwrap(audit_sample)  # text that becomes a path is no part of it
    follow(plain)  # what is cached is made
    with entered() as files:
        report = follow(plain)
    assert report.verdict == "pass"
    assert len(files) <= 12, sorted(files)


def test_keypoints_add_three_at_most(exact: Sample) -> None:
    assert exact.keypoints is not None
    audit_sample(exact)  # what is cached is made
    with entered() as plain:
        audit_sample(replace(exact, keypoints=None))
    with entered() as labelled:
        audit_sample(exact)
    assert plain <= labelled
    assert len(labelled - plain) <= 3, sorted(labelled - plain)


def test_the_hull_adds_one_or_two(make_exact: Callable[..., Sample]) -> None:
    sample = make_exact(0.5)
    audit_sample(sample, hull=True)  # what is cached is made
    with entered() as plain:
        audit_sample(sample)
    with entered() as carved:
        audit_sample(sample, hull=True)
    assert plain <= carved
    assert len(carved - plain) <= 2, sorted(carved - plain)
