"""One sample and its views, from memory or from any folder in FaceLift's format: home of a sample for everyone.

`load_sample` reads whatever tool wrote the folder: what is broken becomes findings, not a crash. Views whose camera
cannot exist, and views without a usable silhouette, are left out of `Sample.views` and named in `Sample.findings`. An
image's real size counts, not the `w` and `h` of its file. `read_sample` wants the sample whole, and decodes nothing.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Unpack

import cv2
import numpy as np

from mouselift.array_types import ImageRGB, Levels
from mouselift.calibration.facelift import (
    SampleFile,
    ViewEntry,
    check_frame,
    read_entries,
    read_sample_file,
    same_cameras,
)
from mouselift.dataset.alpha_checks import inverted
from mouselift.dataset.layout import CAMERAS_FILE, is_file, lies_inside
from mouselift.errors import CalibrationError, DatasetError, UnreachableError
from mouselift.findings import Details, Finding
from mouselift.foreign import first_few, is_whole, json_of, repeated, short
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.keypoints.keypoints import SampleKeypoints
from mouselift.media.decoding import SIGNATURE
from mouselift.media.images import require_readable
from mouselift.media.numbered_names import number_of
from mouselift.media.png import AlphaImage, read_alpha, read_colours

_GROUND_SHARE = 0.5  # of the image's border must be exactly white or black for a mask to be derived from it
_OUTSIDE = "leads to {}, outside the sample's folder; it is not opened. Copy the image into the folder"
_FAINT = 224  # of 255: a lossy or resampled edge takes less from a subject's middle
_NAMED = 4  # views that a message names
_UNREAD = "mouselift: not as mouselift writes it; nothing of it is read"
_GROUNDS = {"white": 255, "black": 0}


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
            raise DatasetError(f"{where}: file_path {view.file_path!r}: {_OUTSIDE.format(image)}")
        if not is_file(image):
            raise DatasetError(f"{where}: file_path: no such image: {image}")
        check_size(where, image, view.camera, _png_size(image))
    found = tuple(View(v.camera.name, v.camera, path=folder / v.file_path) for v in views)
    if content.mouselift is not None and content.mouselift.unread:
        raise DatasetError(f"{file}: {_UNREAD}")
    try:
        keypoints = _keypoints(content)
    except ValueError as error:
        raise DatasetError(f"{file}: mouselift.keypoints: {error}") from None
    return Sample(folder.name, found, number_of(folder.name), folder, keypoints=keypoints)


def _keypoints(content: SampleFile) -> SampleKeypoints | None:
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


def load_sample(folder: Path, colours: bool = False, *, name: str | None = None) -> Sample:
    """Reads one sample folder, of any tool. What is wrong with its files is in `Sample.findings`.

    UnreachableError where one of them cannot be read now; nothing else is raised.

    Views whose camera cannot exist are left out; those without a usable silhouette give their camera to
    `Sample.unseen`. colours: keep the images' colours in `View.colours` (slower by a decode a view). name: of the
    sample, in place of the folder's (`layout.sample_names`).
    """
    name, file = name or folder.name, folder / CAMERAS_FILE
    try:
        content = read_sample_file(file)
    except CalibrationError as error:
        _require_reachable(file)
        broken = Finding.of("bad-file", str(error), sample=name)
        return Sample(name, (), number_of(name), folder, findings=(broken,))
    record, preset = _own_record(content)
    frame = record.get("frame") if is_whole(record.get("frame")) else number_of(name)
    findings: list[Finding] = []
    if content.mouselift is not None and content.mouselift.unread:
        findings.append(Finding.of("bad-record", f"{file}: {_UNREAD}", sample=name))
    cut = _known_cuts(record)
    if cut is None:
        text = f"{file}: mouselift.record.views: expected cameras by name, got {short(record['views'])}"
        findings.append(Finding.of("bad-record", text, sample=name))
    keypoints = None
    try:
        keypoints = _keypoints(content)
    except ValueError as error:
        findings.append(Finding.of("bad-record", f"{file}: mouselift.keypoints: {error}", sample=name))
    views: list[View] = []
    for entry in _usable_entries(name, file, content, findings):
        view = _load_view(name, folder, entry, findings, colours)
        views.append(replace(view, cut=(cut or {}).get(entry.camera.name)))
    views, copies = _without_copies(name, views)
    findings += copies
    findings += same_cameras(name, [view.camera for view in views])
    seen = tuple(view for view in views if view.alpha.size)
    findings += _same_images(name, seen)
    findings += _assumed(name, content)
    sizes = sorted({f"{view.camera.width}x{view.camera.height}" for view in views})
    if len(sizes) > 1:
        text = f"{file}: images of several sizes: {', '.join(sizes)}"
        findings.append(Finding.of("sizes-differ", text, sample=name))
    unseen = tuple(view.camera for view in views if not view.alpha.size)
    plan = bytes(content.mouselift.plan) if content.mouselift else b""
    return Sample(name, seen, frame, folder, unseen, tuple(findings), preset, plan, keypoints)


def _own_record(content: SampleFile) -> tuple[dict[str, Any], str | None]:
    if content.mouselift is None:
        return {}, None
    preset = content.mouselift.provenance.get("preset") if content.mouselift.repair is None else None
    return content.mouselift.record, preset if isinstance(preset, str) else None


def _known_cuts(record: Mapping[str, Any]) -> dict[str, bool] | None:
    """Whether the sensor cut the subject, by camera; None where the record is not as `prepare` writes it."""
    views = record.get("views", [])
    if not isinstance(views, list) or not all(isinstance(v, dict) and isinstance(v.get("camera"), str) for v in views):
        return None
    return {v["camera"]: v["cut"] for v in views if isinstance(v.get("cut"), bool)}


def _assumed(name: str, content: SampleFile) -> Iterator[Finding]:
    """What `mouselift repair` wrote down where silhouettes alone did not decide how cameras were to be corrected."""
    repair = None if content.mouselift is None else content.mouselift.repair
    others = [] if repair is None else repair.get("ambiguous_with")
    if repair is None or repair.get("status") != "repaired" or not isinstance(others, list) or not others:
        return
    text = (
        f"{name}: its cameras were repaired as {repair.get('cause')}; {', '.join(map(str, others))} would explain the "
        f"silhouettes as well, so that they agree now does not show that the cameras are right; what decides: "
        f"{repair.get('decided_by') or 'the original calibration'}"
    )
    yield Finding.of("repair-assumed", text, sample=name)


def _usable_entries(name: str, file: Path, content: SampleFile, findings: list[Finding]) -> list[ViewEntry]:
    """The entries whose camera can exist, with names made distinct."""
    out: list[ViewEntry] = []
    for index, entry in enumerate(content.frames):
        view, found = check_frame(name, file, index, entry)
        findings += found
        if view is None:
            continue
        if view.camera.name in {other.camera.name for other in out}:
            text = f"{file}: frames[{index}]: a second view is called {view.camera.name}"
            findings.append(Finding.of("same-name", text, camera=view.camera.name, sample=name))
            view = replace(view, camera=replace(view.camera, name=f"{view.camera.name}#{index}"))
        out.append(view)
    numbers = [view.view_id for view in out]
    if numbers != sorted(set(numbers)):
        text = f"{file}: view_id: expected ascending numbers, each once, got {short(numbers)}"
        advice = "Loaders take views by their place: keep one order in all samples."
        findings.append(Finding.of("view-order", text, sample=name, advice=advice))
    return out


def _load_view(name: str, folder: Path, entry: ViewEntry, findings: list[Finding], colours: bool) -> View:
    """A view of its image's real size; without alpha where it gives no silhouette, and a finding says why."""
    camera = entry.camera
    path, misplaced = _image_path(folder, entry.file_path)

    def note(code: str, text: str, advice: str | None = None, value: float | None = None) -> None:
        text = f"{path}: {text}"
        findings.append(Finding.of(code, text, camera=camera.name, sample=name, value=value, advice=advice))

    if misplaced:
        found = Finding.of("file-path", f"{name}: {misplaced}", camera=camera.name, sample=name)
        findings.append(found)
    blank = View(camera.name, camera, path=path)
    if misplaced and not lies_inside(folder, path):
        return blank
    if not is_file(path):
        _require_reachable(path)
        note("missing-image", "no such image")
        return blank
    try:
        image = read_alpha(path)
    except DatasetError as error:
        _require_reachable(path)
        note("bad-image", str(error).removeprefix(f"{path}: "))
        return blank
    if (image.width, image.height) != (camera.width, camera.height):
        text = f"is {image.width}x{image.height}, its camera says w = {camera.width}, h = {camera.height}"
        note("size-mismatch", text)
        camera = replace(camera, width=image.width, height=image.height)
    try:
        alpha, shown = _silhouette(image, path, note), read_colours(path) if colours else None
    except DatasetError as error:  # its header is whole, its colours are not
        _require_reachable(path)
        note("bad-image", str(error).removeprefix(f"{path}: "))
        return replace(blank, camera=camera)
    if image.width != image.height:
        note("not-square", f"{image.width}x{image.height}")
    if image.alpha is not None and image.mode != "RGBA":
        ground = "that transparent colour" if image.mode in ("RGB", "L") else "the colours under it, mostly black,"
        text = f"its alpha is stored as Pillow's mode {image.mode}, and FaceLift's loader takes alpha from RGBA only: "
        note("alpha-not-read", f"{text}it gets 3 channels without a mask, and {ground} for ground")
    if not image.orientation.as_stored:
        note("orientation-tag", f"EXIF says {image.orientation.words}; stored pixels are what loaders and audit see")
    if alpha is None:
        return replace(blank, camera=camera)
    return View(camera.name, camera, alpha, shown, None, path, image.digest)


