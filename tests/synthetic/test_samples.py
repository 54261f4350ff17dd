"""Samples drawn without a recording: exact cameras, whatever rig and framing; resumable, and the same from any run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from folder_files import files_of
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import find_samples, split_samples
from mouselift.dataset.sample import read_sample
from mouselift.errors import CaptureError, DatasetError
from mouselift.framing.framing import PRETRAINED_DISTANCE
from mouselift.media.png import read_png
from mouselift.synthetic.individual import HELD_OUT
from mouselift.synthetic.mesh import Mesh
from mouselift.synthetic.objects import random_object
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.samples import DrawnSample, SampleOptions, Subject, draw_sample, write_samples
from mouselift.synthetic.sensor import Sensor
from mouselift.synthetic.truth import iou

EXACT = SampleOptions(size=64, extra=2, noise=None, sensor=False, supersample=3)
RIGS = [
    replace(EXACT, rig="surround", framing="per-sample"),
    replace(EXACT, rig="surround", framing="per-view"),
    replace(EXACT, rig="surround", framing="canonical"),
    replace(EXACT, rig="facelift"),
    replace(EXACT, rig="random", views=5),
    replace(EXACT, rig="random", views=4, world="objects"),
]


@cache
def drawn(options: SampleOptions) -> tuple[DrawnSample, Mesh]:
    """One instant, and the shape in the sample's world."""
    posed, shots = Subject(options, 3).at(1)
    return draw_sample(options, 3, 1), Mesh(shots.world.apply(posed.mesh.vertices), posed.mesh.topology)


def overlaps(options: SampleOptions, shift: float = 0.0) -> list[float]:
    """IoU of the shape through each written camera with the drawn alpha."""
    sample, mesh = drawn(options)
    return [
        iou(render_silhouette(mesh, shot.written.cropped(shift, 0.0, (64, 64)), 3), image[..., 3])
        for shot, image in zip(sample.views, sample.images, strict=True)
    ]


@pytest.mark.parametrize("options", RIGS, ids=lambda o: f"{o.rig}-{o.framing}-{o.world}")
def test_written_cameras_are_those_of_the_pixels(options: SampleOptions) -> None:
    """And the subject is at the origin, inside all images."""
    assert min(overlaps(options)) > 0.985
    assert np.mean(overlaps(options, shift=0.5)) < 0.95  # half a pixel would be seen
    sample, _ = drawn(options)
    distances = np.array([np.linalg.norm(shot.written.centre) for shot in sample.views if not shot.extra])
    if options.framing != "canonical":
        assert np.median(distances) == pytest.approx(PRETRAINED_DISTANCE, rel=1e-6)
    for shot, image in zip(sample.views, sample.images, strict=True):
        border = np.concatenate([image[0, :, 3], image[-1, :, 3], image[:, 0, 3], image[:, -1, 3]])
        assert not border.any(), shot.name
        assert (image[..., 3] > 127).sum() > 40
    assert [shot.name for shot in sample.views[-2:]] == ["extra0", "extra1"]


def test_legacy_writes_cameras_that_are_wrong_but_extra_ones_are_right() -> None:
    found = overlaps(replace(EXACT, framing="legacy"))
    assert max(found[:6]) < 0.85
    assert min(found[6:]) > 0.985


