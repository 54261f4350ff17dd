"""What `inspect` may be told. Read by `--help`: nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from mouselift.ranges import Instants, Range, Ranged


@dataclass(frozen=True)
class InspectOptions(Ranged):
    """How much of a recording is looked at. OptionError for numbers out of range."""

    instants: Instants = 60
    """How many instants, spread over the recording; with neighbours, about so many are measured."""
    lag: Annotated[int, Range(0, 10_000)] = 5
    """Try frame offsets from -LAG to +LAG between cameras; 0: do not."""
