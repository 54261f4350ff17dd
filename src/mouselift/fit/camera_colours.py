"""The colours of a rig's cameras: exposure and white balance differ, and a coat is patched by it, or a shape wrong.

For each camera and channel a gain and an offset lead from colours common to all cameras to its own: least squares over
quantiles of its subject's colours, mean of the instants given, against the mean of all cameras' quantiles. (Means and
spreads instead would follow a few highlights.) A camera sees one side of an animal at a time; over instants in which it
turns, that evens out. Every estimate also counts `PRIOR` instants in which all cameras are alike: of few instants, the
answer stays near "no difference".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mouselift.array_types import Float
from mouselift.data.sample import SampleTensors
from mouselift.errors import DatasetError
from mouselift.render.base import Rendering

PRIOR = 4.0  # instants: by choice, so that one instant's view of one side moves colours by a fifth
_SOLID = 0.99  # of alpha: pixels that hold no background
_FEWEST = 20  # such pixels, for a view to say something
_LEVELS = torch.linspace(0.1, 0.8, 8, dtype=torch.float64)  # quantiles: without the darkest edge and the highlights
_DOUBT = 0.05  # of colours: of a subject whose colours differ by less, no gain is learned


@dataclass(frozen=True)
class CameraColours:
    """camera -> (gain, offset) of red, green, blue: its colour = gain * common + offset."""

    cameras: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]]

    @property
    def words(self) -> str:
        """For a person."""

        def of(values: tuple[float, float, float]) -> str:
            return " ".join(f"{value:.3f}" for value in values)

        return "; ".join(f"{name}: gain {of(gain)}, offset {of(shift)}" for name, (gain, shift) in self.cameras.items())

    def common(self, sample: SampleTensors) -> SampleTensors:
        """The sample with its images in the common colours; the background stays."""
        image = sample.image.clone()
        for k, name in enumerate(sample.views):
            gain, offset = self._of(name)
            alpha, behind = image[k, 3], sample.background[:, None, None] * (1 - image[k, 3])
            image[k, :3] = ((image[k, :3] - behind - offset * alpha) / gain).clamp_min(0) + behind
        return replace(sample, image=image)

    def seen_by(self, name: str, drawn: Rendering, background: tuple[float, float, float]) -> Rendering:
        """A render in common colours over the background, as this camera shows it."""
        gain, offset = (part.to(drawn.colour) for part in self._of(name))
        behind = torch.tensor(background).to(drawn.colour)[:, None, None] * (1 - drawn.alpha)
        return Rendering(gain * (drawn.colour - behind) + offset * drawn.alpha + behind, drawn.alpha)

    def _of(self, name: str) -> tuple[Float[Tensor, "3 1 1"], Float[Tensor, "3 1 1"]]:
        if name not in self.cameras:
            raise DatasetError(f"camera {name}: its colours are not known; known are {', '.join(self.cameras)}")
        gain, offset = self.cameras[name]
        return torch.tensor(gain)[:, None, None], torch.tensor(offset)[:, None, None]


def camera_colours(samples: Iterable[SampleTensors]) -> CameraColours:
    """From the subjects of these instants. DatasetError where no camera shows one, or a view has no mask."""
    sums: dict[str, list[Tensor]] = {}
    for sample in samples:
        for k, name in enumerate(sample.views):
            if bool((sample.image[k, 3] == 1).all()):
                raise DatasetError(
                    f"sample {sample.name}, view {name}: expected a mask (alpha), got an image without any transparent "
                    "pixel; a camera's colours are estimated from the subject alone: see `mouselift mask`"
                )
            solid = sample.image[k, 3] >= _SOLID
            mine = sums.setdefault(name, [])
            if int(solid.sum()) >= _FEWEST:
                mine.append(torch.quantile(sample.image[k, :3, solid].double(), _LEVELS, dim=1))
    found = {name: torch.stack(mine).mean(dim=0) for name, mine in sums.items() if mine}
    if not found:
        raise DatasetError("camera colours: no view shows a subject with a mask")
    common = torch.stack(list(found.values())).mean(dim=0)
    out = {}
    for name, mine in sums.items():
        if name not in found:
            out[name] = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
            continue
        gain, offset = _affine(common, found[name], len(mine) / (len(mine) + PRIOR))
        out[name] = tuple(gain.tolist()), tuple(offset.tolist())
    return CameraColours(out)


def _affine(
    common: Float[Tensor, "q 3"], own: Float[Tensor, "q 3"], trust: float
) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """(gain, offset) with own = gain * common + offset, a share `trust` of the way from no difference."""
    middle, extra = common.mean(dim=0), own - common
    away = common - middle
    gain = (away * extra).sum(dim=0) / (away.square().sum(dim=0) + len(common) * _DOUBT**2)
    return 1 + trust * gain, trust * (extra.mean(dim=0) - gain * middle)