def test_extra_cameras_from_below() -> None:
    usual, below = (
        draw_sample(replace(EXACT, extra_elevations=span), 3, 1) for span in ((-20.0, 80.0), (-80.0, -30.0))
    )
    for shot in below.views[6:]:
        x, y, z = shot.written.centre
        assert -80 <= np.degrees(np.arctan2(z, np.hypot(x, y))) <= -30
    assert min(overlaps(replace(EXACT, extra_elevations=(-80.0, -30.0)))[6:]) > 0.985
    for one, other in zip(usual.images[:6], below.images[:6], strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(CaptureError, match="elevations from -90 to 90"):
        replace(EXACT, extra_elevations=(0.0, 91.0)).check()


def test_the_published_ring() -> None:
    shots = draw_sample(replace(EXACT, rig="facelift", size=512, extra=0), 1, 0).views
    for shot, azimuth in zip(shots, np.radians([-90, -135, 180, 90, 0, -45]), strict=True):
        camera = shot.written
        np.testing.assert_allclose(camera.centre, 2.7 * np.array([np.cos(azimuth), np.sin(azimuth), 0.0]), atol=1e-9)
        assert (camera.fx, camera.cx, camera.cy) == (pytest.approx(548.99377, abs=1e-4), 256.0, 256.0)
        np.testing.assert_allclose(camera.project(np.zeros((1, 3))), [[256.0, 256.0]], atol=1e-9)


def test_instants_are_the_same_whatever_the_framing_and_noise() -> None:
    plain, _ = drawn(EXACT)
    for other in (replace(EXACT, framing="canonical"), replace(EXACT, noise=SampleOptions().noise, sensor=True)):
        for k in (6, 7):
            np.testing.assert_array_equal(draw_sample(other, 3, 1).images[k], plain.images[k])
    assert not np.array_equal(draw_sample(EXACT, 3, 2).images[6], plain.images[6])


def test_noise_is_in_the_inputs_only() -> None:
    exact, noisy = drawn(EXACT)[0], draw_sample(replace(EXACT, noise=SampleOptions().noise, sensor=True), 3, 1)
    for k, (a, b) in enumerate(zip(exact.images, noisy.images, strict=True)):
        assert np.array_equal(a, b) == (k >= 6)
        assert iou(a[..., 3], b[..., 3]) > 0.75


def test_a_sensor_adds_what_it_says() -> None:
    grey = np.full((200, 200, 3), 0.36, dtype=np.float32)
    rng = np.random.default_rng(0)
    seen = Sensor((1.0, 0.5, 2.0), read=0.01, shot=0.03).expose(grey, rng) / 255
    np.testing.assert_allclose(seen.mean(axis=(0, 1)), [0.36, 0.18, 0.72], atol=0.002)
    np.testing.assert_allclose(
        seen.std(axis=(0, 1)), np.sqrt(0.01**2 + 0.03**2 * np.array([0.36, 0.18, 0.72])), rtol=0.03
    )
    assert np.array_equal(Sensor().expose(grey, rng), np.full(grey.shape, 92, np.uint8))


def test_objects_are_closed_and_differ() -> None:
    shapes = [random_object(seed).mesh for seed in range(6)]
    assert all(len(mesh.topology.edges) == 3 * len(mesh.topology.faces) // 2 for mesh in shapes)
    assert len({mesh.vertices.tobytes() for mesh in shapes}) == 6
    assert all(np.ptp(mesh.vertices, axis=0).max() == pytest.approx(110.0, rel=1e-5) for mesh in shapes)


def test_instants_of_an_object_show_it_turned() -> None:
    subject = Subject(replace(EXACT, world="objects"), 4)
    first, second = (subject.at(instant)[0].mesh.vertices for instant in (0, 1))
    np.testing.assert_allclose(np.diff(first[:, 2]), np.diff(second[:, 2]), atol=1e-4)
    sizes = [np.linalg.norm(v - v.mean(axis=0), axis=1) for v in (first, second)]
    np.testing.assert_allclose(sizes[0], sizes[1], atol=1e-3)
    assert np.abs(first - first.mean(axis=0) - (second - second.mean(axis=0))).max() > 5.0


def test_a_dataset_goes_on_grows_and_divides_its_individuals(tmp_path: Path) -> None:
    options = SampleOptions(size=32, extra=0, rig="facelift")
    summary = write_samples(tmp_path / "a", [0, HELD_OUT[0]], 2, options)
    assert (summary.samples, summary.made) == (4, 4)
    assert [p.name for p in split_samples(tmp_path / "a", "train")] == ["sample_000000", "sample_000001"]
    assert [p.name for p in split_samples(tmp_path / "a", "val")] == ["sample_2000000", "sample_2000001"]
    kept = tmp_path / "a" / "sample_000000" / "images" / "cam_000.png"
    before = kept.stat().st_mtime_ns
    assert write_samples(tmp_path / "a", [0, 1, HELD_OUT[0]], 2, options).made == 2
    assert kept.stat().st_mtime_ns == before
    write_samples(tmp_path / "b", [1, 0, HELD_OUT[0]], 2, options, workers=2)
    lists = ("data_train.txt", "data_val.txt")
    a, b = ({k: v for k, v in files_of(tmp_path / x).items() if k not in lists} for x in "ab")
    assert a == b
    with pytest.raises(DatasetError, match="rig: there facelift, now random"):
        write_samples(tmp_path / "a", [0], 2, replace(options, rig="random"))


def test_what_is_written_is_a_prepared_dataset(tmp_path: Path) -> None:
    write_samples(tmp_path / "d", [2], 1, replace(EXACT, size=48))
    (folder,) = find_samples(tmp_path / "d")
    sample, expected = read_sample(folder), draw_sample(replace(EXACT, size=48), 2, 0)
    assert sample.names == ("cam0", "cam1", "cam2", "cam3", "cam4", "cam5", "extra0", "extra1")
    assert not [f for f in load_sample(folder).findings if f.severity != "note"]
    _same(sample.views[0].path, expected, 0)
    _same(sample.views[7].path, expected, 7)
    np.testing.assert_array_equal(sample.views[7].camera.T_cam_world, expected.views[7].written.T_cam_world)


def _same(path: Path, expected: DrawnSample, view: int) -> None:
    stored, alpha = read_png(path), expected.images[view][..., 3]
    np.testing.assert_array_equal(stored[..., 3], alpha)
    np.testing.assert_array_equal(stored[alpha > 0], expected.images[view][alpha > 0])


def test_impossible_options_are_refused(tmp_path: Path) -> None:
    for wrong in (
        replace(EXACT, size=8),
        replace(EXACT, rig="random", views=1),
        replace(EXACT, rig="facelift", framing="per-view"),
    ):
        with pytest.raises(CaptureError, match="synthetic samples: expected"):
            write_samples(tmp_path / "x", [0], 1, wrong)
    with pytest.raises(ValueError, match=r"\(held out\)"):
        write_samples(tmp_path / "x", [HELD_OUT.stop], 1, EXACT)
    assert not (tmp_path / "x").exists()