def _require_reachable(path: Path) -> None:
    """UnreachableError where a file cannot be read now: what is there and damaged, or is not there, is a finding."""
    try:
        there = path.is_file()
    except ValueError:  # no path
        return
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return
        raise UnreachableError.because(path, f"cannot be read now ({error.strerror or error})") from error
    if there:
        require_readable(path)


def _image_path(folder: Path, file_path: str) -> tuple[Path, str]:
    """(the image, what is wrong with where it is said to be: "" where nothing is).

    Loaders open the folder's name, a slash and file_path. Where that is not there, the ends of an absolute or a foreign
    path are tried within the folder. What lies outside is never opened: a dataset of others could name any file.
    """
    path = Path(f"{folder}/{file_path}")
    if not lies_inside(folder, path):
        end = file_path if "\0" in file_path else os.path.realpath(path)  # which takes no NUL
        return path, f"file_path {file_path!r}: {_OUTSIDE.format(end)}"
    if is_file(path):
        return path, ""
    parts = PureWindowsPath(file_path).parts if "\\" in file_path else PurePosixPath(file_path).parts
    tried = [folder.joinpath(*parts[k:]) for k in range(len(parts)) if not PurePath(parts[k]).is_absolute()]
    there = next((other for other in tried if lies_inside(folder, other) and is_file(other)), None)
    if there is None and Path(file_path).is_absolute() and not lies_inside(folder, Path(file_path)):
        return Path(file_path), f"file_path {file_path!r}: {_OUTSIDE.format(file_path)}"
    if there is None:
        return path, ""
    text = f"file_path {file_path!r}: loaders would open {path}, which is not there; the image found is {there}"
    return there, text


