"""Rig, masks, path and agreement: right on a sound recording, and each fault is named."""

from __future__ import annotations

import pickle
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mouselift.capture.capture import load_capture
from mouselift.cli.inspect import lost_words
from mouselift.engines.engine import Unit
from mouselift.errors import OptionError
from mouselift.geometry.camera import Camera
from mouselift.geometry.lens import BrownConrady
from mouselift.inspect.facts import Inspection, LostFrames
from mouselift.inspect.inspect_capture import inspect_capture
from mouselift.inspect.options import InspectOptions
from mouselift.inspect.rig import RecordedCamera, camera_facts, pair_facts, rig_findings
from mouselift.inspect.sampled_frames import choose_frames
from mouselift.inspect.subject_path import SubjectPosition, jump_findings, plane_normal
from mouselift.progress import Step, unheard
from mouselift.report.inspect_page import calibration_said
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.rigs import Rig, markerless_rig, scaled_rig
from other_rigs import ring_rig

TIMES = [0.6 + frame / 5 for frame in range(6)]


def codes(found: Inspection) -> set[tuple[str, str | None]]:
    return {(finding.code, finding.camera) for finding in found.findings}


def test_a_sound_recording_has_no_findings(steady: Path, small_rig: Rig) -> None:
    found = inspect_capture(load_capture(steady), InspectOptions(instants=12, lag=3))
    assert found.findings == ()
    assert not found.failed
    assert [fact.best for fact in found.lag] == [0, 0, 0, 0]
    assert found.next.startswith("Next: mouselift prepare")
    assert (found.frames, len(found.cameras), len(found.pairs)) == (18, 4, 6)
    for fact, camera in zip(found.cameras, small_rig.cameras, strict=True):
        assert fact.position == pytest.approx(camera.centre.tolist(), abs=1e-3)
        assert fact.folds == 0.0
        assert fact.upright is not None
        assert fact.upright > 0.8
        assert fact.frames == fact.masks == 18
    assert found.agreement is not None
    assert found.agreement.all_px < 0.25
    for mask in found.masks:
        assert (mask.empty, mask.no_mask, mask.no_image, mask.instants) == (0, 0, 0, 12)
        assert mask.quality.coverage is not None
        assert mask.quality.coverage > 0.95


class Elsewhere:
    """An engine that packs its job anew for every block and takes the last block first."""

    def __init__(self) -> None:
        self.units = 0

    def run(self, units: Iterable[Unit[Any]], hears: Step = unheard) -> Iterator[Any]:
        for job, block in reversed(list(units)):
            self.units += 1
            yield from pickle.loads(pickle.dumps(job))(block)


@pytest.mark.parametrize("lag", [1, 0])
def test_facts_do_not_depend_on_where_masks_are_read(steady: Path, lag: int) -> None:
    capture, options, elsewhere = load_capture(steady), InspectOptions(instants=10, lag=lag), Elsewhere()
    assert inspect_capture(capture, options, engine=elsewhere) == inspect_capture(capture, options)
    assert elsewhere.units == 2


def test_the_path_is_the_animals(steady: Path) -> None:
    """Near the middle of the true mesh. It walks at 75 mm/s; where it turns, its middle takes the inner lane."""
    path = inspect_capture(load_capture(steady), InspectOptions(instants=12, lag=3)).path
    assert path is not None
    assert path.per == "frame"  # an image folder has no rate
    assert path.median_speed is not None
    assert 0.7 * 75 / 25 < path.median_speed < 1.05 * 75 / 25
    assert path.moving == 1.0
    mouse, motion = Mouse(), Motion(markerless_rig().arena, 4)
    for point in path.points[::6]:
        middle = mouse.posed(motion.pose(0.6 + point.frame / 25)).mesh.vertices.mean(axis=0)
        assert np.linalg.norm(np.array(point.position) - middle) < 12
    assert path.height is not None
    assert 5 < path.height[0] < path.height[1] < 35


