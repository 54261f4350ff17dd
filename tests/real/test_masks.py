"""Masks on the real recording: a black mouse in a glass cylinder on a mirroring floor, a laser, a visitor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mouselift.capture.capture import Capture, load_capture
from mouselift.masks.options import MaskOptions
from mouselift.masks.segment_capture import png_name, read_mask, segment_capture

CYLINDER = Path(__file__).resolve().parents[3] / "shared/data/mouse_cylinder"
pytestmark = pytest.mark.skipif(not CYLINDER.is_dir(), reason=f"real data not at {CYLINDER}")

PERSON = 2250  # a frame in which somebody walks behind the arena and the door is open


def capture_of(folder: Path, views: str) -> Capture:
    unused = [f'"Camera{name}"' for name in "ELRSU" if name not in views]
    lines = ["format = 1", 'unit = "mm"', 'up = "+z"', "[rig]", f'file = "{CYLINDER / "calibration"}"']
    lines += ['format = "dannce"', *([f"unused = [{', '.join(unused)}]"] if unused else [])]
    for name in views:
        lines += ["[[camera]]", f'name = "Camera{name}"', f'video = "{CYLINDER / f"videos/Camera{name}_31500.mp4"}"']
    (folder / "capture.toml").write_text("\n".join(lines))
    return load_capture(folder)


@pytest.mark.slow  # a minute of CPU, the longest test but one
def test_three_cameras_over_the_recording(tmp_path: Path):
    """Learned from 24 images a camera, 4 frames segmented."""
    out = tmp_path / "masks"
    report = segment_capture(capture_of(tmp_path, "ESU"), out, MaskOptions(every=750, learn_from=24))
    assert report.empty == ()
    assert report.centroid_px is not None
    assert report.centroid_px < 6
    assert report.tangency_px is not None
    assert report.tangency_px < 6
    for camera, path in report.paths(out).items():
        mask = read_mask(path / png_name(PERSON)) >= 128
        rows, columns = np.nonzero(mask)
        assert 2_000 < mask.sum() < 30_000, camera  # a mouse, not the visitor
        assert np.ptp(rows) < 400, camera
        assert np.ptp(columns) < 400, camera


@pytest.mark.slow
def test_five_cameras_every_tenth_frame(tmp_path: Path):
    report = segment_capture(capture_of(tmp_path, "ELRSU"), tmp_path / "masks", MaskOptions(every=10))
    assert report.frames == 276
    assert report.empty == ()
    assert report.centroid_px is not None
    assert report.centroid_px < 6
    assert report.tangency_px is not None
    assert report.tangency_px < 4
    assert "floor found at" in report.floor
    height = float(report.floor.split("floor found at ")[1].split()[0])
    assert 2 < height < 8  # litter on the floor, triangulated by hand, lies at 4 to 6 mm
