"""The colours of a rig's cameras: exposure and white balance differ, and a fit takes the difference for shape.

For each camera and channel a gain and an offset lead from colours common to all cameras to its own. They make mean and
spread of its subject's colours, over the instants given, those of the mean camera. A camera sees one side of an animal
at a time; over instants in which it turns, that evens out. Every estimate also counts `PRIOR` instants in which all
cameras are alike: of few instants, the answer stays near "no difference".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mouselift.data.sample import SampleTensors
from mouselift.errors import DatasetError
from mouselift.render.base import Rendering

PRIOR = 4.0  # instants: by choice, so that one instant's view of one side moves colours by a fifth
_SOLID = 0.99  # of alpha: pixels that hold no background
_FEWEST = 20  # such pixels, for a view to say something


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
    """From the subjects of these instants. DatasetError where no camera shows one."""
    sums: dict[str, list[Tensor]] = {}
    for sample in samples:
        for k, name in enumerate(sample.views):
            solid = sample.image[k, 3] >= _SOLID
            mine = sums.setdefault(name, [])
            if int(solid.sum()) >= _FEWEST:
                pixels = sample.image[k, :3, solid].double()
                mine.append(torch.stack([pixels.mean(dim=1), pixels.square().mean(dim=1)]))
    found = {name: torch.stack(mine).mean(dim=0) for name, mine in sums.items() if mine}
    if not found:
        raise DatasetError("camera colours: no view shows a subject with a mask")
    mean, spread = _moments(torch.stack(list(found.values())).mean(dim=0))
    out = {}
    for name, mine in sums.items():
        if name not in found:
            out[name] = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
            continue
        trust = len(mine) / (len(mine) + PRIOR)
        own_mean, own_spread = _moments(found[name])
        gain = 1 + trust * (own_spread / spread - 1)
        offset = trust * (own_mean - mean) + (1 - gain) * mean
        out[name] = tuple(gain.tolist()), tuple(offset.tolist())
    return CameraColours(out)


def _moments(sums: Float[Tensor, "2 3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """(mean, standard deviation), of a mean and a mean of squares."""
    return sums[0], (sums[1] - sums[0].square()).clamp_min(1e-6).sqrt()
