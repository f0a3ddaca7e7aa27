"""Fits of all estimators before and after a change: objectives and CPU seconds.

About forty small fits on data that scikit-learn ships or that is drawn here:

    python -m benchmarks frozen_fits --output base.csv
    python -m benchmarks frozen_fits --output head.csv
    python -m benchmarks frozen_fits --compare base.csv head.csv

The last tells objectives that rose by more than 1e-6, relatively, and medians of the
ratios of CPU seconds by kind of network, and fails beyond the allowed ones. Seconds
compare only if both files come from one machine. ``.ci/fits`` does this for the five
fits of ``--quick`` at a commit and here.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.preprocessing import scale

from convexnn import (
    CenteredGDDecoder,
    ConvexCNNRegressor,
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    ThreeLayerConvexClassifier,
    ThreeLayerConvexRegressor,
)
from convexnn.data.datasets import load_shipped

from ..measures import fitted
from ..run import Part
from ..tables import grouped, read

#: Largest relative rise of an objective, and what counts as zero.
_RISE, _ROUNDING = 1e-6, 1e-9

#: Largest median ratio of CPU seconds by kind.
ALLOWED = {"two layers": 1.1, "three layers": 1.25, "one filter": 1.25, "decoder": 1.25}


def _diabetes(n=442):
    X, y = load_shipped("diabetes")
    return scale(X[:n]), scale(y[:n])


def _two_targets():
    X, y = _diabetes()
    return X[:, :8], np.column_stack([y, X[:, 8]])


def _cancer():
    X, y = load_shipped("breast cancer")
    return scale(X), y.astype(int)


def _wine():
    X, y = load_shipped("wine")
    return scale(X), y.astype(int)


def _plane(n=40):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 2))
    return X, np.maximum(np.abs(X[:, 0]) - np.abs(X[:, 1]), 0)


def _images():
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((60, 20)), np.array([1.0, -1.0, 2.0, 0.5])
    return X, np.maximum(X.reshape(60, 5, 4) @ w, 0).sum(axis=1)


def _signed_images():
    X, y = _images()
    return X, y - y.mean()


def _rectified_sums():
    rng = np.random.default_rng(0)
    w, X = rng.uniform(-1, 1, 50), 5 * rng.standard_normal((60, 50))
    return X, np.maximum(w + X, 0).sum(axis=1)


_SEED = {"random_state": 0}


def _relu(data, **settings):
    return ConvexReLURegressor, data, _SEED | settings


def _classes(data, **settings):
    return ConvexReLUClassifier, data, _SEED | settings


def _three(data, **settings):
    settings = {"tol": 1e-3} | _SEED | settings
    return ThreeLayerConvexRegressor, data, settings


def _filters(data, **settings):
    settings = {"filter_shape": 4} | _SEED | settings
    if "formulation" in settings:
        settings = {"tol": 1e-3} | settings
    return ConvexCNNRegressor, data, settings


def _relu_cv(**settings):
    return ConvexReLURegressorCV, _diabetes, _SEED | settings


_TIGHT = {"beta_ratio": 0.1, "tol": 1e-4}
_SAMPLED = {"cells": "sampled", "n_cells": 40, "beta_ratio": 0.05, "tol": 1e-5}

FITS = {
    "two layers": {
        "relu diabetes": _relu(_diabetes),
        "relu diabetes tight": _relu(_diabetes, **_TIGHT),
        "relu diabetes small": _relu(_diabetes, beta_ratio=0.001),
        "relu diabetes no intercept": _relu(_diabetes, fit_intercept=False),
        "relu diabetes capped": _relu(_diabetes, beta_ratio=0.03, max_neurons=10),
        "relu diabetes huber": _relu(_diabetes, loss="huber", **_TIGHT),
        "relu plane all": _relu(_plane, beta_ratio=0.05, cells="all", tol=1e-5),
        "relu plane": _relu(_plane, beta_ratio=0.05, tol=1e-5),
        "relu two targets": _relu(_two_targets, beta_ratio=0.1),
        "relu newton": _relu(_diabetes, solver="newton", **_SAMPLED),
        "relu interior point": _relu(_diabetes, solver="interior_point", **_SAMPLED),
        "relu fista": _relu(_diabetes, solver="fista", **_SAMPLED | {"tol": 1e-3}),
        "relu cvxpy": _relu(_diabetes, solver="cvxpy", **_SAMPLED | {"n_cells": 10}),
        "relu osqp": _relu(
            _plane, solver="osqp", **_SAMPLED | {"n_cells": 5, "tol": 1e-3}
        ),
        "relu huber interior point": _relu(
            _diabetes, loss="huber", solver="interior_point", **_SAMPLED
        ),
        "gated diabetes": _relu(_diabetes, activation="gated_relu", n_cells=100),
        "gated fista": _relu(
            _diabetes, activation="gated_relu", solver="fista", beta_ratio=0.05
        ),
        "gated two targets": _relu(
            _two_targets, activation="gated_relu", beta_ratio=0.05
        ),
        "relu cancer log_loss": _classes(_cancer, tol=1e-3),
        "relu cancer squared_hinge": _classes(_cancer, loss="squared_hinge"),
        "relu cancer hinge": _classes(_cancer, loss="hinge"),
        "relu wine": _classes(_wine, beta_ratio=0.05),
        "gated wine": _classes(_wine, activation="gated_relu", beta_ratio=0.05),
        "relu cv": _relu_cv(cv=3, betas=7),
        "relu cv certified": _relu_cv(
            cv=2, betas=4, beta_min_ratio=0.03, fold_training="certified"
        ),
        "wine cv": (ConvexReLUClassifierCV, _wine, _SEED | {"cv": 2, "betas": 4}),
        "cnn global": _filters(_signed_images, formulation="global"),
        "cnn global newton": _filters(
            _signed_images,
            formulation="global",
            cells="sampled",
            n_cells=30,
            tol=1e-3,
        ),
    },
    "three layers": {
        "three plane": _three(_plane, n_units=4),
        "three diabetes 60": _three(lambda: _diabetes(60), n_units=3),
        "three diabetes 150": _three(
            lambda: _diabetes(150), n_units=3, beta_ratio=0.2, tol=1e-2
        ),
        "three plane no intercept": _three(_plane, n_units=3, fit_intercept=False),
        "three capped": _three(_plane, n_units=4, max_neurons=2),
        "three interior point": _three(_plane, n_units=3, cells="sampled", n_cells=10),
        "three interior point diabetes": _three(
            lambda: _diabetes(100), n_units=2, cells="sampled", n_cells=15
        ),
        "three cvxpy": _three(
            _plane, n_units=2, cells="sampled", n_cells=5, solver="cvxpy"
        ),
        "three all": _three(lambda: _plane(5), n_units=2, cells="all"),
        "three cancer": (
            ThreeLayerConvexClassifier,
            lambda: tuple(each[:100] for each in _cancer()),
            {"n_units": 3, "random_state": 0, "tol": 1e-2, "beta_ratio": 0.2},
        ),
        "three one unit": _three(_diabetes, n_units=1, beta_ratio=0.3, tol=1e-2),
    },
    "one filter": {
        "filter limit": _filters(_images, linear_weight="limit"),
        "filter penalty": _filters(_images, linear_weight=0.01),
        "filter naive": _filters(_images, linear_weight=0.0, refine=False),
    },
    "decoder": {"decoder": (CenteredGDDecoder, _rectified_sums, _SEED)},
}


#: Names and kinds of all fits.
KINDS = {name: kind for kind, fits in FITS.items() for name in fits}

SETTINGS = {
    "only": tuple(KINDS),
    "repeats": 1,
    "allowed": 0.0,  # median ratio of CPU seconds, 0 for that of each kind
}

#: The fits that tell most about speed.
QUICK = {
    "only": (
        *("relu diabetes", "relu cancer log_loss", "gated diabetes"),
        *("three diabetes 60", "cnn global"),
    )
}
CHOICES = {"only": tuple(KINDS)}


def measure(options, case, _):
    estimator, data, settings = FITS[KINDS[case["fit"]]][case["fit"]]
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [fitted(estimator(**settings), X, y) for _ in range(options.repeats)]
    objective, gap, width = _reached(fits[-1][0])
    return {
        **{"kind": KINDS[case["fit"]], "objective": objective, "gap": gap},
        **{"width": width, "seconds": float(np.median([spent for _, spent in fits]))},
    }


def _reached(model):
    """Return objective, relative gap and width of a fitted model, nan for none."""
    certificate = getattr(model, "certificate_", None)
    objective = model.loss_ if hasattr(model, "loss_") else model.objective_
    gap = np.nan if certificate is None else certificate.relative_gap
    widths = ("n_neurons_", "n_filters_")
    width = next((getattr(model, name) for name in widths if hasattr(model, name)), 0)
    return float(objective), float(gap), int(width)


PARTS = {
    "frozen_fits": Part(
        "kind | fit | objective | gap | width | seconds @.4f",
        measure,
        lambda options: [{"fit": name} for name in KINDS if name in options.only],
    )
}


def compare(options, base, head):
    """Print what changed from one file to another; return what is not allowed.

    Several rows of one fit count by the median of their CPU seconds.
    """
    before, after = _by_fit(base), _by_fit(head)
    problems, ratios = [], {}
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        rise = new["objective"] - old["objective"]
        rise /= max(abs(old["objective"]), _ROUNDING)
        if not rise <= _RISE:
            problems.append(f"{name}: objective up by {rise:.2e}, relatively")
        elif rise < -_RISE:
            print(f"{name}: objective down by {-rise:.2e}, relatively")
        ratio = new["seconds"] / max(old["seconds"], 1e-3)
        ratios.setdefault(old["kind"], []).append((ratio, name))
    for kind, found in ratios.items():
        median = float(np.median([ratio for ratio, _ in found]))
        slowest = ", ".join(f"{name} {ratio:.2f}" for ratio, name in sorted(found)[-3:])
        print(f"{kind}: median CPU ratio {median:.2f}; {slowest}")
        allowed = options.allowed or ALLOWED[kind]
        if median > allowed:
            problems.append(f"{kind}: median CPU ratio {median:.2f} > {allowed}")
    missing = before.keys() - after.keys()
    return problems + [f"{name}: missing" for name in sorted(missing)]


def _by_fit(path):
    """Return the largest objective and the median of the seconds of each fit."""
    return {
        name: rows[0]
        | {"objective": max(row["objective"] for row in rows)}
        | {"seconds": float(np.median([row["seconds"] for row in rows]))}
        for name, rows in grouped(read(path), "fit").items()
    }
