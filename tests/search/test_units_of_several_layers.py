"""Climbs, descents and weights of units with two hidden layers."""

import numpy as np
import pytest

from convexnn.architectures import ParallelReLU, ReLU, Units
from convexnn.architectures.bounds import three_layer_price_bound
from convexnn.architectures.rectifiers import parabolic, rounded
from convexnn.programs.losses import LOSSES, SquaredLoss
from convexnn.search.climbing import maxima_at
from convexnn.search.coordinates import WhiteDirections
from convexnn.search.descent import Objective, descend
from convexnn.search.weighing import weighed

BETA = 0.1
ROUNDINGS = pytest.mark.parametrize("rectifier", [rounded, parabolic])


def problem(n=30, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = np.abs(X[:, 0]) - np.abs(X[:, 1]) + 0.1 * rng.standard_normal(n)
    return X, SquaredLoss(y, np.ones(n), intercept=False)


@ROUNDINGS
def test_roundings_approach_the_rectifier_from_above(rectifier):
    z = np.linspace(-2, 2, 41)
    value, slope = rectifier(z, np.full(41, 0.5))
    assert (value >= np.maximum(z, 0)).all()
    assert (value <= np.maximum(z, 0) + 0.25).all()
    ahead, behind = (rectifier(z + t, np.full(41, 0.5))[0] for t in (1e-6, -1e-6))
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, atol=1e-5)
    np.testing.assert_array_equal(rectifier(z)[0], np.maximum(z, 0))


@ROUNDINGS
@pytest.mark.parametrize("is_smoothed", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("architecture", [ParallelReLU(4), ReLU()])
def test_gradients_in_white_coordinates(
    architecture, n_outputs, is_smoothed, rectifier
):
    rng = np.random.default_rng(0)
    T = rng.standard_normal((3, 3))
    X = rng.standard_normal((9, 3)) @ T
    white = WhiteDirections(architecture, T)
    directions, step = rng.standard_normal((2, architecture.n_entries(X), 5))
    v = rng.standard_normal((9, n_outputs)) if n_outputs > 1 else rng.standard_normal(9)
    widths = 0.3 * white.spread(X, directions) if is_smoothed else None
    settings = widths, rectifier
    values, gradients = white.correlate(X, v, directions, *settings)
    ahead, behind = (
        white.correlate(X, v, directions + t * step, *settings)[0]
        for t in (1e-6, -1e-6)
    )
    slopes = (ahead - behind) / 2e-6
    np.testing.assert_allclose((gradients * step).sum(axis=0), slopes, rtol=1e-5)
    if not is_smoothed:
        out = white.out(directions)
        original = maxima_at(architecture, X @ np.linalg.inv(T), v, out)
        np.testing.assert_allclose(np.abs(values), original.values, rtol=1e-9)
        np.testing.assert_allclose(white.into(out), directions)


def test_directions_stand_for_atoms_of_penalty_one():
    X, _ = problem(n=9, d=3)
    rng = np.random.default_rng(0)
    architecture = ParallelReLU(4)
    units = architecture.units_of(rng.standard_normal((16, 5)), np.ones(5))
    np.testing.assert_allclose(architecture.norms(units), 1)
    directions = architecture.directions(units)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1)
    v = rng.standard_normal(9)
    values, _ = architecture.correlate(X, v, directions)
    np.testing.assert_allclose(values, v @ architecture.atoms(X, units.hidden))
    assert np.abs(values).max() <= three_layer_price_bound(X, v)


def test_random_units_reach_the_output():
    X, loss = problem()
    X = X * [1e3, 1, 1, 1e-2] + [0, 5, 0, 0]
    architecture = ParallelReLU(3)
    units = architecture.random_units(X, loss, BETA, 200, np.random.RandomState(0))
    first, second = architecture.layers(units.hidden)
    values = np.maximum(np.einsum("id,djk->ijk", X, first), 0)
    hidden = np.linalg.norm(np.einsum("ijk,jk->ik", values, second), axis=0)
    atoms = architecture.atoms(X, units.hidden)
    assert (np.linalg.norm(atoms, axis=0) > 0.2 * hidden).all()


def test_descent_on_features_of_very_different_scales():
    X, loss = problem()
    X, architecture = X * [1e4, 1e2, 1, 1e-2], ParallelReLU(3)
    units = architecture.random_units(X, loss, 1e-3, 30, np.random.RandomState(0))
    for width in (0.1, 0.01, 0.001, 0.0):
        units = descend(architecture, X, loss, 1e-3, units, width=width, n_steps=300)
    # Weights on the large features cost next to nothing.
    value = architecture.value(X, loss, 1e-3, units)
    assert value < 0.02 * loss.value(np.zeros(30))


@pytest.mark.parametrize("loss", ["squared", "multinomial"])
@pytest.mark.parametrize("width", [0.0, 0.1])
def test_objectives_have_their_gradients_and_are_those_of_balanced_units(loss, width):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 3)) * [1.0, 30.0, 1.0]
    y = np.eye(3)[rng.integers(0, 3, 20)]
    loss = LOSSES[loss](y, rng.uniform(0.5, 2, 20), intercept=True)
    architecture = ParallelReLU(2)
    units = architecture.random_units(X, loss, 0.3, 6, np.random.RandomState(0))
    objective = Objective(architecture, X, loss, 0.3, units, is_exact=True)
    objective.smooth(X, width)
    flat = objective.start
    if width == 0:
        expected = architecture.value(X, loss, 0.3, units)
        assert objective(flat)[0] == pytest.approx(expected, rel=1e-9)
        np.testing.assert_allclose(objective.units(flat).hidden, units.hidden)
    flat = flat * rng.uniform(0.5, 1.5, flat.size)
    along = rng.standard_normal(flat.size) * np.abs(flat)
    slope = objective(flat)[1] @ along
    ahead, behind = (objective(flat + t * along)[0] for t in (1e-6, -1e-6))
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-4, abs=1e-6)
    heads = objective.units(flat).output
    np.testing.assert_allclose(np.linalg.norm(heads, axis=1), 1.0)


@pytest.mark.parametrize("architecture", [ReLU(), ParallelReLU(3)])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_weighing_is_no_worse_than_what_is_known_and_optimal(architecture, n_outputs):
    X, loss = problem()
    rng = np.random.default_rng(1)
    if n_outputs > 1:
        y = np.column_stack([loss.y, loss.y[::-1]])
        loss = SquaredLoss(y, np.ones(30), intercept=True)
    units = architecture.random_units(X, loss, BETA, 20, np.random.RandomState(0))
    about = X, loss, BETA
    found = weighed(architecture, *about, units, 20)
    value = architecture.value(*about, found)
    assert value < architecture.value(*about, units)
    for _ in range(20):
        factors = np.maximum(1 + 0.1 * rng.standard_normal(len(found)), 0)
        other = architecture.scaled(found, factors)
        assert architecture.value(*about, other) >= value * (1 - 1e-9)
    nothing = weighed(architecture, *about, units.take(slice(0)), 0)
    assert len(nothing) == 0


def test_units_of_zero_are_left_out():
    architecture = ParallelReLU(2)
    units = Units(np.zeros((8, 3)), np.ones(3))
    assert len(architecture.balanced(units)) == 0
    assert len(architecture.none(np.ones((4, 3)), np.ones((4, 2)))) == 0
