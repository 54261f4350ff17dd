"""Which captures are meant: folders, patterns, lists of them, or a collection; and a name for each."""

from __future__ import annotations

import glob
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mouselift.dataset.collection import CAPTURE_FILE, is_collection, read_collection
from mouselift.errors import CaptureError
from mouselift.limits import LIST_BYTES, limited_bytes

LOG = logging.getLogger(__name__)


def captures_given(words: Sequence[str | Path]) -> list[Path]:
    """Captures by their folders or capture.toml, patterns ("data/*/mouse*"), lists (a text file, one a line, "#" begins
    a comment), or a collection, whose captures are meant. CaptureError: nothing there, or the same one twice."""
    found: list[Path] = []
    for word in words:
        path = Path(word)
        if is_collection(path):
            found += [Path(recording.capture) for recording in read_collection(path).recordings]
        elif is_one_capture(path):
            found.append(path)
        elif path.is_file():
            found += [path.parent / line for line in _listed(path)]
        else:
            found += _matching(str(word))
    counts = Counter(folder_of(path) for path in found)
    twice = min((path for path, count in counts.items() if count > 1), default=None)
    if twice is not None:
        raise CaptureError(f"{twice}: this capture is given more than once")
    if not found:
        raise CaptureError(f"{' '.join(map(str, words))}: expected captures, found none")
    return found


def is_one_capture(path: Path) -> bool:
    """Given by its folder or its capture.toml; not a pattern, a list or a collection."""
    return (path.is_dir() and not is_collection(path)) or (path.is_file() and path.suffix == ".toml")


def _listed(path: Path) -> list[str]:
    """The lines of a text file without comments. CaptureError where it is none: a video, say."""
    try:
        lines = limited_bytes(path, LIST_BYTES).decode("utf-8-sig").splitlines()
    except ValueError as error:
        raise CaptureError(f"{path}: expected a list of captures, one a line, got: {error}") from None
    return [line for text in lines if (line := text.partition("#")[0].strip())]


def _matching(pattern: str) -> list[Path]:
    matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
    captures = [path for path in matches if path.name == CAPTURE_FILE or (path / CAPTURE_FILE).is_file()]
    if not captures:
        raise CaptureError(
            f"{pattern}: expected a capture, a list file or a pattern; {len(matches)} names match, none "
            f"with a {CAPTURE_FILE}"
        )
    if len(captures) < len(matches):
        LOG.warning("%s: %d matches hold no %s", pattern, len(matches) - len(captures), CAPTURE_FILE)
    return captures


def folder_of(path: Path) -> Path:
    """Of a capture that is given by its folder or by its capture.toml."""
    return (path.parent if path.suffix == ".toml" else path).resolve()


def names_of(captures: Sequence[Path]) -> dict[str, Path]:
    """A folder name for each capture: its own folder's, with as many of those above as tell all of them apart."""
    folders = [folder_of(path).parts for path in captures]
    for count in range(1, max(map(len, folders)) + 1):
        names = ["_".join(part.strip("/\\") for part in parts[-count:]) for parts in folders]
        if len(set(names)) == len(names):
            return dict(zip(names, captures, strict=True))
    raise CaptureError("expected captures in different folders")
