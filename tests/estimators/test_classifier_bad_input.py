"""What ConvexReLUClassifier refuses, survives, and leaves behind when it fails."""

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning, NotFittedError

from convexnn import ConvexReLUClassifier

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((12, 3)), np.arange(12) % 2
ONES = np.ones(12)


def model(**parameters):
    defaults = {"beta": 0.3, "cells": "sampled", "n_cells": 8, "random_state": 0}
    return ConvexReLUClassifier(**defaults | parameters)


def with_entry(array, value):
    array = np.array(array, dtype=np.result_type(array, type(value)))
    array.flat[1] = value
    return array


BAD_DATA = {
    "no rows": ((X[:0], Y[:0]), ValueError, "0 sample"),
    "one row": ((X[:1], Y[:1]), ValueError, "at least 2 classes.*got 1 class: 0"),
    "one class": ((X, 0 * Y), ValueError, "at least 2 classes.*got 1 class: 0"),
    "one class of positive weight": (
        (X, Y, ONES * Y),
        ValueError,
        "at least 2 classes of positive weight, got 1 class: 1",
    ),
    "NaN in X": ((with_entry(X, np.nan), Y), ValueError, "Input X contains NaN"),
    "NaN in y": ((X, with_entry(Y * 1.0, np.nan)), ValueError, "Input y contains NaN"),
    "numbers in y": ((X, X[:, 0]), ValueError, "Unknown label type: continuous"),
    "mixed labels": (
        (X, np.array([1, "a"] * 6, dtype=object)),
        ValueError,
        "(?i)label type|mix",
    ),
    "columns of labels": (
        (X, np.column_stack([Y, Y])),
        ValueError,
        r"should be a 1d array.*\(12, 2\)",
    ),
    "no y": ((X, None), ValueError, "requires y"),
    "complex y": ((X, Y + 1j), ValueError, "Complex data not supported"),
    "negative weight": (
        (X, Y, with_entry(ONES, -1.0)),
        ValueError,
        "Negative values in data passed to `sample_weight`",
    ),
    "zero weights": ((X, Y, 0 * ONES), ValueError, "(?i)sample.weight"),
    "few labels": ((X, Y[:5]), ValueError, r"inconsistent numbers.*\[12, 5\]"),
}


@pytest.mark.parametrize("is_fitted", [False, True])
@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_leaves_no_trace(name, is_fitted):
    data, error, match = BAD_DATA[name]
    estimator = model().fit(X, Y) if is_fitted else model()
    before = dict(vars(estimator))
    with pytest.raises(error, match=match):
        estimator.fit(*data)
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[key] is value for key, value in before.items())


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"beta": 0}, r"'beta'.*\(0.0, inf\) or None. Got 0 "),
        ({"beta": np.nan}, r"'beta'.*\(0.0, inf\) or None. Got nan "),
        (
            {"loss": "squared"},
            "'loss'(?=.*'log_loss')(?=.*'squared_hinge')(?=.*'hinge').*Got 'squared'",
        ),
        ({"class_weight": "even"}, "'class_weight'.*'balanced'.*Got 'even'"),
        ({"class_weight": {0: -1.0}}, "class_weight must have finite, non-negative"),
        ({"class_weight": {0: np.inf}}, "class_weight must have finite, non-negative"),
        ({"class_weight": {0: np.nan}}, "class_weight must have finite, non-negative"),
        ({"class_weight": {0: 0}}, "at least 2 classes of positive weight"),
        ({"class_weight": {"a": 1}}, "not in class_weight"),
        ({"tol": 1.0}, r"'tol'.*\[0.0, 1.0\). Got 1.0 "),
        ({"solver": "nope"}, "solver='nope'"),
        ({"solver_options": {"colour": 3}}, "solver_options .*colour"),
        ({"warm_start": "yes"}, "'warm_start'.*Got 'yes'"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(parameters, match):
    with pytest.raises(ValueError, match=match):
        model(**parameters).fit(X, Y)


def test_weights_whose_product_overflows_are_refused():
    with pytest.raises(ValueError, match="class_weight and sample_weight are too"):
        model(class_weight={0: 1e200}).fit(X, Y, 1e200 * ONES)


def test_methods_need_a_fit_and_the_same_columns():
    for method in ("predict", "decision_function", "predict_proba"):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(model(), method)(X)
        with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3"):
            getattr(model().fit(X, Y), method)(X[:, :2])


def test_a_column_of_labels_is_read_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        fitted = model().fit(X, Y[:, None])
    np.testing.assert_array_equal(fitted.predict(X), model().fit(X, Y).predict(X))


GOOD_DATA = {
    "two rows": (X[:2], Y[:2]),
    "one column": (X[:, :1], Y),
    "constant columns": (np.column_stack([X[:, :1], 3 * ONES, 0 * ONES]), Y),
    "equal rows of different labels": (X[[0, 0, 1, 1]], Y[[0, 1, 0, 1]]),
    "zeros": (0 * X, Y),
    "fewer rows than columns": (rng.standard_normal((4, 9)), Y[:4]),
    "booleans": (X > 0, Y > 0),
    "lists": (X.tolist(), ["no", "yes"] * 6),
    "labels as objects": (X, np.array(["no", "yes"] * 6, dtype=object)),
    "one of many": (X, np.arange(12) == 5),
    "separable": (np.where(Y[:, None] > 0, 5, -5) + X, Y),
    "large X": (X * 1e60, Y),
}


@pytest.mark.parametrize("solver", ["auto", "newton"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
@pytest.mark.parametrize("name", GOOD_DATA)
@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
def test_unusual_data_is_fitted_without_a_warning(name, loss, fit_intercept, solver):
    inputs, labels = GOOD_DATA[name]
    cells = "auto" if solver == "auto" else "sampled"
    scale = float(np.max(np.abs(np.asarray(inputs, float)), initial=1.0))
    estimator = model(
        beta=0.3 * scale,
        loss=loss,
        fit_intercept=fit_intercept,
        solver=solver,
        cells=cells,
        tol=0.01,
    ).fit(inputs, labels)
    assert np.isfinite(estimator.decision_function(inputs)).all()
    assert 0 <= estimator.certificate_.relative_gap <= estimator.tol
    assert set(estimator.predict(inputs)) <= set(np.unique(labels))


def test_data_frames_are_read_like_arrays():
    pandas = pytest.importorskip("pandas")
    frame, labels = pandas.DataFrame(X, columns=list("abc")), pandas.Series(Y)
    fitted = model().fit(frame, labels.map({0: "no", 1: "yes"}))
    assert list(fitted.feature_names_in_) == list("abc")
    expected = model().fit(X, Y).decision_function(X)
    np.testing.assert_allclose(fitted.decision_function(frame), expected, rtol=1e-8)
