"""The linear program (9) for HiGHS, through scipy."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from ..solvers.solution import SolverError
from .backends import FilterPoint

__all__ = ["solve"]

#: HiGHS accepts no smaller tolerance.
_SMALLEST_TOLERANCE = 1e-10


def solve(program, *, tol, max_iter, verbose=0):
    """Solve the linear program as it stands, with one z for each patch.

    Parameters
    ----------
    program : RelaxationProgram
        Of kind "linear".
    tol : float
        Violation aimed at. HiGHS's own tolerances are kept unless they are looser.
    max_iter, verbose
        As for all backends; iterations are those of the simplex method.
    """
    patches = program.patches
    n, k, p = patches.shape
    rows = sparse.csc_array(patches.stacked())
    tolerance = min(max(0.1 * tol, _SMALLEST_TOLERANCE), 1e-7)
    result = linprog(
        np.concatenate([-program.direction, np.zeros(n * k)]),
        A_ub=sparse.hstack([rows, -sparse.eye_array(n * k)]),
        b_ub=np.zeros(n * k),
        A_eq=sparse.hstack(
            [
                sparse.csc_array((n, p)),
                sparse.kron(sparse.eye_array(n), np.ones((1, k))),
            ]
        ),
        b_eq=program.floor,
        bounds=[(None, None)] * p + [(0, None)] * (n * k),
        method="highs",
        options={
            "maxiter": max_iter,
            "disp": verbose > 1,
            "primal_feasibility_tolerance": tolerance,
            "dual_feasibility_tolerance": tolerance,
        },
    )
    if result.x is None or result.status not in (0, 1):
        raise SolverError(f"HiGHS stopped without a point: {result.message}")
    multipliers = np.maximum(-result.ineqlin.marginals, 0).reshape(n, k)
    return FilterPoint(result.x[:p], multipliers, max(result.nit, 1), result.message)
