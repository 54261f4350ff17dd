"""GS-LRM: posed views in, Gaussians out. The forward pass reads top to bottom."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mouselift.data.rays import input_channels, pixel_rays
from mouselift.errors import ModelError
from mouselift.models.gslrm.config import IMAGE_CHANNELS, GSLRMConfig
from mouselift.models.gslrm.heads import GlobalHead, PixelHead, StoredGaussians, decode
from mouselift.models.gslrm.tokenizer import global_tokens, patch_embedder
from mouselift.models.gslrm.transformer import Block, layer_norm
from mouselift.progress import Progress, silent

_INIT_STD = 0.02


class GSLRM(nn.Module):
    """The reconstructor. Names of its modules are those of the released checkpoint's keys.

    b samples, v views, h and w rows and columns. Views may come in any order: the network treats them alike.
    """

    def __init__(self, config: GSLRMConfig) -> None:
        super().__init__()
        self.config = config
        self.gaussian_position_embeddings = global_tokens(config.global_gaussians, config.width)
        self.patch_embedder = patch_embedder(IMAGE_CHANNELS, config.patch_size, config.width)
        self.input_layer_norm = layer_norm(config.width)
        self.transformer_layers = nn.ModuleList(Block(config.width, config.head_width) for _ in range(config.layers))
        self.gaussian_upsampler = GlobalHead(config)
        self.pixel_gaussian_decoder = PixelHead(config)
        self.checkpoint_activations = (
            False  # while training: keep only the tokens between blocks, compute the rest anew
        )
        self.apply(_initialise)

    def forward(
        self,
        image: Float[Tensor, "b v c h w"],
        c2w: Float[Tensor, "_ _ 4 4"],  # [b, v, 4, 4]; `_check` says which sample or view has no camera
        fxfycxcy: Float[Tensor, "_ _ 4"],
        progress: Progress = silent,
    ) -> StoredGaussians:
        """Gaussians of every sample, one a pixel after the global ones.

        image: in [0, 1], on its background; the first three channels are used. c2w: T_world_cam, OpenCV axes.
        fxfycxcy: in pixels of `image`. `progress` hears of every finished block. ModelError for sizes that do not fit.
        """
        self._check(image, c2w, fxfycxcy)
        height, width = image.shape[-2:]
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
            origins, directions = pixel_rays(c2w.float(), fxfycxcy.float(), height, width)
        channels = input_channels(image[:, :, :3].float(), origins, directions)

        tokens = self.embed(channels)
        for index, block in enumerate(self.transformer_layers):
            if self.checkpoint_activations and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, use_reentrant=False)
            else:
                tokens = block(tokens)
            progress("transformer", index + 1, len(self.transformer_layers))

        return decode(self.config, self.raw_parameters(tokens), origins, directions)

    def embed(self, channels: Float[Tensor, "b v 9 h w"]) -> Float[Tensor, "b n d"]:
        """The sequence: global tokens, then image tokens by (view, patch row, patch column); one LayerNorm over it."""
        linear = self.patch_embedder[1]
        assert isinstance(linear, nn.Linear)
        image_tokens = self.patch_embedder(channels.to(linear.weight.dtype))
        first = self.gaussian_position_embeddings.expand(len(channels), -1, -1)
        return self.input_layer_norm(torch.cat([first.float(), image_tokens.float()], dim=1))

    def raw_parameters(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b gaussians p"]:
        """Both heads: the 14 (degree 0) raw numbers of every Gaussian, global ones first."""
        count = self.config.global_gaussians
        of_pixels = self.pixel_gaussian_decoder(tokens[:, count:])
        return torch.cat(
            [
                self.gaussian_upsampler(tokens[:, :count]),
                of_pixels.reshape(len(tokens), -1, self.config.parameters),
            ],
            dim=1,
        )

    def lower_precision(self, dtype: torch.dtype) -> GSLRM:
        """Turns the trunk's linear layers to `dtype`, for inference; norms, tokens and heads stay float32. Self."""
        for part in (self.patch_embedder, self.transformer_layers):
            for module in part.modules():
                if isinstance(module, nn.Linear):
                    module.to(dtype)
        return self

    def _check(self, image: Tensor, c2w: Tensor, fxfycxcy: Tensor) -> None:
        b, v, c, h, w = image.shape
        patch = self.config.patch_size
        if c not in (3, 4):
            raise ModelError(f"image: expected 3 or 4 channels (RGB, alpha), got {c} in shape {tuple(image.shape)}")
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
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=_INIT_STD)
