"""The relaxation for any conic solver that cvxpy reaches; Clarabel by default."""

from __future__ import annotations

import cvxpy
import numpy as np

from ..solvers.cvxpy import run
from .backends import FilterPoint

__all__ = ["solve"]


def solve(program, *, tol, max_iter, verbose=0):
    """Hand the program to Clarabel as it stands, with one z for each patch.

    Parameters
    ----------
    program : RelaxationProgram
        Of any kind.
    tol : float
        Violation aimed at. Clarabel's own tolerances are kept unless they are looser.
    max_iter : int
        Largest number of iterations.
    verbose : int, default=0
        From 2 on, print the solver's log.

    Returns
    -------
    FilterPoint
        The solution.

    Raises
    ------
    SolverError
        If the solver fails, or stops without a point.
    """
    patches = program.patches
    n, k, p = patches.shape
    rows = np.concatenate([block.reshape(-1, p) for _, block in patches.blocks()])
    w, z = cvxpy.Variable(p), cvxpy.Variable((n, k), nonneg=True)
    above = cvxpy.reshape(z, (n * k,), order="C") >= rows @ w
    sums, linear = cvxpy.sum(z, axis=1), program.direction @ w
    if program.kind == "linear":
        problem = cvxpy.Problem(cvxpy.Maximize(linear), [above, sums == program.floor])
    else:
        loss = 0.5 * cvxpy.sum_squares(sums - program.y)
        problem = cvxpy.Problem(cvxpy.Minimize(loss - program.beta * linear), [above])
    tolerance = min(0.1 * tol, 1e-8)
    n_iter, status = run(
        problem,
        w,
        verbose=verbose > 1,
        max_iter=min(max_iter, 1000),
        tol_gap_rel=tolerance,
        tol_feas=tolerance,
    )
    multipliers = np.maximum(above.dual_value, 0).reshape(n, k)
    if program.kind == "quadratic":
        multipliers = multipliers / program.beta
    return FilterPoint(w.value, multipliers, n_iter, status)
