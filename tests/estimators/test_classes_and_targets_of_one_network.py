"""Estimators of several outputs: classes of one network, and many targets."""

import numpy as np
import pytest
from problems import squares
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, load_linnerud
from sklearn.exceptions import DataConversionWarning
from sklearn.preprocessing import scale

from convexnn import (
    ConvexReLUClassifier,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    relu_path,
)
from convexnn.data.samples import collect_samples
from convexnn.solvers import select_backend
from convexnn.training.trainer import Trainer


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return scale(X)[::2], np.array(["red", "green", "blue"])[y[::2]]


@pytest.fixture(scope="module")
def targets():
    X, y = load_linnerud(return_X_y=True)
    return scale(X), scale(y)


def layers(model, X):
    hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    return hidden @ model.coefs_[1] + model.intercepts_[1]


def cross_entropy(outputs, is_in):
    return logsumexp(outputs, axis=1) - outputs[is_in]


def squared_hinges(outputs, is_in):
    margins = np.where(is_in, 1, -1) * outputs
    return (np.maximum(1 - margins, 0) ** 2).sum(axis=1) / 2


@pytest.mark.parametrize(
    ("loss", "values"), [("log_loss", cross_entropy), ("squared_hinge", squared_hinges)]
)
def test_objective_of_three_classes_is_the_networks_own(iris, loss, values):
    X, y = iris
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = ConvexReLUClassifier(
        beta=2.0, loss=loss, class_weight={"red": 2.0}, random_state=0
    ).fit(X, y, weights)
    outputs = layers(model, X)
    assert list(model.classes_) == ["blue", "green", "red"]
    assert outputs.shape == (len(y), 3)
    np.testing.assert_allclose(model.decision_function(X), outputs, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), model.classes_[outputs.argmax(1)])
    own = weights * np.where(y == "red", 2.0, 1.0)
    expected = own @ values(outputs, y[:, None] == model.classes_)
    expected += 0.5 * 2.0 * squares(model)
    assert model.objective_ == pytest.approx(expected, rel=1e-9)
    assert model.certificate_.relative_gap <= model.tol
    assert model.score(X, y) > 0.9


def test_probabilities_of_three_classes_are_the_softmax(iris):
    X, y = iris
    model = ConvexReLUClassifier(beta=1.0, random_state=0).fit(X, y)
    shares = model.predict_proba(X)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(shares, softmax(model.decision_function(X), axis=1))
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), shares)
    np.testing.assert_allclose(model.coefs_[1].sum(axis=1), 0, atol=1e-2)


def test_search_of_three_classes_is_below_descents(iris):
    X, y = iris
    model = ConvexReLUClassifier(beta=1.0, tol=1e-3, random_state=0).fit(X, y)
    is_in, m = y[:, None] == model.classes_, 20
    inputs = np.column_stack([X, np.ones(len(X))])

    def objective(flat):
        hidden, output = flat[: 5 * m].reshape(5, m), flat[5 * m : -3].reshape(m, 3)
        values = inputs @ hidden
        layer = np.maximum(values, 0)
        outputs = layer @ output + flat[-3:]
        slopes = softmax(outputs, axis=1) - is_in
        by_hidden = inputs.T @ ((values > 0) * (slopes @ output.T)) + hidden
        by_output = layer.T @ slopes + output
        value = cross_entropy(outputs, is_in).sum() + 0.5 * np.sum(flat[:-3] ** 2)
        parts = (by_hidden.ravel(), by_output.ravel(), slopes.sum(axis=0))
        return value, np.concatenate(parts)

    rng = np.random.default_rng(0)
    for _ in range(3):
        start = rng.standard_normal(8 * m + 3) / 3
        found = minimize(objective, start, jac=True, options={"maxiter": 2000}).fun
        assert model.objective_ <= found * (1 + 1e-3)
        assert model.certificate_.dual <= found * (1 + 1e-9)


@pytest.mark.parametrize(
    ("one", "both", "factor"),
    [("log_loss", "multinomial", 1.0), ("squared_hinge", "squared_hinge", 2.0)],
)
def test_two_outputs_of_opposite_sign_stand_for_one(iris, one, both, factor):
    """Outputs (-f, f) with a penalty of ``sqrt(2) * beta``.

    Two softmax outputs, (-f, f) / 2, have the loss of f; each of two hinges has it.
    """
    X, y = iris
    backend, is_last = select_backend("auto", {"cones"}), y == "red"
    labels = np.where(is_last, 1.0, -1.0)
    columns = np.column_stack([~is_last, is_last]).astype(float)
    if both != "multinomial":
        columns = 2 * columns - 1
    single = Trainer(
        collect_samples(X, labels, loss=one), backend, loss=one, random_state=0
    ).train(1.0)
    double = Trainer(
        collect_samples(X, columns, loss=both), backend, loss=both, random_state=0
    ).train(np.sqrt(2))
    assert double.certificate.primal == pytest.approx(
        factor * single.certificate.primal, rel=2e-3
    )
    assert double.beta_max == pytest.approx(np.sqrt(2) * single.beta_max, rel=1e-4)


