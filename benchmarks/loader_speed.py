"""Samples a second of `mouselift.data` against the straightforward loader, on the same folder in one run.

    python benchmarks/loader_speed.py [--dataset FOLDER] [--samples 12]

Without a folder: six views of 512 px a sample, a furry subject that fills 0.36 of each frame (the default preparation's
fill), written as `mouselift prepare` writes it, and by PIL with the scene kept under alpha 0 as scripts do. CPU of one
process, samples of both loaders in turns, medians. At the stored size both give the same tensors, as the largest
difference shows; resized they differ at the subject's rim, where PIL mixes the colours from under alpha 0 into it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from baseline.pil_loader import PlainDataset  # noqa: E402  (siblings, found through the line above)
from mouselift.calibration.facelift import ViewEntry, sample_json  # noqa: E402
from mouselift.data.dataset import MultiViewDataset  # noqa: E402
from mouselift.data.moves import Augmentation  # noqa: E402
from mouselift.geometry.camera import Camera  # noqa: E402
from mouselift.media.png import encode_png  # noqa: E402
from png import subject, with_scene  # noqa: E402

VIEWS, SIDE = 6, 512


def write_dataset(root: Path, samples: int, scene: bool) -> Path:
    """Samples of six views; `scene`: by PIL, colours kept under alpha 0."""
    image = with_scene(subject(SIDE)) if scene else subject(SIDE)
    T = np.eye(4)
    T[2, 3] = 2.7
    views = [
        ViewEntry(Camera(SIDE, SIDE, 549.0, 549.0, 256.0 + k, 250.0, T, name=f"cam{k}"), f"images/cam_{k:03d}.png", k)
        for k in range(VIEWS)
    ]
    for index in range(samples):
        folder = root / f"sample_{index:06d}"
        (folder / "images").mkdir(parents=True)
        for k, view in enumerate(views):
            rolled = np.roll(image, (3 * index - 10, 5 * k - 12), axis=(0, 1))
            if scene:
                Image.fromarray(rolled).save(folder / view.file_path)
            else:
                (folder / view.file_path).write_bytes(encode_png(rolled))
        (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, views, {}))
    return root


def compare(title: str, root: Path, size: int) -> None:
    plain, ours = PlainDataset(root, size), MultiViewDataset(root, size=size)
    turned = MultiViewDataset(root, size=size, augment=Augmentation(10.0, (0.9, 1.1), False, 0.1, 0.1, 0.1))
    spent: dict[str, list[float]] = {"plain": [], "ours": [], "augmented": []}
    apart = 0.0
    for index in range(len(ours)):
        start = time.process_time()
        one = plain[index]
        spent["plain"].append(time.process_time() - start)
        start = time.process_time()
        other = ours[index]
        spent["ours"].append(time.process_time() - start)
        start = time.process_time()
        turned[index]
        spent["augmented"].append(time.process_time() - start)
        apart = max(apart, float((one["image"] - other.image).abs().max()))
        if not torch.allclose(one["fxfycxcy"], other.fxfycxcy, rtol=1e-6):
            raise SystemExit(f"{root}: the two loaders give different cameras")
    a, b, c = (1e3 * float(np.median(spent[name][1:])) for name in ("plain", "ours", "augmented"))
    print(f"{title:<28}{size:>5} px{a:10.1f} ms{b:9.1f} ms{a / b:8.1f} x{c:11.1f} ms{apart:12.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="a folder of samples to compare on instead")
    parser.add_argument("--samples", type=int, default=12)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(f"{'CPU a sample':<28}{'':>8}{'plain':>13}{'mouselift':>12}{'ratio':>10}{'augmented':>14}{'max diff':>12}")
    with tempfile.TemporaryDirectory() as name:
        kinds = (
            {"given": options.dataset}
            if options.dataset is not None
            else {
                "as mouselift writes it": write_dataset(Path(name) / "ours", options.samples, False),
                "scene kept, PIL's PNG": write_dataset(Path(name) / "scene", options.samples, True),
            }
        )
        for title, root in kinds.items():
            for size in (512, 256):
                compare(title, root, size)


if __name__ == "__main__":
    main()
