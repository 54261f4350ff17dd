"""Speed of `prepare` from dataset to dataset, against the straightforward pipeline on the same folder.

    python benchmarks/reframe_speed.py [--samples 20] [--head FOLDER]

Three kinds of input: the mouse on a blank ground (as mouselift writes it), the same with the scene kept under alpha 0
and PIL's default PNG (as scripts write it), and, where `--head` names a FaceLift sample, that. CPU a view, one run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from prepare_speed import timed  # noqa: E402  (a sibling script, found through the line above)

MANY = 300  # samples that mouselift makes, copies of those that the straightforward pipeline makes
OURS = """
import sys
from pathlib import Path
from mouselift.capture.capture import load_capture
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
if __name__ == "__main__":
    folder, out, workers = sys.argv[1:]
    prepare_dataset(load_capture(Path(folder)), Path(out), PrepareOptions(on_cut="keep"), workers=int(workers))
"""


def mouse_dataset(out: Path, samples: int) -> Path:
    """The mouse on a blank ground."""
    from mouselift.capture.capture import load_capture
    from mouselift.prepare.options import PrepareOptions
    from mouselift.prepare.pipeline import prepare_dataset
    from recording import recording

    options = PrepareOptions(stop=10 * samples, every=10, val=0.0, on_cut="keep")
    prepare_dataset(load_capture(recording(500, 30)), out, options, workers=1)
    return out


def scene_dataset(mouse: Path, out: Path) -> Path:
    """The same images with a scene under alpha 0."""
    shutil.copytree(mouse, out)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:512, :512]
    scene = 120 + 60 * np.sin(x / 40)[..., None] * np.cos(y / 31)[..., None] + rng.normal(scale=6, size=(512, 512, 3))
    hidden = np.clip(scene, 0, 255).astype(np.uint8)
    for path in sorted(out.glob("*/images/*.png")):
        rgba = np.array(Image.open(path))
        rgba[:, :, :3] = np.where(rgba[:, :, 3:] > 0, rgba[:, :, :3], hidden)
        Image.fromarray(rgba).save(path)
    return out


def many(dataset: Path, out: Path, samples: int) -> Path:
    """At least `samples` samples, by links: a run long enough that starting processes does not count."""
    folders = sorted(path for path in dataset.iterdir() if path.is_dir())
    for index in range(samples):
        shutil.copytree(folders[index % len(folders)], out / f"sample_{index:06d}", copy_function=os.link)
    return out


def capture_of(dataset: Path, folder: Path) -> Path:
    folder.mkdir()
    text = f'format = 1\nunit = "normalised"\nup = "+z"\ndataset = "{dataset}"\n'
    (folder / "capture.toml").write_text(text)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--head", type=Path, help="a FaceLift sample's folder, or a folder of them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "ours.py").write_text(OURS)
        mouse = mouse_dataset(work / "mouse", options.samples)
        kinds = {"mouse on blank": mouse, "scene kept": scene_dataset(mouse, work / "scene")}
        if options.head is not None:
            for index in range(options.samples // 2):
                shutil.copytree(options.head, work / "head" / f"sample_{index:06d}")
            kinds["head"] = work / "head"
        idle, _, _ = timed([sys.executable, "-c", "import mouselift.prepare.pipeline, mouselift.prepare.resample"])
        idle_plain, _, _ = timed([sys.executable, "-c", "import cv2, numpy, PIL.Image"])
        for index, (kind, dataset) in enumerate(kinds.items()):
            views = len(list(dataset.glob("*/images/*.png")))
            capture = capture_of(many(dataset, work / f"many{index}", MANY), work / f"capture{index}")
            script = str(HERE / "baseline" / "straightforward.py")
            plain, _, _ = timed([sys.executable, script, "folder", str(dataset), str(work / f"plain{index}")])
            command = [sys.executable, str(work / "ours.py"), str(capture)]
            ours, wall, _ = timed([*command, str(work / f"ours{index}"), "1"])
            _, wall_two, _ = timed([*command, str(work / f"two{index}"), "2"])
            made = len(list((work / f"many{index}").glob("*/images/*.png")))
            a, b = 1000 * (plain - idle_plain) / views, 1000 * (ours - idle) / made
            print(f"{kind:<15} straightforward {a:6.1f} ms a view, mouselift {b:5.1f}, ratio 1/{a / b:.1f},", end=" ")
            print(f"two workers {wall / wall_two:.2f} x one ({made} views)")


if __name__ == "__main__":
    main()
