"""The n-th sample is a function of n; views that are held out never come."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from mouselift.data.dataset import MultiViewDataset, ViewChoice, batches
from mouselift.data.sample import Batch
from mouselift.errors import DatasetError
from mouselift.train.samples import NumberedSamples, batches_from


def dataset_of(folder: Path) -> MultiViewDataset:
    views = ViewChoice(inputs=2, views=3, draw="random", held_out=("cam1",))
    return MultiViewDataset(folder, views=views, seed=7)


def test_numbers_run_through_epochs_as_a_loader_does(dataset: Path) -> None:
    plain, numbered = dataset_of(dataset), NumberedSamples(dataset_of(dataset))
    for epoch in (0, 1, 2):
        plain.set_epoch(epoch)
        for k, batch in enumerate(batches(plain, shuffle=True)):
            found = numbered.sample(epoch * len(plain) + k)
            assert found.name == batch.names[0]
            assert torch.equal(found.image, batch.image[0])
            assert torch.equal(found.inputs, batch.inputs[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_begins_anywhere_and_ends_at_a_sample_that_cannot_be_read(
    dataset: Path, tmp_path: Path, workers: int
) -> None:
    """The error is the sample's own, also of another process."""
    whole = list(batches_from(dataset_of(dataset), 0, 12, 2))
    name, spoiled = whole[0].names[0], tmp_path / "spoiled"
    shutil.copytree(dataset, spoiled)
    (spoiled / name / "opencv_cameras.json").write_text("{")
    rest: list[Batch] = []
    with pytest.raises(DatasetError, match=rf"^sample {name} \(number \d\): .*not valid JSON") as stopped:
        rest.extend(batches_from(dataset_of(spoiled), 2, 12, 2, workers=workers))
    assert "Traceback" not in str(stopped.value)
    assert len(rest) >= 4, "the epoch's other samples"
    same = whole[1 : 1 + len(rest)]
    assert [batch.names for batch in rest] == [batch.names for batch in same]
    assert all(torch.equal(a.image, b.image) for a, b in zip(rest, same, strict=True))
    assert all(torch.equal(a.targets, b.targets) for a, b in zip(rest, same, strict=True))


def test_a_view_that_is_held_out_never_comes(dataset: Path) -> None:
    numbered = NumberedSamples(dataset_of(dataset))
    seen = {name for k in range(60) for name in numbered.sample(k).views}
    assert seen == {"cam0", "cam2", "cam3", "cam4"}


@pytest.mark.parametrize("named", [False, True])
def test_how_many_views_go_in_is_drawn_for_each_batch(dataset: Path, named: bool) -> None:
    """The same again wherever a run goes on; drawn among the named ones where they are named."""
    inputs = ("cam0", "cam2", "cam4") if named else 3
    views = ViewChoice(inputs=inputs, draw="random", targets=("cam3",) if named else "all", held_out=("cam1",))
    source = MultiViewDataset(dataset, views=views, seed=7)
    whole = list(batches_from(source, 0, 24, 2, inputs=(1, 3)))
    rest = list(batches_from(source, 20, 14, 2, inputs=(1, 3)))
    assert {batch.inputs.shape[1] for batch in whole} == {1, 2, 3}
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(rest, whole[10:], strict=True))
    went_in = [
        names[k] for batch in whole for names, places in zip(batch.views, batch.inputs.tolist(), strict=True)
        for k in places
    ]  # fmt: skip
    assert set(went_in) == ({"cam0", "cam2", "cam4"} if named else {"cam0", "cam2", "cam3", "cam4"})
    with pytest.raises(ValueError, match="of_inputs: expected at most 0, the named inputs, got 2"):
        ViewChoice(inputs=3, of_inputs=2)
