"""Penalties as shares of beta_max: the same predictions in any units of the data."""

import numpy as np
import pytest

from convexnn import ConvexReLUClassifier, ConvexReLURegressor, ConvexReLURegressorCV
from convexnn.data.datasets import make_relu_teacher


@pytest.fixture(scope="module")
def data():
    X, y = make_relu_teacher(60, 3, noise=0.3, random_state=0)
    # Few digits, so that sums with large numbers are exact.
    return X, np.round(y * 2**10) / 2**10


def predictions(X, y, **parameters):
    return ConvexReLURegressor(random_state=0, **parameters).fit(X, y).predict(X)


@pytest.mark.parametrize("factor", [1e-9, 1e6, 2.0**40, -3.7])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_targets_in_other_units(data, factor, loss):
    X, y = data
    epsilon = {"epsilon": 1.35}, {"epsilon": 1.35 * abs(factor)}
    first = predictions(X, y, loss=loss, **epsilon[0])
    second = predictions(X, factor * y, loss=loss, **epsilon[1])
    if factor < 0:
        # Signs of units alternate, so that mirrored targets have another start.
        np.testing.assert_allclose(second / factor, first, atol=0.05)
    else:
        np.testing.assert_allclose(second / factor, first, rtol=1e-6, atol=1e-6)


def test_targets_far_from_zero(data):
    X, y = data
    first, second = predictions(X, y), predictions(X, y + 1e8)
    np.testing.assert_allclose(second - 1e8, first, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-6, 1e3, 7.3])
def test_inputs_in_other_units_without_biases(data, factor):
    X, y = data
    # Inputs keep all their digits, and other units move the last: what the same steps
    # lead to agrees as far as the tolerance says.
    model = ConvexReLURegressor(random_state=0, fit_intercept=False, tol=1e-6)
    first = model.fit(X, y).predict(X)
    objective = model.objective_
    second = model.fit(factor * X, y).predict(factor * X)
    assert model.objective_ == pytest.approx(objective, rel=2e-6)
    np.testing.assert_allclose(second, first, atol=2e-3 * np.abs(y).max())


@pytest.mark.parametrize("factor", [2.0**-20, 64.0])
def test_inputs_times_a_power_of_two_without_biases(data, factor):
    X, y = data
    model = ConvexReLURegressor(random_state=0, fit_intercept=False)
    first = model.fit(X, y).predict(X)
    np.testing.assert_array_equal(model.fit(factor * X, y).predict(factor * X), first)


@pytest.mark.parametrize("times", [2, 3])
def test_repeated_rows(data, times):
    X, y = data
    model = ConvexReLURegressor(random_state=0)
    first = model.fit(X, y).predict(X)
    beta = model.beta_
    second = model.fit(np.repeat(X, times, axis=0), np.repeat(y, times)).predict(X)
    np.testing.assert_allclose(second, first, rtol=1e-6, atol=1e-6)
    assert model.beta_ == pytest.approx(times * beta)


def test_the_choice_in_other_units(data):
    X, y = data
    first = ConvexReLURegressorCV(random_state=0).fit(X, y)
    second = ConvexReLURegressorCV(random_state=0).fit(X, 1e6 * y)
    assert second.beta_ == pytest.approx(1e6 * first.beta_)
    np.testing.assert_allclose(second.predict(X), 1e6 * first.predict(X), rtol=1e-5)


def test_the_share_is_the_penalty(data):
    X, y = data
    model = ConvexReLURegressor(beta_ratio=0.07, random_state=0).fit(X, y)
    assert model.beta_ == 0.07 * model.beta_max_
    same = ConvexReLURegressor(beta=model.beta_, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), same.predict(X))
    labels = np.where(y > np.median(y), "a", "b")
    classifier = ConvexReLUClassifier(beta_ratio=0.2, random_state=0).fit(X, labels)
    assert classifier.beta_ == 0.2 * classifier.beta_max_


@pytest.mark.parametrize(("share", "place"), [(1e-6, "below"), (2.0, "above")])
def test_penalties_far_out_are_told(data, share, place):
    X, y = data
    beta = share * ConvexReLURegressor(random_state=0).fit(X, y).beta_max_
    model = ConvexReLURegressor(beta=beta, random_state=0, tol=0.99, max_iter=1)
    text = f"beta=.* is {place} .*beta_max=.*beta_ratio"
    with pytest.warns(UserWarning, match=text) as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__
    assert f"{beta:g}" in str(caught[0].message)


def test_tiny_targets_are_not_zero():
    X, y = make_relu_teacher(60, 3, noise=0.1, random_state=1)
    assert ConvexReLURegressor(random_state=0).fit(X, 1e-9 * y).score(X, 1e-9 * y) > 0.8
