"""A sample of any tool: any folder in FaceLift's format, where what is broken becomes findings, not a crash.

Views whose camera cannot exist, and views without a usable silhouette, are left out of `Sample.views` and named in
`Sample.findings`. An image's real size counts, not the `w` and `h` of its file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from mouselift.calibration.facelift import SampleFile, ViewEntry, check_frame, read_sample_file, same_cameras
from mouselift.dataset.layout import CAMERAS_FILE, is_file, lies_inside
from mouselift.dataset.sample import OUTSIDE, UNREAD, Sample, View, keypoints_of
from mouselift.dataset.silhouette import silhouette
from mouselift.errors import CalibrationError, DatasetError, UnreachableError
from mouselift.findings import Finding
from mouselift.foreign import first_few, is_whole, short
from mouselift.media.images import require_readable
from mouselift.media.numbered_names import number_of
from mouselift.media.png import read_alpha, read_colours
from mouselift.strings_as_paths import takes_paths

_NAMED = 4  # views that a message names


@takes_paths
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
        findings.append(Finding.of("bad-record", f"{file}: {UNREAD}", sample=name))
    cut = _known_cuts(record)
    if cut is None:
        text = f"{file}: mouselift.record.views: expected cameras by name, got {short(record['views'])}"
        findings.append(Finding.of("bad-record", text, sample=name))
    keypoints = None
    try:
        keypoints = keypoints_of(content)
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
        alpha, shown = silhouette(image, path, note), read_colours(path) if colours else None
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
        return path, f"file_path {file_path!r}: {OUTSIDE.format(end)}"
    if is_file(path):
        return path, ""
    parts = PureWindowsPath(file_path).parts if "\\" in file_path else PurePosixPath(file_path).parts
    tried = [folder.joinpath(*parts[k:]) for k in range(len(parts)) if not PurePath(parts[k]).is_absolute()]
    there = next((other for other in tried if lies_inside(folder, other) and is_file(other)), None)
    if there is None and Path(file_path).is_absolute() and not lies_inside(folder, Path(file_path)):
        return Path(file_path), f"file_path {file_path!r}: {OUTSIDE.format(file_path)}"
    if there is None:
        return path, ""
    text = f"file_path {file_path!r}: loaders would open {path}, which is not there; the image found is {there}"
    return there, text


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
