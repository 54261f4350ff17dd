"""What an audit looks at: the views of one sample, from memory or from any FaceLift-format folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mouselift.array_types import ImageRGB, Levels
from mouselift.geometry.camera import Camera


@dataclass(frozen=True, eq=False)
class View:
    """One view: the camera that its file states, and the image that came with it."""

    name: str  # of the camera
    camera: Camera  # pinhole, sample world, of the image's real size
    alpha: Levels  # [h, w], 0 background .. 255 subject
    colours: ImageRGB | None = None  # only where a check asks for them
    cut: bool | None = None  # the sensor had cut the subject before any framing; None: nobody wrote it down
    path: Path | None = None  # of the image


@dataclass(frozen=True, eq=False)
class SampleViews:
    """One sample. `frame` is the source frame where it is known: neighbouring samples are near in time."""

    id: str
    views: tuple[View, ...]
    frame: int | None = None
    folder: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(view.name for view in self.views)
