"""One reconstruction as files: Gaussians, cameras, renders, scores, a turn, and the page that a caller adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from mouselift.array_types import ImageRGB
from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.gaussians.ply import write_ply
from mouselift.media.png import encode_png
from mouselift.reconstruct.files import CAMERAS, METRICS, RENDERS, SPLATS, STILLS, VIDEO
from mouselift.reconstruct.record import metrics_json
from mouselift.reconstruct.sample import Made, turn
from mouselift.render.base import Renderer
from mouselift.render.orbit import still_sheet, write_video

Page = Callable[[Made, Path], None]  # writes what a person looks at into the folder, which holds all else already

_TURN_SECONDS = 4.0
_STILLS = 8
_QUALITY = 90


def write_made(
    made: Made,
    folder: Path,
    renderer: Renderer,
    frames: int,
    page: Page | None = None,
    drawn: Callable[[], None] = lambda: None,
) -> None:
    """Fills an empty folder; metrics.json last. frames: of the turn, 0 for none. `drawn` hears of each of them.

    cameras.json is in the format of `opencv_cameras.json`, its images the renders; another name, so that nobody
    takes the folder for a sample.
    """
    write_ply(folder / SPLATS, made.splats)
    (folder / RENDERS).mkdir()
    views = []
    for shot in made.shots:
        file = f"{RENDERS}/cam_{shot.scores.place:03d}.png"
        (folder / file).write_bytes(encode_png(shot.drawn))
        views.append(ViewEntry(shot.camera, file, shot.scores.place))
    (folder / CAMERAS).write_bytes(sample_json(made.record.id, views, {"source": made.record.source}))
    if frames:
        write_turn(made, folder, renderer, frames, drawn)
    if page is not None:
        page(made, folder)
    (folder / METRICS).write_bytes(metrics_json(made.record))


def write_turn(
    made: Made, folder: Path, renderer: Renderer, frames: int, drawn: Callable[[], None] = lambda: None
) -> None:
    """A film of one turn, and up to eight of its frames as a sheet."""
    shown = {int(k) for k in np.linspace(0, frames, min(_STILLS, frames), endpoint=False)}
    stills: list[ImageRGB] = []

    def heard() -> Iterator[ImageRGB]:
        for index, image in enumerate(turn(renderer, made, frames)):
            if index in shown:
                stills.append(image)
            drawn()
            yield image

    write_video(folder / VIDEO, heard(), frames / _TURN_SECONDS)
    good, data = cv2.imencode(".jpg", still_sheet(stills)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert good, "JPEG of an image of whole levels"
    (folder / STILLS).write_bytes(data.tobytes())
