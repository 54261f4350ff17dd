"""Which views of a sample go into the model, and which are compared with its renders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mouselift.errors import DatasetError


@dataclass(frozen=True)
class Chosen:
    """Places of views in a sample's file, ascending; `inputs` and `targets` are places among `loaded`."""

    loaded: tuple[int, ...]
    inputs: tuple[int, ...]
    targets: tuple[int, ...]
    held_out: tuple[bool, ...]  # for every loaded view


@dataclass(frozen=True)
class ViewChoice:
    """The rule. View order carries no information to the model; which views it gets does."""

    inputs: int | tuple[str, ...] | None = None  # how many, or which by name; None: all that are loaded
    views: int | None = None  # loaded a sample, inputs among them (held-out ones apart); None: all
    draw: Literal["first", "random"] = "first"  # by the sample's file order, or anew in every epoch
    targets: Literal["all", "others"] = "all"  # all loaded views, or only those that are no inputs
    held_out: tuple[str, ...] = ()  # never inputs; left out altogether ...
    show_held_out: bool = False  # ... unless asked for: then they are targets (evaluation)

    def __post_init__(self) -> None:
        if isinstance(self.inputs, tuple):
            both = sorted(set(self.inputs) & set(self.held_out))
            if both or not self.inputs:
                raise ValueError(f"ViewChoice: expected inputs that are not held out, got {both or 'none'}")
        for key in ("inputs", "views"):
            value = getattr(self, key)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"ViewChoice: {key}: expected at least 1, got {value}")

    def choose(self, names: Sequence[str], rng: np.random.Generator) -> Chosen:
        """For a sample with views `names`. DatasetError for a view that is not there, or too few of them."""
        named = self.inputs if isinstance(self.inputs, tuple) else ()
        absent = [name for name in (*named, *self.held_out) if name not in names]
        if absent:
            raise DatasetError(
                f"expected the view{'s' if len(absent) > 1 else ''} {', '.join(absent)}; the sample has "
                f"{', '.join(names)}"
            )
        open_views = [place for place, name in enumerate(names) if name not in self.held_out]
        order = [int(k) for k in rng.permutation(open_views)] if self.draw == "random" else open_views
        if named:
            first = [names.index(name) for name in named]
            order = first + [place for place in order if place not in first]
        total = len(order) if self.views is None else self.views
        count = len(named) if named else total if self.inputs is None else int(self.inputs)  # pyright: ignore
        if max(total, count) > len(order) or count > total:
            raise DatasetError(
                f"expected {max(total, count)} views of which {count} go in; the sample has {len(order)} that are not "
                f"held out: {', '.join(names[place] for place in open_views)}"
            )
        shown = [names.index(name) for name in self.held_out] if self.show_held_out else []
        loaded = sorted(order[:total] + shown)
        inputs = sorted(loaded.index(place) for place in order[:count])
        targets = [k for k in range(len(loaded)) if self.targets == "all" or k not in inputs]
        if not targets:
            raise DatasetError(f"no view is left as a target: all {count} loaded ones go in; take targets='all'")
        return Chosen(tuple(loaded), tuple(inputs), tuple(targets), tuple(names[k] in self.held_out for k in loaded))
