"""GS-LRM: posed views in, Gaussians out. Images to tokens, transformer blocks, heads, and the forward pass over all.

Module names give the released checkpoint's keys. Between blocks the tokens stay float32 whatever the linear layers'
precision is: they are sums over all layers, and bfloat16 would round away what late layers add. From the heads on all
is float32, also under autocast: in bfloat16 the depth would take only 333 values, steps of up to 0.016 world units
(three pixels at the origin).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from mouselift.array_types import Bool, Float
from mouselift.data.rays import input_channels, nearest_offset, pixel_rays
from mouselift.errors import ModelError
from mouselift.gaussians.splats import SH_DC
from mouselift.models.gslrm.config import HULL_CHANNELS, IMAGE_CHANNELS, MLP_RATIO, GSLRMConfig
from mouselift.models.gslrm.hull_prior import HullMaps, hull_maps
from mouselift.models.gslrm.packing import Packing, Patches, Pixels, near_subject, touched_patches
from mouselift.models.gslrm.stored import StoredGaussians
from mouselift.models.gslrm.subject_world import subject_world
from mouselift.progress import Progress, silent

Tokens = Float[Tensor, "b n d"]
Real = Bool[Tensor, "b n"]
Raw = Float[Tensor, "b n p"]  # what the heads put out, p numbers a Gaussian

_EPS = 1e-5
_INIT_STD = 0.02


def patchify(maps: Float[Tensor, "b v c h w"], patch: int) -> Float[Tensor, "b tokens values"]:
    """Tokens in order (view, patch row, patch column); inside one (row, column, channel), channel fastest."""
    b, v, c, h, w = maps.shape
    grid = maps.reshape(b, v, c, h // patch, patch, w // patch, patch)
    return grid.permute(0, 1, 3, 5, 4, 6, 2).reshape(b, v * (h // patch) * (w // patch), patch * patch * c)


class Patchify(nn.Module):
    """`patchify` as a layer without parameters."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, maps: Float[Tensor, "b v c h w"]) -> Float[Tensor, "b tokens values"]:
        return patchify(maps, self.patch)


def layer_norm(width: int) -> nn.LayerNorm:
    """Weight only, no bias."""
    return nn.LayerNorm(width, eps=_EPS, bias=False)


