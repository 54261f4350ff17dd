"""Formats by name, one line a format: a new one is one file with a `FORMAT`, its line here, and its name in
`options.FormatName`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, runtime_checkable

from mouselift.atomic import check_folder
from mouselift.dataset.description import warn_of_unfinished
from mouselift.dataset.remote import remote_url
from mouselift.errors import DatasetError
from mouselift.export.options import ExportOptions, FormatName
from mouselift.progress import Progress, silent

# Modules, so that no format loads what another one needs.
FORMATS: dict[FormatName, str] = {
    "webdataset": "mouselift.export.webdataset",
    "nerfstudio": "mouselift.export.nerfstudio",
    "colmap": "mouselift.export.colmap",
    "facelift": "mouselift.export.facelift",
    "rerun": "mouselift.export.rerun",
}

DEFAULTS = ExportOptions()


@dataclass(frozen=True)
class ExportSummary:
    """What an export came to."""

    out: str
    format: str
    samples: int
    files: int
    bytes: int
    refused: int = 0  # samples that the format cannot hold; `notes` says why
    notes: tuple[str, ...] = ()  # for the user: what was left out or assumed, how to open it


@runtime_checkable  # for the tests' checks of types
class Format(Protocol):
    """One format. `export` fills the new folder `out`, goes on where it was stopped, and overwrites nothing."""

    def export(
        self, source: Path, out: Path, options: ExportOptions, progress: Progress, workers: int = 0
    ) -> ExportSummary:
        """source: a dataset (folder, sample, list file) or a capture, as far as the format takes them."""
        ...


def format_named(name: FormatName) -> Format:
    """Loads the format's module alone."""
    return import_module(FORMATS[name]).FORMAT


def export(
    source: Path,
    out: Path,
    format: FormatName,
    options: ExportOptions = DEFAULTS,
    *,
    workers: int = 0,
    progress: Progress = silent,
) -> ExportSummary:
    """A dataset or a capture as another tool takes it, in the new folder `out`; shards also at s3:// and gs://.

    workers: processes, 0: one a core, where a format has use for them. The same call goes on where a run was stopped.
    DatasetError, OutputError: what came does not fit, or `out` holds something else.

    Example:
        >>> export(Path("out/mouse7"), Path("shards/mouse7"), "webdataset").samples  # doctest: +SKIP
        1152
    """
    url = remote_url(out)
    if url is not None and format != "webdataset":
        raise DatasetError(f"{url}: only --format webdataset writes to a server; expected a new folder")
    if url is None:
        check_folder(out)
    warn_of_unfinished(source)
    return format_named(format).export(source, out, options, progress, workers)
