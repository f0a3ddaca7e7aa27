"""The relaxation for OSQP: the quadratic program (8), its limit (9), the naive one."""

from __future__ import annotations

import numpy as np
import osqp
from scipy import sparse

from ..solvers.solution import SolverError
from .backends import FilterPoint

__all__ = ["solve"]

#: Largest entry of the direction in (9): steps are then of the size of the labels.
_LARGEST_SLOPE = 0.1


def solve(program, *, tol, max_iter, verbose=0):
    """Solve the program as it stands, with one z for each patch.

    Parameters
    ----------
    program : RelaxationProgram
        Of any kind.
    tol : float
        Violation aimed at; OSQP's tolerances are a hundredth of it. It takes long to
        settle which labels of noisy data bind in (9): expect 1e-3 there.
    max_iter, verbose
        As for all backends.
    """
    patches = program.patches
    n, k, p = patches.shape
    # The objective is divided by this.
    unit = 1.0
    if program.kind == "linear":
        unit = float(np.abs(program.direction).max()) / _LARGEST_SLOPE
    solver = osqp.OSQP()
    solver.setup(
        *_matrices(program.along(program.direction / unit)),
        eps_abs=0.01 * tol,
        eps_rel=0.01 * tol,
        max_iter=max_iter,
        polishing=True,
        verbose=verbose > 1,
    )
    result = solver.solve(raise_error=False)
    if result.x is None or not np.isfinite(result.x).all():
        raise SolverError(
            f"OSQP stopped with status {result.info.status!r} and no point."
        )
    # Rows of the constraints: sums of z, then z - X w, then z.
    multipliers = unit * np.maximum(-result.y[n : n + n * k], 0).reshape(n, k)
    if program.kind == "quadratic":
        multipliers = multipliers / program.beta
    return FilterPoint(
        result.x[:p], multipliers, max(int(result.info.iter), 1), result.info.status
    )


def _matrices(program):
    """Return P, q, A, l, u over the filter, the z, and (not in (9)) their sums."""
    n, k, p = program.patches.shape
    is_linear = program.kind == "linear"
    n_sums = 0 if is_linear else n
    eye = sparse.eye_array(n * k)
    sums = sparse.kron(sparse.eye_array(n), np.ones((1, k)))
    by_residual = [] if is_linear else [-sparse.eye_array(n)]
    above = [sparse.csc_array(-program.patches.stacked()), eye]
    A = sparse.vstack(
        [
            sparse.hstack([sparse.csc_array((n, p)), sums, *by_residual]),
            sparse.hstack([*above, sparse.csc_array((n * k, n_sums))]),
            sparse.hstack(
                [sparse.csc_array((n * k, p)), eye, sparse.csc_array((n * k, n_sums))]
            ),
        ],
        format="csc",
    )
    squares = np.concatenate([np.zeros(p + n * k), np.ones(n_sums)])
    linear = np.zeros(p + n * k + n_sums)
    linear[:p] = -program.direction * (1.0 if is_linear else program.beta)
    labels = program.floor if is_linear else program.y
    lower = np.concatenate([labels, np.zeros(2 * n * k)])
    upper = np.concatenate([labels, np.full(2 * n * k, np.inf)])
    P = sparse.csc_matrix(sparse.diags_array(squares))
    return P, linear, sparse.csc_matrix(A), lower, upper
