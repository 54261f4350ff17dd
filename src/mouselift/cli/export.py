"""`mouselift export`: a dataset or a capture as other tools take it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mouselift.cli.console import EXIT_NO, EXIT_OK, bold, emit_json, say, size
from mouselift.cli.flags import Json, Workers
from mouselift.cli.progress_bar import progress_bar
from mouselift.export.options import ExportOptions, FormatName


@dataclass
class Export:
    """Write a dataset or a recording as other tools take it; the source stays as it is.

    FORMAT webdataset: tar files of whole samples with an index beside each, for the webdataset library and for
    `mouselift train`, which then opens a few files in place of many thousands; OUT may be s3://bucket/folder or
    gs://bucket/folder. nerfstudio, colmap: a scene a sample for
    trainers of Gaussians, with cameras, images, masks and points of the hull, of a dataset or of a recording. facelift:
    the layout of the released trainer. rerun: one recording for Rerun's viewer, with Gaussians where --gaussians
    says where they are; needs `pip install 'mouselift[rerun]'`. An interrupted export goes on when the same command is
    given again.
    Example: `mouselift export out/mouse7 shards/mouse7 --format webdataset`
    """

    dataset: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DATASET")]
    """Folder of samples in FaceLift's format, one sample, or a list file; or a recording with its capture.toml."""
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """New folder, or one that the same export began."""
    format: FormatName
    """What is made."""
    options: Annotated[ExportOptions, tyro.conf.arg(name="")] = ExportOptions()
    workers: Workers = 0
    json: Json = False

    def run(self) -> int:
        from mouselift.export.registry import export

        with progress_bar(self.json) as progress:
            done = export(self.dataset, self.out, self.format, self.options, workers=self.workers, progress=progress)
        if self.json:
            emit_json(asdict(done))
            return EXIT_NO if done.refused else EXIT_OK
        say(f"{done.samples} samples in {done.files} files, {size(done.bytes)}: ", bold(done.out))
        for note in done.notes:
            say(note)
        return EXIT_NO if done.refused else EXIT_OK
