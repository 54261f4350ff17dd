"""A dataset of tiny samples that `prepare` could have written, and a config that trains on it in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ball_samples import SIDE, balls
from mouselift.models.gslrm.config import from_scratch
from mouselift.train.config import TrainConfig, tiny_cpu

torch.set_num_threads(1)
NETWORK = replace(from_scratch(), width=32, head_width=16, layers=2)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten samples with lists: eight to train, two to validate. Read only."""
    return balls(tmp_path_factory.mktemp("train") / "balls")


@pytest.fixture(scope="session")
def large_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with images that are large enough for an audit. Read only."""
    return balls(tmp_path_factory.mktemp("train") / "large", side=128)


@pytest.fixture
def config() -> Callable[..., TrainConfig]:
    """`tiny_cpu` with a smaller network, no worker processes, and changes."""

    def make(**changes: object) -> TrainConfig:
        small = replace(tiny_cpu(), network=NETWORK, size=SIDE, inputs=3, warmup=5, updates=12, readers=0)
        return replace(small, **{"validate_every": 0, **changes})  # pyright: ignore[reportArgumentType]

    return make
