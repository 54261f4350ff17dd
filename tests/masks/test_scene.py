"""Whole frames on ray-cast scenes: ghosts, mirror images, unsupported things, jumps, emptiness."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from mouselift.errors import CalibrationError, MaskError
from mouselift.masks.background import learn_background
from mouselift.masks.changes import Background
from mouselift.masks.scene import learn_scene
from mouselift.masks.segment import Segmenter
from mouselift.media.images import ArrayImage, FrameSet

UP = np.array([0.0, 0.0, 1.0])


def backgrounds_of(recording) -> list[Background]:
    frames = list(range(len(recording.poses)))
    sets = list(recording.read(frames))
    return [
        learn_background((s.views[i].image for s in sets), camera.name)
        for i, camera in enumerate(recording.arena.cameras)
    ]


def scene_of(recording, backgrounds, floor=None):
    frames = list(range(len(recording.poses)))
    return learn_scene(recording.read, frames, backgrounds, list(recording.arena.cameras), UP, floor)


@pytest.fixture(scope="module")
def backgrounds(recording):
    return backgrounds_of(recording)


@pytest.fixture(scope="module")
def scene(recording, backgrounds):
    return scene_of(recording, backgrounds)


def masks_of(segmenter, frame: FrameSet) -> list[Any]:
    levels = segmenter.segment([view.image for view in frame.views])
    return [None if level is None else level >= 128 for level in levels]


def overlap(a, b) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def test_resting_subject_leaves_no_ghost(recording, backgrounds):
    arena, pose = recording.arena, recording.poses[5]
    for view, background in enumerate(backgrounds):
        clean = arena.background(view)
        body = arena.truth(view, pose)
        wrong = np.abs(background.luma - clean) > 15
        assert wrong[body].mean() < 0.02
        assert wrong.mean() < 0.002
        stack = np.stack([arena.image(view, p, i).colours[..., 0] for i, p in enumerate(recording.poses)])
        assert (np.abs(np.median(stack, axis=0) - clean) > 15)[body].mean() > 0.8  # what a median does


def test_a_subject_with_levels_on_both_sides_of_the_floors_is_not_learned():
    """A lit white back, a shaded belly, and the floor's own level between them."""
    rng = np.random.default_rng(2)
    floor = cv2.GaussianBlur(rng.normal(0, 60, (160, 240)), (0, 0), 4) + 165
    images = []
    for k in range(24):
        image = floor + rng.normal(0, 1.5, floor.shape)
        x, y = rng.normal((120, 80), (45, 8))
        row, column = np.mgrid[:160, :240]
        body = ((column - x) / 42) ** 2 + ((row - y) / 26) ** 2 < 1
        shade = 160 - 95 * np.tanh((row - y) / 9) + 9 * np.sin(column + 3 * k)
        image[body] = shade[body]
        images.append(ArrayImage(np.repeat(np.rint(image.clip(0, 255)).astype(np.uint8)[..., None], 3, axis=2)))
    wrong = np.abs(learn_background(images, "cam0").luma - floor) > 12
    assert wrong.mean() < 0.002


def test_background_survives_its_file(tmp_path, backgrounds):
    backgrounds[0].save(tmp_path / "b.npz")
    again = Background.load(tmp_path / "b.npz")
    for key in ("luma", "chroma", "spread", "uncovered"):
        assert np.array_equal(getattr(again, key), getattr(backgrounds[0], key))
    (tmp_path / "b.npz").write_bytes(b"PK truncated")
    with pytest.raises(MaskError, match="delete it and run again"):
        Background.load(tmp_path / "b.npz")


def test_background_refuses_too_few_or_unequal_images(recording):
    image = recording.arena.image(0, None)
    with pytest.raises(MaskError, match="cam0: expected at least 8 readable images"):
        learn_background([image] * 5 + [None] * 20, "cam0")
    smaller = ArrayImage(image.colours[:100, :100])
    with pytest.raises(MaskError, match=r"cam0: .*one size, 360x288, got 100x100"):
        learn_background([image, smaller], "cam0")


