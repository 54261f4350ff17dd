"""Masks are cut so that they agree with any cameras; what was there before the cut does not agree with wrong ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from arena import Recording
from mouselift.capture.capture import Capture, CaptureCamera
from mouselift.capture.made_masks import MASK_JOB, MASK_REPORT
from mouselift.capture.source import CaptureSource
from mouselift.errors import MaskError
from mouselift.geometry.camera import Camera
from mouselift.masks import camera_agreement
from mouselift.masks.background import learn_background
from mouselift.masks.camera_agreement import (
    CameraTest,
    best_change,
    camera_doubts,
    camera_test,
    gain_limit,
    judged,
    settled,
)
from mouselift.masks.camera_change import Change
from mouselift.masks.changes import Background
from mouselift.masks.exchanged import exchanged_cameras
from mouselift.masks.options import MaskOptions
from mouselift.masks.put_right import PutRight, See, put_right
from mouselift.masks.scene import Scene, learn_scene
from mouselift.masks.segment import Segmenter
from mouselift.masks.segment_capture import segment_capture
from mouselift.masks.uncut import Uncut, between_parts, uncut
from mouselift.masks.unnoticed import unnoticed
from mouselift.masks.volume import half_camera
from mouselift.media.images import FrameSet
from mouselift.media.png import encode_png

UP = np.array([0.0, 0.0, 1.0])


def turned(camera: Camera, degrees: float) -> Camera:
    """About its own vertical axis."""
    angle = np.radians(degrees)
    T = np.eye(4)
    T[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    return replace(camera, T_cam_world=T @ camera.T_cam_world)


def never(cameras: Sequence[Camera], frames: Sequence[int]) -> Scene:
    raise AssertionError("no scene has to be learned again")


def never_put(change: Change) -> PutRight:
    raise AssertionError("no camera has to be put right")


def seen_with(scene: Scene, cameras: Sequence[Camera], recording: Recording) -> list[Uncut]:
    segmenter = Segmenter(replace(scene, cameras=tuple(cameras)))
    return [uncut(segmenter, frame) for frame in recording.read(range(0, 40, 4))]


def rearranged(cameras: tuple[Camera, ...], order: Sequence[int]) -> tuple[Camera, ...]:
    """Files of cameras given to others."""
    return tuple(replace(cameras[k], name=camera.name) for k, camera in zip(order, cameras, strict=True))


@pytest.fixture(scope="module")
def backgrounds(recording: Recording) -> list[Background]:
    sets = list(recording.read(range(40)))
    return [
        learn_background((s.views[i].image for s in sets), camera.name)
        for i, camera in enumerate(recording.arena.cameras)
    ]


@pytest.fixture(scope="module")
def scene(recording: Recording, backgrounds: list[Background]) -> Scene:
    return learn_scene(recording.read, range(40), backgrounds, recording.arena.cameras, UP, 0.0)


@pytest.fixture(scope="module")
def tested(recording: Recording, backgrounds: list[Background]):
    """cameras -> what is said when the scene is learned with them."""
    frames = list(range(40))

    def test(cameras: tuple[Camera, ...], views: int = 5, floor: float | None = 0.0) -> CameraTest:
        def read(wanted: Sequence[int]) -> Iterator[FrameSet]:
            return (replace(frame, views=frame.views[:views]) for frame in recording.read(wanted))

        def learn(cameras: Sequence[Camera], frames: Sequence[int]) -> Scene:
            return learn_scene(read, frames, backgrounds[:views], cameras, UP, floor)

        return camera_test(learn(cameras[:views], frames), read, frames[::4], learn)

    return test


def test_right_cameras_agree(recording: Recording, tested) -> None:
    for count in (5, 3):
        found = tested(recording.arena.cameras, count)
        assert (found.untested, found.cameras, found.text, found.wanted) == ((), (), "", "")


@pytest.mark.parametrize("view", [0, 3])
def test_a_turned_camera_is_named(recording: Recording, tested, view: int) -> None:
    cameras = list(recording.arena.cameras)
    cameras[view] = turned(cameras[view], 1.0)
    found = tested(tuple(cameras))
    assert found.cameras == (cameras[view].name,)
    assert "masks made with it agree with it all the same" in found.text


@pytest.mark.parametrize("view", range(3))
def test_one_of_three_cameras_that_was_turned_is_named(recording: Recording, tested, view: int) -> None:
    cameras = list(recording.arena.cameras)
    cameras[view] = turned(cameras[view], 1.0)
    found = tested(tuple(cameras), 3)
    assert found.cameras == (cameras[view].name,)


@pytest.mark.parametrize(("view", "factor"), [(1, 1.08), (2, 0.92)])
def test_a_focal_length_that_is_off_is_named(recording: Recording, tested, view: int, factor: float) -> None:
    """The subject is small there and near the optical axis, so 3 % would move it by less than a pixel."""
    cameras = list(recording.arena.cameras)
    cameras[view] = replace(cameras[view], fx=cameras[view].fx * factor, fy=cameras[view].fy * factor)
    found = tested(tuple(cameras))
    assert found.cameras == (cameras[view].name,)


def test_where_a_turn_explains_it_as_well_both_are_said(
    recording: Recording, tested, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away from the optical axis: 3 % of CameraE's focal length in mouse_cylinder is like 0.13 degrees."""
    cameras = list(recording.arena.cameras)
    cameras[1] = replace(cameras[1], fx=cameras[1].fx * 1.08, fy=cameras[1].fy * 1.08)
    assert "degrees" not in tested(tuple(cameras)).text
    alone = camera_agreement.changes_of
    monkeypatch.setattr(
        camera_agreement,
        "changes_of",
        lambda found, camera: [
            alone(found, camera)[0],
            replace(alone(found, camera)[1], gains=1e6 * np.ones(found.frames)),
        ],
    )
    assert re.search(r"a focal length that is \d\.\d% too long or a turn by .* degrees", tested(tuple(cameras)).text)


