"""Points of weights are the networks, whatever is done to the order of their units."""

import numpy as np
import pytest

from convexnn import ConvexCNNRegressor, ConvexReLURegressor
from convexnn.networks.network import ReLUNetwork
from convexnn.networks.points import as_point, matched
from convexnn.networks.three_layer import ThreeLayerNetwork


def three_layers(seed, n_subnetworks=3, bias=True):
    rng = np.random.default_rng(seed)
    subnetworks = [
        (0.4 * rng.standard_normal((4, 5)) / 5, rng.standard_normal(5), number)
        for number in rng.standard_normal(n_subnetworks)
    ]
    return ThreeLayerNetwork(subnetworks, 0.7 * bias, bias)


def two_layers(seed, width=6):
    rng = np.random.default_rng(seed)
    hidden, bias, output = (rng.standard_normal(s) for s in ((3, width), width, width))
    return ReLUNetwork(hidden, bias, output, 0.3)


@pytest.fixture
def inputs():
    return np.random.default_rng(0).standard_normal((20, 3))


@pytest.mark.parametrize("draw", [three_layers, two_layers])
def test_a_point_is_its_network(draw, inputs):
    network = draw(0)
    point = as_point(network)
    again = point.at(point.vector()).network()
    np.testing.assert_allclose(
        again.predict(inputs), network.predict(inputs), rtol=1e-13
    )
    assert again.penalty() == pytest.approx(network.penalty(), rel=1e-13)


def test_long_first_layers_are_scaled_to_the_constraint():
    (W1, w2, w3), *_ = three_layers(0).subnetworks
    point = as_point([(7 * W1[:3] / np.linalg.norm(W1[:3]), w2, w3)])
    np.testing.assert_allclose(
        np.linalg.norm(point.network().subnetworks[0][0]), 1.0, rtol=1e-14
    )
    short = as_point([(0.1 * W1[:3], w2, w3)]).network()
    np.testing.assert_array_equal(short.subnetworks[0][0], 0.1 * W1[:3])


@pytest.mark.parametrize("draw", [three_layers, two_layers])
def test_directions_have_the_norms_of_the_filters(draw):
    point = as_point(draw(0))
    drawn = point.at(point.draw_direction(np.random.RandomState(0)))
    for layer, direction in zip(point.layers[:-1], drawn.layers[:-1], strict=True):
        np.testing.assert_allclose(
            np.linalg.norm(direction, axis=0), np.linalg.norm(layer, axis=0), rtol=1e-13
        )
    assert drawn.layers[-1] == 0


def test_zero_units_do_not_move():
    point = as_point(two_layers(0)).widened(9)
    drawn = point.at(point.draw_direction(np.random.RandomState(0)))
    assert not drawn.layers[0][:, 6:].any()
    assert drawn.layers[0][:, :6].all()


@pytest.mark.parametrize("draw", [three_layers, two_layers])
def test_matching_undoes_a_shuffle(draw):
    network, rng = draw(0), np.random.default_rng(1)
    if draw is two_layers:
        order = rng.permutation(6)
        shuffled = ReLUNetwork(
            network.hidden[:, order],
            *(network.hidden_bias[order], network.output[order]),
            network.output_bias,
        )
    else:
        units = [rng.permutation(5) for _ in range(3)]
        shuffled = ThreeLayerNetwork(
            [
                (W1[:, j], w2[j], w3)
                for (W1, w2, w3), j in zip(network.subnetworks, units, strict=True)
            ][::-1],
            *(network.intercept, True),
        )
    one, other = as_point(network), as_point(shuffled)
    assert not np.array_equal(one.vector(), other.vector())
    found = matched([one, other])
    np.testing.assert_array_equal(found[1].vector(), one.vector())


@pytest.mark.parametrize(("draw", "width"), [(three_layers, 2), (two_layers, 4)])
def test_matching_keeps_networks_and_shortens_distances(draw, width, inputs):
    points = [as_point(draw(0)), as_point(draw(1)), as_point(draw(2, width))]
    found = matched(points)
    for point, other in zip(points, found, strict=True):
        assert other.width == points[0].width
        np.testing.assert_allclose(
            other.network().predict(inputs), point.network().predict(inputs), rtol=1e-12
        )
    before, after = (
        np.linalg.norm(pair[1].vector() - pair[0].vector()) for pair in (points, found)
    )
    assert after < before


def test_other_weights_are_refused(inputs):
    y = inputs[:, 0]
    gated = ConvexReLURegressor(activation="gated_relu", n_cells=5, random_state=0)
    shared = ConvexCNNRegressor(filter_shape=3, random_state=0)
    for model in (gated, shared):
        with pytest.raises(ValueError, match=f"got {type(model).__name__}"):
            as_point(model.fit(inputs, y))
    with pytest.raises(ValueError, match="must have a unit"):
        as_point(ThreeLayerNetwork([], 0.0, False))
    with pytest.raises(ValueError, match="same number of layers, features and units"):
        matched([as_point(three_layers(0)), as_point(two_layers(0))])
    with pytest.raises(ValueError, match="all biases or none"):
        matched([as_point(three_layers(0)), as_point(three_layers(0, bias=False))])
