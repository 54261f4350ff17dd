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
    unit, words = declared_unit(rig.cameras) if told is None else (told, "")
    if rig.format == "anipose" and project is not None and project.square is not None:
        squares = f"{project.file} gives a square of its board the side {project.square:g}"
        words = "; ".join(each for each in (squares, words) if each)
        unit = "unknown" if unit == "mm" and project.square == 1 else unit  # no board has squares of 1 mm
    up = (0.0, 0.0, 1.0) if FORMATS[rig.format].z_up else None
    return unit, up, list(_words(rig, unit, words))


def _words(rig: Rig, unit: str, unit_words: str) -> Iterator[str]:
    if FORMATS[rig.format].unit is not None:
        why = "the scale of its world is arbitrary" if unit == "unknown" else f"{rig.format} writes it"
        yield f"the unit is {unit}: {why}"
    elif unit != "mm":
        yield f"the unit is {unit}, against the habit of {rig.format} rigs: {unit_words}"
    if FORMATS[rig.format].z_up:
        heights = [float(-camera.R_cam_world[:, 2] @ camera.t_cam_world) for camera in rig.cameras]
        units = " and the unit is mm" if unit == "mm" else ""
        yield (
            f"+Z is up{units}, as {rig.format} rigs are made (camera heights z = {min(heights):.3g} .. "
            f"{max(heights):.3g})"
        )
        return
    if unit == "mm" and FORMATS[rig.format].unit is None:
        told = f"; {unit_words}" if unit_words else ""
        yield f"the unit is mm ({rig.format} writes it in units of the calibration board){told}"
    yield (
        f"nothing says which way is up ({rig.format}'s world is arbitrary): `up` is not set, and `mask` and `prepare` "
        'need it: add up = "+z" (or another axis) or up = [x, y, z]'
    )
