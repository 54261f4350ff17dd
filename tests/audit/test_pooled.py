"""Two and three cameras: the samples of one rig are pooled, whatever framing each of them got."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mouselift.audit.dataset import audit_dataset
from mouselift.audit.result import DatasetAudit
from mouselift.dataset.sample import Sample, View
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.report.conclusion import conclusion
from mouselift.synthetic.mesh import Mesh, ellipsoid, join
from mouselift.synthetic.raster import render_silhouette
from other_rigs import ring_rig

SAMPLES = 32
Spoil = Callable[[list[Camera]], list[Camera]]


def reframed(camera: Camera, subject: np.ndarray, rng: np.random.Generator) -> Camera:
    """Turned to the subject, scaled and cropped: another framing in every sample."""
    away = Rotation.from_rotvec(rng.normal(0, 0.03, 3)).as_matrix()
    turned = camera.turned(away)
    u, v = turned.project(subject[None])[0]
    focal = turned.fx * float(rng.uniform(0.9, 1.3))
    grow = focal / turned.fx
    middle = 256 + rng.normal(0, 15, 2)
    cx, cy = (turned.cx - u) * grow + middle[0], (turned.cy - v) * grow + middle[1]
    return replace(turned, width=512, height=512, fx=focal, fy=focal, cx=cx, cy=cy)


@cache
def pictures() -> tuple[tuple[Camera, ...], list[tuple[np.ndarray, list[Camera], list[np.ndarray]]]]:
    """(three source cameras; of each sample the subject's centre, framed cameras and alphas): exact."""
    rig = ring_rig(6, (15.0, 40.0), 320.0, 1500.0, (1152, 1024), jitter_deg=1.0)
    sources = rig.cameras[::2]
    made = []
    for number in range(SAMPLES):
        rng = np.random.default_rng([number, 5])
        middle = np.array([rig.arena.x, rig.arena.y, 20.0]) + rng.uniform(-30, 30, 3)
        axes = Rotation.from_rotvec(rng.normal(0, 1.5, 3)).as_matrix() * [[34.0], [18.0], [14.0]]
        parts = [ellipsoid("trunk", middle, axes, 24, 36)]
        parts.append(ellipsoid("head", middle + rng.uniform(-25, 25, 3), np.diag([14.0, 10.0, 9.0]), 24, 36))
        mesh = Mesh(*join(parts))
        framed = [reframed(camera, middle, rng) for camera in sources]
        made.append((middle, framed, [render_silhouette(mesh, camera, 3) for camera in framed]))
    return sources, made


def samples(views: int, spoil: Spoil) -> list[Sample]:
    """Exact images; `spoil` changes the source cameras, alike in all samples; framings stay as they were."""
    sources, made = pictures()
    right = list(sources[:views])
    wrong = spoil(list(right))
    out = []
    for number, (middle, framed, alphas) in enumerate(made):
        of_sample = []
        for source, stated, camera, alpha in zip(right, wrong, framed, alphas, strict=False):
            grow = camera.fx / source.fx
            written = replace(
                camera, fx=stated.fx * grow, fy=stated.fy * grow,
                cx=camera.cx + (stated.cx - source.cx) * grow, cy=camera.cy + (stated.cy - source.cy) * grow,
                T_cam_world=turn_of(camera, source) @ stated.T_cam_world,
            )  # fmt: skip
            of_sample.append(View(source.name, normalised(written, middle), alpha))
        out.append(Sample(f"sample_{number:06d}", tuple(of_sample), frame=number))
    return out


def normalised(camera: Camera, middle: np.ndarray) -> Camera:
    """The same camera in a world with the subject at the origin and cameras about 2.7 away."""
    T = camera.T_cam_world.copy()
    T[:3, 3] = (T[:3, :3] @ middle + T[:3, 3]) * (2.7 / 320.0)
    return replace(camera, T_cam_world=T)


def turn_of(framed: Camera, source: Camera) -> np.ndarray:
    return framed.T_cam_world @ np.linalg.inv(source.T_cam_world)


def audited(folder: Path, made: list[Sample], write_sample: Callable[..., Path]) -> DatasetAudit:
    for sample in made:
        write_sample(folder / sample.id, sample)
    return audit_dataset(folder, workers=1)


def pooled(audit: DatasetAudit) -> Finding:
    return next(finding for finding in audit.findings if finding.code == "tangency-pooled")


def changed(view: int, s: float = 0.0, turn: tuple[float, float, float] = (0, 0, 0)) -> Spoil:
    def spoil(cameras: list[Camera]) -> list[Camera]:
        one = cameras[view]
        T = one.T_cam_world.copy()
        T[:3] = Rotation.from_rotvec(np.radians(turn)).as_matrix() @ T[:3]
        cameras[view] = replace(one, fx=one.fx * (1 + s), fy=one.fy * (1 + s), T_cam_world=T)
        return cameras

    return spoil


def exchanged(cameras: list[Camera]) -> list[Camera]:
    a, b = cameras[:2]
    return [replace(b, name=a.name), replace(a, name=b.name), *cameras[2:]]


def transposed(cameras: list[Camera]) -> list[Camera]:
    one = cameras[1]
    T = one.T_cam_world.copy()
    T[:3, :3] = T[:3, :3].T
    return [cameras[0], replace(one, T_cam_world=T), *cameras[2:]]


@pytest.mark.parametrize("views", [2, 3])
def test_right_cameras_pass_with_the_fineness(views: int, tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    audit = audited(tmp_path, samples(views, lambda cameras: cameras), write_sample)
    assert audit.unknown == SAMPLES  # no sample alone
    assert audit.verdict == "pass"
    finding = pooled(audit)
    assert finding.severity == "note"
    assert f"over {SAMPLES} samples" in audit.sentence
    assert "agree to 0.1 px" in audit.sentence
    assert "would not show" in audit.sentence
    assert "shows in no number of samples" in audit.sentence


@pytest.mark.parametrize(
    ("fault", "views"),
    [
        ("focal 3 %", 2),
        ("turned about y", 2),
        ("exchanged", 2),
        ("focal 1 %", 3),
        ("turned about z", 3),
        ("transposed", 3),
    ],
)
def test_wrong_cameras_fail(fault: str, views: int, tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    spoil = {
        "focal 3 %": changed(1, 0.03),
        "focal 1 %": changed(1, 0.01),
        "turned about y": changed(1, 0.0, (0, 1, 0)),
        "turned about z": changed(1, 0.0, (0, 0, 1)),
        "exchanged": exchanged,
        "transposed": transposed,
    }[fault]
    made = samples(views, spoil)
    audit = audited(tmp_path, made, write_sample)
    assert audit.verdict == "fail", audit.sentence
    if fault == "transposed" or fault == "exchanged":
        return
    finding = pooled(audit)
    assert finding.severity == "error"
    assert finding.camera == (made[0].views[1].name if views == 3 else None)


def test_few_samples_stay_unknown(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    audit = audited(tmp_path, samples(2, lambda cameras: cameras)[:6], write_sample)
    assert audit.verdict == "unknown"
    assert pooled(audit).severity == "warning"
    assert "more samples" in pooled(audit).message
    assert "more samples" in audit.sentence, "what is missing stands in the first lines"
    assert "more samples" in conclusion(audit).action
