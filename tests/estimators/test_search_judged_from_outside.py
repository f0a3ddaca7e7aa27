"""The search judged from outside: by brute force, by plain numpy, on hard data."""

import warnings
from copy import deepcopy
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from problems import network_objective
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from convexnn import ConvexReLURegressor
from convexnn.architectures import ReLU, Units
from convexnn.architectures.bounds import relu_price_bound
from convexnn.programs.losses import SquaredLoss

TOL = 1e-3
PROPERTY = settings(deadline=None, max_examples=30, derandomize=True)
SEEDS = st.integers(0, 100_000)


def make_model(**parameters):
    return ConvexReLURegressor(
        **{"solver": "active_set", "random_state": 0} | parameters
    )


def fit(model, X, y):
    """Fit; a penalty far out and a missed tolerance must be told, and no more."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    messages = [str(warning.message) for warning in caught]
    far = [message for message in messages if message.startswith("beta=")]
    gaps = [w for w in caught if w.category is ConvergenceWarning]
    assert len(far) + len(gaps) == len(messages), messages
    largest = model.beta_max_
    is_far = not 1e-5 * largest <= model.beta <= largest
    # Below a multiple of the rounding of the targets beta_max counts as 0.
    inputs = np.hypot(np.linalg.norm(X), np.sqrt(len(X)))
    if largest > 1e-13 * np.linalg.norm(y) * inputs:
        assert len(far) == is_far, messages
    elif largest == 0:
        assert not far, messages
    missed = model.certificate_.relative_gap > model.tol
    if not model.certificate_.is_capped:
        assert len(gaps) == missed, messages
    return model


def null_objective(y, fit_intercept):
    """Return the objective of the network without units."""
    return 0.5 * float(np.sum((y - y.mean() * fit_intercept) ** 2))


def bound_of_beta_max(X, y, fit_intercept):
    """Bound ``max abs(v' (X u)_+)`` at the zero network by Cauchy and Schwarz."""
    inputs = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
    residual = y - y.mean() * fit_intercept
    return (float(np.linalg.norm(residual) * np.linalg.norm(inputs)) or 1.0) * 1.001


# Tiny problems, where the optimum is known.


def tiny_inputs(kind, n, d, rng):
    if kind == "gaussian":
        return rng.standard_normal((n, d))
    if kind == "grid":
        return rng.integers(-1, 2, (n, d)).astype(float)
    if kind == "one-hot":
        return np.eye(d)[rng.integers(0, d, n)]
    base = rng.standard_normal((n, 1))
    return base + 1e-4 * rng.standard_normal((n, d))


def tiny_problem(seed, kind, n, d, fit_intercept, share):
    rng = np.random.default_rng(seed)
    X, y = tiny_inputs(kind, n, d, rng), rng.standard_normal(n)
    beta = share * bound_of_beta_max(X, y, fit_intercept)
    return X, y, {"beta": beta, "fit_intercept": fit_intercept}


KINDS = ("gaussian", "grid", "one-hot", "nearly collinear")
TINY = st.builds(
    tiny_problem,
    SEEDS,
    st.sampled_from(KINDS),
    st.integers(1, 8),
    st.integers(1, 2),
    st.booleans(),
    st.sampled_from([1e-3, 1e-2, 0.05, 0.2]),
)
#: Nearly collinear columns make cells so thin that climbing misses the best of them.
THIN_CELLS = (
    np.array(
        [
            [-0.82046, -0.82021],
            [0.25485, 0.25455],
            [0.2388, 0.23886],
            [1.22883, 1.22887],
            [-0.95734, -0.95719],
        ]
    ),
    np.array([0.463, 0.248, 0.648, 0.698, 0.929]),
    {"beta": 0.05, "fit_intercept": True},
)
FIXED_TINY = [
    tiny_problem(seed, kind, 8, d, d < 3, share)
    for seed, (kind, d, share) in enumerate(product(KINDS, (2, 3), (1e-3, 0.02, 0.1)))
] + [THIN_CELLS]


def solve_over_all_cells(X, y, parameters):
    """Solve the convex program over the whole arrangement; its gap is rigorous."""
    exact = ConvexReLURegressor(
        solver="interior_point", cells="all", tol=1e-7, **parameters
    )
    return fit(exact, X, y)


def descend_from_many_starts(X, y, beta, fit_intercept, *, n_units=20, n_starts=5):
    """Minimise the network's objective by L-BFGS; return the smallest value."""
    rng = np.random.default_rng(0)
    if fit_intercept:
        inputs, n_free = np.column_stack([X, np.ones(len(X))]), 1
    else:
        inputs, n_free = X, 0
    d = inputs.shape[1]

    def objective(flat):
        hidden = flat[: d * n_units].reshape(d, n_units)
        output = flat[d * n_units : (d + 1) * n_units]
        values = inputs @ hidden
        outputs = np.maximum(values, 0)
        residual = outputs @ output + flat[(d + 1) * n_units :].sum() - y
        gradient = beta * flat
        pulled = inputs.T @ ((values > 0) * np.outer(residual, output))
        gradient[: d * n_units] += pulled.reshape(-1)
        gradient[d * n_units : (d + 1) * n_units] += outputs.T @ residual
        gradient[(d + 1) * n_units :] = residual.sum()
        squares = np.sum(flat[: (d + 1) * n_units] ** 2)
        return 0.5 * residual @ residual + 0.5 * beta * squares, gradient

    best = np.inf
    for size in np.geomspace(0.03, 1.0, n_starts):
        start = size * rng.standard_normal((d + 1) * n_units + n_free)
        found = minimize(
            objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}
        )
        best = min(best, float(found.fun))
    return best


