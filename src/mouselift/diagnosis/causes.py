"""The causes that the diagnosis knows, in words: what was done, whether it can be undone, what tells rivals apart.

A new one has its entry in `CAUSES`, and candidates that undo it: in `readings` where the file's numbers are read
otherwise and nothing is fitted, in `fitted` where it has values. `explain` tries them all, and the one that makes
cameras and silhouettes agree with the fewest values wins.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CauseKind:
    """What is known about a cause beforehand."""

    sentence: str  # what was done, in words
    repair: str = "yes"  # whether `mouselift repair` undoes it


_BUT_SCALE = "yes, up to a common factor"
CAUSES: dict[str, CauseKind] = {
    "view-scale": CauseKind("one view's pixels were scaled without its fx, fy"),
    "view-shift": CauseKind("one view's pixels were shifted without its cx, cy"),
    "view-scale-shift": CauseKind("one view's pixels, or two views', were scaled and shifted on their own"),
    "view-focal": CauseKind("one view's fx, fy are not those of its image"),
    "view-size": CauseKind("one view's intrinsics belong to an image of another size"),
    "view-anisotropic": CauseKind("one view's image was stretched in x and y differently"),
    "each-scale-shift": CauseKind("each view's pixels were scaled and shifted on their own without fx, fy, cx, cy"),
    "each-scale": CauseKind("each view's pixels were scaled on their own without fx, fy"),
    "each-shift": CauseKind("each view's pixels were shifted on their own without cx, cy, as by crops of their own"),
    "one-intrinsics": CauseKind("all views state the same intrinsics, and each image needs its own"),
    "all-half-pixel": CauseKind(
        "off by half a pixel: pixel centres at whole numbers on one side, at +0.5 on the other"
    ),
    "all-scale": CauseKind("all views' pixels were scaled alike without fx, fy"),
    "all-focal": CauseKind("one wrong fx, fy for all views"),
    "all-size": CauseKind("the intrinsics of all views belong to images of another size"),
    "all-shift": CauseKind("all views' pixels were shifted alike without cx, cy, as by one crop"),
    "all-scale-shift": CauseKind("all views' pixels were scaled and shifted alike"),
    "all-principal": CauseKind("the images were resized with fx, fy, and cx, cy were left as they were"),
    "fov-side": CauseKind("the field of view was taken for that of the image's other side, so fx, fy are off alike"),
    "fy-from-height": CauseKind(
        "fx and fy differ, and pixels are square: each was computed from its own side of the image, or it was stretched"
    ),
    "normalised-intrinsics": CauseKind("intrinsics are in units of the image's width"),
    "lens-left": CauseKind(
        "lens distortion was left in the images, which a pinhole camera cannot say", "no: undistort the images"
    ),
    "all-anisotropic": CauseKind("all views' images were stretched in x and y differently"),
    "k-transposed": CauseKind("the principal point is 0, as when K is read from its transpose"),
    "xy-swapped": CauseKind("fx, cx and fy, cy are exchanged (rows for columns)"),
    "rotation-transposed": CauseKind("the rotation was written transposed"),
    "c2w-for-w2c": CauseKind("the file holds camera-to-world matrices under the name w2c"),
    "opengl-axes": CauseKind(
        "the camera's axes are OpenGL's (y up, z backward), expected OpenCV's (y down, z forward)"
    ),
    "c2w-opengl": CauseKind("the file holds camera-to-world matrices of OpenGL axes under the name w2c"),
    "views-swapped": CauseKind("the images of the two views are exchanged"),
    "poses-swapped": CauseKind("the poses of the two views are exchanged, their intrinsics are not"),
    "intrinsics-swapped": CauseKind("the intrinsics of the two views are exchanged, their poses are not"),
    "views-cycled": CauseKind("the images of the three views are exchanged in a circle"),
    "views-out-of-order": CauseKind("the images stand in another order than the cameras"),
    "turned": CauseKind("the image was turned without its camera"),
    "each-distance": CauseKind(
        "each camera's distance was set on its own (the centre moved, the image did not)", _BUT_SCALE
    ),
    "view-distance": CauseKind("one camera's distance was changed on its own", _BUT_SCALE),
    "view-centre": CauseKind("one camera's centre was moved on its own", _BUT_SCALE),
    "mirrored": CauseKind(
        "the image is mirrored; no camera can say that, so the image itself must be flipped", "no: flip the image"
    ),
    "one-pose": CauseKind(
        "all views state one camera: one pose was written for all of them; their own are missing",
        "no: the views' own poses are missing",
    ),
    "calibration-copied": CauseKind(
        "its pose is a copy of another camera's; its own calibration is missing", "no: its own is missing"
    ),
    "views-disagree": CauseKind(
        "the other views agree without it, and no change of its intrinsics or centre explains it: a wrong calibration, "
        "a wrong mask, or a video that lags (`mouselift inspect` on the capture decides)",
        "no: `mouselift inspect` on the capture",
    ),
    "unexplained": CauseKind("the views disagree, and no single cause explains it", "no"),
}

EXCHANGED = ("views-swapped", "views-cycled", "views-out-of-order")  # images before other cameras
# What undoes these where `prepare` made the samples: crops framed with other cameras are not those of the right ones.
EXCHANGE_FILES = "exchange the files of {who} in `capture.toml` and prepare again"

# Causes in one view, or alike in all, with their values {v}: by what follows `view-` or `all-` in the code.
VALUE_SENTENCES = {
    "centre": "the camera's centre was moved on its own: {v}",
    "distance": "the camera's distance was changed on its own: {v}",
    "size": "the intrinsics belong to images of another size: pixels {v}",
    "focal": "fx, fy are not those of the images: pixels {v} about the principal point",
    "anisotropic": "the image was stretched without fx, fy alike (anisotropic resize): {v}",
    "shift": "pixels {v} without cx, cy",
    "scale": "pixels {v} without fx, fy",
    "scale-shift": "pixels {v} without fx, fy, cx, cy",
    "principal": "cx, cy belong to images of another size, fx, fy do not: {v}",
}
# What would tell rivals apart, by the end of their codes.
DECIDED_BY = {
    "focal": "the original calibration's focal length",
    "fov-side": "the size of the images that the field of view was given for",
    "centre": "the original calibration, or more samples at other places",
    "distance": "the original camera positions",
    "anisotropic": "the size of the source images",
    "scale": "the size of the source images and crops",
    "shift": "the crop that was cut out",
    "principal": "the size of the images before they were resized",
    "disagree": "neighbouring frames (a lag follows the movement), or the original calibration",
}
# The commonest first: of causes that explain the silhouettes equally well, it is taken.
COMMONEST = ("half-pixel", "shift", "scale", "focal", "size", "scale-shift", "distance", "centre", "anisotropic")
