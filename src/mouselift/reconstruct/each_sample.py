"""Samples one after the other, or several at a time in processes of their own: the results are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mouselift.data.dataset import MultiViewDataset
from mouselift.errors import ModelError
from mouselift.fit.camera_colours import CameraColours, camera_colours
from mouselift.parallel import Engine, run_blocks, worker_count
from mouselift.progress import Progress, silent
from mouselift.reconstruct.fit_source import FitSource, RefinedSource
from mouselift.reconstruct.gaussian_source import BOX, FileSource, NetworkSource, Source, device_of
from mouselift.reconstruct.metrics import Distance
from mouselift.reconstruct.options import EvaluateOptions, FilterName, ReconstructOptions, colour_of
from mouselift.reconstruct.plan import Task
from mouselift.reconstruct.sample import Made, reconstruct_sample
from mouselift.render.backends import renderer_for
from mouselift.sampling import evenly_spaced

_COLOUR_SAMPLES = 64  # from which the colours of cameras are estimated, spread over those given


def source_of(options: ReconstructOptions | EvaluateOptions) -> Source:
    """What gives the Gaussians, as the options say. ModelError for a device that is not there."""
    device = device_of(options.device)
    if options.method == "fit":
        return FitSource(options.steps, options.device)
    if isinstance(options, EvaluateOptions) and options.gaussians is not None:
        return FileSource(options.gaussians, device, options.activated, options.read_as)
    network = NetworkSource(options.checkpoint or BOX, options.dtype, options.device, options.mask_margin)
    return RefinedSource(network, options.refine) if options.refine else network


def network_of(source: Source) -> NetworkSource | None:
    """The network that runs in it, if any."""
    inner = source.first if isinstance(source, RefinedSource) else source
    return inner if isinstance(inner, NetworkSource) else None


def processes_for(source: Source, asked: int, engine: Engine | None = None) -> int | Engine:
    """As `worker_count`; 1 for what uses all cores or the device by itself. ModelError where more are asked for."""
    alone = not isinstance(source, FitSource) or source.device.type != "cpu"
    if alone and engine is not None:
        raise ModelError("engine: only --method fit on a CPU runs elsewhere than in this process")
    if alone and asked > 1:
        raise ModelError(
            f"workers: expected 1, got {asked}; only --method fit on a CPU takes several samples at a time"
        )
    return 1 if alone else engine or worker_count(asked)


def colours_of(folders: Sequence[Path], options: ReconstructOptions | EvaluateOptions) -> CameraColours | None:
    """The colours of the cameras, where the options ask for them."""
    if not options.camera_colours:
        return None
    spread = evenly_spaced(list(folders), _COLOUR_SAMPLES)
    data = MultiViewDataset(spread, size=options.size, background=colour_of(options.background))
    return camera_colours(data[k] for k in range(len(data)))


@dataclass(frozen=True, eq=False)
class EachSample:
    """Reconstructs the tasks with these places; picklable, for processes."""

    tasks: tuple[Task, ...]
    source: Source
    options: ReconstructOptions | EvaluateOptions
    filter: FilterName | None = None
    lpips: Distance | None = None
    judged: bool = False
    colours: CameraColours | None = None
    progress: Progress = silent

    def __call__(self, places: Sequence[int]) -> Iterator[Made]:
        folders = [self.tasks[place].folder for place in places]
        data = MultiViewDataset(folders, size=self.options.size, background=colour_of(self.options.background))
        renderer = renderer_for(self.source.device)
        for number, place in enumerate(places):
            yield reconstruct_sample(
                self.source,
                renderer,
                data[number],
                self.tasks[place],
                self.filter,
                self.lpips,
                self.progress,
                self.judged,
                self.colours,
            )


def reconstructions(
    tasks: Sequence[Task],
    source: Source,
    options: ReconstructOptions | EvaluateOptions,
    progress: Progress,
    *,
    filter: FilterName | None = None,
    lpips: Distance | None = None,
    judged: bool = False,
    colours: CameraColours | None = None,
    workers: int | Engine = 1,
) -> Iterator[Made]:
    """Each made when it is asked for; with several workers in any order. progress: with several, hears "samples"."""
    if not tasks:
        return
    heard = progress if workers == 1 else silent
    job = EachSample(tuple(tasks), source, options, filter, lpips, judged, colours, heard)
    for done, made in enumerate(run_blocks(job, [[place] for place in range(len(tasks))], workers), 1):
        yield made
        progress("samples", done, len(tasks))