def test_without_masks_the_rest_is_told(record: Callable[..., Path]) -> None:
    found = inspect_capture(load_capture(record(TIMES[:3], masks=False)))
    assert found.masks == ()
    assert found.path is None
    assert found.agreement is None
    assert "mouselift mask" in found.next
    lost = inspect_capture(load_capture(record(TIMES[:3], masks=False, up=None)))
    assert lost.next.startswith('Next: write up = "+z" at the head of')
    assert "Then: mouselift mask" in lost.next
    assert all(fact.distance > 0 for fact in found.cameras)
    assert not found.failed


def half_pixel(camera: Camera) -> Camera:
    return replace(camera, cx=camera.cx + 0.5, cy=camera.cy + 0.5)


def one_per_cent(camera: Camera) -> Camera:
    return replace(camera, fx=camera.fx * 1.01, fy=camera.fy * 1.01)


def turned(camera: Camera) -> Camera:
    """By one degree about its axis."""
    c, s = np.cos(np.radians(1.0)), np.sin(np.radians(1.0))
    return camera.turned(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]))


@pytest.mark.parametrize("fault", [one_per_cent, half_pixel, turned])
def test_a_wrong_calibration_is_seen_in_the_right_camera(
    fault: Callable[[Camera], Camera], record: Callable[..., Path], small_rig: Rig
) -> None:
    written = list(small_rig.cameras)
    written[2] = fault(written[2])
    found = inspect_capture(load_capture(record(TIMES, written=written)), InspectOptions(lag=0))
    assert found.agreement is not None
    own, rest = found.agreement.camera_px["Camera3"], found.agreement.without_px["Camera3"]
    assert own is not None
    assert rest is not None
    assert own > 1.5 * rest
    worst = max(found.agreement.camera_px, key=lambda name: found.agreement.camera_px[name] or 0.0)  # type: ignore[union-attr]
    assert worst == "Camera3"


def test_swapped_and_shifted_cameras_are_findings(record: Callable[..., Path], small_rig: Rig) -> None:
    written = list(small_rig.cameras)
    written[2] = replace(written[2], cx=written[2].cx + 9.0)
    found = inspect_capture(load_capture(record(TIMES, written=written)), InspectOptions(lag=0))
    assert ("views-disagree", "Camera3") in codes(found)
    assert found.failed


def test_exchanged_files_are_an_error_and_the_others_are_confirmed(record: Callable[..., Path]) -> None:
    rig = scaled_rig(markerless_rig(), 0.25)
    folder = record(TIMES, rig=rig)
    text = (folder / "capture.toml").read_text()
    for kind in ("images", "masks"):
        text = text.replace(f"{kind}/Camera2", f"{kind}/?").replace(f"{kind}/Camera5", f"{kind}/Camera2")
        text = text.replace(f"{kind}/?", f"{kind}/Camera5")
    (folder / "capture.toml").write_text(text)
    found = inspect_capture(load_capture(folder), InspectOptions(lag=0))
    (finding,) = [f for f in found.findings if f.code == "views-disagree"]
    assert found.failed
    assert "the images of Camera2 and Camera5 may be exchanged" in finding.message
    calibration = [line for line in calibration_said(found) if line.startswith("Calibration")]
    assert any("not confirmed for Camera2, Camera5:" in line for line in calibration)


def test_masks_that_are_missing_or_cut(record: Callable[..., Path], small_rig: Rig) -> None:
    cameras = list(small_rig.cameras)
    cameras[1] = cameras[1].cropped(0.0, 0.0, (140, 256))
    found = inspect_capture(
        load_capture(record(TIMES, rig=Rig(tuple(cameras), small_rig.arena))), InspectOptions(lag=0)
    )
    assert ("cut-by-sensor", "Camera2") in codes(found)
    assert found.masks[1].cut == len(found.instants)
    assert found.masks[0].cut == 0


