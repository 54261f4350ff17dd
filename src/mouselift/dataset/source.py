"""A FaceLift-format dataset as a source of frames: each sample an instant, its alpha the mask, its cameras the rig.

Layout: folders with `opencv_cameras.json` and square images, gathered in one folder or listed in a text file
(`data_train.txt`, one folder a line). Every sample may have its own world, so cameras differ from frame to frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mouselift.array_types import Array, Int64
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.dataset.sample import Sample, View, check_size, read_sample
from mouselift.errors import DatasetError, MouseliftError, UnreachableError
from mouselift.findings import Finding
from mouselift.media.images import ArrayImage, FrameSet, ViewFrame, require_readable
from mouselift.media.numbered_names import number_of
from mouselift.media.png import read_rgb_alpha

_SAMPLES_PER_BLOCK = 16  # samples can be read in any order: small enough to keep all workers busy


class DatasetSource:
    """`FrameSource` over a dataset. A sample's frame is the number at the end of its folder's name, or its place.

    Opening it checks every sample; those that cannot be used are left out and named in `findings`. A `FrameSet` holds
    the views that its sample has, in the order of `cameras`. DatasetError where no sample is usable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        folders = find_samples(self.path)
        numbers = _frame_numbers(folders)
        findings: list[Finding] = []
        self.samples: Mapping[int, Sample] = dict(_usable(folders, numbers, findings))
        self.findings = tuple(findings)
        if not self.samples:
            raise DatasetError(
                f"{path}: none of its {len(folders)} samples can be used; the first: {findings[0].message}"
            )
        self._cameras = tuple(dict.fromkeys(name for sample in self.samples.values() for name in sample.names))

    @property
    def cameras(self) -> tuple[str, ...]:
        return self._cameras

    @property
    def frames(self) -> Sequence[int]:
        return tuple(self.samples)

    @property
    def rate(self) -> float:
        return 0.0

    @property
    def files(self) -> tuple[Path, ...]:
        """What tells this dataset from another: its folder or list file."""
        return (self.path,)

    def blocks(self, frames: Sequence[int] | Int64[Array, " f"]) -> list[Sequence[int]]:
        numbers = [int(frame) for frame in frames]
        return [numbers[i : i + _SAMPLES_PER_BLOCK] for i in range(0, len(numbers), _SAMPLES_PER_BLOCK)]

    def read(self, frames: Sequence[int], images: bool = True) -> Iterator[FrameSet]:
        """As `FrameSource.read`. An image that cannot be decoded is None, and `where` says why."""
        for frame in frames:
            if frame not in self.samples:
                raise DatasetError(f"{self.path}: no sample has frame number {frame}")
            sample = self.samples[frame]
            by_name = {view.camera.name: view for view in sample.views}
            ordered = [by_name[name] for name in self._cameras if name in by_name]
            yield FrameSet(int(frame), tuple(_view_frame(view, int(frame), images) for view in ordered))

    def close(self) -> None:
        """Nothing stays open between frames."""


def _view_frame(view: View, frame: int, images: bool) -> ViewFrame:
    file = view.path
    where = f"{view.camera.name} ({file}) frame {frame}"
    try:
        colours, mask = read_rgb_alpha(file)
        check_size(where, file, view.camera, (colours.shape[1], colours.shape[0]))
    except UnreachableError:
        raise
    except MouseliftError as error:
        require_readable(file)  # only what is there and damaged is missing
        return ViewFrame(view.camera, None, None, f"{where}: {error}")
    return ViewFrame(view.camera, ArrayImage(colours) if images else None, mask, where)


def _usable(folders: Sequence[Path], numbers: Sequence[int], findings: list[Finding]) -> Iterator[tuple[int, Sample]]:
    """(frame, sample) by ascending frame; what cannot be used becomes a finding."""
    for number, folder in sorted(zip(numbers, folders, strict=True)):
        try:
            yield number, read_sample(folder)
        except DatasetError as error:
            require_readable(folder / CAMERAS_FILE)
            findings.append(Finding.of("sample-unusable", str(error), frame=number))


def _frame_numbers(folders: Sequence[Path]) -> list[int]:
    """Trailing digits of the folders' names where all have them and none twice; else their places."""
    numbers = [number_of(folder.name) for folder in folders]
    given = [number for number in numbers if number is not None]
    if len(given) == len(folders) == len(set(given)):
        return given
    return list(range(len(folders)))
