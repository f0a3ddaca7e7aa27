"""Draws of the decoding benchmark, and what one fit of it reached.

Vectors are uniform on [-1, 1] and probes normal with deviation sigma, as in the paper.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from convexnn import CenteredGDDecoder
from convexnn.decoding import DecodingProblem, Settings, decode, tail_quantities

__all__ = [
    "SOLVERS",
    "draw",
    "fit",
    "iterations_to",
    "least_squares",
    "relative_error",
    "trace",
]

#: Solvers by the name that tables and pictures show.
SOLVERS = {
    "plain descent": ("centered_gd", {"centered": False}),
    "centred, theory": ("centered_gd", {"learning_rate": "theory"}),
    "centred descent": ("centered_gd", {}),
    "nesterov": ("nesterov", {}),
    "newton": ("newton", {"n_restarts": 10}),
}


def draw(d, n, sigma, seed, noise=0.0):
    """Return probes, codes and the vector."""
    rng = np.random.default_rng([d, n, round(100 * sigma), seed])
    w = rng.uniform(-1, 1, d)
    X = sigma * rng.standard_normal((n, d))
    y = np.maximum(X + w, 0).sum(axis=1)
    return X, y + noise * rng.standard_normal(n), w


def relative_error(found, w):
    """Return the relative recovery error (8) of the paper."""
    return float(np.sum((found - w) ** 2) / np.sum(w**2))


def fit(X, y, **parameters):
    """Return a fitted decoder with theta = 1, and its CPU seconds."""
    model = CenteredGDDecoder(**{"theta": 1.0, "random_state": 0} | parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        started = time.process_time()
        model.fit(X, y)
        return model, time.process_time() - started


def trace(name, X, y, w, *, max_iter, tol=1e-12):
    """Return loss and relative error before and after each iteration of a solver."""
    solver, parameters = SOLVERS[name]
    parameters = dict(parameters)
    if parameters.get("learning_rate") == "theory":
        parameters["learning_rate"] = tail_quantities(X, 1.0).learning_rate
    errors = []
    settings = Settings(
        1.0,
        tol=tol,
        max_iter=max_iter,
        watch=lambda point: errors.append(relative_error(point, w)),
        **parameters | {"n_restarts": 0},
    )
    problem = DecodingProblem(X, y)
    found = decode(problem, solver, settings, np.random.RandomState(0))
    return found.losses, np.array(errors)


def iterations_to(losses, target):
    """Return the iterations after which the loss was at most `target`, or inf."""
    reached = np.flatnonzero(np.asarray(losses) <= target)
    return float(reached[0]) if len(reached) else np.inf


def least_squares(X, y, w):
    """Return the vector that least squares finds when the true pattern is known."""
    pattern = (X + w >= 0).astype(float)
    rest = y - np.sum(pattern * X, axis=1)
    return np.linalg.lstsq(pattern, rest, rcond=None)[0]
