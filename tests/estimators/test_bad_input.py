"""What ConvexReLURegressor refuses, survives, and leaves behind when it fails."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)

from convexnn import ConvexReLURegressor
from convexnn.solvers import Solution, SolverError, register_backend, registry

BACKENDS = {
    "relu": ("newton", "interior_point", "fista", "cvxpy", "osqp"),
    "gated_relu": ("newton", "fista", "cvxpy", "osqp"),
}
EVERY_BACKEND = [(a, solver) for a, solvers in BACKENDS.items() for solver in solvers]
every_backend = pytest.mark.parametrize(("activation", "solver"), EVERY_BACKEND)

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((12, 3)), rng.standard_normal(12)
ONES = np.ones(12)


def model(**parameters):
    defaults = {"beta": 0.3, "n_cells": 8, "random_state": 0}
    return ConvexReLURegressor(**defaults | parameters)


def with_entry(array, value):
    array = np.array(array, dtype=np.result_type(array, type(value)))
    array.flat[1] = value
    return array


def fit_quietly(estimator, *data):
    """Fit without letting the gap be the subject."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*data)


def assert_certified(fitted, inputs):
    assert np.isfinite(fitted.predict(inputs)).all()
    assert np.isfinite(fitted.objective_)
    assert 0 <= fitted.certificate_.relative_gap <= fitted.tol


