"""The report in a real browser, from disk, with no network: no script error, no request, and it works by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from mouselift.audit.dataset import audit_dataset
from mouselift.audit.options import AuditOptions
from mouselift.report.dataset_page import write_report

if TYPE_CHECKING:
    from headless import Browser, Page


@pytest.fixture(scope="module", params=["per-sample", "legacy"])
def page_file(
    request: pytest.FixtureRequest, datasets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    dataset = datasets[request.param]
    path = tmp_path_factory.mktemp("page") / f"{request.param}.html"
    write_report(dataset, path, audit_dataset(dataset, AuditOptions(samples=1)))
    return path


def test_opens_clean(page: Page) -> None:
    assert page.errors() == []
    assert page.requests() == []


def test_the_check_sees_errors_and_requests(offline: Browser, tmp_path: Path) -> None:
    """The same check on a page that breaks both rules."""
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://example.invalid/x.png" alt="x"><script>nowhere.call()</script>')
    with offline.page() as page:
        page.open(bad.as_uri())
        assert page.errors()
        assert page.requests() == ["http://example.invalid/x.png"]


def test_verdict_is_on_the_first_screen(page: Page, page_file: Path) -> None:
    word = page.run("document.querySelector('h1').innerText")
    assert word.split()[0] == ("FAIL" if page_file.stem == "legacy" else "PASS")
    assert page.run("document.querySelector('.panel svg').getBoundingClientRect().top") < 900


def test_images_are_drawn(page: Page) -> None:
    assert page.run("document.querySelectorAll('.panel > svg').length") == 6
    broken = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).length"
    assert page.run(broken) == 0
    assert page.run("document.querySelectorAll('.panel image').length") == 6


def test_fits_every_screen_and_is_legible_in_both_themes(page: Page) -> None:
    for theme in ("light", "dark"):
        if theme == "dark":
            page.dark()
        for width in (400, 1400):
            page.size(width, 900)
            assert page.faults() == []


def test_another_views_tangents_by_keyboard(page: Page) -> None:
    page.run("document.querySelector('[data-sheet] input:checked').focus()")
    before = page.run("document.querySelector('[data-sheet] input:checked').value")
    page.key("ArrowRight", 39)
    after = page.run("document.querySelector('[data-sheet] input:checked').value")
    assert before != after
    groups = "[...document.querySelector('[data-sheet]').querySelectorAll('.from')]"
    shown = f"[...new Set({groups}.filter(g => g.style.display != 'none').map(g => g.dataset.from))]"
    assert page.run(shown) == [after]
    chosen = page.run("document.querySelector('[data-sheet] input:checked').parentElement.innerText.trim()")
    words = page.run("[...document.querySelector('[data-sheet]').querySelectorAll('.words')].map(w => w.innerText)")
    assert all(chosen in text for text in words)
    assert page.errors() == []


def canvas_pixels(page: Page, tmp_path: Path) -> np.ndarray:
    """What the scene's canvas holds, as [h, w, 4]."""
    import base64

    data = page.run("document.querySelector('.scene canvas').toDataURL().split(',')[1]")
    return np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED))


def test_scene_turns_by_keyboard(page: Page, tmp_path: Path) -> None:
    page.run("document.querySelector('.scene canvas').focus()")
    first = canvas_pixels(page, tmp_path)
    assert (first[:, :, 3] > 0).mean() > 0.02, "something is drawn"
    page.key("ArrowRight", 39)
    turned = canvas_pixels(page, tmp_path)
    assert not np.array_equal(first, turned)
    page.key("Home", 36)
    assert np.array_equal(canvas_pixels(page, tmp_path), first)
    page.key("End", 35)
    assert not np.array_equal(canvas_pixels(page, tmp_path), first)
    assert page.errors() == []


def drawn_share(page: Page, tmp_path: Path) -> float:
    return float((canvas_pixels(page, tmp_path)[:, :, 3] > 0).mean())


def test_scene_opens_on_the_animal_and_has_switches(page: Page, page_file: Path, tmp_path: Path) -> None:
    for width in (400, 1400):
        page.size(width, 900)
        page.browser.wait(0.3)
        for part in ("cameras", "images"):
            page.run(f"document.querySelector('[data-show={part}]').click()")
        page.browser.wait(0.3)
        animal = drawn_share(page, tmp_path)
        if page_file.stem == "per-sample":  # no hull of cameras that contradict one another is an animal
            assert animal > 0.08, "large enough to be seen"
            page.run("document.querySelector('[data-do=cameras]').click()")
            page.browser.wait(0.3)
            assert drawn_share(page, tmp_path) < animal / 2
            page.run("document.querySelector('[data-do=animal]').click()")
            page.browser.wait(0.3)
            assert drawn_share(page, tmp_path) == pytest.approx(animal, rel=0.01)
        page.run("document.querySelector('[data-show=hull]').click()")
        page.browser.wait(0.3)
        assert drawn_share(page, tmp_path) < animal / 2
        for part in ("cameras", "images", "hull"):
            page.run(f"document.querySelector('[data-show={part}]').click()")
    assert page.errors() == []


def test_names_in_the_scene_lie_apart(page: Page) -> None:
    page.size(400, 900)
    page.run("document.querySelector('[data-do=cameras]').click()")
    page.browser.wait(0.3)
    words = page.run(
        "document.querySelector('.scene canvas').scene.words.map(w => [w.x - w.half, w.x + w.half, w.y - 13, w.y])"
    )
    assert len(words) >= 6
    for k, (left, right, top, bottom) in enumerate(words):
        assert not any(left < b and a < right and top < d and c < bottom for a, b, c, d in words[:k])


def test_scene_puts_things_where_they_are(page: Page) -> None:
    """The page's projection of a camera, against the same projection in NumPy."""
    page.run("document.querySelector('.scene canvas').focus()")
    got = np.array(
        page.run(
            "(() => { const s = document.querySelector('.scene canvas').scene;"
            " return [s.azimuth, s.elevation, s.distance, s.focal, s.width, s.height,"
            " ...s.project(s.data.cameras[1].centre), ...s.data.cameras[1].centre, ...s.target]; })()"
        )
    )
    azimuth, elevation, distance, focal, width, height = got[:6]
    ca, sa, ce, se = np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)
    towards = np.array([ce * ca, ce * sa, se])  # from the subject to the eye; +Z up
    right = np.array([-sa, ca, 0.0])
    up = np.cross(towards, right)
    p = got[9:12] - got[12:]
    depth = distance - towards @ p
    expected = [width / 2 + focal * (right @ p) / depth, height / 2 - focal * (up @ p) / depth, depth]
    np.testing.assert_allclose(got[6:9], expected, atol=1e-6)


def test_dark_is_dark(page: Page) -> None:
    page.dark()
    colour = page.run("getComputedStyle(document.body).backgroundColor")
    assert sum(int(v) for v in colour.strip("rgb()").split(",")) < 150
    assert page.errors() == []
