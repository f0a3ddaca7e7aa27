"""The optimum over the cells that some units are in."""

from __future__ import annotations

import numpy as np

from ..architectures import Architecture, Units
from ..programs.certificate import feasible_point
from ..programs.losses import Loss
from ..solvers import interior_point, newton
from .schedule import POLISH

__all__ = ["polish"]


def polish(
    architecture: Architecture,
    X: np.ndarray,
    loss: Loss,
    beta: float,
    units: Units,
    idle: Units | None = None,
    *,
    tol: float,
    max_iter: int | None = None,
) -> Units:
    """Solve the finite program over the cells of some units and of idle ones.

    Parameters
    ----------
    architecture : Architecture
        Of :mod:`convexnn.architectures`, with cones.
    X : ndarray of shape (n, d)
        Inputs.
    loss : Loss
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty.
    units : Units
        Where to start.
    idle : Units, default=None
        Further ones, whose cells may be used.
    tol : float
        Relative gap of the program.
    max_iter : int, default=None
        Most steps of the solver for squares; None for as many as the loss is used to
        take.

    Returns
    -------
    Units
        The optimum.

    Raises
    ------
    SolverError
        If the solver ends without a point.
    """
    program, start = architecture.around(X, loss, beta, units, idle)
    if not program.n_groups:
        return units
    if max_iter is None:
        is_short = loss.is_quadratic or loss.is_vector
        max_iter = POLISH.short if is_short else POLISH.long
    elif not loss.is_quadratic:
        max_iter *= POLISH.n_models
    solve = interior_point.solve if program.coupled else newton.solve
    solution = solve(program, tol=tol, max_iter=max_iter, start=start)
    return architecture.units_at(program, feasible_point(program, solution.U))