@PROPERTY
@given(TINY)
@example(THIN_CELLS)
def test_bound_never_exceeds_the_best_objective_of_brute_force(problem):
    X, y, parameters = problem
    found = fit(make_model(**parameters), X, y)
    exact = solve_over_all_cells(*problem)
    descended = descend_from_many_starts(X, y, **parameters)
    best = min(network_objective(exact, X, y), descended)
    rounding = 1e-11 * null_objective(y, parameters["fit_intercept"])
    assert found.certificate_.bound <= best + rounding
    assert found.objective_ >= exact.certificate_.dual - rounding
    assert descended >= exact.certificate_.dual - rounding
    smallest = 1e-13 * bound_of_beta_max(X, y, parameters["fit_intercept"])
    assert found.beta_max_ <= exact.beta_max_ * (1 + 1e-9) + smallest


@PROPERTY
@given(TINY)
@example((np.ones((1, 1)), np.ones(1), {"beta": 1.0, "fit_intercept": False}))
def test_price_bound_covers_the_price_over_all_cells(problem):
    X, y, parameters = problem
    inputs, v = X, y
    if parameters["fit_intercept"]:
        inputs, v = np.column_stack([X, np.ones(len(X))]), y - y.mean()
    beta = bound_of_beta_max(X, y, parameters["fit_intercept"])
    price = solve_over_all_cells(X, y, parameters | {"beta": beta}).beta_max_
    assert relu_price_bound(inputs, v) >= price - 1e-12 * beta


@pytest.mark.parametrize("problem", FIXED_TINY)
def test_estimates_agree_with_the_optimum_over_all_cells(problem):
    X, y, parameters = problem
    found = fit(make_model(tol=TOL, **parameters), X, y)
    exact = solve_over_all_cells(*problem)
    assert found.certificate_.relative_gap <= TOL
    assert found.certificate_.bound <= exact.objective_ * (1 + 1e-9)
    assert found.certificate_.dual <= exact.objective_ * (1 + 0.1 * TOL)
    assert found.objective_ <= exact.objective_ * (1 + 1.1 * TOL)
    assert found.beta_max_ >= exact.beta_max_ * (1 - 0.1 * TOL)


# Merging units.


