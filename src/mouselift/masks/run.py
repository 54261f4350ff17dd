"""A capture in, masks out: learn the scene, segment block by block, write, judge.

Blocks are cut at fixed frame numbers and the last frame's prior starts anew in each, so the masks do
not depend on the number of workers or on where a run was interrupted. Finished blocks are kept in a
work folder inside the output folder until everything is done.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np

from mouselift.capture.capture import Capture
from mouselift.capture.source import CameraTracks, CaptureSource
from mouselift.errors import MaskError
from mouselift.findings import Finding
from mouselift.masks.background import Background, learn_background
from mouselift.masks.options import MaskOptions
from mouselift.masks.quality import CameraQuality, FrameRecord, measure, summarise
from mouselift.masks.scene import Scene, learn_scene
from mouselift.masks.segment import Segmenter
from mouselift.masks.write import move_folder, png_name, read_mask, write_mask, write_video
from mouselift.media.video import VideoInfo

_BLOCK = 250  # frames of the recording
_COVERAGE_EVERY = 10  # segmented frames between two hulls that are carved for quality alone
_WORK, _JOB, _REPORT = ".mask-work", "job.json", "masks.json"
_SCHEMA = 1

Progress = Callable[[str, int, int], None]  # stage, done, total
Runner = Callable[[Callable[[Sequence[int]], Iterator[int]], Sequence[Sequence[int]], int], Iterator[int]]


class MaskReport(msgspec.Struct, frozen=True):
    """What was made, and how good it is."""

    masks: dict[str, str]  # camera: video or folder of PNGs, relative to the output folder
    frames: int
    floor: str  # in words
    cameras: tuple[CameraQuality, ...]
    centroid_px: float | None  # median over all views that are not cut
    tangency_px: float | None
    empty: tuple[int, ...]  # frames in which the views support no subject
    findings: tuple[str, ...]
    schema: int = _SCHEMA

    def paths(self, out: Path) -> dict[str, Path]:
        """For `capture.capture.set_masks`."""
        return {camera: out / name for camera, name in self.masks.items()}


def one_process(
    job: Callable[[Sequence[int]], Iterator[int]], blocks: Sequence[Sequence[int]], workers: int
) -> Iterator[int]:
    """The simplest runner: every block here, one after another, whatever `workers` says."""
    for block in blocks:
        yield from job(block)


def segment_capture(
    capture: Capture,
    out: Path,
    options: MaskOptions | None = None,
    progress: Progress = lambda stage, done, total: None,
    runner: Runner = one_process,
) -> MaskReport:
    """Masks for every camera of `capture` in `out`; an interrupted run goes on when called again.

    `runner` runs a picklable job over blocks of numbers and yields its results (`parallel.run_blocks`
    uses processes). Raises MaskError where the folder belongs to something else or the recording cannot be
    segmented, CaptureError where the up direction is not known.
    """
    options = options if options is not None else MaskOptions()
    if capture.dataset is not None:
        raise MaskError(f"{capture.path}: is a dataset of finished samples; its images' alpha is their mask")
    up = capture.require_up()
    capture = replace(capture, cameras=tuple(replace(camera, mask=None) for camera in capture.cameras))
    source = CaptureSource(capture)
    frames = _selected(source, options)
    job = _claim(out, _fingerprint(capture, source, options))
    if job is not None:
        return job
    work = out / _WORK
    backgrounds = _backgrounds(capture, source, work, options, progress, runner)
    progress("scene", 0, 1)
    samples = spread(source.frames, options.samples)
    scene = learn_scene(source.read, samples, backgrounds, [t.camera for t in source.tracks], up, capture.floor)
    source.close()
    progress("scene", 1, 1)
    blocks = _blocks(frames)
    todo = [block for block in blocks if not _record_file(work, block).exists()]
    done = len(frames) - sum(len(block) for block in todo)
    progress("masks", done, len(frames))
    for _ in runner(_BlockJob(capture, scene, work), todo, options.workers):
        done += 1
        progress("masks", done, len(frames))
    return _finish(capture, source, scene, out, frames, blocks, options, progress)


def spread(frames: Sequence[int], count: int) -> list[int]:
    """At most `count` of the frames, evenly spread, ends included."""
    at = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    return [int(frames[int(i)]) for i in at]


def _selected(source: CaptureSource, options: MaskOptions) -> list[int]:
    stop = len(source.frames) if options.stop is None else min(options.stop, len(source.frames))
    frames = list(range(options.start, stop, options.every))
    if not frames:
        raise MaskError(f"no frames from {options.start}: the recording has {len(source.frames)}")
    return frames


def _blocks(frames: Sequence[int]) -> list[list[int]]:
    edges = np.flatnonzero(np.diff(np.asarray(frames) // _BLOCK)) + 1
    return [part.tolist() for part in np.split(np.asarray(frames), edges)]


def _fingerprint(capture: Capture, source: CaptureSource, options: MaskOptions) -> dict[str, object]:
    """What must be equal for two runs to share a folder: cameras, files, options (but the workers)."""
    digest = hashlib.sha256()
    for track in source.tracks:
        c = track.camera
        digest.update(repr((track.name, c.width, c.height, c.K.tolist(), c.T_cam_world.tolist(), c.lens)).encode())
        digest.update(repr((track.images.path.name, track.images.end, track.images.shift)).encode())
    digest.update(repr((None if capture.up is None else capture.up.tolist(), capture.floor)).encode())
    return {
        "schema": _SCHEMA,
        "cameras": list(source.cameras),
        "recording": digest.hexdigest(),
        "every": options.every,
        "start": options.start,
        "stop": options.stop,
        "samples": options.samples,
    }


def _claim(out: Path, fingerprint: dict[str, object]) -> MaskReport | None:
    """Make the folder or check that it is ours; the report where everything is done already."""
    path = out / _JOB
    if path.exists():
        if msgspec.json.decode(path.read_bytes()) != fingerprint:
            raise MaskError(f"{out}: holds masks of another recording, or made with other options; use a new folder")
        if (out / _REPORT).exists():
            return msgspec.json.decode((out / _REPORT).read_bytes(), type=MaskReport)
    elif out.exists() and any(out.iterdir()):
        raise MaskError(f"{out}: is not empty and holds no {_JOB}; expected a new folder. Nothing was changed")
    with _writing(out):
        (out / _WORK).mkdir(parents=True, exist_ok=True)
    _write(path, msgspec.json.format(msgspec.json.encode(fingerprint)))
    return None


def _write(path: Path, data: bytes) -> None:
    with _writing(path):
        temporary = path.with_name(f".{path.name}")
        temporary.write_bytes(data)
        temporary.replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MaskError(f"{path}: cannot be written ({error}); what is finished is kept, run again") from error


def _backgrounds(
    capture: Capture, source: CaptureSource, work: Path, options: MaskOptions, progress: Progress, runner: Runner
) -> list[Background]:
    paths = [work / f"background-{name}.npz" for name in source.cameras]
    todo = [[i] for i, path in enumerate(paths) if not path.exists()]
    progress("background", len(paths) - len(todo), len(paths))
    samples = spread(source.frames, options.samples)
    for done, _ in enumerate(runner(_BackgroundJob(capture, samples, tuple(paths)), todo, options.workers), 1):
        progress("background", len(paths) - len(todo) + done, len(paths))
    return [Background.load(path) for path in paths]


@dataclass(frozen=True, eq=False)
class _BackgroundJob:
    """Numbers are cameras: each is read alone, so that one camera's samples are in memory at a time."""

    capture: Capture
    samples: list[int]
    paths: tuple[Path, ...]

    def __call__(self, block: Sequence[int]) -> Iterator[int]:
        for number in block:
            camera = self.capture.cameras[number]
            source = CaptureSource(replace(self.capture, cameras=(camera,)))
            images = (frame.views[0].image for frame in source.read(self.samples))
            background = learn_background(images, f"{self.capture.path}: camera {camera.name}")
            source.close()
            with _writing(self.paths[number]):
                temporary = self.paths[number].with_suffix(".part")
                background.save(temporary)
                temporary.replace(self.paths[number])
            yield number


