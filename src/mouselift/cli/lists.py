"""`mouselift lists`: a dataset that was moved names its samples again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mouselift.cli.console import EXIT_OK, emit_json, say
from mouselift.cli.flags import Json


@dataclass
class Lists:
    """Rewrite data_train.txt and data_val.txt of a dataset that was moved or copied.

    The lists hold absolute paths, which FaceLift's own trainer needs. Each line becomes the path of the sample of that
    name in the dataset; order and split stay. (mouselift's commands find moved samples without this, and say so.)
    Example: `mouselift lists data/mouse7 --dry-run`
    """

    dataset: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DATASET")]
    """Folder of samples in FaceLift's format, with the lists."""
    dry_run: bool = False
    """Nothing is done: say what would change."""
    json: Json = False

    def run(self) -> int:
        from mouselift.dataset.lists import rewrite_lists

        found = rewrite_lists(self.dataset, self.dry_run)
        if self.json:
            emit_json([asdict(each) for each in found])
            return EXIT_OK
        for each in found:
            if not each.changed:
                say(f"{each.file}: {each.samples} samples, all where it says; nothing to change")
                continue
            verb = "would change" if self.dry_run else "changed"
            say(f"{each.file}: {each.changed} of {each.samples} lines {verb}, the first:")
            say(f"{each.before} -> {each.after}", indent=2)
            if each.still_there:
                say(
                    f"{each.still_there} of the folders that it named are still there: this dataset is a copy of them, "
                    "and its list names its own samples",
                    indent=2,
                )
        return EXIT_OK
