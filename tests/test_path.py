"""Grids of penalties start where the network falls silent."""

import numpy as np
import pytest

from convexnn import ConvexReLURegressor
from convexnn.datasets import make_relu_teacher
from convexnn.path import beta_grid


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_grid_starts_at_beta_max_of_the_estimator(activation):
    X, y = make_relu_teacher(50, 3, random_state=0)
    common = {"activation": activation, "n_cells": 20, "random_state": 3}
    betas = beta_grid(X, y, n_betas=5, beta_min_ratio=1e-2, **common)
    model = ConvexReLURegressor(beta=betas[0] * 1.01, **common).fit(X, y)
    assert model.n_neurons_ == 0
    assert betas[0] == pytest.approx(model.beta_max_, rel=1e-12)
    np.testing.assert_allclose(betas[1:] / betas[:-1], 10**-0.5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_betas": 0}, "n_betas must be at least 1, got 0"),
        ({"beta_min_ratio": 0.0}, r"beta_min_ratio must be in \(0, 1\], got 0.0"),
        ({"activation": "tanh"}, "activation must be one of .* got 'tanh'"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    X, y = make_relu_teacher(10, 2, random_state=0)
    with pytest.raises(ValueError, match=message):
        beta_grid(X, y, **parameters)


def test_constant_targets_have_no_grid():
    X, y = make_relu_teacher(10, 2, random_state=0)
    with pytest.raises(ValueError, match="beta_max is 0"):
        beta_grid(X, np.full_like(y, 3.0), random_state=0)
