"""Primal-dual interior point for the program of three-layer networks over blocks.

The method of :mod:`convexnn.solvers.interior_point` with a second family of cones.
Let V = X w of each hidden unit, h = sum_j I_j D1_j V_j what enters the second layer of
a block, s1 = (2 D1 - I) V and s2 = (2 D2 - I) h the slacks, lam1 and lam2 their
multipliers, and z a dual variable for each norm. The central path of mu is ::

    I_j D1_j X' (s D2 theta + (2 D2 - I) lam2) + X' (2 D1_j - I) lam1_j = z_j,
    s1 * lam1 = mu,    s2 * lam2 = mu,
    z = beta^2 w / (mu + sqrt(mu^2 + beta^2 norm2(w)^2)),

theta being minus the gradient of the loss. Steps follow Mehrotra's predictor and
corrector, then Gondzio's correctors of single products, which pay because a solve costs
a tenth of a factorisation. The start is zero, outside of the cones, whose slacks close
on the way, so that cones without an interior do no harm.

The Newton matrix of a block is of size d * m: the norms' Hessians, one ``X' diag X`` a
unit, and the second cone's rows, which couple the units. Blocks meet in the loss alone,
by the matrix inversion lemma in one system of size n. A step costs
O(n_blocks * (n (d m)^2 + (d m)^3 + n^2 d m)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_solve
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpotrf, dtrtri

from ..programs.blocks import certify_blocks
from .interior_point import follow, to_boundary
from .quadratic_models import minimise_by_models
from .solution import BlockSolution
from .time_limit import is_out_of_time

__all__ = ["solve"]

#: Correctors that follow a step, and what the step lengths must gain from one.
_MOST_CORRECTORS = 2
_WORTHWHILE = 0.02

#: Products of slack and multiplier, relative to their target, that are left alone.
_CENTRED = (0.1, 10.0)

#: Smallest target of mu, relative to the present one.
_LEAST_SHRINKING = 0.05

#: Share of the wanted gap that mu leaves in the end.
_LAST_SHARE = 0.3

#: Step lengths that need no corrector.
_LONG = 0.9

#: Radius, relative to beta, of the ball that the duals of the norms stay in.
_BALL = 1 - 1e-12

#: Gap below which Newton systems are refined once: rounding does not matter before.
_REFINED_BELOW = 1.0

#: Steps without a smaller gap after which rounding has won.
_PATIENCE = 12

#: Violation of the cones, relative to the largest slack, that is rounding.
_ROUNDING = 1e-7

#: Numbers in the rows of the blocks that are factorised at once: half a cache.
_CHUNK = 2**16

#: Raises of the diagonal, relative to its mean, that factorisations try in turn, and
#: the least one of a second attempt. Raises slow the last steps down, but steady them
#: where features differ by orders of magnitude.
_SHIFTS = (0.0, 1e-16, 1e-15, 1e-14, 1e-13, 1e-11, 1e-9)
_LARGER = 1e-14

#: Gap that mu stands for at a given start, and the least slack there, relative to the
#: mean one: a point on the boundary would hold all steps back.
_START_SHARE = 0.1
_START_SLACK = 0.01

#: Gap above which a path that stopped is followed once more.
_POOR = 1e-5

#: Paths, of as many steps as one may take, for a loss other than squares.
_MODELS = 20


def solve(program, *, tol=1e-7, max_iter=200, start=None, verbose=0):
    """Follow the central path of the program over given blocks (paper, eq. 12).

    Parameters
    ----------
    program : convexnn.programs.blocks.BlockProgram
        The program. Losses other than squares are minimised through quadratic models,
        a sequence of programs like this.
    tol : float, default=1e-7
        Relative duality gap to stop at.
    max_iter : int, default=200
        Largest number of Newton steps, those of a second attempt, with steadier
        factorisations, included.
    start : ndarray of shape (d, n_blocks, m), default=None
        Point in the cones or near them, such as a network that the blocks are those
        of. A good one saves a third of the steps; zero by default.
    verbose : int, default=0
        From 2 on, print a line a step.

    Returns
    -------
    BlockSolution
        The point of the smallest gap, inside of the cones up to rounding, and the
        multipliers that prove it.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.programs.losses import SquaredLoss
    >>> from convexnn.solvers.three_layer_interior_point import solve
    >>> from convexnn.programs.blocks import (
    ...     BlockProgram, certify_blocks, sample_blocks
    ... )
    >>> X = np.random.default_rng(0).standard_normal((12, 3))
    >>> loss = SquaredLoss(X[:, 0] * X[:, 1], np.ones(12), intercept=False)
    >>> blocks = sample_blocks(X, 2, 5, np.random.RandomState(0))
    >>> program = BlockProgram(X, loss, 0.1, blocks)
    >>> found = solve(program)
    >>> found.W.shape, found.status
    ((3, 10, 2), 'tolerance reached')
    >>> primal = program.objective(found.W)
    >>> output = program.output(found.W)
    >>> certificate = certify_blocks(program, output, primal, found.multipliers)
    >>> certificate.relative_gap < 1e-6
    True
    """
    at_zero = program.loss.dual_point(np.zeros(len(program.X)))
    if not (len(program.blocks) and program.X.any() and at_zero.any()):
        return BlockSolution.zero(program, "no block can lower the loss")
    if not program.loss.is_quadratic:
        return _by_models(program, tol, max_iter, start, verbose)
    settings = {"tol": tol, "start": start, "verbose": verbose}
    best, n_iter, status = _attempt(program, 0.0, max_iter=max_iter, **settings)
    is_poor = best.gap > max(tol, _POOR) and not is_out_of_time()
    if is_poor and n_iter < max_iter:
        again, more, other = _attempt(
            program, _LARGER, max_iter=max_iter - n_iter, **settings
        )
        n_iter += more
        if again.gap < best.gap:
            best, status = again, other
    return BlockSolution(best.W, best.multipliers, n_iter, status)


def _by_models(program, tol, max_iter, start, verbose):
    """Minimise a program with another loss than squares."""

    def solve_model(model, **limits):
        solution = solve(model, verbose=verbose, **limits)
        return solution.W, solution.multipliers, solution.n_iter

    def relative_gap(program, W, multipliers):
        value, output = program.objective(W), program.output(W)
        return certify_blocks(program, output, value, multipliers).relative_gap

    start = np.zeros(program.shape) if start is None else start
    limits = {"tol": tol, "max_iter": _MODELS * max_iter}
    run, status = minimise_by_models(
        program, solve_model, relative_gap, start, **limits
    )
    return BlockSolution(run.U, run.multipliers, run.n_iter, status)


def _attempt(program, least_shift, *, tol, max_iter, start, verbose):
    """Follow the path with some least shift of the factorisations."""
    path = _CentralPath(program, tol, least_shift, start)
    return follow(path, tol=tol, max_iter=max_iter, patience=_PATIENCE, verbose=verbose)


@dataclass(frozen=True)
class _Point:
    """An iterate in the program's shapes, and its relative gap."""

    W: np.ndarray
    multipliers: tuple
    gap: float


