"""A sample and a batch of samples as tensors.

Letters: b samples, v views, i input views, t target views, h and w rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from mouselift.array_types import Bool, Float32, Int64
from mouselift.errors import DatasetError


@dataclass(frozen=True, eq=False)
class SampleTensors:
    """One instant. Convention: pixel centres at +0.5, OpenCV camera axes, c2w = T_world_cam in the sample's world."""

    name: str  # of its folder
    views: tuple[str, ...]  # camera names
    image: Float32[Tensor, "v 4 h w"]  # colours on `background`, and alpha; 0..1
    c2w: Float32[Tensor, "v 4 4"]
    fxfycxcy: Float32[Tensor, "v 4"]  # pixels of `image`
    index: Int64[Tensor, "v 2"]  # the view's place in the sample's file, the sample's place in the dataset
    background: Float32[Tensor, "3"]  # 0..1
    inputs: Int64[Tensor, " i"]  # places among the v views
    targets: Int64[Tensor, " t"]
    held_out: Bool[Tensor, " v"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of equal size and number of views; fields as `SampleTensors`."""

    names: tuple[str, ...]
    views: tuple[tuple[str, ...], ...]
    image: Float32[Tensor, "b v 4 h w"]
    c2w: Float32[Tensor, "b v 4 4"]
    fxfycxcy: Float32[Tensor, "b v 4"]
    index: Int64[Tensor, "b v 2"]
    background: Float32[Tensor, "b 3"]
    inputs: Int64[Tensor, "b i"]
    targets: Int64[Tensor, "b t"]
    held_out: Bool[Tensor, "b v"]

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> Batch:
        """On another device; copies from pinned memory do not wait."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """For `DataLoader(pin_memory=True)`."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        old = {field.name: getattr(self, field.name) for field in fields(self)}
        new: dict[str, Any] = {name: change(value) for name, value in old.items() if isinstance(value, Tensor)}
        return replace(self, **new)


def collate(samples: Sequence[SampleTensors]) -> Batch:
    """Samples as a batch. DatasetError names the first sample whose number of views or size differs."""
    for sample in samples[1:]:
        for key in ("image", "inputs", "targets"):
            first, found = getattr(samples[0], key).shape, getattr(sample, key).shape
            if first != found:
                raise DatasetError(
                    f"{sample.name}: {key}: expected shape {tuple(first)} as in {samples[0].name} of the same batch, "
                    f"got {tuple(found)}; fix the number of views (ViewChoice) and the size, or take one sample a batch"
                )
    joined = {
        field.name: torch.stack([getattr(sample, field.name) for sample in samples])
        for field in fields(SampleTensors)
        if field.name not in ("name", "views")
    }
    return Batch(tuple(sample.name for sample in samples), tuple(sample.views for sample in samples), **joined)
