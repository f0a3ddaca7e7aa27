"""Penalties as a share of beta_max, of three layers and of many filters."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone, is_classifier

from convexnn import (
    ConvexCNNRegressor,
    ThreeLayerConvexClassifier,
    ThreeLayerConvexRegressor,
)

rng = np.random.default_rng(0)
X = rng.standard_normal((16, 4))
# Sums of these are exact.
Y = rng.integers(-64, 64, 16) / 16
LABELS = np.searchsorted(np.quantile(Y, [1 / 3, 2 / 3]), Y)

GIVEN = {"cells": "sampled", "n_cells": 6, "random_state": 0}
REGRESSORS = {
    "three layers, search": ThreeLayerConvexRegressor(2, random_state=0),
    "three layers, given blocks": ThreeLayerConvexRegressor(2, **GIVEN),
    "filters, search": ConvexCNNRegressor(
        filter_shape=2, formulation="global", random_state=0
    ),
    "filters, given cells": ConvexCNNRegressor(
        filter_shape=2, formulation="global", solver="newton", **GIVEN
    ),
}
CLASSIFIERS = {
    "classifier, search": ThreeLayerConvexClassifier(2, tol=0.02, random_state=0),
    "classifier, given blocks": ThreeLayerConvexClassifier(2, **GIVEN),
}
EVERYTHING = REGRESSORS | CLASSIFIERS


def target_of(estimator):
    """Return targets, or labels: of two classes over given blocks."""
    if not is_classifier(estimator):
        return Y
    return LABELS if estimator.cells == "auto" else LABELS[0] == LABELS


def outputs_of(fitted):
    return (fitted.decision_function if is_classifier(fitted) else fitted.predict)(X)


@pytest.mark.parametrize("name", EVERYTHING)
def test_the_default_is_a_share_of_beta_max(name):
    estimator, y = EVERYTHING[name], target_of(EVERYTHING[name])
    fitted = clone(estimator).fit(X, y)
    assert fitted.beta_ == pytest.approx(0.05 * fitted.beta_max_, rel=1e-15)
    given = clone(estimator).set_params(beta=fitted.beta_).fit(X, y)
    assert given.beta_ == fitted.beta_
    np.testing.assert_array_equal(outputs_of(given), outputs_of(fitted))
    more = clone(estimator).set_params(beta_ratio=0.5).fit(X, y)
    assert more.beta_ == pytest.approx(10 * fitted.beta_)


@pytest.mark.parametrize("name", REGRESSORS)
def test_units_of_the_targets_pass_through(name):
    fitted = clone(REGRESSORS[name]).fit(X, Y)
    scaled = clone(REGRESSORS[name]).fit(X, 4 * Y)
    assert scaled.beta_ == 4 * fitted.beta_
    np.testing.assert_array_equal(scaled.predict(X), 4 * fitted.predict(X))
    shifted = clone(REGRESSORS[name]).fit(X, 4 * Y + 3)
    assert shifted.beta_ == scaled.beta_
    # The same network; adding the intercept rounds.
    np.testing.assert_allclose(shifted.predict(X), scaled.predict(X) + 3, atol=1e-13)


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("n", [5, 16])
def test_units_of_the_inputs_and_repeated_rows_pass_through(name, n):
    fitted = clone(REGRESSORS[name]).fit(X[:n], Y[:n])
    estimator = clone(REGRESSORS[name])
    again = estimator.fit(np.repeat(X[:n], 2, axis=0), np.repeat(Y[:n], 2))
    assert again.beta_ == 2 * fitted.beta_
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("n", [5, 14, 30])
def test_constant_targets_make_the_zero_network(name, n):
    inputs = np.random.default_rng(n).standard_normal((n, 4))
    weights = np.random.default_rng(1).uniform(0.5, 2, n)
    for constant in (0.0, 0.1, 1 / 3, -0.7, 123456.789):
        for sample_weight in (None, weights):
            y = np.full(n, constant)
            fitted = clone(REGRESSORS[name]).fit(inputs, y, sample_weight)
            assert fitted.beta_ == 1.0
            assert fitted.beta_max_ == 0.0
            np.testing.assert_allclose(fitted.predict(inputs), constant, rtol=1e-14)


ABOVE = "beta={} is above beta_max={}, .* constant.* beta_ratio=0.05 times"
BELOW = "beta={} is below 1e-05 of beta_max={}, .* beta_ratio=0.05 times"


@pytest.mark.parametrize(
    ("name", "share", "match"),
    [(name, 2.0, ABOVE) for name in EVERYTHING]
    + [(name, 1e-6, BELOW) for name in REGRESSORS],
)
def test_penalties_far_out_are_told(name, share, match):
    estimator, y = clone(EVERYTHING[name]), target_of(EVERYTHING[name])
    largest = clone(estimator).set_params(beta_ratio=0.9).fit(X, y).beta_max_
    estimator.set_params(beta=share * largest, tol=0.5, max_iter=1)
    match = match.format(f"{share * largest:g}", f"{largest:g}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, y)
    told = [each for each in caught if each.category is UserWarning]
    assert len(told) == 1
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match=match):
        warnings.warn(told[0].message, stacklevel=1)


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("value", [0, 0.0, -1.0, np.nan, np.inf, "auto", None])
def test_bad_shares_are_refused(name, value):
    estimator = clone(EVERYTHING[name]).set_params(beta_ratio=value)
    with pytest.raises(ValueError, match=r"'beta_ratio'.*\(0.0, inf\). Got"):
        estimator.fit(X, target_of(estimator))