@st.composite
def units_on_a_grid(draw):
    """Draw units many of which lie on borders of cells, are collinear or zero."""
    rng = np.random.default_rng(draw(SEEDS))
    n, d, m = draw(st.integers(1, 8)), draw(st.integers(1, 3)), draw(st.integers(1, 30))
    X = rng.integers(-1, 2, (n, d)).astype(float)
    hidden = rng.integers(-2, 3, (d, m)) * 10.0 ** rng.integers(-4, 5, m)
    copied = rng.random(m) < 0.3
    hidden[:, copied] = 3 * hidden[:, :1]
    output = rng.choice([-1.0, 1.0], m) * 10.0 ** rng.uniform(-4, 4, m)
    return X, Units(hidden, output)


@st.composite
def units_anywhere(draw):
    """Draw units over inputs with rows of zeros and collinear columns."""
    rng = np.random.default_rng(draw(SEEDS))
    n, d, m = draw(st.integers(1, 8)), draw(st.integers(1, 3)), draw(st.integers(1, 30))
    X = rng.standard_normal((n, d))
    X[rng.random(n) < 0.3] = 0
    if draw(st.booleans()):
        X = np.column_stack([X, -2 * X[:, 0]])
    hidden = rng.standard_normal((X.shape[1], m))
    return X, Units(hidden, rng.standard_normal(m))


@settings(PROPERTY, max_examples=200)
@given(
    st.one_of(units_on_a_grid(), units_anywhere()), SEEDS, st.sampled_from([1e-3, 1.0])
)
def test_merging_keeps_outputs_and_never_raises_the_objective(drawn, seed, beta):
    X, units = drawn
    y = np.random.default_rng(seed).standard_normal(len(X))
    loss = SquaredLoss(y, np.ones(len(X)), intercept=True)
    merged = ReLU().merged(X, units)
    before = ReLU().value(X, loss, beta, units)
    assert ReLU().value(X, loss, beta, merged) <= before * (1 + 1e-10)
    size = ReLU().norms(units).max() * np.linalg.norm(X)
    np.testing.assert_allclose(
        np.maximum(X @ merged.hidden, 0) @ merged.output,
        np.maximum(X @ units.hidden, 0) @ units.output,
        atol=1e-10 * size,
    )
    values = X @ units.hidden
    cells = {
        (*(row >= 0), s > 0) for row, s in zip(values.T, units.output, strict=True)
    }
    assert len(merged) <= len(cells)


def test_merging_keeps_a_unit_beside_one_without_output():
    X = np.ones((3, 1))
    units = Units(np.array([[1.0, 2.0]]), np.array([0.0, -1.0]))
    merged = ReLU().merged(X, units)
    outputs = np.maximum(X @ merged.hidden, 0) @ merged.output
    np.testing.assert_allclose(outputs, -2.0)


# Hard data.


def hard_data():
    rng = np.random.default_rng(0)
    n, d = 30, 4
    X = rng.standard_normal((n, d))
    hidden = np.maximum(X @ rng.standard_normal((d, 3)), 0)
    y = hidden @ rng.standard_normal(3) + 0.3 * rng.standard_normal(n)
    left, right = (np.linalg.qr(rng.standard_normal((k, d)))[0] for k in (n, d))
    grid = np.array(list(product((-1.0, 0.0, 1.0), repeat=3)))
    return {
        "plain": (X, y),
        "condition 1e8": (left * np.geomspace(1, 1e-8, d) @ right * n**0.5, y),
        "collinear columns": (X[:, :2] @ rng.integers(-2, 3, (2, 5)), y),
        "duplicated columns": (X[:, [0, 0, 1, 1, 1]], y),
        "column of zeros": (np.column_stack([X, np.zeros(n)]), y),
        "one row": (X[:1], y[:1]),
        "two rows": (X[:2], y[:2]),
        "20 rows of 100 columns": (rng.standard_normal((20, 100)), y[:20]),
        "one-hot": (np.eye(5)[rng.integers(0, 5, n)], y),
        "binary": (rng.integers(0, 2, (n, 5)).astype(float), y),
        "grid": (grid, rng.standard_normal(27)),
        "zeros": (np.zeros((n, 2)), y),
        "constant X": (np.full((n, 2), 3.0), y),
        "constant y": (X, np.full(n, 2.0)),
        "repeated rows": (np.repeat(X[:5], 6, axis=0), y),
        "columns of 1e-6 to 1e6": (X * np.geomspace(1e-6, 1e6, d), y),
        "far from the origin": (X + 1e6, y),
        "one outlier": (X, np.where(np.arange(n) == 0, 1e6, y)),
        "y of 1e8": (X, y * 1e8),
        "y of 1e-8": (X, y * 1e-8),
    }


