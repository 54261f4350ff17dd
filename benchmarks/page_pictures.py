"""Pictures of every kind of page that mouselift writes, before and after: two trees, the same data, one browser.

    git worktree add --detach /tmp/before ad2931d
    python benchmarks/page_pictures.py /tmp/before CAPTURE WORK [--every 85] [--only report inspect] [--publish]

Needs Chromium. Today's tree makes the data once, in WORK/data: a capture with masks, its dataset, the demo. Each tree
then writes its own pages of them into WORK/before and WORK/after; what is there already stays. WORK/shots holds whole
pages at 1,400 and 400 px in both themes, and 3D scenes alone, to be looked at; --publish puts the tops of both trees'
pages side by side, smaller, into docs/images/pages, which docs/evidence/pages.md shows.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import tyro

import _paths  # noqa: F401 - before what it puts on the path
from headless import PROGRAMS, Browser

HERE = Path(__file__).resolve().parent.parent
PUBLISHED = HERE / "docs/images/pages"
WIDTHS = {1400: 900, 400: 850}  # and the height of the window
TALLEST = 16_000  # pixels of a page that are drawn
WIDE, NARROW = 600, 250  # published pixels of a column
WIDE_HEIGHT, NARROW_HEIGHT = 1500, 1300  # of the page's top, as the browser draws it
GAP = 12
QUALITY = 55
_SCENE = """(() => { const box = document.querySelector('.scene canvas').getBoundingClientRect();
    return [box.left, box.top + scrollY, box.width, box.height].map(Math.round); })()"""
SETTLED, SCENE_SETTLED = 1.5, 12.0  # seconds; a live scene is drawn without a graphics card


@dataclass(frozen=True)
class PageKind:
    """A page, and the commands that write it. {data}: WORK/data, {out}: what this tree writes."""

    command: str
    page: str  # in {out}; "": the command serves it


KINDS = {
    "report": PageKind("report {data}/dataset {out}/report.html --workers 1", "report.html"),
    "report-fail": PageKind("report {data}/demo/legacy {out}/fail.html --workers 1", "fail.html"),
    "inspect": PageKind("inspect {data}/capture --out {out}/inspected", "inspected/inspect.html"),
    "compare": PageKind("compare {data}/capture {out}/compared --instants 6 --workers 1", "compared/compare.html"),
    "reconstruction": PageKind(
        "reconstruct {data}/demo/per-sample/sample_000006 {out}/fitted --method fit --size 128 --workers 1 "
        "--views Camera1 Camera2 Camera3 Camera4 Camera5",
        "fitted/sample_000006/index.html",
    ),
    "evaluation": PageKind(
        "evaluate {data}/demo/per-sample/sample_000006 --gaussians {out}/fitted --hold-out Camera6 --size 128 "
        "--workers 1 --out {out}/evaluated",
        "evaluated/index.html",
    ),
    "training": PageKind(
        "train tiny_cpu {data}/demo/per-sample {out}/run --updates 20 --threads 1; "
        "report {out}/run {out}/training.html",
        "training.html",
    ),
    "masks": PageKind("mask {out}/capture --every {every} --workers 1", "capture/masks/contact_sheet.png"),
    "demo": PageKind("demo {out}/demo --workers 1", "demo/index.html"),
    "view": PageKind("view {data}/dataset --port 0", ""),
}


@dataclass
class Pictures:
    """Whole pages into WORK/shots, and their tops beside each other."""

    before: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TREE")]
    """An older checkout of this project."""
    capture: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CAPTURE")]
    """A recording that `mouselift init` understands; nothing is written there."""
    work: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="WORK")]
    """Folder for the data, the pages and the whole pictures."""
    every: int = 85
    """Frames of the recording that get masks and become samples: each so-many-th."""
    only: tuple[str, ...] = tuple(KINDS)
    """Kinds of page."""
    publish: bool = False
    """Replace the pictures of the documentation."""

    def draw(self) -> None:
        self.work = self.work.resolve()
        trees = {"before": self.before.resolve(), "after": HERE}
        self._data()
        program = next(name for name in PROGRAMS if shutil.which(name))
        with tempfile.TemporaryDirectory() as profile:
            browser = Browser(program, Path(profile), "127.0.0.1")
            try:
                for kind in self.only:
                    for name, tree in trees.items():
                        with self._written(kind, name, tree) as address:
                            self._shoot(browser, address, self.work / "shots" / name, kind)
                    if self.publish:
                        self._publish(kind)
            finally:
                browser.close()

    def _data(self) -> None:
        data = self.work / "data"
        capture = data / "capture"
        if not capture.exists():
            _copied(self.capture, capture)
            _mouselift(HERE, f"init {capture} --force")
            _mouselift(HERE, f"mask {capture} --every {self.every} --workers 1")
        if not (data / "dataset").exists():
            _mouselift(HERE, f"prepare {capture} {data}/dataset --every {self.every} --workers 1")
        if not (data / "demo").exists():
            _mouselift(HERE, f"demo {data}/demo --workers 1")

    @contextlib.contextmanager
    def _written(self, kind: str, name: str, tree: Path) -> Iterator[str]:
        """Address of the page that a tree writes or serves."""
        out = self.work / name
        out.mkdir(parents=True, exist_ok=True)
        one = KINDS[kind]
        command = one.command.format(data=self.work / "data", out=out, every=self.every)
        if not one.page:
            served = subprocess.Popen(_command(command), stdout=subprocess.PIPE, text=True, env=_environment(tree))
            assert served.stdout is not None
            try:
                yield next(found[0] for line in served.stdout if (found := re.search(r"http://127\S+", line)))
            finally:
                served.terminate()
                served.wait()
            return
        if not (out / one.page).exists():
            if kind == "masks":
                _copied(self.capture, out / "capture")
                _mouselift(HERE, f"init {out}/capture --force")
            for part in command.split("; "):
                _mouselift(tree, part)
        yield (out / one.page).as_uri()

    def _shoot(self, browser: Browser, address: str, folder: Path, kind: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        served = address.startswith("http")
        scene: tuple[slice, slice] | None = None
        if address.endswith(".png"):
            shutil.copy(address.removeprefix("file://"), folder / f"{kind}.png")
            return
        for width, height in WIDTHS.items():
            for theme in ("light", "dark"):
                with browser.page() as page:
                    if theme == "dark":
                        page.dark()
                    page.open(address, width, height, SCENE_SETTLED if served else SETTLED)
                    if not served:
                        tall = page.run("document.documentElement.scrollHeight")
                        page.size(width, min(max(tall, height), TALLEST))
                        browser.wait(SETTLED)
                        wide = page.run("document.documentElement.scrollWidth")
                        if wide > width:
                            print(f"{folder.name} {kind}: {wide} px wide on a screen of {width} px")
                        if width == max(WIDTHS) and theme == "light" and page.run("!!document.querySelector('.scene')"):
                            left, top, wide, tall = page.run(_SCENE)
                            scene = (slice(top, top + tall), slice(left, left + wide))
                    for error in page.errors():
                        print(f"{folder.name} {kind}: {error}")
                    shot = page.screenshot(folder / f"{kind}-{width}-{theme}.png")
                    if scene is not None and width == max(WIDTHS) and theme == "light":
                        cv2.imwrite(str(folder / f"{kind}-scene.png"), np.asarray(cv2.imread(str(shot)))[scene])

    def _publish(self, kind: str) -> None:
        PUBLISHED.mkdir(parents=True, exist_ok=True)
        shots = [self.work / "shots" / name for name in ("before", "after")]
        if (shots[0] / f"{kind}.png").exists():
            _save(kind, [_top(shot / f"{kind}.png", WIDE, None) for shot in shots])
            return
        _save(kind, [_top(shot / f"{kind}-1400-light.png", WIDE, WIDE_HEIGHT) for shot in shots])
        if (shots[1] / f"{kind}-scene.png").exists():
            _save(f"{kind}-scene", [_top(shot / f"{kind}-scene.png", WIDE, None) for shot in shots])
        names = [(shot, theme) for shot in shots for theme in ("light", "dark")]
        narrow = [_top(shot / f"{kind}-400-{theme}.png", NARROW, NARROW_HEIGHT) for shot, theme in names]
        _save(f"{kind}-400", narrow)


def _environment(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}


def _command(arguments: str) -> list[str]:
    return [sys.executable, "-u", "-m", "mouselift", *arguments.split()]


def _mouselift(tree: Path, arguments: str) -> None:
    """Exit code 1 is an answer: faults were found."""
    print(f"{tree}: mouselift {arguments}", flush=True)
    done = subprocess.run(_command(arguments), env=_environment(tree), capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)


def _copied(capture: Path, to: Path) -> None:
    """A capture's folder with links to its files; without masks and description, which commands write."""
    shutil.rmtree(to, ignore_errors=True)  # of a run that was stopped
    to.mkdir(parents=True)
    for entry in capture.resolve().iterdir():
        if entry.name not in ("masks", "capture.toml"):
            (to / entry.name).symlink_to(entry.resolve())


def _top(path: Path, width: int, height: int | None) -> np.ndarray:
    image = np.asarray(cv2.imread(str(path)))[:height]
    scale = width / image.shape[1]
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _save(name: str, columns: list[np.ndarray]) -> None:
    """Beside each other, on grey."""
    tall = max(len(column) for column in columns)
    filled = [np.full((tall, column.shape[1] + GAP, 3), 160, np.uint8) for column in columns]
    for whole, column in zip(filled, columns, strict=True):
        whole[: len(column), : column.shape[1]] = column
    joined = np.concatenate(filled, axis=1)[:, :-GAP]
    cv2.imwrite(str(PUBLISHED / f"{name}.webp"), joined, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


if __name__ == "__main__":
    tyro.cli(Pictures).draw()
