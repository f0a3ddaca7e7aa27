"""Backends reach the same optimum and mean the same by their tolerance."""

import numpy as np
import pytest
from scipy.optimize import minimize

from convexnn import ConvexReLURegressor
from convexnn.data.datasets import make_relu_teacher

BACKENDS = {
    "relu": ("active_set", "newton", "interior_point", "fista", "osqp", "cvxpy"),
    "gated_relu": ("newton", "fista", "osqp", "cvxpy"),
}


def random_problem(seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(15, 40)), int(rng.integers(2, 5))
    return make_relu_teacher(n, d, noise=0.2, random_state=seed)


def fit_all(activation, seed, **parameters):
    X, y = random_problem(seed)
    model = ConvexReLURegressor(
        activation=activation,
        cells="sampled",
        n_cells=12,
        random_state=seed,
        **parameters,
    )
    beta = model.set_params(beta_ratio=2.0).fit(X, y).beta_max_ * 10.0 ** -(
        1 + seed % 2
    )
    return X, {
        solver: ConvexReLURegressor(**model.get_params() | {"solver": solver})
        .set_params(beta=beta)
        .fit(X, y)
        for solver in BACKENDS[activation]
    }


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
@pytest.mark.parametrize("seed", range(10))
def test_backends_agree(activation, seed):
    _, models = fit_all(activation, seed, tol=2e-5, fit_intercept=bool(seed % 3))
    objectives = [model.objective_ for model in models.values()]
    assert max(objectives) <= min(objectives) * (1 + 1e-4)
    for model in models.values():
        assert model.certificate_.relative_gap <= 2e-5
        assert model.certificate_.dual <= min(objectives)


@pytest.mark.parametrize("solver", BACKENDS["relu"])
def test_loose_tolerance_is_kept_by_every_backend(solver):
    X, y = random_problem(3)
    model = ConvexReLURegressor(
        beta=0.1,
        solver=solver,
        tol=0.05,
        cells="sampled",
        n_cells=12,
        random_state=0,
    ).fit(X, y)
    assert model.certificate_.relative_gap <= 0.05


@pytest.mark.parametrize("solver", BACKENDS["relu"])
def test_units_lie_in_their_cells(solver):
    X, y = random_problem(4)
    gates = np.random.default_rng(0).standard_normal((X.shape[1], 15))
    model = ConvexReLURegressor(
        beta=0.05, solver=solver, cells=gates, fit_intercept=False
    ).fit(X, y)
    values = X @ model.coefs_[0]
    patterns = X @ gates >= 0
    side = np.where(patterns, 1.0, -1.0)
    scale = np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(model.coefs_[0], axis=0)
    for unit in range(model.n_neurons_):
        violation = np.maximum(-side * (values / scale)[:, [unit]], 0).max(axis=0)
        assert violation.min() <= 1e-9


def test_cvxpy_takes_another_conic_solver():
    X, y = random_problem(5)
    parameters = {"beta": 0.3, "n_cells": 10, "random_state": 0}
    clarabel = ConvexReLURegressor(solver="cvxpy", **parameters).fit(X, y)
    scs = ConvexReLURegressor(
        solver="cvxpy", solver_options={"solver": "SCS"}, **parameters
    ).fit(X, y)
    assert scs.objective_ == pytest.approx(clarabel.objective_, rel=1e-3)


def lbfgs_network(X, y, beta, n_units, rng):
    """Train a plain network by L-BFGS and return its objective."""
    d = X.shape[1]

    def objective(flat):
        W, a = flat[: d * n_units].reshape(d, n_units), flat[d * n_units :]
        hidden = np.maximum(X @ W, 0)
        residual = hidden @ a - y
        value = 0.5 * residual @ residual + 0.5 * beta * flat @ flat
        inner = (hidden > 0) * np.outer(residual, a)
        gradient = np.concatenate([(X.T @ inner).ravel(), hidden.T @ residual])
        return value, gradient + beta * flat

    start = rng.standard_normal((d + 1) * n_units)
    return minimize(objective, start, jac=True, method="L-BFGS-B").fun


@pytest.mark.parametrize(("n", "d"), [(12, 2), (8, 3)])
def test_no_local_descent_beats_the_optimum_over_all_cells(n, d):
    rng = np.random.default_rng(n)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    model = ConvexReLURegressor(
        beta=0.1, cells="all", fit_intercept=False, tol=1e-6
    ).fit(X, y)
    found = min(lbfgs_network(X, y, 0.1, 12, rng) for _ in range(200))
    assert model.certificate_.scope == "all"
    assert found >= model.certificate_.dual
    assert found >= model.objective_ - model.certificate_.gap
    assert found <= model.objective_ * 1.05


@pytest.mark.parametrize("beta", [1e-5, 1e-7, 1e-8])
def test_tiny_penalties_are_solved_by_the_interior_point_method(beta):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12, 3)), rng.standard_normal(12)
    model = ConvexReLURegressor(
        beta=beta, solver="interior_point", n_cells=8, tol=1e-3, random_state=0
    )
    with pytest.warns(UserWarning, match=r"beta=\S+ is below 1e-05 of beta_max="):
        model.fit(X, y)
    assert model.certificate_.relative_gap <= model.tol
    assert model.score(X, y) > 1 - 1e-6


@pytest.mark.parametrize("share", [0.1, 0.01, 0.001])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_newton_reaches_a_millionth(activation, share, fit_intercept):
    X, y = make_relu_teacher(120, 6, noise=0.5, random_state=1)
    weights = np.random.default_rng(1).uniform(0.2, 3.0, len(y))
    model = ConvexReLURegressor(
        activation=activation, solver="newton", n_cells=60,
        fit_intercept=fit_intercept, tol=1e-6, random_state=0,
    )  # fmt: skip
    largest = model.set_params(beta_ratio=2.0).fit(X, y, weights).beta_max_
    model.set_params(beta=share * largest).fit(X, y, weights)
    assert model.certificate_.relative_gap <= 1e-6
    assert model.n_iter_ < 200


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_newton_starts_from_the_point_it_is_given(activation):
    X, y = make_relu_teacher(120, 6, noise=0.5, random_state=1)
    model = ConvexReLURegressor(
        beta=1.0,
        activation=activation,
        solver="newton",
        tol=1e-6,
        warm_start=True,
        random_state=0,
    ).fit(X, y)
    first = model.n_iter_
    assert model.fit(X, y).n_iter_ < 0.5 * first
