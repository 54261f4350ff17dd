"""Prepared samples without a recording: one instant of one individual, seen by a rig and by extra cameras, exactly.

What a sample shows depends on (options, individual, instant) only. Randomness comes in streams: an instant of an
individual has the same posture, light and extra views whatever the rig's framing, size and noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from mouselift import __version__
from mouselift.array_types import ImageRGBA, Levels
from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.errors import CaptureError
from mouselift.framing.framing import PRESETS, Preset
from mouselift.media.png import encode_png
from mouselift.parallel import run_blocks, worker_count
from mouselift.prepare.preparation import DatasetStore
from mouselift.prepare.sample import Record, sample_id
from mouselift.prepare.selection import Role
from mouselift.progress import Progress, silent
from mouselift.synthetic.body import Pose
from mouselift.synthetic.cutout import Cutout, CutoutRenderer
from mouselift.synthetic.individual import HELD_OUT, check_seed, individual
from mouselift.synthetic.light import random_light
from mouselift.synthetic.mask_noise import MaskNoise
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse, Posed
from mouselift.synthetic.objects import random_object
from mouselift.synthetic.rigs import Rig
from mouselift.synthetic.sample_rigs import (
    RigName,
    Shot,
    Shots,
    extra_shots,
    facelift_shots,
    random_shots,
    surround_rig,
    surround_shots,
)
from mouselift.synthetic.sensor import Sensor, random_sensor
from mouselift.synthetic.shape import Species

World = Literal["animals", "objects"]

_DETAIL = 0.3  # of the mesh: 4,000 triangles, the area of a pixel or two each at 128 px
_PAD = 6  # pixels around the animal in which a mask may be too fat
_TRIES = 20  # postures, until no source camera cuts the animal
_POSE, _RIG, _EXTRA, _LIGHT, _FLOOR, _SENSOR, _EXPOSURE, _MASK = range(8)  # streams of random numbers
_RIG_SIZE: dict[Species, float] = {"mouse": 1.0, "rat": 2.7}  # of `surround`: 225 / 84 mm


@dataclass(frozen=True)
class SampleOptions:
    """What to draw. Equal options give equal bytes.

    noise: of the input views' masks; None: exact masks, colours not mixed with any background. Extra views are always
    exact: they are what a reconstruction is compared with.
    """

    world: World = "animals"
    rig: RigName = "surround"
    framing: Preset = "per-sample"  # of `surround`; the other rigs frame the subject by themselves
    size: int = 128  # pixels a side
    views: int = 6  # of the rig `random`; the others have six
    extra: int = 6  # cameras that are never inputs: extra0, extra1 and so on
    extra_elevations: tuple[float, float] = (-20.0, 80.0)  # degrees, between which they stand
    seed: int = 0
    noise: MaskNoise | None = MaskNoise()
    sensor: bool = True  # exposure, white balance, blur and noise of the input views, each camera its own
    supersample: int = 2  # samples a pixel along each side

    def check(self) -> None:
        """CaptureError on values that make no sample."""
        if self.size < 16 or self.views < 2 or self.extra < 0 or self.supersample < 1:
            raise CaptureError(
                "synthetic samples: expected a size of at least 16, two views, no negative number of extra cameras and "
                f"a supersample of at least 1, got {self.size}, {self.views}, {self.extra}, {self.supersample}"
            )
        low, high = self.extra_elevations
        if not -90 <= low <= high <= 90:
            raise CaptureError(f"synthetic samples: expected elevations from -90 to 90 degrees, got {low} to {high}")
        if self.framing not in PRESETS or (self.rig != "surround" and self.framing != "per-sample"):
            raise CaptureError(
                f"synthetic samples: expected one of {', '.join(PRESETS)} with the rig `surround`, and `per-sample` "
                f"with any other, got {self.framing} with {self.rig}"
            )


@dataclass(frozen=True, eq=False)
class DrawnSample:
    """One sample in memory."""

    shots: Shots
    views: tuple[Shot, ...]  # inputs, then extra cameras
    images: tuple[ImageRGBA, ...]  # straight alpha, one a view


@dataclass(frozen=True)
class SamplesSummary:
    """What a run made."""

    out: Path
    samples: int  # in the folder
    made: int  # by this run


def write_samples(
    out: Path,
    individuals: Iterable[int],
    instants: int,
    options: SampleOptions = SampleOptions(),
    *,
    workers: int = 1,
    progress: Progress = silent,
) -> SamplesSummary:
    """A dataset of `instants` samples of every individual, in the layout that `prepare` writes.

    Sample number = individual x instants + instant. Individuals of HELD_OUT are listed in data_val.txt, the others in
    data_train.txt. Samples that exist are kept: a killed run goes on, and more individuals may be asked for later.
    workers: processes, 0 one a core; the bytes do not depend on it.

    CaptureError: options that make no sample. ValueError: a seed that is no individual's. DatasetError: the folder
    holds something else.

    Example:
        >>> write_samples(Path("mice"), [*range(200), *HELD_OUT[:20]], 5)  # doctest: +SKIP
    """
    options.check()
    seeds = sorted(set(individuals))
    if instants < 1 or not seeds:
        raise CaptureError(
            f"synthetic samples: expected at least one individual and one instant, got {len(seeds)} and {instants}"
        )
    for seed in seeds:
        check_seed(seed)
    store = DatasetStore(out, _identity(options, instants))
    with store.locked():
        store.open()
        known = set(store.known().tolist())
        blocks = [[s * instants + k for k in range(instants) if s * instants + k not in known] for s in seeds]
        blocks = [block for block in blocks if block]
        total, made = len(seeds) * instants, 0
        missing = sum(map(len, blocks))
        for block in run_blocks(_Job(options, instants, store), blocks, worker_count(workers)):
            made += len(block)
            progress("samples", total - missing + made, total)
        held = range(HELD_OUT.start * instants, HELD_OUT.stop * instants)
        numbers = sorted({*known, *(number for block in blocks for number in block)})
        roles: dict[int, Role] = {number: "val" if number in held else "train" for number in numbers}
        store.complete(np.array(numbers), roles, {"samples": len(numbers)})
    return SamplesSummary(out, len(numbers), made)


def draw_sample(options: SampleOptions, seed: int, instant: int, subject: Subject | None = None) -> DrawnSample:
    """One instant of one individual, in memory. `subject` saves making the individual anew."""
    subject = subject if subject is not None else Subject(options, seed)
    posed, shots = subject.at(instant)
    rng = _rng(options, seed, instant, _EXTRA)
    extra = extra_shots(posed.mesh, shots, options.extra, options.size, options.extra_elevations, rng)
    light = random_light(_rng(options, seed, instant, _LIGHT))
    renderer = CutoutRenderer(posed, light, subject.size, options.supersample)
    views = (*shots.views, *extra)
    cutouts = [renderer.render(shot.camera) for shot in views]
    ground = _rng(options, seed, instant, _FLOOR).uniform(0.05, 0.95, 3)
    images = [
        _exact(cutout) if shot.extra else _photographed(cutout, options, seed, instant, k, ground)
        for k, (shot, cutout) in enumerate(zip(views, cutouts, strict=True))
    ]
    return DrawnSample(shots, views, tuple(images))


class Subject:
    """One individual, or object, and its postures."""

    def __init__(self, options: SampleOptions, seed: int) -> None:
        self._options, self._seed = options, seed
        self.size = 1.0  # millimetres per millimetre of the standard mouse
        self._mouse: Mouse | None = None
        self._object: Posed | None = None
        self._rig_size = 1.0
        if options.world == "animals":
            who = individual(seed)
            self._mouse, self.size, self._rig_size = who.mouse(_DETAIL), who.shape.size, _RIG_SIZE[who.species]
        else:
            self._object = random_object(seed)

    def at(self, instant: int) -> tuple[Posed, Shots]:
        """Shape and cameras of an instant."""
        options = self._options
        rng = _rng(options, self._seed, instant, _POSE)
        rig = surround_rig(self._rig_size)
        for _ in range(_TRIES):
            posed = self._posed(rng, rig)
            shots = self._shots(posed, rig, instant)
            if shots is not None:
                return posed, shots
        raise CaptureError(
            f"synthetic samples: individual {self._seed}, instant {instant}: {_TRIES} postures were all cut by the "
            "border of a source image"
        )

    def _posed(self, rng: np.random.Generator, rig: Rig) -> Posed:
        if self._mouse is None:
            assert self._object is not None
            angle = rng.uniform(0.0, 2 * np.pi)
            c, s = np.cos(angle), np.sin(angle)
            turned = self._object.mesh.vertices @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
            mesh = replace(self._object.mesh, vertices=turned)
            return _placed(replace(self._object, mesh=mesh), rng, rig, self._rig_size)
        pose = random_pose(rng, rig, self._seed)
        posed = self._mouse.posed(replace(pose, x=pose.x * self._rig_size, y=pose.y * self._rig_size))
        return _placed(posed, rng, rig, self._rig_size)

    def _shots(self, posed: Posed, rig: Rig, instant: int) -> Shots | None:
        options, rng = self._options, _rng(self._options, self._seed, instant, _RIG)
        if options.rig == "surround":
            return surround_shots(posed.mesh, rig, options.framing, options.size)
        if options.rig == "facelift":
            return facelift_shots(posed.mesh, options.size, rng)
        return random_shots(posed.mesh, options.views, options.size, rng)


def random_pose(rng: np.random.Generator, rig: Rig, seed: int) -> Pose:
    """A posture of the individual's motion at a random time, its head, back and tail turned some more."""
    pose = Motion(rig.arena, seed).pose(float(rng.uniform(0.0, 1e4)))
    bend, yaw, pitch, arch, tail = rng.normal(0.0, (0.15, 0.25, 0.12, 0.12, 0.5)).tolist()
    return replace(
        pose,
        spine_bend=pose.spine_bend + bend,
        head_yaw=pose.head_yaw + yaw,
        head_pitch=pose.head_pitch + pitch,
        arch=pose.arch + arch,
        tail_bend=pose.tail_bend + tail,
        tail_wave=float(rng.uniform(0.1, 0.6)),
        tail_phase=float(rng.uniform()),
    )


