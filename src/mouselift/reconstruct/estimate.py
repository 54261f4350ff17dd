"""How long a forward pass will take here: one block of the network is run on part of the tokens, and scaled up."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from mouselift.models.gslrm.config import IMAGE_CHANNELS, GSLRMConfig
from mouselift.models.gslrm.transformer import MLP_RATIO
from mouselift.reconstruct.network import Engine

_TRIED = 2048  # tokens; enough to keep all threads busy


def block_flops(config: GSLRMConfig, tokens: int) -> float:
    """Multiplications and additions of one block: linear maps 2 * 12 d^2 a token, attention 4 d a pair of tokens."""
    d = config.width
    return tokens * 2.0 * (4 + 2 * MLP_RATIO) * d * d + 4.0 * tokens * tokens * d


def forward_flops(config: GSLRMConfig, views: int, height: int, width: int) -> float:
    """Of a whole forward pass of one sample."""
    tokens, pixels = config.tokens(views, height, width), config.patch_size**2
    embedded = (tokens - config.global_gaussians) * pixels * (IMAGE_CHANNELS + config.parameters)
    ends = 2.0 * config.width * (embedded + config.global_gaussians * config.parameters)
    return config.layers * block_flops(config, tokens) + ends


def forward_seconds(
    engine: Engine, views: int, height: int, width: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds for one sample on this device, as busy as it is now, from a trial of at most 2048 tokens.

    A few seconds for `released()` on a CPU. How near it comes: `benchmarks/forward_estimate.py`.
    """
    config = engine.model.config
    tokens = min(_TRIED, config.tokens(views, height, width))
    block, trial = engine.model.transformer_layers[0], torch.zeros(1, tokens, config.width, device=engine.device)

    def spent() -> float:
        start = clock()
        block(trial)
        if engine.device.type == "cuda":
            torch.cuda.synchronize(engine.device)
        return clock() - start

    with torch.no_grad():
        spent()  # the first call also prepares
        return spent() * forward_flops(config, views, height, width) / block_flops(config, tokens)
