"""The contract of scikit-learn, checked on cheap settings of every kind of training."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from convexnn import (
    CenteredGDDecoder,
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    ThreeLayerConvexClassifier,
    ThreeLayerConvexClassifierCV,
    ThreeLayerConvexRegressor,
    ThreeLayerConvexRegressorCV,
)

#: Large penalties and loose tolerances: networks of few units in few rounds.
LOOSE = {"tol": 0.1, "beta_ratio": 0.1}
SEARCH = {"solver_options": {"n_starts": 16}}
GIVEN = {"cells": "sampled", "n_cells": 5}
CHOICE = {"betas": 2, "beta_min_ratio": 0.1, "cv": 2, "tol": 0.1}
#: One round of the search of three layers.
BRIEF = {"n_units": 1, "max_iter": 1, "solver_options": {"n_starts": 16, "width": 4}}

REGRESSORS = [
    ConvexReLURegressor(**LOOSE, **SEARCH),
    ConvexReLURegressor(**LOOSE, **GIVEN),
    ConvexReLURegressor(**LOOSE, activation="gated_relu", n_cells=5),
    ConvexReLURegressor(**LOOSE, **GIVEN, loss="huber", epsilon=50.0),
    ConvexReLURegressorCV(**CHOICE, **SEARCH),
    ConvexReLURegressorCV(
        **CHOICE, **GIVEN, solver="interior_point", fold_training="certified"
    ),
    ConvexReLURegressorCV(**CHOICE, activation="gated_relu", n_cells=5),
    ThreeLayerConvexRegressor(**LOOSE | {"tol": 0.9}, **BRIEF),
    ThreeLayerConvexRegressor(2, **LOOSE, **GIVEN),
    ThreeLayerConvexRegressorCV(n_units=2, **CHOICE, **GIVEN),
]
CLASSIFIERS = [
    ConvexReLUClassifier(**LOOSE | {"beta_ratio": 0.3}, **SEARCH),
    ConvexReLUClassifier(**LOOSE, **GIVEN, loss="squared_hinge"),
    ConvexReLUClassifier(
        **LOOSE | GIVEN | {"n_cells": 3}, loss="hinge", solver="interior_point"
    ),
    ConvexReLUClassifier(**LOOSE, activation="gated_relu", n_cells=5),
    ConvexReLUClassifierCV(**CHOICE, **SEARCH),
    ConvexReLUClassifierCV(
        **CHOICE | GIVEN | {"betas": (5.0,)},
        loss="squared_hinge",
        fold_training="certified",
    ),
    ThreeLayerConvexClassifier(2, **LOOSE, **GIVEN | {"n_cells": 4}),
    ThreeLayerConvexClassifierCV(n_units=2, **CHOICE, **GIVEN),
]
DECODERS = [
    CenteredGDDecoder(),
    CenteredGDDecoder(solver="centered_gd"),
    CenteredGDDecoder(solver="nesterov"),
]


@parametrize_with_checks(REGRESSORS + CLASSIFIERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EfficiencyWarning")
def test_networks(estimator, check):
    check(estimator)


@parametrize_with_checks(DECODERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EfficiencyWarning")
@pytest.mark.filterwarnings("ignore:y has .* negative entries:UserWarning")
@pytest.mark.filterwarnings("ignore:The codes do not determine:UserWarning")
@pytest.mark.filterwarnings("ignore:The loss .* falls beyond the box:UserWarning")
@pytest.mark.filterwarnings("ignore:.* samples with a positive weight:UserWarning")
def test_decoders(estimator, check):
    check(estimator)
