"""The paper's two ways of looking for a planted filter; both are told which is best."""

from __future__ import annotations

import numpy as np

from convexnn.filters import RelaxationProgram
from convexnn.filters.backends import select_relaxation_backend, solve_relaxation
from convexnn.solvers import SolverError

from ..measures import relative_error
from ..problems.drawn import patches_of

__all__ = ["active_rows", "descend", "relax"]

#: A relative error below this is recovery, and ends a search for the smallest.
RECOVERED = 1e-6

#: Largest number of gradient steps.
_MOST_STEPS = 2000


def active_rows(X, w):
    """Return the sums of the patches on which a filter is active."""
    patches = patches_of(X, len(w))
    return patches.combine(patches.responses(w) > 0)


def relax(X, y, w, n_directions, seed):
    """Return the smallest error of (9) along random directions, as in the paper.

    Directions without a solution are left out; if there is no other, the zero filter
    is what is found.
    """
    patches = patches_of(X, len(w))
    backend = select_relaxation_backend("interior_point", "linear")
    scale = np.sqrt(np.mean(y**2)) or 1.0
    rng = np.random.default_rng([seed, 1])
    smallest = 1.0
    for _ in range(n_directions):
        direction = rng.standard_normal(len(w))
        program = RelaxationProgram(patches, y / scale, direction, None)
        try:
            found = solve_relaxation(program, backend, tol=1e-8, max_iter=100)
        except SolverError:
            continue
        smallest = min(smallest, relative_error(found.point.w * scale, w))
        if smallest <= RECOVERED:
            break
    return smallest


def descend(X, y, w, n_starts, seed):
    """Return the smallest error of gradient descent from random starts.

    All starts go at once, each with a step that grows by a tenth while the loss falls
    and halves when it does not.
    """
    patches = patches_of(X, len(w))
    rng = np.random.default_rng([seed, 2])
    points = rng.standard_normal((len(w), n_starts)) * np.sqrt(np.mean(w**2))
    loss, gradient = _slope(patches, y, points)
    steps = np.full(n_starts, 1.0 / len(y))
    for _ in range(_MOST_STEPS):
        trial = points - steps * gradient
        reached, slope = _slope(patches, y, trial)
        better = reached < loss
        points = np.where(better, trial, points)
        gradient = np.where(better, slope, gradient)
        loss = np.where(better, reached, loss)
        steps = np.where(better, 1.1, 0.5) * steps
        if relative_error(points, w) <= RECOVERED or steps.max() < 1e-12:
            break
    return relative_error(points, w)


def _slope(patches, y, points):
    """Return losses and gradients of filters, one a column."""
    loss, gradient = np.zeros(points.shape[1]), np.zeros_like(points)
    for rows, block in patches.blocks(points.shape[1]):
        values = block @ points
        active = values > 0
        residual = np.einsum("nkm,nkm->nm", values, active) - y[rows, None]
        loss += 0.5 * np.sum(residual**2, axis=0)
        weights = (active * residual[:, None]).reshape(-1, points.shape[1])
        gradient += block.reshape(-1, len(points)).T @ weights
    return loss, gradient
