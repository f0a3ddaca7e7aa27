"""Semismooth Newton steps on the augmented Lagrangian of the dual program.

In coordinates where the loss is ``norm2(A U - y)^2 / 2``, weights and intercept
included, a proximal-point iteration ::

    U <- argmin  norm2(A U - y)^2 / 2 + p(U) + norm2(U - U_k)^2 / (2 sigma)

with p the penalty and the cones is solved through its dual, the minimisation of ::

    phi(v) = norm2(v)^2 / 2 - y'v + norm2(prox(W))^2 / (2 sigma),  W = U_k + sigma A'v

over v in R^n (for q outputs, in R^(n x q)), where ``prox`` is the proximal map of
sigma p, group by group: projection on the cone, if there is one, then shrinkage. The
gradient is ``v - y + A prox(W)``, and half its squared norm is the duality gap of the
subproblem. Most groups are mapped to zero, so the generalised Hessian
``I + sigma A J A'`` has only the directions in which the others can move: a Newton step
is one factorisation of that size, or of size n.
Every iterate ``prox(W)`` is feasible, with groups that are exactly zero.

The method is that of Zhang, Zhang, Sun and Toh, "An efficient Hessian based algorithm
for solving large-scale sparse group Lasso problems", Mathematical Programming 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import LinAlgError

from ..programs.program import ConvexProgram
from ..programs.row_space import in_row_space
from .newton_numbers import NEWTON
from .newton_system import newton_system
from .proximal import proximal_map
from .quadratic_models import by_quadratic_models
from .solution import Solution
from .time_limit import OUT_OF_TIME, is_out_of_time

__all__ = ["solve"]


@in_row_space
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
    """Minimise a program by proximal-point and semismooth Newton steps.

    Parameters
    ----------
    program : ConvexProgram
        With or without cones. Losses other than squares are minimised through
        quadratic models.
    tol : float
        Relative duality gap to stop at.
    max_iter : int
        Largest number of Newton steps.
    start : ndarray of shape (d, n_groups) or None
        Where to start; zeros by default.
    verbose : int, default=0
        From 2 on, print a line a step.
    options : dict, default=None
        Not used: there are none.

    Returns
    -------
    Solution
        The point of the smallest gap, with the multipliers of the cones.
    """
    iterate = _Iterate(program, start)
    best, best_gap, waited, status = iterate.current, np.inf, 0, "iteration limit"
    for n_iter in range(1, max_iter + 1):
        gap = iterate.relative_gap(tol)
        if verbose > 1:
            print(f"  newton {n_iter}: gap {gap:.2e}, sigma {iterate.sigma:.1e}")
        waited = 0 if gap < best_gap else waited + 1
        if gap < best_gap:
            best, best_gap = iterate.current, gap
        if gap <= tol:
            status = "tolerance reached"
            break
        if waited >= NEWTON.patience:
            status = "no progress within rounding"
            break
        if is_out_of_time():
            status = OUT_OF_TIME
            break
        try:
            iterate.advance()
        except LinAlgError:
            status = "singular Newton system"
            break
    return Solution(
        U=best.full(), n_iter=n_iter, status=status, multipliers=best.multipliers()
    )


class _Iterate:
    """Centre U_k and sigma of the proximal term, dual point v, and prox(W)."""

    def __init__(self, program, start):
        self.program = program
        loss = program.loss
        weights = loss.weights
        self.root = np.sqrt(
            weights if loss.y.ndim == weights.ndim else weights[:, None]
        )
        self.y = self.root * loss.centre(loss.y)
        self.system = newton_system(program)
        largest = np.linalg.norm(self.system.X.T @ self.system.X, 2)
        is_cold = start is None or not start.any()
        first = NEWTON.first_sigma if is_cold else NEWTON.warm_sigma
        self.sigma = first / max(largest, np.finfo(float).tiny)
        self.prox = proximal_map(program)
        self.centre = np.zeros(program.shape) if start is None else start
        self.v = self.y - self._output(self.centre)
        self._halved = True
        self._project(self._pull_back(self.v))

    def _output(self, U):
        return self.root * self.program.loss.centre(self.program.output(U))

    def _pull_back(self, v):
        return self.program.correlations(self.root * v)

    def _project(self, correlations):
        self.correlations = correlations
        self.current = self._evaluate(self.v, correlations)

    def _evaluate(self, v, correlations):
        W = self.centre + self.sigma * correlations
        point = self.prox(W, self.sigma)
        point.v, point.correlations = v, correlations
        point.residual = self.y - self.root * self.program.loss.centre(point.output())
        point.gradient = v - point.residual
        return point

    def relative_gap(self, tol):
        """Return the gap between prox(W) and a multiple of v that is feasible.

        By Moreau's identity v exceeds its bound in no group by more than the group
        moved, divided by sigma. Where that gap is within `tol`, the one with the
        residual in place of v, which callers will compute, is returned if larger.
        """
        point, beta = self.current, self.program.beta
        moved = point.distances(self.centre)
        self._moved = moved @ moved / self.sigma
        gap = self._gap_with(self.v, beta + moved.max() / self.sigma)
        self._is_close = gap <= tol
        if not self._is_close:
            return gap
        shifted = self._pull_back(point.residual) + point.shift / self.sigma
        price = self.program.dual_norms(shifted).max()
        return max(gap, self._gap_with(point.residual, price))

    def _gap_with(self, v, price):
        point, loss = self.current, self.program.loss
        inner, square = np.vdot(v, self.y), np.vdot(v, v)
        limit = self.program.beta / price if price > 0 else np.inf
        scale = min(max(inner / square, 0.0), limit) if square > 0 else 0.0
        primal = 0.5 * np.vdot(point.residual, point.residual)
        primal += self.program.beta * point.sizes.sum()
        # The part of the loss that no network can change is no part of the gap.
        gap = primal - scale * inner + 0.5 * scale**2 * square
        total = primal + loss.constant
        if total > 0:
            return gap / total
        # A quadratic model of another loss may fall below zero far from where it fits.
        return np.inf if total < 0 else 0.0

    def advance(self):
        """Move the centre if the subproblem is solved well enough; take a step.

        A large sigma magnifies the rounding of v in prox(W). Once v is as good as it
        has to be, steps that no longer halve the gradient ask for a smaller one.
        """
        gradient = self.current.gradient
        if self._is_close:
            if not self._halved:
                self._move_centre(NEWTON.retreat)
        elif np.vdot(gradient, gradient) <= NEWTON.inexactness * self._moved:
            self._move_centre(NEWTON.growth)
        point = self.current
        step = self.system.solve(point, self.sigma)
        # Rounding along the intercept, which no output sees, would move W by its sums.
        step = self.root * self.program.loss.centre(step / self.root)
        direction = self._pull_back(step)
        self._take(point, step, direction)

    def _move_centre(self, factor):
        self.centre = self.current.full()
        self.sigma *= factor
        self._project(self._pull_back(self.v))

    def _take(self, point, step, direction):
        """Take a full step if it halves the gradient, else minimise phi along it.

        phi is convex and its slope comes with every trial, so the zero of the slope
        is bracketed and found by false position.
        """
        trial = self._trial(1.0, step, direction)
        reached, before = np.linalg.norm(trial.gradient), np.linalg.norm(point.gradient)
        self._halved = reached <= 0.5 * before
        if not self._halved:
            trial = self._search(trial, step, direction, np.vdot(step, point.gradient))
        self.v, self.correlations, self.current = trial.v, trial.correlations, trial

    def _search(self, trial, step, direction, first):
        low, at_low, high, at_high = 0.0, first, 1.0, np.vdot(step, trial.gradient)
        # Where phi does not fall along the step, what is left of it is rounding.
        if first >= 0 or at_high <= NEWTON.flatness * abs(first):
            return trial
        for _ in range(NEWTON.n_trials):
            length = low + (high - low) * at_low / (at_low - at_high)
            margin = 0.05 * (high - low)
            length = min(max(length, low + margin), high - margin)
            trial = self._trial(length, step, direction)
            slope = np.vdot(step, trial.gradient)
            if abs(slope) <= NEWTON.flatness * abs(first):
                break
            # Halving the slope of the end that stays (Illinois) keeps both ends moving.
            if slope < 0:
                low, at_low, at_high = length, slope, 0.5 * at_high
            else:
                high, at_high, at_low = length, slope, 0.5 * at_low
        return trial

    def _trial(self, length, step, direction):
        return self._evaluate(
            self.v + length * step, self.correlations + length * direction
        )
