"""The body's shape: what tells one animal from another of its species, as one frozen value.

All sizes but `length` are relative to the standard mouse, which is the default: 80 mm from nose to tail root, 27 g.
Distributions are normal, cut at two deviations. Where their figures come from:

* Mouse, head and body 65 to 95 mm, tail 60 to 105 mm, 12 to 30 g: Ballenger 1999, "Mus musculus", Animal Diversity Web.
  Wikipedia's "House mouse" has 75 to 100 mm, tail 50 to 100 mm, hind foot 15 to 19 mm; laboratory mice are long ones.
* Mouse, girth: 40 inbred strains weigh 11 to 39 g in the mean at 16 weeks, 16 to 39 % of it fat (Reed, Bachmanov and
  Tordoff 2007, Physiology & Behavior 91:593). Mass grows with length x girth^2, so a deviation of 20 % of the mass at
  one length is one of 10 % of the girth. Obese animals of twice the mass (ob/ob) are the tail of `fat`.
* Rat, head and body 200 to 250 mm, tail 180 to 250 mm, 250 g (female) and 350 g (male): Wikipedia, "Brown rat". The
  standard mouse of 225 mm would weigh 600 g: a rat's girth is 0.75 of it. Hind foot 30 to 45 mm, ear 15 to 20 mm
  (Smithsonian, "North American Mammals: Rattus norvegicus"): 0.8 and 0.55 of a mouse's share. Its snout is longer and
  blunter and its tail thicker at the root; those three are by eye, from photographs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

Species = Literal["mouse", "rat"]
STANDARD_LENGTH = 80.0  # mm, nose to tail root of the standard mouse
_CUT = 2.0  # deviations


@dataclass(frozen=True)
class BodyShape:
    """One animal's shape. The default is the standard mouse. 1 is as in the standard mouse of the same length."""

    length: float = STANDARD_LENGTH  # mm, nose to tail root, before `head` and `snout` change it
    girth: float = 1.0  # of the trunk
    fat: float = 0.0  # 0 lean; 1: two thirds more mass, belly and hips 1.65 times as wide
    head: float = 1.0  # length and girth of the head
    snout: float = 1.0  # length
    snout_width: float = 1.0
    ears: float = 1.0
    eyes: float = 1.0
    limbs: float = 1.0  # length of the bones
    feet: float = 1.0  # length of feet and toes
    tail: float = 1.0  # length, as a share of the body's
    tail_thickness: float = 1.0
    hunch: float = 0.0  # radians added to every posture's arch of the back

    @property
    def size(self) -> float:
        """Millimetres per millimetre of the standard mouse."""
        return self.length / STANDARD_LENGTH


# mean, deviation; see the module's docstring
_MOUSE = BodyShape(length=84.0, tail=0.95)
_MOUSE_SPREAD = BodyShape(
    length=7.0, girth=0.08, fat=0.0, head=0.05, snout=0.08, snout_width=0.08, ears=0.10, eyes=0.08, limbs=0.06,
    feet=0.06, tail=0.09, tail_thickness=0.10, hunch=0.10,
)  # fmt: skip
_RAT = BodyShape(
    length=225.0, girth=0.80, head=0.95, snout=1.12, snout_width=1.15, ears=0.58, eyes=0.62, limbs=0.88, feet=0.82,
    tail=0.88, tail_thickness=1.25,
)  # fmt: skip
_RAT_SPREAD = BodyShape(
    length=12.0, girth=0.06, fat=0.0, head=0.04, snout=0.06, snout_width=0.06, ears=0.06, eyes=0.06, limbs=0.05,
    feet=0.05, tail=0.07, tail_thickness=0.10, hunch=0.10,
)  # fmt: skip
_SPECIES: dict[Species, tuple[BodyShape, BodyShape]] = {"mouse": (_MOUSE, _MOUSE_SPREAD), "rat": (_RAT, _RAT_SPREAD)}
_FAT_SHARE, _FAT_MEAN = 0.6, 0.18  # animals with some fat; the mean of its exponential, cut at 1


def random_shape(species: Species, rng: np.random.Generator) -> BodyShape:
    """A shape of the species."""
    mean, spread = _SPECIES[species]
    values: dict[str, float] = {}
    for field in fields(BodyShape):
        deviation = float(np.clip(rng.standard_normal(), -_CUT, _CUT))
        values[field.name] = getattr(mean, field.name) + deviation * getattr(spread, field.name)
    has_fat, fat = rng.uniform() < _FAT_SHARE, rng.exponential(_FAT_MEAN)
    values["fat"] = float(min(fat, 1.0)) if has_fat else 0.0
    return BodyShape(**values)
