"""A FaceLift-format dataset as a source of frames: each sample an instant, its alpha the mask, its cameras the rig.

Layout: folders with `opencv_cameras.json` and square images, gathered in one folder or listed in a text file
(`data_train.txt`, one folder a line). Every sample may have its own world, so cameras differ from frame to frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mouselift.array_types import ImageRGB, Levels
from mouselift.calibration.facelift import SampleView, read_cameras_json
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.errors import CalibrationError, DatasetError, MouseliftError
from mouselift.findings import Finding
from mouselift.media.frames import FrameSet, ViewFrame, number_of
from mouselift.media.images import ArrayImage, eight_bits

_SAMPLES_PER_BLOCK = 16  # samples can be read in any order: small enough to keep all workers busy
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, eq=False)
class DatasetSample:
    """One sample's folder and views, checked against its files."""

    folder: Path
    views: tuple[SampleView, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(view.camera.name for view in self.views)


def read_sample(folder: Path) -> DatasetSample:
    """A sample, its images' sizes compared with its cameras; nothing is decoded.

    DatasetError names file, frame and key: malformed cameras, a missing image, an image that is not square or not
    of the size that its camera says.
    """
    file = folder / CAMERAS_FILE
    if not file.is_file():
        raise DatasetError(f"{folder}: expected a sample, a folder with {CAMERAS_FILE}, which is not there")
    try:
        views, _ = read_cameras_json(file)
    except CalibrationError as error:
        raise DatasetError(str(error)) from None
    names = [view.camera.name for view in views]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetError(f"{file}: expected every view once, got {', '.join(twice)} more than once")
    for index, view in enumerate(views):
        where = f"{file}: frames[{index}]"
        if view.camera.width != view.camera.height:
            raise DatasetError(
                f"{where}: expected a square image (the model's loaders do), got w = {view.camera.width}, "
                f"h = {view.camera.height}"
            )
        image = folder / view.file_path
        if not image.is_file():
            raise DatasetError(f"{where}: file_path: no such image: {image}")
        _check_size(where, image, view, _png_size(image))
    return DatasetSample(folder, tuple(views))


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
        self.samples: Mapping[int, DatasetSample] = dict(_usable(folders, numbers, findings))
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

    def blocks(self, frames: Sequence[int]) -> list[list[int]]:
        return [list(frames[i : i + _SAMPLES_PER_BLOCK]) for i in range(0, len(frames), _SAMPLES_PER_BLOCK)]

    def read(self, frames: Sequence[int], images: bool = True) -> Iterator[FrameSet]:
        """As `FrameSource.read`. An image that cannot be decoded is None, and `where` says why."""
        for frame in frames:
            if frame not in self.samples:
                raise DatasetError(f"{self.path}: no sample has frame number {frame}")
            sample = self.samples[frame]
            by_name = {view.camera.name: view for view in sample.views}
            ordered = [by_name[name] for name in self._cameras if name in by_name]
            yield FrameSet(int(frame), tuple(_view_frame(sample, view, int(frame), images) for view in ordered))

    def close(self) -> None:
        """Nothing stays open between frames."""


def _view_frame(sample: DatasetSample, view: SampleView, frame: int, images: bool) -> ViewFrame:
    file = sample.folder / view.file_path
    where = f"{view.camera.name} ({file}) frame {frame}"
    try:
        colours, mask = _decoded(file)
        _check_size(where, file, view, (colours.shape[1], colours.shape[0]))
    except MouseliftError as error:
        return ViewFrame(view.camera, None, None, f"{where}: {error}")
    return ViewFrame(view.camera, ArrayImage(colours) if images else None, mask, where)


def _decoded(file: Path) -> tuple[ImageRGB, Levels | None]:
    """Colours, and alpha where the file has it; 16 bits (FaceLift's own samples) are rounded to 8."""
    data = np.fromfile(file, dtype=np.uint8) if file.is_file() else np.empty(0, dtype=np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise DatasetError(f"{file}: cannot be decoded as an image; missing, empty or truncated?")
    if image.dtype not in (np.uint8, np.uint16):
        raise DatasetError(f"{file}: expected 8 or 16 bits a channel, got {image.dtype}")
    levels = eight_bits(image)
    if levels.ndim == 2:
        return np.asarray(cv2.cvtColor(levels, cv2.COLOR_GRAY2RGB)), None
    if levels.shape[2] == 3:
        return np.asarray(cv2.cvtColor(levels, cv2.COLOR_BGR2RGB)), None
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_BGRA2RGB)), np.asarray(cv2.extractChannel(levels, 3))


def _usable(
    folders: Sequence[Path], numbers: Sequence[int], findings: list[Finding]
) -> Iterator[tuple[int, DatasetSample]]:
    """(frame, sample) by ascending frame; what cannot be used becomes a finding."""
    for number, folder in sorted(zip(numbers, folders, strict=True)):
        try:
            yield number, read_sample(folder)
        except DatasetError as error:
            findings.append(Finding.of("sample-unusable", str(error), frame=number))


def _frame_numbers(folders: Sequence[Path]) -> list[int]:
    """Trailing digits of the folders' names where all have them and none twice; else their places."""
    numbers = [number_of(folder.name) for folder in folders]
    given = [number for number in numbers if number is not None]
    if len(given) == len(folders) == len(set(given)):
        return given
    return list(range(len(folders)))


def _check_size(where: str, image: Path, view: SampleView, size: tuple[int, int] | None) -> None:
    expected = (view.camera.width, view.camera.height)
    if size is not None and size != expected:
        raise DatasetError(
            f"{where}: {image} is {size[0]}x{size[1]}, its camera says w = {expected[0]}, h = {expected[1]}"
        )


def _png_size(file: Path) -> tuple[int, int] | None:
    """(width, height) from a PNG's header; None for other formats, which are compared when they are decoded."""
    with file.open("rb") as stream:
        head = stream.read(24)
    if len(head) < 24 or not head.startswith(_PNG_HEAD):
        return None
    width, height = struct.unpack(">II", head[16:24])
    return int(width), int(height)