def test_weights_order_and_names_for_three_classes(iris):
    X, y = iris
    counts = np.random.default_rng(1).integers(0, 3, len(y))
    rows = np.random.default_rng(2).permutation(np.repeat(np.arange(len(y)), counts))
    model = ConvexReLUClassifier(
        beta=1.0, class_weight="balanced", tol=0.01, random_state=0
    )
    weighted = clone(model).fit(X, y, sample_weight=counts)
    repeated = clone(model).fit(X[rows], y[rows])
    np.testing.assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
    numbers = np.array([{"blue": -5, "green": 0, "red": 8}[label] for label in y])
    numbered = clone(model).fit(X, numbers, sample_weight=counts)
    np.testing.assert_array_equal(weighted.predict_proba(X), numbered.predict_proba(X))
    assert numbered.predict(X).dtype == numbers.dtype


def test_constant_network_of_three_classes_has_their_shares(iris):
    X, y = iris
    few = np.arange(len(y)) > 10
    model = ConvexReLUClassifier(beta=1e4, random_state=0)
    with pytest.warns(UserWarning, match=r"beta=10000 is above beta_max="):
        model.fit(X[few], y[few])
    assert model.n_neurons_ == 0
    assert model.beta_max_ < 1e4
    shares = [np.mean(y[few] == label) for label in model.classes_]
    np.testing.assert_allclose(model.predict_proba(X[:2]), [shares, shares])


def test_warm_start_needs_the_same_outputs(iris):
    X, y = iris
    model = ConvexReLUClassifier(beta=2.0, warm_start=True, random_state=0)
    model.fit(X, y == "red")
    assert model.decision_function(X).shape == (len(y),)
    model.fit(X, y)
    assert model.certificate_.relative_gap <= model.tol
    assert model.set_params(beta=1.9).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge", "log_loss"])
def test_listed_cells_of_relu_units_have_two_classes_only(iris, loss):
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        ConvexReLUClassifier(loss=loss, cells="sampled").fit(*iris)


@pytest.mark.parametrize("loss", ["squared_hinge", "log_loss"])
def test_gated_units_tell_three_classes_apart(iris, loss):
    X, y = iris
    model = ConvexReLUClassifier(
        activation="gated_relu", loss=loss, n_cells=10, tol=0.01, random_state=0
    ).fit(X, y)
    assert model.coefs_[1].shape == (model.n_neurons_, 3)
    assert model.certificate_.scope == "cells"
    assert model.certificate_.relative_gap <= 0.01
    assert model.score(X, y) > 0.95


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_objective_of_three_targets_is_the_networks_own(targets, loss):
    X, y = targets
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = ConvexReLURegressor(beta=1.0, loss=loss, epsilon=0.5, random_state=0)
    model.fit(X, y, weights)
    assert model.coefs_[1].shape == (model.n_neurons_, 3)
    assert model.intercepts_[1].shape == (3,)
    outputs = layers(model, X)
    np.testing.assert_allclose(model.predict(X), outputs, rtol=1e-12)
    sizes = np.abs(outputs - y)
    values = sizes**2 / 2
    if loss == "huber":
        values = np.where(sizes <= 0.5, values, 0.5 * (sizes - 0.25))
    expected = weights @ values.sum(axis=1) + 0.5 * squares(model)
    assert model.objective_ == pytest.approx(expected, rel=1e-9)
    assert model.certificate_.relative_gap <= model.tol
    assert model.n_neurons_ > 0


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_repeated_and_constant_targets_are_one_target(targets, loss):
    """Targets (y, y) weigh twice and cost ``sqrt(2)``; a constant adds nothing."""
    X, y = targets[0], targets[1][:, 0]
    model = ConvexReLURegressor(
        beta=3.0, loss=loss, epsilon=0.5, tol=1e-3, random_state=0
    )
    one = clone(model).fit(X, y)
    constant = clone(model).fit(X, np.column_stack([y, np.full(len(y), 3.0)]))
    assert constant.objective_ == pytest.approx(one.objective_, rel=2e-3)
    np.testing.assert_allclose(constant.predict(X)[:, 1], 3.0, atol=1e-3)
    twice = clone(model).set_params(beta=3 * np.sqrt(2))
    twice.fit(X, np.column_stack([y, y]))
    assert twice.objective_ == pytest.approx(2 * one.objective_, rel=2e-3)
    assert twice.beta_max_ == pytest.approx(np.sqrt(2) * one.beta_max_, rel=1e-4)


