"""ConvexReLUClassifierCV chooses what GridSearchCV chooses, and refits with it."""

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import scale

from convexnn import ConvexReLUClassifier, ConvexReLUClassifierCV

SHORT = {
    "betas": 4,
    "beta_min_ratio": 0.03,
    "cv": 3,
    "patience": None,
    "fold_training": "certified",
    "tol": 1e-3,
    "max_iter": 20_000,
    "random_state": 0,
}
GATED = {"activation": "gated_relu", "n_cells": 10}
#: Parameters of this test that one network has as well.
_OWN = ("loss", "class_weight", "activation", "cells", "n_cells", "tol")
LISTED = {"cells": "sampled", "n_cells": 5}


@pytest.fixture(scope="module")
def binary():
    X, y = load_breast_cancer(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))[:150]
    return scale(X)[rows, ::5], np.array(["bad", "good"])[y[rows]]


@pytest.fixture(scope="module")
def three():
    X, y = load_iris(return_X_y=True)
    return scale(X), np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ("binary", {}),
        ("binary", {"loss": "squared_hinge", "class_weight": "balanced", **GATED}),
        ("binary", {"scoring": "accuracy", **LISTED}),
        ("three", {"betas": 3, "beta_min_ratio": 0.1, "tol": 0.01}),
    ],
    ids=["search", "hinge", "accuracy", "three"],
)
@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
def test_grid_search_makes_the_same_choice(data, settings, request):
    X, y = request.getfixturevalue(data)
    cv = StratifiedKFold(3, shuffle=True, random_state=1)
    model = ConvexReLUClassifierCV(**SHORT | settings | {"cv": cv}).fit(X, y)
    own = {name: value for name, value in settings.items() if name in _OWN}
    own.setdefault("tol", SHORT["tol"])
    is_loss = model.scoring_ == "log_loss"
    search = GridSearchCV(
        ConvexReLUClassifier(random_state=0, **own),
        {"beta": model.betas_},
        scoring="neg_log_loss" if is_loss else "accuracy",
        cv=cv,
    ).fit(X, y)
    assert model.beta_ == search.best_params_["beta"]
    scores = search.cv_results_["mean_test_score"]
    errors = model.error_path_.mean(axis=1)
    if is_loss:
        np.testing.assert_allclose(errors, -scores, rtol=0.03)
    else:
        np.testing.assert_allclose(errors, 1 - scores, atol=0.014)
    np.testing.assert_array_equal(model.predict(X), search.predict(X))
    np.testing.assert_array_equal(
        model.decision_function(X), search.decision_function(X)
    )


def test_attributes_are_those_of_the_refitted_network(binary):
    X, y = binary
    model = ConvexReLUClassifierCV(**SHORT, **GATED).fit(X, y)
    single = ConvexReLUClassifier(
        beta=model.beta_, tol=1e-3, random_state=0, **GATED
    ).fit(X, y)
    for name in ("objective_", "n_neurons_", "certificate_", "n_iter_", "beta_max_"):
        assert getattr(model, name) == getattr(single, name)
    np.testing.assert_array_equal(model.predict_proba(X), single.predict_proba(X))
    assert list(model.classes_) == ["bad", "good"]
    assert model.betas_[0] == pytest.approx(model.beta_max_, rel=1e-12)
    for name in ("error_path_", "objective_path_", "gap_path_", "n_neurons_path_"):
        assert getattr(model, name).shape == (4, 3)
    assert model.gap_path_.max() <= model.tol
    assert not model.n_neurons_path_[0].any() or model.betas_[0] < model.beta_max_


def test_one_standard_error_takes_the_largest_penalty_within_it(binary):
    X, y = binary
    settings = SHORT | GATED | {"betas": 8}
    model = ConvexReLUClassifierCV(**settings).fit(X, y)
    rule = ConvexReLUClassifierCV(selection="one_se", **settings).fit(X, y)
    np.testing.assert_array_equal(model.error_path_, rule.error_path_)
    mean = rule.error_path_.mean(axis=1)
    best = mean.argmin()
    limit = mean[best] + rule.error_path_[best].std(ddof=1) / np.sqrt(3)
    assert model.beta_ == model.betas_[best]
    assert rule.beta_ == rule.betas_[mean <= limit].max()
    assert rule.beta_ > model.beta_


