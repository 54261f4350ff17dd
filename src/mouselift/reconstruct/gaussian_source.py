"""Where a sample's Gaussians come from: a network, or files that are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

import mouselift.models
from mouselift.data.sample import SampleTensors
from mouselift.errors import CheckpointError, DatasetError, ModelError
from mouselift.fingerprint import file_digest
from mouselift.gaussians.activated import Activated
from mouselift.gaussians.files import read_splats
from mouselift.gaussians.forms import Form
from mouselift.models.gslrm.config import check_memory
from mouselift.models.gslrm.facelift import load_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.gslrm.packing import patches_near
from mouselift.progress import Progress, silent
from mouselift.reconstruct.options import BOX_WORDS, Precision
from mouselift.reconstruct.specks import without_specks
from mouselift.render.base import Gaussians

BOX = Path(mouselift.models.__file__).with_name("box.safetensors")  # the weights that come with mouselift
_DTYPES = (torch.float32, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class Engine:
    """A loaded network, the device it lives on, its precision."""

    model: GSLRM
    device: torch.device
    dtype: torch.dtype  # of the trunk's linear layers; all else is float32

    @classmethod
    def load(
        cls,
        checkpoint: Path,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | None = None,
        mask_margin: int | None = None,
    ) -> Engine:
        """From a checkpoint file (`models.gslrm.facelift.load_gslrm`, CheckpointError as there).

        mask_margin: as `ReconstructOptions.mask_margin`.
        device: "cpu", "cuda", "cuda:1"; None: CUDA where there is one, else the CPU. ModelError for a device that is
        not there, and for a precision other than float32 and bfloat16.
        """
        if dtype not in _DTYPES:
            raise ModelError(f"expected float32 or bfloat16, got {dtype}; other precisions were not tested")
        place = device_of(device)
        model = load_gslrm(checkpoint).lower_precision(dtype).requires_grad_(False).to(place)
        if mask_margin is not None:
            model.config = replace(model.config, mask_margin=mask_margin)
        return cls(model, place, dtype)

    @property
    def held(self) -> int:
        """Bytes that the weights take already."""
        return sum(weight.numel() * weight.element_size() for weight in self.model.parameters())

    def patches(self, sample: SampleTensors, chosen: Sequence[int]) -> int | None:
        """How many of these views' patches become tokens; None: all of them, whatever the images show."""
        margin = self.model.config.mask_margin
        if margin is None:
            return None
        (count,) = patches_near(sample.image[list(chosen), 3][None], margin, self.model.config.patch_size)
        return count

    def memory(self, views: int, height: int, width: int, patches: int | None = None) -> int:
        """Bytes that one sample of this size takes at the peak, weights included. patches: as `GSLRMConfig.tokens`.

        ModelError, with both figures, where more than that is not free on the device (weights are there already).
        """
        return check_memory(
            self.model.config,
            views,
            height,
            width,
            dtype=self.dtype,
            device=self.device,
            held=self.held,
            patches=patches,
        )

    def check_size(self, name: str, height: int, width: int) -> None:
        """ModelError, with the next size that would do, where the patches do not divide the images of `name`."""
        patch = self.model.config.patch_size
        if height % patch or width % patch:
            near = max(patch, round(max(height, width) / patch) * patch)
            raise ModelError(
                f"{name}: expected images with a height and width divisible by {patch}, got {height} x {width} "
                f"(rows x columns); --size {near} resizes them with their cameras"
            )

    def reconstruct(
        self, sample: SampleTensors, inputs: Sequence[int] | None = None, progress: Progress = silent
    ) -> Gaussians:
        """Gaussians in the sample's world, from its views as they are loaded: on `sample.background`.

        inputs: places among the sample's views; None: its own choice, `sample.inputs` (all of them, unless a
        `ViewChoice` says otherwise). Global Gaussians first, then those of pixels, view by view, in token order
        (`StoredGaussians`); of a network that reads the hull `without_specks`, as masks are there then. On its device,
        float32, without gradients. ModelError as `check_size` and `memory`, and for views that the sample does not
        have.
        """
        chosen = sample.inputs.tolist() if inputs is None else list(inputs)
        if not chosen or not all(0 <= k < len(sample.views) for k in chosen) or len(set(chosen)) < len(chosen):
            raise ModelError(
                f"sample {sample.name}: expected different input views among 0 .. {len(sample.views) - 1}, got {chosen}"
            )
        height, width = sample.image.shape[-2:]
        self.check_size(f"sample {sample.name}", height, width)
        self.memory(len(chosen), height, width, self.patches(sample, chosen))
        with torch.no_grad():
            parts = (sample.image, sample.c2w, sample.fxfycxcy)
            image, c2w, fxfycxcy = (part[chosen].to(self.device) for part in parts)
            stored = self.model(image[None], c2w[None], fxfycxcy[None], progress).of_sample(0)
            gaussians = Gaussians.from_stored(*stored)
            if not self.model.config.needs_hull:
                return gaussians
            return without_specks(gaussians, image[:, 3], c2w, fxfycxcy, sample.name)


