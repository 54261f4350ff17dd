"""The claim of the product: the written cameras match the written pixels, on rigs with lens distortion.

The same study over many samples: `python benchmarks/truth.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marks import mark_errors
from mouselift.capture.capture import load_capture
from mouselift.prepare.options import Interpolation, PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.synthetic.truth import Truth, view_ious

MEAN_IOU, WORST_IOU = 0.99, 0.98
EXACT = ("per-sample", "per-view", "canonical")


def checked(recording: Path, out: Path, preset: Any, interpolation: Interpolation = "quintic") -> list[float]:
    options = PrepareOptions(preset=preset, interpolation=interpolation, on_cut="keep")
    summary = prepare_dataset(load_capture(recording), out, options, workers=1)
    assert summary.kept == 2
    return list(view_ious(out, Truth.load(recording)))


def move_cameras(dataset: Path, **changes: float) -> None:
    """Add to (or, for `focal`, multiply) every camera's intrinsics on disk."""
    for path in dataset.glob("*/opencv_cameras.json"):
        content = json.loads(path.read_bytes())
        for frame in content["frames"]:
            for key, value in changes.items():
                if key == "focal":
                    frame["fx"] *= value
                    frame["fy"] *= value
                else:
                    frame[key] += value
        path.write_text(json.dumps(content))


@pytest.mark.parametrize("preset", EXACT)
def test_true_shape_covers_the_alpha_and_marks_are_in_place(clean_recording: Path, tmp_path: Path, preset: str) -> None:
    ious = np.array(checked(clean_recording, tmp_path / "out", preset))
    assert ious.mean() >= MEAN_IOU
    assert ious.min() >= WORST_IOU
    marks = np.array(list(mark_errors(tmp_path / "out", Truth.load(clean_recording))))
    assert len(marks) >= 15
    assert np.median(marks) <= 0.025
    assert marks.max() <= 0.05

    if preset == "canonical":
        for path in (tmp_path / "out").glob("*/opencv_cameras.json"):
            for frame in json.loads(path.read_bytes())["frames"]:
                assert frame["cx"] == frame["cy"] == 256.0


def test_legacy_fails_the_same_check(clean_recording: Path, tmp_path: Path) -> None:
    assert np.mean(checked(clean_recording, tmp_path / "out", "legacy")) < 0.5
    content = next((tmp_path / "out").glob("*/opencv_cameras.json")).read_text()
    assert "never train on it" in content, "every file of the old bug says so"


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_marks_at_every_interpolation(clean_recording: Path, tmp_path: Path, interpolation: Interpolation) -> None:
    checked(clean_recording, tmp_path / "out", "per-sample", interpolation)
    assert max(mark_errors(tmp_path / "out", Truth.load(clean_recording))) <= 0.1


@pytest.mark.parametrize("fault", [{"cx": 0.5}, {"cy": -0.5}, {"focal": 1.01}], ids=str)
def test_half_a_pixel_or_one_per_cent_is_noticed(clean_recording: Path, tmp_path: Path, fault: dict) -> None:
    """The checks above can fail: the same data with a small fault in the cameras does not pass them."""
    checked(clean_recording, tmp_path / "out", "per-sample")
    move_cameras(tmp_path / "out", **fault)
    assert np.median(list(mark_errors(tmp_path / "out", Truth.load(clean_recording)))) > 0.25


@pytest.mark.parametrize(("preset", "key"), [("per-sample", "scale"), ("canonical", "magnification")])
def test_what_is_held_equal_is_equal(clean_recording: Path, tmp_path: Path, preset: str, key: str) -> None:
    checked(clean_recording, tmp_path / "out", preset)
    for line in (tmp_path / "out/manifest.jsonl").read_text().splitlines():
        values = [view[key] for view in json.loads(line)["views"]]
        assert max(values) - min(values) <= 1e-12 * max(values)
        assert not any(view["clipped"] for view in json.loads(line)["views"])


def test_focal_spread_is_zero_where_the_focal_length_is_held(clean_recording: Path, tmp_path: Path) -> None:
    options = PrepareOptions(zoom="focal", on_cut="keep")
    prepare_dataset(load_capture(clean_recording), tmp_path / "out", options, workers=1)
    for path in (tmp_path / "out").glob("*/opencv_cameras.json"):
        focals = {(frame["fx"], frame["fy"]) for frame in json.loads(path.read_bytes())["frames"]}
        assert len(focals) == 1
        assert len(set(focals.pop())) == 1
