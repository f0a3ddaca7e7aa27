"""Solvers of the decoding problem, and least squares that knows the pattern."""

from __future__ import annotations

import numpy as np

from convexnn import CenteredGDDecoder
from convexnn.decoding import DecodingProblem, Settings, decode, tail_quantities

from ..measures import fitted, relative_error

__all__ = ["SOLVERS", "fit", "iterations_to", "least_squares", "trace"]

#: Solvers by the name that tables and pictures show.
SOLVERS = {
    "plain descent": ("centered_gd", {"centered": False}),
    "centred, theory": ("centered_gd", {"learning_rate": "theory"}),
    "centred descent": ("centered_gd", {}),
    "nesterov": ("nesterov", {}),
    "newton": ("newton", {"n_restarts": 10}),
}


def fit(X, y, **parameters):
    """Return a fitted decoder with theta = 1, and its CPU seconds."""
    model = CenteredGDDecoder(**{"theta": 1.0, "random_state": 0} | parameters)
    return fitted(model, X, y)


def trace(name, X, y, w, *, max_iter, tol=1e-12):
    """Return loss and squared error before and after each iteration of a solver."""
    solver, parameters = SOLVERS[name]
    if parameters.get("learning_rate") == "theory":
        parameters = {"learning_rate": tail_quantities(X, 1.0).learning_rate}
    errors = []
    settings = Settings(
        1.0,
        tol=tol,
        max_iter=max_iter,
        watch=lambda point: errors.append(relative_error(point, w) ** 2),
        **parameters | {"n_restarts": 0},
    )
    found = decode(DecodingProblem(X, y), solver, settings, np.random.RandomState(0))
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
