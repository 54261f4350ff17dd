"""What mouselift's own records beside the samples say: is it finished, of what frame rate, were its masks sound?"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mouselift.dataset.collection import COLLECTION, Recording, is_collection, read_collection
from mouselift.findings import Finding
from mouselift.foreign import first_few, json_as
from mouselift.limits import CALIBRATION_BYTES, limited_bytes

LOG = logging.getLogger(__name__)
DATASET_FILE = "dataset.json"  # lies beside the samples that `mouselift prepare` made
_NAMED = 4  # recordings that a message names


class SourceFinding(msgspec.Struct, frozen=True):
    """What was found in the recording that a dataset was made of."""

    code: str = ""
    message: str = ""
    camera: str | None = None


class DatasetFile(msgspec.Struct, frozen=True):
    """Of dataset.json."""

    frame_rate: float = 0.0  # frames per second; 0: not known
    complete: bool = True
    findings: tuple[SourceFinding, ...] = ()


@dataclass(frozen=True)
class Description:
    """Of a dataset, or of every dataset of a collection. Empty for a list of samples, and for other tools' datasets."""

    datasets: dict[Path, DatasetFile]
    failed: tuple[Recording, ...] = ()  # recordings of a collection that have no dataset
    collection: Path | None = None  # its file

    @property
    def frame_rate(self) -> float:
        """Of the source, frames per second; 0 where it is not known, or recordings of a collection differ in it."""
        rates = {said.frame_rate for said in self.datasets.values()}
        return rates.pop() if len(rates) == 1 else 0.0

    @property
    def unfinished(self) -> list[Finding]:
        """A finding each where datasets were not finished, and where recordings of a collection failed."""
        found: list[Finding] = []
        stopped = [str(dataset / DATASET_FILE) for dataset, said in self.datasets.items() if not said.complete]
        if stopped:
            said = "the preparation was" if len(stopped) == 1 else f"{len(stopped)} preparations were"
            where = first_few(stopped, _NAMED)
            found.append(Finding.of("unfinished", f"{where}: {said} not finished; perhaps not all samples are there"))
        if self.failed:
            names = first_few([recording.name for recording in self.failed], _NAMED)
            text = (
                f"{self.collection}: recordings that failed ({len(self.failed)}), whose samples are not here: {names}"
            )
            found.append(Finding.of("unfinished", text))
        return found

    @property
    def masks_contradict(self) -> list[Finding]:
        """That masks were made with cameras that contradict what they see, as `prepare` wrote it down.

        The samples' own silhouettes cannot tell: they were cut so that they agree with these cameras.
        """
        return self._said("cameras-contradict")

    @property
    def masks_untested(self) -> list[Finding]:
        """That masks were made with cameras that were not compared before: silhouettes tell nothing of these either."""
        return self._said("cameras-untested")

    def _said(self, code: str) -> list[Finding]:
        return [
            Finding.of(said.code, said.message, camera=said.camera)
            for file in self.datasets.values()
            for said in file.findings
            if said.code == code
        ]


def read_description(path: Path) -> Description:
    """path: a dataset, a collection, or anything that samples are taken from."""
    if not is_collection(path):
        return Description({path: read_dataset_file(path)} if path.is_dir() else {})
    collection = read_collection(path)
    datasets = [path / recording.name for recording in collection.recordings if recording.status == "prepared"]
    files = {dataset: read_dataset_file(dataset) for dataset in datasets}
    return Description(files, tuple(collection.failed), path / COLLECTION)


def read_dataset_file(dataset: Path) -> DatasetFile:
    """Nothing where there is no such file, or it is another tool's."""
    file = dataset / DATASET_FILE
    try:
        return json_as(limited_bytes(file, CALIBRATION_BYTES), DatasetFile) if file.is_file() else DatasetFile()
    except ValueError:
        return DatasetFile()


def warn_of_unfinished(*paths: Path) -> None:
    """For those who make something of samples: what they make lacks the samples that are not there."""
    for path in paths:
        for finding in read_description(path).unfinished:
            LOG.warning("%s", finding.message)
