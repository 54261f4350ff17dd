"""What a GS-LRM is made of, as values."""

from __future__ import annotations

from dataclasses import dataclass

IMAGE_CHANNELS = 9  # colours, ray direction, the ray's point nearest the world's origin


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

    def __post_init__(self) -> None:
        for key in ("width", "head_width", "layers", "patch_size"):
            if getattr(self, key) < 1:
                raise ValueError(f"GSLRMConfig: {key}: expected at least 1, got {getattr(self, key)}")
        if self.width % self.head_width:
            raise ValueError(
                f"GSLRMConfig: expected a width that head_width divides, got {self.width} and {self.head_width}"
            )
        if self.global_gaussians < 0 or not 0 <= self.sh_degree <= 3:
            raise ValueError(
                f"GSLRMConfig: expected global_gaussians >= 0 and sh_degree 0..3, got {self.global_gaussians} and "
                f"{self.sh_degree}"
            )

    @property
    def heads(self) -> int:
        """Attention heads a layer."""
        return self.width // self.head_width

    @property
    def coefficients(self) -> int:
        """Spherical-harmonic coefficients a colour channel."""
        return (self.sh_degree + 1) ** 2

    @property
    def parameters(self) -> int:
        """Raw numbers a Gaussian: position 3, colour 3 a coefficient, scale 3, quaternion 4, opacity 1."""
        return 3 + 3 * self.coefficients + 3 + 4 + 1

    def tokens(self, views: int, height: int, width: int) -> int:
        """Length of one sample's sequence."""
        return self.global_gaussians + views * (height // self.patch_size) * (width // self.patch_size)

    def gaussians(self, views: int, height: int, width: int) -> int:
        """Gaussians of one sample: one a pixel, and the global ones."""
        return self.global_gaussians + views * height * width


def released() -> GSLRMConfig:
    """The network of FaceLift's released checkpoint: 303,565,824 parameters."""
    return GSLRMConfig(width=1024, head_width=64, layers=24)


def tiny() -> GSLRMConfig:
    """The same network, small enough for tests and examples on a CPU."""
    return GSLRMConfig(width=64, head_width=16, layers=2)
