"""One sample and its views in memory, and reading one that must be whole: home of a sample for everyone.

`read_sample` wants the sample whole, and decodes nothing; `foreign_sample.load_sample` takes what is there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

import numpy as np

from mouselift.array_types import ImageRGB, Levels
from mouselift.calibration.facelift import SampleFile, ViewEntry, read_entries
from mouselift.dataset.layout import CAMERAS_FILE, is_file, lies_inside
from mouselift.errors import CalibrationError, DatasetError
from mouselift.findings import Details, Finding
from mouselift.foreign import first_few, json_of, repeated
from mouselift.geometry.camera import Camera
from mouselift.keypoints.keypoints import SampleKeypoints
from mouselift.media.decoding import SIGNATURE
from mouselift.media.numbered_names import number_of

OUTSIDE = "leads to {}, outside the sample's folder; it is not opened. Copy the image into the folder"
UNREAD = "mouselift: not as mouselift writes it; nothing of it is read"
_NAMED = 4  # views that a message names


@dataclass(frozen=True, eq=False)
class View:
    """One view: the camera that its file states, and the image that came with it."""

    name: str  # of the camera
    camera: Camera  # pinhole, sample world, of the image's real size
    alpha: Levels = field(default_factory=lambda: np.zeros((0, 0), dtype=np.uint8))
    """[h, w], 0 background .. 255 subject; [0, 0] from `read_sample`"""
    colours: ImageRGB | None = None  # only where a check asks for them
    cut: bool | None = None  # the sensor had cut the subject before any framing; None: nobody wrote it down
    path: Path = Path()  # of the image; Path() where it is in memory only
    digest: int = 0  # of the image's file, by `load_sample`: equal for equal files


@dataclass(frozen=True, eq=False)
class Sample:
    """One instant from all sides. `frame` is the source frame where it is known: neighbours are near in time.

    >>> sample = load_sample(Path("out/mouse7/sample_000786"))  # doctest: +SKIP
    >>> sample.views[0].alpha.shape  # doctest: +SKIP
    (512, 512)
    """

    id: str
    views: tuple[View, ...]
    frame: int | None = None
    folder: Path | None = None
    unseen: tuple[Camera, ...] = ()  # of views that came without a usable silhouette
    findings: tuple[Finding, ...] = ()  # about the files, by `load_sample`
    preset: str | None = None  # of mouselift's own record; None where `mouselift repair` has changed the cameras since
    plan: bytes = b""  # mouselift's own `SamplePlan` as JSON
    keypoints: SampleKeypoints | None = None  # of the recording, where it had some at this instant

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Of all views: those of `views`, then the unseen ones."""
        return (*(view.camera for view in self.views), *self.unseen)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(view.name for view in self.views)

    def finding(self, code: str, text: str, **details: Unpack[Details]) -> Finding:
        """`Finding.of` about this sample, which its message names first."""
        return Finding.of(code, f"{self.id}: {text}", frame=self.frame, sample=self.id, **details)


def read_sample(folder: Path) -> Sample:
    """A sample for code that needs every view: its images' sizes are compared with its cameras, nothing is decoded.

    DatasetError names file, frame and key: malformed cameras, a missing image, an image that is not square or not
    of the size that its camera says.
    """
    file = folder / CAMERAS_FILE
    if not file.is_file():
        raise DatasetError(f"{folder}: expected a sample, a folder with {CAMERAS_FILE}, which is not there")
    views, content = _whole_views(file, None)
    for index, view in enumerate(views):
        where = f"{file}: frames[{index}]"
        image = folder / view.file_path
        if not lies_inside(folder, image):
            raise DatasetError(f"{where}: file_path {view.file_path!r}: {OUTSIDE.format(image)}")
        if not is_file(image):
            raise DatasetError(f"{where}: file_path: no such image: {image}")
        check_size(where, image, view.camera, _png_size(image))
    found = tuple(View(v.camera.name, v.camera, path=folder / v.file_path) for v in views)
    if content.mouselift is not None and content.mouselift.unread:
        raise DatasetError(f"{file}: {UNREAD}")
    try:
        keypoints = keypoints_of(content)
    except ValueError as error:
        raise DatasetError(f"{file}: mouselift.keypoints: {error}") from None
    return Sample(folder.name, found, number_of(folder.name), folder, keypoints=keypoints)


def keypoints_of(content: SampleFile) -> SampleKeypoints | None:
    """ValueError where there is a record that is not as `prepare` writes it."""
    text = bytes(content.mouselift.keypoints) if content.mouselift is not None else b""
    record = json_of(text) if text else None
    return None if record is None else SampleKeypoints.from_record(record)


def read_views(file: Path, data: bytes | None = None) -> list[ViewEntry]:
    """All views of a cameras file. data: its bytes, where they are at hand.

    DatasetError: malformed, a view twice, or an image that is not square.
    """
    return _whole_views(file, data)[0]


def _whole_views(file: Path, data: bytes | None) -> tuple[list[ViewEntry], SampleFile]:
    """(as `read_views`, the file's content)."""
    try:
        views, content = read_entries(file, data)
    except CalibrationError as error:
        raise DatasetError(str(error)) from None
    names = [view.camera.name for view in views]
    twice = sorted(repeated(names))
    if twice:
        raise DatasetError(f"{file}: expected every view once, got {first_few(twice, _NAMED)} more than once")
    for index, view in enumerate(views):
        if view.camera.width != view.camera.height:
            raise DatasetError(
                f"{file}: frames[{index}]: expected a square image (the model's loaders do), got w = "
                f"{view.camera.width}, h = {view.camera.height}"
            )
    return views, content


def check_size(where: str, image: Path, camera: Camera, size: tuple[int, int] | None) -> None:
    """DatasetError where an image is known to have another size than its camera says."""
    expected = (camera.width, camera.height)
    if size is not None and size != expected:
        raise DatasetError(
            f"{where}: {image} is {size[0]}x{size[1]}, its camera says w = {expected[0]}, h = {expected[1]}"
        )


def _png_size(file: Path) -> tuple[int, int] | None:
    """(width, height) from a PNG's header; None for other formats, which are compared when they are decoded."""
    with file.open("rb") as stream:
        head = stream.read(24)
    if len(head) < 24 or not head.startswith(SIGNATURE):
        return None
    width, height = struct.unpack(">II", head[16:24])
    return int(width), int(height)
