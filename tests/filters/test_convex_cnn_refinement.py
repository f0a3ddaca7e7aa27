"""Least squares of one filter: descent, stationarity, and what has no slope."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from convexnn.data.patches import Patches, patch_grid
from convexnn.filters import refine_filter, scale_filter


def problem(n=40, k=3, p=4, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    patches = Patches(
        rng.standard_normal((n, k * p)), patch_grid(k * p, filter_shape=p)
    )
    w = rng.standard_normal(p)
    return patches, patches.pooled(w) + noise * rng.standard_normal(n), w


def loss(patches, y, w):
    return 0.5 * float(np.sum((patches.pooled(w) - y) ** 2))


@pytest.mark.parametrize("seed", range(10))
def test_loss_never_rises_and_ends_where_neighbours_are_hardly_lower(seed):
    patches, y, _ = problem(seed=seed)
    rng = np.random.default_rng(seed)
    start = rng.standard_normal(4)
    found = refine_filter(patches, y, start, max_iter=1000)
    assert found.is_converged
    assert found.loss == pytest.approx(loss(patches, y, found.w), rel=1e-12)
    scaled = loss(patches, y, scale_filter(patches, y, start))
    assert found.loss <= scaled <= loss(patches, y, start) + 1e-12
    for _ in range(100):
        near = found.w + 1e-4 * rng.standard_normal(4)
        # Kinks can hold a step that another direction would not feel.
        assert loss(patches, y, near) > found.loss * (1 - 1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_scipy_hardly_lowers_the_result(seed):
    patches, y, _ = problem(seed=seed)
    found = refine_filter(patches, y, np.ones(4), max_iter=1000)
    other = least_squares(lambda w: patches.pooled(w) - y, found.w)
    assert other.cost > found.loss * (1 - 1e-5)


def test_away_from_kinks_the_gradient_vanishes():
    n_smooth = 0
    for seed in range(10):
        patches, y, _ = problem(seed=seed)
        found = refine_filter(patches, y, np.ones(4), max_iter=1000)
        responses = patches.responses(found.w)
        if np.abs(responses).min() > 1e-3:
            n_smooth += 1
            rows = patches.combine(responses > 0)
            residual = patches.pooled(found.w) - y
            size = np.linalg.norm(rows) * np.linalg.norm(residual)
            assert np.abs(rows.T @ residual).max() < 1e-8 * size
    assert n_smooth > 3


def test_zero_residuals_are_reached_to_rounding():
    patches, y, w = problem(noise=0.0)
    found = refine_filter(patches, y, w + 0.1, max_iter=100)
    np.testing.assert_allclose(found.w, w, rtol=1e-13)
    assert found.n_iter < 20


def test_scaling_is_the_best_multiple():
    patches, y, w = problem()
    scaled = scale_filter(patches, y, 7 * w)
    for share in (0.99, 1.01):
        assert loss(patches, y, scaled) < loss(patches, y, share * scaled)
    np.testing.assert_array_equal(scale_filter(patches, -np.abs(y), w), w)


def test_filters_that_are_nowhere_active_stay():
    X = np.abs(np.random.default_rng(0).standard_normal((10, 3)))
    patches = Patches(X, patch_grid(3))
    start = -np.ones(3)
    found = refine_filter(patches, X.sum(axis=1), start, max_iter=100)
    np.testing.assert_array_equal(found.w, start)
    assert found.is_converged


def test_what_no_patch_sees_stays_as_it_is():
    patches, y, _ = problem()
    wide = np.insert(patches.X.reshape(40, 3, 4), 2, 0.0, axis=2).reshape(40, 15)
    unseen = Patches(wide, patch_grid(15, filter_shape=5))
    start = np.array([1.0, 1.0, 5.0, 1.0, 1.0])
    found = refine_filter(unseen, y, start, max_iter=1000)
    expected = refine_filter(patches, y, np.ones(4), max_iter=1000)
    assert found.loss == pytest.approx(expected.loss, rel=1e-9)
    assert found.w[2] == scale_filter(unseen, y, start)[2]


def test_an_early_end_is_told():
    patches, y, _ = problem()
    found = refine_filter(patches, y, np.ones(4), max_iter=1)
    assert not found.is_converged
    assert found.n_iter == 1
