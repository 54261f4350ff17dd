"""Is a dataset's alpha premultiplied? Told by colours, which an audit does not read otherwise: of a few images only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mouselift.calibration.facelift import read_sample_file
from mouselift.dataset.alpha_checks import premultiplied
from mouselift.dataset.layout import CAMERAS_FILE, lies_inside
from mouselift.errors import MouseliftError, UnreachableError
from mouselift.findings import Finding
from mouselift.media.png import read_rgb_alpha
from mouselift.sampling import evenly_spaced

_LOOKED_AT = 3  # samples: an exporter treats all alike, and each costs a decoded image (4 ms)


def premultiplied_findings(folders: Sequence[Path]) -> list[Finding]:
    """A warning where the first image of a few samples, spread over the dataset, is premultiplied in each of them."""
    told: list[tuple[bool, Path]] = []
    for folder in evenly_spaced(folders, _LOOKED_AT):
        try:
            path = folder / str(read_sample_file(folder / CAMERAS_FILE).frames[0]["file_path"])
            if not lies_inside(folder, path):
                continue
            colours, alpha = read_rgb_alpha(path)
        except UnreachableError:
            raise
        except (MouseliftError, KeyError, TypeError):  # the audit of the sample says it
            continue
        answer = None if alpha is None else premultiplied(colours, alpha)
        if answer is not None:
            told.append((answer, path))
    if not told or not all(answer for answer, _ in told):
        return []
    text = (
        f"colours fall with alpha at the soft edges of all {len(told)} images looked at, the first {told[0][1]}: alpha "
        "is premultiplied, or the edges show a dark ground"
    )
    return [Finding.of("alpha-premultiplied", text)]
