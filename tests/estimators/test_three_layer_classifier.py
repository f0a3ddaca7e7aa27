"""Three-layer classifiers: given blocks, searches, probabilities, bad input."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from convexnn import ConvexReLUClassifier, ThreeLayerConvexClassifier
from convexnn.programs.losses import LOSSES

LOSS_NAMES = ["log_loss", "squared_hinge", "hinge"]


def make_data(seed=0, n=40, n_classes=2):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    f = np.maximum(np.abs(X[:, 0]) - np.abs(X[:, 1]), 0) + 0.3 * rng.standard_normal(n)
    edges = np.quantile(f, np.linspace(0, 1, n_classes + 1)[1:-1])
    return X, np.array(list("abc"))[np.searchsorted(edges, f)]


def objective(model, X, y):
    """Return the objective from the arrays alone."""
    outputs, targets = model.decision_function(X), np.where(y == "b", 1.0, -1.0)
    name = model.loss
    if outputs.ndim == 2:
        is_in = y[:, None] == model.classes_
        targets = np.where(is_in, 1.0, -1.0 if name == "squared_hinge" else 0.0)
        name = "multinomial" if name == "log_loss" else name
    loss = LOSSES[name](targets, np.ones(len(y)), intercept=False)
    squares = sum(np.sum(w2**2) + np.sum(w3**2) for _, w2, w3 in model.subnetworks_)
    for first, _, _ in model.subnetworks_:
        assert np.linalg.norm(first) == pytest.approx(1.0)
    return loss.value(outputs) + 0.5 * model.beta_ * squares


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
def test_objective_is_that_of_the_networks(loss, n_classes):
    X, y = make_data(n=30, n_classes=n_classes)
    model = ThreeLayerConvexClassifier(
        2, loss=loss, beta=0.5, tol=1e-2, random_state=0
    ).fit(X, y)
    assert model.objective_ == pytest.approx(objective(model, X, y), rel=1e-8)
    assert model.certificate_.relative_gap <= 1e-2
    assert model.certificate_.bound <= model.certificate_.dual
    shape = () if n_classes == 2 else (3,)
    assert {np.shape(w3) for _, _, w3 in model.subnetworks_} == {shape}
    assert model.score(X, y) > 0.8


@pytest.mark.filterwarnings("ignore:The relative duality gap:UserWarning")
@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_given_blocks_agree_with_cvxpy(loss):
    X, y = make_data(1, n=25)
    settings = {"loss": loss, "beta": 0.5, "cells": "sampled", "n_cells": 8}
    models = [
        ThreeLayerConvexClassifier(2, solver=solver, random_state=0, **settings)
        for solver in ("interior_point", "cvxpy")
    ]
    own, reference = (model.fit(X, y) for model in models)
    rel = 1e-3 if loss == "hinge" else 1e-6
    assert own.objective_ == pytest.approx(reference.objective_, rel=rel)
    assert own.certificate_.dual <= reference.objective_ * (1 + 1e-6)
    assert own.certificate_.scope == "cells"


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
def test_one_unit_is_a_network_of_two_layers(loss):
    X, y = make_data(2)
    three = ThreeLayerConvexClassifier(1, loss=loss, beta=0.5, random_state=0)
    two = ConvexReLUClassifier(loss=loss, beta=0.5, random_state=0)
    assert three.fit(X, y).objective_ == pytest.approx(
        two.fit(X, y).objective_, rel=2e-3
    )


def test_more_layers_are_no_worse():
    X, y = make_data(3)
    objectives = [
        ThreeLayerConvexClassifier(m, beta=0.5, random_state=0).fit(X, y).objective_
        for m in (1, 2, 4)
    ]
    assert objectives[1] <= objectives[0] * (1 + 2e-3)
    assert objectives[2] <= objectives[1] * (1 + 2e-3)


def test_probabilities():
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    model = ThreeLayerConvexClassifier(3, beta=0.5, tol=0.02, random_state=0).fit(X, y)
    shares = model.predict_proba(X)
    assert shares.shape == (150, 3)
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert np.array_equal(model.classes_[shares.argmax(axis=1)], model.predict(X))
    assert np.exp(model.predict_log_proba(X)) == pytest.approx(shares)
    assert model.score(X, y) > 0.96
    assert not hasattr(ThreeLayerConvexClassifier(loss="hinge"), "predict_proba")


def test_three_classes_are_one_network_of_softmax_probabilities():
    X, y = make_data(6, n=60, n_classes=3)
    settings = {"beta": 0.5, "tol": 1e-3, "random_state": 0}
    model = ThreeLayerConvexClassifier(1, **settings).fit(X, y)
    two = ConvexReLUClassifier(**settings).fit(X, y)
    assert model.objective_ == pytest.approx(two.objective_, rel=2e-3)
    outputs = model.decision_function(X)
    expected = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected)
    before = model.objective_
    model.set_params(warm_start=True).fit(X, y)
    assert model.objective_ <= before * (1 + 1e-9)


@pytest.mark.parametrize("cells", ["sampled", "all"])
def test_listed_blocks_are_for_two_classes(cells):
    X, y = make_data(n=6, n_classes=3)
    with pytest.raises(ValueError, match="Only binary classification"):
        ThreeLayerConvexClassifier(2, cells=cells).fit(X, y)


def test_binary_probabilities_are_log_odds():
    X, y = make_data(4)
    model = ThreeLayerConvexClassifier(2, beta=0.5, random_state=0).fit(X, y)
    odds = np.diff(model.predict_log_proba(X), axis=1)[:, 0]
    assert odds == pytest.approx(model.decision_function(X))


def test_class_weights_are_sample_weights():
    X, y = make_data(5)
    given = ThreeLayerConvexClassifier(
        2, beta=0.5, class_weight={"a": 3}, random_state=0
    ).fit(X, y)
    weights = np.where(y == "a", 3.0, 1.0)
    other = ThreeLayerConvexClassifier(2, beta=0.5, random_state=0)
    other.fit(X, y, sample_weight=weights)
    assert given.objective_ == other.objective_


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"loss": "squared"}, "loss"),
        ({"n_units": 0}, "n_units"),
        ({"beta": -1.0}, "beta"),
        ({"class_weight": "even"}, "class_weight"),
        ({"solver": "fista"}, "solver"),
        ({"solver": "active_set", "cells": "sampled"}, "cells"),
    ],
)
def test_bad_parameters_are_named(parameters, match):
    X, y = make_data()
    model = ThreeLayerConvexClassifier(**parameters)
    with pytest.raises(ValueError, match=match):
        model.fit(X, y)
    assert not hasattr(model, "classes_")


def test_one_class_is_refused():
    X, y = make_data()
    with pytest.raises(ValueError, match="at least 2 classes"):
        ThreeLayerConvexClassifier().fit(X, np.full(len(y), "a"))
    with pytest.raises(ValueError, match="at least 2 classes"):
        ThreeLayerConvexClassifier().fit(X, y, sample_weight=(y == "a").astype(float))
