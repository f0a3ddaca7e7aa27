"""Primal-dual interior point for group lasso with cones.

With slacks s = (2D - I) X u >= 0 and multipliers lam of the cones, and z a dual
variable for each norm, the central path of parameter mu is ::

    -X' D theta + z - X' (2D - I) lam = 0,      s * lam = mu,
    z = beta^2 u / (mu + sqrt(mu^2 + beta^2 norm2(u)^2)),

theta being minus the gradient of the loss. The last line is the central path of the
second-order cone norm2(u) <= t with t eliminated, linearised in z and u together as
in Chan, Golub and Mulet's primal-dual method for total variation. Steps follow
Mehrotra's predictor and corrector. Started from the gates, which lie inside their
cones, every iterate is feasible, so primal and dual values bound each other at every
step. Factorisations need float64 whatever the precision of the data.

A step costs one block Hessian per group, O(n d^2), and one factorisation of size
min(n, d * n_groups).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.blas import dsyrk

from .quadratic_models import by_quadratic_models
from .solution import Solution
from .time_limit import OUT_OF_TIME, is_out_of_time

__all__ = ["follow", "solve", "to_boundary"]

#: Share of the way to the boundary that a step may go.
_TO_BOUNDARY = 0.99

#: Radius, relative to beta, of the ball that the duals of the norms stay in.
_BALL = 1 - 1e-12

#: Newton steps that are taken at most: 20 to 60 are usual.
_MOST_STEPS = 200

#: Steps without a smaller gap after which rounding has won.
_PATIENCE = 30

#: Smallest slack to start from, relative to the mean slack of the gate.
_LEAST_SLACK = 0.1

#: Rows of scaled blocks that are multiplied at once.
_CHUNK = 4096


@by_quadratic_models
def solve(program, *, tol, max_iter, start=None, verbose=0, options=None):
    """Follow the central path of a program with cones.

    Parameters
    ----------
    program : ConvexProgram
        With cones. Losses other than squares are minimised through quadratic models.
    tol : float
        Relative duality gap to stop at.
    max_iter : int
        Largest number of Newton steps; no more than 200 are taken.
    start : ndarray, default=None
        Not used: interior-point methods gain nothing from a point on the boundary.
    verbose : int, default=0
        From 2 on, print a line a step.
    options : dict, default=None
        Not used: there are none.

    Returns
    -------
    Solution
        The point of the smallest gap, with the multipliers of the cones.
    """
    path = _CentralPath(program)
    best, n_iter, status = follow(path, tol=tol, max_iter=max_iter, verbose=verbose)
    U, multipliers = best
    return Solution(U=U, n_iter=n_iter, status=status, multipliers=multipliers)


def follow(path, *, tol, max_iter, patience=_PATIENCE, verbose=0):
    """Step along a central path to a gap, a limit, or the end of what rounding allows.

    Parameters
    ----------
    path : object
        With methods ``relative_gap``, ``advance``, which may raise LinAlgError, and
        ``copy_point``, and the attribute ``mu``.
    tol : float
        Relative duality gap to stop at.
    max_iter : int
        Largest number of steps; no more than 200 are taken.
    patience : int, default=30
        Steps without a smaller gap after which rounding has won.
    verbose : int, default=0
        From 2 on, print a line a step.

    Returns
    -------
    point : object
        What ``copy_point`` returned where the gap was smallest.
    n_iter : int
        Steps taken, and one for the last gap.
    status : str
        Why it ended.
    """
    best, best_gap, waited, status = path.copy_point(), np.inf, 0, "iteration limit"
    for n_iter in range(1, min(max_iter, _MOST_STEPS) + 1):
        gap = path.relative_gap()
        if verbose > 1:
            print(f"  interior point {n_iter}: gap {gap:.2e}, mu {path.mu:.1e}")
        waited = 0 if gap < best_gap or not np.isfinite(gap) else waited + 1
        if gap < best_gap:
            best, best_gap = path.copy_point(), gap
        if gap <= tol:
            status = "tolerance reached"
            break
        if waited >= patience:
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


class _CentralPath:
    """Iterate of the method: U, slack, multipliers, duals of the norms, mu."""

    def __init__(self, program):
        self.program = program
        loss = program.loss
        n, (d, m) = len(program.X), program.shape
        self.beta = program.beta
        # Rows of zeros bound nothing.
        self.bounded = program.X.any(axis=1)
        self.rows = program.X[self.bounded]
        self.side = program.side[self.bounded]
        value = max(
            float(loss.value(np.zeros(n))) - loss.constant, np.finfo(float).tiny
        )
        gates = program.gates / np.linalg.norm(program.gates, axis=0)
        # A start far beyond what fits the targets costs digits of the first steps.
        outputs = loss.centre(program.contributions(gates))
        spread = np.sqrt(np.max(loss.weights @ outputs**2, initial=0.0))
        size = value / (m * self.beta)
        self.U = gates * min(size, np.sqrt(2 * value) / max(spread, 1e-300))
        slack = self._slack_of(self.U)
        self.slack = np.maximum(slack, _LEAST_SLACK * np.abs(slack).mean(axis=0))
        self.mu = 10 * value / max(slack.size, 1)
        self.multipliers = self.mu / self.slack
        self.Z = np.zeros((d, m))
        self.system = _NewtonSystem(program)
        self._evaluate()

    def _evaluate(self):
        program = self.program
        self.output = program.output(self.U)
        self.theta = program.loss.dual_point(self.output)
        self.correlations = program.correlations(self.theta)
        self.slack_error = self._slack_of(self.U) - self.slack

    def _slack_of(self, U):
        return (self.rows @ U) * self.side

    def copy_point(self):
        """Return U and the multipliers of all rows."""
        multipliers = np.zeros((len(self.bounded), self.U.shape[1]))
        multipliers[self.bounded] = self.multipliers
        return self.U.copy(), multipliers

    def relative_gap(self):
        """Return the gap of the iterate, infinite while a slack is wrong."""
        program, loss = self.program, self.program.loss
        if np.abs(self.slack_error).max(initial=0.0) > 1e-7 * np.abs(self.slack).max(
            initial=1e-300
        ):
            return np.inf
        primal = float(loss.value(self.output)) + program.penalty(self.U)
        shifted = self.correlations + self._pull_back(self.multipliers)
        price = np.linalg.norm(shifted, axis=0).max()
        dual = loss.bound(self.theta, self.beta, price)
        return (primal - dual) / primal

    def advance(self):
        """Take one predictor-corrector step."""
        self._factorise()
        complementarity = self._complementarity(
            self.U, self.Z, self.slack, self.multipliers
        )
        trial = self._direction(0.0, 0.0)
        primal, dual = self._step_lengths(trial)
        dU, dZ, ds, dl = trial
        predicted = self._complementarity(
            self.U + primal * dU,
            self._inside_ball(self.Z + dual * dZ),
            self.slack + primal * ds,
            self.multipliers + dual * dl,
        )
        shrink = min(max(predicted / complementarity, 0.0) ** 3, 1.0)
        mu = max(shrink, 0.02) * complementarity
        correction = ds * dl * min(primal, dual) ** 2
        step = self._direction(mu, correction)
        primal, dual = self._step_lengths(step)
        self.U += primal * step[0]
        self.Z = self._inside_ball(self.Z + dual * step[1])
        self.slack += primal * step[2]
        self.multipliers += dual * step[3]
        self.mu = mu
        self._evaluate()

    def _complementarity(self, U, Z, slack, multipliers):
        norms = np.linalg.norm(U, axis=0)
        cones = np.sum(slack * multipliers)
        # A second-order cone contributes 2 mu on the central path.
        balls = np.sum(self.beta * norms - np.einsum("ij,ij->j", Z, U))
        return max(cones + balls, 0.0) / (slack.size + 2 * len(norms))

    def _inside_ball(self, Z):
        norms = np.linalg.norm(Z, axis=0)
        return Z * np.minimum(1.0, _BALL * self.beta / np.maximum(norms, 1e-300))

    def _factorise(self):
        """Build and factorise the Newton system at the iterate."""
        beta, U = self.beta, self.U
        norms = np.linalg.norm(U, axis=0)
        self._root = np.hypot(self.mu, beta * norms)
        self._denominator = self.mu + self._root
        outer = self.Z.T[:, :, None] * U.T[:, None, :]
        blocks = (
            np.eye(len(U))
            - (outer + outer.transpose(0, 2, 1)) / (2 * self._root)[:, None, None]
        )
        blocks *= (beta**2 / self._denominator)[:, None, None]
        weights = self.multipliers / self.slack
        for block, weight in zip(blocks, weights.T, strict=True):
            block += (self.rows.T * weight) @ self.rows
        self.system.factorise(blocks)

    def _direction(self, mu, correction):
        """Solve the linearised equations of the central path for a target mu."""
        beta, U = self.beta, self.U
        norms = np.linalg.norm(U, axis=0)
        centred = beta**2 * U / np.maximum(mu + np.hypot(mu, beta * norms), 1e-300)
        weights = self.multipliers / self.slack
        target = (mu - correction) / self.slack
        residual = self.correlations - centred
        residual += self._pull_back(target - weights * self.slack_error)
        dU = self.system.solve(residual)
        ds = self.slack_error + self._slack_of(dU)
        dl = target - self.multipliers - weights * ds
        along = np.einsum("ij,ij->j", U, dU) / self._root
        dZ = centred - self.Z + (beta**2 / self._denominator) * (dU - self.Z * along)
        return dU, dZ, ds, dl

    def _pull_back(self, multipliers):
        return self.rows.T @ (self.side * multipliers)

    def _step_lengths(self, direction):
        _, _, ds, dl = direction
        return to_boundary(self.slack, ds), to_boundary(self.multipliers, dl)


def to_boundary(values, steps):
    """Return the largest factor up to 1 that keeps ``values`` well positive."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        fastest = float(np.fmin.reduce(steps / values, axis=None, initial=0.0))
    return min(1.0, -_TO_BOUNDARY / fastest) if fastest < 0 else 1.0


