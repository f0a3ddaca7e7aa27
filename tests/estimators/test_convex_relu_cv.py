"""ConvexReLURegressorCV chooses what GridSearchCV chooses, and refits with it."""

import warnings

import numpy as np
import pytest
import sklearn
from problems import standardised
from sklearn.datasets import load_diabetes, load_linnerud, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold

from convexnn import ConvexReLURegressor, ConvexReLURegressorCV
from convexnn.data.datasets import make_relu_teacher

#: Folds by certified paths, and what their tests were written for.
CERTIFIED = {
    "fold_training": "certified",
    "patience": 5,
    "tol": 1e-3,
    "max_iter": 20_000,
}
SEARCH = {"solver": "active_set"}
GIVEN = {"solver": "fista", "n_cells": 10}
GATED = {"activation": "gated_relu", "n_cells": 20}


@pytest.fixture(scope="module")
def teacher():
    return make_relu_teacher(60, 3, noise=0.3, random_state=0)


def grid_search(model, network, cv, scoring="neg_mean_squared_error"):
    return GridSearchCV(network, {"beta": model.betas_}, scoring=scoring, cv=cv)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
@pytest.mark.parametrize("load", [load_diabetes, load_wine, load_linnerud])
@pytest.mark.parametrize("kind", [SEARCH, GATED], ids=["search", "gated"])
def test_grid_search_makes_the_same_choice(load, kind):
    X, y = standardised(load)
    cv = KFold(3, shuffle=True, random_state=1)
    model = ConvexReLURegressorCV(
        betas=4, beta_min_ratio=0.2, cv=cv, random_state=1, **CERTIFIED, **kind
    ).fit(X, y)
    network = ConvexReLURegressor(tol=1e-3, random_state=1, **kind)
    search = grid_search(model, network, cv).fit(X, y)
    assert model.beta_ == search.best_params_["beta"]
    scores = -search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(model.mse_path_.mean(axis=1), scores, rtol=0.03)
    np.testing.assert_array_equal(model.predict(X), search.predict(X))


@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
def test_near_ties_are_settled_from_scratch():
    """Along this dense path, warm starts alone would choose another penalty."""
    X, y = standardised(load_diabetes)
    cv = KFold(3, shuffle=True, random_state=1)
    model = ConvexReLURegressorCV(
        betas=24,
        beta_min_ratio=0.03,
        cv=cv,
        activation="gated_relu",
        n_cells=50,
        random_state=1,
        **CERTIFIED,
    ).fit(X, y)
    network = ConvexReLURegressor(
        activation="gated_relu", n_cells=50, tol=1e-3, random_state=1
    )
    search = grid_search(model, network, cv).fit(X, y)
    assert model.beta_ == search.best_params_["beta"]


@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
def test_weighted_grid_search_makes_the_same_choice(teacher):
    X, y = teacher
    weights = np.random.default_rng(0).uniform(0, 2, len(y))
    model = ConvexReLURegressorCV(betas=8, cv=3, random_state=0, **CERTIFIED, **GATED)
    model.fit(X, y, sample_weight=weights)
    with sklearn.config_context(enable_metadata_routing=True):
        network = ConvexReLURegressor(tol=1e-3, random_state=0, **GATED)
        network.set_fit_request(sample_weight=True)
        scorer = get_scorer("neg_mean_squared_error")
        scorer = scorer.set_score_request(sample_weight=True)
        search = grid_search(model, network, 3, scorer)
        search.fit(X, y, sample_weight=weights)
    assert model.beta_ == search.best_params_["beta"]
    np.testing.assert_allclose(
        model.mse_path_.mean(axis=1),
        -search.cv_results_["mean_test_score"],
        rtol=0.03,
    )


def test_attributes_are_those_of_the_refitted_network(teacher):
    X, y = teacher
    settings = {"betas": 5, "cv": 4, "random_state": 0, **CERTIFIED, **GATED}
    model = ConvexReLURegressorCV(**settings).fit(X, y)
    single = ConvexReLURegressor(
        beta=model.beta_, tol=1e-3, random_state=0, **GATED
    ).fit(X, y)
    for name in ("objective_", "n_neurons_", "certificate_", "n_iter_", "beta_max_"):
        assert getattr(model, name) == getattr(single, name)
    np.testing.assert_array_equal(model.gates_, single.gates_)
    np.testing.assert_array_equal(model.predict(X), single.predict(X))
    assert model.score(X, y) == single.score(X, y)
    assert model.betas_[0] == pytest.approx(model.beta_max_, rel=1e-12)
    for name in ("mse_path_", "objective_path_", "gap_path_", "n_neurons_path_"):
        assert getattr(model, name).shape == (5, 4)
    assert model.gap_path_.max() <= model.tol


def test_one_standard_error_takes_the_largest_penalty_within_it(teacher):
    X, y = teacher
    settings = {"betas": 12, "cv": 5, "random_state": 0, **CERTIFIED, **GATED}
    model = ConvexReLURegressorCV(**settings).fit(X, y)
    rule = ConvexReLURegressorCV(selection="one_se", **settings).fit(X, y)
    np.testing.assert_array_equal(model.mse_path_, rule.mse_path_)
    mean = rule.mse_path_.mean(axis=1)
    best = mean.argmin()
    limit = mean[best] + rule.mse_path_[best].std(ddof=1) / np.sqrt(5)
    assert model.beta_ == model.betas_[best]
    assert rule.beta_ == rule.betas_[mean <= limit].max()
    assert rule.beta_ > model.beta_
    assert rule.n_neurons_ < model.n_neurons_