def _placed(posed: Posed, rng: np.random.Generator, rig: Rig, size: float) -> Posed:
    """The same shape with the middle of its box near the middle of the arena."""
    points = posed.mesh.vertices
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    wanted = size * (np.array([rig.arena.x, rig.arena.y]) + rng.uniform(-18.0, 18.0, 2))
    shift = np.array([*(wanted - middle[:2]), 0.0])
    moved = (points + shift).astype(np.float32).astype(np.float64)
    marks = replace(posed.marks, centres=posed.marks.centres + shift)
    return Posed(replace(posed.mesh, vertices=moved), posed.look, marks, posed.keypoints + shift)


def _exact(cutout: Cutout) -> ImageRGBA:
    return _rgba(np.rint(255 * cutout.rgb).astype(np.uint8), _levels(cutout))


def _photographed(
    cutout: Cutout, options: SampleOptions, seed: int, instant: int, view: int, ground: np.ndarray
) -> ImageRGBA:
    """As a camera of the rig gives it: before a floor, through its sensor, cut out by its mask."""
    if not options.sensor and options.noise is None:
        return _exact(cutout)
    whole, box = cutout, _box_around(cutout)
    cutout = Cutout(cutout.rgb[box], cutout.cover[box])
    mask = _levels(cutout)
    if options.noise is not None:
        mask = options.noise.apply(mask, [options.seed, seed, instant, _MASK, view])
    # a rig's cameras stay what they are for all of an individual's instants
    sensor = random_sensor(_rng(options, seed, 0, _SENSOR, view)) if options.sensor else Sensor()
    seen = cutout.over(_floor(cutout, ground))
    out = np.zeros((*whole.cover.shape, 4), dtype=np.uint8)
    out[box] = _rgba(sensor.expose(seen, _rng(options, seed, instant, _EXPOSURE, view)), mask)
    return out


