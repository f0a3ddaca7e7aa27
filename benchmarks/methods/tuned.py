"""Estimators that tune themselves on the rows they are given.

Every estimator scales its inputs inside its pipeline, and its targets in a regression.
All of them choose their settings on the same inner folds. The boosting libraries
beside scikit-learn's are compared where they are installed; they come with the extra
``bench``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

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

__all__ = ["INNER", "KIN", "METHODS", "NAMES", "OURS", "TREES"]
__all__ += ["folds_of", "make_method", "versions"]

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

#: Libraries of boosted trees by the name of their package: classifier and regressor.
_LIBRARIES = {
    "xgboost": ("XGBClassifier", "XGBRegressor"),
    "lightgbm": ("LGBMClassifier", "LGBMRegressor"),
    "catboost": ("CatBoostClassifier", "CatBoostRegressor"),
}
_INSTALLED = {name: import_module(name) for name in _LIBRARIES if find_spec(name)}

#: Names of all methods, and of those that can be run here.
NAMES = (OURS, "linear", *_PAIRS, *_LIBRARIES)
METHODS = (OURS, "linear", *_PAIRS, *_INSTALLED)

#: Methods that are ensembles of trees.
TREES = ("random forest", "boosting", *_LIBRARIES)

#: Neural, linear and kernel methods: neither trees nor neighbours.
KIN = tuple(name for name in NAMES if name not in (*TREES, "k-NN"))

for _name, _library in _INSTALLED.items():
    _PAIRS[_name] = tuple(getattr(_library, kind) for kind in _LIBRARIES[_name])

#: Settings that are not searched over.
_FIXED = {
    "MLP": {"solver": "lbfgs", "max_iter": 200, "random_state": 0},
    "MLP by Adam": {"solver": "adam", "max_iter": 500, "random_state": 0},
    "random forest": {"n_estimators": 100, "random_state": 0},
    "boosting": {"random_state": 0},
    "xgboost": {"n_estimators": 200, "n_jobs": 1, "random_state": 0},
    "lightgbm": {"n_estimators": 200, "n_jobs": 1, "verbose": -1, "random_state": 0},
    "catboost": {
        "iterations": 300,
        "thread_count": 1,
        "verbose": 0,
        "allow_writing_files": False,
        "random_seed": 0,
    },
}

#: What a quick run changes.
_QUICK = {
    OURS: {"betas": 3, "beta_min_ratio": 0.03, "tol": 0.1},
    "MLP": {"max_iter": 20},
    "MLP by Adam": {"max_iter": 60},
    "random forest": {"n_estimators": 20},
    "boosting": {"max_iter": 20},
    "xgboost": {"n_estimators": 20},
    "lightgbm": {"n_estimators": 20},
    "catboost": {"iterations": 20},
}

_NEIGHBOURS = (1, 3, 5, 9, 15, 25, 41)


def versions():
    """Return the versions of the boosting libraries that are installed."""
    return {name: library.__version__ for name, library in _INSTALLED.items()}


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
        "xgboost": {"learning_rate": [0.03, 0.1], "max_depth": [2, 5]},
        "lightgbm": {"learning_rate": [0.03, 0.1], "num_leaves": [4, 31]},
        "catboost": {"learning_rate": [0.03, 0.1], "depth": [3, 6]},
    }[name]


def folds_of(is_regression):
    """Return the inner folds."""
    kind = KFold if is_regression else StratifiedKFold
    return kind(INNER, shuffle=True, random_state=0)


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
    return estimator(cv=inner, random_state=0, **(_QUICK[OURS] if quick else {}))


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
    inner = folds_of(is_regression)
    if name in (OURS, "linear"):
        model = _linear(is_regression, inner)
        if name == OURS:
            model = _ours(is_regression, inner, quick)
        model = make_pipeline(StandardScaler(), model)
    else:
        model = _searched(name, is_regression, n_rows, n_features, inner, quick)
    if is_regression:
        return TransformedTargetRegressor(model, transformer=StandardScaler())
    return model


def _searched(name, is_regression, n_rows, n_features, inner, quick):
    """Return a grid search over a pipeline."""
    fixed, grid = _FIXED.get(name, {}), _grid(name, n_rows, n_features)
    if quick:
        first, values = next(iter(grid.items()))
        fixed, grid = fixed | _QUICK.get(name, {}), {first: values[:2]}
    pipeline = make_pipeline(StandardScaler(), _PAIRS[name][is_regression](**fixed))
    step = pipeline.steps[-1][0]
    return GridSearchCV(
        pipeline, {f"{step}__{key}": values for key, values in grid.items()}, cv=inner
    )
