"""ConvexReLUClassifier within scikit-learn, and what its fits promise."""

import pickle

import numpy as np
import pytest
import sklearn
from problems import squares
from scipy.special import expit, xlogy
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_validate
from sklearn.preprocessing import scale

from convexnn import ConvexReLUClassifier

SMOOTH = ["log_loss", "squared_hinge"]
LOSSES = [*SMOOTH, "hinge"]

#: What solves a hinge to its gap in little time.
HINGE = {"solver": "interior_point", "n_cells": 20, "tol": 0.01}

#: Losses of margins, as the documentation has them.
OF_MARGINS = {
    "log_loss": lambda m: np.log1p(np.exp(-m)),
    "squared_hinge": lambda m: np.maximum(1 - m, 0) ** 2 / 2,
    "hinge": lambda m: np.maximum(1 - m, 0),
}


@pytest.fixture(scope="module")
def binary():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    f = np.abs(X[:, 0]) - np.abs(X[:, 1]) + 0.3 * rng.standard_normal(60)
    return X, np.where(f > 0, "yes", "no")


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_objective_is_the_networks_own(binary, loss, fit_intercept):
    X, y = binary
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = ConvexReLUClassifier(
        beta=3.0,
        loss=loss,
        class_weight={"yes": 3.0},
        fit_intercept=fit_intercept,
        random_state=0,
        **(HINGE if loss == "hinge" else {}),
    ).fit(X, y, weights)
    hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    outputs = hidden @ model.coefs_[1][:, 0] + model.intercepts_[1][0]
    np.testing.assert_allclose(model.decision_function(X), outputs, rtol=1e-12)
    margins = np.where(y == "yes", 1, -1) * outputs
    own = weights * np.where(y == "yes", 3.0, 1.0)
    expected = own @ OF_MARGINS[loss](margins) + 0.5 * 3.0 * squares(model)
    assert model.objective_ == pytest.approx(expected, rel=1e-9)
    assert 0 <= model.certificate_.relative_gap <= model.tol
    assert model.n_neurons_ > 0


def test_probabilities_are_those_of_the_outputs(binary):
    X, y = binary
    model = ConvexReLUClassifier(beta=0.5, random_state=0).fit(X, y)
    outputs, shares = model.decision_function(X), model.predict_proba(X)
    assert outputs.shape == (60,)
    assert shares.shape == (60, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(shares[:, 1], expit(outputs), rtol=1e-12)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), shares)
    assert list(model.classes_) == ["no", "yes"]
    np.testing.assert_array_equal(model.predict(X), np.where(outputs > 0, "yes", "no"))
    assert model.score(X, y) > 0.9


def test_log_probabilities_are_finite_far_from_the_data(binary):
    model = ConvexReLUClassifier(beta=0.5, random_state=0).fit(*binary)
    far = 1e4 * binary[0]
    assert np.isfinite(model.predict_log_proba(far)).all()
    assert (model.predict_proba(far) == 0).any()


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba"])
def test_hinge_losses_have_no_probabilities(loss, method):
    model = ConvexReLUClassifier(loss=loss)
    assert not hasattr(model, method)
    with pytest.raises(AttributeError) as error:
        getattr(model, method)
    assert "loss='log_loss' only" in str(error.value.__cause__)


@pytest.mark.parametrize("loss", SMOOTH)
def test_constant_network_exactly_from_beta_max_on(binary, loss):
    X, y = binary
    model = ConvexReLUClassifier(loss=loss, random_state=0)
    beta_max = model.fit(X, y).beta_max_
    above = clone(model).set_params(beta=beta_max * 1.0001)
    with pytest.warns(UserWarning, match=r"beta=\S+ is above beta_max="):
        above.fit(X, y)
    below = clone(model).set_params(beta=beta_max * 0.98, tol=1e-6).fit(X, y)
    assert above.n_neurons_ == 0
    assert below.n_neurons_ > 0
    if loss == "log_loss":
        share = np.mean(y == "yes")
        np.testing.assert_allclose(above.predict_proba(X)[:, 1], share)
        entropy = -60 * (xlogy(share, share) + xlogy(1 - share, 1 - share))
        assert above.objective_ == pytest.approx(entropy, rel=1e-12)


@pytest.mark.parametrize("loss", SMOOTH)
def test_weights_of_classes_and_samples_are_the_same(binary, loss):
    X, y = binary
    model = ConvexReLUClassifier(loss=loss, beta=0.5, random_state=0)
    by_class = clone(model).set_params(class_weight={"no": 1.0, "yes": 2.5}).fit(X, y)
    by_sample = clone(model).fit(X, y, np.where(y == "yes", 2.5, 1.0))
    np.testing.assert_array_equal(
        by_class.decision_function(X), by_sample.decision_function(X)
    )
    assert by_class.objective_ == by_sample.objective_