class _Operators:
    """The linear maps of a program, for variables of shape (n_blocks, m, d).

    Rows of zeros, which bound nothing and enter nothing, are left out; there are n
    others. Arrays of the first layer are of shape (n_blocks, m, n), of the second of
    shape (n_blocks, n), so that the sums over rows run along memory.
    """

    def __init__(self, program):
        X, blocks = program.X, program.blocks
        self.n_samples = len(X)
        self.counted = X.any(axis=1)
        self.rows = np.ascontiguousarray(X[self.counted])
        self.columns = np.ascontiguousarray(self.rows.T)
        first = np.ascontiguousarray(blocks.first[self.counted].transpose(1, 2, 0))
        second = blocks.second[self.counted].T
        self.first_side = np.where(first, 1.0, -1.0)
        self.signed = first * blocks.inner[:, :, None]
        self.is_mixed = np.ascontiguousarray(blocks.is_mixed[self.counted].T)
        self.second_side = np.where(second, 1.0, -1.0) * self.is_mixed
        self.outer = np.ascontiguousarray(second * blocks.sign[:, None])

    def forward(self, W):
        """Return the slacks of both cones, zero where D2 is settled, and the output."""
        values = (W.reshape(-1, W.shape[2]) @ self.columns).reshape(self.signed.shape)
        hidden = np.einsum("bjn,bjn->bn", self.signed, values)
        values *= self.first_side
        output = self.spread(np.einsum("bn,bn->n", self.outer, hidden))
        return values, self.second_side * hidden, output

    def pull_back(self, first=None, second=None, v=None):
        """Return the adjoint of `forward`, of shape (n_blocks, m, d)."""
        inner = 0.0
        if second is not None:
            inner = self.second_side * second
        if v is not None:
            inner = inner + self.outer * v[self.counted]
        pulled = self.signed * inner[:, None]
        if first is not None:
            pulled += self.first_side * first
        n_blocks, m, n = pulled.shape
        return (pulled.reshape(-1, n) @ self.rows).reshape(n_blocks, m, -1)

    def spread(self, values):
        """Return values of the counted rows with zeros for the others."""
        everything = np.zeros((self.n_samples, *values.shape[1:]))
        everything[self.counted] = values
        return everything


