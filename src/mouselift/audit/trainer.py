"""What a config of FaceLift's trainer does to a dataset's cameras and images before the network sees them.

Its mouse loader turns the world and moves every camera's centre to one distance unless it is told not to (both on by
default): the cameras then match no pixel, however exact they were written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mouselift.errors import DatasetError
from mouselift.findings import Finding
from mouselift.foreign import yaml_of
from mouselift.limits import YAML_BYTES, limited_bytes

_SECTION = "mouse"  # of a config for the mouse loader; without it, the plain loader runs, which moves nothing


def trainer_findings(config: Path, settings: Mapping[str, Any], fewest_views: int) -> list[Finding]:
    """What the settings of `config` (`read_trainer`) would do to samples of `fewest_views` views and more."""
    found: list[Finding] = []
    for key, kept, what in (
        ("normalize_cameras", False, "turns the world and moves every camera by a rule of its own"),
        ("target_camera_distance", 0, "moves every camera's centre to one distance, each on its own"),
    ):
        given = list(_named(settings, key))
        default = [(f"{_SECTION}.{key}", None)] if _SECTION in settings and not given else []
        for path, value in (*given, *default):
            if value in (kept, False, 0):
                continue
            said = "is not given, and on by default" if value is None else f"is {value}"
            text = f"{config.name}: {path} {said}: the loader {what}; set it to {str(kept).lower()}"
            found.append(Finding.of("trainer-moves-cameras", text))
    for path, value in _named(settings, "num_views"):
        if isinstance(value, int) and value > fewest_views > 0:
            text = f"{config.name}: {path} is {value}, but there are samples of {fewest_views} views"
            found.append(Finding.of("trainer-views", text, value=float(value), limit=float(fewest_views)))
    for key in ("auto_generate_mask", "remove_alpha"):
        for path, value in _named(settings, key):
            if value is True:
                text = f"{config.name}: {path} is on: the loader does not use the alpha that was written"
                found.append(Finding.of("trainer-drops-alpha", text))
    return found


def read_trainer(config: Path) -> Mapping[str, Any]:
    """The settings. DatasetError where the file is no YAML mapping."""

    try:
        settings = yaml_of(limited_bytes(config, YAML_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{config}: expected a config of FaceLift's trainer (YAML), got: {error}") from None
    if not isinstance(settings, dict):
        raise DatasetError(f"{config}: expected a YAML mapping, got {type(settings).__name__}")
    return settings


def _named(settings: object, key: str, path: str = "") -> Iterator[tuple[str, object]]:
    """(dotted path, value) of every entry of that name, however deep."""
    for name, value in settings.items() if isinstance(settings, dict) else ():
        here = f"{path}.{name}" if path else str(name)
        if name == key:
            yield here, value
        yield from _named(value, key, here)
