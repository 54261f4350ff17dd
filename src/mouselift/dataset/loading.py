"""A folder in FaceLift's format -> `SampleViews`, whatever tool wrote it. What is broken becomes findings, not a crash.

Views whose camera cannot exist, and views without a usable silhouette, are left out of `Loaded.sample` and named in
`Loaded.findings`. An image's real size counts, not the `w` and `h` of its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mouselift.array_types import ImageRGB, Levels
from mouselift.calibration.facelift import SampleView
from mouselift.dataset.cameras_check import SampleFile, check_frame, read_sample_file, same_cameras
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.dataset.sample import SampleViews, View
from mouselift.errors import DatasetError
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.geometry.silhouette import HALF_LEVEL
from mouselift.media.alpha import AlphaImage, read_alpha, read_colours
from mouselift.media.frames import number_of

_GROUND_SHARE = 0.5  # of the image's border must be exactly white or black for a mask to be derived from it
_GROUNDS = {"white": 255, "black": 0}


@dataclass(frozen=True, eq=False)
class Loaded:
    """One sample as its files state it."""

    sample: SampleViews  # views with a camera and a silhouette; may be empty
    cameras: tuple[Camera, ...]  # of every view whose camera can exist, in the file's order
    digests: tuple[int, ...]  # of the images of `sample.views`: equal for equal files
    findings: tuple[Finding, ...]
    preset: str | None = None  # of mouselift's own record; None where `mouselift repair` has changed the cameras since
    derived: bool = False  # masks were derived from the images' ground, not read


def load_sample(folder: Path, colours: bool = False) -> Loaded:
    """Reads one sample folder. `colours`: keep the images' colours in `View.colours` (slower by a decode a view)."""
    name, file = folder.name, folder / CAMERAS_FILE
    try:
        content = read_sample_file(file)
    except DatasetError as error:
        broken = Finding.of("bad-file", str(error), sample=name)
        return Loaded(SampleViews(name, (), number_of(name), folder), (), (), (broken,))
    record, preset = _own_record(content)
    frame = record.get("frame") if isinstance(record.get("frame"), int) else number_of(name)
    cut = {v.get("camera"): v.get("cut") for v in record.get("views", []) if isinstance(v, dict)}
    findings: list[Finding] = []
    cameras: list[Camera] = []
    views: list[View] = []
    digests: list[int] = []
    derived = False
    for stated in _stated_views(name, file, content, findings):
        view = _read_view(name, folder, stated, findings, colours)
        cameras.append(view.camera)
        if view.alpha is not None:
            known = cut.get(stated.camera.name)
            known = known if isinstance(known, bool) else None
            views.append(View(view.camera.name, view.camera, view.alpha, view.colours, known, view.path))
            digests.append(view.digest)
            derived = derived or view.derived
    findings += same_cameras(name, cameras)
    findings += _same_images(name, [view.name for view in views], digests)
    sizes = sorted({f"{camera.width}x{camera.height}" for camera in cameras})
    if len(sizes) > 1:
        text = f"{file}: images of several sizes: {', '.join(sizes)}"
        findings.append(Finding.of("sizes-differ", text, sample=name))
    sample = SampleViews(name, tuple(views), frame, folder)
    return Loaded(sample, tuple(cameras), tuple(digests), tuple(findings), preset, derived)


def _own_record(content: SampleFile) -> tuple[dict[str, Any], str | None]:
    if content.mouselift is None:
        return {}, None
    preset = content.mouselift.provenance.get("preset") if content.mouselift.repair is None else None
    return content.mouselift.record, preset if isinstance(preset, str) else None


def _stated_views(name: str, file: Path, content: SampleFile, findings: list[Finding]) -> list[SampleView]:
    """The entries whose camera can exist, with names made distinct."""
    out: list[SampleView] = []
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
        text = f"{file}: view_id: expected ascending numbers, each once, got {numbers}"
        advice = "Loaders take views by their place: keep one order in all samples."
        findings.append(Finding.of("view-order", text, sample=name, advice=advice))
    return out


@dataclass(frozen=True, eq=False)
class _Read:
    camera: Camera  # of the image's real size
    path: Path
    alpha: Levels | None = None
    colours: ImageRGB | None = None
    digest: int = 0
    derived: bool = False


def _read_view(name: str, folder: Path, stated: SampleView, findings: list[Finding], colours: bool) -> _Read:
    """The image of a view; `alpha` is None where it gives no silhouette, and a finding says why."""
    camera, path = stated.camera, folder / stated.file_path

    def note(code: str, text: str, advice: str | None = None, value: float | None = None) -> None:
        text = f"{path}: {text}"
        findings.append(Finding.of(code, text, camera=camera.name, sample=name, value=value, advice=advice))

    if not path.is_file():
        note("missing-image", "no such image")
        return _Read(camera, path)
    try:
        image = read_alpha(path)
    except DatasetError as error:
        text = str(error).removeprefix(f"{path}: ")
        note("bad-image", text)
        return _Read(camera, path)
    if (image.width, image.height) != (camera.width, camera.height):
        text = f"is {image.width}x{image.height}, its camera says w = {camera.width}, h = {camera.height}"
        note("size-mismatch", text)
        camera = replace(camera, width=image.width, height=image.height)
    if image.width != image.height:
        note("not-square", f"{image.width}x{image.height}")
    alpha, derived = _silhouette(image, path, note)
    if alpha is None:
        return _Read(camera, path)
    return _Read(camera, path, alpha, read_colours(path) if colours else None, image.digest, derived)


def _silhouette(image: AlphaImage, path: Path, note: Any) -> tuple[Levels | None, bool]:
    """(alpha, whether it was derived from the colours); None where the image shows no silhouette."""
    alpha = image.alpha
    highest = 255 if alpha is None else int(alpha.max())
    if alpha is not None and highest == 0:
        note("empty-mask", "nothing is opaque: the subject is not there")
        return None, False
    if alpha is not None and highest < HALF_LEVEL:
        text = f"no alpha reaches one half (highest {highest} of 255)"
        note("empty-mask", text, "Write alpha from 0 to 255.", float(highest))
        return None, False
    if alpha is not None and int(alpha.min()) < 255:
        return alpha, False
    derived = mask_from_ground(read_colours(path))
    if derived is None:
        text = "opaque, on no ground of exactly white or black: there is no silhouette to compare"
        note("no-alpha", text)
        return None, False
    ground, mask = derived
    text = f"opaque: the mask was derived from its exactly {ground} ground"
    note("mask-derived", text)
    return mask, True


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


def _same_images(sample: str, names: Sequence[str], digests: Sequence[int]) -> list[Finding]:
    return [
        Finding.of(
            "same-image", f"{names[a]} and {names[b]} have one and the same image", camera=names[b], sample=sample
        )
        for a, b in combinations(range(len(names)), 2)
        if digests[a] == digests[b]
    ]
