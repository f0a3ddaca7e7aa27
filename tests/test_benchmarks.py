"""The benchmarks judge every competitor by the objective that convexnn minimises."""

from pathlib import Path

import numpy as np
import pytest

from convexnn import ConvexReLURegressor
from convexnn.cells import activation_patterns

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
BETA = 2.0


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    return X, np.maximum(X[:, 0], 0) - X[:, 1] + 0.1 * rng.standard_normal(40)


@pytest.fixture
def gates():
    return np.random.default_rng(1).standard_normal((4, 6))


@pytest.fixture
def recompute(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return pytest.importorskip("recompute")


def units(model):
    return {
        "hidden": model.coefs_[0],
        "bias": model.intercepts_[0],
        "output": model.coefs_[1][:, 0],
        "intercept": model.intercepts_[1][0],
    }


def test_objective_of_units_is_the_estimators(recompute, data, gates):
    model = ConvexReLURegressor(beta=BETA, cells=gates).fit(*data)
    found = recompute.relu_objective(units(model), *data, BETA)
    assert found == pytest.approx(model.objective_, rel=1e-10)
    assert recompute.count_units(units(model)) == model.n_neurons_ > 0


def test_objective_of_gated_blocks_is_the_estimators(recompute, data, gates):
    model = ConvexReLURegressor(
        beta=BETA, cells=gates, activation="gated_relu", tol=1e-8
    ).fit(*data)
    inputs = np.column_stack([data[0], np.ones(40)])
    patterns = activation_patterns(inputs, model.gates_)
    hidden = np.vstack([model.coefs_[0], model.intercepts_[0]])
    network = {"positive": hidden * model.coefs_[1][:, 0]}
    network["intercept"] = model.intercepts_[1][0]
    found = recompute.cell_objective(network, *data, BETA, patterns)
    assert found == pytest.approx(model.objective_, rel=1e-10)


def test_blocks_in_their_cones_have_one_objective(recompute, data, gates):
    X, y = data
    inputs = np.column_stack([X, np.ones(40)])
    patterns = activation_patterns(inputs, gates)
    network = {"positive": gates, "negative": 0.5 * gates, "intercept": 0.3}
    assert recompute.violation(network, X, patterns) == 0
    assert recompute.cell_objective(network, X, y, BETA, patterns) == pytest.approx(
        recompute.relu_objective(network, X, y, BETA), rel=1e-12
    )
    assert recompute.violation(network, X, ~patterns) == pytest.approx(1.0)


def test_time_counts_only_down_to_the_final_network(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    tables = pytest.importorskip("two_layer_tables")
    run = {"objective": 2.0, "seconds": 5.0}
    curve = [(1.0, 4.0), (2.0, 1.5)]
    assert tables.time_to(run, curve, 3.0) == 2.0
    assert tables.time_to(run, curve, 1.9) == float("inf")
    assert tables.time_to(run, [], 2.0) == 5.0
