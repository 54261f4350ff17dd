"""What speaks for masks and what for cameras, where nothing explains the disagreement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from faults import FAULTS, rough
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.dataset_causes import InconclusiveEvidence, repeated_share, weigh_evidence


@pytest.fixture(scope="module")
def ragged(make_exact: Callable[..., Sample]) -> list[Sample]:
    times = (0.5, 1.3, 2.1, 2.9, 3.7, 4.5, 5.3)
    return [rough(make_exact(time), np.random.default_rng(k)).sample for k, time in enumerate(times)]


def test_rough_masks_are_blamed(ragged: list[Sample]) -> None:
    found = weigh_evidence(ragged)
    assert found.opened_px < 0.6 * found.outlines_px
    assert "rough masks are likelier than cameras" in found.sentence
    assert len(found.sentence) + len(found.decided_by) < 500  # three lines of a page


def test_cameras_are_blamed_for_what_every_sample_repeats(ragged: list[Sample]) -> None:
    wrong = [FAULTS["views_rescaled"](sample, np.random.default_rng(3)).sample for sample in ragged]
    found = weigh_evidence(wrong)
    assert found.repeated > 0.6
    assert "cameras that are slightly wrong are likelier" in found.sentence


def test_one_sample_says_nothing_about_repetition(ragged: list[Sample]) -> None:
    found = weigh_evidence(ragged[:1])
    assert np.isnan(found.repeated)
    assert "every sample" not in found.sentence
    assert "repeated" not in found.values


def test_repetition_of_chance_and_of_a_constant() -> None:
    rng = np.random.default_rng(0)
    assert repeated_share(rng.standard_normal((20, 30))) < 0.45
    assert repeated_share(np.ones((20, 30)) + 0.1 * rng.standard_normal((20, 30))) > 0.9
    assert np.isnan(repeated_share(rng.standard_normal((3, 30))))


def test_opened_silhouettes_that_nothing_is_known_of_are_not_told() -> None:
    assert "without thin parts" not in InconclusiveEvidence(10.0, 2.0, float("nan"), float("nan"), 1).sentence
