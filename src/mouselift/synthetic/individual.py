"""Individuals: a seed is an animal, the same in every recording. The one place that says which are held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mouselift.synthetic.coat import Coat, CoatColours, varied
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.shape import BodyShape, Species, random_shape

TRAINING = range(1_000_000)  # seeds of individuals that a network may learn from
HELD_OUT = range(1_000_000, 2_000_000)  # seeds that it is judged on, and never sees before

_SPECIES_STREAM, _SHAPE_STREAM, _COAT_STREAM = 1, 2, 3
_RATS = 0.25  # of all individuals
# share of each coat: the commonest laboratory strains and stocks first
_WORN: dict[Species, dict[Coat, float]] = {
    "mouse": {"black": 0.4, "white": 0.25, "agouti": 0.2, "brown": 0.15},
    "rat": {"white": 0.4, "hooded": 0.35, "agouti": 0.15, "black": 0.1},
}


@dataclass(frozen=True)
class Individual:
    """One animal. Equal seeds are equal animals."""

    seed: int
    species: Species
    coat: Coat
    colours: CoatColours
    shape: BodyShape

    @property
    def held_out(self) -> bool:
        """Whether networks are judged on it, and so never learn from it."""
        return self.seed in HELD_OUT

    def mouse(self, detail: float = 1.0) -> Mouse:
        """The animal, to be posed."""
        return Mouse(self.colours, self.seed, shape=self.shape, detail=detail)


def individual(seed: int) -> Individual:
    """The animal of a seed. ValueError for a seed that is neither in TRAINING nor in HELD_OUT."""
    check_seed(seed)
    species: Species = "rat" if _rng(seed, _SPECIES_STREAM).uniform() < _RATS else "mouse"
    worn, coats = _WORN[species], _rng(seed, _COAT_STREAM)
    coat: Coat = list(worn)[int(coats.choice(len(worn), p=list(worn.values())))]
    return Individual(seed, species, coat, varied(coat, coats), random_shape(species, _rng(seed, _SHAPE_STREAM)))


def check_seed(seed: int) -> None:
    """ValueError for a seed that is neither in TRAINING nor in HELD_OUT."""
    if seed not in TRAINING and seed not in HELD_OUT:
        raise ValueError(
            f"individual: expected a seed in {TRAINING.start} to {TRAINING.stop - 1} (training) or {HELD_OUT.start} to "
            f"{HELD_OUT.stop - 1} (held out), got {seed}"
        )


def _rng(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, 0x696E6469, stream])
