"""What a forward pass will hold, before it starts.

Inference keeps one block's values at a time. Attention is computed in tiles (scaled_dot_product_attention), so no
tokens x tokens matrix exists. `benchmarks/gslrm_forward.py` prints this estimate next to the peak that it measured.
"""

from __future__ import annotations

from pathlib import Path

import torch

from mouselift.errors import ModelError
from mouselift.models.gslrm.config import IMAGE_CHANNELS, GSLRMConfig
from mouselift.models.gslrm.transformer import MLP_RATIO

_FULL = 4  # bytes of a float32


def weight_count(config: GSLRMConfig) -> int:
    """Parameters of the network."""
    d, p = config.width, config.parameters
    block = 2 * d + 4 * d * d + 2 * MLP_RATIO * d * d
    heads = 2 * d + d * p * (1 + config.patch_size**2)
    return config.global_gaussians * d + d * IMAGE_CHANNELS * config.patch_size**2 + d + config.layers * block + heads


def forward_bytes(
    config: GSLRMConfig, views: int, height: int, width: int, samples: int = 1, dtype: torch.dtype = torch.float32
) -> int:
    """Bytes at the peak of inference: weights, and the larger of what a block and what the heads hold at once.

    dtype: of the trunk's linear layers (`GSLRM.lower_precision`).
    """
    linear = dtype.itemsize
    tokens = samples * config.tokens(views, height, width)
    gaussians = samples * config.gaussians(views, height, width)
    pixels = samples * views * height * width
    d = config.width
    # In: the sum so far and the new one, float32. MLP: its input, and the hidden layer before and after GELU.
    block = tokens * d * (2 * _FULL + linear + 2 * MLP_RATIO * linear)
    # Both heads' outputs, then joined, then the fields made of them and the positions' parts.
    heads = tokens * d * 2 * _FULL + gaussians * _FULL * (3 * config.parameters + 12)
    rays = pixels * _FULL * (4 + 3 + 3 + IMAGE_CHANNELS)
    return weight_count(config) * linear + rays + max(block, heads)


def check_memory(
    config: GSLRMConfig,
    views: int,
    height: int,
    width: int,
    samples: int = 1,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    held: int = 0,
) -> int:
    """`forward_bytes`; ModelError with both figures where the device (default CPU) has less free.

    held: bytes of these that are taken already, such as loaded weights.
    """
    needed = forward_bytes(config, views, height, width, samples, dtype)
    available = available_bytes(device or torch.device("cpu"))
    free = None if available is None else available + held
    if free is not None and needed > free:
        raise ModelError(
            f"{samples} sample(s) of {views} views at {height} x {width}: expected at most the {free / 1e9:.1f} GB "
            f"that are free, needed are about {needed / 1e9:.1f} GB ({config.tokens(views, height, width):,} tokens a "
            "sample). Take fewer views or samples at a time, a smaller size (256 needs a quarter), or bfloat16"
        )
    return needed


def available_bytes(device: torch.device) -> int | None:
    """Free memory of a CUDA device, or what Linux says is available; None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    file = Path("/proc/meminfo")
    lines = file.read_text(encoding="ascii").splitlines() if file.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