def test_up_that_cannot_be(steady: Path) -> None:
    text = (steady / "capture.toml").read_text()
    assert 'up = "+z"' in text

    def with_up(line: str) -> Inspection:
        file = steady / "other.toml"
        file.write_text(text.replace('up = "+z"', line))
        return inspect_capture(load_capture(file), InspectOptions(instants=5, lag=0))

    flipped = with_up('up = "-z"')
    assert {code for code, _ in codes(flipped)} == {"up-flipped", "cameras-below"}
    unknown = with_up("")
    assert {code for code, _ in codes(unknown)} == {"up-unknown"}
    assert unknown.cameras[0].elevation is None
    assert "`mask` and `prepare` refuse to work" in unknown.findings[0].message
    assert unknown.next.startswith('Next: write up = "+z" at the head of')
    assert "if the cameras were mounted upright, not rolled" in unknown.next
    assert "(the subject's path tells it only where" in unknown.next
    assert "Then: mouselift prepare" in unknown.next
    buried = with_up('up = "+z"\nfloor = 80.0')
    assert {code for code, _ in codes(buried)} == {"floor-above"}
    assert buried.failed


def test_the_next_command_can_be_copied(steady: Path, tmp_path: Path) -> None:
    """Folders have spaces in their names."""
    place = tmp_path / "Käfig 2"
    shutil.copytree(steady, place)
    for line in ('up = "+z"', ""):
        file = place / "capture.toml"
        file.write_text((steady / "capture.toml").read_text().replace('up = "+z"', line))
        said = inspect_capture(load_capture(place), InspectOptions(instants=5, lag=0)).next
        assert shlex.split(said[said.index("mouselift") :])[2] == str(place)


def test_impossible_options() -> None:
    with pytest.raises(OptionError, match="--instants: expected 2 to"):
        InspectOptions(instants=1)


def facts_of(*cameras: Camera) -> set[tuple[str, str | None]]:
    """Codes of the rig's findings alone."""
    recorded = [RecordedCamera(camera, 10, 25.0, 0, "x.mp4", 0) for camera in cameras]
    centre, up = np.array([0.0, 0.0, 20.0]), np.array([0.0, 0.0, 1.0])
    facts = [camera_facts(r, centre, up) for r in recorded]
    return {(f.code, f.camera) for f in rig_findings(recorded, facts, pair_facts(cameras, centre))}


def test_rig_findings_name_the_camera() -> None:
    cameras = ring_rig(5).cameras
    assert facts_of(*cameras) == set()
    a, b, c, d, e = cameras
    assert facts_of(replace(a, cx=a.cx + 400), b, c, d, e) == {("principal-far", "Camera1")}
    assert facts_of(a, replace(b, fx=2400.0, fy=2400.0), c, d, e) == {("focal-differs", "Camera2")}
    assert facts_of(a, b, replace(c, fx=c.fx * 1.05), d, e) == {("pixels-not-square", "Camera3")}
    assert facts_of(a, b, c, replace(d, lens=BrownConrady(k1=-4.0)), e) == {("lens-folds", "Camera4")}
    near = replace(b, T_cam_world=a.T_cam_world + np.array([[0, 0, 0, 8.0], *[[0] * 4] * 3]))
    assert facts_of(a, near, c, d, e) == {("baseline-small", "Camera2")}
    assert ("calibration-copied", "Camera2") in facts_of(a, replace(a, name="Camera2"), c, d, e)
    lens = BrownConrady(k1=-0.1)
    assert facts_of(replace(a, lens=lens), replace(b, lens=lens), c, d, e) == {("intrinsics-shared", "Camera2")}
    assert ("rig-narrow", None) in facts_of(a, near)


def test_facts_are_exact() -> None:
    """A ring about (0, 0, 20): elevation 20 degrees, distance 320, 72 degrees apart in azimuth."""
    cameras = ring_rig(5).cameras
    centre, up = np.array([0.0, 0.0, 20.0]), np.array([0.0, 0.0, 1.0])
    for index, camera in enumerate(cameras):
        fact = camera_facts(RecordedCamera(camera, 1, 0.0, 0, "", 0), centre, up)
        assert (fact.distance, fact.elevation) == (pytest.approx(320.0), pytest.approx(20.0))
        assert fact.azimuth is not None
        assert fact.azimuth % 360 == pytest.approx(72.0 * index)
        assert fact.principal_off == 0.0
        assert fact.field is not None
        assert fact.field[0] == pytest.approx(2 * np.degrees(np.arctan(1152 / 2 / 1650)), abs=0.01)
    half = camera_facts(RecordedCamera(replace(cameras[0], cx=576.5), 1, 0.0, 0, "", 0), centre, up)
    assert half.principal_off > 0  # half a pixel shows


