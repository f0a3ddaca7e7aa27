"""Networks of every kind and of several outputs compute what their formulas say."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from convexnn import ConvexReLURegressor, ThreeLayerConvexRegressor
from convexnn.networks.network import GatedReLUNetwork, ReLUNetwork
from convexnn.networks.reading import read_network
from convexnn.networks.three_layer import ThreeLayerNetwork

rng = np.random.default_rng(0)
X = rng.standard_normal((20, 3))
LAYERS = [
    (rng.standard_normal((4, 5)), rng.standard_normal(5), rng.standard_normal(2))
    for _ in range(3)
]
SEVERAL = ThreeLayerNetwork(LAYERS, np.array([0.3, -0.2]), True)


def columns_of(network):
    """Return a network for each output."""
    return [
        ThreeLayerNetwork([(W1, w2, w3[k]) for W1, w2, w3 in LAYERS], intercept, True)
        for k, intercept in enumerate(network.intercept)
    ]


def test_three_layers_of_several_outputs_are_networks_side_by_side():
    expected = np.column_stack([one.predict(X) for one in columns_of(SEVERAL)])
    np.testing.assert_allclose(SEVERAL.predict(X), expected, rtol=1e-13)
    assert SEVERAL.output.shape == (3, 2)
    squares = sum(np.sum(w2**2) + np.sum(w3**2) for _, w2, w3 in LAYERS)
    assert SEVERAL.penalty() == pytest.approx(squares, rel=1e-13)


@pytest.mark.parametrize("weights", [None, rng.uniform(1, 2, 20)])
def test_objectives_of_several_outputs_sum_squares_over_outputs(weights):
    y = rng.standard_normal((20, 2))
    first, bias, output = (rng.standard_normal(s) for s in ((3, 5), 5, (5, 2)))
    two_layers = ReLUNetwork(first, bias, output, np.array([0.5, 1.0]))
    sizes = np.ones(20) if weights is None else weights
    for network in (SEVERAL, two_layers):
        loss = 0.5 * np.sum(sizes[:, None] * (network.predict(X) - y) ** 2)
        expected = loss + 0.05 * network.penalty()
        assert network.objective(X, y, 0.1, weights) == pytest.approx(expected)


def test_a_network_without_sub_networks_is_its_intercept():
    empty = ThreeLayerNetwork([], np.array([1.0, 2.0]), True)
    np.testing.assert_array_equal(empty.predict(X), np.tile([1.0, 2.0], (20, 1)))
    assert (empty.n_neurons, empty.penalty(), empty.output.shape) == (0, 0.0, (0, 2))


def test_recovery_of_several_outputs_keeps_the_network_and_its_penalty():
    samples = SimpleNamespace(
        x_scale=2.0, y_scale=3.0, y_offset=np.array([1.0, 0.0]), has_bias=True
    )
    groups, inner, heads = SEVERAL.locate(samples)
    np.testing.assert_allclose(np.linalg.norm(heads, axis=1), 1.0, rtol=1e-14)
    offset = (SEVERAL.intercept - samples.y_offset) / samples.y_scale
    found = ThreeLayerNetwork.recover(groups, inner, heads, samples, offset)
    np.testing.assert_allclose(found.predict(X), SEVERAL.predict(X), rtol=1e-12)
    for W1, w2, w3 in found.subnetworks:
        assert np.linalg.norm(W1) == pytest.approx(1.0)
        assert np.linalg.norm(w2) == pytest.approx(np.linalg.norm(w3))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [ConvexReLURegressor, ThreeLayerConvexRegressor])
def test_estimators_are_read_with_their_biases(kind, bias):
    settings = {"cells": "sampled", "n_cells": 8, "random_state": 0}
    model = kind(beta=0.3, fit_intercept=bias, **settings).fit(X, np.abs(X[:, 0]))
    network, intercept = read_network(model, 3)
    np.testing.assert_array_equal(network.predict(X), model.predict(X))
    assert network.n_neurons > 0
    assert network.has_bias == bias
    assert (intercept is not None) == bias
    again, _ = read_network(network, 3)
    assert again is network


def test_arrays_are_read_by_their_rows():
    W1, w2, w3 = LAYERS[0][0], LAYERS[0][1], 0.7
    for weights in ((W1, w2), [(W1, w2, w3)]):
        with_bias, intercept = read_network(weights, 3)
        assert with_bias.has_bias
        assert intercept is None
        inputs = np.column_stack([X, np.ones(20)])
        without, _ = read_network(weights, 4)
        assert not without.has_bias
        np.testing.assert_allclose(
            with_bias.predict(X), without.predict(inputs), rtol=1e-12
        )


def test_what_is_no_network_of_one_output_is_refused():
    with pytest.raises(NotFittedError):
        read_network(ConvexReLURegressor())
    for weights in (3.0, "weights", X):
        with pytest.raises(ValueError, match=f"got {type(weights).__name__}"):
            read_network(weights)
    with pytest.raises(ValueError, match=r"ThreeLayerNetwork .* shape \(3, 2\)"):
        read_network(SEVERAL)
    gated = GatedReLUNetwork(X.T, np.zeros(20), X[:, 0], 0.0, X.T, np.zeros(20))
    with pytest.raises(ValueError, match="got a GatedReLUNetwork"):
        read_network(gated)
    weights = ReLUNetwork(X.T, np.zeros(20), X[:, 0], 0.0)
    with pytest.raises(ValueError, match="2 rows, or 3 with biases, got 4"):
        read_network(weights, 2)