BAD_DATA = {
    "no rows": ((X[:0], Y[:0]), ValueError, "0 sample"),
    "no columns": ((X[:, :0], Y), ValueError, "0 feature"),
    "NaN in X": ((with_entry(X, np.nan), Y), ValueError, "Input X contains NaN"),
    "inf in X": ((with_entry(X, np.inf), Y), ValueError, "Input X contains inf"),
    "NaN in y": ((X, with_entry(Y, np.nan)), ValueError, "Input y contains NaN"),
    "inf in y": ((X, with_entry(Y, -np.inf)), ValueError, "Input y contains inf"),
    "no y": ((X, None), ValueError, "requires y"),
    "NaN weight": (
        (X, Y, with_entry(ONES, np.nan)),
        ValueError,
        "Input sample_weight contains NaN",
    ),
    "infinite weight": (
        (X, Y, with_entry(ONES, np.inf)),
        ValueError,
        "Input sample_weight contains inf",
    ),
    "negative weight": (
        (X, Y, with_entry(ONES, -1.0)),
        ValueError,
        "Negative values in data passed to `sample_weight`",
    ),
    "zero weights": ((X, Y, 0 * ONES), ValueError, "(?i)sample.weight"),
    "few weights": ((X, Y, ONES[:5]), ValueError, r"sample_weight.*\(5,\).*\(12,\)"),
    "complex X": ((X + 1j, Y), ValueError, "Complex data not supported"),
    "complex y": ((X, Y + 1j), ValueError, "Complex data not supported"),
    "complex weights": ((X, Y, ONES + 1j), ValueError, "Complex data not supported"),
    "words in X": (
        (with_entry(X.astype(object), "red"), Y),
        ValueError,
        "could not convert string to float: 'red'",
    ),
    "objects in X": (
        (with_entry(X.astype(object), {}), Y),
        TypeError,
        r"float\(\) argument must be .*'dict'",
    ),
    "1-D X": ((X[:, 0], Y), ValueError, "Expected 2D array, got 1D array"),
    "3-D X": ((X[:, :, None], Y), ValueError, "dim 3"),
    "words in y": ((X, ["red"] * 12), ValueError, "could not convert string to float"),
    "sparse y": ((X, sparse.csr_array(Y[:, None])), ValueError, "(?i)dense|sparse"),
    "no targets": ((X, np.empty((12, 0))), ValueError, r"0 feature|1d array"),
    "3-D y": ((X, Y[:, None, None]), ValueError, "dim 3"),
    "few targets": ((X, Y[:5]), ValueError, r"inconsistent numbers.*\[12, 5\]"),
    "huge y": ((X, Y * 1e200), ValueError, r"y must not exceed 1e\+150.*e\+200"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_refused(name):
    data, error, match = BAD_DATA[name]
    estimator = model()
    before = dict(vars(estimator))
    with pytest.raises(error, match=match):
        estimator.fit(*data)
    assert vars(estimator) == before


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"beta": 0}, r"'beta'.*\(0.0, inf\) or None. Got 0 "),
        ({"beta": -1.0}, r"'beta'.*\(0.0, inf\) or None. Got -1.0 "),
        ({"beta": np.nan}, r"'beta'.*\(0.0, inf\) or None. Got nan "),
        ({"beta": np.inf}, r"'beta'.*\(0.0, inf\) or None. Got inf "),
        ({"beta": "1"}, r"'beta'.*\(0.0, inf\) or None. Got '1' "),
        (
            {"activation": "tanh"},
            "'activation'(?=.*'relu')(?=.*'gated_relu').*Got 'tanh'",
        ),
        ({"n_cells": 0}, r"'n_cells'.*\[1, inf\). Got 0 "),
        ({"n_cells": 2.5}, r"'n_cells'.*\[1, inf\). Got 2.5 "),
        ({"tol": -1e-3}, r"'tol'.*\[0.0, 1.0\). Got -0.001 "),
        ({"tol": 1.0}, r"'tol'.*\[0.0, 1.0\). Got 1.0 "),
        ({"tol": np.nan}, r"'tol'.*\[0.0, 1.0\). Got nan "),
        ({"max_iter": 0}, r"'max_iter'.*\[1, inf\). Got 0 "),
        ({"max_neurons": 0}, r"'max_neurons'.*\[1, inf\) or None. Got 0 "),
        ({"fit_intercept": "yes"}, "'fit_intercept'.*bool.*Got 'yes'"),
        ({"random_state": "a"}, "'random_state'.*Got 'a'"),
        ({"verbose": -1}, "'verbose'.*Got -1"),
        (
            {"cells": "some"},
            "'cells'(?=.*'auto')(?=.*'all')(?=.*'sampled').*Got 'some'",
        ),
        ({"solver": 3}, "'solver'.*'str'. Got 3"),
        ({"solver_options": [1]}, r"'solver_options'.*'dict'.*Got \[1\]"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(parameters, match):
    with pytest.raises(ValueError, match=match):
        model(**parameters).fit(X, Y)


@pytest.mark.parametrize("activation", BACKENDS)
def test_unknown_solver_lists_the_allowed_ones(activation):
    with pytest.raises(ValueError, match="solver='nope'") as error:
        model(solver="nope", activation=activation).fit(X, Y)
    assert all(repr(name) in str(error.value) for name in BACKENDS[activation])


def test_interior_point_refuses_gates_and_names_those_that_can():
    estimator = model(solver="interior_point", activation="gated_relu")
    with pytest.raises(ValueError, match="'interior_point' cannot express") as error:
        estimator.fit(X, Y)
    allowed = str(error.value).split("Allowed")[1]
    assert all(repr(name) in allowed for name in BACKENDS["gated_relu"])


@every_backend
def test_unknown_solver_option_is_refused_by_name(activation, solver):
    estimator = model(
        activation=activation, solver=solver, solver_options={"colour": 3}
    )
    with pytest.raises(ValueError, match=r"solver_options .*colour"):
        estimator.fit(X, Y)


@pytest.mark.parametrize(
    ("gates", "fit_intercept", "match"),
    [
        (np.ones((3, 5)), True, r"cells .*n_features \+ 1 .*\(4, n_.*got \(3, 5\)"),
        (np.ones((4, 5)), False, r"cells .*n_features rows.*\(3, n_.*got \(4, 5\)"),
        (np.ones(4), True, "Expected 2D array, got 1D array"),
        (np.ones((4, 2, 2)), True, "dim 3"),
        (np.ones((4, 0)), True, r"0 feature\(s\) \(shape=\(4, 0\)\)"),
        (np.full((4, 2), np.nan), True, "Input cells contains NaN"),
        (np.full((4, 2), np.inf), True, "Input cells contains inf"),
        ([["a"]] * 4, True, "could not convert string"),
    ],
)
def test_bad_gates_are_refused(gates, fit_intercept, match):
    with pytest.raises(ValueError, match=match):
        model(cells=gates, fit_intercept=fit_intercept).fit(X, Y)


def test_too_many_cells_to_list_are_refused_with_count_and_limit():
    wide = np.random.default_rng(0).standard_normal((60, 10))
    match = "156006403354 activation patterns .*rank 11; Cover/Winder.*limit of 20000"
    with pytest.raises(ValueError, match=match):
        model(cells="all").fit(wide, wide[:, 0])


@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
def test_beta_out_of_float_range_for_the_data_is_refused():
    with pytest.raises(ValueError, match="beta=1e-300 is out of range"):
        model(beta=1e-300).fit(X * 1e100, Y)


def test_predict_needs_a_fit_and_the_same_columns():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model().predict(X)
    fitted = model().fit(X, Y)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3"):
        fitted.predict(X[:, :2])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fitted.predict(with_entry(X, np.nan))


GOOD_DATA = {
    "one row": (X[:1], Y[:1]),
    "two rows": (X[:2], Y[:2]),
    "one column": (X[:, :1], Y),
    "constant columns": (np.column_stack([X[:, :1], 3 * ONES, 0 * ONES]), Y),
    "duplicated columns": (X[:, [0, 1, 1]], Y),
    "duplicated rows": (X[[0, 0, 1, 1, 2]], Y[:5]),
    "zeros": (0 * X, Y),
    "constant y": (X, 2.5 * ONES),
    "zero y": (X, 0 * ONES),
    "fewer rows than columns": (rng.standard_normal((4, 9)), Y[:4]),
    "integers": (np.arange(24).reshape(12, 2) % 5, np.arange(12)),
    "booleans": (X > 0, Y > 0),
    "lists": (X.tolist(), Y.tolist()),
    "numbers as objects": (X.astype(object), Y.astype(object)),
    "Fortran order": (np.asfortranarray(X), Y[::-1]),
    "large y": (X, Y * 1e100),
    "tiny y": (X, Y * 1e-100),
    "largest y": (X, Y / np.abs(Y).max() * 1e150),
}


@every_backend
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("name", GOOD_DATA)
@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
def test_unusual_data_is_fitted_without_a_warning(
    name, fit_intercept, activation, solver
):
    inputs, targets = GOOD_DATA[name]
    estimator = model(
        beta=0.3 * (np.abs(np.asarray(targets, float)).max() or 1.0),
        activation=activation,
        solver=solver,
        fit_intercept=fit_intercept,
        tol=0.01,
    )
    assert_certified(estimator.fit(inputs, targets), inputs)


@pytest.mark.parametrize("activation", BACKENDS)
def test_constant_targets_are_the_intercept(activation):
    fitted = model(activation=activation).fit(X, 2.5 * ONES)
    assert fitted.n_neurons_ == 0
    np.testing.assert_array_equal(fitted.predict(X), 2.5)


@pytest.mark.parametrize("activation", BACKENDS)
def test_data_frames_are_read_like_arrays(activation):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abc"))
    estimator = model(activation=activation)
    predictions = estimator.fit(frame, pandas.Series(Y)).predict(frame)
    assert_certified(estimator, frame)
    expected = model(activation=activation).fit(X, Y).predict(X)
    np.testing.assert_allclose(predictions, expected, rtol=1e-8)


@every_backend
def test_single_precision_stays_single(activation, solver):
    inputs, targets = X.astype(np.float32), Y.astype(np.float32)
    fitted = model(activation=activation, solver=solver).fit(inputs, targets)
    arrays = [*fitted.coefs_, *fitted.intercepts_, fitted.predict(inputs)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    assert_certified(fitted, inputs)


@pytest.mark.parametrize("shift", [0.0, 1e60])
def test_targets_beyond_single_precision_do_not_overflow(shift):
    inputs, targets = X.astype(np.float32), Y * 1e60 + shift
    estimator = model(beta=0.3e60)
    try:
        estimator.fit(inputs, targets)
    except ValueError as error:
        message = str(error)
    else:
        assert_certified(estimator, inputs)
        return
    assert "y" in message.split()


def test_weights_and_targets_whose_objective_overflows_are_not_certified():
    estimator = model(beta=1e300)
    with pytest.raises(ValueError, match=r"sample_weight|objective"):
        estimator.fit(X, Y * 1e100, 1e200 * ONES)


def test_a_column_of_targets_is_read_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        fitted = model().fit(X, Y[:, None])
    np.testing.assert_array_equal(fitted.predict(X), model().fit(X, Y).predict(X))


def test_several_targets_are_refused_for_listed_cells_of_relu_units():
    with pytest.raises(ValueError, match=r"should be a 1d array.*\(12, 2\)"):
        model(cells="sampled").fit(X, np.column_stack([Y, Y]))


@every_backend
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
def test_columns_of_extreme_scales_leave_finite_predictions(
    activation, solver, fit_intercept
):
    inputs = X * [1e-150, 1.0, 1e150]
    estimator = model(
        activation=activation,
        solver=solver,
        fit_intercept=fit_intercept,
        max_iter=200,
    )
    fitted = fit_quietly(estimator, inputs, Y)
    assert np.isfinite(fitted.predict(inputs)).all()
    assert np.isfinite(fitted.objective_)
    assert 0 <= fitted.certificate_.relative_gap <= 1
    zero = 0.5 * np.sum((Y - Y.mean() * fit_intercept) ** 2)
    assert fitted.objective_ <= zero * (1 + 1e-9)


@every_backend
@pytest.mark.parametrize("beta", [1e3, 1e6, 1e300])
def test_large_penalty_gives_the_zero_network_exactly(activation, solver, beta):
    estimator = model(beta=beta, activation=activation, solver=solver)
    with pytest.warns(UserWarning, match=r"beta=\S+ is above beta_max="):
        fitted = estimator.fit(X, Y)
    assert fitted.beta_max_ < beta
    assert fitted.n_neurons_ == 0
    assert fitted.certificate_.relative_gap <= 1e-12
    np.testing.assert_allclose(fitted.predict(X), Y.mean())
    assert fitted.objective_ == pytest.approx(0.5 * np.sum((Y - Y.mean()) ** 2))


@every_backend
def test_gates_without_an_active_row_leave_the_mean(activation, solver):
    gates = np.array([[0.0], [0.0], [0.0], [-1.0]])
    fitted = model(cells=gates, activation=activation, solver=solver).fit(X, Y)
    assert fitted.n_neurons_ == 0
    assert fitted.beta_max_ == 0
    assert fitted.certificate_.relative_gap <= 1e-12
    np.testing.assert_allclose(fitted.predict(X), Y.mean())


@pytest.fixture
def table():
    """Give back the table of backends as it was."""
    before = dict(registry._BACKENDS)
    yield
    registry._BACKENDS.clear()
    registry._BACKENDS.update(before)


def states():
    """Return an estimator before and one after a fit, with what they hold."""
    unfitted, fitted = model(), model().fit(X, Y)
    return [(estimator, dict(vars(estimator))) for estimator in (unfitted, fitted)]


def assert_failure_leaves_no_trace(error, match, **parameters):
    """Let fits fail, on estimators with and without a fit before."""
    for estimator, _ in states():
        estimator.set_params(**parameters)
        before = dict(vars(estimator))
        with pytest.raises(error, match=match):
            estimator.fit(X[:, :2], Y)
        assert vars(estimator).keys() == before.keys()
        assert all(vars(estimator)[key] is value for key, value in before.items())


def assert_works_or_fails_cleanly(**parameters):
    """Accept an honest point with a warning, or SolverError without a trace."""
    exact = model(tol=1e-6, activation=parameters["activation"]).fit(X, Y)
    for estimator, _ in states():
        estimator.set_params(**parameters)
        before = dict(vars(estimator))
        try:
            with pytest.warns(ConvergenceWarning, match=r"gap .* above tol"):
                estimator.fit(X, Y)
        except SolverError:
            assert vars(estimator).keys() == before.keys()
            assert all(vars(estimator)[key] is value for key, value in before.items())
        else:
            assert np.isfinite(estimator.predict(X)).all()
            assert estimator.certificate_.relative_gap > estimator.tol
            assert estimator.certificate_.dual <= exact.objective_
            assert estimator.objective_ >= exact.certificate_.dual


@pytest.mark.parametrize("activation", BACKENDS)
@pytest.mark.parametrize(
    "options",
    [{"solver": "CLARABEL", "time_limit": 1e-9}, {"solver": "SCS", "max_iters": 1}],
)
def test_conic_solver_stopped_early(activation, options):
    assert_works_or_fails_cleanly(
        activation=activation, solver="cvxpy", solver_options=options
    )


@pytest.mark.parametrize("activation", BACKENDS)
@pytest.mark.parametrize("options", [{"max_iter": 1}, {"time_limit": 1e-12}])
def test_osqp_stopped_early(activation, options):
    assert_works_or_fails_cleanly(
        activation=activation, solver="osqp", solver_options=options
    )


@every_backend
def test_one_iteration(activation, solver):
    estimator = model(activation=activation, solver=solver, max_iter=1, tol=0.0)
    fitted = fit_quietly(estimator, X, Y)
    assert np.isfinite(fitted.predict(X)).all()
    assert 0 <= fitted.certificate_.relative_gap <= 1


@pytest.mark.parametrize("activation", BACKENDS)
@pytest.mark.parametrize(
    ("solver", "options", "error", "match"),
    [
        ("cvxpy", {"solver": "NOPE"}, ValueError, "CLARABEL.*got 'NOPE'"),
        ("cvxpy", {"solver": 3}, ValueError, "CLARABEL.*got 3"),
        ("cvxpy", {"solver": "OSQP"}, SolverError, "OSQP"),
        ("cvxpy", {"max_iter": "x"}, ValueError, "solver_options .*CLARABEL"),
        ("osqp", {"max_iter": -1}, ValueError, "solver_options .*refused by OSQP"),
        ("osqp", {"eps_abs": "x"}, ValueError, "solver_options .*refused by OSQP"),
    ],
)
def test_refused_options_leave_no_trace(activation, solver, options, error, match):
    assert_failure_leaves_no_trace(
        error, match, activation=activation, solver=solver, solver_options=options
    )


def fail(program, **settings):
    raise SolverError("the licence has run out")


def interrupt(program, **settings):
    raise KeyboardInterrupt


def returning(make):
    """Return a backend that makes its point from the program's shape."""

    def solve(program, **settings):
        return Solution(make(program.shape), 1)

    return solve


BAD_POINTS = {
    "NaN": lambda shape: np.full(shape, np.nan),
    "one NaN": lambda shape: with_entry(np.zeros(shape), np.nan),
    "infinite": lambda shape: np.full(shape, np.inf),
    "overflowing loss": lambda shape: np.full(shape, 1e200),
    "overflowing output": lambda shape: np.full(shape, 1e308),
    "wrong shape": lambda shape: np.zeros((1, 1)),
    "transposed": lambda shape: np.zeros(shape[::-1]),
}
either_way = pytest.mark.parametrize("uses_working_set", [True, False])


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("activation", BACKENDS)
@either_way
@pytest.mark.parametrize(
    ("solve", "error", "match"),
    [(fail, SolverError, "licence"), (interrupt, KeyboardInterrupt, None)],
)
def test_errors_of_a_backend_leave_no_trace(
    activation, uses_working_set, solve, error, match
):
    register_backend("bad", solve, uses_working_set=uses_working_set)
    assert_failure_leaves_no_trace(error, match, activation=activation, solver="bad")


@pytest.mark.usefixtures("table")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("activation", BACKENDS)
@either_way
@pytest.mark.parametrize("name", BAD_POINTS)
def test_unusable_points_of_a_backend_are_an_error(activation, uses_working_set, name):
    register_backend(
        "bad", returning(BAD_POINTS[name]), uses_working_set=uses_working_set
    )
    assert_failure_leaves_no_trace(
        SolverError, "solver='bad'", activation=activation, solver="bad"
    )


@pytest.mark.parametrize("name", ["NaN in X", "zero weights", "huge y", "sparse y"])
def test_bad_data_leaves_the_former_fit(name):
    data, error, match = BAD_DATA[name]
    fitted = model().fit(X, Y)
    before, predictions = dict(vars(fitted)), fitted.predict(X)
    with pytest.raises(error, match=match):
        fitted.fit(*data)
    assert vars(fitted).keys() == before.keys()
    assert all(vars(fitted)[key] is value for key, value in before.items())
    np.testing.assert_array_equal(fitted.predict(X), predictions)