HARD = hard_data()
WIDE, FAR = "20 rows of 100 columns", "far from the origin"
#: Data whose moderate penalties reach the tolerance; FAR has condition number 1e6,
#: its bias nearly a multiple of the columns.
SOLVABLE = [name for name in HARD if name != FAR]
#: Penalties are shares of beta_max.
CASES = [
    *((name, fit_intercept, 0.1) for name in HARD for fit_intercept in (True, False)),
    *((name, True, 1e-3) for name in HARD if name != WIDE),
    *((name, True, 1e-6) for name in ("plain", "two rows", "one-hot", "binary")),
]
every_case = pytest.mark.parametrize(("name", "fit_intercept", "share"), CASES)
every_data = pytest.mark.parametrize("name", SOLVABLE)


@cache
def fitted_zero(name, fit_intercept=True):
    """Return a fit whose penalty is above beta_max by the plainest bound on it."""
    X, y = HARD[name]
    beta = bound_of_beta_max(X, y, fit_intercept)
    return fit(make_model(beta=beta, fit_intercept=fit_intercept), X, y)


def make_case(name, fit_intercept=True, share=0.1, **parameters):
    beta = share * (fitted_zero(name, fit_intercept).beta_max_ or 1.0)
    return make_model(beta=beta, fit_intercept=fit_intercept, tol=TOL, **parameters)


@cache
def fitted(name, fit_intercept=True, share=0.1):
    """Return a fit that is not to be changed."""
    # No number of rounds reaches the tolerance on data this far from the origin.
    rounds = {"max_iter": 10} if name == FAR else {}
    return fit(make_case(name, fit_intercept, share, **rounds), *HARD[name])


def fitted_arrays(model):
    return [*model.coefs_, *model.intercepts_]


