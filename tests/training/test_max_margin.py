"""The network of largest margin: optimality, and what small penalties tend to."""

import cvxpy
import numpy as np
import pytest

from convexnn.data.samples import collect_samples
from convexnn.programs.cells import activation_patterns
from convexnn.solvers import select_backend
from convexnn.training.max_margin import max_margin_network
from convexnn.training.trainer import Trainer


@pytest.fixture(scope="module")
def data():
    """Four clouds at the corners of a square, labelled across."""
    rng = np.random.default_rng(0)
    corners = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
    X = 2 * np.repeat(corners, 6, axis=0) + 0.6 * rng.standard_normal((24, 2))
    return X, np.repeat([1.0, -1.0], 12), rng.standard_normal((3, 12))


@pytest.fixture(scope="module")
def found(data):
    return max_margin_network(*data)


@pytest.mark.parametrize("intercept", [True, False])
def test_agrees_with_the_program_as_the_talk_writes_it(data, intercept):
    X, y, gates = data
    gates = gates if intercept else gates[:2]
    inputs = np.column_stack([X, np.ones(24)]) if intercept else X
    output, norms, constraints = 0, 0, []
    for pattern in np.unique(activation_patterns(inputs, gates), axis=1).T:
        active = inputs * pattern[:, None]
        for sign in (1, -1):
            u = cvxpy.Variable(inputs.shape[1])
            output += sign * active @ u
            norms += cvxpy.norm(u)
            constraints.append(cvxpy.multiply(2.0 * pattern - 1, inputs @ u) >= 0)
    if intercept:
        output += cvxpy.Variable()
    constraints.append(cvxpy.multiply(y, output) >= 1)
    value = cvxpy.Problem(cvxpy.Minimize(norms), constraints).solve(solver="CLARABEL")
    found = max_margin_network(X, y, gates, fit_intercept=intercept)
    assert found.certificate.primal == pytest.approx(value, rel=1e-6)
    assert found.certificate.dual == pytest.approx(value, rel=1e-6)
    assert found.margin == pytest.approx(1 / value, rel=1e-6)
    assert 0.5 * found.network.penalty() == pytest.approx(value, rel=1e-6)


def test_conditions_of_optimality(data, found):
    X, y, _ = data
    margins = y * found.network.predict(X)
    assert margins.min() == pytest.approx(1, abs=1e-12)
    shares = found.multipliers
    assert (shares >= 0).all()
    assert shares @ y == pytest.approx(0, abs=1e-12)
    assert shares @ (margins - 1) == pytest.approx(0, abs=1e-5)
    # Each unit's normalised direction has the largest price, which is 1.
    inputs = np.column_stack([X, np.ones(24)])
    hidden = np.vstack([found.network.hidden, found.network.hidden_bias])
    units = np.maximum(inputs @ (hidden / np.linalg.norm(hidden, axis=0)), 0)
    prices = np.sign(found.network.output) * ((shares * y) @ units)
    assert prices == pytest.approx(np.ones(found.network.n_neurons), abs=1e-4)
    assert prices.max() <= 1 + 1e-9


def test_all_cells_bound_every_network(data):
    X, y, gates = data
    X, y = X[::2], y[::2]
    best = max_margin_network(X, y)
    assert best.certificate.scope == "all"
    some = max_margin_network(X, y, gates)
    assert best.certificate.primal < some.certificate.primal
    inputs = np.column_stack([X, np.ones(12)])
    w = np.random.default_rng(0).standard_normal((3, 2000))
    units = np.maximum(inputs @ (w / np.linalg.norm(w, axis=0)), 0)
    assert np.abs((best.multipliers * y) @ units).max() <= 1 + 1e-9


def largest_excess(beta, n, norm, gap):
    """Return how far the norm per margin may be above the least, as a share.

    With the least norm N of margin 1, the optimum under log loss is at most
    ``V = min_t n log(1 + exp(-t)) + beta t N``, and at least
    ``log(1 + exp(-m)) + beta * norm`` where m is its smallest margin.
    """
    t = np.linspace(1e-3, 100, 100_000)
    losses = np.log1p(np.exp(-t))
    value = (n * losses + beta * t * norm).min() / (1 - gap)
    return ((value - losses) / (beta * t * norm)).max() - 1


def test_small_penalties_tend_to_the_largest_margin(data, found):
    X, y, gates = data
    samples = collect_samples(X, y, loss="log_loss")
    backend = select_backend("auto", {"cones"})
    trainer = Trainer(samples, backend, loss="log_loss", cells=gates, tol=1e-3)
    goal = found.network.predict(X)
    goal /= np.linalg.norm(goal)
    start, excesses, bounds, angles = None, [], [], []
    for beta in (1.0, 0.1, 0.01, 0.001):
        trained = trainer.train(beta, start=start)
        start = trained.network
        output = start.predict(X)
        norm = 0.5 * start.penalty() / (y * output).min()
        excesses.append(norm / found.certificate.primal - 1)
        bounds.append(largest_excess(beta, 24, found.certificate.primal, trained.gap))
        angles.append(np.linalg.norm(output / np.linalg.norm(output) - goal))
    assert (np.array(excesses) >= -1e-6).all()
    assert (np.array(excesses) <= bounds).all()
    for falling in (excesses, bounds, angles):
        assert (np.diff(falling) < 0).all()
    assert excesses[-1] < 0.05
    assert angles[-1] < 0.1


def test_scaling_of_the_inputs(data):
    X, y, gates = data
    plain = max_margin_network(X, y, gates[:2], fit_intercept=False)
    large = max_margin_network(8 * X, y, gates[:2], fit_intercept=False)
    assert large.certificate.primal == plain.certificate.primal / 8
    assert large.multipliers.tolist() == (plain.multipliers / 8).tolist()


def test_labels_that_no_network_over_the_cells_separates(data):
    X, y, _ = data
    one = np.array([[0.0], [0.0], [1.0]])
    with pytest.raises(
        ValueError, match="y cannot be separated by networks over the 1"
    ):
        max_margin_network(X, y, one)
    again = np.concatenate([X, X[:1]]), np.append(y, -y[0])
    with pytest.raises(ValueError, match="y cannot be separated"):
        max_margin_network(*again, np.eye(3))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": np.ones(24)}, r"y must hold the labels -1 and 1.*got \[1.0\]"),
        ({"y": np.arange(24) % 2}, r"y must hold the labels -1 and 1.*\[0.0, 1.0\]"),
        (
            {"cells": "sampled"},
            "cells must be 'all' or an array of gates, got 'sampled'",
        ),
        (
            {"cells": np.ones((2, 3))},
            r"cells as an array.*\(3, n_gates\), got \(2, 3\)",
        ),
        ({"X": np.full((24, 2), np.nan)}, "NaN"),
        ({"y": np.ones(23)}, "inconsistent numbers of samples"),
    ],
)
def test_bad_input(data, changed, message):
    X, y, gates = data
    with pytest.raises(ValueError, match=message):
        max_margin_network(**{"X": X, "y": y, "cells": gates} | changed)
