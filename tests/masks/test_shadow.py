"""The subject's shadow is no part of its mask, on scenes with exact truth; and masks that hold one are told."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from arena import AXES, Arena, Pose, Recording
from mouselift.array_types import Mask
from mouselift.masks.background import learn_background
from mouselift.masks.changes import Background, Changes, Comparer, yuv_image
from mouselift.masks.floor import Floor
from mouselift.masks.quality import measure, summarise
from mouselift.masks.scene import ColourModel, Scene, learn_scene
from mouselift.masks.segment import Segmenter
from mouselift.masks.shadow import ShadowFinder, explained
from mouselift.masks.volume import Carver, Volume, fine_voxel, half_camera
from mouselift.media.images import ArrayImage
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.render import ViewRenderer, shadow_of
from mouselift.synthetic.rigs import demo_rig

UP = np.array([0.0, 0.0, 1.0])
FLOOR = Floor(UP, 0.0)
JUDGED = (5, 26, 31, 37)


def scene_of(recording: Recording) -> Scene:
    frames = list(range(len(recording.poses)))
    sets = list(recording.read(frames))
    backgrounds = [
        learn_background((s.views[i].image for s in sets), camera.name)
        for i, camera in enumerate(recording.arena.cameras)
    ]
    return learn_scene(recording.read, frames, backgrounds, list(recording.arena.cameras), UP, None)


@pytest.mark.parametrize(("subject", "ground", "shadow"), [(32.0, 120.0, 0.5), (210.0, 110.0, 0.35)])
def test_a_shadow_is_left_out_and_the_subject_stays(recording, make_walk, subject, ground, shadow):
    arena = replace(recording.arena, mirror=0.0, subject=subject, ground=ground, shadow=shadow)
    filmed = Recording(arena, make_walk(40))
    scene = scene_of(filmed)
    overlaps, kept, areas, taken = [], [], [], []
    for frame in JUDGED:
        pose = filmed.poses[frame]
        levels = Segmenter(scene).segment([view.image for view in arena.frame(pose, frame).views])
        for view, level in enumerate(levels):
            assert level is not None
            mask, true = level >= 128, arena.truth(view, pose)
            dark = (arena.shade(view, pose) > 0.5) & ~true
            overlaps.append((mask & true).sum() / (mask | true).sum())
            kept.append((mask & true).sum() / true.sum())
            areas.append(mask.sum() / true.sum())
            taken.append(((mask & dark).sum(), dark.sum()))
    assert np.mean(overlaps) > 0.93  # 0.75 and 0.79 with the shadow
    assert min(kept) > 0.94
    assert np.mean(areas) < 1.06  # 1.34, 1.27
    in_mask, in_all = np.sum(taken, axis=0)
    assert in_mask < 0.25 * in_all


def changes_of(arena: Arena, darkness: list[np.ndarray]) -> tuple[list[Comparer], list[Changes]]:
    """The empty arena with the floor darkened, by view."""
    comparers, changes = [], []
    for view, dark in enumerate(darkness):
        ground = arena.background(view).clip(0, 255)
        grey = np.full((*(side // 2 for side in ground.shape), 2), 128, np.uint8)
        flat = np.full(ground.shape, 2, np.uint8)
        level = ground.round().astype(np.uint8)
        comparers.append(Comparer(Background(level, grey, flat, np.zeros(ground.shape, bool), 8)))
        shown = (ground * (1 - dark)).round().astype(np.uint8)
        changes.append(comparers[-1].half(yuv_image(ArrayImage(np.repeat(shown[:, :, None], 3, axis=2)))))
    return comparers, changes


def slab(half_length: float, half_width: float, voxel: float) -> np.ndarray:
    """Voxels on the floor."""
    x, y = np.arange(-half_length, half_length, voxel), np.arange(-half_width, half_width, voxel)
    return np.stack(np.meshgrid(x, y, [voxel / 2]), axis=-1).reshape(-1, 3)


@pytest.mark.parametrize(("half_width", "found"), [(25.0, True), (1.5, False)])
def test_a_broad_dark_place_is_a_shadow_and_a_narrow_one_a_tail(recording, half_width, found):
    arena, halves = recording.arena, [half_camera(camera) for camera in recording.arena.cameras]
    # The shade of a pose is an ellipse; a wide or narrow one by scaling across it.
    at = [arena.shade(view, Pose(-8, -14, 0.0)) > 0 for view in range(len(halves))]
    narrow = [at_ & strip(arena, view, half_width) for view, at_ in enumerate(at)]
    comparers, changes = changes_of(arena, [0.4 * part for part in narrow])
    finder = ShadowFinder(halves, [comparer.window for comparer in comparers], FLOOR, 3.0)
    floor = slab(45, 30, 3.0)
    shades = finder.shades(changes, [None] * len(changes), floor, floor)
    for own, shade, part in zip(changes, shades, narrow, strict=True):
        share = np.ones(own.luma.shape) if shade is None else shade.share
        inner = cv2.erode(part[::2, ::2].view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        if found:
            assert np.abs(share[inner] - 0.6).mean() < 0.05
        else:
            assert share.min() > 0.95
        assert share[~cv2.dilate(part[::2, ::2].view(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)].min() > 0.9


def test_the_whole_shadow_is_looked_at_however_small_the_subject_is_by_now(recording):
    """Rounds narrow the subject's hull, not the place where its shadow may lie; else its rim comes back."""
    arena, halves = recording.arena, [half_camera(camera) for camera in recording.arena.cameras]
    dark = [arena.shade(view, Pose(-8, -14, 0.0)) > 0 for view in range(len(halves))]
    comparers, changes = changes_of(arena, [0.4 * part for part in dark])
    finder = ShadowFinder(halves, [comparer.window for comparer in comparers], FLOOR, 3.0)
    shades = finder.shades(changes, [None] * len(changes), slab(45, 30, 3.0), slab(9, 9, 3.0))
    for shade, part in zip(shades, dark, strict=True):
        assert shade is not None
        inner = cv2.erode(part[::2, ::2].view(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        assert np.abs(shade.share[inner] - 0.6).max() < 0.15


def strip(arena: Arena, view: int, half_width: float) -> Mask:
    """Pixels whose floor is no farther than `half_width` from the line y = 0."""
    camera = arena.cameras[view]
    i, j = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = camera.rays(np.stack([i.ravel(), j.ravel()], axis=1)).reshape(camera.height, camera.width, 3)
    y = camera.centre[1] - camera.centre[2] / rays[..., 2] * rays[..., 1]
    return np.abs(y) <= half_width


def test_a_dark_place_that_moves_with_the_camera_is_no_shadow(recording):
    """As a mirror image does: it lies elsewhere in the floor for each view."""
    arena, halves = recording.arena, [half_camera(camera) for camera in recording.arena.cameras]
    poses = [Pose(40 * np.cos(a), 40 * np.sin(a), a) for a in np.arange(len(halves)) * 1.25]
    darkness = [0.4 * (arena.shade(view, pose) > 0) for view, pose in enumerate(poses)]
    comparers, changes = changes_of(arena, darkness)
    finder = ShadowFinder(halves, [comparer.window for comparer in comparers], FLOOR, 3.0)
    floor = slab(80, 80, 3.0)
    shades = finder.shades(changes, [None] * len(changes), floor, floor)
    dark = [1 - shade.share[part[::2, ::2] > 0].mean() for shade, part in zip(shades, darkness, strict=True) if shade]
    assert sum(dark) / len(halves) < 0.1


def test_only_the_floor_in_a_share_of_its_light_is_explained(recording):
    arena = recording.arena
    _, changes = changes_of(arena, [0.4 * (arena.shade(0, Pose(0, 0, 0.0)) > 0)])
    own = changes[0]
    dark = own.changed
    share = np.full(own.luma.shape, 0.6, np.float32)
    assert dark.mean() > 0.01
    assert explained(own, share, None)[dark].mean() > 0.9
    assert not explained(own, np.ones_like(share), None).any()
    assert explained(own, np.full_like(share, 0.85), None)[dark].mean() < 0.1
    coloured = own._replace(away=own.away + np.uint8(12))  # the subject's colour, at a shadow's brightness
    assert not explained(coloured, share, None).any()
    level = float(np.median(own.luma[dark]))  # a subject as dark as the shadow
    assert (
        explained(own, share, ColourModel(np.zeros((2, 1), np.float32), None, level - 9, level + 9))[dark].mean() < 0.1
    )


def test_masks_that_hold_a_shadow_are_not_called_good():
    rig, mouse, motion = demo_rig(), Mouse("brown", 3), Motion(demo_rig().arena, 3)
    renderers = [ViewRenderer(camera, rig.arena, 3, 1) for camera in rig.cameras]
    place = np.array([rig.arena.x, rig.arena.y, 0.0])
    halves = [half_camera(camera) for camera in rig.cameras]
    low, high = place - np.array([130, 130, 5]), place + np.array([130, 130, 90])
    carver = Carver(halves, Volume(low, high, fine_voxel(halves, place)))
    true_records, wide_records = [], []
    for frame in range(2):
        posed = mouse.posed(motion.pose(1.0 + frame))
        shadow = shadow_of(posed)
        shown = [
            (r.render(posed, shadow), r.render(posed, replace(shadow, light=0 * shadow.light + 1))) for r in renderers
        ]
        true = [with_shadow.mask for with_shadow, _ in shown]
        changed = [
            ((np.abs(a.rgb.astype(int) - b.rgb).max(axis=2) > 20) | (a.mask >= 128)).astype(np.uint8) * np.uint8(255)
            for a, b in shown
        ]
        true_records.append(measure(rig.cameras, true, frame, carver, floor=FLOOR))
        wide_records.append(measure(rig.cameras, changed, frame, carver, floor=FLOOR))
    names = [camera.name for camera in rig.cameras]
    assert all("flat on the floor" not in quality.verdict for quality in summarise(names, true_records))
    assert sum("flat on the floor, as a shadow does" in q.verdict for q in summarise(names, wide_records)) >= 4


def test_what_is_flat_is_not_told_of_a_small_subject(recording):
    """A body of seven voxels has no part that is flat."""
    cameras = recording.arena.cameras
    pose = recording.poses[30]
    levels = [recording.arena.truth(v, pose).astype(np.uint8) * np.uint8(255) for v in range(len(cameras))]
    halves = [half_camera(camera) for camera in cameras]
    carver = Carver(halves, Volume(np.full(3, -120.0), np.full(3, 120.0), 2 * AXES[2] / 7))
    assert all(view.flat is None for view in measure(cameras, levels, 0, carver, floor=FLOOR).views)