def test_one_column_is_a_vector(targets):
    X, y = targets
    model = ConvexReLURegressor(loss="huber", random_state=0)
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        one = clone(model).fit(X, y[:, :1])
    np.testing.assert_array_equal(one.predict(X), model.fit(X, y[:, 0]).predict(X))


def test_huber_is_squared_within_epsilon_and_bounds_the_pull_of_outliers(targets):
    X, y = targets[0], targets[1][:, 0]
    squared = ConvexReLURegressor(beta=1.0, random_state=0, tol=1e-6).fit(X, y)
    wide = ConvexReLURegressor(
        beta=1.0, loss="huber", epsilon=100.0, random_state=0, tol=1e-6
    ).fit(X, y)
    assert wide.objective_ == pytest.approx(squared.objective_, rel=1e-5)
    spoilt = y.copy()
    spoilt[3] += 1e3
    far = ConvexReLURegressor(beta=5.0, loss="huber", random_state=0).fit(X, spoilt)
    near = ConvexReLURegressor(beta=5.0, random_state=0).fit(X, spoilt)
    rest = np.arange(len(y)) != 3
    assert np.abs(far.predict(X) - y)[rest].max() < 10
    assert np.abs(near.predict(X) - y)[rest].max() > 10


def test_paths_and_choice_for_several_targets(targets):
    X, y = targets
    settings = {"betas": 3, "beta_min_ratio": 0.2, "random_state": 0}
    path = relu_path(X, y, **settings)
    assert path.predict(X).shape == (20, 3, 3)
    model = ConvexReLURegressorCV(
        cv=2, fold_training="certified", tol=1e-3, max_iter=20_000, **settings
    ).fit(X, y)
    np.testing.assert_allclose(model.betas_, path.betas, rtol=1e-12)
    folds = [(np.arange(10, 20), np.arange(10)), (np.arange(10), np.arange(10, 20))]
    for number, (train, test) in enumerate(folds):
        own = relu_path(X[train], y[train], **settings | {"betas": model.betas_})
        errors = np.mean((own.predict(X[test]) - y[test][:, :, None]) ** 2, axis=(0, 1))
        np.testing.assert_allclose(model.mse_path_[:, number], errors, rtol=0.05)
    single = ConvexReLURegressor(beta=model.beta_, tol=1e-3, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), single.predict(X))


def test_path_under_huber(targets):
    X, y = targets
    path = relu_path(
        X, y[:, 0], loss="huber", epsilon=0.5, betas=[2.0, 1.0], random_state=0
    )
    for beta, objective in zip(path.betas, path.objectives, strict=True):
        one = ConvexReLURegressor(
            beta=beta, loss="huber", epsilon=0.5, tol=1e-3, random_state=0
        )
        assert objective == pytest.approx(one.fit(X, y[:, 0]).objective_, rel=2e-3)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"loss": "hinge"}, "'loss'(?=.*'squared')(?=.*'huber').*Got 'hinge'"),
        ({"epsilon": 0}, r"'epsilon'.*\(0.0, inf\). Got 0 "),
        ({"epsilon": np.inf}, r"'epsilon'.*\(0.0, inf\). Got inf "),
        ({"epsilon": np.nan}, r"'epsilon'.*\(0.0, inf\). Got nan "),
        ({"cells": "sampled"}, r"should be a 1d array.*\(20, 3\)"),
    ],
)
def test_bad_parameters_for_several_targets(targets, parameters, match):
    with pytest.raises(ValueError, match=match):
        ConvexReLURegressor(**parameters).fit(*targets)


def test_objective_on_digits():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    model = ConvexReLUClassifier(beta=30.0, tol=1e-3, random_state=0).fit(X, y)
    # Of a search with tol=1e-4, whose estimated bound is 562.650.
    assert model.objective_ == pytest.approx(562.6675, rel=5e-4)
    assert model.certificate_.relative_gap <= 1e-3
    assert model.score(X, y) > 0.92
