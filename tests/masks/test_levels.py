"""Subjects of many levels: no change is weak evidence where the subject looks like the background."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mouselift.masks.background import learn_background
from mouselift.masks.changes import Background, Changes, Comparer, YuvImage
from mouselift.masks.scene import learn_scene
from mouselift.masks.segment import Segmenter
from mouselift.masks.subject_levels import LevelTally, of_many_levels

UP = np.array([0.0, 0.0, 1.0])


def changes_of(luma: np.ndarray, lit: float, spread: int = 2) -> Changes:
    """Of a grey image before an even background."""
    shape = luma.shape
    grey = np.full((shape[0] // 2, shape[1] // 2, 2), 128, np.uint8)
    back = Background(np.full(shape, lit, np.uint8), grey, np.full(shape, spread, np.uint8), np.zeros(shape, bool), 48)
    return Comparer(back).region(YuvImage(luma.astype(np.uint8), grey), (0, 0, shape[1], shape[0]))


def tallied(low: float, high: float, *backgrounds: float) -> LevelTally:
    """Of a subject with every level between two, as often."""
    rng, tally = np.random.default_rng(0), LevelTally()
    subject = np.zeros((640, 640), bool)
    subject[256:384, 256:384] = True  # so small that it is no change of light
    for lit in backgrounds:
        luma = np.where(subject, rng.uniform(low, high, subject.shape), lit)
        tally.add(changes_of(luma, lit), subject)
    return tally


def test_levels_hidden_by_one_background_are_told_on_another():
    levels = tallied(40, 240, 60, 130, 200).levels()
    assert levels is not None
    even = np.diff(levels.below)[60:220]
    assert even.min() > 0.8 / 200
    assert even.max() < 1.25 / 200
    assert levels.untold == pytest.approx(2 * (12 + 15.6 + 24) / 3 / 200, abs=0.02)  # what counts as a change there


def test_a_band_of_the_floors_level_is_undecided_and_the_floor_is_not():
    rng = np.random.default_rng(1)
    levels = tallied(40, 240, 90).levels()
    assert levels is not None
    luma = np.full((120, 160), 150.0) + rng.normal(0, 1.5, (120, 160))
    luma[30:90, 40:120] = np.linspace(240, 60, 60)[:, None] + rng.normal(0, 4, (60, 80))
    changes = changes_of(luma, 150)
    band = ~changes.changed[30:90, 40:120]
    undecided = levels.undecided(changes)
    assert 0.1 < band.mean() < 0.3
    assert undecided[30:90, 40:120][band].mean() > 0.6
    outside = undecided.copy()
    outside[27:93, 37:123] = False
    assert outside.mean() < 0.002
    # A subject that is never so bright is no reason to doubt.
    own = tallied(20, 60, 150).levels()
    assert own is not None
    assert not own.undecided(changes).any()


@pytest.mark.parametrize(("widths", "many"), [([], False), ([12.0, 20.0, 18.0], False), ([64.0, 40.0, 97.0], True)])
def test_what_has_many_levels(widths, many):
    assert of_many_levels(widths) == many


def test_a_shaded_white_subject_is_whole(recording, make_recording):
    """Its back is brighter than the floor, its belly darker: before, overlap was 0.64."""
    pale = make_recording(
        replace(recording.arena, subject=125.0, ground=125.0, shading=85.0, mirror=0.0), recording.poses
    )
    frames = list(range(len(pale.poses)))
    sets = list(pale.read(frames))
    cameras = pale.arena.cameras
    backgrounds = [learn_background((s.views[i].image for s in sets), c.name) for i, c in enumerate(cameras)]
    scene = learn_scene(pale.read, frames, backgrounds, list(cameras), UP, 0.0)
    overlaps = []
    for frame in (5, 26, 31):
        levels = Segmenter(scene).segment([view.image for view in sets[frame].views])
        for view, level in enumerate(levels):
            assert level is not None
            mask, true = level >= 128, pale.arena.truth(view, pale.poses[frame])
            overlaps.append((mask & true).sum() / (mask | true).sum())
    assert np.mean(overlaps) > 0.82  # 0.87; before 0.64
    assert all(model is not None and model.levels is not None for model in scene.colours)
    assert max(model.untold for model in scene.colours if model is not None) > 0.1