class _NewtonSystem:
    """Solves (blockdiag(H_g) + A'A) U = R with A the weighted, centred blocks.

    By a factorisation of size d * n_groups where that is the smaller one, else of
    size n through the matrix inversion lemma.
    """

    def __init__(self, program):
        self.program = program
        loss = program.loss
        n, (d, m) = len(program.X), program.shape
        self._root = np.sqrt(loss.weights)
        self._constant = self._root / np.linalg.norm(self._root)
        self._by_groups = d * m <= n
        if self._by_groups:
            blocks = self._scaled_blocks(
                np.broadcast_to(np.eye(d), (m, d, d)), range(m)
            )
            self._gram = blocks @ blocks.T

    def _scaled_blocks(self, factors, groups):
        """Return ``factor @ (sign * X'D)`` of some groups, weighted and centred."""
        program = self.program
        rows = (program.X * self._root[:, None]).T
        scaled = np.concatenate(
            [(factors[g] @ rows) * program.mask[:, g] for g in groups]
        )
        scaled *= np.repeat(program.sign[groups], len(rows))[:, None]
        if program.loss.intercept:
            scaled -= np.outer(scaled @ self._constant, self._constant)
        return scaled

    def factorise(self, blocks):
        """Factorise for the blocks H_g, of shape (n_groups, d, d)."""
        m, d, _ = blocks.shape
        if self._by_groups:
            matrix = self._gram.copy()
            for g, block in enumerate(blocks):
                matrix[g * d : (g + 1) * d, g * d : (g + 1) * d] += block
            self._factor = _cholesky(matrix)
            return
        self._inverse = np.linalg.inv(_block_cholesky(blocks))
        n = len(self.program.X)
        matrix = np.asfortranarray(np.eye(n))
        size = max(1, _CHUNK // d)
        for first in range(0, m, size):
            groups = np.arange(first, min(first + size, m))
            scaled = self._scaled_blocks(self._inverse, groups)
            matrix = dsyrk(1.0, scaled.T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
        self._factor = _cholesky(matrix)

    def solve(self, R):
        """Solve for the right-hand side R of shape (d, n_groups)."""
        if self._by_groups:
            return cho_solve(self._factor, R.T.reshape(-1)).reshape(R.T.shape).T
        program, loss = self.program, self.program.loss
        first = self._apply_inverse(R)
        inner = cho_solve(self._factor, self._root * loss.centre(program.output(first)))
        inner = self._root * loss.centre(inner / self._root)
        return first - self._apply_inverse(program.correlations(self._root * inner))

    def _apply_inverse(self, R):
        half = np.einsum("gij,jg->gi", self._inverse, R)
        return np.einsum("gji,gj->ig", self._inverse, half)


def _block_cholesky(blocks):
    # Relative to each entry of the diagonal, so that no scale of columns matters.
    diagonal = np.einsum("gii->gi", blocks)
    shifts = diagonal[:, :, None] * np.eye(blocks.shape[1])
    for shift in (1e-14, 1e-11, 1e-8):
        try:
            return np.linalg.cholesky(blocks + shift * shifts)
        except LinAlgError:
            continue
    raise LinAlgError("a block of the Newton system is not positive definite")


def _cholesky(matrix):
    if not np.isfinite(matrix).all():
        raise LinAlgError("the Newton system overflowed")
    return cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
