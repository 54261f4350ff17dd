"""What a fit without a network reaches in views that it never got: synthetic mice, and the recording mouse_cylinder.

    python benchmarks/fit.py mice WORK                     # renders two synthetic mice (once), six views in, six never
    python benchmarks/fit.py rig DATASET [--instants 24]   # a prepared dataset: each camera held out in turn
    python benchmarks/fit.py masks DATASET                 # what its masks allow at most, no fit

mouse_cylinder's dataset: `mouselift mask CAPTURE --every 25; mouselift prepare CAPTURE DATASET --every 25 --size 128`.
Rates and weights of the fit were chosen on instants 5, 27, 49 and 60 of the 66 that masks of then left, and on two
instants of the brown mouse. Today's masks leave more, so each of the four is one of a few neighbours: none of those is
judged here. CPU seconds are those of one process with one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.data.dataset import MultiViewDataset
from mouselift.data.rays import pixel_rays
from mouselift.data.sample import SampleTensors
from mouselift.dataset.layout import find_samples
from mouselift.fit.camera_colours import CameraColours, camera_colours
from mouselift.fit.subject import INSIDE, subject_of
from mouselift.geometry.lens import Pinhole
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.progress import silent
from mouselift.reconstruct.fit_source import FitSource
from mouselift.reconstruct.metrics import view_scores
from mouselift.reconstruct.options import STEPS
from mouselift.reconstruct.sample import background_of, camera_of
from mouselift.render.base import Gaussians, draw
from mouselift.render.cpu import CpuRenderer
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.coat import Coat
from mouselift.synthetic.rigs import Rig, aimed_camera, demo_rig

TUNED, OF = (5, 27, 49, 60), 66  # instants of mouse_cylinder on which rates and weights were chosen
TUNED_MICE = {"brown": (1, 4)}
MICE: tuple[tuple[Coat, int], ...] = (("brown", 11), ("black", 12))  # coat, seed
NEVER = ((0, 20), (60, 50), (125, 10), (180, 35), (235, 65), (300, 25))  # azimuth, elevation, degrees: never given
SIZE = 128
_MIDDLE, _AWAY = np.array([60.0, 52.0, 50.0]), 300.0  # mm
_INNER = 0.0025  # mean squared error of colours inside: 26 dB, what input views reach (`rig`)

Figures = list[tuple[float, float]]  # foreground PSNR, IoU


def twelve_cameras() -> Rig:
    """The demo's six, and six between them that are never given."""
    base, more = demo_rig(), []
    for number, (azimuth, elevation) in enumerate(NEVER, 1):
        a, e = np.radians(azimuth), np.radians(elevation)
        place = _MIDDLE + _AWAY * np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
        x, y, z = place.tolist()
        intrinsics = (800.0, 800.0, 0.0, 288.0, 256.0)
        more.append(aimed_camera(f"Never{number}", (576, 512), intrinsics, Pinhole(), (x, y, z), (60.0, 52.0, 45.0)))
    return Rig((*base.cameras, *more), base.arena)


def mouse(work: Path, coat: Coat, seed: int) -> Path:
    """A prepared dataset of six instants, 1.4 s apart."""
    capture, dataset = work / f"{coat}-capture", work / coat
    if not (capture / "capture.toml").is_file():
        rig = twelve_cameras()
        spec = CaptureSpec(6, rig, coat=coat, seed=seed, fps=0.7, start=0.5, images="png", masks="png", supersample=2)
        write_capture(capture, spec)
        write_capture_toml(capture / "capture.toml", discover(capture).spec)
    options = PrepareOptions(preset="per-sample", size=SIZE, on_cut="keep")
    prepare_dataset(load_capture(capture), dataset, options, workers=1)
    return dataset


def figures(
    sample: SampleTensors, gaussians: Gaussians, places: list[int], colours: CameraColours | None = None
) -> Figures:
    found, background = [], background_of(sample)
    for k in places:
        got = draw(CpuRenderer(), gaussians, camera_of(sample, k), background)
        got = got if colours is None else colours.seen_by(sample.views[k], got, background)
        scores = view_scores(got.colour, got.alpha, sample.image[k], background)
        found.append((scores.foreground_psnr, scores.iou))
    return found


def said(name: str, found: Figures) -> str:
    psnr, iou = np.array(found).mean(axis=0)
    return f"{name:26s} {psnr:6.2f} dB  IoU {iou:.3f}  ({len(found)} images)"


def judge_mice(work: Path, steps: list[int]) -> None:
    datasets = {coat: MultiViewDataset(find_samples(mouse(work, coat, seed))) for coat, seed in MICE}
    for count in steps:
        source, never, given, spent = FitSource(count, "cpu"), [], [], []
        for coat, data in datasets.items():
            for place in range(len(data)):
                if place in TUNED_MICE.get(coat, ()):
                    continue
                sample, start = data[place], time.process_time()
                gaussians = source.gaussians(sample, range(6), silent)
                spent.append(time.process_time() - start)
                never += figures(sample, gaussians, list(range(6, 12)))
                given += figures(sample, gaussians, list(range(6)))
        print(f"{count} steps: {np.median(spent):.1f} CPU s a sample, median of {len(spent)}")
        print(said("  views never given", never), said("  views that went in", given), sep="\n", flush=True)


