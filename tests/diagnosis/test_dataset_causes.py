"""Causes of a dataset: named together where no sample is sure; figures for and against where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faults import rough, swapped_views
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.dataset_causes import find_causes

TIMES = (0.5, 1.3, 2.1, 2.9, 3.7, 4.5)


@pytest.fixture(scope="module")
def ragged(make_exact: Callable[..., Sample]) -> list[Sample]:
    return [rough(make_exact(time), np.random.default_rng(k)).sample for k, time in enumerate(TIMES)]


@pytest.mark.slow  # five ragged samples are each searched for a cause of their own first: 80 s
def test_an_exchange_under_rough_masks_is_named_once(
    tmp_path: Path, ragged: list[Sample], write_sample: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(0)
    swapped = [swapped_views(sample, rng, views=(1, 4)).sample for sample in ragged]
    found = find_causes([write_sample(tmp_path / sample.id, sample) for sample in swapped])
    assert [(cause.code, cause.views) for cause in found] == [
        ("views-swapped", (ragged[0].names[1], ragged[0].names[4]))
    ]


@pytest.mark.slow  # a vote of many rough samples: 17 s of one core
def test_right_cameras_under_rough_masks_name_no_camera(
    tmp_path: Path, ragged: list[Sample], write_sample: Callable[..., Path]
) -> None:
    """Called for a few samples, with all of them as voters: the figures are of all."""
    folders = [write_sample(tmp_path / sample.id, sample) for sample in ragged]
    found = find_causes(folders[:3], among=folders)
    assert all(cause.code == "unexplained" and not cause.views for cause in found)
    for cause in found:
        assert cause.sentence.startswith("6 samples together")
        assert "rough masks are likelier than cameras" in cause.sentence
        assert cause.decided_by
