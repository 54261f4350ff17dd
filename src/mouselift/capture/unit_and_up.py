"""The unit of a rig's world and which way is up, as far as its format and its numbers tell."""

from __future__ import annotations

from collections.abc import Iterator

from mouselift.calibration.anipose_project import AniposeProject
from mouselift.calibration.registry import FORMATS
from mouselift.calibration.rig import Rig
from mouselift.capture.scale import declared_unit


def unit_and_up(rig: Rig, project: AniposeProject | None) -> tuple[str, tuple[float, float, float] | None, list[str]]:
    """(unit, up, what was assumed in words); up None where nothing tells it."""
    told = FORMATS[rig.format].unit
    unit, words = (told, "") if told == "unknown" else declared_unit(rig.cameras, told)
    if rig.format == "anipose" and project is not None and project.square is not None:
        squares = f"{project.file} gives a square of its board the side {project.square:g}"
        words = "; ".join(each for each in (squares, words) if each)
        unit = "unknown" if unit == "mm" and project.square == 1 else unit  # no board has squares of 1 mm
    up = (0.0, 0.0, 1.0) if FORMATS[rig.format].z_up else None
    return unit, up, list(_words(rig, unit, words))


def _words(rig: Rig, unit: str, unit_words: str) -> Iterator[str]:
    seen = f": {unit_words}" if unit_words else ""
    if unit == "unknown" and FORMATS[rig.format].unit is not None:
        yield "the unit is unknown: the scale of its world is arbitrary"
    elif FORMATS[rig.format].unit is not None:
        yield f"the unit is {unit}, as {rig.format} writes it{seen}"
    elif unit != "mm":
        yield f"the unit is {unit}, against the habit of {rig.format} rigs{seen}"
    elif FORMATS[rig.format].z_up:
        yield f"the unit is mm, as {rig.format} rigs are made{seen}"
    else:
        yield f"the unit is mm ({rig.format} writes it in units of the calibration board){seen}"
    if FORMATS[rig.format].z_up:
        heights = [float(-camera.R_cam_world[:, 2] @ camera.t_cam_world) for camera in rig.cameras]
        yield f"+Z is up, as {rig.format} rigs are made (camera heights z = {min(heights):.3g} .. {max(heights):.3g})"
        return
    yield (
        f"nothing says which way is up ({rig.format}'s world is arbitrary): `up` is not set, and `mask` and `prepare` "
        'need it: add up = "+z" (or another axis) or up = [x, y, z]'
    )
