"""The work that an estimate scales with, counted by torch itself; and an estimate of the right order."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mouselift.data.sample import SampleTensors
from mouselift.models.gslrm.config import GSLRMConfig, block_flops, forward_flops, released
from mouselift.models.gslrm.model import GSLRM
from mouselift.reconstruct.gaussian_source import Engine
from mouselift.reconstruct.plan import forward_seconds


@pytest.mark.parametrize(("width", "layers", "views", "size"), [(64, 2, 3, 24), (128, 3, 2, 40)])
def test_as_torch_counts_them(width: int, layers: int, views: int, size: int) -> None:
    config = GSLRMConfig(width=width, head_width=16, layers=layers)
    engine = Engine(GSLRM(config).eval(), torch.device("cpu"), torch.float32)
    poses = torch.eye(4).repeat(1, views, 1, 1)
    K = torch.tensor([30.0, 30.0, 12.0, 12.0]).repeat(1, views, 1)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        engine.model(torch.rand(1, views, 3, size, size), poses, K)
    # torch also counts the turning of the rays' directions: 18 a pixel
    counted = counter.get_total_flops() - 18 * views * size * size
    assert forward_flops(config, views, size, size) == pytest.approx(counted, rel=1e-6)


def test_attention_grows_with_the_square() -> None:
    config = released()
    assert block_flops(config, 20_000) / block_flops(config, 10_000) == pytest.approx(3.24, abs=0.01)
    small, large = (forward_flops(config, 6, size, size) for size in (256, 512))
    assert 9 < large / small < 11, "four times the tokens, ten times the work"


def test_an_estimate_of_the_right_order(make_sample: Callable[..., SampleTensors]) -> None:
    config = GSLRMConfig(width=256, head_width=32, layers=6)
    engine = Engine(GSLRM(config).eval(), torch.device("cpu"), torch.float32)
    sample = make_sample(4, 128, 128)
    foretold = forward_seconds(engine, 4, 128, 128, clock=time.process_time)
    start = time.process_time()
    engine.reconstruct(sample)
    assert 0.3 < (time.process_time() - start) / foretold < 4


def test_it_leaves_the_network_as_it_was(checkpoint: Path) -> None:
    engine = Engine.load(checkpoint, dtype=torch.bfloat16, device="cpu")
    assert forward_seconds(engine, 2, 16, 16) > 0
    assert not any(weight.requires_grad for weight in engine.model.parameters())