@dataclass(eq=False)
class _BlockJob:
    """Numbers are frames of one block."""

    capture: Capture
    scene: Scene
    work: Path
    _segmenter: Segmenter | None = field(default=None, repr=False)

    def __call__(self, block: Sequence[int]) -> Iterator[int]:
        segmenter = self._segmenter = self._segmenter or Segmenter(self.scene)
        segmenter.reset()
        source = CaptureSource(self.capture)
        carver = segmenter.carver
        records: list[FrameRecord] = []
        for index, frame in enumerate(source.read(list(block))):
            levels = segmenter.segment([view.image for view in frame.views]).levels
            for track, level in zip(source.tracks, levels, strict=True):
                if level is not None:
                    folder = self.work / track.name
                    folder.mkdir(exist_ok=True)
                    write_mask(folder, frame.frame + track.images.shift, level)
            judged = carver if index % _COVERAGE_EVERY == 0 else None
            records.append(measure(self.scene.cameras, levels, frame.frame, judged))
            yield frame.frame
        source.close()
        _write(_record_file(self.work, block), msgspec.json.encode(records))


def _record_file(work: Path, block: Sequence[int]) -> Path:
    return work / f"block-{block[0]:08d}-{block[-1]:08d}.json"


def _finish(
    capture: Capture,
    source: CaptureSource,
    scene: Scene,
    out: Path,
    frames: Sequence[int],
    blocks: Sequence[Sequence[int]],
    options: MaskOptions,
    progress: Progress,
) -> MaskReport:
    work = out / _WORK
    records: list[FrameRecord] = []
    for block in blocks:
        records += msgspec.json.decode(_record_file(work, block).read_bytes(), type=list[FrameRecord])
    masks: dict[str, str] = {}
    for index, track in enumerate(source.tracks):
        progress("writing", index, len(source.tracks))
        masks[track.name] = _deliver(track, work, out, options, source.rate)
    report = _report(capture, source, scene, masks, records)
    _write(out / _REPORT, msgspec.json.format(msgspec.json.encode(report)))
    shutil.rmtree(work)
    progress("writing", len(source.tracks), len(source.tracks))
    return report


