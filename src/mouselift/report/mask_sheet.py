"""A contact sheet of masks on their source images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mouselift.capture.capture import Capture
from mouselift.capture.source import CaptureSource
from mouselift.media.images import ImageFolder
from mouselift.report.sheet import contact_sheet, tile_of_source, write_png
from mouselift.sampling import evenly_spaced

_TILE = 200


def mask_sheet(capture: Capture, path: Path, rows: int, tile: int = _TILE, seed: int | None = None) -> Path:
    """`rows` frames that have masks, evenly spread (or drawn at random with `seed`), all cameras; written to `path`."""
    source = CaptureSource(capture)
    frames = _masked_frames(source)
    if seed is None:
        chosen = evenly_spaced(frames, rows)
    else:
        at = np.sort(np.random.default_rng(seed).choice(len(frames), min(rows, len(frames)), replace=False))
        chosen = [frames[int(i)] for i in at]
    tiles = [
        [tile_of_source(view.image, view.mask, tile) for view in frameset.views if view.image is not None]
        for frameset in source.read(chosen)
    ]
    source.close()
    write_png(path, contact_sheet(tiles, [str(frame) for frame in chosen], list(source.cameras)))
    return path


def _masked_frames(source: CaptureSource) -> list[int]:
    """Frames for which the first camera's masks exist."""
    masks = source.tracks[0].masks
    if masks is not None and isinstance(masks.media, ImageFolder):
        return sorted(number - masks.shift for number in masks.media.files)
    return list(source.frames)