@pytest.mark.parametrize("order", [(1, 0, 2, 3, 4), (0, 1, 4, 3, 2), (0, 2, 3, 1, 4)])
def test_exchanged_cameras_are_named(
    recording: Recording, backgrounds: list[Background], order: tuple[int, ...]
) -> None:
    cameras = rearranged(recording.arena.cameras, order)
    found = exchanged_cameras(recording.read(range(0, 40, 4)), backgrounds, cameras)
    assert found is not None
    assert found.cameras == tuple(f"cam{view}" for view in range(5) if order[view] != view)
    assert exchanged_cameras(recording.read(range(0, 40, 4)), backgrounds, recording.arena.cameras) is None


def test_exchanged_cameras_fail_before_masks_are_made(recording: Recording, tested) -> None:
    found = tested(rearranged(recording.arena.cameras, (1, 0, 2, 3, 4)))
    assert found.cameras == ("cam0", "cam1")
    assert "exchanged" in found.text


def test_parts_that_fill_too_little_are_seen_again_with_the_camera_put_right(
    recording: Recording, scene: Scene, backgrounds: list[Background]
) -> None:
    """Under a camera that was turned the hull, and what parts fill of it, is another: only the proof tells."""
    cameras = (turned(recording.arena.cameras[0], 1.0), *recording.arena.cameras[1:])

    def learn(cameras: tuple[Camera, ...]) -> Scene:
        return learn_scene(recording.read, range(0, 40, 3), backgrounds, cameras, UP, 0.0)

    def seen(scene: Scene) -> list[Uncut]:
        segmenter = Segmenter(scene)
        return [uncut(segmenter, frame) for frame in recording.read(range(0, 40, 4))]

    def filling(frames: Sequence[Uncut], covered: float) -> list[Uncut]:
        return [frame._replace(covered=(covered,) * 5) for frame in frames]

    wrong = filling(seen(learn(cameras)), 0.45)
    with_it_right = dict[tuple[float, float], list[Uncut]]()

    def corrected(cameras: Sequence[Camera]) -> list[Uncut]:
        key = cameras[0].cx, cameras[0].fx
        if key not in with_it_right:
            with_it_right[key] = seen(learn(tuple(cameras)))
        return with_it_right[key]

    def proof(see: See) -> CameraTest:
        return settled(halves, wrong, lambda: None, lambda change: put_right(change, cameras, wrong, see))

    names, halves = tuple(camera.name for camera in cameras), [half_camera(camera) for camera in cameras]
    for see in (
        lambda _: filling(wrong, 0.7),  # nothing is explained
        lambda cameras: filling(corrected(cameras), 0.45),  # a white animal: no part is whole, whatever the cameras
        lambda _: [],  # no scene
    ):
        found = proof(see)
        assert (found.text, found.untested) == ("", names)
        assert re.search(r"^a turn by .* degrees$", found.wanted)
        (doubt,) = camera_doubts(names, found)
        assert doubt.camera is None
        assert found.wanted in doubt.text
    found = proof(lambda cameras: filling(corrected(cameras), 0.7))
    assert found.cameras == ("cam0",)
    assert re.search(r"a turn by (0\.9\d?|1|1\.\d) degrees", found.text)
    assert found.untested == ()


