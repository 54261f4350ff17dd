"""A network, ready to run: loaded, on its device, in its precision; and drawing what it made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mouselift.data.sample import SampleTensors
from mouselift.errors import ModelError
from mouselift.geometry.camera import Camera
from mouselift.models.gslrm.facelift import load_gslrm
from mouselift.models.gslrm.memory import check_memory
from mouselift.models.gslrm.model import GSLRM
from mouselift.progress import Progress, silent
from mouselift.render.base import WHITE, Colour, Gaussians, Renderer, Rendering, View
from mouselift.render.choose import make_renderer

_DTYPES = (torch.float32, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class Engine:
    """A loaded network, the device it lives on, its precision."""

    model: GSLRM
    device: torch.device
    dtype: torch.dtype  # of the trunk's linear layers; all else is float32

    @classmethod
    def load(cls, checkpoint: Path, *, dtype: torch.dtype = torch.float32, device: str | None = None) -> Engine:
        """From a checkpoint file (`models.gslrm.facelift.load_gslrm`, CheckpointError as there).

        device: "cpu", "cuda", "cuda:1"; None: CUDA where there is one, else the CPU. ModelError for a device that is
        not there, and for a precision other than float32 and bfloat16.
        """
        if dtype not in _DTYPES:
            raise ModelError(f"expected float32 or bfloat16, got {dtype}; other precisions were not tested")
        place = device_of(device)
        return cls(load_gslrm(checkpoint).lower_precision(dtype).requires_grad_(False).to(place), place, dtype)

    @property
    def held(self) -> int:
        """Bytes that the weights take already."""
        return sum(weight.numel() * weight.element_size() for weight in self.model.parameters())

    def memory(self, views: int, height: int, width: int) -> int:
        """Bytes that one sample of this size takes at the peak, weights included.

        ModelError, with both figures, where more than that is not free on the device (weights are there already), and
        where the size is none that the network takes.
        """
        self.check_size("the sample", height, width)
        return check_memory(
            self.model.config, views, height, width, dtype=self.dtype, device=self.device, held=self.held
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
        (`models.gslrm.tokenizer`). On the engine's device, float32, without gradients. ModelError as `memory`, and for
        views that the sample does not have.
        """
        chosen = sample.inputs.tolist() if inputs is None else list(inputs)
        if not chosen or not all(0 <= k < len(sample.views) for k in chosen) or len(set(chosen)) < len(chosen):
            raise ModelError(
                f"sample {sample.name}: expected different input views among 0 .. {len(sample.views) - 1}, got {chosen}"
            )
        height, width = sample.image.shape[-2:]
        self.check_size(f"sample {sample.name}", height, width)
        self.memory(len(chosen), height, width)
        with torch.no_grad():
            parts = (sample.image, sample.c2w, sample.fxfycxcy)
            image, c2w, fxfycxcy = (part[chosen][None].to(self.device) for part in parts)
            made = self.model(image, c2w, fxfycxcy, progress)
            return Gaussians.from_stored(
                made.xyz[0], made.features[0], made.opacity[0, :, 0], made.scaling[0], made.rotation[0]
            )

    def renderer(self) -> Renderer:
        """The fastest for the device: gsplat on CUDA, else the compiled one. MissingExtraError as `make_renderer`."""
        return make_renderer("gsplat" if self.device.type == "cuda" else "cpu")


def draw(renderer: Renderer, gaussians: Gaussians, camera: Camera | View, background: Colour = WHITE) -> Rendering:
    """The image that a camera takes, without gradients. CalibrationError as `View.of`."""
    view = camera if isinstance(camera, View) else View.of(camera)
    with torch.no_grad():
        return renderer.render(gaussians, view, background)


def view_of(sample: SampleTensors, place: int) -> View:
    """The camera of one of a sample's views, for renderers."""
    height, width = sample.image.shape[-2:]
    T_cam_world = torch.linalg.inv(sample.c2w[place].double())
    return View(T_cam_world, sample.fxfycxcy[place].double(), width, height)


def background_of(sample: SampleTensors) -> Colour:
    """What a sample's views were laid on."""
    red, green, blue = sample.background.tolist()
    return red, green, blue


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
