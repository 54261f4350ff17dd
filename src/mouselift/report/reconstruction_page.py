"""One reconstructed sample as a page that stands alone: views beside their renders, scores, a turn, the Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mouselift import __version__
from mouselift.array_types import ImageRGB
from mouselift.geometry.outlines import HALF_LEVEL
from mouselift.reconstruct import record as table
from mouselift.reconstruct.record import PAGE, SCORES, SPLATS, STILLS, VIDEO, WORDS, SampleRecord, ViewRecord
from mouselift.reconstruct.sample import Made, Shot
from mouselift.reconstruct.write import FULL_DIFFERENCE, RED
from mouselift.report.page import Fact, data_uri, difference_scale, image_uri, render_page, scene_json
from mouselift.view.scene import shrunk
from mouselift.view.splats import splat_scene

_SIDE = 384  # pixels of a view on the page, at most
_NONE = "\N{EN DASH}"  # an undefined score
_DRAWN_LEVELS = 12  # levels off the background from which on a pixel counts as drawn
_LARGEST_VIDEO = 4_000_000  # bytes; a page should open at once


@dataclass(frozen=True)
class ShownView:
    """One view's images, as data URIs, and its scores."""

    name: str
    wanted: str
    drawn: str
    difference: str
    scores: ViewRecord
    values: list[str]
    zoom: float  # side of the view / side of what is shown


def write_reconstruction_page(made: Made, folder: Path) -> None:
    """`index.html` in the reconstruction's folder, which holds the turntable already where there is one."""
    record = made.record
    video, stills = folder / VIDEO, folder / STILLS
    small = video.is_file() and video.stat().st_size <= _LARGEST_VIDEO
    scene = splat_scene(record.id, made.splats, [(shot.camera, shot.drawn) for shot in made.shots])
    render_page(
        "reconstruction.html.j2",
        folder / PAGE,
        version=__version__,
        scale=difference_scale(FULL_DIFFERENCE, RED, record.network),
        record=record,
        inputs=[view for view in record.views if view.role == "input"],
        facts=facts_of(record),
        views_words=_views_words(record),
        shots=[_shown(shot) for shot in made.shots],
        columns=[WORDS[score] for score in SCORES],
        means=[(role, _values(record.means[role])) for role in record.roles],
        video=data_uri(video.read_bytes(), "video/mp4") if small else "",
        stills=data_uri(stills.read_bytes(), "image/jpeg") if stills.is_file() else "",
        scene=scene_json(scene),
        made=_how(record),
    )


def facts_of(record: SampleRecord) -> list[Fact]:
    """The numbers that matter, foreground first."""
    facts = []
    for role in record.roles:
        psnr, iou = record.mean("foreground_psnr", role), record.mean("iou", role)
        views = table.counted(sum(view.role == role for view in record.views), f"{role} view")
        unit = "" if psnr is None else " dB"
        facts.append(Fact(table.value_words("psnr", psnr, _NONE) + unit, f"foreground PSNR, mean of {views}"))
        facts.append(Fact(table.value_words("iou", iou, _NONE), f"IoU of the outlines, mean of {views}"))
    facts.append(Fact(f"{record.kept:,}", f"Gaussians in {SPLATS}"))
    return facts


def difference_image(a: ImageRGB, b: ImageRGB) -> ImageRGB:
    """White where equal, red where the channels' mean absolute difference is a quarter of full scale or more."""
    away = np.abs(a.astype(np.float32) - b.astype(np.float32)).mean(axis=2, keepdims=True) / 255
    share = np.clip(away / FULL_DIFFERENCE, 0.0, 1.0)
    return ((1 - share) * 255 + share * np.array(RED, dtype=np.float32)).round().astype(np.uint8)


def region_of(shot: Shot) -> tuple[slice, slice]:
    """(rows, columns): a square about the subject and all that was drawn, with some room; the whole view at most."""
    ground = shot.drawn[shot.mask == 0] if (shot.mask == 0).any() else shot.drawn.reshape(-1, 3)
    drawn = np.abs(shot.drawn - np.median(ground, axis=0)).max(axis=2) > _DRAWN_LEVELS
    rows, columns = np.nonzero((shot.mask >= HALF_LEVEL) | drawn)
    height, width = shot.mask.shape
    if not len(rows):
        return slice(0, height), slice(0, width)
    side = int(min(1.15 * max(np.ptp(rows), np.ptp(columns)) + 4, height, width))
    top = int(np.clip((int(rows.min()) + int(rows.max()) - side) // 2, 0, height - side))
    left = int(np.clip((int(columns.min()) + int(columns.max()) - side) // 2, 0, width - side))
    return slice(top, top + side), slice(left, left + side)


def _shown(shot: Shot) -> ShownView:
    region = region_of(shot)
    wanted, drawn = shot.wanted[region], shot.drawn[region]
    images = (wanted, drawn, difference_image(wanted, drawn))
    left, middle, right = (image_uri(shrunk(image.astype(np.float32), _SIDE)) for image in images)
    values = _values({score: getattr(shot.scores, score) for score in SCORES})
    return ShownView(shot.camera.name, left, middle, right, shot.scores, values, shot.camera.height / len(wanted))


def _values(scores: dict[str, float | None]) -> list[str]:
    return [table.value_words(score, scores[score], _NONE) for score in SCORES]


def _views_words(record: SampleRecord) -> str:
    if record.roles == ["input"]:
        return (
            "All views went in: the scores say how well the Gaussians explain what was given, not how well they do "
            "from elsewhere (--views holds some out)."
        )
    return "Views marked as held out did not go in."


def _how(record: SampleRecord) -> list[tuple[str, str]]:
    left_out = record.made - record.kept - record.not_finite
    rows = [
        ("sample", record.source),
        ("made by", record.network),
        ("views that went in", ", ".join(view.view for view in record.views if view.role == "input")),
        ("pixels a side", str(record.side)),
        ("Gaussians", f"{record.made:,} made, {record.kept:,} kept, {left_out:,} left out by filter {record.filter!r}"),
        ("time to make them", f"{record.seconds:.1f} s"),
    ]
    if record.not_finite:
        rows.append(("not finite", f"{record.not_finite:,} Gaussians had numbers that no viewer can show: left out"))
    return rows
