"""Quality and cost of each interpolation: why `quintic` is the default, and why OpenCV's own kernels are not offered.

    python benchmarks/warp_quality.py

A furry texture of known detail is photographed by a source camera and resampled to scales 1, 0.7 and 0.4. Columns:
PSNR inside the subject against the slow twin (`tests/shared/resample_reference.py`) and against the truth (the texture
itself, averaged over each output pixel), mean brightening of the rim on white in levels against the twin, the largest
error of a mark's place at scale 1, and CPU for a subject of 330 x 250 output pixels at scale 1.

Then edges: a subject whose colours are its own up to the rim, white under alpha 0 (a prepared sample on white), is
resampled and laid on white; levels by which its rim comes out brighter than the texture itself does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
from mouselift.framing.plan import ViewPlan
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady
from mouselift.media.images import ArrayImage
from mouselift.prepare.resample import composited, premultiplied, source_map, straight, warp_view
from resample_reference import reference_view

WIDTH, HEIGHT, FINE = 440, 360, 8
SCALES = (1.0, 0.7, 0.4)
Warp = Callable[[ViewPlan, np.ndarray, np.ndarray], np.ndarray]


def scene(seed: int = 0) -> np.ndarray:
    """Fine texture, 8 x 8 samples a source pixel: amplitude 1/f^1.5, finer than a pixel can show; one channel."""
    rng = np.random.default_rng(seed)
    width, height = WIDTH * FINE, HEIGHT * FINE
    f = np.hypot(np.fft.rfftfreq(width)[None], np.fft.fftfreq(height)[:, None]) * FINE
    f[0, 0] = 1.0
    gain = np.where((f < 1.5) & (f > 4 / WIDTH), f**-1.5, 0.0)
    noise = np.fft.irfft2(gain * np.exp(2j * np.pi * rng.random(f.shape)), s=(height, width))
    return (90 + 25 * noise / noise.std()).clip(0, 255).astype(np.float32)


def photographed(fine: np.ndarray) -> np.ndarray:
    """What a sensor makes of it: the mean over each pixel, 8 bit, three equal channels."""
    mean = fine.reshape(HEIGHT, FINE, WIDTH, FINE).mean(axis=(1, 3))
    return np.repeat(np.rint(mean).astype(np.uint8)[..., None], 3, axis=2)


def in_ellipse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The subject, in source pixels."""
    return ((x - 220) / 165) ** 2 + ((y - 180) / 125) ** 2 < 1


def subject() -> np.ndarray:
    """Mask of an ellipse, area-exact at its rim."""
    x, y = np.meshgrid((np.arange(WIDTH * 4) + 0.5) / 4, (np.arange(HEIGHT * 4) + 0.5) / 4)
    inside = in_ellipse(x, y)
    return np.rint(255 * inside.reshape(HEIGHT, 4, WIDTH, 4).mean(axis=(1, 3))).astype(np.uint8)


def view(scale: float) -> ViewPlan:
    """Lens undone, turned by a few degrees about two axes, and scaled."""
    source = Camera(WIDTH, HEIGHT, 640.0, 640.0, 221.0, 179.0, np.eye(4), BrownConrady(-0.16, 0.3), name="bench")
    angle = np.array([0.02, -0.03, 0.1])
    size = int(400 * scale)
    turned = source.turned(np.asarray(cv2.Rodrigues(angle)[0]))
    target = turned.pinhole(640.0 * scale, (size / 2 + 0.3, size / 2 - 0.2), (size, size))
    return ViewPlan(source, target, scale, target.fx, 1.0, 1.0, True, 0.0, None, None, (0, 0, size, size), False, False)