class Attention(nn.Module):
    """Self-attention of all tokens with all: no mask, no positions; rows of `to_qkv` are [Q; K; V], heads inside."""

    def __init__(self, width: int, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.fc = nn.Linear(width, width, bias=False)

    def forward(self, x: Tokens, real: Real | None = None) -> Tokens:
        b, n, d = x.shape
        q, k, v = self.to_qkv(x).reshape(b, n, 3, d // self.head_width, self.head_width).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=None if real is None else real[:, None, None])
        return self.fc(mixed.transpose(1, 2).reshape(b, n, d))


class MLP(nn.Module):
    """d -> 4 d -> d with the exact (erf) GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width, bias=False),
            nn.GELU(),
            nn.Linear(MLP_RATIO * width, width, bias=False),
        )

    def forward(self, x: Tokens) -> Tokens:
        return self.mlp(x)


class Block(nn.Module):
    """x += Attention(LN x); x += MLP(LN x)."""

    def __init__(self, width: int, head_width: int) -> None:
        super().__init__()
        self.norm1 = layer_norm(width)
        self.attn = Attention(width, head_width)
        self.norm2 = layer_norm(width)
        self.mlp = MLP(width)

    def forward(self, x: Tokens, real: Real | None = None) -> Tokens:
        """real: False for tokens that only fill a batch up; nobody attends to them."""
        dtype = self.attn.fc.weight.dtype
        x = x + self.attn(self.norm1(x).to(dtype), real)
        return x + self.mlp(self.norm2(x).to(dtype))


class GlobalHead(nn.Module):
    """Global tokens -> raw parameters, one Gaussian a token."""

    def __init__(self, config: GSLRMConfig) -> None:
        super().__init__()
        self.layernorm = layer_norm(config.width)
        self.linear = nn.Linear(config.width, config.parameters, bias=False)

    def forward(self, tokens: Tokens) -> Raw:
        return _full_precision(tokens, self.layernorm, self.linear)


class PixelHead(nn.Sequential):
    """Image tokens -> raw parameters of their pixels, pixel after pixel: [b, tokens, patch * patch * p]."""

    def __init__(self, config: GSLRMConfig) -> None:
        pixels = config.patch_size**2
        super().__init__(layer_norm(config.width), nn.Linear(config.width, pixels * config.parameters, bias=False))

    def forward(self, input: Tokens) -> Raw:
        norm, linear = self
        assert isinstance(norm, nn.LayerNorm)
        assert isinstance(linear, nn.Linear)
        return _full_precision(input, norm, linear)


def _full_precision(tokens: Tokens, norm: nn.LayerNorm, linear: nn.Linear) -> Raw:
    with torch.autocast(tokens.device.type, enabled=False):
        return linear(norm(tokens.float()))


def decode(
    config: GSLRMConfig,
    raw: Raw,
    origins: Float[Tensor, "b v 3 h w"],
    directions: Float[Tensor, "b v 3 h w"],
    *,
    rgb: Float[Tensor, "b v 3 h w"] | None = None,
    hull: HullMaps | None = None,
    packing: Packing | None = None,
) -> StoredGaussians:
    """Raw parameters (global Gaussians first) -> Gaussians; those of pixels lie on their rays.

    Position: depth = (2 sigmoid(mean(x0, x1, x2)) - 1) * depth_range + t0 along the unit ray, t0 = -(o . d); that of a
    global Gaussian is taken as it is. Log scale: min(x + shift, limit). Opacity logit: x + shift. Nothing is clamped
    to a box: the release's clamp never ran.

    rgb: the images, where the configuration adds a pixel's colour. hull: where it knows the hull's entry t_h along a
    ray, depth = (2 sigmoid(.) - 1) * hull_range + t_h. packing: of the tokens whose parameters are given; None: all.
    """
    k, count = config.coefficients, config.global_gaussians

    def by_pixel(maps: Float[Tensor, "b v c h w"]) -> Float[Tensor, "b pixels c"]:
        values = patchify(maps, config.patch_size)
        return (values if packing is None else packing.take(values)).reshape(len(maps), -1, maps.shape[2])

    with torch.autocast(raw.device.type, enabled=False):
        xyz, colour, scale, rotation, opacity = raw.float().split([3, 3 * k, 3, 4, 1], dim=-1)
        o, d = by_pixel(origins), by_pixel(directions)
        middle, reach = by_pixel(nearest_offset(origins, directions)), config.depth_range
        if hull is not None and config.hull_range is not None:
            entry, known = by_pixel(hull).split(1, dim=-1)
            middle = middle + entry
            reach = torch.where(known > 0, config.hull_range, config.depth_range)
        inside = torch.sigmoid(xyz[:, count:].mean(dim=-1, keepdim=True))
        on_rays = o + ((2.0 * inside - 1.0) * reach + middle) * d
        features = colour.unflatten(-1, (k, 3))
        if rgb is not None:
            own = F.pad((by_pixel(rgb) - 0.5) / SH_DC, (0, 0, count, 0))  # nothing for the global ones
            features = torch.cat([features[:, :, :1] + own[:, :, None], features[:, :, 1:]], dim=2)
        return StoredGaussians(
            xyz=torch.cat([xyz[:, :count], on_rays], dim=1),
            features=features,
            scaling=(scale + config.scale_shift).clamp(max=config.scale_limit),
            rotation=rotation,
            opacity=opacity + config.opacity_shift,
            counts=None if packing is None else tuple(count + n * config.patch_size**2 for n in packing.counts),
        )


def _of_pixels(
    gaussians: StoredGaussians, pixels: Pixels, config: GSLRMConfig, packing: Packing | None
) -> StoredGaussians:
    """The global Gaussians and those of the given pixels."""
    by_token = patchify(pixels[:, :, None].float(), config.patch_size)
    if packing is not None:
        real = packing.real(0)
        by_token = packing.take(by_token)
        by_token = by_token if real is None else by_token * real[..., None]
    chosen = Packing.of(F.pad(by_token.flatten(1), (config.global_gaussians, 0), value=1.0) > 0)
    taken = gaussians.each(lambda part: chosen.take(part.flatten(2)).unflatten(2, part.shape[2:]))
    return replace(taken, counts=chosen.counts)


class GSLRM(nn.Module):
    """The reconstructor. Names of its modules are those of the released checkpoint's keys.

    b samples, v views, h and w rows and columns. Views may come in any order: the network treats them alike.
    """

    def __init__(self, config: GSLRMConfig) -> None:
        super().__init__()
        self.config = config
        # the learned tokens that belong to no pixel
        first = torch.empty(config.global_gaussians, config.width)
        self.gaussian_position_embeddings = nn.Parameter(nn.init.trunc_normal_(first, std=_INIT_STD, a=-2.0, b=2.0))
        # nothing is normalised, no position is added
        embed = nn.Linear(IMAGE_CHANNELS * config.patch_size**2, config.width, bias=False)
        self.patch_embedder = nn.Sequential(Patchify(config.patch_size), embed)
        # weights of their own, and no more columns of the images': a released checkpoint may be given them
        self.hull_embedder = self._new_hull_embedder() if config.hull_channels else None
        self.input_layer_norm = layer_norm(config.width)
        self.transformer_layers = nn.ModuleList(Block(config.width, config.head_width) for _ in range(config.layers))
        self.gaussian_upsampler = GlobalHead(config)
        self.pixel_gaussian_decoder = PixelHead(config)
        # while training: keep only the tokens between blocks, compute the rest anew
        self.checkpoint_activations = False
        self.apply(_initialise)

    def forward(
        self,
        image: Float[Tensor, "b v c h w"],
        c2w: Float[Tensor, "_ _ 4 4"],  # [b, v, 4, 4]; `_check` says which sample or view has no camera
        fxfycxcy: Float[Tensor, "_ _ 4"],
        progress: Progress = silent,
        *,
        keep: Patches | None = None,
        hull: HullMaps | None = None,
    ) -> StoredGaussians:
        """Gaussians of every sample, one a pixel after the global ones.

        image: in [0, 1], on its background, and alpha where the configuration reads it. c2w: T_world_cam, OpenCV axes.
        fxfycxcy: in pixels of `image`. `progress` hears of every finished block. keep: the patches that become tokens
        and Gaussians (default: what the configuration says of the masks). hull: as `hull_maps` finds it in the world
        that the network works in, where it is known already. ModelError for sizes that do not fit.
        """
        self._check(image, c2w, fxfycxcy)
        height, width = image.shape[-2:]
        config = self.config
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
            c2w, fxfycxcy = c2w.float(), fxfycxcy.float()
            own = None  # the subject's own world
            if config.pixel_width is not None:
                own = subject_world(image[:, :, 3].float(), c2w, fxfycxcy, config.pixel_width)
                c2w = own.cameras(c2w)
            origins, directions = pixel_rays(c2w, fxfycxcy, height, width)
            if config.needs_hull and hull is None:
                alpha = image[:, :, 3].float()
                hull = hull_maps(alpha, c2w, fxfycxcy, origins, directions, config.depth_range)
            pixels = None if config.mask_margin is None else near_subject(image[:, :, 3].float(), config.mask_margin)
            if pixels is not None and keep is None:
                keep = touched_patches(pixels, config.patch_size)
            packing = None if keep is None or bool(keep.all()) else Packing.of(keep.flatten(1))
        rgb = image[:, :, :3].float()

        tokens = self.embed(input_channels(rgb, origins, directions), hull, packing)
        real = None if packing is None else packing.real(config.global_gaussians)
        for index, block in enumerate(self.transformer_layers):
            if self.checkpoint_activations and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, real, use_reentrant=False)
            else:
                tokens = block(tokens, real)
            progress("transformer", index + 1, len(self.transformer_layers))

        raw = self.raw_parameters(tokens)
        colours = rgb if config.colour_residual else None
        gaussians = decode(config, raw, origins, directions, rgb=colours, hull=hull, packing=packing)
        gaussians = gaussians if pixels is None else _of_pixels(gaussians, pixels, config, packing)
        return gaussians if own is None else own.back(gaussians)

    def embed(
        self, channels: Float[Tensor, "b v 9 h w"], hull: HullMaps | None = None, packing: Packing | None = None
    ) -> Tokens:
        """The sequence: global tokens, then image tokens by (view, patch row, patch column); one LayerNorm over it."""
        cut, linear = self.patch_embedder
        assert isinstance(linear, nn.Linear)

        def of_tokens(maps: Float[Tensor, "b v c h w"]) -> Tokens:
            values = cut(maps.to(linear.weight.dtype))
            return values if packing is None else packing.take(values)

        image_tokens = linear(of_tokens(channels))
        if self.hull_embedder is not None and hull is not None:
            image_tokens = image_tokens + self.hull_embedder(of_tokens(hull))
        first = self.gaussian_position_embeddings.expand(len(channels), -1, -1)
        return self.input_layer_norm(torch.cat([first.float(), image_tokens.float()], dim=1))

    def raw_parameters(self, tokens: Tokens) -> Float[Tensor, "b gaussians p"]:
        """Both heads: the 14 (degree 0) raw numbers of every Gaussian, global ones first."""
        count = self.config.global_gaussians
        of_pixels = self.pixel_gaussian_decoder(tokens[:, count:])
        of_pixels = of_pixels.reshape(len(tokens), -1, self.config.parameters)
        return torch.cat([self.gaussian_upsampler(tokens[:, :count]), of_pixels], dim=1)

    def add_hull_channels(self) -> None:
        """The visual hull goes in too, with weights of zero: nothing changes until training moves them."""
        if self.hull_embedder is None:
            self.hull_embedder = self._new_hull_embedder()
            nn.init.zeros_(self.hull_embedder.weight)
        self.config = replace(self.config, hull_channels=True)

    def _new_hull_embedder(self) -> nn.Linear:
        return nn.Linear(HULL_CHANNELS * self.config.patch_size**2, self.config.width, bias=False)

    def lower_precision(self, dtype: torch.dtype) -> GSLRM:
        """Turns the trunk's linear layers to `dtype`, for inference; norms, tokens and heads stay float32. Self."""
        for part in (self.patch_embedder, self.hull_embedder, self.transformer_layers):
            for module in () if part is None else part.modules():
                if isinstance(module, nn.Linear):
                    module.to(dtype)
        return self

    def _check(self, image: Tensor, c2w: Tensor, fxfycxcy: Tensor) -> None:
        b, v, c, h, w = image.shape
        patch = self.config.patch_size
        if c not in (3, 4):
            raise ModelError(f"image: expected 3 or 4 channels (RGB, alpha), got {c} in shape {tuple(image.shape)}")
        if c < 4 and self.config.needs_alpha:
            raise ModelError("image: expected 4 channels: this network reads the subject's mask; got RGB without alpha")
        if h % patch or w % patch or h == 0 or w == 0:
            raise ModelError(
                f"image: expected height and width divisible by {patch}, got {h} x {w}; resize the sample with its "
                "cameras (data.moves)"
            )
        if v == 0 or b == 0:
            raise ModelError(f"image: expected at least one sample and one view, got shape {tuple(image.shape)}")
        for name, found in (("c2w", c2w), ("fxfycxcy", fxfycxcy)):
            if found.shape[:2] != (b, v):
                raise ModelError(
                    f"{name}: expected a camera for each of {b} x {v} images (samples x views), got "
                    f"{' x '.join(map(str, found.shape[:2]))}; is a view missing?"
                )


def _initialise(module: nn.Module) -> None:
    # On "meta" there are no numbers to draw, and torch would load its compiler, two seconds, to draw none.
    if isinstance(module, nn.Linear) and not module.weight.is_meta:
        nn.init.normal_(module.weight, std=_INIT_STD)
