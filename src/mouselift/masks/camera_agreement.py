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
two pairs of three. So where parts fill too little, or cameras are few, a change that is wanted is put to the proof: the
scene is learned again with that camera put right, and parts must then be whole, and agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.capture.made_masks import Doubt
from mouselift.errors import MaskError
from mouselift.geometry.camera import Camera
from mouselift.geometry.outlines import Silhouette
from mouselift.geometry.tangent_planes import TangentPlanes
from mouselift.geometry.visual_hull import VisualHull
from mouselift.masks.camera_change import Change, Residuals, camera_changes, changes_of
from mouselift.masks.changes import Changes
from mouselift.masks.exchanged import ASKED_FRAMES, OPENED, SURE, Exchange, exchanged_cameras, sure_parts
from mouselift.masks.quality import CUT_MARGIN, planes_of
from mouselift.masks.scene import Reader, Scene, like_subject
from mouselift.masks.segment import Segmenter, without_shadow
from mouselift.masks.shadow import Shade
from mouselift.masks.volume import Cloud, ViewMask, filled, footprint
from mouselift.media.images import FrameSet
from mouselift.progress import Step, each, unheard
from mouselift.sampling import evenly_spaced

_TESTED, _TESTED_OF_THREE = 24, 48  # three cameras have six planes a frame, five have twenty
_LEAST_FRAMES = 5
_LEAST_COMPARED = 8  # frames in which outlines are compared: fewer agree about a change of a camera by chance
# Of the hull's projection, median of a view: right 0.62 to 0.85, with three cameras from 0.41; one of three turned by 1
# degree from 0.45; white animals 0.17 to 0.53.
_COVERED, _PARTLY_COVERED = 0.55, 0.3
# The same with a camera put right, mean over cameras: right 0.58 to 0.69; white and hooded animals 0.24 to 0.40.
_COVERED_IN_ALL = 0.5
_LEAST_PART = 0.25  # of the subject's area, about: smaller ones are no subject that all views should place
_MOST = 0.75  # of the views
_CLOSED = np.ones((5, 5), np.uint8)  # pixels: shine and texture
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
_PROVED = 3  # so many changes of different cameras are put to the proof
_LEFT = 0.25  # of the gain may still be wanted of any camera where the change is undone: 0.05 to 0.17 of right changes
_RIVAL = 0.8  # of the gain: where another camera's change brings as much, neither is named
# Three cameras share most planes: there it must surely be ahead by so much of the subject's size, as right cameras' own
# errors speak for one or the other. mouse_cylinder, four choices of three with a wrong one, draws of 24 and 48 frames:
# wrong ones to 0.0084, and to 0.0385 where the floor was not found either (and the proof failed).
_AHEAD = 0.0085
# Of the subject's size, median over pairs: nothing that one camera's change explains. One pair of right cameras alone:
# 0.07 to 0.10 (CameraS and CameraU of mouse_cylinder).
_GROSS, _GROSS_OF_TWO = 0.09, 0.20

Learn = Callable[[Sequence[Camera], Sequence[int]], Scene]


class CameraTest(NamedTuple):
    """What the cameras see, against their calibration. Nothing was found wrong where `text` is empty."""

    untested: tuple[str, ...]  # too few frames show a whole subject there
    cameras: tuple[str, ...] = ()  # to blame; none where it cannot be told which
    text: str = ""


