"""What ``uci.py`` compares: estimators that tune themselves on the rows they are given.

Every estimator scales its inputs inside its pipeline, and its targets in a regression.
All of them choose their settings on the same inner folds.
"""

from __future__ import annotations

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

import convexnn

__all__ = ["INNER", "METHODS", "OURS", "make_method"]

OURS = "convexnn"

#: Inner folds on which every method chooses its settings.
INNER = 3

#: Estimators for classification and regression.
_PAIRS = {
    "MLP": (MLPClassifier, MLPRegressor),
    "MLP by Adam": (MLPClassifier, MLPRegressor),
    "RBF SVM": (SVC, SVR),
    "k-NN": (KNeighborsClassifier, KNeighborsRegressor),
    "random forest": (RandomForestClassifier, RandomForestRegressor),
    "boosting": (HistGradientBoostingClassifier, HistGradientBoostingRegressor),
}

#: Settings that are not searched over.
_FIXED = {
    "MLP": {"solver": "lbfgs", "max_iter": 200, "random_state": 0},
    "MLP by Adam": {"solver": "adam", "max_iter": 500, "random_state": 0},
    "random forest": {"n_estimators": 100, "random_state": 0},
    "boosting": {"random_state": 0},
}

#: Settings of convexnn in place of its defaults, by whether the targets are numbers: in
#: a regression coarser paths, networks that stop after few rounds of the search, and
#: fewer starts. All methods choose their settings by accuracy.
SETTINGS = {
    True: {"betas": 6, "max_iter": 3, "solver_options": {"n_starts": 64}},
    False: {"scoring": "accuracy"},
}

#: What a quick run changes of these.
_QUICK = {"betas": 3, "beta_min_ratio": 0.03, "tol": 0.1}

#: Names of the methods.
METHODS = (OURS, "linear", *_PAIRS)

_NEIGHBOURS = (1, 3, 5, 9, 15, 25, 41)


def _grid(name, n_rows, n_features):
    """Return what a grid search of a method goes through."""
    # The smallest inner training part has two thirds of the rows.
    most = max(n_rows * (INNER - 1) // INNER, 1)
    layers = {
        "alpha": [0.03, 0.3, 3.0, 30.0],
        "hidden_layer_sizes": [(20,), (100,)],
    }
    return {
        "MLP": layers,
        "MLP by Adam": layers,
        "RBF SVM": {
            "C": [0.1, 1.0, 10.0, 100.0],
            "gamma": [share / n_features for share in (0.1, 0.3, 1.0, 3.0)],
        },
        "k-NN": {
            "n_neighbors": [k for k in _NEIGHBOURS if k <= most],
            "weights": ["uniform", "distance"],
        },
        "random forest": {"max_features": ["sqrt", 0.5, 1.0]},
        "boosting": {"learning_rate": [0.03, 0.1], "max_leaf_nodes": [4, 31]},
    }[name]


def _linear(is_regression, inner):
    if is_regression:
        return RidgeCV(alphas=np.logspace(-3, 4, 15), cv=inner)
    return LogisticRegressionCV(
        Cs=10,
        cv=inner,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
        max_iter=1000,
        scoring="accuracy",
    )


def _ours(is_regression, inner, quick):
    kind = "Regressor" if is_regression else "Classifier"
    estimator = getattr(convexnn, f"ConvexReLU{kind}CV")
    settings = SETTINGS[is_regression] | (_QUICK if quick else {})
    return estimator(cv=inner, random_state=0, **settings)


def make_method(name, is_regression, n_rows, n_features, *, quick=False):
    """Return an unfitted estimator.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    is_regression : bool
        Whether to predict numbers, which are then standardised too.
    n_rows, n_features : int
        Shape of the training inputs, on which grids depend.
    quick : bool, default=False
        Whether to search a corner of the grid alone, with small forests.
    """
    folds = KFold if is_regression else StratifiedKFold
    inner = folds(INNER, shuffle=True, random_state=0)
    if name == OURS:
        model = make_pipeline(StandardScaler(), _ours(is_regression, inner, quick))
    elif name == "linear":
        model = make_pipeline(StandardScaler(), _linear(is_regression, inner))
    else:
        model = _searched(name, is_regression, n_rows, n_features, inner, quick)
    if is_regression:
        return TransformedTargetRegressor(model, transformer=StandardScaler())
    return model


def _searched(name, is_regression, n_rows, n_features, inner, quick):
    """Return a grid search over a pipeline."""
    fixed = _FIXED.get(name, {}).copy()
    grid = _grid(name, n_rows, n_features)
    if quick:
        first, values = next(iter(grid.items()))
        grid = {first: values[:2]}
        fixed |= {
            "MLP": {"max_iter": 20},
            "MLP by Adam": {"max_iter": 60},
            "random forest": {"n_estimators": 20},
            "boosting": {"max_iter": 20},
        }.get(name, {})
    pipeline = make_pipeline(StandardScaler(), _PAIRS[name][is_regression](**fixed))
    step = pipeline.steps[-1][0]
    return GridSearchCV(
        pipeline, {f"{step}__{key}": values for key, values in grid.items()}, cv=inner
    )