class _CentralPath:
    """Iterate: W, slacks and multipliers of both cones, duals of the norms, mu."""

    def __init__(self, program, tol, least_shift, start=None):
        self.tol = tol
        self.program, self.loss, self.beta = program, program.loss, program.beta
        self.maps = maps = _Operators(program)
        _, n_blocks, m = program.shape
        # A second-order cone contributes 2 mu on the central path.
        self.degree = maps.signed.size + maps.is_mixed.sum() + 2 * n_blocks * m
        if start is None or not start.any():
            slacks = self._start_at_zero()
        else:
            slacks = self._start_at(start)
        # Where D2 is settled there is no cone: a slack of one, a multiplier of zero.
        self.slacks = [slacks[0], np.where(maps.is_mixed, slacks[1], 1.0)]
        self.multipliers = [self.mu / slack for slack in self.slacks]
        self.multipliers[1] *= maps.is_mixed
        norms = np.linalg.norm(self.W, axis=2)
        root = self.mu + np.hypot(self.mu, self.beta * norms)
        self.Z = self.beta**2 / root[..., None] * self.W
        self.system = _NewtonSystem(maps, self.loss, least_shift)
        self.gap, self.primal = np.inf, 0.0
        self._evaluate()

    def _start_at_zero(self):
        """Set W and mu; return slacks of units that share the penalty evenly."""
        program, maps = self.program, self.maps
        d, n_blocks, m = program.shape
        at_zero = float(self.loss.value(np.zeros(len(program.X))))
        value = max(at_zero - self.loss.constant, np.finfo(float).tiny)
        self.W, self.mu = np.zeros((n_blocks, m, d)), value / maps.signed.size
        size = value / (n_blocks * m * self.beta) * np.abs(maps.rows).mean()
        return [np.full(each.shape, 0.1 * size) for each in (maps.signed, maps.outer)]

    def _start_at(self, start):
        """Set W and mu; return slacks, moved away from the boundary."""
        self.W = np.array(start.transpose(1, 2, 0), dtype=float, order="C")
        self.mu = _START_SHARE * self.program.objective(start) / self.degree
        *slacks, _ = self.maps.forward(self.W)
        least = _START_SLACK * max(np.abs(slacks[0]).mean(), np.finfo(float).tiny)
        return [np.maximum(slack, least) for slack in slacks]

    def _evaluate(self):
        *slacks, self.output = self.maps.forward(self.W)
        self.theta = self.loss.dual_point(self.output)
        self.correlations = self.maps.pull_back(v=self.theta)
        self.errors = [
            true - own for true, own in zip(slacks, self.slacks, strict=True)
        ]
        self.errors[1] *= self.maps.is_mixed

    def copy_point(self):
        """Return W, the multipliers of all rows, and the gap."""
        first, second = self.multipliers
        first = self.maps.spread(first.transpose(2, 0, 1))
        multipliers = first, self.maps.spread(second.T)
        return _Point(self.W.transpose(2, 0, 1).copy(), multipliers, self.gap)

    def relative_gap(self):
        """Return the gap of the iterate, infinite while a slack is wrong."""
        loss = self.loss
        error = max(np.abs(each).max(initial=0.0) for each in self.errors)
        if error > _ROUNDING * self.slacks[0].max():
            return np.inf
        norms = np.linalg.norm(self.W, axis=2)
        primal = float(loss.value(self.output)) + self.beta * float(norms.sum())
        self.primal = primal
        shifted = self.correlations + self.maps.pull_back(*self.multipliers)
        price = np.linalg.norm(shifted, axis=2).max()
        dual = loss.bound(self.theta, self.beta, price)
        self.gap = (primal - dual) / primal
        return self.gap

    def advance(self):
        """Take one step: predictor, corrector, correctors of single products."""
        self._factorise()
        complementarity = self._complementarity((0.0, 0.0), None)
        trial = self._direction(0.0, (0.0, 0.0))
        lengths = self._step_lengths(trial)
        predicted = self._complementarity(lengths, trial)
        shrink = min(max(predicted / complementarity, 0.0) ** 3, 1.0)
        mu = max(shrink, _LEAST_SHRINKING) * complementarity
        mu = max(mu, self._least_mu())
        share = min(lengths) ** 2
        corrections = [share * ds * dl for ds, dl in zip(*trial[2:], strict=True)]
        step = self._direction(mu, corrections)
        step, lengths = self._centred(step, mu, corrections)
        primal, dual = lengths
        self.W += primal * step[0]
        self.Z = self._inside_ball(self.Z + dual * step[1])
        for slack, change in zip(self.slacks, step[2], strict=True):
            slack += primal * change
        for multiplier, change in zip(self.multipliers, step[3], strict=True):
            multiplier += dual * change
        self.mu = mu
        self._evaluate()

    def _least_mu(self):
        """Return the mu that leaves a share of the wanted gap.

        A smaller one costs digits of the factorisations and gains nothing.
        """
        return _LAST_SHARE * self.tol * self.primal / self.degree

    def _centred(self, step, mu, corrections):
        """Correct products of slack and multiplier that hold a step back.

        Source: J. Gondzio, "Multiple centrality corrections in a primal-dual method
        for linear programming", Computational Optimization and Applications, 1996.
        """
        lengths = self._step_lengths(step)
        least, most = (bound * mu for bound in _CENTRED)
        for _ in range(_MOST_CORRECTORS):
            if min(lengths) > _LONG:
                break
            primal, dual = (min(1.0, 1.08 * length + 0.1) for length in lengths)
            wanted = []
            for k in (0, 1):
                product = self.slacks[k] + primal * step[2][k]
                product *= self.multipliers[k] + dual * step[3][k]
                missing = np.maximum(np.clip(product, least, most) - product, -most)
                wanted.append(corrections[k] - missing)
            better = self._direction(mu, wanted)
            longer = self._step_lengths(better)
            if sum(longer) < sum(lengths) + _WORTHWHILE:
                break
            step, lengths, corrections = better, longer, wanted
        return step, lengths

    def _complementarity(self, lengths, step):
        """Return the mean product, now or after a step of some lengths."""
        W, Z, slacks, multipliers = self.W, self.Z, self.slacks, self.multipliers
        if step is not None:
            primal, dual = lengths
            W, Z = W + primal * step[0], self._inside_ball(Z + dual * step[1])
            slacks = [s + primal * ds for s, ds in zip(slacks, step[2], strict=True)]
            multipliers = [
                m + dual * dm for m, dm in zip(multipliers, step[3], strict=True)
            ]
        cones = sum(np.vdot(s, m) for s, m in zip(slacks, multipliers, strict=True))
        balls = self.beta * np.linalg.norm(W, axis=2).sum() - np.vdot(Z, W)
        return max(cones + balls, 0.0) / self.degree

    def _inside_ball(self, Z):
        norms = np.linalg.norm(Z, axis=2)
        factors = np.minimum(1.0, _BALL * self.beta / np.maximum(norms, 1e-300))
        return Z * factors[:, :, None]

    def _factorise(self):
        """Build and factorise the Newton system at the iterate."""
        norms = np.linalg.norm(self.W, axis=2)
        self._root = np.hypot(self.mu, self.beta * norms)
        self._curvature = self.beta**2 / (self.mu + self._root)
        self._weights = [
            m / s for m, s in zip(self.multipliers, self.slacks, strict=True)
        ]
        outer = self.Z[..., :, None] * self.W[..., None, :]
        blocks = outer + outer.swapaxes(2, 3)
        blocks *= (-0.5 / self._root)[:, :, None, None]
        blocks += np.eye(self.W.shape[2])
        blocks *= self._curvature[:, :, None, None]
        self.system.factorise(blocks, *self._weights)

    def _newton(self, dW):
        """Return the Newton matrix times dW."""
        first, second, output = self.maps.forward(dW)
        first *= self._weights[0]
        second *= self._weights[1]
        v = self.loss.weights * self.loss.centre(output)
        along = np.einsum("bjd,bjd->bj", self.W, dW)[..., None] * self.Z
        along += np.einsum("bjd,bjd->bj", self.Z, dW)[..., None] * self.W
        along *= (-0.5 / self._root)[..., None]
        along += dW
        along *= self._curvature[..., None]
        return along + self.maps.pull_back(first, second, v)

    def _direction(self, mu, corrections):
        """Solve the linearised equations of the central path for a target mu."""
        norms = np.linalg.norm(self.W, axis=2)
        root = np.hypot(mu, self.beta * norms)
        centred = self.beta**2 / np.maximum(mu + root, 1e-300)
        centred = centred[..., None] * self.W
        targets = [
            (mu - correction) / slack
            for correction, slack in zip(corrections, self.slacks, strict=True)
        ]
        targets[1] *= self.maps.is_mixed
        pulled = [
            target - weight * error
            for target, weight, error in zip(
                targets, self._weights, self.errors, strict=True
            )
        ]
        residual = self.correlations - centred
        residual += self.maps.pull_back(*pulled)
        dW = self.system.solve(residual)
        if self.gap < _REFINED_BELOW:
            dW += self.system.solve(residual - self._newton(dW))
        *ds, _ = self.maps.forward(dW)
        dl = []
        for k in (0, 1):
            ds[k] += self.errors[k]
            dl.append(targets[k] - self.multipliers[k] - self._weights[k] * ds[k])
        along = np.einsum("bjd,bjd->bj", self.W, dW) / self._root
        dZ = dW - self.Z * along[..., None]
        dZ *= self._curvature[..., None]
        dZ += centred - self.Z
        return dW, dZ, ds, dl

    def _step_lengths(self, step):
        return tuple(
            min(to_boundary(v, dv) for v, dv in zip(values, changes, strict=True))
            for values, changes in (
                (self.slacks, step[2]),
                (self.multipliers, step[3]),
            )
        )


