"""What an engine is: units of work go in, their results come back as they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from mouselift.progress import Step, unheard

Result = TypeVar("Result")
Job: TypeAlias = Callable[
    [Sequence[int]], Iterator[Result]
]  # picklable; the same block gives the same files and results
Unit: TypeAlias = tuple[Job[Result], Sequence[int]]  # a job and a block of it


@runtime_checkable  # for the tests' checks of types
class Engine(Protocol):
    """Runs units somewhere. A unit may run twice, where a worker was lost: jobs are idempotent."""

    def run(self, units: Iterable[Unit[Result]], hears: Step = unheard) -> Iterator[Result]:
        """Results of all units, a unit's in order, units in any order.

        Units are taken as they are needed, a few ahead. A job whose items are quick may say so, `seconds_an_item`, so
        that no process is started for little work. hears: of the jobs' calls of `step`. An exception of a job is
        raised here, after the results that came before it.
        """
        ...
