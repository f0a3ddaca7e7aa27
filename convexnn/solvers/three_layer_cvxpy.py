"""The program of three-layer networks over given blocks, for any solver of cvxpy."""

from __future__ import annotations

import warnings

import cvxpy
import numpy as np
from scipy import sparse

from .cvxpy import express_loss
from .solution import BlockSolution, SolverError
from .time_limit import OUT_OF_TIME, is_out_of_time, seconds_left

__all__ = ["solve"]


def solve(program, *, tol=None, verbose=0, solver="CLARABEL"):
    """Hand the program over given blocks to a conic solver (paper, eq. 12).

    Parameters
    ----------
    program : convexnn.programs.blocks.BlockProgram
        The program.
    tol : float, default=None
        Not used: the conic solver has tolerances of its own.
    verbose : int, default=0
        From 2 on, print the solver's own log.
    solver : str, default="CLARABEL"
        A conic solver that cvxpy knows.

    Returns
    -------
    BlockSolution
        Point and multipliers. A :func:`~convexnn.solvers.time_limit.time_limit` is
        handed to Clarabel; with none left the point is zero.

    Raises
    ------
    SolverError
        If the solver fails, or stops without a point.
    """
    d, n_blocks, m = program.shape
    if not n_blocks:
        return BlockSolution.zero(program, "no block")
    if is_out_of_time():
        return BlockSolution.zero(program, OUT_OF_TIME)
    W = cvxpy.Variable((d, n_blocks * m))
    flat = cvxpy.vec(W, order="F")
    first, first_rows = _first_cones(program)
    second, second_rows, output = _second_layer(program)
    loss = program.loss
    fitted = output @ flat
    if loss.intercept:
        fitted = fitted + cvxpy.Variable()
    norms = cvxpy.sum(cvxpy.norm(W, 2, axis=0))
    constraints = [first @ flat >= 0]
    if second.shape[0]:
        constraints.append(second @ flat >= 0)
    problem = cvxpy.Problem(
        cvxpy.Minimize(express_loss(loss, fitted) + program.beta * norms),
        constraints,
    )
    try:
        with warnings.catch_warnings():
            # Inaccuracy is judged by the duality gap, not by the solver's word.
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            problem.solve(solver=solver, verbose=verbose > 1, **_limits(solver))
    except cvxpy.SolverError as error:
        raise SolverError(f"cvxpy's solver {solver} failed: {error}") from error
    if W.value is None or not np.isfinite(W.value).all():
        raise SolverError(
            f"cvxpy's solver {solver} stopped with status {problem.status!r} and no "
            "point; use fewer cells, or standardise X and y."
        )
    n = len(program.X)
    by_first, by_second = np.zeros((n, n_blocks, m)), np.zeros((n, n_blocks))
    by_first.reshape(n, -1).T[first_rows] = np.maximum(constraints[0].dual_value, 0)
    if second.shape[0]:
        by_second.T[second_rows] = np.maximum(constraints[1].dual_value, 0)
    n_iter = int(getattr(problem.solver_stats, "num_iters", None) or 1)
    W = np.asarray(W.value).reshape(program.shape)
    status = OUT_OF_TIME if problem.status == cvxpy.USER_LIMIT else problem.status
    return BlockSolution(W, (by_first, by_second), n_iter, status)


def _limits(solver):
    """Return what tells a solver of the seconds left, if there is a limit."""
    is_limited = solver == "CLARABEL" and np.isfinite(seconds_left())
    return {"time_limit": seconds_left()} if is_limited else {}


def _first_cones(program):
    """Return the rows ``(2 D1 - I) X`` of every group, and which they are."""
    n, d = program.X.shape
    patterns = program.blocks.first.reshape(n, -1).T
    counted = program.X.any(axis=1)
    rows = np.broadcast_to(counted, patterns.shape)
    group, row = np.nonzero(rows)
    data = np.where(patterns[rows], 1.0, -1.0)[:, None] * program.X[row]
    columns = group[:, None] * d + np.arange(d)
    indptr = np.arange(len(row) + 1) * d
    shape = (len(row), d * len(patterns))
    return sparse.csr_array((data.ravel(), columns.ravel(), indptr), shape), rows


def _second_layer(program):
    """Return the rows of the second cones, which they are, and the output's rows."""
    n, d = program.X.shape
    blocks = program.blocks
    n_groups = blocks.inner.size
    signed = blocks.first * blocks.inner
    rows = blocks.is_mixed.T
    block, row = np.nonzero(rows)
    side = np.where(blocks.second.T[rows], 1.0, -1.0)
    factors = side[:, None] * signed[row, block]
    group = block[:, None] * blocks.inner.shape[1] + np.arange(blocks.inner.shape[1])
    columns = group[:, :, None] * d + np.arange(d)
    data = factors[:, :, None] * program.X[row][:, None]
    indptr = np.arange(len(row) + 1) * (d * blocks.inner.shape[1])
    cones = sparse.csr_array(
        (data.ravel(), columns.ravel(), indptr), (len(row), d * n_groups)
    )
    cones.eliminate_zeros()
    factors = signed * (blocks.second * blocks.sign)[:, :, None]
    output = (factors.reshape(n, -1)[:, :, None] * program.X[:, None]).reshape(n, -1)
    return cones, rows, sparse.csr_array(output)
