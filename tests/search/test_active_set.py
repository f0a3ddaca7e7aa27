"""The search over all cells: below sampled cells, honest about what it knows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convexnn import ConvexReLURegressor
from convexnn.architectures import ReLU, Units
from convexnn.architectures.bounds import relu_price_bound
from convexnn.architectures.whitening import whitening
from convexnn.data.datasets import load_shipped, make_relu_teacher
from convexnn.programs.cells import enumerate_cells
from convexnn.programs.certificate import price_groups
from convexnn.programs.losses import SquaredLoss
from convexnn.search.climbing import (
    PLAIN,
    SMOOTHED,
    climb,
    distinct,
    draw_starts,
    maxima_at,
)
from convexnn.search.descent import descend

SEARCH = {"solver": "active_set", "tol": 1e-3, "random_state": 0}


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_shipped("diabetes")
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, (y - y.mean()) / y.std()


def test_ends_far_below_sampled_cells(diabetes):
    found = ConvexReLURegressor(beta=10.0, **SEARCH).fit(*diabetes)
    sampled = ConvexReLURegressor(beta=10.0, cells="sampled", random_state=0)
    sampled.fit(*diabetes)
    assert sampled.certificate_.scope == "cells"
    assert found.objective_ < 0.95 * sampled.certificate_.dual


def test_certificate_says_what_it_is(diabetes):
    model = ConvexReLURegressor(beta=30.0, **SEARCH).fit(*diabetes)
    certificate = model.certificate_
    assert certificate.scope == "search"
    assert certificate.is_estimate
    assert certificate.n_starts == 256
    assert 0 < certificate.bound < certificate.dual <= certificate.primal
    assert certificate.relative_gap <= model.tol
    assert "estimate from 256 starts" in repr(certificate)


def test_objective_is_the_networks_own(diabetes):
    X, y = diabetes
    model = ConvexReLURegressor(beta=30.0, **SEARCH).fit(X, y)
    squares = sum(np.sum(w**2) for w in [*model.coefs_, model.intercepts_[0]])
    expected = 0.5 * np.sum((model.predict(X) - y) ** 2) + 15.0 * squares
    assert model.objective_ == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_gap_is_proved_where_all_cells_can_be_listed(seed):
    X, y = make_relu_teacher(15, 2, noise=0.3, random_state=seed)
    exact = ConvexReLURegressor(
        beta=0.3, cells="all", solver="interior_point", tol=1e-6
    ).fit(X, y)
    found = ConvexReLURegressor(beta=0.3, **SEARCH).fit(X, y)
    certificate = found.certificate_
    assert certificate.scope == "all"
    assert not certificate.is_estimate
    assert certificate.bound == certificate.dual
    assert certificate.relative_gap <= found.tol
    assert certificate.dual <= exact.objective_
    assert exact.certificate_.dual <= found.objective_
    assert found.beta_max_ == pytest.approx(exact.beta_max_, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_estimate_agrees_with_all_cells_enumerated(seed):
    X, y = make_relu_teacher(11, 3, noise=0.3, random_state=seed)
    exact = ConvexReLURegressor(
        beta=0.3, cells="all", solver="interior_point", tol=1e-6
    ).fit(X, y)
    found = ConvexReLURegressor(beta=0.3, **SEARCH).fit(X, y)
    assert found.certificate_.scope == "search"
    assert exact.certificate_.dual <= found.objective_
    assert found.objective_ <= exact.objective_ * (1 + 1e-3)
    assert found.certificate_.bound <= exact.objective_
    assert found.beta_max_ <= exact.beta_max_ * (1 + 1e-9)


def test_a_cell_that_climbing_missed_is_found_by_the_proof(monkeypatch):
    X, y = make_relu_teacher(30, 2, noise=0.3, random_state=0)
    expected = ConvexReLURegressor(beta=0.3, **SEARCH).fit(X, y)

    def blind(architecture, X, v, starts, **options):
        return climb(architecture, X, v, starts[:, -1:], **options | {"n_steps": 1})

    monkeypatch.setattr("convexnn.search.pricer.climb", blind)
    found = ConvexReLURegressor(beta=0.3, **SEARCH).fit(X, y)
    assert found.certificate_.scope == "all"
    assert found.certificate_.dual <= expected.objective_
    assert found.objective_ == pytest.approx(expected.objective_, rel=1e-3)


def test_zero_network_above_beta_max(diabetes):
    model = ConvexReLURegressor(beta=1e6, **SEARCH)
    with pytest.warns(UserWarning, match=r"beta=1e\+06 is above beta_max"):
        model.fit(*diabetes)
    assert model.n_neurons_ == 0
    assert model.certificate_.gap == 0
    assert 100 < model.beta_max_ < 1e6


def test_given_cells_are_not_searched(diabetes):
    X, y = diabetes
    gates = np.random.default_rng(0).standard_normal((11, 20))
    model = ConvexReLURegressor(beta=30.0, cells=gates, **SEARCH).fit(X, y)
    other = ConvexReLURegressor(beta=30.0, cells=gates, tol=1e-3, solver="newton")
    other.fit(X, y)
    assert model.certificate_.scope == "cells"
    assert model.objective_ == other.objective_


def test_sampled_cells_are_those_of_every_backend(diabetes):
    model = ConvexReLURegressor(beta=30.0, cells="sampled", n_cells=20, **SEARCH)
    other = ConvexReLURegressor(
        beta=30.0, solver="newton", n_cells=20, tol=1e-3, random_state=0
    ).fit(*diabetes)
    assert model.fit(*diabetes).objective_ == other.objective_
    assert model.certificate_ == other.certificate_
    assert model.certificate_.scope == "cells"


@pytest.mark.parametrize(
    ("parameters", "scope"),
    [
        ({}, "search"),
        ({"solver": "active_set"}, "search"),
        ({"solver": "newton"}, "cells"),
        ({"activation": "gated_relu"}, "cells"),
    ],
)
def test_cells_are_searched_by_default_where_the_backend_can(parameters, scope):
    X, y = make_relu_teacher(40, 3, noise=0.1, random_state=0)
    model = ConvexReLURegressor(beta=1.0, random_state=0, **parameters).fit(X, y)
    assert model.certificate_.scope == scope


def test_weights_act_as_repetition():
    X, y = make_relu_teacher(60, 3, noise=0.1, random_state=0)
    weights = np.random.default_rng(1).integers(0, 3, 60)
    one = ConvexReLURegressor(beta=1.0, **SEARCH).fit(X, y, sample_weight=weights)
    other = ConvexReLURegressor(beta=1.0, **SEARCH).fit(
        np.repeat(X, weights, axis=0), np.repeat(y, weights)
    )
    assert one.objective_ == other.objective_
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_scaling_by_powers_of_two_changes_nothing():
    X, y = make_relu_teacher(60, 3, noise=0.1, random_state=0)
    settings = {"fit_intercept": False} | SEARCH
    one = ConvexReLURegressor(beta=1.0, **settings).fit(X, y, np.ones(60))
    other = ConvexReLURegressor(beta=8.0 * 2 * 2, **settings).fit(
        8 * X, 2 * y, np.full(60, 2.0)
    )
    np.testing.assert_array_equal(other.predict(8 * X), 2 * one.predict(X))
    assert other.objective_ == 8 * one.objective_


def test_warm_start_begins_where_the_last_fit_ended(diabetes, capsys):
    model = ConvexReLURegressor(beta=30.0, warm_start=True, verbose=1, **SEARCH)
    model.fit(*diabetes)
    first = model.objective_
    capsys.readouterr()
    model.fit(*diabetes)
    assert model.objective_ <= first * (1 + 1e-3)
    assert "(estimate)" in capsys.readouterr().out


def test_width_is_capped(diabetes):
    model = ConvexReLURegressor(beta=30.0, max_neurons=3, **SEARCH).fit(*diabetes)
    assert 0 < model.n_neurons_ <= 3
    assert model.certificate_.is_capped


def test_options_reach_the_search(diabetes):
    options = {"n_starts": 32, "width": 20}
    model = ConvexReLURegressor(beta=30.0, solver_options=options, **SEARCH)
    assert model.fit(*diabetes).certificate_.n_starts == 32


@pytest.mark.parametrize("name", ["n_starts", "width"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "x"])
def test_bad_options_are_named(diabetes, name, value):
    model = ConvexReLURegressor(beta=30.0, solver_options={name: value}, **SEARCH)
    with pytest.raises(ValueError, match=rf"{name}.*\[1, inf\), got {value!r}"):
        model.fit(*diabetes)


def test_whitened_directions_spread_evenly():
    X = np.random.default_rng(0).standard_normal((50, 3)) * [1.0, 10.0, 1000.0]
    values = X @ whitening(X)
    np.testing.assert_allclose(values.T @ values, np.eye(3), atol=1e-6)


def random_dual_point(seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((20, 3)), rng.standard_normal(20)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 10_000))
def test_bound_covers_every_direction(seed):
    X, v = random_dual_point(seed)
    directions = np.random.default_rng(seed + 1).standard_normal((3, 2000))
    directions /= np.linalg.norm(directions, axis=0)
    found = maxima_at(ReLU(), X, v, climb(ReLU(), X, v, directions, stages=PLAIN))
    assert np.abs(v @ np.maximum(X @ directions, 0)).max() <= found.largest
    assert found.largest <= relu_price_bound(X, v)


def test_climbing_ends_where_the_gradient_points():
    X, v = random_dual_point(0)
    none = np.zeros((3, 0))
    starts = draw_starts(whitening(X), 64, np.random.RandomState(0), none)
    found = climb(ReLU(), X, v, starts, stages=PLAIN, n_steps=200)
    best = distinct(maxima_at(ReLU(), X, v, found), at_most=1)
    u, sign = best.directions[:, 0], best.signs[0]
    gradient = sign * X.T @ (v * (X @ u > 0))
    cosine = u @ gradient / np.linalg.norm(gradient)
    assert best.values[0] == pytest.approx(abs(v @ np.maximum(X @ u, 0)))
    assert cosine > 1 - 1e-3 or np.abs(X @ u).min() < 1e-2


def test_smoothed_climbing_passes_kinks():
    reached = {SMOOTHED: [], PLAIN: []}
    for seed in range(20):
        X, v = random_dual_point(seed)
        loss = SquaredLoss(v, np.ones(20), intercept=False)
        program = ReLU().program(X, loss, 1.0, enumerate_cells(X))
        largest = price_groups(program, v).largest
        starts = np.random.default_rng(seed).standard_normal((3, 32))
        for stages, values in reached.items():
            ends = climb(ReLU(), X, v, starts, stages=stages)
            values.append(maxima_at(ReLU(), X, v, ends).values / largest)
    assert np.max(reached[SMOOTHED]) <= 1 + 1e-9
    assert np.mean(np.max(reached[SMOOTHED], axis=1) > 0.99) > 0.5
    assert np.mean(reached[SMOOTHED]) > np.mean(reached[PLAIN])


@pytest.mark.parametrize("width", [0.01, 0.5])
def test_gradients_of_smoothed_correlations(width):
    X, v = random_dual_point(3)
    directions = np.random.default_rng(0).standard_normal((3, 4))
    widths = width * ReLU().spread(X, directions)
    values, gradients = ReLU().correlate(X, v, directions, widths)
    plain, _ = ReLU().correlate(X, v, directions)
    assert np.all(np.abs(values - plain) <= 0.25 * np.abs(v).sum() * widths)
    for k in range(3):
        shift = np.zeros_like(directions)
        shift[k] = 1e-6
        ahead, behind = (
            ReLU().correlate(X, v, directions + sign * shift, widths)[0]
            for sign in (1, -1)
        )
        slopes = (ahead - behind) / 2e-6
        np.testing.assert_allclose(slopes, gradients[k], rtol=1e-5, atol=1e-6)


def test_distinct_keeps_one_of_each():
    X, v = random_dual_point(1)
    starts = np.tile(np.random.default_rng(0).standard_normal((3, 4)), 5)
    kept = distinct(maxima_at(ReLU(), X, v, climb(ReLU(), X, v, starts)))
    assert 1 <= len(kept.values) <= 4
    assert np.all(np.diff(kept.values) <= 0)


def random_units(seed, m=12):
    rng = np.random.default_rng(seed)
    return Units(rng.standard_normal((3, m)), rng.standard_normal(m))


def problem(seed=0):
    X, y = make_relu_teacher(30, 3, noise=0.2, random_state=seed)
    return X, SquaredLoss(y, np.ones(30), intercept=True)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 10_000), st.floats(0.01, 10.0))
def test_merging_and_balancing_never_raise_the_objective(seed, beta):
    X, loss = problem(seed % 7)
    units = random_units(seed, m=60)
    before = ReLU().value(X, loss, beta, units)
    balanced = ReLU().balanced(units)
    merged = ReLU().merged(X, balanced)
    assert ReLU().value(X, loss, beta, balanced) <= before * (1 + 1e-12)
    assert ReLU().value(X, loss, beta, merged) <= before * (1 + 1e-12)
    assert len(merged) < len(units)
    np.testing.assert_allclose(
        np.maximum(X @ merged.hidden, 0) @ merged.output,
        np.maximum(X @ units.hidden, 0) @ units.output,
        atol=1e-10,
    )


@pytest.mark.parametrize("width", [0.0, 0.1])
def test_gradients_of_a_network_are_those_of_finite_differences(width):
    X, _ = problem()
    units = random_units(3)
    rng = np.random.default_rng(4)
    v = rng.standard_normal(30)
    _, pull = ReLU().linearise(X, units.hidden, units.output, width)
    by_hidden, by_output = pull(v)
    step = 1e-6 * rng.standard_normal(units.hidden.shape)
    stretch = 1e-6 * rng.standard_normal(12)
    ahead, behind = (
        ReLU().linearise(X, units.hidden + t * step, units.output + t * stretch, width)[
            0
        ]
        for t in (1, -1)
    )
    slope = np.sum(by_hidden * step) + by_output @ stretch
    assert slope == pytest.approx(v @ (ahead - behind) / 2, rel=1e-4)


def test_correlations_are_those_of_the_atoms_with_their_gradients():
    X, v = random_dual_point(2)
    U = np.random.default_rng(3).standard_normal((3, 9))
    values, gradients = ReLU().correlate(X, v, U)
    np.testing.assert_allclose(values, v @ ReLU().atoms(X, U))
    step = 1e-6 * np.random.default_rng(5).standard_normal(U.shape)
    change = v @ (ReLU().atoms(X, U + step) - ReLU().atoms(X, U - step)) / 2
    np.testing.assert_allclose(np.sum(gradients * step, axis=0), change, rtol=1e-4)


def test_smoothed_units_lie_above_by_half_the_width_at_most():
    X, _ = problem()
    for u in random_units(3).hidden.T:
        one = u[:, None], np.ones(1)
        excess = ReLU().linearise(X, *one, 0.2)[0] - ReLU().linearise(X, *one, 0.0)[0]
        assert excess.min() >= 0
        assert excess.max() <= 0.1


@pytest.mark.parametrize("width", [0.0, 0.01])
def test_descent_lowers_the_objective(width):
    X, loss = problem()
    units = random_units(0)
    lower = descend(ReLU(), X, loss, 0.5, units, width=width)
    assert ReLU().value(X, loss, 0.5, lower) < 0.5 * ReLU().value(X, loss, 0.5, units)
