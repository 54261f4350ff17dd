"""Does the declared unit fit? The subject's size and the cameras' distance, against what can be filmed at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mouselift.calibration.rig import RigCamera
from mouselift.findings import Finding
from mouselift.geometry.triangulation import meeting_point

_MM = {"um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}
_IN_WORDS = {"um": "micrometres", "cm": "centimetres", "m": "metres"}
# No subject or rig beyond these: a mite's silhouette is 0.2 mm across, a whale's 5 m (root of its area); a camera
# is wider than 20 mm, so several do not fit round a subject nearer than that; calibrated rigs end with halls of 50 m.
_SUBJECT_MM = (0.2, 5e3)
_DISTANCE_MM = (20.0, 5e4)
# Where units are proposed: from a fly to a horse, from a bench to a room.
_USUAL_SUBJECT_MM = (0.8, 3e3)
_USUAL_DISTANCE_MM = (50.0, 1e4)
# Squares of a calibration board between camera and subject: of 40 mm at 0.1 m, of 50 mm at 5 m.
_SQUARES = (2.5, 100.0)


@dataclass(frozen=True)
class Scale:
    """Lengths in the capture's unit. `subject`: square root of its largest silhouette's area; None without masks."""

    unit: str
    distances: tuple[float, ...]  # of the cameras from the subject
    subject: float | None = None

    @property
    def distance(self) -> float:
        return float(np.median(self.distances))

    @property
    def words(self) -> str:
        unit = self.unit if self.unit in _MM else "units"
        far = f"the cameras are {three(self.distance)} {unit} from the subject ({_range(self.distances)})"
        return far if self.subject is None else f"the subject is about {three(self.subject)} {unit} across, {far}"

    def fits(self, unit: str, usual: bool = False) -> bool:
        """Could the same numbers be in `unit`? usual: in a recording as most are."""
        subject, distance = (_USUAL_SUBJECT_MM, _USUAL_DISTANCE_MM) if usual else (_SUBJECT_MM, _DISTANCE_MM)
        if not distance[0] <= self.distance * _MM[unit] <= distance[1]:
            return False
        return self.subject is None or subject[0] <= self.subject * _MM[unit] <= subject[1]

    def fits_squares(self) -> bool:
        """Could the unit be a square of the calibration board?"""
        return _SQUARES[0] <= self.distance < _SQUARES[1]

    def fits_inches(self) -> bool:
        low, high = _USUAL_DISTANCE_MM
        return low <= self.distance * 25.4 <= high

    def findings(self) -> Iterator[Finding]:
        """A word where nothing that is filmed has this size in the declared unit."""
        if self.unit not in _MM or not self.distances or self.fits(self.unit):
            return
        text = (
            f"{self.words}: no recording is of that size. {_advice(self)} Nothing but words depends on the unit; a "
            "wrong one is often the sign of another calibration than was meant"
        )
        yield Finding.of("unit-doubtful", text, value=self.distance * _MM[self.unit], limit=_DISTANCE_MM[0])


def three(value: float) -> str:
    """Three digits, without an exponent that hides them: 7,800,000, 1,510 and 46.9."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def _range(values: Sequence[float]) -> str:
    return f"{three(min(values))} .. {three(max(values))}"


def _advice(scale: Scale) -> str:
    units = [unit for unit in _MM if unit != scale.unit and scale.fits(unit, usual=True)]
    squares = " or squares of the calibration board" if scale.fits_squares() else ""
    if units:
        return f'In {" or ".join(units)}{squares} it would be usual: unit = "{units[0]}" in capture.toml.'
    return f'Is the unit{squares or " another one"}? unit = "unknown" in capture.toml says that it is not known.'


def declared_unit(cameras: Sequence[RigCamera], told: str | None = None) -> tuple[str, str]:
    """(unit, words) of a rig; told: by its format. Else mm, unless cameras would stand where none can.

    What is measured is the distance of the cameras from the point nearest to all optical axes, and how much they see
    there. Fly and mouse, mouse and monkey differ by as much as cm and mm do: the words give every reading.
    """
    centres = np.stack([-camera.R_cam_world.T @ camera.t_cam_world for camera in cameras])
    try:
        point = meeting_point(centres, np.stack([camera.R_cam_world[2] for camera in cameras]))
    except ValueError:
        return told or "mm", ""
    distances = np.linalg.norm(centres - point, axis=1)
    scale = Scale(told or "mm", tuple(distances.tolist()))
    # Where the file does not say the image's width, the principal point is taken for its middle.
    widths = [2 * each.K[0, 2] if each.size is None else each.size[0] for each in cameras]
    seen = [d * w / each.K[0, 0] for d, w, each in zip(distances, widths, cameras, strict=True)]
    across = float(np.median(seen))
    if told is not None or scale.fits("mm"):
        unit = told or "mm"
        impossible = ", which none can be" if not scale.fits(unit) else ""
        return unit, f"cameras are {_read_in(scale, across, unit)}{impossible}{_otherwise(scale, across, unit)}"
    none = f"in mm cameras would be {three(scale.distance)} mm from where they look, which none can be"
    if scale.fits("m", usual=True) and not scale.fits_squares():
        return "m", f"{none}; in m they are {_read_in(scale, across, 'm')}{_otherwise(scale, across, 'm')}"
    possible = [_IN_WORDS[unit] for unit in _IN_WORDS if scale.fits(unit)] + ["inches"] * scale.fits_inches()
    squares = ["squares of the calibration board"] * scale.fits_squares()
    known = " or ".join([*possible, *squares]) or "another unit"
    return "unknown", f"{none}; {known} would do: say which by unit, or leave it unknown"


def _read_in(scale: Scale, across: float, unit: str) -> str:
    return f"{_length(scale.distance * _MM[unit])} from where they look and see {_length(across * _MM[unit])} there"


def _length(mm: float) -> str:
    return f"{three(mm / 1000)} m" if mm >= 1000 else f"{three(mm)} mm"


def _otherwise(scale: Scale, across: float, unit: str) -> str:
    """Every other reading that a recording may have."""
    others = [
        f"in {each} {_length(scale.distance * _MM[each])} and {_length(across * _MM[each])}"
        for each in _MM
        if each != unit and _DISTANCE_MM[0] <= scale.distance * _MM[each] <= _USUAL_DISTANCE_MM[1]
    ]
    units = [f'"{read.split()[1]}"' for read in others]
    if scale.fits_squares():
        others.append("or the numbers count squares of the calibration board")
        units.append('"unknown"')
    return f"; {', '.join(others)}: if so, unit = {' or '.join(units)} in capture.toml" if others else ""
