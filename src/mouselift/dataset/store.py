"""Where samples come from when they are trained on: a folder each, or shards. Readers do not know which."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.dataset.sample import Sample, read_sample
from mouselift.media.png import content_of


@dataclass(frozen=True)
class SampleFacts:
    """What is asked of a sample before its images are read."""

    name: str
    views: tuple[str, ...]  # cameras, in the order of the sample's file
    side: int  # pixels, of the first view
    cameras_sha256: str  # of the cameras file
    images: tuple[tuple[str, int], ...]  # of the views: file name, bytes


@runtime_checkable
class OpenSample(Protocol):
    """One sample that is being read."""

    @property
    def sample(self) -> Sample:
        """As `read_sample` gives it."""
        ...

    def image(self, place: int) -> bytes:
        """The file of view `place`."""
        ...


@runtime_checkable
class SampleStore(Protocol):
    """Samples by place, read in any order, from any process. DatasetError names what cannot be read."""

    @property
    def names(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...

    def take(self, places: Iterable[int]) -> SampleStore:
        """These samples, in this order."""
        ...

    def facts(self, place: int) -> SampleFacts: ...

    def open(self, place: int) -> OpenSample: ...


@dataclass(frozen=True, eq=False)
class FolderStore:
    """`SampleStore` over sample folders."""

    folders: tuple[Path, ...]

    @property
    def names(self) -> Sequence[str]:
        return tuple(folder.name for folder in self.folders)

    def __len__(self) -> int:
        return len(self.folders)

    def take(self, places: Iterable[int]) -> FolderStore:
        return FolderStore(tuple(self.folders[place] for place in places))

    def facts(self, place: int) -> SampleFacts:
        folder = self.folders[place]
        views = read_sample(folder).views
        return SampleFacts(
            folder.name,
            tuple(view.name for view in views),
            views[0].camera.width,
            hashlib.sha256(content_of(folder / CAMERAS_FILE)).hexdigest(),
            tuple((view.path.name, view.path.stat().st_size) for view in views),
        )

    def open(self, place: int) -> OpenFolder:
        return OpenFolder(read_sample(self.folders[place]))


@dataclass(frozen=True, eq=False)
class OpenFolder:
    """A sample whose files are read when they are asked for."""

    sample: Sample

    def image(self, place: int) -> bytes:
        return content_of(self.sample.views[place].path)