def opencv(flag: int) -> Warp:
    """The same map through one of OpenCV's own kernels, premultiplied, one sample a pixel."""

    def warp(plan: ViewPlan, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        size = plan.target.width
        centres = np.arange(size) + 0.5
        map_x, map_y = source_map(plan.reframe, (0, 0, size, size)).at(centres, centres, (0.5, 0.5), 1.0)
        return straight(cv2.remap(premultiplied(image, mask), map_x, map_y, flag))

    return warp


METHODS: dict[str, Warp] = {
    "OpenCV nearest": opencv(cv2.INTER_NEAREST),
    "OpenCV cubic": opencv(cv2.INTER_CUBIC),
    "OpenCV Lanczos": opencv(cv2.INTER_LANCZOS4),
    "linear": lambda plan, image, mask: warp_view(plan, ArrayImage(image), mask, interpolation="linear"),
    "cubic": lambda plan, image, mask: warp_view(plan, ArrayImage(image), mask, interpolation="cubic"),
    "quintic": lambda plan, image, mask: warp_view(plan, ArrayImage(image), mask, interpolation="quintic"),
}


def truth(plan: ViewPlan, fine: np.ndarray, samples: int = 12) -> np.ndarray:
    """The texture averaged over each output pixel: [size, size]."""
    size = plan.target.width
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    corners = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    total = np.zeros((size, size))
    for i in range(samples):
        for j in range(samples):
            at = plan.reframe.to_source(corners + (np.array([i, j]) + 0.5) / samples) * FINE - 0.5
            map_x, map_y = (at[:, k].reshape(size, size).astype(np.float32) for k in (0, 1))
            total += cv2.remap(fine, map_x, map_y, cv2.INTER_LINEAR)
    return total / samples**2


def coverage(plan: ViewPlan, samples: int = 12) -> np.ndarray:
    """Share of each output pixel that the subject covers: [size, size]."""
    size = plan.target.width
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    corners = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    total = np.zeros(size * size)
    for i in range(samples):
        for j in range(samples):
            total += in_ellipse(*plan.reframe.to_source(corners + (np.array([i, j]) + 0.5) / samples).T)
    return (total / samples**2).reshape(size, size)


def straight_colours(plan: ViewPlan, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What scripts do: colours and alpha resampled apart, the colours not weighed by alpha."""
    size = plan.target.width
    centres = np.arange(size) + 0.5
    map_x, map_y = source_map(plan.reframe, (0, 0, size, size)).at(centres, centres, (0.5, 0.5), 1.0)
    return np.dstack([cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR), cv2.remap(mask, map_x, map_y, 1)])


def edges(fine: np.ndarray, image: np.ndarray, mask: np.ndarray) -> None:
    """Prints the brightening of the rim on white, in levels, mean over the pixels that the subject covers in part."""
    clean = np.where(mask[..., None] > 0, image, 255).astype(np.uint8)
    print(f"\n{'edges on white':18}" + "".join(f"{f'scale {s}':>11}" for s in SCALES))
    for name, warp in {"straight colours": straight_colours, **METHODS}.items():
        line = f"{name:18}"
        for plan in map(view, SCALES):
            cover = coverage(plan)
            ideal = cover * truth(plan, fine) + (1 - cover) * 255
            rim = (cover > 0.02) & (cover < 0.98)
            line += f"{(composited(warp(plan, clean, mask), (255, 255, 255))[..., 0] - ideal)[rim].mean():11.2f}"
        print(line)


def psnr(image: np.ndarray, ideal: np.ndarray, where: np.ndarray) -> float:
    return float(20 * np.log10(255 / np.sqrt(((image.astype(float) - ideal)[where] ** 2).mean())))


def mark_error(warp: Warp, sigma: float = 1.3) -> float:
    """Largest distance of 99 Gaussian marks from where the camera puts them, output pixels, scale 1."""
    plan = view(1.0)
    rng = np.random.default_rng(2)
    x, y = np.meshgrid(np.linspace(90, 350, 11), np.linspace(70, 290, 9))
    at = np.stack([x.ravel(), y.ravel()], axis=1) + rng.uniform(-0.5, 0.5, (99, 2))
    across, down = ((np.arange(n * FINE) + 0.5) / FINE for n in (WIDTH, HEIGHT))
    shape = (99, -1, FINE)
    rows = np.exp(-((down - at[:, 1:]) ** 2) / 2 / sigma**2).reshape(shape).mean(axis=2)
    columns = np.exp(-((across - at[:, :1]) ** 2) / 2 / sigma**2).reshape(shape).mean(axis=2)
    painted = np.rint(225 * rows.T @ columns).clip(0, 255).astype(np.uint8)
    solid = np.full((HEIGHT, WIDTH), 255, dtype=np.uint8)
    image = warp(plan, np.repeat(painted[..., None], 3, axis=2), solid)[..., 0].astype(float)
    px, py = np.meshgrid(np.arange(400) + 0.5, np.arange(400) + 0.5)
    worst = 0.0
    for cx, cy in plan.reframe.to_target(at):
        weight = image * (np.hypot(px - cx, py - cy) < 5.5 * sigma)
        worst = max(worst, float(np.hypot((weight * (px - cx)).sum(), (weight * (py - cy)).sum()) / weight.sum()))
    return worst


def cpu_ms(call: Callable[[], object], repeats: int = 15) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def main() -> None:
    cv2.setNumThreads(1)
    fine, mask = scene(), subject()
    image = photographed(fine)
    print(f"{'':15}" + "".join(f"{f'scale {s}':^30}" for s in SCALES) + f"{'mark':>8}{'CPU':>8}")
    print(f"{'':15}" + f"{'twin dB':>10}{'truth dB':>10}{'rim':>10}" * len(SCALES) + f"{'px':>8}{'ms':>8}")
    ideals = []
    for scale in SCALES:
        plan = view(scale)
        twin = reference_view(plan, image, mask, samples=4)
        inside = cv2.erode((twin[..., 3] > 254.5).astype(np.uint8), np.ones((5, 5), dtype=np.uint8)) > 0
        ideals.append((plan, twin, truth(plan, fine), inside))
    box = ideals[0][0]
    small = replace(box, box=(30, 70, 370, 330))
    print(f"{'the twin':15}" + "".join(f"{'':10}{psnr(w[..., 0], t, i):10.1f}{'':10}" for _, w, t, i in ideals))
    whole = [reference_view(plan, image, mask, samples=4, box=1.0) for plan, *_ in ideals]
    pairs = zip(whole, ideals, strict=True)
    print(
        f"{'same, whole box':15}" + "".join(f"{'':10}{psnr(w[..., 0], t, i):10.1f}{'':10}" for w, (*_, t, i) in pairs)
    )
    for name, warp in METHODS.items():
        line = f"{name:15}"
        for plan, twin, ideal, inside in ideals:
            warped = warp(plan, image, mask)
            rim = (twin[..., 3] > 5) & (twin[..., 3] < 250)
            on_white = composited(warped, (255, 255, 255))[..., :3]
            brighter = (on_white - (twin[..., :3] + 255 - twin[..., 3:]))[rim].mean()
            line += f"{psnr(warped[..., :3], twin[..., :3], inside):10.1f}{psnr(warped[..., 0], ideal, inside):10.1f}"
            line += f"{brighter:10.2f}"
        cost = cpu_ms(lambda warp=warp: warp(small, image, mask))
        print(line + f"{mark_error(warp):8.3f}{cost:8.2f}")
    edges(fine, image, mask)


if __name__ == "__main__":
    main()
