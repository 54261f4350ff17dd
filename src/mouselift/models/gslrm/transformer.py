"""Pre-norm transformer blocks.

Module names give the released checkpoint's keys. Between blocks the tokens stay float32 whatever the linear layers'
precision is: they are sums over all layers, and bfloat16 would round away what late layers add.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Tokens = Float[Tensor, "b n d"]

_EPS = 1e-5
MLP_RATIO = 4


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

    def forward(self, x: Tokens) -> Tokens:
        b, n, d = x.shape
        q, k, v = self.to_qkv(x).reshape(b, n, 3, d // self.head_width, self.head_width).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
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

    def forward(self, x: Tokens) -> Tokens:
        dtype = self.attn.fc.weight.dtype
        x = x + self.attn(self.norm1(x).to(dtype))
        return x + self.mlp(self.norm2(x).to(dtype))
