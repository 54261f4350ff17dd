"""What a GS-LRM is made of, as values, and what a forward pass takes: memory, multiplications and additions.

Inference keeps one block's values at a time. Attention is computed in tiles (scaled_dot_product_attention), so no
tokens x tokens matrix exists. `benchmarks/gslrm_forward.py` prints the estimate next to the peak that it measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from mouselift.errors import ModelError
from mouselift.limits import LARGEST_CONSTANT, NETWORK

IMAGE_CHANNELS = 9  # colours, ray direction, the ray's point nearest the world's origin
HULL_CHANNELS = 2  # the hull's entry less the ray's point nearest the origin, and whether there is one
MLP_RATIO = 4  # width of a block's hidden layer / width of a token
_FULL = 4  # bytes of a float32


@dataclass(frozen=True)
class GSLRMConfig:
    """Sizes of the network and constants of its Gaussians. ValueError where they do not fit together.

    No table of positions is learned: any number of views, and any height and width that `patch_size` divides, will run.
    """

    width: int  # of a token (d)
    head_width: int  # of one attention head
    layers: int
    patch_size: int = 8  # pixels a side
    global_gaussians: int = 2  # learned tokens that belong to no pixel
    sh_degree: int = 0
    depth_range: float = 1.8  # world units about each ray's point nearest the origin
    scale_shift: float = -2.3  # added to the raw log scale
    scale_limit: float = -1.2  # largest log scale
    opacity_shift: float = -2.0  # added to the raw opacity logit
    # Beyond the release; all but the colour's read the images' alpha.
    mask_margin: int | None = None  # pixels about the subject: patches beyond become no tokens; None: all patches do
    colour_residual: bool = False  # a pixel's own colour is added to its Gaussian's
    hull_channels: bool = False  # the visual hull's entry along each ray goes in, by weights of its own
    pixel_width: float | None = (
        None  # of a pixel at the subject, in the world that the network works in; None: as given
    )
    hull_range: float | None = None  # world units about that entry, in place of depth_range; None: depths ignore it

    def __post_init__(self) -> None:
        for key in ("width", "head_width", "layers", "patch_size"):
            if getattr(self, key) < 1:
                raise ValueError(f"GSLRMConfig: {key}: expected at least 1, got {getattr(self, key)}")
        for key, most in NETWORK.items():  # a checkpoint says them: the network is laid out before its weights are seen
            if (getattr(self, key) or 0) > most:
                raise ValueError(f"GSLRMConfig: {key}: expected at most {most}, got {getattr(self, key)}")
        for key in ("depth_range", "scale_shift", "scale_limit", "opacity_shift", "hull_range", "pixel_width"):
            if not abs(getattr(self, key) or 0.0) <= LARGEST_CONSTANT:
                raise ValueError(f"GSLRMConfig: {key}: expected at most {LARGEST_CONSTANT:g}, got {getattr(self, key)}")
        if self.width % self.head_width:
            raise ValueError(
                f"GSLRMConfig: expected a width that head_width divides, got {self.width} and {self.head_width}"
            )
        if self.global_gaussians < 0 or not 0 <= self.sh_degree <= 3:
            raise ValueError(
                f"GSLRMConfig: expected global_gaussians >= 0 and sh_degree 0..3, got {self.global_gaussians} and "
                f"{self.sh_degree}"
            )
        if self.pixel_width is not None and not self.pixel_width > 0:
            raise ValueError(f"GSLRMConfig: pixel_width: expected more than 0, got {self.pixel_width}")
        margin, reach = self.mask_margin or 0, 1.0 if self.hull_range is None else self.hull_range
        if margin < 0 or not reach > 0:
            raise ValueError(
                f"GSLRMConfig: expected mask_margin >= 0 and hull_range > 0, got {self.mask_margin} and "
                f"{self.hull_range}"
            )

    @property
    def needs_alpha(self) -> bool:
        """Whether images without alpha do not suffice."""
        return self.mask_margin is not None or self.needs_hull or self.pixel_width is not None

    @property
    def needs_hull(self) -> bool:
        return self.hull_channels or self.hull_range is not None

    @property
    def coefficients(self) -> int:
        """Spherical-harmonic coefficients a colour channel."""
        return (self.sh_degree + 1) ** 2

    @property
    def parameters(self) -> int:
        """Raw numbers a Gaussian: position 3, colour 3 a coefficient, scale 3, quaternion 4, opacity 1."""
        return 3 + 3 * self.coefficients + 3 + 4 + 1

    def tokens(self, views: int, height: int, width: int, patches: int | None = None) -> int:
        """Length of one sample's sequence. patches: those of its views that become tokens; None: all."""
        every = views * (height // self.patch_size) * (width // self.patch_size)
        return self.global_gaussians + (every if patches is None else patches)

    def gaussians(self, views: int, height: int, width: int, patches: int | None = None) -> int:
        """Gaussians of one sample: the global ones, and one a pixel (of `patches`: at most)."""
        pixels = views * height * width if patches is None else patches * self.patch_size**2
        return self.global_gaussians + pixels


def released() -> GSLRMConfig:
    """The network of FaceLift's released checkpoint: 303,565,824 parameters."""
    return GSLRMConfig(width=1024, head_width=64, layers=24)


def tiny() -> GSLRMConfig:
    """The same network, small enough for tests and examples on a CPU."""
    return GSLRMConfig(width=64, head_width=16, layers=2)


def from_scratch() -> GSLRMConfig:
    """A small network to be trained from random weights, 1.4 million of them: start constants of its own, and the hull.

    The release's constants do not fit training from scratch; with these the subject is there at the start.
    """
    return GSLRMConfig(
        width=128, head_width=32, layers=6, depth_range=1.2, scale_shift=-3.2, scale_limit=-2.2, opacity_shift=0.0,
        mask_margin=0, colour_residual=True, hull_channels=True, hull_range=0.35,
    )  # fmt: skip


def weight_count(config: GSLRMConfig) -> int:
    """Parameters of the network."""
    d, p = config.width, config.parameters
    block = 2 * d + 4 * d * d + 2 * MLP_RATIO * d * d
    heads = 2 * d + d * p * (1 + config.patch_size**2)
    channels = IMAGE_CHANNELS + HULL_CHANNELS * config.hull_channels
    return config.global_gaussians * d + d * channels * config.patch_size**2 + d + config.layers * block + heads


def forward_bytes(
    config: GSLRMConfig,
    views: int,
    height: int,
    width: int,
    samples: int = 1,
    dtype: torch.dtype = torch.float32,
    patches: int | None = None,
) -> int:
    """Bytes at the peak of inference: weights, and the larger of what a block and what the heads hold at once.

    dtype: of the trunk's linear layers (`GSLRM.lower_precision`). patches: as `GSLRMConfig.tokens`.
    """
    linear = dtype.itemsize
    tokens = samples * config.tokens(views, height, width, patches)
    gaussians = samples * config.gaussians(views, height, width, patches)
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
    patches: int | None = None,
) -> int:
    """`forward_bytes`; ModelError with both figures where the device (default CPU) has less free.

    held: bytes of these that are taken already, such as loaded weights.
    """
    needed = forward_bytes(config, views, height, width, samples, dtype, patches)
    available = available_bytes(device or torch.device("cpu"))
    free = None if available is None else available + held
    if free is not None and needed > free:
        raise ModelError(
            f"{samples} sample(s) of {views} views at {height} x {width}: expected at most the {free / 1e9:.1f} GB "
            f"that are free, needed are about {needed / 1e9:.1f} GB ({config.tokens(views, height, width, patches):,} "
            "tokens a sample). Take fewer views or samples at a time, a smaller size (256 needs a quarter), bfloat16, "
            "or the subject's patches only (mask_margin)"
        )
    return needed


def available_bytes(device: torch.device) -> int | None:
    """Free memory of a CUDA device, or what Linux says is available; None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    file = Path("/proc/meminfo")
    lines = file.read_text(encoding="ascii").splitlines() if file.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def block_flops(config: GSLRMConfig, tokens: int) -> float:
    """Multiplications and additions of one block: linear maps 2 * 12 d^2 a token, attention 4 d a pair of tokens."""
    d = config.width
    return tokens * 2.0 * (4 + 2 * MLP_RATIO) * d * d + 4.0 * tokens * tokens * d


def forward_flops(config: GSLRMConfig, views: int, height: int, width: int, patches: int | None = None) -> float:
    """Of a whole forward pass of one sample. patches: as `GSLRMConfig.tokens`."""
    tokens, pixels = config.tokens(views, height, width, patches), config.patch_size**2
    embedded = (tokens - config.global_gaussians) * pixels * (IMAGE_CHANNELS + config.parameters)
    ends = 2.0 * config.width * (embedded + config.global_gaussians * config.parameters)
    return config.layers * block_flops(config, tokens) + ends
