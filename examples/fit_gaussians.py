"""Fit Gaussians to the views of one sample, without a network: another check that the cameras belong to the pixels.

    python examples/fit_gaussians.py OUT [--presets per-sample ...] [--size 256] [--steps 1000] [--without CAMERA]
    python examples/fit_gaussians.py OUT --sample DATASET/sample_000123 [--steps 1000] [--without CAMERA]

Without --sample: makes one instant of a synthetic recording (once) and prepares it with each preset. Gaussians start
inside the masks' common volume and are fitted to the views. Prints foreground PSNR and IoU of the very views that were
fitted; writes a sheet (the views above what was fitted) and a `.ply`, named by the preset or the sample. With cameras
that match their pixels one shape explains all views; with `legacy` none does. Runs on one CPU core.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import read_sample
from mouselift.framing.framing import PRESETS, Preset
from mouselift.gaussians.files import write_ply
from mouselift.geometry.camera import Camera
from mouselift.geometry.triangulation import triangulate
from mouselift.media.png import encode_png, read_png
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.reconstruct.metrics import ViewScores, view_scores
from mouselift.render.base import WHITE, Gaussians, RenderCamera
from mouselift.render.cpu import CpuRenderer
from mouselift.render.orbit import levels_of, still_sheet
from mouselift.synthetic.capture import CaptureSpec, write_capture

COUNT = 20_000  # Gaussians
TRIED = 400_000  # points thrown to find those inside all masks
FULL = 255.0
RATES = {"positions": 0.002, "harmonics": 0.04, "opacities": 0.05, "scales": 0.02, "rotations": 0.01}


@dataclass(frozen=True, eq=False)
class Photo:
    """One prepared view: straight RGBA levels [h, w, 4] and its camera."""

    rgba: np.ndarray
    camera: Camera

    @property
    def target(self) -> tuple[Tensor, Tensor]:
        """(colour on white [3, h, w], alpha [h, w])."""
        alpha = torch.tensor(self.rgba[..., 3] / FULL, dtype=torch.float32)
        colour = torch.tensor(self.rgba[..., :3] / FULL, dtype=torch.float32).permute(2, 0, 1)
        return colour * alpha + 1 - alpha, alpha


def synthetic_photos(preset: Preset, out: Path, size: int) -> list[Photo]:
    """One prepared sample of the synthetic recording."""
    capture = out / "capture"
    if not (capture / "capture.toml").is_file():
        write_capture(capture, CaptureSpec(frames=1, fps=1.6, start=0.5, seed=3, images="png", masks="png"))
        write_capture_toml(capture / "capture.toml", discover(capture).spec)
    dataset = out / preset
    options = PrepareOptions(preset=preset, size=size, on_cut="keep")
    prepare_dataset(load_capture(capture), dataset, options, workers=1)
    return photos_of(find_samples(dataset)[0])


def photos_of(folder: Path) -> list[Photo]:
    """The views of a prepared sample."""
    sample = read_sample(folder)
    return [Photo(read_png(view.path), view.camera) for view in sample.views]


def seeds(photos: list[Photo]) -> tuple[np.ndarray, float]:
    """(points [COUNT, 3] that most masks contain, the subject's radius), in the sample's own world."""
    middles = []
    radii = []
    for photo in photos:
        y, x = np.nonzero(photo.rgba[..., 3] > FULL / 2)
        middles.append([x.mean() + 0.5, y.mean() + 0.5])
        radii.append(max(np.ptp(x), np.ptp(y)) / 2)
    centre = triangulate([photo.camera for photo in photos], np.array(middles)).point
    radius = float(
        np.median([r * p.camera.depth(centre[None])[0] / p.camera.focal for r, p in zip(radii, photos, strict=True)])
    )
    rng = np.random.default_rng(0)
    points = centre + 1.3 * radius * rng.uniform(-1, 1, (TRIED, 3))
    votes = np.zeros(TRIED)
    for photo in photos:
        at = np.floor(photo.camera.project(points)).clip(-1, photo.rgba.shape[0]).astype(int)
        padded = np.pad(photo.rgba[..., 3] > FULL / 2, 1)
        votes += padded[at[:, 1] + 1, at[:, 0] + 1]
    return points[np.argsort(-votes, kind="stable")[:COUNT]], radius


def fitted(photos: list[Photo], steps: int) -> Gaussians:
    """Adam on colour and alpha, one view a step."""
    points, radius = seeds(photos)
    stored = {
        "positions": torch.tensor(points / radius, dtype=torch.float32),
        "harmonics": torch.zeros(COUNT, 1, 3),
        "opacities": torch.full((COUNT,), -1.0),
        "scales": torch.full((COUNT, 3), float(np.log(0.018))),
        "rotations": torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(COUNT, 1),
    }
    leaves = {name: value.requires_grad_() for name, value in stored.items()}
    optimiser = torch.optim.Adam([{"params": [leaves[name]], "lr": rate} for name, rate in RATES.items()])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=0.0)

    def gaussians() -> Gaussians:
        part = Gaussians.from_stored(*(leaves[name] for name in stored))
        return replace(part, positions=part.positions * radius, scales=part.scales * radius)

    targets, views = [photo.target for photo in photos], [RenderCamera.of(photo.camera) for photo in photos]
    order = np.random.default_rng(1)
    for _ in range(steps):
        view = int(order.integers(len(photos)))
        got = CpuRenderer().render(gaussians(), views[view], WHITE)
        colour, alpha = targets[view]
        away = got.colour - colour
        difference = 10 * away.square().sum() + away.abs().sum() + (got.alpha - alpha).abs().sum()
        optimiser.zero_grad()
        (difference / alpha.sum()).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return gaussians()


def scores(photos: list[Photo], gaussians: Gaussians) -> tuple[list[ViewScores], list[np.ndarray]]:
    """(every view's figures, the images)."""
    found, drawn = [], []
    for photo in photos:
        with torch.no_grad():
            got = CpuRenderer().render(gaussians, RenderCamera.of(photo.camera), WHITE)
        colour, alpha = photo.target
        found.append(view_scores(got.colour, got.alpha, torch.cat([colour, alpha[None]]), WHITE))
        drawn.append(levels_of(got.colour))
    return found, drawn


def fit(preset: Preset, out: Path, size: int, steps: int, without: str | None = None) -> dict[str, ViewScores]:
    """One preset of the synthetic recording; every view's figures."""
    return fit_photos(synthetic_photos(preset, out, size), preset, out, steps, without)


def fit_photos(
    photos: list[Photo], name: str, out: Path, steps: int, without: str | None = None
) -> dict[str, ViewScores]:
    """Fits all views but `without`, writes OUT/NAME.png and OUT/NAME.ply; every view's figures."""
    gaussians = fitted([photo for photo in photos if photo.camera.name != without], steps)
    found, drawn = scores(photos, gaussians)
    originals = [(255 * photo.target[0]).round().byte().permute(1, 2, 0).numpy() for photo in photos]
    (out / f"{name}.png").write_bytes(encode_png(still_sheet([*originals, *drawn], columns=len(photos))))
    ply = out / f"{name}.ply"
    ply.unlink(missing_ok=True)
    write_ply(ply, gaussians.to_splats())
    return {photo.camera.name: its for photo, its in zip(photos, found, strict=True)}


def means(found: list[ViewScores]) -> str:
    psnr, overlap = (np.mean([getattr(view, name) for view in found]) for name in ("foreground_psnr", "iou"))
    return f"foreground PSNR {psnr:5.2f} dB, IoU {overlap:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sample", type=Path, help="a prepared sample's folder, instead of a synthetic recording")
    parser.add_argument("--presets", nargs="+", default=["per-sample", "canonical", "legacy"], choices=list(PRESETS))
    parser.add_argument("--size", type=int, default=256, help="pixels a side")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--without", metavar="CAMERA", help="leave this view out of the fit")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in [options.sample.name] if options.sample else options.presets:
        if options.sample:
            found = fit_photos(photos_of(options.sample), name, options.out, options.steps, options.without)
        else:
            found = fit(name, options.out, options.size, options.steps, options.without)
        apart = found.pop(options.without, None)
        print(f"{name:12s} {means(list(found.values()))} (means of {len(found)} views)", flush=True)
        if apart is not None:
            print(f"{'':12s} {means([apart])} ({options.without}, not fitted)", flush=True)


if __name__ == "__main__":
    main()
