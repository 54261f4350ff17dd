"""One change per camera over all samples of a dataset: far sharper than one sample, where a pipeline errs alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mouselift.array_types import Array
from mouselift.consistency.limits import LIMITS, GeometryLimits
from mouselift.geometry.tangent_planes import TangentPlanes

_SHARE_OF_A_SAMPLE = 9.0  # a sample whose best one-view change explains more has its say scaled down to this


@dataclass(frozen=True)
class PooledSuspicion:
    """The camera that one change over all samples would improve most."""

    camera: str
    change: tuple[float, float, float]  # log-scale, dx, dy of its images
    score: float  # squares explained a sample, over the noise
    limit: float
    samples: int

    @property
    def guilty(self) -> bool:
        return self.score > self.limit


class Pool:
    """Sums of normal equations, 3 x 3 a camera: flat in memory, and pools of workers merge by adding."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self.cameras = tuple(cameras)
        self.normal: Float64[Array, "v 3 3"] = np.zeros((len(self.cameras), 3, 3))
        self.right: Float64[Array, "v 3"] = np.zeros((len(self.cameras), 3))
        self.samples = np.zeros(len(self.cameras), dtype=np.int64)

    def add(self, names: Sequence[str], planes: TangentPlanes, spread: Float64[Array, " m"]) -> None:
        """One sample: its views' camera names, its tangent planes and their deviations (`suspect.deviations`)."""
        if len(planes.angle) == 0:
            return
        z, J = planes.residual / spread, planes.jacobian() / spread[:, None, None]
        weight = 1.0 / max(1.0, float(z @ z) / (_SHARE_OF_A_SAMPLE * len(z)))
        for k, name in enumerate(names):
            place = self.cameras.index(name)
            if planes.of_view(k).any():
                self.normal[place] += weight * (J[:, k].T @ J[:, k])
                self.right[place] += weight * (J[:, k].T @ z)
                self.samples[place] += 1

    def merge(self, other: Pool) -> None:
        """Adds another pool of the same cameras. ValueError where they differ."""
        if other.cameras != self.cameras:
            raise ValueError(f"Pool.merge: expected the cameras {self.cameras}, got {other.cameras}")
        self.normal += other.normal
        self.right += other.right
        self.samples += other.samples

    def verdict(self, limits: GeometryLimits = LIMITS) -> PooledSuspicion | None:
        """The camera that stands out most; None where nothing was added."""
        if not self.samples.any():
            return None
        changes = np.stack(
            [np.linalg.pinv(N, hermitian=True) @ r for N, r in zip(self.normal, self.right, strict=True)]
        )
        gains = (changes * self.right).sum(axis=1) / np.maximum(self.samples, 1)
        best = int(gains.argmax())
        s, dx, dy = changes[best].tolist()
        limit = limits.pooled_score + limits.view_score / int(self.samples[best])
        return PooledSuspicion(
            self.cameras[best], (s, dx, dy), float(gains[best]), limit, int(self.samples[best])
        )  # fmt: skip