def camera_doubts(cameras: Sequence[str], test: CameraTest) -> Iterator[Doubt]:
    """What the test does not say. Masks are cut so that they agree with all cameras, so nothing later says it either.

    cameras: names of all of them.
    """
    why = "too few frames show a subject that stands out from the background as a whole"
    if len(test.untested) == len(cameras):
        text = (
            f"whether the cameras agree was not tested before masks were cut to what all views support: {why}. Masks "
            "made with wrong cameras agree with them, so what is made of these masks does not tell"
        )
        yield Doubt(None, text)
        return
    for name in test.untested:
        text = (
            f"camera {name}: whether it agrees with the others was not tested before masks were cut to what all views "
            f"support: {why} there. Masks made with a wrong camera agree with it"
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

    def again(change: Change) -> Iterable[Uncut]:
        try:
            corrected = Segmenter(learn(change.undone_in(scene.cameras), evenly_spaced(frames, _TESTED)))
        except MaskError:
            return ()
        return (uncut(corrected, frame) for frame in read(frames))

    return settled(segmenter.carver.cameras, seen, exchange, again)


class Uncut(NamedTuple):
    """What one frame shows."""

    planes: TangentPlanes | None  # between the parts that are surely the subject; None: fewer than two views show it
    size: float  # of the subject, pixels
    covered: tuple[float, ...]  # share of the hull's projection that is surely the subject, by view
    lost: bool = False  # most views show something as large as the subject, and no place is seen by all


def uncut(segmenter: Segmenter, frame: FrameSet) -> Uncut:
    """One frame, before masks are cut."""
    halves, solid, shades = segmenter.carved([view.image for view in frame.views])
    if len(solid) < segmenter.scene.smallest:
        return Uncut(None, 0.0, (), _shown_without_a_place(segmenter, halves))
    own = [
        None if half is None else _part(segmenter, view, half, solid, shades[view]) for view, half in enumerate(halves)
    ]
    shapes = {view: Silhouette.from_mask(part[0]) for view, part in enumerate(own) if part is not None}
    shapes = {view: shape for view, shape in shapes.items() if not shape.touches_border(CUT_MARGIN)}
    covered = tuple(0.0 if part is None else part[1] for part in own)
    if len(shapes) < 2:
        return Uncut(None, 0.0, covered)
    size = float(np.median([np.sqrt(shape.area) for shape in shapes.values()]))
    return Uncut(planes_of(segmenter.carver.cameras, shapes), size, covered)


def settled(
    cameras: Sequence[Camera],
    frames: Sequence[Uncut],
    exchange: Callable[[], Exchange | None],
    again: Callable[[Change], Iterable[Uncut]],
) -> CameraTest:
    """As `judged`; where something is wrong, or a frame is lost, an exchange of cameras is looked for first; where no
    camera is named, changes are put to the proof.

    again: the frames as they are seen with one camera put right. cameras: of the half-size maps.
    """
    found = judged(cameras, frames)
    if (found.text or any(frame.lost for frame in frames)) and (order := exchange()) is not None:
        text = f"the cameras contradict what they see: {order.words}, and masks made so agree all the same"
        return CameraTest(found.untested, order.cameras, text)
    if found.cameras or (parts := _between_parts(frames, _PARTLY_COVERED)) is None:
        return found
    changes = camera_changes(parts)
    for number, change in enumerate(changes[:_PROVED]):
        if change.least > _PROOF * gain_limit(int(parts.tested.sum())) and _agree(list(again(change)), parts, change):
            suspects = [*changes[:number], *_suspects(changes[number:], parts)]
            return _changed(cameras, (), parts, suspects)
    return found


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
    found = _between_parts(frames, _COVERED)
    if found is None:
        return CameraTest(names)
    untested = tuple(name for name, tested in zip(names, found.tested, strict=True) if not tested)
    changes, tested = camera_changes(found), int(found.tested.sum())
    if changes and changes[0].least > gain_limit(tested):
        return _changed(cameras, untested, found, _suspects(changes, found) if tested > 3 else changes)
    if (apart := _apart(found)) > (_GROSS if tested > 2 else _GROSS_OF_TWO):
        text = (
            f"the cameras contradict what they see: {_over(found)} the subject's outlines lie {apart:.0%} of its size "
            "from where the other views put them, and no change of one camera explains it. The calibration is wrong as "
            "a whole, and masks made with it agree with it all the same"
        )
        return CameraTest(untested, (), text)
    return CameraTest(untested)


def _suspects(changes: Sequence[Change], found: Residuals) -> list[Change]:
    """The first of these changes, and those of other cameras that it is not surely better than."""
    best, *others = changes
    tested = int(found.tested.sum())
    if tested < 3:
        return [best, *others]
    if tested == 3:
        return [best, *(one for one in others if best.ahead_of(one) <= _AHEAD)]
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
        return f"a turn of it by {change.degrees(camera):.2g} degrees"
    share = change.too_long
    return f"a focal length that is {abs(share):.1%} too {'long' if share > 0 else 'short'}"


def _over(found: Residuals) -> str:
    return f"over {found.frames} frames, before masks are cut to what all views support,"


def _agree(frames: Sequence[Uncut], before: Residuals, change: Change) -> bool:
    """Whether parts are whole subjects with that change undone, and nothing like it is wanted of any camera."""
    found = _between_parts(frames, _PARTLY_COVERED)
    if found is None or (before.tested & ~found.tested).any() or _covered(frames).mean() < _COVERED_IN_ALL:
        return False
    return all(one.gain < _LEFT * change.gain for one in camera_changes(found))


def best_change(frames: Sequence[Uncut]) -> Change | None:
    """The one change of one camera that brings its outlines nearest; None where no camera can be compared."""
    found = _between_parts(frames, _COVERED)
    return None if found is None else next(iter(camera_changes(found)), None)


def _between_parts(frames: Sequence[Uncut], covered: float) -> Residuals | None:
    """Planes between views whose parts fill so much of the hull's projection; None: too few frames show something."""
    seen = [(frame.planes, frame.size) for frame in frames if frame.planes is not None]
    if len(seen) < _LEAST_COMPARED:
        return None
    whole, every = _covered(frames) >= covered, Residuals.of(seen)
    return every.chosen(whole[every.first] & whole[every.second])


def _covered(frames: Sequence[Uncut]) -> Float64[Array, " v"]:
    """By view; at least one frame shows something."""
    return np.median([frame.covered for frame in frames if frame.planes is not None], axis=0)


def gain_limit(cameras: int) -> float:
    """By how much of the subject's size a change of one of so many cameras must surely bring its outlines nearer."""
    return _GAIN.get(max(cameras, 2), _GAIN_OF_MORE)


def _apart(found: Residuals) -> float:
    """Median over pairs and sides of the median over frames; signed, because outlines are off to either side."""
    key = (found.first * found.views + found.second) * 2 + found.side
    medians = [np.abs(np.median(found.distance[key == one], axis=0)) for one in np.unique(key)]
    return float(np.median(medians)) if medians else 0.0


def _shown_without_a_place(segmenter: Segmenter, halves: Sequence[Changes | None]) -> bool:
    """Whether most views show a part that surely changed and is as large as the subject may be."""
    scene, shown = segmenter.scene, []
    middle = (scene.volume.low + scene.volume.high) / 2
    edge = scene.typical ** (1 / 3) * scene.volume.voxel  # of a cube as large as the subject's hull
    for camera, changes in zip(segmenter.carver.cameras, halves, strict=True):
        if changes is not None:
            areas = sure_parts(changes.bright)[1][1:, cv2.CC_STAT_AREA]
            side = edge * camera.focal / float(np.linalg.norm(camera.centre - middle))
            shown.append(areas.max(initial=0) >= _LEAST_PART * side**2)
    return len(shown) > 1 and float(np.mean(shown)) >= _MOST


def _part(
    segmenter: Segmenter, view: int, changes: Changes, solid: Cloud, shade: Shade | None
) -> tuple[ViewMask, float] | None:
    """(half-size map of the largest part that is the subject without doubt, holes filled; share of the hull's
    projection that it covers). None where there is none.
    """
    scene, model = segmenter.scene, segmenter.scene.colours[view]
    if model is None:
        return None
    window, camera = segmenter.window(view), segmenter.carver.cameras[view]
    x0, y0, x1, y1 = window
    own, mirror = (
        footprint(VisualHull(points, scene.volume.voxel), camera)[y0:y1, x0:x1]
        for points in (solid, scene.floor.mirrored(solid))
    )
    sure = without_shadow((changes.bright > SURE) & like_subject(changes.luma, model), changes, shade, window, model)
    whole = cv2.morphologyEx(sure.view(np.uint8), cv2.MORPH_CLOSE, _CLOSED)
    solid_parts = np.asarray(cv2.morphologyEx(whole, cv2.MORPH_OPEN, OPENED), dtype=np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid_parts, connectivity=4)
    labels = np.asarray(labels, dtype=np.int32)
    touched = np.unique(labels[own & (labels > 0)])
    if not touched.size:
        return None
    largest = touched[int(np.argmax(stats[touched, cv2.CC_STAT_AREA]))]
    part = filled((labels == largest) & (own | ~mirror))
    body = cv2.morphologyEx(own.view(np.uint8), cv2.MORPH_OPEN, OPENED) > 0
    mask = np.zeros((camera.height, camera.width), dtype=bool)
    mask[y0:y1, x0:x1] = part
    return (mask, float((part & body).sum() / max(body.sum(), 1))) if part.any() else None
