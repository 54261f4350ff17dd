"""`mouselift profile`: what a model trained on this dataset would have seen of its cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mouselift.cli.console import EXIT_OK, emit_json, say, table
from mouselift.cli.flags import Dataset, Force, Json
from mouselift.cli.progress_bar import progress_bar


@dataclass
class Profile:
    """Compute a dataset's distribution of rays and cameras; `mouselift audit --profile` compares others with it.

    Reads cameras only. Example: `mouselift profile out/mouse7 mouse7.json`
    """

    dataset: Dataset
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT.json")]
    """The profile's file."""
    name: str | None = None
    """What the profile is called; the dataset's folder by default."""
    force: Force = False
    json: Json = False

    def run(self) -> int:
        from mouselift.atomic import check_output, write_whole
        from mouselift.audit.profile import encode_profile, profile_dataset

        check_output(self.out, self.force, outside=self.dataset)
        with progress_bar(self.json) as progress:
            profile = profile_dataset(self.dataset, self.name, progress)
        write_whole(self.out, encode_profile(profile), self.force)
        if self.json:
            emit_json(profile)
            return EXIT_OK
        rows = [[key, *(f"{value:.4g}" for value in values)] for key, values in sorted(profile.cameras.items())]
        table(f"Profile {profile.name}: {profile.views} views", ["", "5 %", "median", "95 %"], rows)
        say(f"Next: mouselift audit DATASET --profile {self.out}")
        return EXIT_OK