def test_floor_is_found(scene):
    assert abs(scene.floor.height) < 2.5
    assert np.degrees(np.arccos(scene.floor.normal @ UP)) < 1.0
    assert "floor found at" in scene.floor.describe("mm")


def test_floor_follows_the_recording_and_notices_a_wrong_camera(recording, make_recording):
    lifted = make_recording(replace(recording.arena, height=20.0), recording.poses)
    learned = backgrounds_of(lifted)
    right = scene_of(lifted, learned).floor
    assert abs(right.height - 20.0) < 2.5
    wrong = replace(lifted.arena.cameras[0], cx=lifted.arena.cameras[0].cx + 8.0)
    bad = replace(lifted.arena, cameras=(wrong, *lifted.arena.cameras[1:]))
    # Images of the right cameras, read with a wrong one: the textures agree less.
    assert (
        learn_scene(lifted.read, list(range(40)), learned, list(bad.cameras), UP, None).floor.agreement
        < right.agreement
    )


@pytest.mark.parametrize("frame", [5, 26, 31, 37])
def test_body_is_kept_and_its_mirror_image_removed(recording, scene, frame):
    pose = recording.poses[frame]
    masks = masks_of(Segmenter(scene), recording.arena.frame(pose, frame))
    for view, mask in enumerate(masks):
        truth = recording.arena.truth(view, pose)
        mirror = recording.arena.reflection(view, pose)
        assert (mask & truth).sum() / truth.sum() > 0.93
        assert overlap(mask, truth) > 0.85
        assert (mask & mirror).sum() / mirror.sum() < 0.15
        changed = truth | mirror
        assert overlap(changed, truth) < 0.75  # taking whatever changed would fail the same check


def test_three_cameras_suffice(recording, make_recording, backgrounds):
    views = [0, 2, 3]
    three = make_recording(recording.arena.of(views), recording.poses)
    scene = scene_of(three, [backgrounds[i] for i in views])
    assert abs(scene.floor.height) < 3.5
    for frame in (8, 30):
        pose = three.poses[frame]
        for view, mask in enumerate(masks_of(Segmenter(scene), three.arena.frame(pose, frame))):
            assert overlap(mask, three.arena.truth(view, pose)) > 0.8


def test_bright_subject_on_dark_ground(recording, make_recording):
    pale = make_recording(replace(recording.arena, subject=210.0, ground=70.0, mirror=-0.4), recording.poses)
    scene = scene_of(pale, backgrounds_of(pale), floor=0.0)
    assert scene.floor.bounds is None  # given, not found
    for frame in (5, 33):
        pose = pale.poses[frame]
        for view, mask in enumerate(masks_of(Segmenter(scene), pale.arena.frame(pose, frame))):
            assert overlap(mask, pale.arena.truth(view, pose)) > 0.85


def painted(frame: FrameSet, view: int, window, level) -> FrameSet:
    image = frame.views[view].image
    assert image is not None
    colours = image.rgb().copy()
    colours[window] = level
    views = list(frame.views)
    views[view] = replace(views[view], image=ArrayImage(colours))
    return replace(frame, views=tuple(views))


def test_what_no_other_view_supports_goes(recording, scene):
    frame = painted(recording.arena.frame(recording.poses[30], 30), 1, np.s_[40:130, 20:110], 30)
    mask = masks_of(Segmenter(scene), frame)[1]
    assert not mask[40:130, 20:110].any()
    assert overlap(mask, recording.arena.truth(1, recording.poses[30])) > 0.85


