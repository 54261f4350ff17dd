"""One sample's results as files: Gaussians, cameras, renders, scores, a turn; or a sheet of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np

from mouselift.array_types import Array, Float, ImageRGB, UInt8
from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.gaussians.files import write_ply
from mouselift.media.encode import encode_jpeg
from mouselift.media.png import encode_png
from mouselift.progress import Progress, silent
from mouselift.reconstruct.metrics import FOREGROUND
from mouselift.reconstruct.record import CAMERAS, METRICS, RENDERS, SPLATS, STILLS, VIDEO, with_means
from mouselift.reconstruct.sample import Made, Shot
from mouselift.render.base import RenderCamera, Renderer, draw
from mouselift.render.orbit import levels_of, still_sheet, turntable, write_video

Page = Callable[[Made, Path], None]  # writes what a person looks at into the folder, which holds all else already

TILE = 200  # pixels a side of a sheet's image
MOST = 8  # views a sheet shows
FULL_DIFFERENCE = 0.25  # of the range: drawn red
RED = (179, 38, 30)
_ROOM = 0.06  # about the subject, of its longer side

_LARGEST = 512  # pixels a side of the turntable
_STEEPEST_DEG = 75.0  # of the turntable's elevation: nearer the pole a turn is a spin
_TURN_SECONDS = 4.0
_STILLS = 8
_STILLS_QUALITY, SHEET_QUALITY = 90, 92  # of JPEG

Box = tuple[int, int, int]  # x0, y0, side, pixels; inside a square image


def write_made(
    made: Made,
    folder: Path,
    renderer: Renderer,
    frames: int,
    page: Page | None = None,
    progress: Progress = silent,
    colour_bytes: bool = False,
) -> None:
    """Fills an empty folder; metrics.json last. frames: of the turn, 0 for none. `progress` hears of each of them.
    colour_bytes: as `write_ply`.

    cameras.json is in the format of `opencv_cameras.json`, its images the renders; another name, so that nobody
    takes the folder for a sample.
    """
    write_ply(folder / SPLATS, made.splats, colour_bytes)
    (folder / RENDERS).mkdir()
    views = []
    for shot in made.shots:
        file = f"{RENDERS}/cam_{shot.scores.place:03d}.png"
        (folder / file).write_bytes(encode_png(shot.drawn))
        views.append(ViewEntry(shot.camera, file, shot.scores.place))
    (folder / CAMERAS).write_bytes(sample_json(made.record.id, views, {"source": made.record.source}))
    if frames:
        _write_turn(made, folder, renderer, frames, progress)
    if page is not None:
        page(made, folder)
    metrics = msgspec.json.format(msgspec.json.encode(with_means(made.record)), indent=1)
    (folder / METRICS).write_bytes(metrics + b"\n")


def turn(renderer: Renderer, made: Made, frames: int) -> Iterator[ImageRGB]:
    """One turn about the world's origin, as far away, as high and as wide as the sample's cameras (medians)."""
    cameras = made.cameras
    centres = np.stack([camera.centre for camera in cameras])
    distances = np.linalg.norm(centres, axis=1)
    elevation = float(np.median(np.degrees(np.arcsin(centres[:, 2] / distances))))
    fields = [2 * np.degrees(np.arctan(camera.width / 2 / camera.fx)) for camera in cameras]
    for camera in turntable(
        frames,
        float(np.clip(elevation, -_STEEPEST_DEG, _STEEPEST_DEG)),
        float(np.median(distances)),
        float(np.median(fields)),
        size=min(_LARGEST, cameras[0].width) // 2 * 2,  # H.264 halves the colours
    ):
        yield levels_of(draw(renderer, made.gaussians, RenderCamera.of(camera), made.background).colour)


def sheet(shots: Sequence[Shot]) -> ImageRGB:
    """Columns: views. Rows: prepared, rendered, absolute difference (mean of channels; white 0, red from 64 levels).

    A column shows the square about all that is subject in either image.
    """
    columns = []
    for shot in shots[:MOST]:
        box = _box(shot)
        target = shot.target[:3].numpy()
        got = shot.rendering.colour.detach().clamp(0, 1).cpu().float().numpy()
        share = (np.abs(got - target).mean(axis=0) / FULL_DIFFERENCE).clip(0, 1)
        difference = 1 - share + share * np.array(RED, dtype=np.float32)[:, None, None] / 255
        columns.append(np.concatenate([_tile(plane, box) for plane in (target, got, difference)]))
    return np.concatenate(columns, axis=1)


def _write_turn(made: Made, folder: Path, renderer: Renderer, frames: int, progress: Progress) -> None:
    """A film of one turn, and up to eight of its frames as a sheet."""
    shown = {int(k) for k in np.linspace(0, frames, min(_STILLS, frames), endpoint=False)}
    stills: list[ImageRGB] = []

    def heard() -> Iterator[ImageRGB]:
        for index, image in enumerate(turn(renderer, made, frames)):
            if index in shown:
                stills.append(image)
            progress("images", index + 1, frames)
            yield image

    write_video(folder / VIDEO, heard(), frames / _TURN_SECONDS)
    (folder / STILLS).write_bytes(encode_jpeg(still_sheet(stills), _STILLS_QUALITY))


def _box(shot: Shot) -> Box:
    shown = (shot.target[3] > FOREGROUND) | (shot.rendering.alpha.detach().cpu() > FOREGROUND)
    height, width = shown.shape
    rows, columns = shown.any(dim=1).nonzero().flatten(), shown.any(dim=0).nonzero().flatten()
    if not len(rows):
        return 0, 0, max(height, width)
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    side = min(max(height, width), round((1 + 2 * _ROOM) * max(y1 - y0, x1 - x0)) + 2)
    left, top = (x0 + x1 - side) // 2, (y0 + y1 - side) // 2
    return max(0, min(left, width - side)), max(0, min(top, height - side)), side


def _tile(image: Float[Array, "3 h w"], box: Box) -> UInt8[Array, "tile tile 3"]:
    x0, y0, side = box
    part = np.ascontiguousarray(image[:, y0 : y0 + side, x0 : x0 + side].transpose(1, 2, 0), dtype=np.float32)
    how = cv2.INTER_AREA if side > TILE else cv2.INTER_LINEAR
    return np.rint(255 * cv2.resize(part, (TILE, TILE), interpolation=how)).astype(np.uint8)