@runtime_checkable
class Source(Protocol):
    """Gives the Gaussians of samples."""

    @property
    def identity(self) -> dict[str, object]:
        """What must be equal for two runs to share a folder."""
        ...

    @property
    def words(self) -> str:
        """For a person."""
        ...

    @property
    def device(self) -> torch.device:
        """Where they live and are drawn."""
        ...

    def key(self, sample: str) -> str:
        """Changes when what a sample's Gaussians are read from changes; what `identity` says is left out."""
        ...

    def gaussians(self, sample: SampleTensors, inputs: Sequence[int], progress: Progress) -> Gaussians:
        """In the sample's world, from these of its views."""
        ...


@dataclass(frozen=True, eq=False)
class NetworkSource:
    """A network, loaded when it is first asked. CheckpointError where there is no such file."""

    checkpoint: Path
    precision: Precision = "float32"
    device_name: str | None = None  # as `Engine.load`
    mask_margin: int | None = None  # as `Engine.load`

    def __post_init__(self) -> None:
        if not self.checkpoint.is_file():
            raise CheckpointError(f"{self.checkpoint}: no such checkpoint; expected a .pt or .safetensors file")

    @cached_property
    def engine(self) -> Engine:
        return Engine.load(
            self.checkpoint,
            dtype=getattr(torch, self.precision),
            device=self.device_name,
            mask_margin=self.mask_margin,
        )

    @property
    def identity(self) -> dict[str, object]:
        told = {} if self.mask_margin is None else {"mask_margin": self.mask_margin}
        return {"checkpoint": file_digest(self.checkpoint), "dtype": self.precision, **told}

    @property
    def words(self) -> str:
        near = "" if self.mask_margin is None else f", patches within {self.mask_margin} px of the masks"
        name = BOX_WORDS if self.checkpoint == BOX else self.checkpoint.name
        return f"{name}, {self.precision}{near}"

    @property
    def device(self) -> torch.device:
        return device_of(self.device_name)

    def key(self, sample: str) -> str:
        return ""

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
    activated: Activated | None = None  # as `read_splats`
    read_as: tuple[Form, ...] = ()
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)  # `Splats.notes` of the samples that were read

    @property
    def identity(self) -> dict[str, object]:
        told: dict[str, object] = {} if self.activated is None else {"activated": self.activated}
        told |= {"read_as": list(self.read_as)} if self.read_as else {}
        return {"gaussians": str(self.path.resolve()), **told}

    @property
    def words(self) -> str:
        return f"Gaussians of {self.path.name}"

    def key(self, sample: str) -> str:
        return file_digest(self.file(sample))

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
        splats = read_splats(self.file(sample.name), self.activated, self.read_as)
        self.notes[sample.name] = splats.notes
        return Gaussians.from_splats(splats, self.device)


def device_of(name: str | None) -> torch.device:
    """By name; None: CUDA where there is one, else the CPU. ModelError for a device that is not there."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelError(f"device: expected cpu or cuda (cuda:1 for the second one), got {name!r}") from None
    if device.type not in ("cpu", "cuda"):
        raise ModelError(f"device: expected cpu or cuda, got {name!r}; renderers exist for these two")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= found:
        raise ModelError(f"device: {name} is not there: torch sees {found} CUDA devices; leave the device out, or cpu")
    return device