def chosen(data: MultiViewDataset, instants: int) -> list[int]:
    """Spread over the dataset, without those on which the fit may have been tuned."""
    moved = range(max(len(data) - OF, 0) + 1)  # places by which an instant comes later among more of them
    tuned = {place + by for place in TUNED for by in moved}
    others = [place for place in range(len(data)) if place not in tuned]
    return [others[k] for k in np.linspace(0, len(others) - 1, min(instants, len(others))).astype(int)]


def judge_rig(dataset: Path, instants: int, steps: int) -> None:
    """Colours of cameras come from instants that are not judged."""
    data = MultiViewDataset(find_samples(dataset), size=SIZE)
    judged = chosen(data, instants)
    colours = camera_colours(data[k] for k in range(len(data)) if k not in judged)
    print(f"camera colours: {colours.words}", flush=True)
    source, spent = FitSource(steps, "cpu"), []
    out: dict[str, Figures] = {"never given": [], "never given, in its colours": [], "went in": []}
    by_view: dict[str, Figures] = {}
    for place in judged:
        sample = data[place]
        common, views = colours.common(sample), len(sample.views)
        for k in range(views):
            inputs, start = [i for i in range(views) if i != k], time.process_time()
            gaussians = source.gaussians(common, inputs, silent)
            spent.append(time.process_time() - start)
            # as it is: pictures of the camera against the common colours, nothing known of that camera
            out["never given"] += figures(sample, gaussians, [k])
            found = figures(sample, gaussians, [k], colours)
            out["never given, in its colours"] += found
            by_view.setdefault(sample.views[k], []).extend(found)
            out["went in"] += figures(sample, gaussians, inputs[:1], colours)
        print(f"  {sample.name}: {len(spent)} fits, {np.median(spent):.1f} CPU s each (median)", flush=True)
        for name, found in out.items():
            print(said(f"  {name}", found), flush=True)
    for name, found in by_view.items():
        print(said(f"  {name}", found))


def judge_masks(dataset: Path, instants: int) -> None:
    """A held-out camera's pixels whose rays meet a volume inside all other masks: no shape that keeps to them has more.

    The pixels that are left out show the background.
    """
    data = MultiViewDataset(find_samples(dataset), size=SIZE)
    shares, bounds, overlaps = [], [], []
    for place in chosen(data, instants):
        sample = data[place]
        views = len(sample.views)
        for k in range(views):
            wanted = sample.image[k, 3] > INSIDE
            hull = volume_seen(sample, k)
            allowed = hull & wanted
            overlaps.append(float(allowed.sum() / (hull | wanted).sum()))
            lost = (sample.image[k, :3] - sample.background[:, None, None])[:, wanted & ~allowed]
            error = (float(lost.square().sum()) / 3 + _INNER * int(allowed.sum())) / int(wanted.sum())
            shares.append(float(allowed.sum() / wanted.sum()))
            bounds.append(-10 * np.log10(error))
    print(f"of a held-out mask the others allow {100 * np.mean(shares):.1f} %: at most {np.mean(bounds):.1f} dB")
    print(f"the largest shape that keeps to the others overlaps it (IoU) by {np.mean(overlaps):.3f}")


def volume_seen(sample: SampleTensors, k: int, steps: int = 192) -> torch.Tensor:
    """[h, w] bool: the view's rays on which some point lies inside the masks of all other views that see it."""
    others = [i for i in range(len(sample.views)) if i != k]
    subject = subject_of(sample, others)
    rows, columns = torch.nonzero(torch.ones(sample.image.shape[-2:]), as_tuple=True)
    origins, directions = pixel_rays(sample.c2w[None], sample.fxfycxcy[None], *sample.image.shape[-2:])
    o, d = (part[0, k][:, rows, columns].T for part in (origins, directions))
    middle = ((subject.centre - o) * d).sum(dim=1, keepdim=True)
    along = middle + torch.linspace(-1.3, 1.3, steps) * subject.radius
    points = o[:, None] + along[..., None] * d[:, None]  # [r, steps, 3]
    inside, seeing = torch.ones(points.shape[:2], dtype=torch.bool), torch.zeros(points.shape[:2], dtype=torch.int32)
    for i in others:
        T, (fx, fy, cx, cy) = torch.linalg.inv(sample.c2w[i]), sample.fxfycxcy[i].tolist()
        x, y, z = (points @ T[:3, :3].T + T[:3, 3]).unbind(dim=-1)
        place = torch.stack([(fx * x / z + cx) * 2 / SIZE - 1, (fy * y / z + cy) * 2 / SIZE - 1], dim=-1)
        alpha = F.grid_sample(sample.image[i, 3][None, None], place[None], align_corners=False)[0, 0]
        sees = (place.abs() <= 1).all(dim=-1) & (z > 0)
        inside &= (alpha >= INSIDE) | ~sees
        seeing += sees
    seen = torch.zeros(sample.image.shape[-2:], dtype=torch.bool)
    seen[rows, columns] = (inside & (seeing > 1)).any(dim=1)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("mice", "rig", "masks"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--instants", type=int, default=24)
    parser.add_argument("--steps", type=int, nargs="+", default=[STEPS])
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "mice":
        judge_mice(options.folder, options.steps)
    elif options.what == "rig":
        judge_rig(options.folder, options.instants, options.steps[0])
    else:
        judge_masks(options.folder, options.instants)


if __name__ == "__main__":
    main()
