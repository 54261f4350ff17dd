"""The least-squares fit: exact on a line, unmoved by an outlier, honest about deviations."""

from __future__ import annotations

import numpy as np

from mouselift.diagnosis.least_squares import Solution, minimise, minimise_many

_AT = np.linspace(0.0, 1.0, 40)
_NONE = np.full(2, 1e-12)


def line(seen: np.ndarray, robust: float) -> Solution:
    J = np.stack([_AT, np.ones_like(_AT)], axis=1)
    return minimise(lambda x: (J @ x - seen, J), np.zeros(2), _NONE, np.zeros(2), robust)


def test_exact_line() -> None:
    np.testing.assert_allclose(line(3.0 * _AT - 1.0, np.inf).x, [3.0, -1.0], atol=1e-6)


def test_an_outlier_moves_the_plain_fit_and_not_the_robust_one() -> None:
    seen = 3.0 * _AT - 1.0
    seen[35] += 50.0
    assert abs(line(seen, np.inf).x[0] - 3.0) > 1.0
    np.testing.assert_allclose(line(seen, 0.5).x, [3.0, -1.0], atol=0.02)


def test_stated_deviations_cover_what_happens() -> None:
    rng, z = np.random.default_rng(0), []
    for _ in range(300):
        found = line(3.0 * _AT - 1.0 + 0.1 * rng.standard_normal(40), np.inf)
        spread = np.sqrt(np.diag(found.covariance([np.eye(40)], np.full(2, 1e5))))
        z.append((found.x - [3.0, -1.0]) / spread)
    assert 0.62 < (np.abs(np.array(z)) < 1).mean() < 0.74


def test_rows_that_share_an_error_count_once() -> None:
    """Every row stands four times: deviations stay those of forty rows, and are half where that is unsaid."""
    rng, z, blind = np.random.default_rng(1), [], []
    alike = np.kron(np.eye(40), np.ones((4, 4)))
    J = np.repeat(np.stack([_AT, np.ones_like(_AT)], axis=1), 4, axis=0)
    for _ in range(300):
        seen = np.repeat(3.0 * _AT - 1.0 + 0.1 * rng.standard_normal(40), 4)
        found = minimise(lambda x, seen=seen: (J @ x - seen, J), np.zeros(2), _NONE, np.zeros(2))
        for errors, into in ((alike, z), (np.eye(160), blind)):
            into.append((found.x - [3.0, -1.0]) / np.sqrt(np.diag(found.covariance([errors], np.full(2, 1e5)))))
    assert 0.62 < (np.abs(np.array(z)) < 1).mean() < 0.74
    assert (np.abs(np.array(blind)) < 1).mean() < 0.45


def test_the_prior_holds_what_the_data_do_not_determine() -> None:
    J = np.array([[1.0, 1.0]])
    found = minimise(lambda x: (J @ x - 2.0, J), np.zeros(2), np.full(2, 1e-6), np.zeros(2))
    np.testing.assert_allclose(found.x, [1.0, 1.0], atol=1e-3)


def test_a_wild_step_is_refused_without_a_warning() -> None:
    """From far away the first steps overflow exp; the suite turns warnings into errors."""

    def evaluate(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        e = np.exp(x)
        return e - 2.0, e[:, None]

    found = minimise(evaluate, np.array([-12.0]), np.zeros(1), np.zeros(1), steps=200)
    assert np.isfinite(found.x).all()
    np.testing.assert_allclose(found.x, np.log(2.0), atol=1e-6)


def test_a_place_without_finite_slopes_is_refused() -> None:
    """There residuals are small, but nothing says where to go from it."""

    def evaluate(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        far = abs(float(x[0])) > 3.0
        return np.array([0.0 if far else 10.0 - x[0]]), np.array([[np.inf if far else -1.0]])

    found = minimise(evaluate, np.zeros(1), np.zeros(1), np.zeros(1))
    assert np.isfinite(found.jacobian).all()
    assert abs(found.x[0]) <= 3.0


def test_many_at_once_are_each_as_alone() -> None:
    """exp(x t) to data of three rates: they arrive after different numbers of steps, each with its own damping."""
    t, rates = np.linspace(0.0, 1.0, 20), np.array([0.1, -2.0, 4.0])

    def evaluate(x: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        e = np.exp(x * t)
        return e - np.exp(rates[at, None] * t), (e * t)[:, :, None]

    start, prior, mean = np.zeros((3, 1)), np.full((3, 1), 1e-9), np.zeros((3, 1))
    together = minimise_many(evaluate, start, prior, mean, 0.5)
    np.testing.assert_allclose([found.x[0] for found in together], rates, atol=1e-6)
    for n, found in enumerate(together):
        alone = minimise_many(lambda x, _, n=n: evaluate(x, np.array([n])), start[:1], prior[:1], mean[:1], 0.5)[0]
        np.testing.assert_array_equal(found.x, alone.x)
        np.testing.assert_array_equal(found.residuals, alone.residuals)
        assert (found.cost, found.converged) == (alone.cost, alone.converged)
