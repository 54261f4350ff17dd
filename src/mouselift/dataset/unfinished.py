"""What mouselift's own records beside the samples say: is it finished, of what frame rate, were its masks sound?"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from mouselift.dataset.collection import COLLECTION, is_collection, read_collection
from mouselift.findings import Finding
from mouselift.foreign import first_few, json_as
from mouselift.limits import CALIBRATION_BYTES, limited_bytes

LOG = logging.getLogger(__name__)
_FILE = "dataset.json"
_NAMED = 4  # recordings that a message names


class _Said(msgspec.Struct):
    """A finding about the recording."""

    code: str = ""
    message: str = ""
    camera: str | None = None


class _Description(msgspec.Struct):
    """Of dataset.json."""

    frame_rate: float = 0.0  # frames per second; 0: not known
    complete: bool = True
    findings: list[_Said] = []


def frame_rate(path: Path) -> float:
    """Of the source, frames per second; 0 where it is not known, or recordings of a collection differ in it."""
    rates = {_described(dataset).frame_rate for dataset in _datasets(path)}
    return rates.pop() if len(rates) == 1 else 0.0


def unfinished(path: Path) -> list[Finding]:
    """A finding each where datasets were not finished, and where recordings of a collection failed.

    path: a dataset, or a collection. Nothing of a list of samples, and of datasets of other tools.
    """
    found: list[Finding] = []
    stopped = [dataset for dataset in _datasets(path) if not _described(dataset).complete]
    if stopped:
        said = "the preparation was" if len(stopped) == 1 else f"{len(stopped)} preparations were"
        where = first_few([str(dataset / _FILE) for dataset in stopped], _NAMED)
        found.append(Finding.of("unfinished", f"{where}: {said} not finished; perhaps not all samples are there"))
    failed = read_collection(path).failed if is_collection(path) else []
    if failed:
        names = first_few([recording.name for recording in failed], _NAMED)
        text = f"{path / COLLECTION}: recordings that failed ({len(failed)}), whose samples are not here: {names}"
        found.append(Finding.of("unfinished", text))
    return found


def warn_of_unfinished(*paths: Path) -> None:
    """For those who make something of samples: what they make lacks the samples that are not there."""
    for path in paths:
        for finding in unfinished(path):
            LOG.warning("%s", finding.message)


def masks_contradict(path: Path) -> list[Finding]:
    """That masks were made with cameras that contradict what they see, as `prepare` wrote it down; path: as above.

    The samples' own silhouettes cannot tell: they were cut so that they agree with these cameras.
    """
    return [
        Finding.of(said.code, said.message, camera=said.camera)
        for dataset in _datasets(path)
        for said in _described(dataset).findings
        if said.code == "cameras-contradict"
    ]


def _datasets(path: Path) -> list[Path]:
    if not is_collection(path):
        return [path] if path.is_dir() else []
    return [path / recording.name for recording in read_collection(path).recordings if recording.status == "prepared"]


def _described(dataset: Path) -> _Description:
    """Nothing where there is no such file, or it is another tool's."""
    file = dataset / _FILE
    try:
        return json_as(limited_bytes(file, CALIBRATION_BYTES), _Description) if file.is_file() else _Description()
    except ValueError:
        return _Description()