def assert_same_fit(one, other):
    for array, expected in zip(fitted_arrays(one), fitted_arrays(other), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert one.certificate_ == other.certificate_
    assert one.objective_ == other.objective_
    assert one.beta_max_ == other.beta_max_
    assert one.n_iter_ == other.n_iter_


def assert_consistent(model, X, y):
    """Check all that holds for every fit, whatever the data and the gap."""
    certificate = model.certificate_
    rounding = 1e-12 * null_objective(y, model.fit_intercept)
    assert certificate.primal == model.objective_
    assert np.isfinite(model.objective_)
    assert 0 <= certificate.bound <= certificate.dual + rounding
    assert certificate.dual <= certificate.primal
    assert model.objective_ <= null_objective(y, model.fit_intercept) + rounding
    assert 0 <= model.beta_max_ <= bound_of_beta_max(X, y, model.fit_intercept)
    assert all(np.isfinite(array).all() for array in fitted_arrays(model))
    assert np.isfinite(model.predict(X)).all()


@every_case
def test_certificate_is_consistent(name, fit_intercept, share):
    assert_consistent(fitted(name, fit_intercept, share), *HARD[name])


@every_case
def test_objective_is_the_networks_own(name, fit_intercept, share):
    model = fitted(name, fit_intercept, share)
    expected = network_objective(model, *HARD[name])
    assert model.objective_ == pytest.approx(expected, rel=1e-9)


@every_case
def test_objective_in_the_history_never_rises(name, fit_intercept, share):
    model = fitted(name, fit_intercept, share)
    history = model.history_
    assert np.all(np.diff(history.objective) <= 0)
    assert history.objective[-1] <= null_objective(HARD[name][1], fit_intercept) * (
        1 + 1e-9
    )
    assert history.objective[-1] == pytest.approx(model.objective_, rel=TOL)
    assert history.dual[-1] >= model.certificate_.dual


@every_case
def test_history_ends_with_the_certificate(name, fit_intercept, share):
    model = fitted(name, fit_intercept, share)
    dual = model.history_.dual[-1]
    assert dual <= model.objective_ * (1 + 1e-9)
    assert dual == pytest.approx(model.certificate_.dual, rel=1e-9)


@every_data
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_moderate_penalties_reach_the_tolerance(name, fit_intercept):
    assert fitted(name, fit_intercept).certificate_.relative_gap <= TOL


@every_data
def test_plain_descent_does_not_refute_the_estimate(name):
    X, y = HARD[name]
    model = fitted(name)
    best = descend_from_many_starts(X, y, model.beta, True, n_units=15, n_starts=3)
    assert model.certificate_.dual <= best + 1e-12 * null_objective(y, True)
    assert model.objective_ <= best * (1 + TOL) + 1e-12 * null_objective(y, True)


@every_data
def test_same_random_state_same_fit(name):
    assert_same_fit(fit(make_case(name), *HARD[name]), fitted(name))


@every_data
def test_zero_network_from_beta_max_on(name):
    X, y = HARD[name]
    zero = fitted_zero(name)
    above = fit(make_case(name, share=1 + 1e-9), X, y)
    for model in (zero, above):
        assert model.n_neurons_ == 0
        assert model.certificate_.relative_gap <= 1e-14
        np.testing.assert_allclose(model.predict(X), y.mean(), rtol=1e-12)
        expected = pytest.approx(null_objective(y, True), rel=1e-12)
        assert model.objective_ == expected


@every_data
def test_units_below_beta_max(name):
    X, y = HARD[name]
    below = make_case(name, share=0.97).set_params(tol=1e-6)
    fit(below, X, y)
    assert_consistent(below, X, y)
    if fitted_zero(name).beta_max_ == 0:
        assert below.n_neurons_ == 0
    else:
        assert below.n_neurons_ > 0
        assert below.objective_ < null_objective(y, True)


@every_data
def test_width_is_capped(name):
    X, y = HARD[name]
    free = fitted(name)
    capped = fit(make_case(name, max_neurons=2), X, y)
    assert_consistent(capped, X, y)
    assert capped.n_neurons_ <= 2
    assert capped.certificate_.is_capped == (free.n_neurons_ > 2)
    assert capped.certificate_.dual == free.certificate_.dual
    assert capped.objective_ >= free.objective_ * (1 - TOL)
    assert capped.objective_ == pytest.approx(network_objective(capped, X, y), rel=1e-9)


@every_data
def test_warm_start_keeps_what_was_reached(name):
    X, y = HARD[name]
    first = fitted(name)
    again = fit(deepcopy(first).set_params(warm_start=True), X, y)
    assert_consistent(again, X, y)
    assert again.objective_ <= first.objective_ * (1 + TOL)


@pytest.mark.parametrize("name", ["plain", "condition 1e8", "binary", "repeated rows"])
@pytest.mark.parametrize("scale", [1e-8, -1.0, 1e8])
def test_warm_start_survives_targets_of_another_scale(name, scale):
    X, y = HARD[name]
    model = deepcopy(fitted(name)).set_params(warm_start=True)
    fit(model.set_params(beta=abs(scale) * model.beta), X, scale * y)
    assert_consistent(model, X, scale * y)
    expected = network_objective(model, X, scale * y)
    assert model.objective_ == pytest.approx(expected, rel=1e-9)
    assert model.certificate_.relative_gap <= TOL


# Invariances of the problem.


def assert_same_optimum(model, name, X, y, factor=1.0):
    """Compare a fit of an equivalent problem, up to the tolerance of both."""
    assert_consistent(fit(model, X, y), X, y)
    expected = factor * fitted(name).objective_
    assert model.objective_ == pytest.approx(expected, rel=TOL)


@every_data
def test_order_of_rows_and_columns_does_not_matter(name):
    X, y = HARD[name]
    rng = np.random.default_rng(1)
    order = rng.permutation(len(y))
    assert_same_optimum(make_case(name), name, X[order], y[order])
    columns = rng.permutation(X.shape[1])
    assert_same_optimum(make_case(name), name, X[:, columns], y)


@pytest.mark.parametrize(
    "name", ["plain", "grid", "one-hot", "binary", "collinear columns"]
)
def test_rotations_and_copies_of_columns_do_not_matter(name):
    X, y = HARD[name]
    d = X.shape[1]
    rotation = np.linalg.qr(np.random.default_rng(2).standard_normal((d, d)))[0]
    assert_same_optimum(make_case(name), name, X @ rotation, y)
    copies = np.column_stack([0.6 * X, 0.8 * X])
    assert_same_optimum(make_case(name), name, copies, y)


@pytest.mark.parametrize("name", ["plain", "binary", "one-hot", "repeated rows"])
def test_repeated_rows_act_as_a_smaller_penalty(name):
    X, y = HARD[name]
    model = make_case(name)
    model.set_params(beta=3 * model.beta)
    assert_same_optimum(model, name, np.tile(X, (3, 1)), np.tile(y, 3), factor=3)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("name", ["plain", "binary", "condition 1e8"])
def test_objective_grows_as_the_square_of_the_targets(name, scale):
    X, y = HARD[name]
    model = make_case(name)
    model.set_params(beta=scale * model.beta)
    assert_same_optimum(model, name, X, scale * y, factor=scale**2)


@every_data
def test_powers_of_two_scale_targets_without_rounding(name):
    X, y = HARD[name]
    first, scale = fitted(name), 2.0**-40
    model = make_case(name)
    fit(model.set_params(beta=scale * model.beta), X, scale * y)
    assert model.objective_ == scale**2 * first.objective_
    assert model.certificate_ == first.certificate_.in_units(scale**2)
    for array, expected in zip(model.coefs_, first.coefs_, strict=True):
        np.testing.assert_array_equal(array, scale**0.5 * expected)


# Precision, jobs, interruptions.


@pytest.mark.parametrize("name", [n for n in SOLVABLE if n != "condition 1e8"])
def test_single_precision_reaches_the_same_objective(name):
    X, y = HARD[name]
    single = fit(make_case(name), X.astype(np.float32), y.astype(np.float32))
    arrays = [*fitted_arrays(single), single.predict(X.astype(np.float32))]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    expected = fitted(name).objective_
    assert single.objective_ == pytest.approx(expected, rel=1e-3)
    assert network_objective(single, X, y) == pytest.approx(expected, rel=1e-3)


def test_same_scores_and_network_on_one_and_four_jobs():
    X, y = HARD["plain"]
    search = GridSearchCV(make_model(), {"beta": [2.0, 5.0, 10.0]}, cv=3)
    one, four = deepcopy(search), deepcopy(search).set_params(n_jobs=4)
    with threadpool_limits(1):
        one.fit(X, y)
    with parallel_config(backend="loky", inner_max_num_threads=1), threadpool_limits(1):
        four.fit(X, y)
    for key in [key for key in one.cv_results_ if key.endswith("test_score")]:
        assert np.isfinite(one.cv_results_[key]).all()
        np.testing.assert_array_equal(one.cv_results_[key], four.cv_results_[key])
    assert_same_fit(one.best_estimator_, four.best_estimator_)


@pytest.mark.parametrize("n_calls", [1, 2, 30, 100])
@pytest.mark.parametrize("method", ["value", "dual_point"])
def test_interruption_leaves_the_former_fit(monkeypatch, method, n_calls):
    X, y = HARD["plain"]
    model = deepcopy(fitted("plain"))
    before, predictions = dict(vars(model)), model.predict(X)
    fresh = make_case("plain")
    plain, left = getattr(SquaredLoss, method), []

    def interrupt(loss, z):
        left.append(None)
        if len(left) == n_calls:
            raise KeyboardInterrupt
        return plain(loss, z)

    monkeypatch.setattr(SquaredLoss, method, interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :2] + 1, y)
    left.clear()
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(X, y)
    monkeypatch.undo()
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict(X), predictions)
    assert not [key for key in vars(fresh) if key.endswith("_")]
    assert_same_fit(fit(fresh, X, y), fitted("plain"))