def _deliver(track: CameraTracks, work: Path, out: Path, options: MaskOptions, rate: float) -> str:
    """One camera's masks from the work folder to their place; its name."""
    folder = work / track.name
    media = track.images.media
    if not (options.everything and isinstance(media, VideoInfo)):
        folder.mkdir(exist_ok=True)
        if not (out / track.name).exists():
            move_folder(folder, out / track.name)
        return track.name
    target = out / f"{track.name}.mkv"
    width, height = track.images.size
    empty = np.zeros((height, width), dtype=np.uint8)

    def images() -> Iterator[np.ndarray]:
        for number in range(media.frames):
            path = folder / png_name(number)
            yield read_mask(path) if path.exists() else empty

    write_video(target, images(), (width, height), rate)
    return target.name


def _report(
    capture: Capture, source: CaptureSource, scene: Scene, masks: dict[str, str], records: Sequence[FrameRecord]
) -> MaskReport:
    empty = tuple(r.frame for r in records if not any(v.state == "ok" for v in r.views))
    findings = [*source.findings, *scene.findings, *_about(capture, scene, records, empty)]
    centroid = [v.centroid_px for r in records for v in r.views if v.centroid_px is not None]
    tangency = [px for r in records for v in r.views for px in v.tangency_px]
    return MaskReport(
        masks,
        len(records),
        scene.floor.say(capture.unit),
        summarise(scene.names, records),
        round(float(np.median(centroid)), 3) if centroid else None,
        round(float(np.median(tangency)), 3) if tangency else None,
        empty,
        tuple(str(finding) for finding in findings),
    )


def _about(capture: Capture, scene: Scene, records: Sequence[FrameRecord], empty: Sequence[int]) -> Iterator[Finding]:
    if empty:
        yield Finding.of(
            "empty-mask",
            f"{capture.path}: {len(empty)} of {len(records)} frames (first: {empty[0]}) show no "
            "subject that the views "
            "agree about; their masks are empty",
            frame=empty[0],
            advice="",
        )
    for i, name in enumerate(scene.names):
        missing = [r.frame for r in records if r.views[i].state == "no-image"]
        if missing:
            yield Finding.of(
                "missing-image",
                f"camera {name}: {len(missing)} frames (first: {missing[0]}) have no readable image, and so no mask",
                severity="warning",
                camera=name,
                frame=missing[0],
                advice="",
            )
        share = float(scene.backgrounds[i].uncovered.mean())
        if share > 0.001:
            yield Finding.of(
                "mask-uncovered",
                f"camera {name}: {share:.1%} of the image was never seen without the subject; masks "
                "there rest on "
                "the other views. A longer recording, or one in which the subject moves more, would help",
                camera=name,
            )
