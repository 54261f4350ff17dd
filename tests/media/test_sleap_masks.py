"""Masks in SLEAP's labels, in the layout that sleap-io 0.9.5 writes (format 2.4)."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mouselift.errors import MaskError, MissingExtraError
from mouselift.media.sleap_masks import open_sleap, videos_of
from sleap_labels import sleap_labels

H, W = 20, 30


def box(left: int) -> np.ndarray:
    out = np.zeros((H, W), dtype=bool)
    out[3:9, left : left + 7] = True
    return out


def labels(path: Path, masks: list[dict[str, Any]], videos: tuple[str, ...] = ("/d/Camera1/0.mp4",)) -> Path:
    """masks: `left` of a box, and columns."""
    rows = [{"mask": box(mask["left"]), **{k: v for k, v in mask.items() if k != "left"}} for mask in masks]
    return sleap_labels(path, rows, videos)


def test_masks_by_video_and_frame(tmp_path: Path) -> None:
    masks = [{"video": v, "frame_idx": n, "left": n + 3 * v} for n in (7, 2, 3) for v in (0, 1)]
    path = labels(tmp_path / "l.slp", masks, ("C:\\d\\Camera1\\0.mp4", "/d/Camera2/0.mp4"))
    assert videos_of(path) == ["d/Camera1/0.mp4", "d/Camera2/0.mp4"]
    for index, name in enumerate(("Camera1", "Camera2")):
        stack = open_sleap(path, lambda video, name=name: name in video)
        for each in (stack, pickle.loads(pickle.dumps(stack))):
            assert sorted(each.numbers) == [2, 3, 7]
            for number in (7, 2, 3):
                np.testing.assert_array_equal(each.read(number), 255 * box(number + 3 * index))
        assert stack.from_zero
    with pytest.raises(MaskError, match="expected one video of this camera, found 0 among d/Camera1"):
        open_sleap(path, lambda video: False)


def test_a_persons_masks_come_before_predicted_ones(tmp_path: Path) -> None:
    both = [{"frame_idx": 0, "left": 2, "is_predicted": 1}, {"frame_idx": 0, "left": 9}]
    path = labels(tmp_path / "l.slp", [*both, {"frame_idx": 1, "left": 4, "is_predicted": 1}])
    stack = open_sleap(path, lambda video: True)
    assert stack.question is None
    np.testing.assert_array_equal(stack.read(0), 255 * box(9))
    np.testing.assert_array_equal(stack.read(1), 255 * box(4))


def test_tracks_are_objects(tmp_path: Path) -> None:
    path = labels(tmp_path / "l.slp", [{"left": 2, "track": 0}, {"left": 15, "track": 1}])
    question = open_sleap(path, lambda video: True).question
    assert question is not None
    assert 'several tracks: a, b; which of these is the subject? Say mask_object = "a"' in question
    np.testing.assert_array_equal(open_sleap(path, lambda video: True, "b").read(0), 255 * box(15))


@pytest.mark.parametrize("change", [{"scale_x": 0.5}, {"offset_y": 3.0}])
def test_masks_of_another_place_or_resolution_are_refused(tmp_path: Path, change: dict[str, float]) -> None:
    with pytest.raises(MaskError, match=r"save mask.resampled\(height, width\)"):
        open_sleap(labels(tmp_path / "l.slp", [{"left": 2, **change}]), lambda video: True)


def test_what_is_no_mask(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="keypoints make no masks"):
        open_sleap(labels(tmp_path / "l.slp", []), lambda video: True)
    (tmp_path / "x.slp").write_bytes(b"\x89HDF")
    with pytest.raises(MaskError, match="expected an HDF5 file with SLEAP's labels"):
        open_sleap(tmp_path / "x.slp", lambda video: True)


def test_without_h5py_the_line_that_installs_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError):
        importlib.import_module("h5py")
    with pytest.raises(MissingExtraError, match=r"mouselift\[hdf5\]"):
        open_sleap(tmp_path / "l.slp", lambda video: True)
