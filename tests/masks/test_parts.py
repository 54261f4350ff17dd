"""The small pieces: order statistics, half-size maps, light, hulls and their footprints."""

from __future__ import annotations

import numpy as np
import pytest

from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.background import quantile, tightest
from mouselift.masks.changes import doubled, halved, light_gain, relit
from mouselift.masks.scene import without_specks
from mouselift.masks.segment import cleaned, softened
from mouselift.masks.volume import Carver, Extent, Volume, common_field, footprint, half_camera, subject_cluster


def test_quantile_is_the_order_statistic():
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 256, (21, 13, 17), dtype=np.uint8)
    valid = rng.random(stack.shape) < 0.6
    for share in (0.0, 0.25, 0.5, 0.9):
        assert np.array_equal(quantile(stack, share, np.ones_like(valid)), np.sort(stack, axis=0)[int(share * 21)])
        found = quantile(stack, share, valid)
        for at in np.ndindex(13, 17):
            chosen = np.sort(stack[:, at[0], at[1]][valid[:, at[0], at[1]]])
            assert found[at] == (chosen[int(np.floor(len(chosen) * share))] if len(chosen) else 255)


def test_quantile_refuses_more_samples_than_it_can_count():
    with pytest.raises(ValueError, match="1 to 255"):
        quantile(np.zeros((256, 2, 2), np.uint8), 0.5, np.ones((256, 2, 2), bool))


def test_specks_are_taken_and_nothing_moves():
    """cv2's opening by an even kernel moves a map by a pixel to the right and down."""
    mask = np.zeros((20, 30), dtype=bool)
    mask[5:12, 8:20] = True
    mask[9:11, 20:27] = True  # a tail, two pixels wide
    with_specks = mask.copy()
    with_specks[2, 3] = with_specks[15, 5:9] = True
    for way in (np.s_[:, :], np.s_[::-1, :], np.s_[:, ::-1]):
        assert np.array_equal(without_specks(np.ascontiguousarray(with_specks[way])), mask[way])


def test_tightest_prefers_what_stands_still_to_what_is_frequent():
    rng = np.random.default_rng(1)
    stirring = np.clip(rng.normal(40, 15, (30, 4, 4)), 0, 255)
    steady = np.clip(rng.normal(150, 1, (12, 4, 4)), 0, 255)
    stack = np.concatenate([stirring, steady]).astype(np.uint8)
    level, width = tightest(stack, 0.25)
    assert np.abs(level.astype(int) - 150).max() <= 3
    assert width.max() <= 6
    assert np.median(stack, axis=0).max() < 60  # which a median does not see


def test_half_size_maps_do_not_shift():
    mask = np.zeros((61, 83), bool)
    mask[20:40, 30:50] = True
    small = halved(mask.view(np.uint8) * np.uint8(255)) > 127
    full = Silhouette.from_mask(mask).centroid
    assert np.allclose(Silhouette.from_mask(small).centroid * 2, full, atol=1e-9)
    assert np.array_equal(doubled(small, 61, 83), mask)
    assert not np.allclose(Silhouette.from_mask(small[:, 1:]).centroid * 2, full, atol=0.5)  # one column off is seen


def test_half_camera_sees_every_point_at_half_the_pixels(cameras):
    points = np.random.default_rng(2).uniform(-40, 40, (50, 3))
    camera = cameras[1]
    assert np.abs(half_camera(camera).project(points) * 2 - camera.project(points)).max() < 1e-9
    # The integer-centre rule, cx' = (cx - 0.5) / 2 + 0.5, would be a quarter of a pixel off, and is noticed.
    wrong = half_camera(camera).cropped(-0.25, 0.0)
    assert np.abs(wrong.project(points) * 2 - camera.project(points)).max() > 0.4


def test_light_is_followed_in_spite_of_the_subject():
    rng = np.random.default_rng(4)
    background = np.clip(rng.normal(120, 10, (512, 640)), 0, 255).astype(np.uint8)
    field = np.linspace(0.8, 1.25, 640)[None]
    image = np.clip((background + 8.0) * field - 8, 0, 255).astype(np.uint8)
    image[200:320, 250:420] = 25
    lit = relit(background, light_gain(image, background))
    outside = np.ones(image.shape, bool)
    outside[200:320, 250:420] = False
    assert np.abs(lit.astype(float) - image)[outside].mean() < 3
    assert lit[200:320, 250:420].mean() > 100  # the subject is not taken for a change of light


def test_relit_box_equals_the_whole_images_part():
    rng = np.random.default_rng(5)
    background = rng.integers(0, 256, (200, 260), dtype=np.uint8)
    gain = rng.uniform(0.8, 1.2, (4, 5)).astype(np.float32)
    whole, part = relit(background, gain), relit(background, gain, (30, 40, 170, 150))
    assert np.abs(whole[40:150, 30:170].astype(int) - part).max() <= 1


def _sphere_masks(cameras, centre, radius):
    i, j = np.meshgrid(np.arange(cameras[0].width) + 0.5, np.arange(cameras[0].height) + 0.5)
    grid = np.stack([i.ravel(), j.ravel()], axis=1)
    masks = []
    for camera in cameras:
        rays, o = camera.rays(grid), camera.centre - centre
        masks.append(((rays @ o) ** 2 - (o @ o - radius**2) >= 0).reshape(camera.height, camera.width))
    return masks


@pytest.fixture(scope="module")
def halves(cameras):
    return [half_camera(camera) for camera in cameras]


