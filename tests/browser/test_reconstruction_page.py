"""A reconstruction's page in a real browser, from disk, with no network; and Gaussians through `mouselift view`."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch

from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset.layout import find_samples
from mouselift.reconstruct.options import ReconstructOptions
from mouselift.reconstruct.pipeline import reconstruct_samples
from mouselift.report.reconstruction_page import write_reconstruction_page

if TYPE_CHECKING:
    from headless import Browser, Page


@pytest.fixture(scope="module")
def reconstruction(datasets: dict[str, Path], checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sample by a tiny network with random weights: a cloud of nothing, and everything that a page shows."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("reconstruction")
    sample = find_samples(datasets["per-sample"])[0]
    views = MultiViewDataset(sample)[0].views[:5]
    options = ReconstructOptions(checkpoint=checkpoint, device="cpu", size=64, turntable=4, views=views)
    reconstruct_samples(sample, folder / "out", options, page=write_reconstruction_page)
    return folder / "out" / sample.name


@pytest.fixture
def page(offline: Browser, reconstruction: Path) -> Iterator[Page]:
    with offline.page() as page:
        page.open((reconstruction / "index.html").as_uri())
        yield page


def test_opens_clean_with_everything_drawn(page: Page) -> None:
    assert page.errors() == []
    assert page.requests() == []
    assert page.run("document.querySelectorAll('.trio img').length") == 18
    assert page.run("[...document.images].filter(i => !(i.complete && i.naturalWidth && i.alt)).length") == 0
    assert page.run("document.querySelectorAll('tbody tr.mean').length") == 2
    assert "held out" in page.run("document.querySelector('.shots').innerText")


def test_fits_every_screen_and_is_dark_where_asked(page: Page) -> None:
    for width in (1400, 400):
        page.size(width, 900)
        assert page.faults() == []
    page.dark()
    assert page.faults() == []
    colour = page.run("getComputedStyle(document.body).backgroundColor")
    assert sum(int(v) for v in colour.strip("rgb()").split(",")) < 150


def canvas(page: Page) -> np.ndarray:
    data = page.run("document.querySelector('.scene canvas').toDataURL().split(',')[1]")
    return np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED))


def test_the_scene_holds_the_gaussians_and_turns(page: Page) -> None:
    assert page.run("document.querySelector('.scene canvas').scene.hull.n") > 1000
    assert "Gaussians" in page.run("document.querySelector('[data-note]').innerText")
    page.run("document.querySelector('.scene canvas').focus()")
    first = canvas(page)
    assert (first[:, :, 3] > 0).mean() > 0.02
    page.key("ArrowRight", 39)
    assert not np.array_equal(first, canvas(page))
    page.key("Home", 36)
    assert np.array_equal(first, canvas(page))
    assert page.errors() == []


@pytest.mark.skipif(importlib.util.find_spec("viser") is None, reason="viser is not installed")
def test_gaussians_live(local: Browser, reconstruction: Path) -> None:
    from mouselift.view.live import SplatView

    with SplatView(reconstruction, port=0) as live, local.page() as page:
        page.open(live.address, settle=4.0)
        # Software rendering has warnings to log, and viser's splats a bounding sphere that three.js cannot compute.
        known = ("WebGL", "GPU", "computeBoundingSphere")
        assert [error for error in page.errors() if not any(word in error for word in known)] == []
        assert all(url.startswith((live.address, "ws://127.0.0.1")) for url in page.requests())
        assert "Gaussians" in page.run("document.body.innerText")
