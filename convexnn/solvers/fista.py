"""Accelerated proximal gradient: exact shrinkage, exact projection on the cones.

The step is ``U <- prox(V - gradient(V) / L)`` with Nesterov's extrapolation V and
O'Donoghue and Candes' restart. The proximal map of ``t * norm2`` plus the indicator
of a cone is the projection on the cone followed by shrinkage.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..programs.certificate import ProjectionCache, certify
from ..programs.program import ConvexProgram
from .solution import Solution
from .time_limit import OUT_OF_TIME, is_out_of_time

__all__ = ["solve"]

#: Iterations between two looks at the gap.
_CHECK_EVERY = 20


def solve(
    program: ConvexProgram,
    *,
    tol: float,
    max_iter: int,
    start: np.ndarray | None = None,
    verbose: int = 0,
    options: dict[str, Any] | None = None,
) -> Solution:
    """Minimise a program by accelerated proximal gradient steps.

    Parameters
    ----------
    program : ConvexProgram
        With or without cones. Losses with kinks are slow: the hinge is rounded over a
        thousandth of the margin.
    tol : float
        Relative duality gap to stop at.
    max_iter : int
        Largest number of steps.
    start : ndarray of shape (d, n_groups) or None
        Where to start; zeros by default.
    verbose : int, default=0
        From 2 on, print a line at every look at the gap.
    options : dict, default=None
        Not used: there are none.

    Returns
    -------
    Solution
        The last point, or the one that met the tolerance.
    """
    cache = ProjectionCache()
    step = 1.0 / max(_largest_eigenvalue(program), np.finfo(float).tiny)
    U = np.zeros(program.shape) if start is None else start
    V, momentum, offset, status = U, 1.0, None, "iteration limit"
    for n_iter in range(1, max_iter + 1):
        # The last intercept is near the next one.
        _, v, offset = program.loss.evaluate(program.output(V), offset)
        following = _prox(program, V + step * program.correlations(v), step, cache)
        if np.sum((V - following) * (following - U)) > 0:
            momentum = 1.0
        extrapolation = (momentum - 1) / (
            momentum := (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        )
        V = following + extrapolation * (following - U)
        U = following
        if n_iter % _CHECK_EVERY == 0 or n_iter == max_iter:
            certificate = certify(program, U, cache=cache)[1]
            if verbose > 1:
                print(f"  fista {n_iter}: objective {certificate.primal:.6g}, gap "
                      f"{certificate.relative_gap:.2e}")  # fmt: skip
            if certificate.relative_gap <= tol:
                status = "tolerance reached"
                break
        if is_out_of_time():
            status = OUT_OF_TIME
            break
    return Solution(U=U, n_iter=n_iter, status=status)


def _prox(program, U, step, cache):
    if program.has_cones:
        norms = np.linalg.norm(U, axis=0)
        threshold = step * program.beta
        slack = program.slack(U)
        for group in np.flatnonzero(
            (norms > threshold) & (slack.min(axis=0, initial=0.0) < 0)
        ):
            U[:, group] = cache.project(
                program, group, U[:, group], role="step", stop_below=threshold
            ).point
    return program.shrink(U, step * program.beta)


def _largest_eigenvalue(program):
    """Bound the largest eigenvalue of the loss's Hessian in U by power iterations."""
    loss = program.loss.majorizer()
    shape = loss.y.shape
    weights = loss.weights.reshape(-1, *(1 for _ in shape[1:]))
    z = np.cos(np.arange(loss.y.size)).reshape(shape)
    value = 0.0
    for _ in range(100):
        z = loss.centre(z)
        norm = np.sqrt(np.sum(weights * z**2))
        if norm == 0:
            break
        z = program.output(program.correlations(weights * z / norm))
        previous, value = (
            value,
            float(np.sqrt(np.sum(weights * loss.centre(z) ** 2))),
        )
        if value - previous <= 1e-3 * value:
            break
    # The power method approaches from below.
    return 1.05 * value
