"""`python -m mouselift.synthetic OUT.png`: the contact sheet of the README."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro

from mouselift.errors import MouseliftError
from mouselift.synthetic.coat import Coat
from mouselift.synthetic.sheet import contact_sheet, write_sheet


def main(out: Annotated[Path, tyro.conf.Positional], coat: Coat = "brown", seed: int = 3) -> None:
    """Renders the synthetic mouse from four cameras at six instants.

    Args:
        out: the PNG to write; an existing file is left alone.
        coat: colour of the fur.
        seed: another seed, another walk.
    """
    write_sheet(out, contact_sheet(coat=coat, seed=seed))


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except MouseliftError as error:
        sys.exit(f"{type(error).__name__}: {error}")
