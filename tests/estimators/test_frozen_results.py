"""Frozen results: a change here is a change of what users get, and needs a reason."""

import numpy as np
import pytest
from problems import standardised
from sklearn.datasets import load_diabetes

from convexnn import ConvexReLURegressor


@pytest.fixture(scope="module")
def diabetes():
    return standardised(load_diabetes)


#: Optima over the cells of random_state 0, computed by cvxpy and Clarabel.
OPTIMA = {"relu": 126.078444, "gated_relu": 105.268463}


@pytest.mark.parametrize("activation", OPTIMA)
def test_objective_on_diabetes(diabetes, activation):
    model = ConvexReLURegressor(
        beta=10.0,
        activation=activation,
        cells="sampled",
        n_cells=20,
        tol=1e-5,
        random_state=0,
    ).fit(*diabetes)
    assert model.objective_ == pytest.approx(OPTIMA[activation], rel=2e-5)
    assert model.certificate_.dual <= OPTIMA[activation] * (1 + 1e-8)


def test_gates_of_a_random_state(diabetes):
    model = ConvexReLURegressor(
        beta=10.0, activation="gated_relu", n_cells=4, random_state=0
    ).fit(*diabetes)
    first = np.random.RandomState(0).standard_normal((2, 11))
    expected = {tuple(gate) for gate in np.vstack([first, -first])}
    assert {tuple(gate) for gate in model.gates_.T} <= expected
