"""Masks that `mouselift mask` made: how they are known, and what it said of the cameras that they were made with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from mouselift.capture.mask_files import Masks
from mouselift.errors import UnreachableError
from mouselift.findings import Finding
from mouselift.foreign import json_as

MASK_JOB = "job.json"  # lies beside masks that `mouselift mask` made
MASK_REPORT = "masks.json"  # and what it said of them


def made_by_us(masks: Masks) -> bool:
    """Made by `mouselift mask`, which names masks by the numbers of their images."""
    return (masks.path.parent / MASK_JOB).is_file()


class Doubt(msgspec.Struct, frozen=True):
    """What the test of the cameras, before masks are cut, does not say of one camera, or of all of them."""

    camera: str | None  # None: of all
    text: str


class _MaskReport(msgspec.Struct):
    """Of the report that `mouselift mask` leaves beside its masks."""

    contradiction: str = ""
    blamed: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()


def said_of_masks(masks: Iterable[Masks | None]) -> Iterator[Finding]:
    """That masks were made with cameras that contradict what they see, or that were not compared before: nothing made
    of them can tell any more.
    """
    for folder in dict.fromkeys(found.path.parent for found in masks if found is not None and made_by_us(found)):
        file = folder / MASK_REPORT
        try:
            said = json_as(file.read_bytes(), _MaskReport)
        except (ValueError, OSError) as error:  # not finished, or damaged: `mouselift mask` says so
            UnreachableError.on_outage(file, error)
        else:
            yield from contradiction_findings(said.contradiction and f"{folder}: {said.contradiction}", said.blamed)
            yield from doubt_findings(Doubt(one.camera, f"{folder}: {one.text}") for one in said.doubts)


def contradiction_findings(text: str, cameras: Sequence[str]) -> Iterator[Finding]:
    """Of `masks.camera_agreement.CameraTest`; none where nothing is wrong."""
    if text:
        yield Finding.of("cameras-contradict", text, camera=cameras[0] if len(cameras) == 1 else None)


def doubt_findings(doubts: Iterable[Doubt]) -> Iterator[Finding]:
    """None where every camera was compared with the others."""
    for doubt in doubts:
        yield Finding.of("cameras-untested", doubt.text, camera=doubt.camera)
