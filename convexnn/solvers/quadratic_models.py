"""Programs with other losses than squares, by solvers that know squares alone.

At the output reached, the loss is replaced by a sum of squares that agrees with it to
second order; the program with that loss is solved, and a search along the line to its
solution minimises the program as it is (proximal Newton steps; Lee, Sun and Saunders,
"Proximal Newton-type methods for minimizing composite functions", SIAM J. Optim. 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar, cast

import numpy as np

from ..programs.certificate import certify, feasible_point
from .solution import Solution
from .time_limit import OUT_OF_TIME, is_out_of_time

__all__ = ["by_quadratic_models"]

Solver = TypeVar("Solver", bound=Callable)


@dataclass(frozen=True)
class _Models:
    """Numbers of a sequence of models; `tol` is the gap that is asked for.

    Attributes
    ----------
    widths : tuple of float
        Widths over which a loss with kinks is rounded, one after the other.
    rough, share, finest : float
        Gap to which models are solved: at most, as a share of the last gain, and at
        least, as a share of tol.
    small : float
        Gains, relative to tol, below which the gap is looked at.
    gained, fallen : float
        Gain, relative to tol, and ratio of gaps, that are progress.
    patience : int
        Models that gain nothing after which rounding has won.
    n_trials : int
        Lengths tried along a line, at most.
    """

    widths: tuple[float, ...] = (0.1, 0.01, 0.001)
    rough: float = 1e-2
    share: float = 0.1
    finest: float = 0.1
    small: float = 10.0
    gained: float = 1e-3
    fallen: float = 0.9
    patience: int = 3
    n_trials: int = 30


_MODELS = _Models()


def by_quadratic_models(solve: Solver) -> Solver:
    """Make a solver of programs under squared loss one for every loss.

    Parameters
    ----------
    solve : callable
        As `solve` of :class:`~convexnn.solvers.Backend`, for programs whose loss
        is quadratic.

    Returns
    -------
    callable
        The same for every loss with ``quadratic_model``. Its iterations are those of
        `solve` over all models.
    """

    @wraps(solve)
    def solve_any(program, *, tol, max_iter, start=None, verbose=0, options=None):
        settings = {"verbose": verbose, "options": options}
        if program.loss.is_quadratic:
            return solve(program, tol=tol, max_iter=max_iter, start=start, **settings)

        start = np.zeros(program.shape) if start is None else start
        run = _Run(solve, feasible_point(program, start), max_iter, settings)
        for width in _MODELS.widths:
            smooth = program.loss.smoothed(width)
            status = run.minimise(program.with_loss(smooth), tol)
            if smooth is program.loss:
                break
        return Solution(run.U, run.n_iter, status, run.multipliers)

    return cast(Solver, solve_any)


class _Run:
    """The point reached, the multipliers there, and the iterations spent."""

    def __init__(self, solve, start, max_iter, settings):
        self.solve, self.settings = solve, settings
        self.max_iter, self.n_iter = max_iter, 0
        self.U, self.multipliers = start, None

    def minimise(self, program, tol):
        """Minimise a program with a smooth loss; return how that ended."""
        inner, waited, least = _MODELS.rough, 0, np.inf
        while self.n_iter < self.max_iter:
            if is_out_of_time():
                return OUT_OF_TIME
            before = program.objective(self.U)
            gain = self._advance(program, inner) / max(before, 1e-300)
            gap = np.inf if gain > _MODELS.small * tol else self._gap_of(program)
            if gap <= tol:
                return "tolerance reached"
            # Where the objective is as low as it gets, the dual point may still gain.
            has_gained = gain > _MODELS.gained * tol or gap < _MODELS.fallen * least
            waited = 0 if has_gained else waited + 1
            least = min(gap, least)
            if waited > _MODELS.patience:
                return "no progress within rounding"
            inner = np.clip(_MODELS.share * gain, _MODELS.finest * tol, inner)
        return "iteration limit"

    def _gap_of(self, program):
        certificate = certify(program, self.U, multipliers=self.multipliers)[1]
        return certificate.relative_gap

    def _advance(self, program, tol):
        """Move to the solution of a model, or towards it; return what that gains."""
        output = program.output(self.U)
        model = program.quadratic_model(output)
        solution = self.solve(
            model,
            tol=tol,
            max_iter=self.max_iter - self.n_iter,
            start=self.U if self.U.any() else None,
            **self.settings,
        )
        goal = feasible_point(program, solution.U)
        self.multipliers = solution.multipliers
        self.n_iter += solution.n_iter
        move, outward = goal - self.U, program.output(goal) - output
        before = program.objective(self.U)

        def gain_at(length):
            loss = float(program.loss.value(output + length * outward))
            return before - loss - program.penalty(self.U + length * move)

        length = _best_length(gain_at)
        if length == 0:
            return 0.0
        self.U = goal if length == 1 else self.U + length * move
        return before - program.objective(self.U)


def _best_length(gain_at):
    """Return the length of the largest gain of those tried: 1, halves or doubles."""
    length, gain = 1.0, gain_at(1.0)
    half = gain_at(0.5)
    while half > gain or gain <= 0:
        length, gain = 0.5 * length, half
        if length < 0.5**_MODELS.n_trials:
            return 0.0
        half = gain_at(0.5 * length)
    return length