def test_balanced_classes_have_the_same_total(binary):
    X, y = binary
    few = np.flatnonzero((y == "no") | (np.cumsum(y == "yes") <= 8))
    X, y = X[few], y[few]
    balanced = ConvexReLUClassifier(class_weight="balanced", random_state=0).fit(X, y)
    totals = {label: len(y) / 2 / np.sum(y == label) for label in ("no", "yes")}
    given = ConvexReLUClassifier(class_weight=totals, random_state=0).fit(X, y)
    assert balanced.objective_ == pytest.approx(given.objective_, rel=1e-9)
    zero = ConvexReLUClassifier(beta_ratio=2.0, class_weight="balanced").fit(X, y)
    np.testing.assert_allclose(zero.predict_proba(X), 0.5, rtol=1e-12)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_weights_act_as_repetition_and_absence(binary, class_weight):
    X, y = binary
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    model = ConvexReLUClassifier(class_weight=class_weight, random_state=0)
    weighted = clone(model).fit(X, y, sample_weight=weights)
    repeated = clone(model).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
    assert weighted.objective_ == repeated.objective_
    assert weighted.beta_max_ == repeated.beta_max_


@pytest.mark.parametrize("loss", SMOOTH)
def test_order_of_rows_and_names_of_labels_do_not_matter(binary, loss):
    X, y = binary
    order = np.random.default_rng(2).permutation(len(y))
    model = ConvexReLUClassifier(loss=loss, class_weight="balanced", random_state=0)
    one = clone(model).fit(X, y).decision_function(X)
    np.testing.assert_array_equal(
        clone(model).fit(X[order], y[order]).decision_function(X), one
    )
    for labels in (y == "yes", np.where(y == "yes", 7, -3), y.astype(object)):
        named = clone(model).fit(X, labels)
        np.testing.assert_array_equal(named.decision_function(X), one)
        assert np.mean(named.predict(X) == labels) > 0.8
        assert named.predict(X).dtype == labels.dtype


def test_swapping_the_labels_turns_the_outputs_around(binary):
    X, y = binary
    gates = np.random.default_rng(0).standard_normal((4, 20))
    model = ConvexReLUClassifier(cells=gates, tol=1e-6)
    one = clone(model).fit(X, y == "yes")
    other = clone(model).fit(X, y == "no")
    assert one.objective_ == pytest.approx(other.objective_, rel=1e-7)
    np.testing.assert_allclose(
        one.decision_function(X), -other.decision_function(X), atol=1e-2
    )


def test_classes_without_weight_are_absent(binary):
    X, y = binary
    three = np.where(np.arange(60) < 10, "maybe", y)
    weights = np.where(three == "maybe", 0.0, 1.0)
    model = ConvexReLUClassifier(random_state=0)
    absent = clone(model).fit(X[10:], y[10:])
    for fitted in (
        clone(model).fit(X, three, weights),
        clone(model).set_params(class_weight={"maybe": 0}).fit(X, three),
    ):
        assert list(fitted.classes_) == ["no", "yes"]
        np.testing.assert_array_equal(fitted.predict_proba(X), absent.predict_proba(X))


def test_warm_start_and_copies(binary):
    X, y = binary
    model = ConvexReLUClassifier(
        beta=1.0, solver="fista", n_cells=20, tol=1e-3, random_state=0, warm_start=True
    )
    cold = clone(model).set_params(beta=0.9).fit(X, y)
    warm = clone(model).fit(X, y).set_params(beta=0.9).fit(X, y)
    assert warm.n_iter_ < cold.n_iter_
    assert warm.objective_ == pytest.approx(cold.objective_, rel=2e-3)
    copy = pickle.loads(pickle.dumps(warm))
    np.testing.assert_array_equal(copy.predict_proba(X), warm.predict_proba(X))
    warm.fit(X[:, :2], y)
    assert warm.n_features_in_ == 2


def test_float32_stays_float32(binary):
    X, y = binary
    model = ConvexReLUClassifier(tol=1e-3, random_state=0)
    model.fit(X.astype(np.float32), y)
    arrays = [*model.coefs_, *model.intercepts_]
    arrays += [model.decision_function(X.astype(np.float32))]
    arrays += [model.predict_proba(X.astype(np.float32))]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    double = ConvexReLUClassifier(tol=1e-3, random_state=0).fit(X, y)
    assert model.objective_ == pytest.approx(double.objective_, rel=2e-3)


def test_sample_weight_is_routed(binary):
    X, y = binary
    weights = np.where(np.arange(len(y)) < 30, 1.0, 0.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = ConvexReLUClassifier(random_state=0)
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        routed = cross_validate(
            model,
            X,
            y,
            params={"sample_weight": weights},
            cv=[(np.arange(60), np.arange(30))],
            return_estimator=True,
        )["estimator"][0]
    plain = ConvexReLUClassifier(random_state=0).fit(X[:30], y[:30])
    assert routed.objective_ == plain.objective_


#: Objectives at beta=20 of searches with tol=1e-6, the same to seven digits from two
#: random states.
BREAST_CANCER = {"log_loss": 105.24309, "squared_hinge": 41.873113}


@pytest.mark.parametrize("loss", SMOOTH)
def test_objective_on_breast_cancer(loss):
    X, y = load_breast_cancer(return_X_y=True)
    model = ConvexReLUClassifier(beta=20.0, loss=loss, tol=1e-3, random_state=0)
    model.fit(scale(X), y)
    assert model.objective_ == pytest.approx(BREAST_CANCER[loss], rel=2e-4)
    assert model.score(scale(X), y) > 0.98