def test_silence_needs_parts_that_are_nearly_whole(recording: Recording, scene: Scene) -> None:
    segmenter = Segmenter(scene)
    frames = [uncut(segmenter, frame) for frame in recording.read(range(0, 40, 4))]

    def filling(*covered: float) -> CameraTest:
        return settled(segmenter.carver.cameras, [f._replace(covered=covered) for f in frames], lambda: None, never_put)

    assert filling(*(0.45,) * 5).untested == ()
    assert filling(*(0.35,) * 5).untested == scene.names
    assert filling(0.6, 0.6, 0.6, 0.6, 0.2).untested == ("cam4",)


def test_a_step_that_undid_too_little_is_followed_by_others(recording: Recording, scene: Scene) -> None:
    """Where the floor is found too low outlines tell of a turn that is a fifth smaller, or worse."""
    cameras = (turned(recording.arena.cameras[0], 1.0), *recording.arena.cameras[1:])

    def see(cameras: Sequence[Camera]) -> list[Uncut]:
        segmenter = Segmenter(replace(scene, cameras=tuple(cameras)))
        return [uncut(segmenter, frame) for frame in recording.read(range(0, 40, 4))]

    wrong = see(cameras)
    best = best_change(wrong)
    assert best is not None
    timid = replace(best, values=0.5 * best.values)
    right = put_right(timid, cameras, wrong, see)
    assert right is not None
    own = scene.carver().cameras[0]
    turn = np.degrees(np.hypot(*right.numbers[1:]) / own.focal)
    assert 0.85 < turn < 1.15
    assert right.agrees(0.3, 0.5, 0.004)
    given = PutRight(0, cameras, wrong, np.zeros(3))
    stopped = PutRight(0, cameras, see(timid.undone_in(cameras)), np.zeros(3))
    assert not stopped.agrees(0.3, 0.5, 0.004)
    assert right.nearer_than(stopped) > 0.004
    assert stopped.nearer_than(given) > 0.004
    assert put_right(best, cameras, wrong, lambda _: wrong) is None  # no nearer


