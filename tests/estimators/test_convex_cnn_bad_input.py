"""What ConvexCNNRegressor refuses, survives, and leaves behind when it fails."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)

from convexnn import ConvexCNNRegressor
from convexnn.filters import interior_point, trainer
from convexnn.solvers import SolverError

rng = np.random.default_rng(0)
X = rng.standard_normal((24, 6))
Y = np.maximum(X.reshape(24, 3, 2) @ [1.0, -2.0], 0).sum(axis=1)
NOISY = Y + 0.3 * rng.standard_normal(24)
ONES = np.ones(24)


def model(**parameters):
    defaults = {"filter_shape": 2, "random_state": 0}
    if parameters.get("formulation") != "global":
        defaults["n_restarts"] = 5
    return ConvexCNNRegressor(**defaults | parameters)


def with_entry(array, value):
    array = np.array(array, dtype=np.result_type(array, type(value)))
    array.flat[1] = value
    return array


BAD_DATA = {
    "no rows": ((X[:0], Y[:0]), ValueError, "0 sample"),
    "no columns": ((X[:, :0], Y), ValueError, "0 feature"),
    "NaN in X": ((with_entry(X, np.nan), Y), ValueError, "Input X contains NaN"),
    "inf in y": ((X, with_entry(Y, np.inf)), ValueError, "Input y contains inf"),
    "no y": ((X, None), ValueError, "requires y"),
    "negative weight": (
        (X, Y, with_entry(ONES, -1.0)),
        ValueError,
        "Negative values in data passed to `sample_weight`",
    ),
    "zero weights": ((X, Y, 0 * ONES), ValueError, "(?i)sample.weight"),
    "few weights": ((X, Y, ONES[:5]), ValueError, r"sample_weight.*\(5,\).*\(24,\)"),
    "complex X": ((X + 1j, Y), ValueError, "Complex data not supported"),
    "sparse y": (
        (X, sparse.csr_array(Y[:, None])),
        TypeError,
        "dense data is required",
    ),
    "images not flattened": ((X.reshape(24, 3, 2), Y), ValueError, "dim 3"),
    "few targets": ((X, Y[:5]), ValueError, r"inconsistent numbers.*\[24, 5\]"),
    "several targets": ((X, np.column_stack([Y, Y])), ValueError, r"1d array"),
    "huge y": ((X, Y * 1e200), ValueError, r"y must not exceed 1e\+150"),
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
        ({"formulation": "convex"}, "'formulation'.*'relaxation'.* Got 'convex'"),
        ({"linear_weight": -1.0}, r"'linear_weight'.*\[0.0, inf\).*Got -1.0"),
        ({"linear_weight": np.inf}, r"'linear_weight'.*\[0.0, inf\).* Got inf"),
        ({"linear_weight": np.nan}, r"'linear_weight'.*\[0.0, inf\).* Got nan"),
        ({"linear_weight": "zero"}, r"'linear_weight'.*'limit'.* Got 'zero'"),
        ({"direction": "random"}, r"'direction'.*'gaussian'.* Got 'random'"),
        ({"direction": 3}, r"'direction'.* Got 3"),
        ({"direction": [1.0]}, r"direction .* 2 weights .*got shape \(1,\)"),
        ({"direction": [0.0, 0.0]}, "direction .* not zero, got zeros"),
        ({"direction": [np.nan, 0.0]}, "direction .* finite .*got NaN or infinity"),
        ({"direction": ["a", "b"]}, "direction must be .* real numbers"),
        ({"n_restarts": 0}, r"'n_restarts'.*\[1, inf\). Got 0"),
        ({"refine": "yes"}, "'refine'.*bool.*Got 'yes'"),
        ({"solver": 3}, "'solver'.*'str'. Got 3"),
        ({"solver": "simplex"}, "'simplex' is not a known .*'interior_point'"),
        ({"solver": "highs"}, "'highs' cannot express .*beta > 0.*'cvxpy'"),
        ({"solver": "interior_point", "linear_weight": 0}, "cannot express the naive"),
        ({"accuracy": 0.0}, r"'accuracy'.*\(0.0, 1.0\).* Got 0.0"),
        ({"formulation": "global", "beta": "limit"}, r"'beta'.*\(0.0, inf\).*limit"),
        ({"formulation": "global", "beta": 0}, r"'beta'.*\(0.0, inf\).* Got 0"),
        (
            {"formulation": "global", "solver": "highs"},
            r"highs.*Allowed.*'auto', 'active_set', 'newton', 'cvxpy'",
        ),
        ({"formulation": "global", "cells": np.ones((2, 3))}, r"cells.*\(2, 3\)"),
        ({"max_iter": 0}, r"'max_iter'.*\[1, inf\). Got 0"),
        ({"n_jobs": 1.5}, r"'n_jobs'.* Got 1.5"),
        ({"random_state": "a"}, "'random_state'.*Got 'a'"),
        ({"verbose": -1}, "'verbose'.*Got -1"),
        ({"filter_shape": 4}, "filter_shape=4 .*leaves out the last 2 of 6 entries"),
        ({"filter_shape": 7}, r"filter_shape=7 must not exceed the shape \(6,\)"),
        ({"filter_shape": "2"}, "'filter_shape'.* Got '2'"),
        ({"filter_shape": 2.0}, "'filter_shape'.* Got 2.0"),
        ({"stride": 3}, "stride=3 leaves out the last 1 of 6"),
        ({"stride": 0}, "stride must be .* positive ints, got 0"),
        ({"input_shape": (2, 4)}, r"input_shape=\(2, 4\) has 8 entries.* 6 features"),
        (
            {"input_shape": (2, 3), "filter_shape": (3, 2)},
            r"filter_shape=\(3, 2\) must not exceed the shape \(2, 3\)",
        ),
        (
            {"input_shape": (2, 1, 3), "filter_shape": (1, 1, 2)},
            "has 2 channels, but the inputs have 3",
        ),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(parameters, match):
    estimator = model(**parameters)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=match):
        estimator.fit(X, Y)
    assert vars(estimator) == before


GIVEN = np.array([1.0, -1.0])
OF_ONE_FORMULATION = {
    "relaxation": {
        "linear_weight": "limit",
        "direction": GIVEN,
        "n_restarts": 5,
        "refine": False,
        "accuracy": 1e-3,
        "n_jobs": 2,
    },
    "global": {
        "beta": 0.5,
        "beta_ratio": 0.1,
        "loss": "huber",
        "epsilon": 2.0,
        "cells": GIVEN[:, None],
        "n_cells": 10,
        "fit_intercept": False,
        "tol": 1e-3,
        "max_neurons": 3,
        "warm_start": True,
        "solver_options": {"n_starts": 8},
    },
}


@pytest.mark.parametrize(
    ("formulation", "name"),
    [(key, name) for key, names in OF_ONE_FORMULATION.items() for name in names],
)
def test_parameters_of_the_other_formulation_are_refused(formulation, name):
    value = OF_ONE_FORMULATION[formulation][name]
    (other,) = set(OF_ONE_FORMULATION) - {formulation}
    estimator = ConvexCNNRegressor(
        filter_shape=2, formulation=other, random_state=0, **{name: value}
    )
    match = (
        rf"(?s){name}=.* is used by formulation='{formulation}' only, got "
        rf"formulation='{other}'. Leave {name}="
    )
    with pytest.raises(ValueError, match=match):
        estimator.fit(X, Y)


def test_predict_and_transform_need_a_fit_and_the_same_columns():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model().predict(X)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model().transform(X)
    fitted = model().fit(X, Y)
    for method in (fitted.predict, fitted.transform):
        with pytest.raises(ValueError, match=r"X has 4 features, but .* expecting 6"):
            method(X[:, :4])
        with pytest.raises(ValueError, match="Input X contains NaN"):
            method(with_entry(X, np.nan))


GOOD_DATA = {
    "one row": (X[:1], Y[:1]),
    "two rows": (X[:2], Y[:2]),
    "constant columns": (X * [1, 0, 0, 0, 0, 0] + [0, 3, 0, 0, 0, 0], Y),
    "duplicated rows": (X[[0, 0, 1, 1, 2, 2]], Y[[0, 3, 1, 1, 2, 2]]),
    "fewer rows than weights": (X[:1], Y[:1]),
    "noise": (X, NOISY),
    "constant y": (X, 2.5 * ONES),
    "integers": (np.arange(144).reshape(24, 6) % 5, np.arange(24)),
    "booleans": (X > 0, Y > 0),
    "lists": (X.tolist(), Y.tolist()),
    "numbers as objects": (X.astype(object), Y.astype(object)),
    "Fortran order": (np.asfortranarray(X), Y[::-1]),
    "large y": (X, Y * 1e100),
    "tiny y": (X, Y * 1e-100),
    "largest y": (X, Y / Y.max() * 1e150),
    "large X": (X * 1e150, Y),
    "tiny X": (X * 1e-150, Y),
    "columns of extreme scales": (X * [1e-150, 1, 1, 1, 1, 1e100], Y),
}


@pytest.mark.parametrize(
    "parameters", [{}, {"refine": False}, {"linear_weight": "limit"}]
)
@pytest.mark.parametrize("name", GOOD_DATA)
def test_unusual_data_is_fitted_without_a_warning(name, parameters):
    inputs, targets = GOOD_DATA[name]
    fitted = model(**parameters).fit(inputs, targets)
    assert np.isfinite(fitted.predict(inputs)).all()
    assert np.isfinite(fitted.objective_)
    assert np.isfinite(fitted.relaxation_objective_)
    if fitted.refine:
        at_zero = 0.5 * np.sum(np.asarray(targets, float) ** 2)
        assert fitted.objective_ <= at_zero * (1 + 1e-12)


@pytest.mark.parametrize("refine", [True, False])
def test_inputs_of_zeros_leave_the_zero_network_and_say_so(refine):
    with pytest.warns(ConvergenceWarning, match="The network is zero: no patch .* X"):
        fitted = model(refine=refine).fit(0 * X, Y)
    np.testing.assert_array_equal(fitted.predict(X), 0)
    assert fitted.objective_ == pytest.approx(0.5 * Y @ Y)
    assert not fitted.recovered_


def test_a_network_that_no_filter_can_activate_is_zero_and_says_so():
    # Patches of opposite signs: every filter is active on one of them, and raises
    # a label that should be zero more than it helps the others.
    inputs = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    targets = np.array([0.1, 0.1, -10.0, -10.0])
    with pytest.warns(ConvergenceWarning, match="The network is zero"):
        fitted = model(filter_shape=None).fit(inputs, targets)
    np.testing.assert_array_equal(fitted.predict(inputs), 0)


def test_no_positive_label_is_no_reason_to_warn():
    fitted = model().fit(X, -Y)
    np.testing.assert_array_equal(fitted.coef_, 0)
    assert fitted.n_iter_ >= 1


def test_zero_patches_among_others_do_no_harm():
    inputs = X.copy()
    inputs[:, :2] = 0
    inputs[3] = 0
    targets = np.maximum(inputs.reshape(24, 3, 2) @ [1.0, -2.0], 0).sum(axis=1)
    for parameters in ({}, {"refine": False, "linear_weight": "limit"}):
        fitted = model(**parameters).fit(inputs, targets)
        np.testing.assert_allclose(fitted.coef_, [1.0, -2.0], rtol=1e-4)


def test_directions_without_a_solution_are_refused_with_a_remedy():
    few = rng.standard_normal((3, 6))
    targets = np.maximum(few[:, 0], 0) + 1
    match = r"direction is .*no solution along {}.*direction='data'"
    for refine in (True, False):
        estimator = model(
            filter_shape=None, direction="gaussian", refine=refine, n_restarts=2
        )
        before = dict(vars(estimator))
        with pytest.raises(ValueError, match=match.format("any of 2 direction")):
            estimator.fit(few, targets)
        assert vars(estimator) == before
        estimator.set_params(direction=-few.sum(axis=0))
        with pytest.raises(ValueError, match=match.format("this direction")):
            estimator.fit(few, targets)


def test_missed_accuracy_of_the_relaxation_warns_with_the_value_reached():
    estimator = model(refine=False, solver="osqp", max_iter=3)
    match = r"relative error .* is above accuracy=1e-06. Increase max_iter"
    with pytest.warns(ConvergenceWarning, match=match):
        estimator.fit(X, NOISY)


def test_refinements_that_run_out_of_steps_warn():
    match = "refinement ended at max_iter=1, where the relative residual is"
    with pytest.warns(ConvergenceWarning, match=match):
        model(max_iter=1).fit(X, NOISY)


@pytest.mark.parametrize(
    ("place", "name", "error"),
    [
        (interior_point, "solve", SolverError("lost")),
        (trainer, "refine_filter", KeyboardInterrupt()),
    ],
)
def test_failures_and_interrupts_leave_the_estimator_as_it_was(
    place, name, error, monkeypatch
):
    for estimator in (model(), model().fit(X, Y)):
        before = dict(vars(estimator))

        def fail(*_, error=error, **__):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(place, name, fail)
            with pytest.raises(type(error)):
                estimator.fit(X[:, :4], NOISY)
        assert vars(estimator).keys() == before.keys()
        assert all(vars(estimator)[key] is value for key, value in before.items())


def test_weights_beyond_single_precision_are_refused():
    inputs = X.astype(np.float32) * np.float32(1e-30)
    with pytest.raises(ValueError, match="y is out of the range of float32"):
        model().fit(inputs, Y * 1e30)


def test_a_column_of_targets_is_read_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        fitted = model().fit(X, Y[:, None])
    np.testing.assert_array_equal(fitted.coef_, model().fit(X, Y).coef_)
