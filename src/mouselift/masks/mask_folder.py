"""The folder that `mouselift mask` fills: what two runs must share to go on in it, and when one begins it anew."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mouselift.atomic import hidden
from mouselift.capture.capture import Capture
from mouselift.capture.made_masks import MASK_JOB
from mouselift.capture.source import CaptureSource
from mouselift.errors import DatasetError
from mouselift.fingerprint import fingerprint
from mouselift.masks.options import MaskOptions
from mouselift.masks.quality import FrameRecord
from mouselift.run_folder import RunFolder

LOG = logging.getLogger(__name__)

_BACKGROUND = "background-"
_METHOD = 5  # raised where the same images give other masks: those of two releases are not mixed in one folder
_DIGESTS = {
    "calibration": "cameras: the calibration is another",
    "videos": "videos: their contents are others",
    "method": "by a release of mouselift that made other masks of the same images",
}
_READ_FOR_BACKGROUNDS = ("cameras", "videos", "learn_from", "method")  # of the identity


def png_name(number: int) -> str:
    """File name of a mask by the camera's own frame number (counted as its video or image folder counts)."""
    return f"{number:06d}.png"


def mask_identity(capture: Capture, source: CaptureSource, options: MaskOptions) -> dict[str, object]:
    """What must be equal for two runs to share a folder: cameras, files, up, floor, options, the way masks are made."""
    calibration, videos = hashlib.sha256(), hashlib.sha256()
    for track in source.tracks:
        c, images = track.camera, track.images
        calibration.update(repr((track.name, c.width, c.height, c.K.tolist(), c.T_cam_world.tolist(), c.lens)).encode())
        videos.update(repr((track.name, images.path.name, images.end, images.shift, *images.runs)).encode())
        videos.update(fingerprint(images.path).encode())
    return {
        "cameras": list(source.cameras),
        "calibration": calibration.hexdigest()[:16],
        "videos": videos.hexdigest()[:16],
        "up": None if capture.up is None else capture.up.tolist(),
        "floor": capture.floor,
        "every": options.every,
        "start": options.start,
        "stop": options.stop,
        "learn_from": options.learn_from,
        "method": _METHOD,
    }


class MaskFolder(RunFolder[FrameRecord]):
    """Masks lie in `work` by camera until all are made.

    Where another run was stopped before its first mask (the floor was not found, say), there is nothing to lose, and
    this one begins anew.
    """

    def __init__(self, out: Path, identity: dict[str, object], source: CaptureSource) -> None:
        super().__init__(
            out,
            identity,
            description=MASK_JOB,
            record=FrameRecord,
            verb="mask",
            way_out=f"To make masks anew, delete {out}, or name another folder (--out FOLDER --force: capture.toml "
            "then names the masks there); to go on with these, give what that run was given",
        )
        self.work = hidden(out / "work")
        self._source = source

    def background(self, camera: str) -> Path:
        """Where what is learnt of a camera's background is kept until all masks are made."""
        return self.work / f"{_BACKGROUND}{camera}.npz"

    def open(self) -> None:
        if (self.root / MASK_JOB).exists() and (changes := list(self._changes(found := self._found()))):
            self._check()
            self._begin_anew(found, changes)
        super().open()

    def _check_ours(self) -> None:
        try:
            super()._check_ours()
        except DatasetError as error:
            if (self.root / MASK_JOB).exists() or not self.root.is_dir():
                raise
            raise DatasetError(
                f"{error}. To make them elsewhere: --out FOLDER --force (capture.toml then names the masks there)"
            ) from None

    def _differences(self, found: Any) -> Iterator[str]:
        return self._changes(found) if self._holds_masks() else iter(())

    def _changes(self, found: Any) -> Iterator[str]:
        """What differs, in words, as far as that run recorded it."""
        if not isinstance(found, dict) or "calibration" not in found:  # as a former release described its folders
            yield "by a release that did not record its cameras, videos, up and floor one by one"
            return
        for key, wanted in self.identity.items():
            there = found.get(key)
            if there != wanted:
                yield _DIGESTS.get(key, f"{key}: there {_said(there)}, now {_said(wanted)}")

    def _holds_masks(self) -> bool:
        """Whether anything lies in the folder but what a run makes before its first mask."""
        before = {MASK_JOB, self.work.name}
        return any(
            path.name not in before and not path.name.startswith((".mouselift-lock", ".journal"))
            for path in self.root.iterdir()
        ) or (
            self.work.is_dir()
            and any(not (path.is_file() and _BACKGROUND in path.name) for path in self.work.iterdir())
        )

    def _begin_anew(self, found: Any, changes: list[str]) -> None:
        """Backgrounds stay where they would be learnt the same: they take the longest."""
        LOG.info("%s: begins anew, no mask was made yet (%s)", self.root, "; ".join(changes))
        if not isinstance(found, dict) or any(found.get(k) != self.identity[k] for k in _READ_FOR_BACKGROUNDS):
            shutil.rmtree(self.work, ignore_errors=True)
        for journal in self._journals():
            journal.unlink(missing_ok=True)
        self.write(MASK_JOB, self._described({"complete": False}))

    def files(self, record: FrameRecord) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for track in self._source.tracks:
            name = f"{track.name}/{png_name(track.images.numbers([record.frame])[0])}"
            place = next((place for place in (self.work, self.root) if (place / name).is_file()), None)
            if place is not None:
                found[name] = place / name
        return found


def _said(value: object) -> str:
    return "none" if value is None else str(value)
