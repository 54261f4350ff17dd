"""How much of the animal's shadow is in the masks of `mouselift mask`?

    python benchmarks/mask_shadows.py [KIND ...] [--frames 24] [--judged 8] [--seed 3] [--sheets FOLDER]

Synthetic recordings with exact truth (six cameras at half size), one a kind: shadows that are soft, hard or thrown
from one side, of animals that are dark or light, on a floor that is matt, dark or mirrors. Printed by kind: overlap
with the truth (IoU), mask area / true area, the share of the truth that is missing, overlap at the tail, the height
that was found for the floor (true: 0), the verdicts of `mask`, and CPU seconds a frame.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from mask_tails import tail_of  # noqa: E402  (after the path above, like its siblings)
from mouselift.array_types import ImageRGB, Levels, Points3  # noqa: E402
from mouselift.masks.background import learn_background  # noqa: E402
from mouselift.masks.quality import measure, summarise  # noqa: E402
from mouselift.masks.scene import learn_scene  # noqa: E402
from mouselift.masks.segment import Segmenter  # noqa: E402
from mouselift.media.images import ArrayImage, FrameSet, ViewFrame  # noqa: E402
from mouselift.sampling import evenly_spaced  # noqa: E402
from mouselift.synthetic.coat import Coat  # noqa: E402
from mouselift.synthetic.mesh import Mesh  # noqa: E402
from mouselift.synthetic.motion import Motion  # noqa: E402
from mouselift.synthetic.mouse import Mouse, Posed  # noqa: E402
from mouselift.synthetic.render import Shadow, ViewRenderer, shadow_of  # noqa: E402
from mouselift.synthetic.rigs import Rig, demo_rig  # noqa: E402

SECONDS = 0.5  # between frames, so that the animal leaves every place
NOISE = 1.5  # levels, of the sensor
CELL, MARGIN = 0.5, 90.0  # mm: of the shadow's map, and its room about the animal
UP = np.array([0.0, 0.0, 1.0])
NEAR = 9  # pixels about the tail in which its overlap is measured


@dataclass(frozen=True)
class Lamp:
    """A lamp that throws a shadow besides what the open sky leaves dark."""

    elevation_deg: float
    darkness: float  # share of the floor's light that it gives
    blur_mm: float


@dataclass(frozen=True)
class Kind:
    coat: Coat = "brown"
    lamp: Lamp | None = None  # None: the soft shadow of `mouselift demo`
    shadow: bool = True
    gloss: float = 0.0  # share of the floor's light that its mirror image takes
    floor: float = 1.0  # factor on the empty scene's levels
    jpeg: int = 0  # quality at which images were compressed, 0: they were not


HARD, LOW = Lamp(55, 0.5, 0.6), Lamp(32, 0.4, 2.5)
KINDS = {
    "no shadow": Kind(shadow=False),
    "demo": Kind(),
    "hard": Kind(lamp=HARD),
    "low lamp": Kind(lamp=LOW),
    "black": Kind("black"),
    "black, hard": Kind("black", HARD),
    "white, hard": Kind("white", HARD),
    "black, gloss": Kind("black", gloss=0.35),
    "brown, gloss": Kind(gloss=0.25, lamp=LOW),
    "white, dark": Kind("white", floor=0.35),
    "black, dark": Kind("black", floor=0.45),
    "white": Kind("white"),
    "white, low": Kind("white", LOW),
    "white, jpeg": Kind("white", LOW, floor=0.6, jpeg=50),
    "hooded, mid": Kind("hooded", floor=0.6),
    "agouti, mid": Kind("agouti", HARD, floor=0.6),
}


def thrown(mesh: Mesh, lamp: Lamp) -> Shadow:
    """Its shadow from a lamp far away, at azimuth 40 degrees, and the sky's under the body."""
    up = np.radians(lamp.elevation_deg)
    towards = np.array([np.cos(up) * np.cos(0.7), np.cos(up) * np.sin(0.7), np.sin(up)])
    low = mesh.vertices[:, :2].min(axis=0) - MARGIN
    side = float((mesh.vertices[:, :2].max(axis=0) - low).max()) + MARGIN
    cells = int(np.ceil(side / CELL))
    dark = [
        cv2.GaussianBlur(_on_floor(mesh, along, low, cells), (0, 0), blur / CELL)
        for along, blur in ((towards, lamp.blur_mm), (UP, 9.0))
    ]
    return Shadow(((1 - lamp.darkness * dark[0]) * (1 - 0.3 * dark[1])).astype(np.float32), low[None])


def _on_floor(mesh: Mesh, towards: np.ndarray, corner: np.ndarray, cells: int) -> np.ndarray:
    """[cells, cells] 0 / 1: the mesh along a direction on the floor, cell (0, 0) at `corner`."""
    xy = mesh.vertices[:, :2] - mesh.vertices[:, 2:] * towards[:2] / towards[2]
    at = np.round(((xy - corner) / CELL - 0.5) * 16).astype(np.int32)
    out = np.zeros((cells, cells), np.float32)
    for face in mesh.topology.faces:
        cv2.fillConvexPoly(out, at[face], 1.0, cv2.LINE_8, 4)
    return out


def compressed(image: ImageRGB, quality: int) -> ImageRGB:
    """As a JPEG leaves it."""
    coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)[..., ::-1])


def mirrored(posed: Posed) -> Posed:
    """Below the floor."""
    down: Points3 = posed.mesh.vertices * np.array([1.0, 1.0, -1.0])
    return replace(posed, mesh=replace(posed.mesh, vertices=down))


