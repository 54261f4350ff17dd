"""The demo: a synthetic recording prepared four ways, checked against the truth and reconstructed, on one page."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean

import numpy as np

from mouselift import __version__
from mouselift.atomic import check_folder, hidden
from mouselift.audit.dataset import audit_dataset
from mouselift.audit.result import Verdict
from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.capture.source import CaptureSource
from mouselift.dataset.collection import CAPTURE_FILE
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import read_sample
from mouselift.framing.framing import PRESETS
from mouselift.media.png import read_png
from mouselift.parallel import Engine, LocalEngine
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.progress import Progress, renamed
from mouselift.report.dataset_page import write_report
from mouselift.report.options import ReportOptions
from mouselift.report.page import data_uri, image_uri, render_page
from mouselift.report.sheet import contact_sheet, outline_on, tile_of_sample, tile_of_source
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.truth import Truth, true_mesh, view_ious

SPEC = CaptureSpec(frames=12, fps=1.6, start=0.5, seed=3)
_TILE = 176
_SHOWN = (2, 8)  # frames on the contact sheets
_GOOD_IOU = 0.98
_RECONSTRUCTED = "reconstructed"  # folder
TRUE_OUTLINE = (0, 150, 255)
_WORDS = {
    "per-sample": "One scale for all views of an instant. The default.",
    "per-view": "Every view fills the frame as far as its own outline allows; focal lengths differ.",
    "canonical": "Cameras turned to the subject, principal points in the middle, one magnification.",
    "legacy": "The old bug on purpose: pixels scaled and shifted, intrinsics left alone.",
}


@dataclass(frozen=True)
class PresetResult:
    """One way of preparing the same frames."""

    preset: str
    words: str
    samples: int
    iou_mean: float  # true mesh through the written cameras with the written alpha
    iou_worst: float
    tangency_px: float  # median over samples; needs no truth
    size_spread: float
    focal_spread: float
    principal_px: float
    verdict: Verdict  # of the audit, which knows no truth
    sentence: str
    report: str  # file name of the preset's page

    @property
    def exact(self) -> bool:
        return self.iou_worst >= _GOOD_IOU


@dataclass(frozen=True)
class Reconstruction:
    """One sample turned into Gaussians by the network that comes with mouselift, one view held out."""

    page: str  # relative to the demo's
    turntable: str  # the sheet of stills, likewise
    inputs: int  # views
    held_out: str  # camera
    foreground_psnr: float  # dB, of the held-out view
    iou: float
    gaussians: int


@dataclass(frozen=True)
class DemoResult:
    page: Path
    presets: tuple[PresetResult, ...]
    reconstruction: Reconstruction | None  # None: torch is not installed


def run_demo(out: Path, workers: int, progress: Progress) -> DemoResult:
    """Everything under `out`; what an earlier, stopped demo made is used again."""
    check_folder(out)
    capture_folder = out / "capture"
    truth = _capture(capture_folder, progress)
    capture = load_capture(capture_folder)
    results: list[PresetResult] = []
    sheets: dict[str, str] = {}
    with LocalEngine(workers) as engine:
        for name in PRESETS:
            dataset = out / name
            options = PrepareOptions(preset=name, on_cut="keep")  # pyright: ignore[reportArgumentType]
            prepare_dataset(capture, dataset, options, engine=engine, progress=renamed(progress, name))
            results.append(_result(name, dataset, truth, engine, progress))
            sheets[name] = image_uri(_sheet(dataset, truth))
    page, made = out / "index.html", _reconstruction(out, progress)
    render_page(
        "demo.html.j2",
        page,
        version=__version__,
        results=results,
        sheets=sheets,
        source_sheet=image_uri(_source_sheet(CaptureSource(capture))),
        made=made,
        turntable=made and data_uri((out / made.turntable).read_bytes(), "image/jpeg"),
        frames=SPEC.frames,
        cameras=len(capture.cameras),
        capture=capture_folder,
        out=out,
    )
    return DemoResult(page, tuple(results), made)


def _reconstruction(out: Path, progress: Progress) -> Reconstruction | None:
    """Of the middle sample of the `canonical` dataset."""
    if find_spec("torch") is None or find_spec("numba") is None:
        return None
    from mouselift.reconstruct.options import ReconstructOptions
    from mouselift.reconstruct.pipeline import reconstruct_samples
    from mouselift.reconstruct.record import PAGE, STILLS
    from mouselift.report.reconstruction_page import write_reconstruction_page

    samples = find_samples(out / "canonical")
    folder = samples[len(samples) // 2]
    *inputs, held_out = read_sample(folder).names
    options = ReconstructOptions(views=tuple(inputs), device="cpu")
    (record,) = reconstruct_samples(
        folder,
        out / _RECONSTRUCTED,
        options,
        progress=renamed(progress, _RECONSTRUCTED),
        page=write_reconstruction_page,
    ).records
    psnr, iou = (record.mean(name, "held-out") for name in ("foreground_psnr", "iou"))
    assert psnr is not None
    assert iou is not None
    made = f"{_RECONSTRUCTED}/{record.id}"
    return Reconstruction(f"{made}/{PAGE}", f"{made}/{STILLS}", len(inputs), held_out, psnr, iou, record.kept)


def _capture(folder: Path, progress: Progress) -> Truth:
    """Rendered under another name and renamed, so that a stopped demo leaves no half recording."""
    if not (folder / CAPTURE_FILE).is_file():
        writing = hidden(folder)
        if writing.exists():
            shutil.rmtree(writing)
        write_capture(writing, SPEC, progress)
        writing.rename(folder)
        found = discover(folder)
        write_capture_toml(folder / CAPTURE_FILE, found.spec, comments=found.comments)
    return Truth.load(folder)


def _result(name: str, dataset: Path, truth: Truth, engine: Engine, progress: Progress) -> PresetResult:
    ious = list(view_ious(dataset, truth, supersample=3))
    audit = audit_dataset(dataset, engine=engine, progress=renamed(progress, f"audit {name}"))
    page = dataset.with_name(f"{name}.html")
    write_report(dataset, page, audit, ReportOptions(rows=4), force=True)
    numbers = ("tangency_px", "size_spread", "focal_spread")
    middle = {name: float(np.nanmedian(audit.sample_columns[name])) for name in numbers}
    return PresetResult(
        name,
        _WORDS[name],
        audit.samples,
        fmean(ious),
        min(ious),
        middle["tangency_px"],
        middle["size_spread"],
        middle["focal_spread"],
        float(np.nanmax(audit.sample_columns["principal_px"])),
        audit.verdict,
        audit.sentence,
        page.name,
    )


def _sheet(dataset: Path, truth: Truth) -> np.ndarray:
    """Prepared views, the alpha's outline in amber, the true shape's through the written camera in blue."""
    rows, labels = [], []
    folders = find_samples(dataset)
    for index in _SHOWN:
        folder = folders[min(index, len(folders) - 1)]
        mesh = true_mesh(truth, folder)
        row = []
        for view in read_sample(folder).views:
            tile = tile_of_sample(read_png(view.path), _TILE)
            outline_on(tile, render_silhouette(mesh, view.camera, 2), TRUE_OUTLINE)
            row.append(tile)
        rows.append(row)
        labels.append(f"frame {int(folder.name.rsplit('_', 1)[1])}")
    return contact_sheet(rows, labels, [camera.name for camera in truth.cameras])


def _source_sheet(source: CaptureSource) -> np.ndarray:
    rows = [
        [tile_of_source(view.image, view.mask, _TILE) for view in frameset.views if view.image is not None]
        for frameset in source.read(_SHOWN)
    ]
    source.close()
    return contact_sheet(rows, [f"frame {frame}" for frame in _SHOWN], list(source.cameras))