def _silhouette(image: AlphaImage, path: Path, note: Any) -> Levels | None:
    """The alpha, or a mask derived from the colours; None where the image shows no silhouette."""
    alpha = image.alpha
    highest = 255 if alpha is None else int(alpha.max())
    if alpha is not None and highest == 0:
        note("empty-mask", "nothing is opaque: the subject is not there")
        return None
    if alpha is not None and highest == 1:
        note("alpha-levels", "alpha is 0 and 1 of 255: nearly nothing is there for a loader")
        return alpha * np.uint8(255)
    if alpha is not None and highest < HALF_LEVEL:
        text = f"no alpha reaches one half (highest {highest} of 255)"
        note("empty-mask", text, "Write alpha from 0 to 255.", float(highest))
        return None
    if alpha is not None and int(alpha.min()) < 255:
        if inverted(alpha):
            note("alpha-inverted", "the ground is opaque and what it surrounds is transparent: alpha is inverted")
            return 255 - alpha
        if highest < _FAINT:
            note("alpha-faint", f"its highest alpha is {highest} of 255", value=float(highest))
        return alpha
    derived = mask_from_ground(read_colours(path))
    if derived is None:
        note("no-alpha", "opaque, on no ground of exactly white or black: there is no silhouette to compare")
        return None
    ground, mask = derived
    note("mask-derived", f"opaque: the mask was derived from its exactly {ground} ground")
    return mask


def mask_from_ground(colours: ImageRGB) -> tuple[str, Levels] | None:
    """(ground, hard mask) of an opaque image whose border is mostly exactly white or black; None for others.

    The ground is what is exactly of that colour and joined to the image's border.
    """
    rim = np.concatenate([colours[0], colours[-1], colours[:, 0], colours[:, -1]])
    for name, level in _GROUNDS.items():
        if float((rim == level).all(axis=1).mean()) < _GROUND_SHARE:
            continue
        exact = (colours == level).all(axis=2).astype(np.uint8)
        _, labels = cv2.connectedComponents(exact, connectivity=4)
        labels = np.asarray(labels)
        outer = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        ground = np.isin(labels, outer[outer > 0])
        mask = np.where(ground, 0, 255).astype(np.uint8)
        return (name, mask) if 0 < int(ground.sum()) < ground.size else None
    return None


def _without_copies(sample: str, views: Sequence[View]) -> tuple[list[View], list[Finding]]:
    """(each view once, what was left out): a view that has an earlier one's camera and image says nothing new.

    Every tangent plane would count for each pair of copies, and causes would be searched in all of them.
    """
    first: dict[tuple[int, tuple[float, ...]], View] = {}
    kept: list[View] = []
    copies: list[tuple[str, str]] = []  # a copy, and what it copies
    for view in views:
        camera = view.camera
        numbers = (*camera.T_cam_world.ravel().tolist(), camera.fx, camera.fy, camera.cx, camera.cy)
        earlier = first.setdefault((view.digest, numbers), view) if view.alpha.size else view  # -0.0 is 0.0
        if earlier is view:
            kept.append(view)
        else:
            copies.append((view.name, earlier.name))
    if not copies:
        return kept, []
    named = first_few([f"{copy} (of {earlier})" for copy, earlier in copies], _NAMED)
    text = f"{sample}: {len(copies)} of {len(views)} views have an earlier one's camera and image, and are left out of "
    text += f"all other checks: {named}"
    return kept, [Finding.of("same-view", text, camera=copies[0][0], sample=sample, value=float(len(copies)))]


def _same_images(sample: str, views: Sequence[View]) -> list[Finding]:
    """One finding a view, for the first that it equals."""
    first: dict[int, str] = {}
    text = "{} and {} have one and the same image"
    return [
        Finding.of("same-image", text.format(earlier, view.name), camera=view.name, sample=sample)
        for view in views
        if (earlier := first.setdefault(view.digest, view.name)) != view.name
    ]
