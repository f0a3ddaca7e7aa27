"""The central path of a program's cones, and steps along it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.linalg import LinAlgError

from ..programs.losses import SquaredLoss
from ..programs.program import ConvexProgram
from .barrier_numbers import COUPLED, UNCOUPLED
from .barrier_system import BarrierSystem, ConeMaps

__all__ = ["CentralPath", "PathPoint"]

#: Radius, relative to beta, of the ball that the duals of the norms stay in.
_BALL = 1 - 1e-12

#: Violation of the cones, relative to the largest slack, that is rounding.
_ROUNDING = 1e-7


@dataclass(frozen=True)
class PathPoint:
    """An iterate in the program's shapes, and its relative gap."""

    U: np.ndarray
    multipliers: tuple[np.ndarray, ...]
    gap: float


class CentralPath:
    """Iterate: W, slacks and multipliers of all cones, duals Z of the norms, mu.

    See :mod:`convexnn.solvers.interior_point` for the equations, and
    :mod:`convexnn.solvers.barrier_system` for shapes.

    Parameters
    ----------
    program : ConvexProgram
        With cones and a quadratic loss.
    tol : float
        Relative gap that will be asked for.
    least_shift : float
        See :class:`BarrierSystem`.
    start : ndarray of shape (d, n_groups), default=None
        Where to begin; zero by default.
    """

    def __init__(
        self,
        program: ConvexProgram,
        tol: float,
        least_shift: float,
        start: np.ndarray | None = None,
    ) -> None:
        self.tol = tol
        self.numbers = COUPLED if program.coupled else UNCOUPLED
        self.program, self.loss, self.beta = program, program.loss, program.beta
        self.maps = maps = ConeMaps(program)
        #: Where there is a cone: everywhere for the groups' own.
        self.is_bounded = [side != 0 for side in maps.sides]
        # A second-order cone contributes 2 mu on the central path.
        self.degree = sum(int(each.sum()) for each in self.is_bounded)
        self.degree += 2 * program.n_groups
        if start is not None and start.any():
            slacks = self._start_at(start)
        elif program.gates is not None:
            slacks = self._start_at_gates()
        else:
            slacks = self._start_at_zero()
        # Where there is no cone: a slack of one, a multiplier of zero.
        self.slacks = [
            np.where(is_bounded, slack, 1.0)
            for is_bounded, slack in zip(self.is_bounded, slacks, strict=True)
        ]
        self.multipliers = [
            self.mu / slack * is_bounded
            for is_bounded, slack in zip(self.is_bounded, self.slacks, strict=True)
        ]
        norms = np.linalg.norm(self.W, axis=2)
        root = self.mu + np.hypot(self.mu, self.beta * norms)
        self.Z = self.beta**2 / root[..., None] * self.W
        about = maps, cast(SquaredLoss, self.loss), self.numbers
        self.system = BarrierSystem(*about, least_shift)
        self.gap, self.primal = np.inf, 0.0
        self._evaluate()

    def _start_at_zero(self):
        """Set W and mu; return slacks of units that share the penalty evenly."""
        program, maps = self.program, self.maps
        value = self._value_at_zero()
        self.W = np.zeros(maps.shape)
        self.mu = value / (program.n_groups * len(maps.rows))
        size = value / (program.n_groups * self.beta) * np.abs(maps.rows).mean()
        size *= self.numbers.zero_slack
        return [np.full(side.shape, size) for side in maps.sides]

    def _start_at_gates(self):
        """Set W and mu; return slacks. Gates are inside of their cells."""
        program, loss = self.program, self.loss
        gates = program.gates / np.linalg.norm(program.gates, axis=0)
        # A start far beyond what fits the targets costs digits of the first steps.
        outputs = loss.centre(program.contributions(gates))
        spread = np.sqrt(np.max(loss.weights @ outputs**2, initial=0.0))
        value = self._value_at_zero()
        size = value / (program.n_groups * self.beta)
        gates *= min(size, np.sqrt(2 * value) / max(spread, 1e-300))
        self.W = gates.T.reshape(self.maps.shape).copy()
        self.mu = self.numbers.gate_mu * value / self.maps.sides[0].size
        slacks, _ = self.maps.forward(self.W)
        share = self.numbers.gate_slack
        return [
            np.maximum(slack, share * np.abs(slack).mean(axis=2, keepdims=True))
            for slack in slacks
        ]

    def _value_at_zero(self):
        at_zero = float(self.loss.value(np.zeros(len(self.loss.y))))
        return max(at_zero - self.loss.constant, np.finfo(float).tiny)

    def _start_at(self, start):
        """Set W and mu; return slacks, moved away from the boundary."""
        self.W = np.array(start.T, dtype=float, order="C").reshape(self.maps.shape)
        numbers = self.numbers
        self.mu = numbers.start_share * self.program.objective(start) / self.degree
        slacks, _ = self.maps.forward(self.W)
        mean = max(np.abs(slacks[0]).mean(), np.finfo(float).tiny)
        return [np.maximum(slack, numbers.start_slack * mean) for slack in slacks]

    def _evaluate(self):
        slacks, self.output = self.maps.forward(self.W)
        self.theta = self.loss.dual_point(self.output)
        self.correlations = self.maps.pull_back(v=self.theta)
        self.errors = [
            (true - own) * is_bounded
            for true, own, is_bounded in zip(
                slacks, self.slacks, self.is_bounded, strict=True
            )
        ]

    def copy_point(self) -> PathPoint:
        """Return U, the multipliers of all rows, and the gap."""
        multipliers = tuple(
            self.maps.spread(each.reshape(-1, each.shape[-1]).T)
            for each in self.multipliers
        )
        return PathPoint(self._flat(self.W).T.copy(), multipliers, self.gap)

    def _flat(self, W):
        return W.reshape(-1, W.shape[2])

    def relative_gap(self) -> float:
        """Return the gap of the iterate, infinite while a slack is wrong."""
        error = max(np.abs(each).max(initial=0.0) for each in self.errors)
        if error > _ROUNDING * self.slacks[0].max():
            return np.inf
        norms = np.linalg.norm(self.W, axis=2)
        primal = float(self.loss.value(self.output)) + self.beta * float(norms.sum())
        self.primal = primal
        shifted = self.correlations + self.maps.pull_back(self.multipliers)
        price = np.linalg.norm(shifted, axis=2).max()
        self.gap = (primal - self.loss.bound(self.theta, self.beta, price)) / primal
        return self.gap

    def advance(self) -> None:
        """Take one step: predictor, corrector, correctors of single products."""
        self._factorise()
        complementarity = self._complementarity((0.0, 0.0), None)
        trial = self._direction(0.0, [0.0] * len(self.slacks))
        lengths = self._step_lengths(trial)
        predicted = self._complementarity(lengths, trial)
        shrink = min(max(predicted / complementarity, 0.0) ** 3, 1.0)
        mu = max(shrink, self.numbers.least_shrinking) * complementarity
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
        return self.numbers.last_share * self.tol * self.primal / self.degree

    def _centred(self, step, mu, corrections):
        """Correct products of slack and multiplier that hold a step back.

        Source: J. Gondzio, "Multiple centrality corrections in a primal-dual method
        for linear programming", Computational Optimization and Applications, 1996.
        """
        lengths, numbers = self._step_lengths(step), self.numbers
        least, most = (bound * mu for bound in numbers.centred)
        factor, more = numbers.lengthened
        for _ in range(numbers.n_correctors):
            if min(lengths) > numbers.long:
                break
            primal, dual = (min(1.0, factor * length + more) for length in lengths)
            wanted = []
            for k, correction in enumerate(corrections):
                product = self.slacks[k] + primal * step[2][k]
                product *= self.multipliers[k] + dual * step[3][k]
                missing = np.maximum(np.clip(product, least, most) - product, -most)
                wanted.append(correction - missing)
            better = self._direction(mu, wanted)
            longer = self._step_lengths(better)
            if sum(longer) < sum(lengths) + numbers.worthwhile:
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
        self.system.factorise(blocks, self._weights)

    def _newton(self, dW):
        """Return the Newton matrix times dW."""
        slacks, output = self.maps.forward(dW)
        weighted = [w * s for w, s in zip(self._weights, slacks, strict=True)]
        v = self.loss.weights * self.loss.centre(output)
        along = np.einsum("bjd,bjd->bj", self.W, dW)[..., None] * self.Z
        along += np.einsum("bjd,bjd->bj", self.Z, dW)[..., None] * self.W
        along *= (-0.5 / self._root)[..., None]
        along += dW
        along *= self._curvature[..., None]
        return along + self.maps.pull_back(weighted, v)

    def _direction(self, mu, corrections):
        """Solve the linearised equations of the central path for a target mu."""
        norms = np.linalg.norm(self.W, axis=2)
        root = np.hypot(mu, self.beta * norms)
        centred = self.beta**2 / np.maximum(mu + root, 1e-300)
        centred = centred[..., None] * self.W
        targets, pulled = [], []
        for k, correction in enumerate(corrections):
            target = (mu - correction) / self.slacks[k] * self.is_bounded[k]
            targets.append(target)
            pulled.append(target - self._weights[k] * self.errors[k])
        residual = self.correlations - centred
        residual += self.maps.pull_back(pulled)
        dW = self.system.solve(residual)
        if self.gap < self.numbers.refined_below:
            dW += self.system.solve(residual - self._newton(dW))
        ds, _ = self.maps.forward(dW)
        dl = []
        for k, target in enumerate(targets):
            ds[k] += self.errors[k]
            dl.append(target - self.multipliers[k] - self._weights[k] * ds[k])
        with np.errstate(over="ignore", invalid="ignore"):
            along = np.einsum("bjd,bjd->bj", self.W, dW) / self._root
            dZ = dW - self.Z * along[..., None]
            dZ *= self._curvature[..., None]
            dZ += centred - self.Z
        if not np.isfinite(dZ).all():
            raise LinAlgError("the step overflowed")
        return dW, dZ, ds, dl

    def _step_lengths(self, step):
        share = self.numbers.to_boundary
        return (
            _to_boundary(self.slacks, step[2], share),
            _to_boundary(self.multipliers, step[3], share),
        )


def _to_boundary(values, steps, share):
    """Return the factor, up to 1, that goes a share of the way to a zero value."""
    fastest = 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for value, step in zip(values, steps, strict=True):
            lowest = np.fmin.reduce(step / value, axis=None, initial=0.0)
            fastest = min(fastest, float(lowest))
    return min(1.0, -share / fastest) if fastest < 0 else 1.0
