"""Findings: what was noticed, with a stable code, where it is, and what to do. `CODES` registers every code.

docs/reference/findings.md and the table of docs/guides/audit.md are made from it (`python docs/generate.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

Severity = Literal["note", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")  # the gravest first
Command = Literal["inspect", "mask", "prepare", "audit"]

GUIDES: dict[Command, str] = {
    "inspect": "guides/inspect.md#what-is-looked-at",
    "mask": "guides/masks.md",
    "prepare": "reference/dataset.md#manifestjsonl",
    "audit": "guides/audit.md#what-is-checked",
}


class Details(TypedDict, total=False):
    """What a finding may say besides its message: left out or None, the registry's, or not known."""

    severity: Severity | None
    camera: str | None
    value: float | None
    limit: float | None
    advice: str | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One observation about input or output; `Finding.of` makes one. `code` keeps its meaning between releases.

    >>> str(Finding.of("bad-list", "data_val.txt: expected one sample folder a line"))
    'error: data_val.txt: expected one sample folder a line [bad-list]'
    """

    code: str  # a key of CODES
    severity: Severity
    message: str  # expected, got, where, what to do
    camera: str | None = None
    frame: int | None = None
    sample: str | None = None  # of a prepared dataset
    value: float | None = None  # what was measured
    limit: float | None = None  # what it was compared with
    advice: str = ""  # one sentence: what to do

    @classmethod
    def of(
        cls, code: str, message: str, *, frame: int | None = None, sample: str | None = None, **details: Unpack[Details]
    ) -> Finding:
        """A finding with the registry's severity and advice where none is given.

        KeyError for a code that is not registered, ValueError for a severity that is not registered for it.
        """
        known = CODES[code]
        severity, advice = details.get("severity") or known.severities[0], details.get("advice")
        if severity not in known.severities:
            raise ValueError(f"{code}: expected a severity of {', '.join(known.severities)}, got {severity}")
        return cls(
            code=code, severity=severity, message=message, camera=details.get("camera"), frame=frame, sample=sample,
            value=details.get("value"), limit=details.get("limit"), advice=known.advice if advice is None else advice,
        )  # fmt: skip

    @property
    def as_sentence(self) -> str:
        """The message with a full stop, and a capital unless a name stands first."""
        return as_sentence(self.message, (self.camera, self.sample))

    def __str__(self) -> str:
        return f"{self.severity}: {self.message} [{self.code}]"


@dataclass(frozen=True)
class Alike:
    """Findings of one code and severity, for a person: what several cameras have in common stands once."""

    code: str
    severity: Severity
    messages: tuple[str, ...]
    advice: tuple[str, ...]  # each once


def grouped(findings: Iterable[Finding]) -> list[Alike]:
    """In the order in which each code and severity comes first."""
    found: dict[tuple[str, Severity], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.code, finding.severity), []).append(finding)
    return [
        Alike(*key, tuple(f.message for f in alike), tuple(dict.fromkeys(f.advice for f in alike if f.advice)))
        for key, alike in found.items()
    ]


def as_sentence(words: str, names: Collection[str | None] = ()) -> str:
    """Words with a full stop, and a capital unless one of the names, or what is no plain word, stands first."""
    first = words.split(" ", 1)[0]
    named = not (first.isalpha() and first.islower()) or first in names
    return f"{words if named else words[0].upper() + words[1:]}."


@dataclass(frozen=True)
class Code:
    """What is known about a code beforehand."""

    commands: tuple[Command, ...]  # that can give it
    severities: tuple[Severity, ...]  # the usual one first
    sentence: str  # plain, without a full stop
    advice: str = ""  # the usual one; "" where each message says what to do


_E: tuple[Severity, ...] = ("error",)
_W: tuple[Severity, ...] = ("warning",)
_N: tuple[Severity, ...] = ("note",)
_EW: tuple[Severity, ...] = ("error", "warning")
_WN: tuple[Severity, ...] = ("warning", "note")
_AUDIT: tuple[Command, ...] = ("audit",)
_INSPECT: tuple[Command, ...] = ("inspect",)
_MASK: tuple[Command, ...] = ("mask",)
_PREPARE: tuple[Command, ...] = ("prepare",)
_RECORDING: tuple[Command, ...] = ("inspect", "mask", "prepare")

# fmt: off
CODES: dict[str, Code] = {
    # cameras against silhouettes
    "tangency": Code(_AUDIT, _EW,
        "cameras and silhouettes contradict each other, with the camera where one is to blame; a warning where "
        "barely so",
        "The cause is named over the whole dataset, with what to do: `mouselift repair` undoes some, not all."),
    "tangency-repeated": Code(_AUDIT, _E,
        "in many samples, each barely above the limit, the same camera contradicts the others",
        "A small fault that all samples share: its cause, where one is named, has its size and says what to do."),
    "tangency-pooled": Code(_AUDIT, ("note", "warning", "error"),
        "what all samples of a rig say together: that a camera is wrong, the same in all; where samples have too few "
        "views for a verdict of their own, how finely the cameras agree (a warning where masks are rough or samples "
        "too few)",
        "An error: the camera's calibration belongs to another camera or day, or it was moved: calibrate again. The "
        "audit's guide says what two and three cameras can show."),
    "tangency-unknown": Code(_AUDIT, _W,
        "too few tangent planes can be compared, the subject is too small, or masks are too rough",
        "Views whose subject is cut, or that look along their baseline, say nothing: more views are needed."),
    "view-not-compared": Code(_AUDIT, _W,
        "a view has no tangent plane in common with any other: nothing says that its camera is right",
        "The subject is cut there, or fills the frame: a wider framing, or look at the report."),
    "coverage": Code(_AUDIT, _EW,
        "the hull of all views does not cover a mask (`--hull`); a warning where masks are known to be rough",
        "A mask that lacks a part, or a wrong camera: see the outlines, which the report draws."),
    "masks-sparse": Code(_PREPARE, _N, "masks are there for every n-th frame only, and more frames were selected"),
    "masks-rough": Code(_AUDIT, _WN, "outlines disagree in a way that no camera explains",
        "Look where the outlines disagree (the report draws it); better masks make the audit sharper."),
    "cut-by-sensor": Code(("audit", "prepare", "inspect"), ("note", "warning"),
        "the sensor's border cuts the subject (`--on-cut keep` keeps it); the audit sees it by an outline that is "
        "straight along an old frame edge, and only notes it",
        "No fault of the camera; drop such frames (`--on-cut drop`) if the model must not see half an animal."),
    # where the subject is
    "clipped": Code(_AUDIT, _W, "the subject reaches the image's border",
        "Frame it smaller; if the sensor cut it, leave the sample out or accept it."),
    "legacy": Code(("audit", "prepare"), _EW,
        "mouselift's own record says that the cameras do not belong to the pixels, on purpose",
        "Prepare it again with another preset; never train on it."),
    "repair-assumed": Code(_AUDIT, _W,
        "`mouselift repair` chose among causes that explain the silhouettes equally well",
        "Compare the repaired intrinsics with the original calibration."),
    "behind-camera": Code(_AUDIT, _E, "the subject lies behind a camera",
        "Is w2c a c2w, or are its axes OpenGL's (z backwards)?"),
    "out-of-reach": Code(_AUDIT, _E, "the subject's centre is more than 1.8 from the origin",
        "One similarity for all cameras of the sample: subject at the origin, cameras about 2.7 away."),
    "off-origin": Code(_AUDIT, _W, "the subject's centre is more than 0.6 from the origin",
        "Move the sample's world to the subject."),
    "outside-box": Code(_AUDIT, _N, "the subject leaves [-1, 1]^3",
        "Scale the sample's world down, all cameras alike."),
    "depth-range": Code(_AUDIT, _W, "the subject leaves the model's reach of 1.8 to both sides along a ray",
        "The model reaches 1.8: scale or move the world."),
    # opencv_cameras.json
    "bad-file": Code(_AUDIT, _E, "`opencv_cameras.json` cannot be read", "Write the file again, or remove the folder."),
    "bad-record": Code(_AUDIT, _W, "mouselift's own record in `opencv_cameras.json` is not as `prepare` writes it",
        "What it says of cut views or keypoints is left aside; prepare the sample again if it was edited by hand."),
    "missing-key": Code(_AUDIT, _E, "an entry of `opencv_cameras.json` lacks a key",
        "Write the key with its value for this image; nothing is guessed."),
    "not-finite": Code(_AUDIT, _E, "an entry holds NaN, infinity or no number",
        "Find where the calibration lost its numbers, and write them again."),
    "bad-size": Code(_AUDIT, _E, "`w` or `h` is no whole number of pixels", "Write the image's size."),
    "bad-focal": Code(_AUDIT, _E, "a focal length is not positive",
        "A negative focal length mirrors the image: undo the flip."),
    "bad-camera": Code(_AUDIT, _E, "an entry is unusable for another reason",
        "Write the entry again from the calibration."),
    "pose-shape": Code(_AUDIT, _E, "w2c is no 4 x 4 pose with a last row of 0 0 0 1",
        "Write [R t; 0 0 0 1] with x_cam = R x_world + t."),
    "mirrored": Code(_AUDIT, _E, "det R = -1: the camera is mirrored",
        "Undo the flip of axes or image, in both image and calibration."),
    "not-rotation": Code(_AUDIT, _E, "R is no rotation",
        "Scaled, singular, or written with too few digits? Write R with all of them."),
    "k-shape": Code(_AUDIT, _E, "a `K` beside the four numbers is transposed, or says something else",
        "Write K as [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]."),
    "principal-lost": Code(_AUDIT, _W, "the principal point lies in the image's corner: cx = cy = 0",
        "Was it read from a transposed K? A MATLAB K has its principal point in the last row."),
    "focal-units": Code(_AUDIT, _E, "fx, fy, cx, cy are no pixels: they are in units of the image's width",
        "Multiply them by the image's width; `mouselift repair` does."),
    "field-of-view": Code(_AUDIT, _W, "a focal length gives a field of view that no pinhole camera has",
        "Is it in millimetres, or of an image of another size? fx, fy are in pixels of this image."),
    "principal-outside": Code(_AUDIT, _N, "the principal point lies outside the image",
        "Right for a strong crop to one side; else a wrong size or unit."),
    "pixels-not-square": Code(("audit", "inspect"), ("note", "warning"), "fx and fy differ: pixels are not square",
        "The model was trained on square pixels: resample if you can."),
    "same-camera": Code(_AUDIT, _E, "two views have one camera",
        "One entry is a copy of the other: write the right calibration for one of the two."),
    "same-view": Code(_AUDIT, _E, "a view has an earlier one's camera and image: it is left out of all other checks",
        "Remove the copies: loaders count each as a view, and none says anything new."),
    "same-name": Code(_AUDIT, _E, "two views have one name", "Give every view its own camera name and image."),
    "too-few-views": Code(("audit", "prepare"), _E, "fewer than two views remain",
        "One view alone says nothing about its camera."),
    "view-order": Code(_AUDIT, _W, "cameras stand in different orders in different samples",
        "Keep one order in all samples: loaders take views by their place."),
    # images and masks
    "missing-image": Code(("audit", "prepare", "mask"), _EW, "an image is not there, or is damaged",
        "Put it back, or take the view out of the file."),
    "bad-image": Code(_AUDIT, _E, "an image cannot be decoded", "Copy or make the image again."),
    "missing-mask": Code(("prepare", "inspect"), _W, "a view has no mask (`mouselift mask` makes them)"),
    "empty-mask": Code(("audit", "prepare", "inspect", "mask"), _W, "a mask is empty", "Leave the view out."),
    "size-mismatch": Code(_AUDIT, _E,
        "an image has another size than `w`, `h`; its real size counts in all other checks",
        "A resized image needs fx, fy, cx, cy resized with it, and w, h."),
    "not-square": Code(_AUDIT, _W, "an image is not square", "The model's loaders want square images."),
    "sizes-differ": Code(_AUDIT, _W, "a sample's images have several sizes",
        "The model takes one size: prepare all views at one."),
    "no-alpha": Code(_AUDIT, _W, "an image has no alpha, so there is no silhouette",
        "Write RGBA images; `mouselift mask` makes masks from the recording."),
    "alpha-not-read": Code(_AUDIT, _W,
        "an image's alpha is stored so that FaceLift's loader drops it (palette, grey and alpha, or a transparent "
        "colour): the model gets no mask, and for ground the colours under it, mostly black",
        "Write RGBA images of four channels, e.g. `Image.open(p).convert(\"RGBA\").save(p)`."),
    "alpha-inverted": Code(_AUDIT, _E, "alpha is inverted: the ground is opaque, the subject is not",
        "Write 255 minus the alpha; the other checks took it so."),
    "alpha-levels": Code(_AUDIT, _E, "alpha is 0 and 1, of 255: a mask of numbers 0..1 was written as bytes",
        "Multiply the alpha by 255; the other checks took it so."),
    "alpha-faint": Code(_AUDIT, _W, "the subject is nowhere opaque: loaders see the ground through it",
        "Multiply the alpha so that the subject has 255; the other checks took one half of 255 for its edge."),
    "alpha-premultiplied": Code(_AUDIT, _W,
        "colours fall with alpha at soft edges: premultiplied alpha, or edges that show a dark ground",
        "Divide colours by alpha before writing: loaders take it as straight, and see a dark rim."),
    "orientation-tag": Code(_AUDIT, _W,
        "an image's EXIF says that it is to be turned: viewers turn it, FaceLift's loader and this audit do not",
        "Write the pixels as they should be seen, without the tag, and judge cameras by what is stored."),
    "file-path": Code(_AUDIT, _E,
        "an image's `file_path` is absolute, of another system, or outside the sample's folder (then it is not opened)",
        "Write it relative to the sample's folder, with forward slashes: loaders open folder/file_path."),
    "mask-derived": Code(_AUDIT, _N, "a mask was derived from an image's exactly white or black ground",
        "Edges are true to about a pixel only; alpha says more."),
    "same-image": Code(_AUDIT, _E, "two views have one image",
        "One file was copied over the other: put the right image there."),
    # a sample's views among each other
    "focal-spread": Code(_AUDIT, _N,
        "focal lengths differ by more than a factor of 2; see [framing](../concepts/framing.md)",
        "`--preset per-sample` or `canonical` keeps it lower."),
    "principal-spread": Code(_AUDIT, _N, "a principal point is more than half an image off its middle",
        "`--preset canonical` turns the cameras to the subject and centres them."),
    "size-spread": Code(_AUDIT, _N, "the subject is more than 3 times as large in one view as in another",
        "`--preset canonical` shows it equally large in all views."),
    "small-subject": Code(_AUDIT, _N, "the subject measures less than 8 % of the image in a view",
        "Frame it larger (`--fill`)."),
    # a dataset as a whole
    "distribution": Code(_AUDIT, _W, "rays are unlike the profile's",
        "Check the world's scale (cameras about 2.7 from the subject, +Z up); if both hold, fine-tuning has to "
        "bridge it."),
    "duplicate-sample": Code(_AUDIT, _W, "a sample's images are those of an earlier one, byte for byte",
        "Leave one of each pair out: it counts double in training."),
    "split-overlap": Code(_AUDIT, _E, "a sample is in both lists",
        "Take them out of one: a score on them says nothing."),
    "split-neighbours": Code(("audit", "prepare"), _WN,
        "validation samples lie next to a training sample in time; a note where they are few",
        "Split by contiguous blocks with a gap of half a second or more; neighbours show the same image."),
    "trainer-moves-cameras": Code(_AUDIT, _E,
        "a config of FaceLift's trainer moves the cameras before the network sees them (`--trainer`)",
        "They match no pixel then: set it as the message says."),
    "trainer-views": Code(_AUDIT, _E, "a config of FaceLift's trainer asks for more views than samples have",
        "Such samples are replaced by others without a word: lower `num_views`."),
    "trainer-drops-alpha": Code(_AUDIT, _W, "a config of FaceLift's trainer does not use the alpha that was written",
        "Turn it off: a threshold on white is no mask."),
    "unfinished": Code(_AUDIT, _W, "the dataset's own record says that `mouselift prepare` was stopped before its end",
        "Give the same `mouselift prepare` again: it goes on, and then writes the lists."),
    "split-near-duplicates": Code(_AUDIT, _W, "validation samples have the same silhouettes as a training sample",
        "Move them to the training list: a score on them is a score on what was trained on."),
    "stale-list": Code(_AUDIT, _W, "a list names folders that are not there",
        "Lists hold absolute paths: after moving the dataset, `mouselift lists DATASET` rewrites them."),
    "bad-list": Code(_AUDIT, _E, "a list is no text", "Write the list again."),
    # a recording's videos
    "video-truncated": Code(_RECORDING, _W, "a video holds fewer frames than its header promises"),
    "video-gap": Code(_RECORDING, _W, "a video's time stamps jump"),
    "video-short": Code(_RECORDING, _W, "a camera's images end before another's"),
    "video-rate": Code(_RECORDING, _W, "a video has another frame rate than the longest one"),
    # a recording's calibration
    "baseline-small": Code(_INSPECT, _W, "two cameras see the subject from nearly the same side"),
    "rig-narrow": Code(_INSPECT, _W, "all cameras see the subject from nearly one side, or from opposite ones"),
    "calibration-copied": Code(_INSPECT, _E, "two cameras have one pose"),
    "intrinsics-shared": Code(_INSPECT, _N, "two cameras have the same intrinsics to the last digit"),
    "lens-folds": Code(_INSPECT, _W, "a lens model maps two rays to one pixel"),
    "principal-far": Code(_INSPECT, _W, "a principal point lies far off the image's middle"),
    "unit-doubtful": Code(("inspect", "prepare"), _W,
        "nothing that is filmed is as large or as small as the subject or the cameras' distance in the declared unit",
        "Set the unit in capture.toml."),
    "focal-differs": Code(_INSPECT, _W, "a focal length is unlike the others at the same image size"),
    # a recording's views, times and path
    "views-disagree": Code(_INSPECT, _EW,
        "silhouettes and cameras contradict each other, with the camera where one is to blame; cameras that stand out "
        "together, as when their videos are exchanged, are named in the message"),
    "cameras-contradict": Code(("mask", "inspect", "prepare", "audit"), _E,
        "what the cameras see contradicts their calibration, before masks are cut to what all views support; masks "
        "made with it agree with it all the same, so nothing made of them tells any more",
        "Correct the calibration (files of two cameras exchanged? one moved?), delete the masks, and make them "
        "again."),
    "cameras-untested": Code(("mask", "inspect", "prepare", "audit"), _W,
        "whether a camera agrees with the others was not tested before masks were cut to what all views support, "
        "or of all cameras: masks agree with wrong cameras too, so nothing made of them tells",
        "Name keypoints in 3D of another tool in `capture.toml`: they are compared with the masks."),
    "few-instants": Code(_INSPECT, _W,
        "too few instants with a mask in all views: whether cameras and masks agree was not judged",
        "Give more frames, or masks of more frames."),
    "keypoints-off-mask": Code(("inspect", "audit"), _W,
        "keypoints of another tool do not lie on the masks: of one camera, of one keypoint, or all of them",
        "One camera: its calibration, masks and time. One keypoint: its masks and labels. All: the file's frame "
        "numbers, unit and calibration. Labels may be at fault, so no verdict depends on them."),
    "keypoints-lag": Code(_INSPECT, _W, "keypoints of another tool are those of frames before or after the masks'",
        "Compare the file's first frame number with the recording's, and set `keypoints_offset` in `capture.toml`."),
    "camera-lags": Code(_INSPECT, _E, "a camera shows an instant later, or earlier, than the others"),
    "lag-changes": Code(_INSPECT, _E, "a camera's lag changes on the way", "Cut the recording where frames were lost."),
    "lag-fraction": Code(_INSPECT, _N, "a camera lags by a fraction of a frame"),
    "path-jumps": Code(_INSPECT, _W, "the subject's centre jumps between two frames"),
    "up-unknown": Code(_INSPECT, _N, "which way is up is not known"),
    "up-flipped": Code(_INSPECT, _W, "most cameras stand on their heads with the capture's up"),
    "up-tilted": Code(_INSPECT, _W, "the subject's path is tilted against the capture's up"),
    "cameras-below": Code(_INSPECT, _W, "all cameras lie below the subject"),
    "floor-above": Code(_INSPECT, _E, "the subject lies below the capture's floor"),
    # making masks
    "mask-uncovered": Code(_MASK, _W, "a part of the image was never seen without the subject"),
    "mask-torn": Code(_INSPECT, _W, "a camera's masks have holes and bites, of which views that agree say nothing",
        "Look at the masks. Where mouselift made them, the subject hardly left its place, so the background shows it: "
        "give a longer recording, or masks of another tool."),
    "masks-lag": Code(_INSPECT, _W, "a camera's masks are those of the images before or after theirs",
        "Export the masks again, or name them by their images: what is cut out is not where the subject is."),
    "mask-untold": Code(_MASK, _W, "a large part of the subject is as bright as the background behind it"),
    "mask-colours": Code(_MASK, _W, "too little of the subject was seen to learn its colours"),
    # preparing
    "sample-unusable": Code(("prepare", "inspect"), _E, "a sample of a dataset used as input cannot be used"),
    "no-framing": Code(_PREPARE, _W,
        "the masks' centres determine no point, or it lies behind a camera or outside a lens model"),
    "centres-disagree": Code(_PREPARE, _W, "a mask's centre is far from where the other views put it"),
}
# fmt: on
