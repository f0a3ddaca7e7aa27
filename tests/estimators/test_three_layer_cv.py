"""Three-layer networks whose penalty is chosen: the choice, folds, kinds of data."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.exceptions import EfficiencyWarning
from sklearn.model_selection import GroupKFold

from convexnn import (
    ThreeLayerConvexClassifier,
    ThreeLayerConvexClassifierCV,
    ThreeLayerConvexRegressor,
    ThreeLayerConvexRegressorCV,
)

rng = np.random.default_rng(0)
X = rng.standard_normal((30, 2))
Y = np.maximum(np.abs(X[:, 0]) - np.abs(X[:, 1]), 0) + 0.1 * rng.standard_normal(30)
LABELS = np.where(np.median(Y) < Y, "wide", "high")

QUICK = {"solver_options": {"n_starts": 16, "width": 8}}
CHOICE = {"n_units": 2, "betas": 3, "beta_min_ratio": 0.1, "cv": 2, "random_state": 0}
GIVEN = {"cells": "sampled", "n_cells": 4}
BOTH = pytest.mark.parametrize(
    "kind", [ThreeLayerConvexRegressorCV, ThreeLayerConvexClassifierCV]
)


def chosen(kind, X=X, rows=None, sample_weight=None, groups=None, **parameters):
    """Return a fitted choice, quick but for what is asked."""
    y = LABELS if issubclass(kind, ThreeLayerConvexClassifierCV) else Y
    y = y if rows is None else y[rows]
    given = {} if groups is None else {"groups": groups}
    model = kind(**CHOICE | QUICK | parameters)
    return model.fit(X, y, sample_weight=sample_weight, **given)


def errors_of(model):
    """Return errors of the folds, of shape (n_betas, n_folds)."""
    return model.error_path_ if is_classifier(model) else model.mse_path_


@BOTH
def test_the_choice_is_the_largest_penalty_of_a_tie(kind):
    model = chosen(kind, betas=5)
    errors = errors_of(model)
    mean = errors.mean(axis=1)
    assert errors.shape == (len(model.betas_), 2)
    assert model.betas_[0] > model.beta_
    assert model.beta_ == model.betas_[mean <= 1.02 * mean.min()].max()
    assert not hasattr(model, "gap_path_")


@BOTH
def test_one_standard_error_takes_the_largest_penalty_within_it(kind):
    model = chosen(kind, selection="one_se", betas=5, cv=3)
    errors = errors_of(model)
    mean, best = errors.mean(axis=1), errors.mean(axis=1).argmin()
    limit = mean[best] + errors[best].std(ddof=1) / np.sqrt(3)
    assert model.beta_ == model.betas_[mean <= limit].max()


@BOTH
def test_the_last_fit_is_that_of_the_penalty_chosen(kind):
    model = chosen(kind)
    single = (
        ThreeLayerConvexClassifier
        if is_classifier(model)
        else ThreeLayerConvexRegressor
    )
    same = single(
        2, beta=model.beta_, tol=model.tol, max_iter=3, random_state=0, **QUICK
    ).fit(X, LABELS if is_classifier(model) else Y)
    np.testing.assert_array_equal(model.predict(X), same.predict(X))
    assert model.objective_ == same.objective_
    assert model.certificate_.relative_gap <= model.tol


@BOTH
@pytest.mark.parametrize("parameters", [{"n_jobs": 2}, {"verbose": 1}])
def test_nothing_depends_on_how_the_work_is_done(kind, parameters):
    one, other = chosen(kind), chosen(kind, **parameters)
    np.testing.assert_array_equal(errors_of(one), errors_of(other))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


@BOTH
def test_groups_reach_the_splitter(kind):
    groups = np.arange(30) % 3
    model = chosen(kind, cv=GroupKFold(3), groups=groups)
    splits = list(GroupKFold(3).split(X, Y, groups))
    assert errors_of(model).shape[1] == 3
    np.testing.assert_array_equal(errors_of(model), errors_of(chosen(kind, cv=splits)))
    with pytest.raises(ValueError, match="groups"):
        chosen(kind, cv=GroupKFold(3))


@BOTH
def test_sparse_inputs_are_dense_ones(kind):
    with pytest.warns(EfficiencyWarning):
        model = chosen(kind, sparse.csr_array(X))
    dense = chosen(kind)
    np.testing.assert_array_equal(errors_of(model), errors_of(dense))
    np.testing.assert_array_equal(model.predict(sparse.csr_array(X)), dense.predict(X))


@BOTH
def test_weights_act_as_repetition_and_absence_in_every_fold(kind):
    weights = np.random.default_rng(1).integers(0, 3, 30)
    fold, rows = np.arange(30) % 2, np.repeat(np.arange(30), weights)

    def splits(folds):
        return [
            (np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(2)
        ]

    weighted = chosen(kind, sample_weight=weights, cv=splits(fold))
    repeated = chosen(kind, X[rows], rows=rows, cv=splits(fold[rows]))
    np.testing.assert_allclose(weighted.betas_, repeated.betas_, rtol=1e-12)
    np.testing.assert_allclose(errors_of(weighted), errors_of(repeated), rtol=1e-9)
    np.testing.assert_array_equal(weighted.predict(X), repeated.predict(X))


@BOTH
@pytest.mark.parametrize("given", [{}, GIVEN], ids=["search", "given blocks"])
def test_certified_folds_begin_at_the_constant_network(kind, given):
    parameters = {"fold_training": "certified", "betas": 2, "tol": 0.5} | given
    if given:
        parameters |= {"solver_options": None, "tol": 0.1}
    model = chosen(kind, **parameters)
    assert model.gap_path_.shape == (2, 2)
    assert model.gap_path_.max() <= model.tol
    assert (model.n_neurons_path_[1] > model.n_neurons_path_[0]).all()


def test_listed_blocks_are_judged_by_certified_paths():
    model = chosen(ThreeLayerConvexRegressorCV, **GIVEN, solver_options=None)
    assert model.gap_path_.max() <= model.tol


def test_several_targets_share_one_network():
    both = np.column_stack([Y, -Y])
    model = ThreeLayerConvexRegressorCV(**CHOICE, **QUICK).fit(X, both)
    assert model.predict(X).shape == (30, 2)
    assert {np.shape(w3) for _, _, w3 in model.subnetworks_} == {(2,)}
    assert model.network_.n_neurons == model.n_neurons_


@pytest.mark.parametrize(
    ("kind", "parameters", "match"),
    [
        (ThreeLayerConvexRegressorCV, {"n_units": 0}, r"'n_units'.*\[1, inf\).*Got 0"),
        (ThreeLayerConvexRegressorCV, {"betas": [0.0]}, r"betas must be .*\(0, inf\)"),
        (ThreeLayerConvexRegressorCV, {"loss": "log_loss"}, "'loss'.*'huber'"),
        (ThreeLayerConvexClassifierCV, {"scoring": "auc"}, "'scoring'.*'accuracy'"),
        (
            ThreeLayerConvexClassifierCV,
            {"loss": "hinge", "scoring": "log_loss"},
            "scoring='log_loss' needs probabilities",
        ),
    ],
)
def test_bad_parameters_leave_the_former_fit(kind, parameters, match):
    model = chosen(kind).set_params(**parameters)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=match):
        model.fit(X, LABELS if is_classifier(model) else Y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