def _box_around(cutout: Cutout) -> tuple[slice, slice]:
    """The part of the picture that masks, noise included, can reach."""
    rows, columns = np.flatnonzero(cutout.cover.any(axis=1)), np.flatnonzero(cutout.cover.any(axis=0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    y0, x0 = max(0, int(rows[0]) - _PAD), max(0, int(columns[0]) - _PAD)
    return slice(y0, int(rows[-1]) + 1 + _PAD), slice(x0, int(columns[-1]) + 1 + _PAD)


def _floor(cutout: Cutout, ground: np.ndarray) -> np.ndarray:
    """[h, w, 3] a plain floor, grey to a hint of colour, darker towards one corner."""
    height, width = cutout.cover.shape
    level, tint, slope = (float(value) for value in ground)
    colour = level * (1 + 0.06 * (tint - 0.5) * np.array([1.0, 0.0, -1.0]))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    shade = 1 + 0.3 * (slope - 0.5) * (x / width + y / height - 1)
    return (shade[..., None] * colour).astype(np.float32)


def _levels(cutout: Cutout) -> Levels:
    return np.rint(255 * cutout.cover).astype(np.uint8)


def _rgba(rgb: np.ndarray, alpha: Levels) -> ImageRGBA:
    return np.concatenate([rgb, alpha[..., None]], axis=2)


@dataclass(frozen=True, eq=False)
class _Job:
    """What a worker does with the samples of one individual."""

    options: SampleOptions
    instants: int
    store: DatasetStore

    def __call__(self, block: Sequence[int]) -> Iterator[list[Record]]:
        subject: Subject | None = None
        for number in block:
            seed, instant = divmod(number, self.instants)
            subject = subject if subject is not None else Subject(self.options, seed)
            drawn = draw_sample(self.options, seed, instant, subject)
            record, files = _files(number, drawn, _provenance(self.options, self.instants))
            self.store.add(record.id, files)
            self.store.log([record])
            yield [record]
        self.store.sync()


def _files(number: int, drawn: DrawnSample, provenance: dict[str, Any]) -> tuple[Record, dict[str, bytes]]:
    files: dict[str, bytes] = {}
    entries: list[ViewEntry] = []
    said: list[dict[str, Any]] = []
    for index, (shot, image) in enumerate(zip(drawn.views, drawn.images, strict=True)):
        path = f"images/cam_{index:03d}.png"
        files[path] = encode_png(image)
        entries.append(ViewEntry(shot.written, path, index))
        said.append({"camera": shot.name, "focal": shot.camera.fx, "extra": shot.extra, "cut": False})
    record = Record(sample_id(number), number, "kept", views=said)
    extra: dict[str, Any] = {"provenance": provenance, "record": record}
    return record, {**files, CAMERAS_FILE: sample_json(record.id, entries, extra)}


def _identity(options: SampleOptions, instants: int) -> dict[str, Any]:
    """What two runs into one folder must agree in; individuals may be added."""
    return {**_provenance(options, instants), "options": msgspec.to_builtins(asdict(options))}


def _provenance(options: SampleOptions, instants: int) -> dict[str, Any]:
    preset = options.framing if options.rig == "surround" else options.rig
    return {
        "preset": preset, "world": options.world, "rig": options.rig, "instants": instants, "seed": options.seed,
        "version": __version__,
    }  # fmt: skip


def _rng(options: SampleOptions, seed: int, instant: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng([options.seed, seed, instant, *stream])
