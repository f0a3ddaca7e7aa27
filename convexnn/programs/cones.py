"""Projection on the cone of a cell, {w : (2D - I) X w >= 0}.

The projection of g is ``g + B' lam`` with B = (2D - I) X and lam >= 0 the solution
of a non-negative least-squares problem. Any lam >= 0 gives an upper bound
``norm2(g + B' lam)`` on the projection's norm, so the search may stop early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear, nnls

__all__ = ["Projection", "project_on_cone"]

#: A row counts as violated below minus this times the norm of the projected vector.
_VIOLATION = 1e-12


@dataclass(frozen=True)
class Projection:
    """A point of a cone with the multipliers that produce it.

    Parameters
    ----------
    point : ndarray of shape (d,)
        ``g + B[rows]' multipliers``. It lies in the cone when `is_exact`.
    rows : ndarray of int
        Rows with a multiplier.
    multipliers : ndarray
        Their non-negative multipliers.
    is_exact : bool
        False if the search stopped early; ``norm2(point)`` then bounds the norm of
        the projection from above.
    """

    point: np.ndarray
    rows: np.ndarray
    multipliers: np.ndarray
    is_exact: bool

    @property
    def norm(self) -> float:
        """Norm of the point."""
        return float(np.linalg.norm(self.point))


def project_on_cone(
    X: np.ndarray,
    side: np.ndarray,
    g: np.ndarray,
    *,
    rows: np.ndarray | None = None,
    stop_below: float = -1.0,
    max_rounds: int = 200,
) -> Projection:
    """Project a vector on the cone ``{w : side_i * x_i'w >= 0 for all i}``.

    Only few rows are active at the projection, so the non-negative least-squares
    problem is solved over a growing set of violated rows.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows that define the hyperplanes.
    side : ndarray of shape (n,)
        +1 for active rows and -1 for the others.
    g : ndarray of shape (d,)
        Vector to project.
    rows : ndarray of int, default=None
        Rows that were active in a similar projection.
    stop_below : float, default=-1.0
        Stop as soon as the norm of the projection is known to be below this.
    max_rounds : int, default=200
        Rounds of adding violated rows before all rows enter at once.

    Returns
    -------
    Projection
        The projection, or an upper bound if the search stopped early.
    """
    scale = float(np.linalg.norm(g))
    active = np.zeros(0, dtype=int) if rows is None else rows
    multipliers = np.zeros(len(active))
    point = g
    if scale == 0.0:
        return Projection(point, active, multipliers, True)
    if len(active):
        multipliers, point = _least_squares(X, side, g, active)
    for _ in range(max_rounds):
        slack = side * (X @ point)
        violated = np.flatnonzero(slack < -_VIOLATION * scale)
        if not len(violated):
            return Projection(point, active, multipliers, True)
        if np.linalg.norm(point) < stop_below:
            return Projection(point, active, multipliers, False)
        worst = violated[
            np.argsort(slack[violated], kind="stable")[: max(X.shape[1], 10)]
        ]
        working = np.union1d(active[multipliers > 0], worst)
        if np.array_equal(working, active):
            # Rounding keeps a solved row just outside; it is as feasible as it gets.
            return Projection(point, active, multipliers, True)
        active = working
        multipliers, point = _least_squares(X, side, g, active)
    everything = np.arange(len(X))
    multipliers, point = _least_squares(X, side, g, everything)
    return Projection(point, everything, multipliers, True)


def _least_squares(X, side, g, rows):
    """Minimise norm2(g + B[rows]' lam) over lam >= 0."""
    block = side[rows, None] * X[rows]
    try:
        multipliers, _ = nnls(block.T, -g, maxiter=30 * X.shape[1] + 3 * len(rows))
    except RuntimeError:
        multipliers = np.maximum(
            lsq_linear(block.T, -g, bounds=(0, np.inf), method="bvls").x, 0
        )
    return multipliers, g + multipliers @ block
