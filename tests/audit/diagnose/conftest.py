"""Fixtures of the diagnosis."""

from __future__ import annotations

import pytest

from mouselift.audit.views import SampleViews


@pytest.fixture(scope="session")
def exact(exact_postures: tuple[SampleViews, ...]) -> tuple[SampleViews, ...]:
    """Two postures, not the one sample that tests/audit calls so."""
    return exact_postures
