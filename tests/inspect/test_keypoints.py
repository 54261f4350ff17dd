"""Keypoints of another tool in `inspect`: which camera, which keypoint, or all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import read_spec, write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.capture.source import CaptureSource
from mouselift.errors import CaptureError
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.inspect.keypoints import (
    keypoint_facts,
    keypoint_findings,
    keypoint_lag_findings,
    keypoint_lag_words,
)
from mouselift.keypoints.keypoints import Keypoints, numbered
from mouselift.keypoints.lag import REACH, KeypointLag, KeypointLagTally
from mouselift.keypoints.off_mask import KeypointFacts, facts_of
from mouselift.keypoints.on_mask import OnMaskTally
from mouselift.media.png import encode_png
from mouselift.progress import silent
from mouselift.synthetic.capture import write_dannce_calibration
from mouselift.synthetic.rigs import markerless_rig, scaled_rig

FRAMES = 5
CENTRE = np.array([60.0, 50.0, 20.0])  # mm
BALL = CENTRE + np.array([[0, 0, 0], [12, 0, 0], [0, -12, 0], [0, 0, 12], [-9, 9, 0.0]])
CAMERAS = scaled_rig(markerless_rig(), 0.25).cameras


def mask_of(camera: Camera, shift: float = 0.0, where: np.ndarray = CENTRE, radius_mm: float = 25.0) -> np.ndarray:
    """Of a ball."""
    x, y = camera.project(where[None])[0]
    j, i = np.mgrid[: camera.height, : camera.width] + 0.5
    radius = radius_mm * camera.focal / np.linalg.norm(camera.centre - where)
    return ((i - x - shift) ** 2 + (j - y) ** 2 < radius**2) * np.uint8(255)


def findings(points: np.ndarray, shift: float = 0.0) -> list[Finding]:
    """Of five instants; the third camera's masks are shifted."""
    names = [camera.name for camera in CAMERAS]
    keypoints = Keypoints(Path("a"), "a", np.arange(FRAMES), np.stack([points] * FRAMES), numbered(len(points)), None)
    tally = OnMaskTally(names, keypoints.names)
    masks = [mask_of(camera, shift if k == 2 else 0.0) for k, camera in enumerate(CAMERAS)]
    for _ in range(FRAMES):
        tally.add(CAMERAS, masks, points)
    return list(keypoint_findings(facts_of("a", keypoints.words, (), tally)))


def test_init_names_the_file_and_inspect_reads_it(tmp_path: Path) -> None:
    write_dannce_calibration(tmp_path, CAMERAS)
    for number, camera in enumerate(CAMERAS, start=1):
        for kind in ("images", "masks"):
            place = tmp_path / kind / f"Camera{number}"
            place.mkdir(parents=True)
            for frame in range(2):
                (place / f"{frame:06d}.png").write_bytes(encode_png(mask_of(camera)))
    (tmp_path / "DANNCE").mkdir()
    pred = np.moveaxis(np.repeat(BALL[None], 2, axis=0), 2, 1)
    savemat(tmp_path / "DANNCE/save_data_AVG.mat", {"pred": pred, "sampleID": np.array([[1.0, 2.0]])})
    file = tmp_path / "capture.toml"
    write_capture_toml(file, discover(tmp_path).spec)
    assert read_spec(file).keypoints == tmp_path / "DANNCE/save_data_AVG.mat"
    capture = load_capture(file)
    found, lag = keypoint_facts(capture, CaptureSource(capture), 10, silent)
    assert found is not None
    assert lag is None
    assert (found.share, found.instants, set(found.cameras.values())) == (1.0, 2, {1.0})
    file.write_text(file.read_text().replace("save_data_AVG", "gone"))
    with pytest.raises(CaptureError, match="keypoints: no such file"):
        load_capture(file)


def test_right_ones_are_silent() -> None:
    assert not findings(BALL)


def test_the_camera_with_other_masks_is_named() -> None:
    (finding,) = findings(BALL, shift=60.0)
    assert finding.camera == CAMERAS[2].name
    assert finding.value is not None
    assert finding.value < 0.5


def test_the_keypoint_off_the_animal_is_named() -> None:
    (finding,) = findings(BALL + np.array([[0.0, 0, 0]] * 4 + [[0, 0, 90]]))
    assert "keypoint point 5" in finding.message
    assert finding.camera is None


def test_another_unit_is_said_of_all() -> None:
    (finding,) = findings(BALL / 10)
    assert "another calibration, world, unit" in finding.message


WALK = np.array([4.0, 2.0, 0.0])  # mm a frame, on and back


def walking(frame: int) -> np.ndarray:
    """Where the ball is: it turns round every 15 frames."""
    return CENTRE + WALK * (15 - abs(frame % 30 - 15) - 7)


def lag_of(file_ahead: int, offset: int = 0, still: bool = False, frames: int = 45) -> KeypointLag | None:
    """Keypoints on the ball's skin whose numbers run ahead of the recording's, at 12 instants of the masks."""
    numbers = 3 + np.arange(frames + 2 * REACH)
    spread = 20 * np.concatenate([np.eye(3), -np.eye(3)])
    points = np.stack([(CENTRE if still else walking(int(frame))) + spread for frame in numbers])
    keypoints = Keypoints(Path("a"), "a", numbers + file_ahead, points, numbered(6), None).moved(offset)
    tally = KeypointLagTally(keypoints)
    for frame in range(3 + REACH, 3 + REACH + frames, 4):
        where = CENTRE if still else walking(frame)
        tally.add(frame, CAMERAS, [mask_of(camera, 0.0, where, 20.0) for camera in CAMERAS])
    return tally.found()


@pytest.mark.parametrize("ahead", [-3, 2, 4])
def test_keypoints_of_frames_before_or_after_are_told_apart(ahead: int) -> None:
    lag = lag_of(ahead)
    assert lag is not None
    assert (lag.best, lag.off) == (ahead, True)
    assert lag.low <= ahead <= lag.high
    facts = KeypointFacts("a.h5", "", (), 12, 1.0, {}, {})
    (finding,) = keypoint_lag_findings(facts, lag, 5)
    assert f"keypoints_offset = {5 + ahead}" in finding.message
    assert ("later" if ahead > 0 else "earlier") in finding.message


def test_keypoints_in_step_or_of_an_animal_that_rests_are_not() -> None:
    for lag in (lag_of(0), lag_of(3, offset=3), lag_of(3, still=True)):
        assert lag is not None
        assert not lag.off
        assert not list(keypoint_lag_findings(KeypointFacts("a", "", (), 12, 1.0, {}, {}), lag, 0))
    resting = lag_of(3, still=True)
    assert resting is not None
    assert resting.alike == f"-{REACH} to +{REACH} or more fit alike"


def test_too_few_instants_are_said_to_say_nothing() -> None:
    assert lag_of(3, frames=20) is None
    assert "not tested" in keypoint_lag_words(KeypointFacts("a", "", (), 5, 1.0, {}, {}), None)
