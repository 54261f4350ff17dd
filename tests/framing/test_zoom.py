"""The dataset-wide reduction: any order and any grouping give one result."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.errors import FramingError
from mouselift.framing.framing import DatasetZoom, Zoom

one = st.builds(
    DatasetZoom,
    st.just("scale"),
    st.sampled_from([0.5, 1.0, 1.5]),  # ties on purpose
    st.integers(0, 3),
    st.sampled_from(["a", "b"]),
)


def reduced(zooms: list[DatasetZoom]) -> DatasetZoom:
    return reduce(DatasetZoom.merged, zooms)


@given(zooms=st.lists(one, min_size=1, max_size=7), seed=st.randoms(), cut=st.integers(1, 6))
def test_order_and_grouping_do_not_matter(zooms: list[DatasetZoom], seed: object, cut: int) -> None:
    whole = reduced(zooms)
    shuffled = sorted(zooms, key=lambda _: seed.random())  # type: ignore[attr-defined]
    assert reduced(shuffled) == whole
    parts = [part for part in (zooms[:cut], zooms[cut:]) if part]
    assert reduced([reduced(part) for part in parts]) == whole
    assert whole.samples == len(zooms)


def test_faults_are_refused() -> None:
    with pytest.raises(FramingError, match="got 'scale' and 'focal'"):
        DatasetZoom("scale", 1.0, 0, "a").merged(DatasetZoom("focal", 1.0, 0, "a"))


def test_units() -> None:
    assert [Zoom(q, "view").unit(1650.0, 300.0) for q in ("scale", "focal", "magnification")] == [1650.0, 1.0, 300.0]