def test_path_plane() -> None:
    rng = np.random.default_rng(0)
    floor = np.stack([rng.uniform(-100, 100, 40), rng.uniform(-100, 100, 40), rng.normal(20, 2, 40)], axis=1)
    above = np.array([0.0, 0.0, 300.0])
    normal = plane_normal(floor, above, 40.0)
    assert normal is not None
    assert normal[2] > 0.99
    assert plane_normal(floor * 0.05, above, 40.0) is None, "it hardly leaves its place"
    assert plane_normal(floor * np.array([1, 0.01, 1.0]), above, 40.0) is None, "a line"


def test_samples_come_in_runs_and_never_across_a_jump() -> None:
    plan = choose_frames(range(1000), 60, 5, jumps=(500,))
    assert 50 <= len(plan.instants) <= 60
    assert plan.reach == 5
    read = set(plan.frames)
    for frame in plan.instants:
        assert set(range(frame - 5, frame + 6)) <= read
        assert not frame - 5 < 500 <= frame + 5
    assert max(plan.instants) > 900
    assert min(plan.instants) < 100
    assert len(plan.frames) < 300
    sparse = choose_frames(range(0, 1000, 10), 60, 5)
    assert sparse.reach == 0
    assert len(sparse.instants) == 60
    assert choose_frames(range(4), 60, 5).instants == (0, 1, 2, 3)
    assert len(choose_frames(range(30), 60, 5).instants) == 20
    assert choose_frames(range(19), 60, 5, fewest=10).instants == tuple(range(19))
    assert choose_frames(range(20), 60, 5, fewest=10).instants == tuple(range(5, 15))


@pytest.mark.parametrize(
    ("rate", "step", "jumps"),
    [
        (100.0, 0.4, False),
        (100.0, 0.5, True),
        (10.0, 2.2, False),
        (10.0, 2.3, True),
        (0.0, 0.9, False),
        (0.0, 1.0, True),
    ],
)
def test_a_jump_is_a_speed(rate: float, step: float, jumps: bool) -> None:
    """What an animal walks at 10 frames a second is a jump at 100: 0.25 lengths, and 20 lengths a second."""
    walk = [SubjectPosition(frame, np.array([40.0 * step * frame, 0.0, 0.0]), 40.0) for frame in range(3)]
    found = list(jump_findings(walk, rate))
    assert [finding.code for finding in found] == (["path-jumps"] if jumps else [])
    for finding in found:
        assert finding.limit == pytest.approx(0.25 + 20 / (rate or 30))
        assert finding.value == pytest.approx(step)
        assert ("assumed" in finding.message) == (rate == 0)


def test_lost_images_are_told_frame_by_frame(record: Callable[..., Path]) -> None:
    folder = record(TIMES, masks=False, numbering="common")
    for frame in (1, 3, 4):
        (folder / "images" / "Camera2" / f"{frame:06d}.png").unlink()
    (folder / "images" / "Camera3" / "000005.png").unlink()  # ends earlier: not lost on the way
    found = inspect_capture(load_capture(folder))
    assert found.lost == (LostFrames("Camera2", ((1, 1), (3, 2)), 3, kept_place=True),)
    assert lost_words(found.lost[0]) == "camera Camera2: 3 frames without an image: 1, 3-4"


def test_images_that_time_stamps_miss_are_told() -> None:
    lost = LostFrames("Camera2", tuple((10 * k, k) for k in range(1, 9)), 36, kept_place=False)
    assert lost_words(lost).startswith(
        "camera Camera2: by the file's time stamps about 36 images are missing: 1 before"
    )
    assert lost_words(lost).endswith("6 before frame 60 and 2 more places (--json lists all)")