class Film:
    """Frames of one kind, rendered once."""

    def __init__(self, kind: Kind, rig: Rig, frames: int, seed: int = 3) -> None:
        self.cameras = rig.cameras
        self.truth: list[list[Levels]] = []
        self._images: list[list[ImageRGB]] = []
        mouse, motion, noise = Mouse(kind.coat, seed), Motion(rig.arena, seed), np.random.default_rng(seed)
        renderers = [ViewRenderer(camera, rig.arena, seed, 2) for camera in rig.cameras]
        light = Shadow(np.full((8, 8), kind.floor, np.float32), np.zeros((1, 2)))
        for frame in range(frames):
            posed = mouse.posed(motion.pose(frame * SECONDS))
            shadow = shadow_of(posed) if kind.lamp is None else thrown(posed.mesh, kind.lamp)
            if not kind.shadow:
                shadow = light
            images, masks = [], []
            for renderer in renderers:
                shown = renderer.render(posed, replace(shadow, light=np.clip(shadow.light, 0, 1)))
                rgb, bare = shown.rgb.astype(np.float32), 1 - shown.mask[..., None] / np.float32(255)
                if kind.gloss:
                    image = renderer.render(mirrored(posed), light)
                    part = image.mask[..., None] / np.float32(255) * bare * np.float32(kind.gloss)
                    rgb = rgb * (1 - part) + part * image.rgb * 0.5
                if kind.floor != 1:
                    rgb = rgb * (1 - bare) + rgb * bare * kind.floor
                rgb += noise.normal(0, NOISE, rgb.shape)
                shot = np.rint(rgb.clip(0, 255)).astype(np.uint8)
                images.append(compressed(shot, kind.jpeg) if kind.jpeg else shot)
                masks.append(shown.mask)
            self._images.append(images)
            self.truth.append(masks)

    def read(self, frames: Sequence[int]) -> Iterator[FrameSet]:
        for frame in frames:
            pairs = zip(self.cameras, self._images[frame], strict=True)
            yield FrameSet(frame, tuple(ViewFrame(c, ArrayImage(image), None, c.name) for c, image in pairs))


def scores(mask: np.ndarray, true: np.ndarray) -> tuple[float, float, float, float]:
    """(IoU, area ratio, share missing, IoU about the tail)."""
    both, tail = (mask & true).sum(), tail_of(true)
    overlap = np.nan
    if tail.any():
        rest = true & ~cv2.dilate(tail.view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        near = cv2.dilate(tail.view(np.uint8), np.ones((NEAR, NEAR), np.uint8)).astype(bool) & ~rest
        overlap = (mask & true & near).sum() / ((mask | true) & near).sum()
    return both / (mask | true).sum(), mask.sum() / true.sum(), 1 - both / true.sum(), overlap


def outlined(image: ImageRGB, mask: np.ndarray, true: np.ndarray) -> ImageRGB:
    out = image.copy()
    for part, colour in ((true, (0, 160, 255)), (mask, (255, 196, 0))):
        lines, _ = cv2.findContours(part.view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, lines, -1, colour, 1)
    x, y, wide, high = cv2.boundingRect((true | mask).view(np.uint8))
    x, y = max(x + wide // 2 - 110, 0), max(y + high // 2 - 110, 0)
    part = out[y : y + 220, x : x + 220]
    return np.pad(part, ((0, 220 - part.shape[0]), (0, 220 - part.shape[1]), (0, 0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; default: all")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--judged", type=int, default=8)
    parser.add_argument("--seed", type=int, default=3, help="of animal, motion, floor and noise (default: 3)")
    parser.add_argument("--sheets", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(
        f"{'kind':14}{'IoU':>7}{'area':>7}{'worst':>7}{'missing':>9}{'tail':>7}{'floor mm':>10}{'good':>6}{'CPU s':>7}"
    )
    for name in options.kinds or KINDS:
        film = Film(KINDS[name], demo_rig(), options.frames, options.seed)
        samples = list(range(options.frames))
        backgrounds = [
            learn_background((f.views[i].image for f in film.read(samples)), camera.name)
            for i, camera in enumerate(film.cameras)
        ]
        scene = learn_scene(film.read, samples, backgrounds, film.cameras, UP, None)
        segmenter = Segmenter(scene)
        rows, records, spent, sheet = [], [], 0.0, []
        for frame in film.read(evenly_spaced(samples, options.judged)):
            start = time.process_time()
            levels = segmenter.segment([view.image for view in frame.views])
            spent += time.process_time() - start
            records.append(measure(scene.cameras, levels, frame.frame, segmenter.carver, floor=scene.floor))
            masks = [level is not None and level >= 128 for level in levels]
            trues = [true >= 128 for true in film.truth[frame.frame]]
            rows += [scores(np.asarray(m), t) for m, t in zip(masks, trues, strict=True)]
            images = [view.image.rgb() for view in frame.views if view.image is not None]
            sheet.append(
                np.hstack([outlined(i, np.asarray(m), t) for i, m, t in zip(images, masks, trues, strict=True)])
            )
        table = np.array(rows)
        mean = np.nanmean(table, axis=0)
        height = float(scene.floor.above(np.zeros((1, 3)))[0])
        good = sum(quality.verdict.startswith("good") for quality in summarise(scene.names, records))
        print(
            f"{name:14}{mean[0]:7.3f}{mean[1]:7.2f}{table[:, 1].max():7.2f}{mean[2]:9.3f}{mean[3]:7.3f}{-height:10.2f}"
            f"{good:6}{spent / len(records):7.2f}",
            flush=True,
        )
        if options.sheets is not None:
            options.sheets.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(
                str(options.sheets / f"{name.replace(', ', '_').replace(' ', '_')}.png"), np.vstack(sheet)[..., ::-1]
            )


if __name__ == "__main__":
    main()
