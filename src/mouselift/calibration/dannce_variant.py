"""How the K, r and principal point of a DANNCE rig are to be read: three properties, each settled on its own.

Whether K is transposed shows in K. Whether r is, and whether pixels are counted from 0 or from 1, does not show in the
files: evidence decides, else `variant` in capture.toml, else the documented layout is assumed, and said with what it
would cost.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from mouselift.errors import CalibrationError


@dataclass(frozen=True)
class Reading:
    """How one writer of DANNCE files stores a camera. None: not said."""

    k_transposed: bool | None = None
    r_transposed: bool | None = None
    one_based: bool | None = None

    @property
    def words(self) -> str:
        k, r = (_ORIENTATION[flag] for flag in (self.k_transposed, self.r_transposed))
        name = next((f"variant {name!r} " for name, reading in NAMED.items() if reading == self), "")
        base = "principal point not said" if self.one_based is None else f"{int(self.one_based)}-based principal point"
        return f"{name}(K {k}, r {r}, {base})"


_ORIENTATION = {True: "transposed", False: "as it stands", None: "not said"}
NAMED = {
    "dannce": Reading(k_transposed=True, r_transposed=True, one_based=True),
    "newsdannce-old": Reading(k_transposed=True, r_transposed=False, one_based=False),
    "opencv": Reading(k_transposed=False, r_transposed=False, one_based=False),
}
_PROPERTIES = {
    "k-transposed": ("k_transposed", True),
    "k-upright": ("k_transposed", False),
    "r-transposed": ("r_transposed", True),
    "r-upright": ("r_transposed", False),
    "1-based": ("one_based", True),
    "0-based": ("one_based", False),
}
_CHOICES = f"one of {', '.join(NAMED)}, or words of {', '.join(_PROPERTIES)}, such as 'r-transposed 0-based'"
_HOW = (
    'Settle it in capture.toml, or with --variant: [rig] variant = "dannce" (K transposed, r transposed, 1-based), '
    '"newsdannce-old" (K transposed, r not, 0-based), "opencv" (neither, 0-based), or property by property, such as '
    '"r-transposed 0-based"; or put labels (*_dannce.mat) or centres of mass (com/*.pickle) beside the rig.'
)


@dataclass(frozen=True)
class Proof:
    """What one piece of evidence says about r and the principal point. None: it does not say."""

    words: str
    r_transposed: bool | None = None
    one_based: bool | None = None


def parse_variant(path: Path, variant: str | None) -> Reading:
    """The properties that a `variant` names. CalibrationError where it is unknown or contradicts itself."""
    if variant is None:
        return Reading()
    if variant in NAMED:
        return NAMED[variant]
    found: dict[str, bool] = {}
    words = re.split(r"[,\s]+", variant.strip().lower())
    for word in words:
        if word not in _PROPERTIES:
            raise CalibrationError(f"{path}: variant {variant!r} is unknown; expected {_CHOICES}")
        key, value = _PROPERTIES[word]
        if found.setdefault(key, value) != value:
            raise CalibrationError(f"{path}: variant {variant!r} contradicts itself; expected {_CHOICES}")
    return Reading(**found)


def choose(
    path: Path, k_transposed: bool, asked: Reading, proofs: Sequence[Proof], hint: str
) -> tuple[Reading, list[str], list[str]]:
    """How to read the rig; what was found; what was assumed. CalibrationError where r stays in doubt."""
    stored = "K is transposed (principal point in its last row)" if k_transposed else "K is not transposed"
    if asked.k_transposed not in (None, k_transposed):
        raise CalibrationError(f"{path}: {asked.words} was asked for, but {stored}")
    found = [f"{stored}.", *(proof.words for proof in proofs), hint]
    assumed: list[str] = []
    r_says = {proof.r_transposed for proof in proofs if proof.r_transposed is not None}
    base_says = {proof.one_based for proof in proofs if proof.one_based is not None}
    r_transposed = _settled("r", asked.r_transposed, r_says, path, found)
    if r_transposed is None:
        if not k_transposed:
            raise _undecided(path, found, "several writers leave K as it stands, and nothing tells how they store r")
        r_transposed = True
        assumed.append("r is transposed, as documented for DANNCE's files; nothing beside the rig shows it")
    one_based = _settled("the principal point", asked.one_based, base_says, path, found)
    if one_based is None:
        one_based = k_transposed and r_transposed
        assumed.append(_doubt(one_based))
    chosen = Reading(k_transposed, r_transposed, one_based)
    found.append(f"{_by(asked, bool(r_says), bool(base_says))}: {chosen.words}.")
    return chosen, found, assumed


def _by(asked: Reading, r_shown: bool, base_shown: bool) -> str:
    """What settled r and the principal point, in words."""
    if asked.r_transposed is not None and asked.one_based is not None:
        return "Set by [rig] variant"
    named = "" if asked == Reading() else "Set by [rig] variant in part. "
    r_known, base_known = r_shown or asked.r_transposed is not None, base_shown or asked.one_based is not None
    if r_known and base_known:
        return f"{named}Decided by that evidence"
    if r_known:
        return f"{named}Decided by that evidence, but for the principal point"
    return f"{named}Assumed for want of evidence" + (", but for the principal point" if base_known else "")


def _settled(what: str, asked: bool | None, says: Collection[bool], path: Path, found: list[str]) -> bool | None:
    """One property by key, else by evidence, else None. A key against the evidence is taken and warned of."""
    if asked is not None:
        if (not asked) in says:
            found.append(f"WARNING: the evidence about {what} speaks against the variant that was asked for.")
        return asked
    if len(says) > 1:
        raise _undecided(path, found, f"the evidence about {what} contradicts itself")
    return next(iter(says), None)


def _doubt(one_based: bool) -> str:
    here, there = ("1", "0") if one_based else ("0", "1")
    why = "as Label3D and DANNCE write it" if one_based else "as OpenCV counts, since K or r stands as OpenCV writes it"
    other = (
        "scripts that export OpenCV's calibration often add no 1 to cx and cy"
        if one_based
        else "some scripts add 1 to cx and cy"
    )
    return (
        f"the principal point is {here}-based, {why}; nothing beside the rig shows it, and {other}. If so, every view "
        f'is off by 1 px in x and y: set [rig] variant = "{there}-based" ("{here}-based" settles it as it is)'
    )


def _undecided(path: Path, words: Sequence[str], reason: str) -> CalibrationError:
    return CalibrationError(
        f"{path}: how this DANNCE rig is to be read is in doubt: {reason}. {' '.join(words)} {_HOW}"
    )