def test_of_two_cameras_that_may_be_wrong_one_is_named_where_outlines_are_surely_nearer(
    recording: Recording, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_agreement, "_ASKED", 0.01)  # of five cameras no other explains much of it
    segmenter = Segmenter(scene)
    right = [uncut(segmenter, frame) for frame in recording.read(range(0, 40, 4))]
    cameras = (turned(recording.arena.cameras[0], 1.0), *recording.arena.cameras[1:])
    halves = replace(scene, cameras=cameras).carver().cameras
    wrong = [frame._replace(covered=(0.45,) * 5) for frame in seen_with(scene, cameras, recording)]

    def said(further: float) -> CameraTest:
        def again(change: Change) -> PutRight:
            more = further * float(change.camera > 0)
            frames = [frame._replace(size=frame.size / (1 + more)) for frame in right]
            return PutRight(change.camera, cameras, frames, change.numbers)

        return settled(halves, wrong, lambda: None, again)

    assert said(3.0).cameras == ("cam0",)
    among = said(0.0)
    assert among.cameras == ()
    assert "cam0" in among.text
    assert "which, outlines do not tell" in among.text


@pytest.mark.parametrize("kind", ["focal", "turn"])
def test_what_would_not_be_told_is_not_told_and_little_more_is(recording: Recording, scene: Scene, kind: str) -> None:
    """So that silence is not taken for agreement: what is said of it is what happens."""
    limit, right = 0.02, recording.arena.cameras

    def frames(times: float) -> Iterator[Sequence[Uncut]]:
        amount = times * (least.focal if kind == "focal" else least.degrees)
        for sign in (1, -1):
            own = right[1]
            if kind == "focal":
                own = replace(own, fx=own.fx * (1 + sign * amount), fy=own.fy * (1 + sign * amount))
            else:
                own = turned(own, sign * amount)
            yield seen_with(scene, (right[0], own, *right[2:]), recording)

    found = between_parts(seen_with(scene, right, recording), 0.5)
    assert found is not None
    least = unnoticed(found, 1, scene.carver().cameras[1], limit)
    assert least.focal >= 0.03

    def told(seen: Sequence[Uncut]) -> bool:
        best = best_change(seen)
        return best is not None and best.least > limit

    if kind == "focal":
        assert not all(told(seen) for seen in frames(1.0))
    assert all(told(seen) for seen in frames(2.0) if least.degrees or kind == "focal")
    names = scene.names
    (doubt,) = camera_doubts(names, CameraTest((), unnoticed=(("cam1", least),)))
    assert doubt.camera == "cam1"
    assert f"a focal length that is off by {least.focal:.1%}" in doubt.text
    assert not any(unnoticed(found, 1, scene.carver().cameras[1], 1e-4))


def test_two_cameras_alone_are_not_blamed_for_what_right_ones_do(recording: Recording, scene: Scene) -> None:
    """A pair of right cameras wants changes of up to 2.7 % of the subject's size: nothing else bears on it."""
    cameras = (turned(recording.arena.cameras[0], 0.5), *recording.arena.cameras[1:])
    segmenter = Segmenter(replace(scene, cameras=cameras))
    frames = [uncut(segmenter, frame) for frame in recording.read(range(0, 40, 4))]
    pair = [frame._replace(covered=(0.7, 0.7, 0.0, 0.0, 0.0)) for frame in frames]
    best = best_change(pair)
    assert best is not None
    assert gain_limit(3) < best.least < gain_limit(2)
    assert judged(segmenter.carver.cameras, pair).text == ""


def test_an_absent_subject_is_no_contradiction(recording: Recording, scene: Scene) -> None:
    empty = [recording.arena.frame(None, frame) for frame in range(8)]
    found = camera_test(scene, lambda frames: map(empty.__getitem__, frames), range(8), never)
    assert found == CameraTest(scene.names)


def test_a_subject_that_no_place_explains_contradicts_the_cameras(recording: Recording, scene: Scene) -> None:
    """Each view shows the animal of another instant, so that no place is seen by all."""
    sets = [list(recording.read([(5 * frame + 7 * view) % 40 for view in range(5)])) for frame in range(8)]
    mixed = [replace(each[0], views=tuple(one.views[view] for view, one in enumerate(each))) for each in sets]
    found = camera_test(scene, lambda frames: map(mixed.__getitem__, frames), range(8), never)
    assert "no place is seen by all of them" in found.text
    assert not found.cameras


