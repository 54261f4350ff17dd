"""A capture in, masks out: learn the scene, segment block by block, write, measure.

Blocks are cut at fixed frame numbers, and what is known of the last frame is forgotten at the start of each. So the
masks do not depend on the number of workers, or on where a run was interrupted. Finished frames are kept in a hidden
work folder inside the output folder until all are done: then they are a lossless grey video per camera, or PNGs named
by the camera's own frame numbers.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import av
import msgspec
import numpy as np
from av.error import FFmpegError

from mouselift.array_types import Levels
from mouselift.atomic import whole_file
from mouselift.capture.capture import Capture
from mouselift.capture.made_masks import MASK_REPORT, Doubt, contradiction_findings, doubt_findings
from mouselift.capture.source import CaptureSource
from mouselift.errors import MaskError, OutputError
from mouselift.findings import Finding
from mouselift.foreign import json_as
from mouselift.geometry.camera import Camera
from mouselift.masks.background import LEARNING_STEPS, learn_background
from mouselift.masks.camera_agreement import CameraTest, camera_doubts, camera_test, tested_frames
from mouselift.masks.changes import Background
from mouselift.masks.exchanged import ASKED_FRAMES, exchanged_cameras
from mouselift.masks.mask_folder import MaskFolder, mask_identity, png_name
from mouselift.masks.options import MaskOptions
from mouselift.masks.quality import CameraQuality, FrameRecord, measure, rounded_median, summarise
from mouselift.masks.scene import SCENE_STEPS, Scene, learn_scene
from mouselift.masks.segment import Segmenter
from mouselift.media.decoding import decoded
from mouselift.media.png import encode_png
from mouselift.media.video_index import VideoInfo
from mouselift.parallel import Engine, run_blocks, step, worker_count
from mouselift.progress import Progress, Step, counted, each, silent, unheard
from mouselift.run_folder import RunFolder
from mouselift.sampling import evenly_spaced
from mouselift.strings_as_paths import takes_paths

LOG = logging.getLogger(__name__)

_BLOCK = 250  # frames of the recording
_COVERAGE_EVERY = 10  # segmented frames between two hulls that are carved only to measure coverage
_UNTOLD = 0.15  # of the subject. Black and brown kinds of benchmarks/mask_shadows.py: 0.01 to 0.12; white 0.05 to 0.23
_UNCOVERED = 0.001  # share of an image that was never seen without the subject: below, it is not worth a warning
_DEFAULTS = MaskOptions()


class MaskReport(msgspec.Struct, frozen=True):
    """The masks that were made, and how well the views agree about them (source pixels)."""

    masks: dict[str, str]  # camera: video or folder of PNGs, relative to the output folder
    frames: int
    floor: str  # in words
    cameras: tuple[CameraQuality, ...]
    centroid_px: float | None  # median over all views that are not cut
    tangency_px: float | None
    empty: tuple[int, ...]  # frames in which the views support no subject
    findings: tuple[str, ...]
    schema: int = 1
    contradiction: str = ""  # what the cameras see, before masks are cut, belongs to other cameras
    blamed: tuple[str, ...] = ()  # cameras that it names
    doubts: tuple[Doubt, ...] = ()  # what was not tested before masks are cut

    def paths(self, out: Path) -> dict[str, Path]:
        """For `capture.capture_toml.set_masks`."""
        return {camera: out / name for camera, name in self.masks.items()}


@takes_paths
def segment_capture(
    capture: Capture,
    out: Path,
    options: MaskOptions = _DEFAULTS,
    *,
    workers: int = 0,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> MaskReport:
    """Masks for every camera of `capture` in the folder `out`; an interrupted run goes on when called again.

    workers: processes, 0: one a core; engine: where blocks run, in their place; the result does not depend on either.
    Raises MaskError where the recording cannot be segmented, DatasetError where the folder belongs to something else,
    CaptureError where the up direction is not known, OutputError where `out` cannot be written.

    Example:
        capture = load_capture(Path("recordings/mouse7"))
        report = segment_capture(capture, Path("recordings/mouse7/masks"), MaskOptions(every=10))
    """
    if capture.dataset is not None:
        raise MaskError(f"{capture.path}: is a dataset of finished samples; its images' alpha is their mask")
    up = capture.require_up()
    runs_on = engine or worker_count(workers)
    capture = replace(capture, cameras=tuple(replace(camera, mask=None) for camera in capture.cameras))
    source = CaptureSource(capture)
    stop = len(source.frames) if options.stop is None else min(options.stop, len(source.frames))
    frames = range(options.start, stop, options.every)
    if not frames:
        raise MaskError(f"no frames from {options.start}: the recording has {len(source.frames)}")
    identity = mask_identity(capture, source, options)
    folder = MaskFolder(out, identity, source)
    with folder.locked():
        folder.open()
        if (out / MASK_REPORT).exists():
            folder.close({})  # a run may have been killed right before
            finished = _finished(out / MASK_REPORT)
            if not (gone := list(_gone(source, finished, out, frames))):
                return finished
            LOG.warning("%s: masks of %s are not there any more; they are made again", out, ", ".join(gone))
        work = folder.work
        samples = evenly_spaced(source.frames, options.learn_from)
        backgrounds = _backgrounds(capture, folder, samples, runs_on, progress)
        learnt = counted(progress, "scene", 0, SCENE_STEPS * len(samples))
        cameras = [track.camera for track in source.tracks]

        def learn(cameras: Sequence[Camera], samples: Sequence[int], step: Step = unheard) -> Scene:
            return learn_scene(source.read, samples, backgrounds, cameras, up, capture.floor, step)

        try:
            scene = learn(cameras, samples, learnt)
        except MaskError as error:
            again = source.read(evenly_spaced(samples, ASKED_FRAMES))
            if (exchange := exchanged_cameras(again, backgrounds, cameras)) is None:
                raise
            raise MaskError(f"{error} What was found: {exchange.words}") from None
        asked = evenly_spaced(frames, tested_frames(len(cameras)))
        tested = camera_test(scene, source.read, asked, learn, counted(progress, "cameras", 0, len(asked)))
        source.close()
        records = _segmented(capture, scene, folder, work, frames, runs_on, progress)
        every_frame = options.every == 1 and options.start == 0 and options.stop is None
        masks = _gathered(source, folder, work, every_frame, progress)
        report = _report(capture, source, scene, masks, tested, [records[frame] for frame in frames])
        folder.write(MASK_REPORT, msgspec.json.format(msgspec.json.encode(report)))
        folder.close({})
        return report


def _finished(report: Path) -> MaskReport:
    try:
        return json_as(report.read_bytes(), MaskReport)
    except ValueError as error:
        raise MaskError(
            f"{report}: is not what `mouselift mask` writes ({error}); delete it and give the same command again"
        ) from None


def _gone(source: CaptureSource, report: MaskReport, out: Path, frames: Sequence[int]) -> Iterator[str]:
    """Cameras whose video is gone, or any of whose PNGs are."""
    paths, made = report.paths(out), {camera.camera: camera.frames - camera.missing for camera in report.cameras}
    for track in source.tracks:
        path = paths[track.name]
        if not path.is_dir():
            there = path.is_file()
        else:
            there = sum((path / png_name(n)).is_file() for n in track.images.numbers(frames)) >= made[track.name]
        if not there:
            yield track.name


def _backgrounds(
    capture: Capture, folder: MaskFolder, samples: Sequence[int], runs_on: int | Engine, progress: Progress
) -> list[Background]:
    paths = [folder.background(camera.name) for camera in capture.cameras]
    todo = [[i] for i, path in enumerate(paths) if not path.exists()]
    a_camera = len(samples) + LEARNING_STEPS
    seen = counted(progress, "background", (len(paths) - len(todo)) * a_camera, len(paths) * a_camera)
    job = _BackgroundJob(capture, list(samples), tuple(paths))
    for _ in run_blocks(job, todo, runs_on, seen):
        pass
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
            images = (frame.views[0].image for frame in each(source.read(self.samples), step))
            background = learn_background(images, f"{self.capture.path}: camera {camera.name}", step)
            source.close()
            background.save(self.paths[number])
            yield number


def _segmented(
    capture: Capture,
    scene: Scene,
    folder: RunFolder[FrameRecord],
    work: Path,
    frames: Sequence[int],
    runs_on: int | Engine,
    progress: Progress,
) -> dict[int, FrameRecord]:
    """A record of each frame; those of whole blocks in the journal are not made again."""
    records = {record.frame: record for record in folder.records()}
    blocks = [list(block) for _, block in groupby(frames, lambda frame: frame // _BLOCK)]
    todo = [block for block in blocks if not all(frame in records for frame in block)]
    done = len(frames) - sum(len(block) for block in todo)
    segmented = counted(progress, "masks", done, len(frames))
    for record in run_blocks(_BlockJob(capture, scene, work), todo, runs_on, segmented):
        records[record.frame] = record
        folder.log([record])
    folder.sync()  # before they are moved
    return records


@dataclass(frozen=True, eq=False)
class _BlockJob:
    """Numbers are frames of one block."""

    capture: Capture
    scene: Scene
    work: Path

    def __call__(self, block: Sequence[int]) -> Iterator[FrameRecord]:
        segmenter, source = Segmenter(self.scene), CaptureSource(self.capture)
        for index, frame in enumerate(source.read(list(block))):
            levels = segmenter.segment([view.image for view in frame.views])
            for track, level in zip(source.tracks, levels, strict=True):
                if level is not None:
                    write_mask(self.work / track.name, track.images.numbers([frame.frame])[0], level)
            carver = segmenter.carver if index % _COVERAGE_EVERY == 0 else None
            yield measure(self.scene.cameras, levels, frame.frame, carver, floor=self.scene.floor)
            step()
        source.close()


def _gathered(
    source: CaptureSource, folder: RunFolder[FrameRecord], work: Path, every_frame: bool, progress: Progress
) -> dict[str, str]:
    """The finished PNGs at their place: moved, or as a video a camera where every frame of a video has one.

    What is at its place already stays as it is: it may have been mended by hand.
    """
    videos = {t.name: t.images.media for t in source.tracks if every_frame and isinstance(t.images.media, VideoInfo)}
    images = sum(videos[track.name].frames if track.name in videos else 1 for track in source.tracks)
    written = counted(progress, "writing", 0, images)
    masks: dict[str, str] = {}
    for track in source.tracks:
        if track.name in videos:
            masks[track.name] = f"{track.name}.mkv"
            if (folder.root / masks[track.name]).exists():
                written(videos[track.name].frames)
                continue
            levels = each(_numbered_masks(work / track.name, videos[track.name]), written)
            write_video(folder.root / masks[track.name], levels, track.images.size, source.rate)
        else:
            masks[track.name] = track.name
            folder.move_in(work / track.name, track.name)
            written(1)
    return masks


def write_mask(folder: Path, number: int, levels: Levels) -> None:
    """One PNG, whole or not at all. OutputError where it cannot be written; finished masks are kept then."""
    with whole_file(folder / png_name(number), replace=True) as temporary:
        temporary.write_bytes(encode_png(levels))


def read_mask(path: Path) -> Levels:
    image = decoded(path.read_bytes())
    if image is None or image.dtype != np.uint8 or image.ndim != 2:
        raise MaskError(f"{path}: expected a grey image of 8 bits as `mouselift mask` writes; delete it and run again")
    return image


def _numbered_masks(folder: Path, media: VideoInfo) -> Iterator[Levels]:
    """As many as the video has images; those that were not segmented get an empty mask."""
    for number in range(media.frames):
        path = folder / png_name(number)
        yield read_mask(path) if path.exists() else np.zeros((media.height, media.width), dtype=np.uint8)


def write_video(path: Path, images: Iterable[Levels], size: tuple[int, int], rate: float) -> None:
    """FFV1 in Matroska, grey, every image a key frame, the same bytes every time; size = (width, height).

    OutputError where it cannot be written; nothing is left behind then.
    """
    steps = Fraction(rate if rate > 0 else 25).limit_denominator(1001)
    options = {"flags": "+bitexact", "level": "3", "slices": "4"}
    with whole_file(path, replace=True) as temporary:
        try:
            with av.open(
                str(temporary), "w", format="matroska", container_options={"fflags": "+bitexact"}
            ) as container:
                stream = container.add_stream("ffv1", rate=steps, options=options)
                stream.width, stream.height, stream.pix_fmt = *size, "gray"
                stream.codec_context.gop_size = 1
                stream.codec_context.thread_count = 1  # slices in a fixed order
                for number, levels in enumerate(images):
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format="gray")
                    frame.pts, frame.time_base = number, 1 / steps
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
        except FFmpegError as error:
            raise OutputError(f"{path}: the mask video cannot be written ({error})") from error
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # the masks it was made of are deleted afterwards


def _report(
    capture: Capture,
    source: CaptureSource,
    scene: Scene,
    masks: dict[str, str],
    tested: CameraTest,
    records: Sequence[FrameRecord],
) -> MaskReport:
    empty = tuple(r.frame for r in records if not any(v.state == "ok" for v in r.views))
    findings = [*source.findings, *scene.findings, *_findings(capture, scene, records, empty)]
    doubts = tuple(camera_doubts(scene.names, tested))
    findings += [*contradiction_findings(tested.text, tested.cameras), *doubt_findings(doubts)]
    views = [view for record in records for view in record.views]
    return MaskReport(
        masks=masks,
        frames=len(records),
        floor=scene.floor.describe(capture.unit),
        cameras=summarise(scene.names, records),
        centroid_px=rounded_median([view.centroid_px for view in views if view.centroid_px is not None]),
        tangency_px=rounded_median([px for view in views for px in view.tangency_px]),
        empty=empty,
        findings=tuple(str(finding) for finding in findings),
        contradiction=tested.text,
        blamed=tested.cameras,
        doubts=doubts,
    )


def _findings(
    capture: Capture, scene: Scene, records: Sequence[FrameRecord], empty: Sequence[int]
) -> Iterator[Finding]:
    if empty:
        text = (
            f"{capture.path}: {len(empty)} of {len(records)} frames (first: {empty[0]}) show no subject that the views "
            "agree about; their masks are empty"
        )
        yield Finding.of("empty-mask", text, frame=empty[0], advice="")
    untold = {
        n: c.untold for n, c in zip(scene.names, scene.colours, strict=True) if c is not None and c.untold > _UNTOLD
    }
    if untold:
        shares = ", ".join(f"{share:.0%} in {name}" for name, share in untold.items())
        text = (
            f"of the subject {shares} is as bright as the background behind it: outlines there rest on fine "
            "differences and on the other views. Look at the contact sheet; a floor of another brightness, or a lamp "
            "that lights the subject and not the floor, would help. Masks of another tool can be given instead"
        )
        yield Finding.of("mask-untold", text)
    for i, name in enumerate(scene.names):
        missing = [r.frame for r in records if r.views[i].state == "no-image"]
        if missing:
            text = f"camera {name}: {len(missing)} frames (first: {missing[0]}) have no readable image, and so no mask"
            yield Finding.of("missing-image", text, severity="warning", camera=name, frame=missing[0], advice="")
        share = float(scene.backgrounds[i].uncovered.mean())
        if share > _UNCOVERED:
            text = (
                f"camera {name}: {share:.1%} of the image was never seen without the subject; masks there rest on "
                "the other views. A longer recording, or one in which the subject moves more, would help"
            )
            yield Finding.of("mask-uncovered", text, camera=name)
