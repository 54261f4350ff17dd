"""Anipose's `config.toml`: names of cameras, folders of calibration and videos, crops.

Only what concerns cameras and files is read; the defaults are anipose's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mouselift import foreign
from mouselift.calibration.rig import content_of
from mouselift.errors import CalibrationError
from mouselift.limits import LARGEST_NUMBER

_LAST = 1 << 24  # pixels
_REACH = 4  # config.toml lies beside calibration.toml or at the project's root: project/group/session/calibration
_ITS_TABLES = ("triangulation", "pipeline", "cameras", "calibration", "nesting", "model_folder")
_OFFSET_KEYS = ("offset", "offsets")  # the first is anipose's; the second has been in use here


@dataclass(frozen=True, eq=False)
class AniposeProject:
    """What a config.toml says about cameras and files."""

    file: Path
    cam_regex: re.Pattern[str] | None = None  # searched in a video's name; its first group is the camera
    calibration_results: str = "calibration"  # the folder of calibration.toml, in a session or above it
    calibration_videos: str = "calibration"  # the folder of the board's videos
    videos_raw: str = "videos-raw"  # the folder of the recordings; the others hold anipose's own drawings
    square: float | None = None  # side of the board's squares in the calibration's unit
    crops: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # camera: x, y[, width, height]

    def camera_in(self, name: str) -> tuple[str, int, int] | None:
        """(camera, begin, end) where `cam_regex` finds one in the name of a video, without its suffix."""
        match = self.cam_regex.search(name) if self.cam_regex is not None else None
        if match is None or match[1] is None or not match[1].strip():
            return None
        return match[1].strip(), match.start(1), match.end(1)


def project_of(path: Path) -> AniposeProject | None:
    """The project that a file or folder lies in: the nearest config.toml of anipose at or above it."""
    return next(_projects(path), None)


def crops_near(path: Path) -> tuple[Mapping[str, tuple[int, ...]], Path | None]:
    """Crops by camera of the nearest config.toml that holds some, and that file."""
    project = next((project for project in _projects(path) if project.crops), None)
    return ({}, None) if project is None else (project.crops, project.file)


def _projects(path: Path) -> Iterator[AniposeProject]:
    path = path.resolve()
    for folder in [*([path] if path.is_dir() else []), *path.parents][:_REACH]:
        file = folder / "config.toml"
        if file.is_file():
            content = toml_of(file)
            if any(key in content for key in _ITS_TABLES):
                yield _project(file, content)


def toml_of(path: Path) -> dict[str, Any]:
    try:
        return foreign.toml_of(content_of(path))
    except ValueError as error:
        raise CalibrationError(f"{path}: not valid TOML: {error}") from None


def _project(file: Path, content: Mapping[str, Any]) -> AniposeProject:
    pipeline = _table(content, "pipeline")
    folders = {
        key: pipeline[key]
        for key in ("calibration_results", "calibration_videos", "videos_raw")
        if isinstance(pipeline.get(key), str) and pipeline[key]
    }
    crops = {
        name: offset
        for name, table in _table(content, "cameras").items()
        if isinstance(table, dict) and (offset := _offset(file, name, table)) is not None
    }
    side = _table(content, "calibration").get("board_square_side_length")
    square = (
        float(side)
        if isinstance(side, (int, float)) and not isinstance(side, bool) and 0 < side <= LARGEST_NUMBER
        else None
    )
    return AniposeProject(file, _regex(file, _table(content, "triangulation")), **folders, square=square, crops=crops)


def _table(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _regex(file: Path, triangulation: Mapping[str, Any]) -> re.Pattern[str] | None:
    value = triangulation.get("cam_regex")
    if value is None:
        return None
    where = f"{file}: [triangulation] cam_regex"
    try:
        pattern = re.compile(value)
    except (re.error, TypeError) as error:
        raise CalibrationError(f"{where}: expected a regular expression, got {value!r}: {error}") from None
    if not pattern.groups:
        raise CalibrationError(
            f"{where}: expected a group round the camera's name, as in 'cam([A-Z])', got {value!r}: anipose takes the "
            "first group for the camera"
        )
    return pattern


def _offset(file: Path, name: str, table: Mapping[str, Any]) -> tuple[int, ...] | None:
    """x, y[, width, height] of the recorded image on the calibrated sensor."""
    found = {key: _pixels(f"{file}: [cameras.{name}] {key}", table[key]) for key in _OFFSET_KEYS if key in table}
    if len(set(found.values())) > 1:
        raise CalibrationError(
            f"{file}: [cameras.{name}]: offset = {list(found['offset'])} and offsets = {list(found['offsets'])} "
            "contradict each other; keep offset, which is what anipose reads"
        )
    return next(iter(found.values()), None)


def _pixels(where: str, values: Any) -> tuple[int, ...]:
    whole = isinstance(values, list) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and 0 <= v <= _LAST and v == int(v) for v in values
    )
    if not whole or len(values) not in (2, 4):
        raise CalibrationError(
            f"{where}: expected [x, y] or [x, y, width, height] in whole pixels, none negative, got {values!r}"
        )
    return tuple(int(v) for v in values)
