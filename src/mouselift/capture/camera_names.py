"""Which camera a path belongs to: by an exact word in it, or by the cam_regex of an anipose project; never by order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mouselift.calibration.anipose_project import AniposeProject
from mouselift.errors import CaptureError

_SERIAL = 7  # digits, none of them a leading 0: no count of frames; a date has eight, and no camera is called by one


@dataclass(frozen=True)
class NamedPath:
    """A path that carries a camera's name."""

    camera: str
    pattern: str  # the path with {camera}, # for folders of digits and * for the first frame
    first: int | None  # first frame, where the file is named by it


@dataclass(frozen=True)
class CameraNames:
    """How the cameras of a rig are recognised in paths below `folder`."""

    folder: Path
    names: tuple[str, ...]
    project: AniposeProject | None = None  # only where its cam_regex decides
    unused: tuple[str, ...] = ()  # cameras that the user leaves out

    @classmethod
    def of(
        cls,
        folder: Path,
        names: Sequence[str],
        project: AniposeProject | None,
        paths: Sequence[Path],
        unused: Collection[str] = (),
    ) -> CameraNames:
        """`cam_regex` decides where it finds a camera of the rig in at least one of `paths`, as anipose reads them."""
        found = [project.camera_in(_stem(path)) for path in paths] if project is not None else []
        fits = any(one is not None and one[0] in names for one in found)
        return cls(folder, tuple(names), project if fits else None, tuple(unused))

    def find(self, path: Path, only_regex: bool = False) -> NamedPath | None:
        """The camera of a file or folder; the innermost part of the path that carries a name decides.

        `only_regex`: where cam_regex decides, what it does not match has no camera, as in anipose.
        CaptureError where one part carries several names.
        """
        parts = [composed(part) for part in path.relative_to(self.folder).parts]
        parts[-1] = composed(_stem(path))
        if self.project is not None:
            found = self.project.camera_in(parts[-1])
            if found is not None and found[0] in self.names:
                return _named(path, parts, len(parts) - 1, *found)
            if only_regex:
                return None
        for index in reversed(range(len(parts))):
            matches = _outermost([(name, match) for name in self.names if (match := token(name).search(parts[index]))])
            if len(matches) > 1:
                listed = ", ".join(name for name, _ in matches)
                raise CaptureError(f"{path}: carries the names of several cameras: {listed}; expected one")
            if matches:
                name, match = matches[0]
                return _named(path, parts, index, name, match.start(), match.end())
        return None

    def why_not(self, path: Path) -> str:
        """Why a path has no camera."""
        try:
            left_out = replace(self, names=self.unused, unused=()).find(path) if self.unused else None
        except CaptureError:
            return "carries the names of several cameras that --unused leaves out"
        if left_out is not None:
            return f"of camera {left_out.camera}, which --unused leaves out"
        if self.project is None:
            return "carries no camera's name"
        found = self.project.camera_in(_stem(path))
        if found is None:
            return "cam_regex finds no camera in its name"
        return f"cam_regex reads camera {found[0]!r}, which the rig does not have"


def counted_elsewhere(names: CameraNames, missing: Sequence[str], paths: Sequence[Path]) -> tuple[str, str] | None:
    """(a camera without a file, the name of one beyond the rig's numbers that has one): cam0 .. cam3 and cam1 .. cam4.

    Then one of the two may count from 0 and the other from 1, and each file would get its neighbour's camera.
    """
    for name in missing:
        stem = name.rstrip("0123456789")
        digits = name.removeprefix(stem)
        alike = [re.fullmatch(rf"{re.escape(stem)}(\d+)", other) for other in names.names]
        numbers = [int(match[1]) for match in alike if match is not None]
        if not digits or len(numbers) < 2 or int(digits) not in (min(numbers), max(numbers)):
            continue
        beyond = max(numbers) + 1 if int(digits) == min(numbers) else min(numbers) - 1
        wanted = replace(names, names=(*names.names, f"{stem}{beyond:0{len(digits) if digits[0] == '0' else 1}d}"))
        found = (wanted.find(path) for path in paths) if beyond >= 0 else ()
        if any(one is not None and one.camera == wanted.names[-1] for one in found):
            return name, wanted.names[-1]
    return None


def _outermost(matches: list[tuple[str, re.Match[str]]]) -> list[tuple[str, re.Match[str]]]:
    """Without the names that are a word of another one there: "front left.mp4" is of "front left", not of "front"."""

    def within(a: re.Match[str], b: re.Match[str]) -> bool:
        return b.start() <= a.start() and a.end() <= b.end() and b.end() - b.start() > a.end() - a.start()

    return [(name, match) for name, match in matches if not any(within(match, other) for _, other in matches)]


def composed(name: str) -> str:
    """In one of the two forms that letters such as \u00e4 have: macOS stores names of files in the other one."""
    return unicodedata.normalize("NFC", name)


def _stem(path: Path) -> str:
    return path.stem if path.is_file() else path.name


def _named(path: Path, parts: Sequence[str], index: int, camera: str, begin: int, end: int) -> NamedPath:
    """A path whose part `index` carries the camera at begin:end; digits that are left are its first frame."""
    shown = ["#" if part.isdigit() else part for part in parts]
    shown[index] = parts[index][:begin] + "{camera}" + parts[index][end:]
    last = parts[-1] if index != len(parts) - 1 else parts[-1][:begin] + parts[-1][end:]
    digits = re.fullmatch(r"[_\-. ]*(\d+)[_\-. ]*", last)
    if not path.is_file():
        return NamedPath(camera, "/".join(shown), None)
    if digits:
        shown[-1] = "*" if index != len(parts) - 1 else shown[-1].replace(digits[1], "*")
    return NamedPath(camera, "/".join(shown) + path.suffix, int(digits[1]) if digits else None)


def token(name: str) -> re.Pattern[str]:
    """`name` with no letter or digit at either side, in any case; "cam" or "camera" may stand before it.

    A number is a camera's name only with that word before it, or alone: other numbers in a path mean other things. A
    serial number is long enough to stand among them.
    """
    name = composed(name)
    if name.isdigit() and len(name) >= _SERIAL and name[0] != "0":
        return re.compile(rf"(?<![A-Za-z0-9]){name}(?![A-Za-z0-9])")
    word = r"(?<![A-Za-z0-9])cam(?:era)?[_\-]?"
    if name.isdigit():
        return re.compile(rf"^{name}$|{word}{name}(?![A-Za-z0-9])", re.IGNORECASE)
    return re.compile(rf"(?:(?<![A-Za-z0-9])|{word}){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE)