@pytest.mark.parametrize("fold_training", ["certified", "descent"])
@pytest.mark.parametrize("kind", [SEARCH, GIVEN, GATED], ids=["search", "given", "g"])
def test_any_number_of_jobs_gives_the_same(teacher, kind, fold_training):
    settings = {"betas": 3, "beta_min_ratio": 0.3, "cv": 3, "random_state": 0}
    settings |= CERTIFIED | {"fold_training": fold_training} | kind
    one, two = (
        ConvexReLURegressorCV(n_jobs=n_jobs, **settings).fit(*teacher)
        for n_jobs in (1, 2)
    )
    # Linear algebra may use another number of threads inside a job.
    np.testing.assert_allclose(one.mse_path_, two.mse_path_, rtol=1e-3)
    assert one.beta_ == two.beta_
    np.testing.assert_array_equal(one.predict(teacher[0]), two.predict(teacher[0]))


def test_weights_act_as_repetition_and_absence_in_every_fold(teacher):
    X, y = teacher
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    fold = np.arange(len(y)) % 3
    rows = np.repeat(np.arange(len(y)), weights)

    def splits(folds):
        return [
            (np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(3)
        ]

    settings = CERTIFIED | {"betas": 5, "tol": 1e-6, "random_state": 0} | GATED
    model = ConvexReLURegressorCV(**settings)
    weighted = sklearn.clone(model).set_params(cv=splits(fold))
    weighted.fit(X, y, sample_weight=weights)
    repeated = sklearn.clone(model).set_params(cv=splits(fold[rows]))
    repeated.fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.mse_path_, repeated.mse_path_, rtol=1e-3)
    assert weighted.beta_ == pytest.approx(repeated.beta_, rel=1e-12)


def test_folds_without_weight_to_score_do_not_count(teacher):
    X, y = teacher
    weights = np.where(np.arange(len(y)) < 20, 0.0, 1.0)
    model = ConvexReLURegressorCV(betas=4, cv=3, random_state=0, **CERTIFIED, **GATED)
    model.fit(X, y, sample_weight=weights)
    assert np.isnan(model.mse_path_[:, 0]).all()
    mean = model.mse_path_[:, 1:].mean(axis=1)
    assert model.beta_ == model.betas_[mean.argmin()]


def test_one_warning_for_all_folds_and_one_for_the_last_fit(teacher):
    model = ConvexReLURegressorCV(
        betas=[0.1, 1e4], cv=3, random_state=0, **CERTIFIED | {"max_iter": 1}, **GIVEN
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*teacher)
    first, last = caught
    assert {first.category, last.category} == {ConvergenceWarning}
    assert first.filename == last.filename == __file__
    assert "on some fold at 1 of 2 penalties" in str(first.message)
    assert "beta = 0.1." in str(first.message)
    assert "after 1 iterations" in str(last.message)


@pytest.mark.parametrize(
    ("parameters", "weights", "message"),
    [
        ({"betas": 0}, None, r"'betas'.*ConvexReLURegressorCV.*\[1, inf\).*Got 0"),
        ({"betas": [0.0]}, None, r"betas must be .*\(0, inf\), got \[0.0\]"),
        ({"selection": "max"}, None, "'selection'.*one_se.*Got 'max'"),
        ({"cv": 100}, None, "n_splits=100"),
        ({"cv": [([0, 1], [2])]}, "first", "only zeros in that of fold 0"),
        ({"cv": [([50, 51], [0])]}, "first", "left-out part of some fold"),
        ({"n_jobs": 1.5}, None, "'n_jobs'.*Got 1.5"),
        ({"solver_options": {"colour": 1}}, None, "solver_options has .*colour"),
    ],
)
def test_bad_parameters_leave_the_former_fit(teacher, parameters, weights, message):
    X, y = teacher
    weights = np.where(np.arange(60) < 20, 0.0, 1.0) if weights else None
    model = ConvexReLURegressorCV(
        betas=2, cv=2, max_iter=20_000, random_state=0, **GATED
    ).fit(X, y)
    model.set_params(**parameters)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(X[:, :2], y, sample_weight=weights)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[key] is value for key, value in before.items())


def test_paths_end_where_errors_only_rise():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    y = X[:, 0] + 2 * rng.standard_normal(40)
    settings = {"betas": 24, "cv": 3, "random_state": 0, **CERTIFIED, **GATED}
    settings["patience"] = 3
    whole = ConvexReLURegressorCV(**settings | {"patience": None}).fit(X, y)
    model = ConvexReLURegressorCV(**settings).fit(X, y)
    n_tried = len(model.betas_)
    assert len(whole.betas_) == 24
    assert 4 <= n_tried < 24
    assert np.array_equal(model.betas_, whole.betas_[:n_tried])
    mean = model.mse_path_.mean(axis=1)
    assert model.beta_ == model.betas_[mean.argmin()]
    assert (mean[-3:] > mean.min() * 1.01).all()
    assert (whole.mse_path_[n_tried:].mean(axis=1) > mean.min()).all()
    given = ConvexReLURegressorCV(**settings | {"betas": whole.betas_})
    assert len(given.fit(X, y).betas_) == 24
