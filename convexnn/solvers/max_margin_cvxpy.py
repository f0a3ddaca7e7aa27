"""The largest margin of networks over given cells, through cvxpy and Clarabel.

The norms sum to at most 1 and the smallest margin is maximised: the program of
:mod:`convexnn.training.max_margin` after a change of scale, but one that has a solution
whether the labels can be separated or not.
"""

from __future__ import annotations

import warnings

import cvxpy
import numpy as np

from .solution import Solution, SolverError

__all__ = ["solve"]


def solve(program, *, solver="CLARABEL", options=None):
    """Maximise the smallest margin over sums of norms of at most 1.

    Parameters
    ----------
    program : ConvexProgram
        With cones; its loss has the labels and tells whether an intercept is free.
    solver : str, default="CLARABEL"
        Name of a conic solver that cvxpy knows.
    options : dict, default=None
        Passed to ``cvxpy.Problem.solve``.

    Returns
    -------
    solution : Solution
        Groups, not necessarily in their cones, and multipliers of the cones.
    shares : ndarray of shape (n,)
        Multipliers of the margins, not negative; they sum to 1 within the solver's
        accuracy.

    Raises
    ------
    SolverError
        If the solver stops without a point.
    """
    loss = program.loss
    U, margin = cvxpy.Variable(program.shape), cvxpy.Variable()
    values = program.X @ U
    output = cvxpy.multiply(program.mask * program.sign, values) @ np.ones(
        program.n_groups
    )
    if loss.intercept:
        output = output + cvxpy.Variable()
    separated = cvxpy.multiply(loss.y, output) >= margin
    inside = cvxpy.multiply(program.side, values) >= 0
    bounded = cvxpy.sum(cvxpy.norm(U, 2, axis=0)) <= 1
    problem = cvxpy.Problem(cvxpy.Maximize(margin), [separated, inside, bounded])
    try:
        with warnings.catch_warnings():
            # The duality gap judges the point, not the solver's word.
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            warnings.filterwarnings("ignore", message="Converting A to a CSC")
            problem.solve(solver=solver, **(options or {}))
    except cvxpy.SolverError as error:
        raise SolverError(f"cvxpy's solver {solver} failed: {error}") from error
    if U.value is None or not np.isfinite(U.value).all():
        raise SolverError(
            f"cvxpy's solver {solver} stopped with status {problem.status!r} and no "
            "point; standardise X."
        )
    n_iter = getattr(problem.solver_stats, "num_iters", None)
    solution = Solution(
        np.asarray(U.value),
        int(n_iter or 1),
        problem.status,
        np.maximum(inside.dual_value, 0),
    )
    return solution, np.maximum(separated.dual_value, 0)
