"""A sample whose cameras are not centred."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mouselift.data.sample import SampleTensors
from mouselift.geometry.similarity import look_at

torch.set_num_threads(1)


def make(views: int = 3, height: int = 24, width: int = 32, name: str = "sample_000007") -> SampleTensors:
    """Random images; principal points well off the middle, fx != fy, cameras 2.7 from the origin."""
    rng = torch.Generator().manual_seed(3)
    c2w = np.zeros((views, 4, 4), dtype=np.float32)
    for k in range(views):
        angle = 0.4 + 2 * np.pi * k / views
        centre = 2.7 * np.array([0.9 * np.cos(angle), 0.9 * np.sin(angle), 0.436])
        c2w[k, :3, :3] = look_at(-centre, np.array([0.0, 0.0, -1.0])).T
        c2w[k, :3, 3], c2w[k, 3, 3] = centre, 1.0
    K = [[34.0 + k, 36.0, width / 2 + 3.3 - k, height / 2 - 2.7 + k] for k in range(views)]
    return SampleTensors(
        name=name,
        views=tuple(f"cam{k}" for k in range(views)),
        image=torch.rand(views, 4, height, width, generator=rng),
        c2w=torch.from_numpy(c2w),
        fxfycxcy=torch.tensor(K, dtype=torch.float32),
        index=torch.tensor([[k, 0] for k in range(views)]),
        background=torch.ones(3),
        inputs=torch.arange(views),
        targets=torch.arange(views),
        held_out=torch.zeros(views, dtype=torch.bool),
    )


@pytest.fixture(scope="session")
def make_sample() -> Callable[..., SampleTensors]:
    return make
