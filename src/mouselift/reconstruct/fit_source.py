"""Gaussians by optimisation: fitted without a network, or those of another source refined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mouselift.data.sample import SampleTensors
from mouselift.fit.optimise import fitted
from mouselift.fit.start import hull_start
from mouselift.fit.subject import subject_of
from mouselift.progress import Progress
from mouselift.reconstruct.gaussian_source import Source, device_of
from mouselift.render.backends import renderer_for
from mouselift.render.base import Gaussians


@dataclass(frozen=True, eq=False)
class FitSource:
    """No network: Gaussians start on the visual hull of the input views and are fitted to them (`mouselift.fit`)."""

    steps: int
    device_name: str | None = None  # as `device_of`

    @property
    def identity(self) -> dict[str, object]:
        return {"method": "fit", "steps": self.steps}

    @property
    def words(self) -> str:
        return f"fitted to the input views in {self.steps} steps, no network"

    @property
    def device(self) -> torch.device:
        return device_of(self.device_name)

    def key(self, sample: str) -> str:
        return ""

    def gaussians(self, sample: SampleTensors, inputs: Sequence[int], progress: Progress) -> Gaussians:
        """DatasetError: views without masks, or whose masks share no volume."""
        subject, device = subject_of(sample, inputs), self.device
        start = hull_start(sample, subject).on(device)
        return fitted(start, subject, renderer_for(device), self.steps, progress)


@dataclass(frozen=True, eq=False)
class RefinedSource:
    """The Gaussians of another source, fitted further to the input views: 0 steps change nothing."""

    first: Source
    steps: int

    @property
    def identity(self) -> dict[str, object]:
        return {**self.first.identity, "refine": self.steps}

    @property
    def words(self) -> str:
        return f"{self.first.words}; refined in {self.steps} steps"

    @property
    def device(self) -> torch.device:
        return self.first.device

    def key(self, sample: str) -> str:
        return self.first.key(sample)

    def gaussians(self, sample: SampleTensors, inputs: Sequence[int], progress: Progress) -> Gaussians:
        """DatasetError: views without masks."""
        subject = subject_of(sample, inputs)
        start = self.first.gaussians(sample, inputs, progress)
        return fitted(start, subject, renderer_for(self.device), self.steps, progress)