def test_class_that_a_fold_does_not_train_has_probability_zero(three):
    X, y = three
    train = np.flatnonzero(y != "virginica")
    test = np.arange(0, 150, 5)
    model = ConvexReLUClassifierCV(
        **SHORT | {"betas": [5.0, 1.0], "cv": [(train, test)]}
    ).fit(X, y)
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    for beta, errors in zip(model.betas_, model.error_path_, strict=True):
        known = ConvexReLUClassifier(beta=beta, random_state=0, tol=1e-6)
        shares = known.fit(X[train], y[train]).predict_proba(X[test])
        shares = np.column_stack([shares, np.zeros(len(test))])
        expected = log_loss(y[test], y_proba=shares, labels=model.classes_)
        assert errors[0] == pytest.approx(expected, rel=1e-3)


def test_weights_act_as_repetition_and_absence_in_every_fold(binary):
    X, y = binary
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    fold = np.arange(len(y)) % 3
    rows = np.repeat(np.arange(len(y)), weights)

    def splits(folds):
        return [
            (np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(3)
        ]

    model = ConvexReLUClassifierCV(class_weight="balanced", **SHORT, **GATED)
    weighted = sklearn.clone(model).set_params(cv=splits(fold))
    weighted.fit(X, y, sample_weight=weights)
    repeated = sklearn.clone(model).set_params(cv=splits(fold[rows]))
    repeated.fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.error_path_, repeated.error_path_, rtol=1e-10)
    assert weighted.beta_ == repeated.beta_
    assert weighted.objective_ == repeated.objective_


@pytest.mark.parametrize("settings", [LISTED, {"fold_training": "descent", "tol": 0.1}])
def test_any_number_of_jobs_gives_the_same(binary, settings):
    X, y = binary
    one, two = (
        ConvexReLUClassifierCV(**SHORT | {"betas": 2} | settings, n_jobs=n_jobs).fit(
            X, y
        )
        for n_jobs in (1, 2)
    )
    # Linear algebra may use another number of threads inside a job.
    np.testing.assert_allclose(one.error_path_, two.error_path_, rtol=1e-3)
    assert one.beta_ == two.beta_
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


ONE_CLASS = [(np.arange(10), np.arange(10, 40))]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"betas": 0}, r"'betas'.*ConvexReLUClassifierCV.*\[1, inf\).*Got 0"),
        ({"betas": [0.0]}, r"betas must be .*\(0, inf\), got \[0.0\]"),
        ({"selection": "max"}, "'selection'.*one_se.*Got 'max'"),
        ({"scoring": "f1"}, "'scoring'(?=.*log_loss)(?=.*accuracy).*Got 'f1'"),
        (
            {"scoring": "log_loss", "loss": "hinge"},
            "scoring='log_loss' needs probabilities.*loss='hinge' allows",
        ),
        ({"cv": 100}, "n_splits=100"),
        ({"cv": ONE_CLASS}, "fold 0 of cv: y must have at least 2 .* got 1 class: a"),
        ({"class_weight": {"a": -1}}, "class_weight must have finite, non-negative"),
    ],
)
def test_bad_parameters_leave_the_former_fit(parameters, message):
    X = np.random.default_rng(0).standard_normal((40, 3))
    y = np.where(np.arange(40) < 10, "a", "b")
    model = ConvexReLUClassifierCV(
        betas=2, cv=2, max_iter=20_000, random_state=0, **GATED
    ).fit(X, y)
    model.set_params(**parameters)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(X[:, :2], y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[key] is value for key, value in before.items())


@pytest.mark.parametrize(
    ("scoring", "label"),
    [("log_loss", "left-out log loss"), ("accuracy", "left-out error rate")],
)
def test_display_names_the_errors(binary, scoring, label):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from convexnn.plotting import RegularizationPathDisplay

    model = ConvexReLUClassifierCV(scoring=scoring, **SHORT, **GATED).fit(*binary)
    display = RegularizationPathDisplay.from_estimator(model)
    assert display.axes_[0].get_ylabel() == label
    drawn = display.axes_[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, model.error_path_.mean(axis=1))
    matplotlib.pyplot.close(display.figure_)
