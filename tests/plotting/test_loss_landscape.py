"""The landscape shows the objective that training minimises."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexnn import (
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    ThreeLayerConvexRegressor,
)
from convexnn.networks.network import ReLUNetwork
from convexnn.networks.points import as_point
from convexnn.networks.three_layer import ThreeLayerNetwork
from convexnn.plotting import LossLandscapeDisplay

SMALL = {"n_points": 7, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).standard_normal((30, 2))
    return X, np.maximum(np.abs(X[:, 0]) - np.abs(X[:, 1]), 0)


@pytest.fixture(scope="module")
def three(data):
    return {
        f"fit {seed}": ThreeLayerConvexRegressor(
            3, cells="sampled", n_cells=6, max_neurons=2, random_state=seed, tol=0.9
        ).fit(*data)
        for seed in range(3)
    }


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("estimator", [ConvexReLURegressor, ThreeLayerConvexRegressor])
def test_the_centre_is_the_fitted_network(data, estimator, bias):
    X, y = data
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    model = estimator(
        beta=0.3, cells="sampled", n_cells=8, fit_intercept=bias, random_state=0
    ).fit(X, y, sample_weight=weights)
    display = LossLandscapeDisplay.from_estimator(
        *(model, X, y), sample_weight=weights, extent=0.5, title="centre", **SMALL
    )
    assert display.values[3, 3] == pytest.approx(model.objective_, rel=1e-9)
    np.testing.assert_allclose(display.first, np.linspace(-0.5, 0.5, 7), atol=1e-15)
    assert display.values.max() > model.objective_
    assert display.ax_.get_title() == "centre"
    assert display.figure_ is display.ax_.figure


def test_the_optimum_is_the_lowest_of_any_plane(data):
    model = ThreeLayerConvexRegressor(3, tol=1e-5, random_state=0).fit(*data)
    for seed in range(5):
        display = LossLandscapeDisplay.from_estimator(
            model, *data, extent=0.3, n_points=9, random_state=seed
        )
        assert display.values.min() >= model.certificate_.dual * (1 - 1e-9)
        np.testing.assert_array_equal(display.minima, [[0.0, 0.0]])


def test_planes_repeat_and_depend_on_the_random_state(data):
    model = ThreeLayerConvexRegressor(3, cells="sampled", n_cells=6, random_state=0)
    model.fit(*data)
    values = [
        LossLandscapeDisplay.from_estimator(
            model, *data, n_points=5, random_state=seed
        ).values
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.allclose(values[0], values[2])


def test_pipelines_and_searches_are_taken(data):
    model = ConvexReLURegressorCV(betas=[0.5, 1.0], cv=2, n_cells=6, random_state=0)
    pipeline = make_pipeline(StandardScaler(), model).fit(*data)
    display = LossLandscapeDisplay.from_estimator(pipeline, *data, **SMALL)
    assert display.values[3, 3] == pytest.approx(model.objective_, rel=1e-9)


@pytest.fixture
def triangle():
    """Networks of one unit, the third of which is nearer to the first."""
    weights = {"a": (1.0, 0.0, 1.0), "b": (-1.0, 0.2, 1.0), "c": (0.5, 1.0, 0.7)}
    return {
        name: ReLUNetwork(np.array([[u], [v]]), np.zeros(1), np.array([w]), 0.1)
        for name, (u, v, w) in weights.items()
    }


def test_a_plane_through_networks_has_their_objectives(data, triangle):
    display = LossLandscapeDisplay.from_networks(
        triangle, *data, beta=0.1, margin=0.5, n_points=5
    )
    a, b, c = display.points.values()
    assert a == (0.0, 0.0)
    assert b == pytest.approx((np.sqrt(4.04), 0.0))
    assert 0 < c[0] < b[0]
    # Half a side beyond them, a grid of five has lines through the networks.
    np.testing.assert_allclose(display.first[[1, 3]], [a[0], b[0]], atol=1e-12)
    np.testing.assert_allclose(display.second[[1, 3]], [0.0, c[1]], atol=1e-12)
    found = display.values[1, [1, 3]]
    expected = [triangle[name].objective(*data, 0.1) for name in "ab"]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert {text.get_text() for text in display.ax_.texts} == set(triangle)


def test_walls_are_those_of_the_straight_lines(data, triangle):
    data = data[0], 2 * np.abs(data[0][:, 0])
    display = LossLandscapeDisplay.from_networks(triangle, *data, beta=0.1, n_points=3)
    points = {name: as_point(network) for name, network in triangle.items()}
    for (one, other), wall in display.walls.items():
        line = [
            points[one]
            .at((1 - t) * points[one].vector() + t * points[other].vector())
            .network()
            .objective(*data, 0.1)
            for t in np.linspace(0, 1, 65)
        ]
        assert wall == pytest.approx(max(line) - max(line[0], line[-1]), abs=1e-9)
    # The unit is nearly silent between a and b.
    assert display.walls["a", "b"] > 0.1
    assert len(display.walls) == 3


def test_the_order_of_units_makes_no_wall(data, three):
    model = three["fit 0"]
    shuffled = ThreeLayerNetwork(
        [(W1[:, ::-1], w2[::-1], w3) for W1, w2, w3 in model.subnetworks_[::-1]],
        *(model.intercept_, True),
    )
    shifted = ThreeLayerNetwork(shuffled.subnetworks, model.intercept_ + 0.5, True)
    networks = {"fit": model, "other": three["fit 1"], "shifted": shifted}
    display = LossLandscapeDisplay.from_networks(networks, *data, beta=0.1, n_points=3)
    assert np.hypot(*display.points["shifted"]) == pytest.approx(0.5)
    assert display.walls["fit", "shifted"] == pytest.approx(0.0, abs=1e-12)


def test_minima_and_curvature_of_known_surfaces():
    first, second = np.linspace(-2, 2, 41), np.linspace(-1, 1, 21)
    x, y = np.meshgrid(first, second)
    bowl = LossLandscapeDisplay(first, second, 1 + (x - 0.5) ** 2 + x * y + 2 * y**2)
    assert bowl.nonconvex_share == 0.0
    saddle = LossLandscapeDisplay(first, second, 10 + x**2 - y**2)
    assert saddle.nonconvex_share == 1.0
    assert not len(saddle.minima)
    wells = LossLandscapeDisplay(first, second, 1 + (x**2 - 1) ** 2 + y**2)
    np.testing.assert_allclose(wells.minima, [[-1.0, 0.0], [1.0, 0.0]], atol=1e-12)
    # It is concave in x where 3 x^2 < 1.
    assert wells.nonconvex_share == pytest.approx(1 / np.sqrt(3) / 2, abs=0.03)


def test_planes_share_their_colours(data):
    grid = np.arange(3.0)
    display = LossLandscapeDisplay(grid, grid, np.outer([1, 5, 50.0], [1, 2, 9]))
    display.plot(limits=(0.5, 1000.0), bar=False)
    assert display.contours_.get_clim() == (0.5, 1000.0)
    assert display.figure_.axes == [display.ax_]
    network = ReLUNetwork(np.ones((2, 1)), np.zeros(1), np.ones(1), 0.0)
    display = LossLandscapeDisplay.from_network(
        *(network, *data), beta=0.1, limits=(1.0, 9.0), bar=False, **SMALL
    )
    assert display.contours_.get_clim() == (1.0, 9.0)
    LossLandscapeDisplay(grid, grid, np.ones((3, 3))).plot().figure_.canvas.draw()


def test_bad_input_is_named(data, three):
    X, y = data
    model = next(iter(three.values()))
    with pytest.raises(NotFittedError):
        LossLandscapeDisplay.from_estimator(ThreeLayerConvexRegressor(), X, y)
    with pytest.raises(ValueError, match="got StandardScaler"):
        LossLandscapeDisplay.from_estimator(StandardScaler().fit(X), X, y)
    for change, message in (
        ({"extent": 0.0}, r"extent must be in \(0, inf\), got 0.0"),
        ({"extent": np.nan}, r"extent must be in \(0, inf\), got nan"),
        ({"n_points": 2}, "n_points must be an integer of at least 3, got 2"),
        ({"sample_weight": [1.0]}, r"sample_weight.shape == \(1,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            LossLandscapeDisplay.from_estimator(model, X, y, **change)
    with pytest.raises(ValueError, match=r"must have the 2 features .* got 1"):
        LossLandscapeDisplay.from_estimator(model, X[:, :1], y)
    with pytest.raises(ValueError, match="must be 3 by their names, got 1"):
        LossLandscapeDisplay.from_networks({"a": model}, X, y, beta=1.0)
    with pytest.raises(ValueError, match="must not lie on one line"):
        LossLandscapeDisplay.from_networks(dict.fromkeys("abc", model), X, y, beta=1.0)
    with pytest.raises(ValueError, match=r"beta must be in \(0, inf\), got -1"):
        LossLandscapeDisplay.from_networks(three, X, y, beta=-1)
    with pytest.raises(ValueError, match=r"got shape \(2, 2\) for \(2, 2\)"):
        LossLandscapeDisplay(np.arange(2), np.arange(2), np.ones((2, 2)))
    display = LossLandscapeDisplay(np.arange(3), np.arange(3), np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"positive and ascending, got \(2.0, 1.0\)"):
        display.plot(limits=(2.0, 1.0))
