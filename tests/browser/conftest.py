"""Pages in a real browser. Without one these tests are skipped; in CI they fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless import PROGRAMS, Browser, Page
from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import markerless_rig, scaled_rig


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program. Without one the tests are skipped; in CI (`CI` set) they fail."""
    for name in PROGRAMS:
        if shutil.which(name):
            return name
    message = f"no Chromium on this machine (looked for {', '.join(PROGRAMS)}); tools/install_system.sh installs it"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def offline(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for which no name resolves."""
    browser = Browser(chromium, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def local(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that reaches this machine and nothing else."""
    browser = Browser(chromium, tmp_path_factory.mktemp("chromium"), "127.0.0.1")
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small synthetic recording, prepared exactly and with the old bug."""
    folder = tmp_path_factory.mktemp("mouse")
    spec = CaptureSpec(frames=3, rig=scaled_rig(markerless_rig(), 0.25), fps=1.0, seed=3, supersample=2)
    write_capture(folder / "capture", spec)
    found = discover(folder / "capture")
    write_capture_toml(folder / "capture/capture.toml", found.spec, comments=found.comments)
    capture = load_capture(folder / "capture")
    for name in ("per-sample", "legacy"):
        options = PrepareOptions(preset=name, size=256, on_cut="keep")
        prepare_dataset(capture, folder / name, options, workers=1)
    return {name: folder / name for name in ("per-sample", "legacy")}


@pytest.fixture
def page(offline: Browser, page_file: Path) -> Iterator[Page]:
    """The file that a test module names, open."""
    with offline.page() as page:
        page.open(page_file.as_uri())
        yield page
