"""Where a sample's Gaussians come from: a network, or files that are there already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from mouselift.data.sample import SampleTensors
from mouselift.errors import DatasetError
from mouselift.gaussians.splat import read_splats
from mouselift.reconstruct.network import Engine
from mouselift.render.base import Gaussians, Renderer
from mouselift.render.choose import make_renderer
from mouselift.run_folder import file_digest

Progress = Callable[[str, int, int], None]  # stage, done, total


@runtime_checkable
class Source(Protocol):
    """Gives the Gaussians of samples."""

    @property
    def identity(self) -> dict[str, object]:
        """What must be equal for two runs to share a folder."""
        ...

    @property
    def device(self) -> torch.device:
        """Where they live and are drawn."""
        ...

    def key(self, sample: str) -> str:
        """Changes when what a sample's Gaussians are read from changes; what `identity` says is left out."""
        ...

    def renderer(self) -> Renderer:
        """That draws them."""
        ...

    def gaussians(self, sample: SampleTensors, inputs: Sequence[int], progress: Progress) -> Gaussians:
        """In the sample's world, from these of its views."""
        ...


@dataclass(frozen=True, eq=False)
class NetworkSource:
    """A loaded network."""

    engine: Engine
    checkpoint: Path

    @property
    def device(self) -> torch.device:
        return self.engine.device

    @property
    def identity(self) -> dict[str, object]:
        return {"checkpoint": file_digest(self.checkpoint), "dtype": str(self.engine.dtype).removeprefix("torch.")}

    def key(self, sample: str) -> str:
        return ""

    def renderer(self) -> Renderer:
        return self.engine.renderer()

    def gaussians(self, sample: SampleTensors, inputs: Sequence[int], progress: Progress) -> Gaussians:
        """ModelError: a size that the network does not take, or more than the memory holds."""
        return self.engine.reconstruct(sample, inputs, progress)


@dataclass(frozen=True, eq=False)
class FileSource:
    """Files of 3D Gaussians, one a sample: FOLDER/<sample>/gaussians.ply, FOLDER/<sample>.ply or .splat.

    In the world that the sample's cameras are written in. A single file stands for a single sample.
    """

    path: Path
    device: torch.device

    @property
    def identity(self) -> dict[str, object]:
        return {"gaussians": str(self.path.resolve())}

    def key(self, sample: str) -> str:
        return file_digest(self.file(sample))

    def renderer(self) -> Renderer:
        return make_renderer("gsplat" if self.device.type == "cuda" else "cpu")

    def file(self, sample: str) -> Path:
        """DatasetError, with the names that would do, where there is none or more than one."""
        if self.path.is_file():
            return self.path
        names = (f"{sample}/gaussians.ply", f"{sample}.ply", f"{sample}.splat")
        found = [self.path / name for name in names if (self.path / name).is_file()]
        if len(found) != 1:
            raise DatasetError(
                f"{self.path}: sample {sample}: expected one of {', '.join(names)}, got "
                f"{' and '.join(path.name for path in found) or 'none'}"
            )
        return found[0]

    def check(self, samples: Sequence[str]) -> None:
        """Before hours are spent: DatasetError where a sample has no file, or one file stands for several."""
        if self.path.is_file() and len(samples) > 1:
            raise DatasetError(f"{self.path}: one file, but {len(samples)} samples; expected a folder with one each")
        for sample in samples:
            self.file(sample)

    def gaussians(self, sample: SampleTensors, inputs: Sequence[int], progress: Progress) -> Gaussians:
        return Gaussians.from_splats(read_splats(self.file(sample.name)), self.device)
