"""Primal-dual interior point for group lasso with any families of cones.

With V = X u of every group, slacks s of all cones (for the groups' own
s = (2 D - I) V; coupled ones are sums of the V of several groups), multipliers lam, the
adjoint B' of the map from u to all slacks, and a dual variable z for each norm, the
central path of mu is ::

    sign X' D theta + B' lam = z,      s * lam = mu,
    z = beta^2 u / (mu + sqrt(mu^2 + beta^2 norm2(u)^2)),

theta being minus the gradient of the loss. The last line is the central path of the
second-order cone norm2(u) <= t with t eliminated, linearised in z and u together as
in Chan, Golub and Mulet's primal-dual method for total variation. Steps follow
Mehrotra's predictor and corrector, then Gondzio's correctors of single products, which
pay because a solve costs a tenth of a factorisation. Paths start from the gates, which
lie inside their cones. Blocks have none: paths start from zero, outside of the cones,
whose slacks close on the way, so that cones without an interior do no harm.
Factorisations need float64 whatever the precision of the data.

A step costs, for n rows and groups coupled by m, O(n_groups * n * m * d^2) for the
blocks, and one factorisation of size min(n, d * n_groups).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import LinAlgError

from ..programs.program import ConvexProgram
from .barrier_numbers import COUPLED, UNCOUPLED
from .central_path import CentralPath
from .quadratic_models import by_quadratic_models
from .solution import Solution
from .time_limit import OUT_OF_TIME, is_out_of_time

__all__ = ["solve"]


@by_quadratic_models
def solve(
    program: ConvexProgram,
    *,
    tol: float,
    max_iter: int,
    start: np.ndarray | None = None,
    verbose: int = 0,
    options: dict[str, Any] | None = None,
) -> Solution:
    """Follow the central path of a program (three-layer paper, eq. 12, for blocks).

    Parameters
    ----------
    program : ConvexProgram
        With cones, coupled ones included. Losses other than squares are minimised
        through quadratic models.
    tol : float
        Relative duality gap to stop at.
    max_iter : int
        Largest number of Newton steps, those of a second attempt, with steadier
        factorisations, included. An attempt takes no more than 200.
    start : ndarray of shape (d, n_groups), default=None
        Point in the cones or near them. A good one saves a third of the steps.
    verbose : int, default=0
        From 2 on, print a line a step.
    options : dict, default=None
        Not used: there are none.

    Returns
    -------
    Solution
        The point of the smallest gap, inside of the cones up to rounding, and the
        multipliers that prove it.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.programs.blocks import sample_blocks
    >>> from convexnn.programs.certificate import certify
    >>> from convexnn.programs.losses import SquaredLoss
    >>> from convexnn.programs.parallel import ParallelProgram
    >>> from convexnn.solvers.interior_point import solve
    >>> X = np.random.default_rng(0).standard_normal((12, 3))
    >>> loss = SquaredLoss(X[:, 0] * X[:, 1], np.ones(12), intercept=False)
    >>> blocks = sample_blocks(X, 2, 5, np.random.RandomState(0))
    >>> program = ParallelProgram(X, loss, 0.1, blocks)
    >>> found = solve(program, tol=1e-7, max_iter=200)
    >>> found.U.shape, found.status
    ((3, 20), 'tolerance reached')
    >>> certificate = certify(program, found.U, multipliers=found.multipliers)[1]
    >>> certificate.relative_gap < 1e-6
    True
    """
    at_zero = program.loss.dual_point(np.zeros(len(program.loss.y)))
    if not (program.n_groups and program.X.any() and at_zero.any()):
        return Solution(np.zeros(program.shape), 1, "no group can lower the loss")
    settings = {"tol": tol, "start": start, "verbose": verbose}
    numbers = COUPLED if program.coupled else UNCOUPLED
    best, n_iter, status = _attempt(program, 0.0, max_iter=max_iter, **settings)
    is_poor = best.gap > max(tol, numbers.poor) and not is_out_of_time()
    if is_poor and n_iter < max_iter:
        again, more, other = _attempt(
            program, numbers.larger, max_iter=max_iter - n_iter, **settings
        )
        n_iter += more
        if again.gap < best.gap:
            best, status = again, other
    return Solution(best.U, n_iter, status, best.multipliers)


def _attempt(program, least_shift, *, tol, max_iter, start, verbose):
    """Step along a path to a gap, a limit, or the end of what rounding allows."""
    path = CentralPath(program, tol, least_shift, start)
    best, waited, status = path.copy_point(), 0, "iteration limit"
    for n_iter in range(1, min(max_iter, path.numbers.most_steps) + 1):
        gap = path.relative_gap()
        if verbose > 1:
            print(f"  interior point {n_iter}: gap {gap:.2e}, mu {path.mu:.1e}")
        waited = 0 if gap < best.gap or not np.isfinite(gap) else waited + 1
        if gap < best.gap:
            best = path.copy_point()
        if gap <= tol:
            status = "tolerance reached"
            break
        if waited >= path.numbers.patience:
            status = "no progress within rounding"
            break
        if is_out_of_time():
            status = OUT_OF_TIME
            break
        try:
            path.advance()
        except LinAlgError:
            status = "singular Newton system"
            break
    return best, n_iter, status
