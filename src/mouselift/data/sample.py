"""A sample and a batch of samples as tensors.

Letters: b samples, v views, i input views, t target views, h and w rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from mouselift.errors import DatasetError

T = TypeVar("T", "SampleTensors", "Batch")


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
class Views:
    """Some views of every sample of a batch: what the model takes, or what its renders are compared with."""

    image: Float32[Tensor, "b n 4 h w"]
    c2w: Float32[Tensor, "b n 4 4"]
    fxfycxcy: Float32[Tensor, "b n 4"]


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

    @property
    def input_views(self) -> Views:
        return self._taken(self.inputs)

    @property
    def target_views(self) -> Views:
        return self._taken(self.targets)

    def to(self, device: torch.device | str) -> Batch:
        """On another device; copies from pinned memory do not wait."""
        return _each(self, lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """For `DataLoader(pin_memory=True)`."""
        return _each(self, lambda tensor: tensor.pin_memory())

    def _taken(self, places: Int64[Tensor, "b n"]) -> Views:
        rows = torch.arange(len(self), device=places.device)[:, None]
        return Views(self.image[rows, places], self.c2w[rows, places], self.fxfycxcy[rows, places])


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


def _each(value: T, change: Callable[[Tensor], Tensor]) -> T:
    changed: dict[str, Any] = {
        field.name: change(getattr(value, field.name))
        for field in fields(value)
        if isinstance(getattr(value, field.name), Tensor)
    }
    return replace(value, **changed)