def test_carved_sphere_has_its_centre_and_size(halves):
    centre = np.array([12.0, -20.0, 25.0])
    carver = Carver(halves, Volume(centre - 60, centre + 60, 3.0))
    hull = carver.carve(_sphere_masks(halves, centre, 20.0), tolerance=0.0)[0]
    assert np.abs(hull.points.mean(axis=0) - centre).max() < 1.5
    volume = len(hull.points) * 3.0**3
    assert 1.0 < volume / (4 / 3 * np.pi * 20**3) < 1.35  # a hull is larger than its object, a little
    shifted = [camera.cropped(8.0, 0.0) for camera in halves]  # half-size pixels: about 14 mm
    moved = Carver(shifted, carver.volume).carve(_sphere_masks(halves, centre, 20.0), tolerance=0.0)[0]
    assert len(moved.points) < 0.9 * len(hull.points)


def test_footprint_of_the_hull_is_the_silhouette(halves):
    centre = np.array([0.0, 10.0, 20.0])
    masks = _sphere_masks(halves, centre, 20.0)
    hull = Carver(halves, Volume(centre - 40, centre + 40, 1.0)).carve(masks, tolerance=0.0)[0]
    apart, moved = [], []
    for camera, mask in zip(halves, masks, strict=True):
        trace = footprint(hull, camera)
        assert (trace & mask).sum() / mask.sum() > 0.97
        assert (trace & mask).sum() / (trace | mask).sum() > 0.75  # up to a pixel wider; the sphere's radius is 11
        there = Silhouette.from_mask(mask).centroid
        apart.append(Silhouette.from_mask(trace).centroid - there)
        half_off = footprint(hull, camera.cropped(0.5, 0.5))
        moved.append(Silhouette.from_mask(half_off).centroid - there)
    assert np.abs(np.mean(apart, axis=0)).max() < 0.12
    assert np.mean(moved, axis=0).max() < -0.3  # half a pixel put in fails the line above


def test_a_camera_that_says_nothing_neither_objects_nor_supports(halves):
    centre = np.array([0.0, 0.0, 20.0])
    masks = _sphere_masks(halves, centre, 20.0)
    carver = Carver(halves, Volume(centre - 40, centre + 40, 3.0))
    nothing = np.zeros_like(masks[0])
    missing = [nothing, *masks[1:]]
    assert not len(carver.carve(missing)[0].points)
    excused = carver.carve(missing, unknown=[~nothing, None, None, None, None])[0]
    assert np.abs(excused.points.mean(axis=0) - centre).max() < 4
    two = [nothing, nothing, nothing, *masks[3:]]
    unknown = [~nothing, ~nothing, ~nothing, None, None]
    assert not len(carver.carve(two, unknown=unknown)[0].points)  # two of five are too few
    one_objects = carver.carve(missing, objections=(0, 1))
    assert not len(one_objects[0].points)
    assert len(one_objects[1].points)


def test_common_field_is_where_the_cameras_look(halves):
    field = common_field(halves)
    assert np.linalg.norm((field.low + field.high) / 2 - [0, 0, 10]) < 20


def _block(x: float, n: int) -> np.ndarray:
    axis = np.arange(n) * 2.0 - n
    return np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3) + np.array([x, 0.0, 20.0])


def test_the_largest_cluster_wins_unless_a_near_one_is_similar(halves):
    carver = Carver(halves, Volume(np.full(3, -80.0), np.full(3, 80.0), 2.0))
    near, far, huge = _block(-40.0, 6), _block(40.0, 7), _block(40.0, 9)
    extent = Extent(near.min(axis=0), near.max(axis=0))
    points = np.concatenate([near, far])
    assert len(subject_cluster(carver, points, None)) == 7**3
    assert len(subject_cluster(carver, points, extent)) == 6**3
    points = np.concatenate([near, huge])
    assert len(subject_cluster(carver, points, extent)) == 9**3  # a prior, not a trap
    assert len(subject_cluster(carver, points, None, largest=500)) == 6**3  # a visitor is larger than the subject
    assert len(subject_cluster(carver, huge, None, largest=500)) == 9**3  # but better than nothing


def test_what_few_cameras_see_counts_less(halves):
    cut = [camera.cropped(0.0, 0.0, (camera.width // 2, camera.height)) for camera in halves[:3]]
    carver = Carver([*cut, *halves[3:]], Volume(np.full(3, -80.0), np.full(3, 80.0), 2.0))
    blocks = [_block(x, n) for x, n in ((-45.0, 7), (45.0, 7))]
    seen = [float(carver.seen_by(block).mean()) for block in blocks]
    assert abs(seen[0] - seen[1]) > 0.15
    better = int(np.argmax(seen))
    chosen = subject_cluster(carver, np.concatenate(blocks), None)
    assert np.allclose(chosen.mean(axis=0), blocks[better].mean(axis=0))


def test_cleaned_closes_small_holes_keeps_thin_parts_and_drops_specks():
    mask = np.zeros((200, 260), bool)
    mask[60:140, 40:140] = True
    mask[100:103, 100:103] = False
    mask[98:101, 140:230] = True  # a tail, three pixels wide
    mask[20:24, 20:24] = True
    clean = cleaned(mask).astype(bool)
    assert clean[100:103, 100:103].all()
    assert clean[98:101, 141:229].all()
    assert not clean[18:30, 18:30].any()


@pytest.mark.parametrize("pixels", [[], [(5, 5)], [(5, 5), (30, 30)]])
def test_cleaned_leaves_nothing_of_specks_alone(pixels):
    mask = np.zeros((40, 40), bool)
    for row, column in pixels:
        mask[row, column] = True
    assert not cleaned(mask).any()


def test_softened_outline_stays_where_it_was():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 12:28] = 1
    assert np.array_equal(softened(mask) >= 128, mask.astype(bool))


def test_footprint_of_nothing_is_nothing(halves):
    assert not footprint(VisualHull(np.zeros((0, 3)), 2.0), halves[0]).any()
