"""The n-th sample is a function of n; views that are held out never come."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mouselift.data.dataset import MultiViewDataset, ViewChoice, batches
from mouselift.train.samples import NumberedSamples, batches_from


def dataset_of(folder: Path) -> MultiViewDataset:
    views = ViewChoice(inputs=2, views=3, draw="random", held_out=("cam1",))
    return MultiViewDataset(folder, views=views, seed=7)


def test_numbers_run_through_epochs_as_a_loader_does(dataset: Path) -> None:
    plain, numbered = dataset_of(dataset), NumberedSamples(dataset_of(dataset))
    for epoch in (0, 1, 2):
        plain.set_epoch(epoch)
        for k, batch in enumerate(batches(plain, shuffle=True)):
            found = numbered[epoch * len(plain) + k]
            assert found.name == batch.names[0]
            assert torch.equal(found.image, batch.image[0])
            assert torch.equal(found.inputs, batch.inputs[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_begins_anywhere(dataset: Path, workers: int) -> None:
    whole = list(batches_from(dataset_of(dataset), 0, 12, 2))
    rest = list(batches_from(dataset_of(dataset), 10, 7, 2, workers=workers))
    assert [batch.names for batch in rest] == [batch.names for batch in whole[5:]]
    assert all(torch.equal(a.image, b.image) for a, b in zip(rest, whole[5:], strict=True))
    assert all(torch.equal(a.targets, b.targets) for a, b in zip(rest, whole[5:], strict=True))


def test_a_view_that_is_held_out_never_comes(dataset: Path) -> None:
    numbered = NumberedSamples(dataset_of(dataset))
    seen = {name for k in range(60) for name in numbered[k].views}
    assert seen == {"cam0", "cam2", "cam3", "cam4"}