def test_exchanged_cameras_are_named_where_no_scene_can_be_learned(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views that agree on no place stop `mask` before it has masks to test."""

    def nothing(*_: object) -> Scene:
        raise MaskError("nothing is seen by enough cameras.")

    for view, camera in enumerate(recording.arena.cameras):
        (tmp_path / camera.name).mkdir()
        for frame in range(12):
            image = recording.arena.image(view, recording.poses[3 * frame], frame).colours
            (tmp_path / camera.name / f"{frame:06d}.png").write_bytes(encode_png(image))
    monkeypatch.setattr("mouselift.masks.segment_capture.learn_scene", nothing)
    toml = tmp_path / "capture.toml"
    for order, said in (((1, 0, 2, 3, 4), "files of cam0 and cam1 are exchanged"), ((0, 1, 2, 3, 4), "cameras.$")):
        rig = rearranged(recording.arena.cameras, order)
        cameras = tuple(CaptureCamera(one.name, one, None, tmp_path / one.name, None) for one in rig)
        capture = Capture(toml, "mm", UP, cameras, (), None, None, toml, "test", ())
        with pytest.raises(MaskError, match=said):
            segment_capture(capture, tmp_path / f"masks{order[0]}", MaskOptions(learn_from=12), workers=1)


def test_what_was_not_tested_is_said_of_one_camera_or_of_all() -> None:
    names = ("cam0", "cam1", "cam2")
    assert list(camera_doubts(names, CameraTest(()))) == []
    (every,) = camera_doubts(names, CameraTest(names))
    assert every.camera is None
    assert "what is made of these masks does not tell" in every.text
    assert [doubt.camera for doubt in camera_doubts(names, CameraTest(("cam1",)))] == ["cam1"]


def test_what_mask_said_of_cameras_stays_with_its_masks(recording: Recording, tmp_path) -> None:
    cameras = []
    for view, camera in enumerate(recording.arena.cameras[:3]):
        images, masks = tmp_path / camera.name, tmp_path / "masks" / camera.name
        images.mkdir()
        masks.mkdir(parents=True)
        for frame in range(2):
            pose = recording.poses[frame]
            (images / f"{frame:06d}.png").write_bytes(encode_png(recording.arena.image(view, pose, frame).colours))
            (masks / f"{frame:06d}.png").write_bytes(
                encode_png(recording.arena.truth(view, pose).astype(np.uint8) * np.uint8(255))
            )
        cameras.append(CaptureCamera(camera.name, camera, None, images, masks))
    toml = tmp_path / "capture.toml"
    capture = Capture(toml, "mm", UP, tuple(cameras), (), None, None, toml, "test", ())
    assert not CaptureSource(capture).findings
    (tmp_path / "masks" / MASK_JOB).write_text("{}")
    report = {"contradiction": "camera cam1: its calibration is wrong", "blamed": ["cam1"]}
    (tmp_path / "masks" / MASK_REPORT).write_bytes(msgspec.json.encode(report))
    (said,) = CaptureSource(capture).findings
    assert (said.code, said.severity, said.camera) == ("cameras-contradict", "error", "cam1")
    assert str(tmp_path / "masks") in said.message
    report = {"doubts": [{"camera": None, "text": "not tested"}, {"camera": "cam1", "text": "not tested"}]}
    (tmp_path / "masks" / MASK_REPORT).write_bytes(msgspec.json.encode(report))
    assert [(f.code, f.severity, f.camera) for f in CaptureSource(capture).findings] == [
        ("cameras-untested", "warning", None),
        ("cameras-untested", "warning", "cam1"),
    ]
    (tmp_path / "masks" / MASK_REPORT).write_text("no json")
    assert not CaptureSource(capture).findings
