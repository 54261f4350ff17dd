"""The built-in profile is FaceLift's cameras; another is any dataset's; files come back as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mouselift.audit.distribution import RayStatistics
from mouselift.audit.profile import (
    encode_profile,
    facelift,
    load_profile,
    profile_dataset,
    ring,
    training_cameras,
)
from mouselift.dataset.sample import Sample
from mouselift.errors import DatasetError


def test_facts_of_the_released_cameras() -> None:
    profile = facelift()
    assert profile.views == 32
    assert profile.cameras["fov_deg"] == pytest.approx((50.0, 50.0, 50.0), abs=1e-6)
    assert profile.cameras["distance"] == pytest.approx((2.7, 2.7, 2.7))
    assert profile.cameras["elevation_deg"] == pytest.approx((20.0, 20.0, 20.0))
    assert profile.cameras["principal_share"] == (0.0, 0.0, 0.0)
    for camera in [*training_cameras(), *ring((-90.0, -135.0, 180.0, 90.0, 0.0, -45.0), 0.0)]:
        axis = camera.R_cam_world[2]
        assert np.allclose(np.cross(axis, camera.centre), 0, atol=1e-12)  # through the origin
        assert camera.R_cam_world[1, 2] < 0  # image down is world down: +Z is up


def test_files_come_back(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(encode_profile(facelift()))
    assert load_profile(path) == facelift()
    assert load_profile("facelift") == facelift()


def test_of_a_dataset(tmp_path: Path, make_exact: Callable[..., Sample], write_sample) -> None:
    for k, time in enumerate((0.5, 0.9)):
        write_sample(tmp_path / f"sample_{k}", make_exact(time, size=128))
    (tmp_path / "sample_1/images/cam_000.png").unlink()  # images are not read
    profile = profile_dataset(tmp_path, "mine")
    assert profile.name == "mine"
    assert profile.views == 12
    cameras = [view.camera for time in (0.5, 0.9) for view in make_exact(time, size=128).views]
    assert np.allclose(profile.mean, RayStatistics.of(cameras).mean)
    assert np.array(profile.histogram).sum(axis=1) == pytest.approx(np.ones(6))


@pytest.mark.parametrize("content", ["{}", "no json", None])
def test_no_profile(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "p.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DatasetError, match=r"p\.json"):
        load_profile(path)


def test_another_schema(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**json.loads(encode_profile(facelift())), "mean": [0.0]}))
    with pytest.raises(DatasetError, match="again"):
        load_profile(path)


def test_no_usable_camera(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/opencv_cameras.json").write_text("{}")
    with pytest.raises(DatasetError, match="at least one view"):
        profile_dataset(tmp_path)