class _NewtonSystem:
    """Solves (blockdiag(H_b) + C'SC) W = R, C being the map to the centred output."""

    def __init__(self, maps, loss, least_shift):
        self.shifts = [shift for shift in _SHIFTS if shift >= least_shift]
        self.maps, self.loss = maps, loss
        self._root = np.sqrt(loss.weights)
        rows = maps.rows
        self._products = (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
        self._scaled_outer = maps.outer * self._root[maps.counted]

    def factorise(self, blocks, first_weights, second_weights):
        """Factorise for Hessians of the norms and weights of the cones' rows.

        Parameters
        ----------
        blocks : ndarray of shape (n_blocks, m, d, d)
            Hessians of the norms; overwritten.
        first_weights : ndarray of shape (n_blocks, m, n)
            Weights of the first cones' rows.
        second_weights : ndarray of shape (n_blocks, n)
            Weights of the second cones' rows, zero where D2 is settled.
        """
        n_blocks, m, n = first_weights.shape
        d = blocks.shape[2]
        by_rows = first_weights.reshape(-1, n) @ self._products
        blocks += by_rows.reshape(blocks.shape)
        self._inverse = np.empty((n_blocks, m * d, m * d))
        matrix = np.zeros((n, n), order="F")
        size = max(1, _CHUNK // (n * m * d))
        for start in range(0, n_blocks, size):
            part = slice(start, start + size)
            scaled = self._factorise_part(part, blocks[part], second_weights[part])
            matrix = dsyrk(1.0, scaled.T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
        self._factor = _lower_root(self._whole(matrix), self.shifts), True

    def _factorise_part(self, part, blocks, weights):
        """Factorise some blocks; return their inverse roots times C', (k, n)."""
        maps = self.maps
        n_blocks, m, d, _ = blocks.shape
        # Rows of the second layer, ``I_j D1_j X`` side by side, transposed.
        rows = (maps.signed[part][:, :, None] * maps.columns).reshape(
            n_blocks, m * d, -1
        )
        hessians = (rows * weights[:, None]) @ rows.transpose(0, 2, 1)
        unit = np.arange(m)
        by_unit = hessians.reshape(n_blocks, m, d, m, d)
        by_unit[:, unit, :, unit] += blocks.swapaxes(0, 1)
        inverse = self._inverse[part]
        for hessian, into in zip(hessians, inverse, strict=True):
            into[...] = dtrtri(_lower_root(hessian, self.shifts).T, lower=0)[0].T
        scaled = inverse @ rows
        scaled *= self._scaled_outer[part][:, None]
        return scaled.reshape(-1, scaled.shape[2])

    def _whole(self, lower):
        """Return the system of the loss from the lower half of its counted rows."""
        counted, loss = self.maps.counted, self.loss
        lower += np.tril(lower, -1).T
        matrix = np.zeros((len(counted), len(counted)))
        matrix[np.ix_(counted, counted)] = lower
        if loss.intercept:
            constant = self._root / np.linalg.norm(self._root)
            matrix -= np.outer(constant, constant @ matrix)
            matrix -= np.outer(matrix @ constant, constant)
        matrix[np.diag_indices_from(matrix)] += 1.0
        return matrix

    def solve(self, R):
        """Solve for the right-hand side R of shape (n_blocks, m, d)."""
        maps, loss = self.maps, self.loss
        first = self._apply_inverse(R)
        output = maps.forward(first)[2]
        inner = cho_solve(self._factor, self._root * loss.centre(output))
        inner = self._root * loss.centre(inner / self._root)
        return first - self._apply_inverse(maps.pull_back(v=self._root * inner))

    def _apply_inverse(self, R):
        half = self._inverse @ R.reshape(len(R), -1, 1)
        return (self._inverse.transpose(0, 2, 1) @ half).reshape(R.shape)


def _lower_root(matrix, shifts):
    """Return L of a matrix L L', its diagonal raised where rounding asks for it."""
    diagonal = np.einsum("ii->i", matrix)
    for shift in shifts:
        if shift:
            diagonal += shift * diagonal.mean()
        # The transpose is in Fortran's order; its upper half is the lower one here.
        upper, info = dpotrf(matrix.T, lower=0)
        if info == 0:
            return upper.T
    raise LinAlgError("the Newton system is not positive definite")
