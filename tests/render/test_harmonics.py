"""Spherical harmonics against SciPy's complex ones; the sign convention is Condon-Shortley's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from mouselift.gaussians.files import SH_DC
from mouselift.render.base import colours_from, harmonics_at


def expected(directions: np.ndarray, degree: int) -> np.ndarray:
    theta, phi = np.arccos(directions[:, 2]), np.arctan2(directions[:, 1], directions[:, 0])
    columns = []
    for order in range(degree + 1):
        for m in range(-order, order + 1):
            y = sph_harm_y(order, abs(m), theta, phi)  # Condon-Shortley phase included
            columns.append(y.real if m == 0 else np.sqrt(2) * (y.imag if m < 0 else y.real))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_like_scipy(degree: int) -> None:
    d = np.random.default_rng(0).normal(size=(50, 3))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    np.testing.assert_allclose(harmonics_at(torch.tensor(d), degree).numpy(), expected(d, degree), atol=1e-13)


def test_degree_4_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 3, got 4"):
        harmonics_at(torch.zeros(1, 3), 4)


def test_colours_are_clamped_below_only() -> None:
    harmonics = torch.tensor([[[-5.0, 0.0, 5.0]]])
    colours = colours_from(harmonics, torch.zeros(1, 3), torch.ones(3))
    assert torch.allclose(colours, torch.tensor([[0.0, 0.5, 0.5 + 5 * SH_DC]]))


def test_colours_depend_on_the_side() -> None:
    harmonics = torch.zeros(1, 4, 3)
    harmonics[0, 3] = 1.0  # -x
    left = colours_from(harmonics, torch.zeros(1, 3), torch.tensor([-2.0, 0.0, 0.0]))  # looks along +x
    right = colours_from(harmonics, torch.zeros(1, 3), torch.tensor([2.0, 0.0, 0.0]))
    assert float(left[0, 0]) < 0.5 < float(right[0, 0])
