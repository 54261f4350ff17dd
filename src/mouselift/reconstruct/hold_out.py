"""Which views of a sample go into the network, and which are kept from it to judge the result.

Figures of input views say how well the images that went in come out again; only views that did not go in say whether
the shape is right. So one view is held out unless the user says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mouselift.errors import DatasetError

MIN_VIEWS = 4  # of a sample, for a view to be held out unasked: three are the fewest worth reconstructing from
NONE = "none"  # in place of a view's name: hold none out


@dataclass(frozen=True)
class Round:
    """One reconstruction of a sample: places of views in its file, ascending. All of them are drawn and scored."""

    inputs: tuple[int, ...]
    held_out: tuple[int, ...]


@dataclass(frozen=True)
class HoldOut:
    """The rule; DatasetError where more than one field is set.

    * nothing set: the last view in the file of the first sample, by its name, in every sample.
    * held_out: these views, by name; ("none",): none, all views go in.
    * inputs: these views go in, all others are held out.
    * rotate: each view in turn, one reconstruction each.
    """

    held_out: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    rotate: bool = False

    def __post_init__(self) -> None:
        if bool(self.held_out) + bool(self.inputs) + self.rotate > 1:
            raise DatasetError("expected one of --hold-out, --views and --rotate, got more; each says what goes in")

    def settled(self, names: Sequence[str]) -> HoldOut:
        """The rule with its default made explicit, for a first sample with these views. DatasetError below four."""
        if self.held_out or self.inputs or self.rotate:
            return self
        if len(names) < MIN_VIEWS:
            raise DatasetError(
                f"expected at least {MIN_VIEWS} views to hold one out, got {', '.join(names)}; say --hold-out NAME, or "
                f"--hold-out {NONE} for figures of input views only"
            )
        return HoldOut(held_out=(names[-1],))

    def rounds(self, names: Sequence[str]) -> tuple[Round, ...]:
        """For a sample with these views. DatasetError for a view that it does not have, or no view left to go in."""
        if self.rotate:
            if len(names) < 2:
                raise DatasetError(f"expected at least 2 views to hold each out in turn, got {', '.join(names)}")
            every = range(len(names))
            return tuple(Round(tuple(k for k in every if k != out), (out,)) for out in every)
        out = () if self.held_out == (NONE,) else self.held_out
        absent = [name for name in (*out, *self.inputs) if name not in names]
        if absent:
            raise DatasetError(
                f"expected the view{'s' if len(absent) > 1 else ''} {', '.join(absent)}; the sample has "
                f"{', '.join(names)}"
            )
        given = [name in self.inputs if self.inputs else name not in out for name in names]
        if not any(given):
            raise DatasetError(f"expected at least one view to go in; all of {', '.join(names)} are held out")
        places = tuple(k for k, goes_in in enumerate(given) if goes_in)
        return (Round(places, tuple(k for k, goes_in in enumerate(given) if not goes_in)),)

    @property
    def words(self) -> str:
        """For a person."""
        if self.rotate:
            return "each view held out in turn"
        if self.inputs:
            return f"{', '.join(self.inputs)} went in, all other views are held out"
        if self.held_out == (NONE,):
            return "no view held out: these figures do not say whether the shape is right"
        return f"held out: {', '.join(self.held_out) or 'the last view'}"
