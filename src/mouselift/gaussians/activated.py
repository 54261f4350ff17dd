"""Are the numbers of a `.ply` logits and logarithms, or opacities and lengths already?

Viewers expect logits of opacities and natural logarithms of scales. Some exporters write what comes after the
activations: opacities 0..1, standard deviations above zero. No header says which; the numbers do, mostly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np

from mouselift.errors import DatasetError

Activated = Literal["none", "opacities", "scales", "both"]  # which numbers of a file are activated

_FEW = 10  # Gaussians, below which one kind of number alone says nothing
# as logits, all opacities between 0.50 and 0.73; equal ones (a fit's first step) are left alone
_SPREAD = 0.1
_LEVELS = 20.0  # median: as a logit, an opacity of 1 to the last digit of float32; as f_dc, six times white
_SMALL = 0.1  # as logarithms, all sizes between 1 and 1.1 world units
_NEAR_ZERO = 0.01  # lowest by highest scale: lengths crowd above zero, logarithms pass it
_SKEWED = 1.0  # skewness: lengths spread by factors (log-normal with a spread of 0.5: 1.7), logarithms evenly (0)


def seemingly_activated(opacities: np.ndarray, scales: np.ndarray, positions: np.ndarray) -> Activated:
    """Which of finite numbers ([n], [n, 3], [n, 3]) look activated.

    Opacities all in 0..1 together with scales all positive: both. One alone: only where its reading as a logit or a
    logarithm would be strange, too. Scales: because the median Gaussian would be as large as the whole cloud, because
    all would be of one size, because they crowd above zero, or because they are skewed as lengths are.
    """
    n = len(opacities)
    within = n > 0 and bool(((opacities >= 0) & (opacities <= 1)).all() and opacities.any())
    positive = n > 0 and bool((scales > 0).all())
    if within and positive:
        return "both"
    if n < _FEW:
        return "none"
    if within and np.ptp(opacities) > _SPREAD:
        return "opacities"
    if positive:
        away = np.linalg.norm(positions - np.median(positions, axis=0), axis=1)
        cloud = 2 * float(np.quantile(away, 0.9))
        as_logarithm = float(np.exp(min(float(np.median(np.median(scales, axis=1))), 700.0)))
        low, high = float(scales.min()), float(scales.max())
        off = scales.astype(np.float64) - scales.mean(dtype=np.float64)
        skewed = float((off**3).mean()) > _SKEWED * float((off**2).mean()) ** 1.5 > 0
        if as_logarithm > cloud or high < _SMALL or low < _NEAR_ZERO * high or skewed:
            return "scales"
    return "none"


def check_levels(path: Path, opacities: np.ndarray, dc: np.ndarray) -> None:
    """DatasetError where finite numbers ([n], [n, 3]) are levels of bytes or per cent: floats of 0 to 255 or 100."""
    for name, values, remedy in (
        ("opacities", opacities, "divide them by their highest possible value and say --activated opacities"),
        ("f_dc", dc, "write (colour / 255 - 0.5) / 0.28209, or colours as bytes red, green, blue"),
    ):
        if len(values) >= _FEW and float(values.min()) >= 0 and float(np.median(values)) > _LEVELS:
            raise DatasetError(
                f"{path}: {name} from {values.min():.3g} to {values.max():.3g} look like levels of bytes or per cent: "
                f"{remedy}; if they are what viewers expect, --activated none"
            )


def check_activated(path: Path, opacities: np.ndarray, scales: np.ndarray, positions: np.ndarray) -> None:
    """DatasetError, with both readings, where finite numbers of a file look activated."""
    found = seemingly_activated(opacities, scales, positions)
    if found == "none":
        return
    said = []
    if found in ("opacities", "both"):
        said.append(f"opacities all lie in 0..1 ({opacities.min():.3g} to {opacities.max():.3g})")
    if found in ("scales", "both"):
        said.append(f"scales are all positive ({scales.min():.3g} to {scales.max():.3g})")
    raise DatasetError(
        f"{path}: expected logits of opacities and natural logarithms of scales, but {' and '.join(said)}: these look "
        f"like activated values. If they are, say --activated {found} (in Python: activated={found!r}); if they are "
        "logits and logarithms, --activated none"
    )


def deactivated(activated: Activated, opacities: np.ndarray, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and logarithms. NaN for what no opacity or length is; opacities of 0 and 1 are held to 1e-7 from there."""
    if activated not in get_args(Activated):
        raise DatasetError(f"activated: expected one of {', '.join(get_args(Activated))}, got {activated!r}")
    with np.errstate(divide="ignore", invalid="ignore"):
        if activated in ("opacities", "both"):
            opacities = opacities.astype(np.float64)
            inside = np.where((opacities >= 0) & (opacities <= 1), opacities.clip(1e-7, 1 - 1e-7), np.nan)
            opacities = np.log(inside / (1 - inside)).astype(np.float32)
        if activated in ("scales", "both"):
            scales = np.log(np.where(scales > 0, scales, np.nan)).astype(np.float32)
    return opacities, scales
