"""Do the cameras agree about the subject before its masks are cut to what all views support?

Masks of `segment` fit one another as well as they can, under wrong cameras too: their agreement proves little. So in a
few frames the part of each image that is the subject without doubt (its level, far from the background's) is taken
uncut, and the distances of its tangent points from the other views' tangent planes are measured as shares of its size:

* one camera is to blame where one change of it brings its outlines nearer to the others' (`camera_change`), surely so
  and surely more than any change of another camera does;
* where places that all see are wanting, or outlines lie far apart, cameras may be exchanged (`exchanged`);
* else the calibration is wrong as a whole.

A subject of many levels (a white animal on a pale floor) has no such part in most views: nothing is said then. What
tells it from a whole subject is the share of the hull's projection that the part fills; but under a camera that was
turned the hull is another one, and the floor may be found far too low. And of three cameras each change is shared by
two pairs of three. So where parts fill too little, or cameras are few, a change that is wanted is put to the proof:
cameras are put right one by one (`put_right`). One is named where parts are whole then, and agree, and lie surely
nearer than with any other camera put right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mouselift.capture.made_masks import Doubt
from mouselift.errors import MaskError
from mouselift.geometry.camera import Camera
from mouselift.masks.camera_change import Change, Residuals, camera_changes, changes_of
from mouselift.masks.exchanged import ASKED_FRAMES, Exchange, exchanged_cameras
from mouselift.masks.put_right import PutRight, put_right
from mouselift.masks.scene import Reader, Scene
from mouselift.masks.segment import Segmenter
from mouselift.masks.uncut import Uncut, between_parts, covered_of, uncut
from mouselift.masks.unnoticed import Unnoticed, unnoticed
from mouselift.progress import Step, each, unheard
from mouselift.sampling import evenly_spaced

_TESTED, _TESTED_OF_THREE = 24, 48  # three cameras have six planes a frame, five have twenty
_LEAST_FRAMES = 5
# Of the hull's projection, median of a view: right 0.62 to 0.85, with three cameras from 0.41; one of three turned by 1
# degree from 0.45; white animals 0.17 to 0.53.
_COVERED, _PARTLY_COVERED = 0.55, 0.3
# The same with a camera put right, mean over cameras: right 0.58 to 0.69; white and hooded animals 0.24 to 0.40.
_COVERED_IN_ALL = 0.5
# Mean over cameras, from here on outlines that want no change say that none is wanted: right ones of three from 0.43.
_COVERED_IN_SILENCE = 0.4
# By so much of the subject's size, less two standard errors, a change of one of so many cameras must bring its outlines
# nearer. Set on frames of mouse_cylinder (all five, and choices of four and three): right cameras, draws of 24 frames,
# 0.0010 of five and 0.0012 of four; of 6 frames 0.0035, 0.0045, and 0.0097 of three. A focal length off by 3 % or a
# turn of 1 degree, 24 frames: nine draws in ten 0.0115 and more of five cameras, 0.0102 of four. Of right pairs alone,
# which no third camera contradicts, 0.0265.
_GAIN = {2: 0.040, 3: 0.010, 4: 0.006}
_GAIN_OF_MORE = 0.004
# Of that limit, from here on the scene is learned again with the change undone. Right ones of three, 12 to 48 frames:
# 0.0048 at most, synthetic (a black animal on a glossy floor, 20 choices of six).
_PROOF = 0.6
_ASKED = 0.4  # of the largest gain: cameras whose changes bring as much are put right, one by one,
_MOST_ASKED = 8  # and no more changes than these: each takes a scene or two
_RIVAL = 0.8  # of the gain: where another change brings as much, it is tried, or said, as well
# Of the subject's size, may still be wanted of any camera then: right ones 0.009 at most, others 0.03 and more.
_LEFT = 0.01
# With one camera put right outlines must surely lie nearer by so much of the subject's size than with any other, as
# right cameras' own errors speak for one or the other.
_AHEAD = 0.006
# Of the subject's size, median over pairs: nothing that one camera's change explains. One pair of right cameras alone:
# 0.07 to 0.10 (CameraS and CameraU of mouse_cylinder).
_GROSS, _GROSS_OF_TWO = 0.09, 0.20

Learn = Callable[[Sequence[Camera], Sequence[int]], Scene]


class CameraTest(NamedTuple):
    """What the cameras see, against their calibration. Nothing was found wrong where `text` is empty."""

    untested: tuple[str, ...]  # too few frames show a whole subject there
    cameras: tuple[str, ...] = ()  # to blame; none where it cannot be told which
    text: str = ""
    unnoticed: tuple[tuple[str, Unnoticed], ...] = ()  # cameras of which less is told than should be
    wanted: str = ""  # in words: a change of one camera that would bring outlines nearer, and explains too little


def camera_doubts(cameras: Sequence[str], test: CameraTest) -> Iterator[Doubt]:
    """What the test does not say. Masks are cut so that they agree with all cameras, so nothing later says it either.

    cameras: names of all of them.
    """
    before = "before masks were cut to what all views support"
    if test.wanted:
        text = (
            f"whether the cameras agree could not be told {before}: outlines do not agree, and undoing {test.wanted} "
            "of one camera would bring them nearer, but no camera put right makes a whole subject of the parts that "
            "surely are one. The floor may have been found wrong, as under wrong cameras (give `floor` in capture.toml "
            "if it is known), or the subject does not stand out from the background as a whole. Masks made with wrong "
            "cameras agree with them, so what is made of these masks does not tell"
        )
        yield Doubt(None, text)
        return
    why = "too few frames show a subject that stands out from the background as a whole"
    if len(test.untested) == len(cameras):
        text = (
            f"whether the cameras agree was not tested {before}: {why}. Masks made with wrong cameras agree with them, "
            "so what is made of these masks does not tell"
        )
        yield Doubt(None, text)
        return
    for name in test.untested:
        text = (
            f"camera {name}: whether it agrees with the others was not tested {before}: {why} there. Masks made with a "
            "wrong camera agree with it"
        )
        yield Doubt(name, text)
    for name, least in test.unnoticed:
        parts = [f"a focal length that is off by {least.focal:.1%}"] if least.focal else []
        parts += [f"a turn by {least.degrees:.1f} degrees"] if least.degrees else []
        text = (
            f"camera {name}: {' or '.join(parts)} would not have been told {before}, and masks made with it would "
            "agree with it all the same"
        )
        yield Doubt(name, text)


def tested_frames(cameras: int) -> int:
    """How many frames tell whether so many cameras agree."""
    return _TESTED if cameras > 3 else _TESTED_OF_THREE


def camera_test(scene: Scene, read: Reader, frames: Sequence[int], learn: Learn, step: Step = unheard) -> CameraTest:
    """frames: far from each other in time, `tested_frames` of them; they are read again where something is wrong.

    learn: the scene from frames with other cameras, MaskError as `learn_scene`.
    """
    segmenter = Segmenter(scene)
    seen = [uncut(segmenter, frame) for frame in each(read(frames), step)]

    def exchange() -> Exchange | None:
        return exchanged_cameras(read(evenly_spaced(frames, ASKED_FRAMES)), scene.backgrounds, scene.cameras)

    def see(cameras: Sequence[Camera]) -> Sequence[Uncut]:
        try:
            corrected = Segmenter(learn(cameras, evenly_spaced(frames, _TESTED)))
        except MaskError:
            return ()
        return [uncut(corrected, frame) for frame in read(frames)]

    return settled(segmenter.carver.cameras, seen, exchange, lambda change: put_right(change, scene.cameras, seen, see))


def settled(
    cameras: Sequence[Camera],
    frames: Sequence[Uncut],
    exchange: Callable[[], Exchange | None],
    again: Callable[[Change], PutRight | None],
) -> CameraTest:
    """As `judged`; where something is wrong, or a frame is lost, an exchange of cameras is looked for first; where no
    camera is named, those of which a change is wanted are put right one by one.

    again: the frames as they are seen with one camera put right. cameras: of the half-size maps.
    """
    found = judged(cameras, frames)
    if (found.text or any(frame.lost for frame in frames)) and (order := exchange()) is not None:
        text = f"the cameras contradict what they see: {order.words}, and masks made so agree all the same"
        return CameraTest(found.untested, order.cameras, text)
    if found.cameras or (parts := between_parts(frames, 0.0)) is None:
        return found
    asked = _put_to_the_proof(parts)
    states = [state for change in asked if (state := again(change)) is not None]
    proved = [one for one in states if one.agrees(_PARTLY_COVERED, _COVERED_IN_ALL, _LEFT)]
    if not proved:
        return found if found.text else _silent(cameras, frames, asked[0] if asked else None)
    best = min(proved, key=lambda one: one.apart)
    rivals = {one.camera for one in proved if best.nearer_than(one) <= _AHEAD} - {best.camera}
    told = best.told()
    suspects = [changes_of(told, best.camera)[0], *(changes_of(parts, number)[0] for number in sorted(rivals))]
    return _changed(cameras, (), told, suspects)


def _silent(cameras: Sequence[Camera], frames: Sequence[Uncut], wanted: Change | None) -> CameraTest:
    """Where no camera is wrong as far as could be told: how far that is."""
    names = tuple(camera.name for camera in cameras)
    if wanted is not None:
        return CameraTest(names, wanted=_words(wanted, cameras[wanted.camera]))
    found = between_parts(frames, _PARTLY_COVERED)
    if found is None or found.tested.sum() < 2 or covered_of(frames).mean() < _COVERED_IN_SILENCE:
        return CameraTest(names)
    limit = gain_limit(int(found.tested.sum()))
    untested = tuple(name for name, tested in zip(names, found.tested, strict=True) if not tested)
    tested = [number for number in range(len(cameras)) if found.tested[number]]
    told = {names[number]: unnoticed(found, number, cameras[number], limit) for number in tested}
    return CameraTest(untested, unnoticed=tuple((name, least) for name, least in told.items() if any(least)))


def _put_to_the_proof(found: Residuals) -> list[Change]:
    """Changes of cameras that bring outlines nearer, where one surely does; of each camera those that bring as much."""
    changes = camera_changes(found)
    if not changes or max(one.least for one in changes) <= _PROOF * gain_limit(int(found.tested.sum())):
        return []
    asked = [one for one in changes if one.gain > _ASKED * changes[0].gain]
    kinds = [kind for one in asked for kind in changes_of(found, one.camera) if kind.gain > _RIVAL * one.gain]
    return kinds[:_MOST_ASKED]


def judged(cameras: Sequence[Camera], frames: Sequence[Uncut]) -> CameraTest:
    """cameras: of the half-size maps."""
    names = tuple(camera.name for camera in cameras)
    lost = sum(frame.lost for frame in frames)
    if lost >= _LEAST_FRAMES and 2 * lost > len(frames):
        text = (
            f"the cameras contradict what they see: in {lost} of {len(frames)} frames most views show something as "
            "large as the subject, and no place is seen by all of them. Cameras are exchanged, or the calibration is "
            "wrong as a whole; the few masks that are not empty agree all the same"
        )
        return CameraTest((), (), text)
    found = between_parts(frames, _COVERED)
    if found is None:
        return CameraTest(names)
    untested = tuple(name for name, tested in zip(names, found.tested, strict=True) if not tested)
    changes, tested = camera_changes(found), int(found.tested.sum())
    if changes and changes[0].least > gain_limit(tested):
        return _changed(cameras, untested, found, _suspects(changes) if tested > 3 else changes)
    if (apart := _apart(found)) > (_GROSS if tested > 2 else _GROSS_OF_TWO):
        text = (
            f"the cameras contradict what they see: {_over(found)} the subject's outlines lie {apart:.0%} of its size "
            "from where the other views put them, and no change of one camera explains it. The calibration is wrong as "
            "a whole, and masks made with it agree with it all the same"
        )
        return CameraTest(untested, (), text)
    return CameraTest(untested)


def _suspects(changes: Sequence[Change]) -> list[Change]:
    """The first of these changes, and those of other cameras that bring as much."""
    best, *others = changes
    return [best, *(one for one in others if one.gain > _RIVAL * best.gain)]


def _changed(
    cameras: Sequence[Camera], untested: tuple[str, ...], found: Residuals, suspects: Sequence[Change]
) -> CameraTest:
    """suspects: at least one."""
    best, names = suspects[0], [cameras[one.camera].name for one in suspects]
    where = f"{_over(found)} the subject's outlines lie {best.moved:.0%} of its size from where the others put them"
    if len(names) == 1:
        # Away from its axis a camera's focal length moves the subject as a turn does.
        also = [one for one in changes_of(found, best.camera) if one.kind != best.kind]
        alike = [best, *(one for one in also if one.gain > _RIVAL * best.gain)]
        words = " or ".join(_words(one, cameras[one.camera]) for one in alike)
        text = (
            f"camera {names[0]}: {where}; {words} explains it. Its calibration or its place is wrong, and masks made "
            "with it agree with it all the same"
        )
        return CameraTest(untested, (names[0],), text)
    text = (
        f"the cameras contradict what they see: {where}. {' or '.join(names)} is wrong (which, outlines do not tell), "
        "and masks made so agree all the same"
    )
    return CameraTest(untested, (), text)


def _words(change: Change, camera: Camera) -> str:
    if change.kind == "turn":
        return f"a turn by {change.degrees(camera):.2g} degrees"
    share = change.too_long
    return f"a focal length that is {abs(share):.1%} too {'long' if share > 0 else 'short'}"


def _over(found: Residuals) -> str:
    return f"over {found.frames} frames, before masks are cut to what all views support,"


def best_change(frames: Sequence[Uncut]) -> Change | None:
    """The one change of one camera that brings its outlines nearest; None where no camera can be compared."""
    found = between_parts(frames, _COVERED)
    return None if found is None else next(iter(camera_changes(found)), None)


def gain_limit(cameras: int) -> float:
    """By how much of the subject's size a change of one of so many cameras must surely bring its outlines nearer."""
    return _GAIN.get(max(cameras, 2), _GAIN_OF_MORE)


def _apart(found: Residuals) -> float:
    """Median over pairs and sides of the median over frames; signed, because outlines are off to either side."""
    key = (found.first * found.views + found.second) * 2 + found.side
    medians = [np.abs(np.median(found.distance[key == one], axis=0)) for one in np.unique(key)]
    return float(np.median(medians)) if medians else 0.0