def test_a_tail_that_one_view_does_not_show_is_drawn_there(recording, scene):
    """The floor's own image is painted over the tail in one view, as a tail of the floor's colour is seen."""
    arena, view, frame = recording.arena, 1, 28
    pose = recording.poses[frame]
    truth = arena.truth(view, pose)
    body = cv2.morphologyEx(truth.view(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    tail = truth & ~cv2.dilate(body, np.ones((3, 3), np.uint8)).astype(bool)
    assert tail.sum() > 60
    hidden = cv2.dilate(tail.view(np.uint8), np.ones((13, 13), np.uint8)).astype(bool) & ~body.astype(bool)
    images = arena.frame(pose, frame)
    ground = arena.background(view).clip(0, 255).round().astype(np.uint8)[hidden][:, None]
    mask = masks_of(Segmenter(scene), painted(images, view, hidden, ground))[view]
    near = cv2.dilate(mask.view(np.uint8), np.ones((11, 11), np.uint8)).astype(bool)  # within two voxels of the path
    assert (near & tail).sum() / tail.sum() > 0.9
    assert overlap(mask, truth) > 0.8


def test_bright_line_over_the_floor_is_not_the_subject(recording, scene):
    frame = painted(recording.arena.frame(recording.poses[30], 30), 2, np.s_[:, 40:43], 250)
    assert not masks_of(Segmenter(scene), frame)[2][:, 40:43].any()


def test_the_last_frame_is_no_trap(recording, scene, make_pose):
    segmenter = Segmenter(scene)
    here, there = make_pose(45, -20, 0.4), make_pose(-60, 30, 2.0)
    for i in range(4):
        masks_of(segmenter, recording.arena.frame(here, i))
    for view, mask in enumerate(masks_of(segmenter, recording.arena.frame(there, 5))):
        assert overlap(mask, recording.arena.truth(view, there)) > 0.8


def test_empty_arena_gives_empty_masks_and_recovers(recording, scene):
    segmenter = Segmenter(scene)
    masks_of(segmenter, recording.arena.frame(recording.poses[30], 30))
    assert not any(mask.any() for mask in masks_of(segmenter, recording.arena.frame(None, 31)))
    again = masks_of(segmenter, recording.arena.frame(recording.poses[32], 32))
    assert overlap(again[0], recording.arena.truth(0, recording.poses[32])) > 0.8


def test_a_change_of_light_is_not_the_subject(recording, scene):
    pose = recording.poses[30]
    for view, mask in enumerate(masks_of(Segmenter(scene), recording.arena.frame(pose, 30, light=1.2))):
        assert overlap(mask, recording.arena.truth(view, pose)) > 0.8


def test_a_missing_image_costs_only_its_view(recording, scene):
    frame = recording.arena.frame(recording.poses[30], 30)
    views = [frame.views[0], replace(frame.views[1], image=None), *frame.views[2:]]
    masks = masks_of(Segmenter(scene), replace(frame, views=tuple(views)))
    assert masks[1] is None
    assert overlap(masks[0], recording.arena.truth(0, recording.poses[30])) > 0.8


def test_same_images_same_masks(recording, scene):
    frame = recording.arena.frame(recording.poses[30], 30)
    one, two = (Segmenter(scene).segment([v.image for v in frame.views]) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert a is not None
        assert b is not None
        assert np.array_equal(a, b)


def test_nothing_that_moves_is_an_error_that_says_so(recording, make_recording, backgrounds):
    still = make_recording(recording.arena, [None] * 10)
    with pytest.raises(MaskError, match="does the subject move"):
        scene_of(still, backgrounds)


def test_cameras_in_one_direction_are_refused(recording, make_recording, backgrounds):
    camera = recording.arena.cameras[0]
    twin = replace(camera, T_cam_world=camera.T_cam_world + np.eye(4, k=3) * 5.0)
    two = make_recording(recording.arena.of([0, 1]), recording.poses)
    with pytest.raises(CalibrationError, match="parallel"):
        learn_scene(two.read, [0, 1], backgrounds[:2], [camera, twin], UP, 0.0)
