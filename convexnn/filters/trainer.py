"""Train one shared filter: relax, settle the direction, refine, start again.

The way from rows, a backend of the relaxation and its settings to a filter in the
caller's units.
"""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from ..data.patches import Patches, PatchGrid
from ..solvers.registry import Backend
from ..solvers.time_limit import is_out_of_time
from .backends import (
    NO_SOLUTION,
    Relaxed,
    UnboundedError,
    judged,
    solve_relaxation,
)
from .program import (
    RelaxationProgram,
    data_direction,
    moment_filter,
)
from .refinement import Refined, refine_filter

__all__ = ["FilterTrainer", "TrainedFilter"]

#: Largest entries outside these bounds are scaled: their squares would overflow.
_SAFE = (1e-60, 1e60)


@dataclass(frozen=True)
class _Numbers:
    """Numbers of the training.

    Attributes
    ----------
    rough : float
        Violation that is enough for a program whose filter is refined afterwards.
    most_rounds : int
        Largest number of programs along directions of the data.
    n_agreeing, agreement : int, float
        Starts that have to end at the best loss, up to this share, before no more are
        made.
    """

    rough: float = 1e-3
    most_rounds: int = 10
    n_agreeing: int = 10
    agreement: float = 1e-6


_TRAINING = _Numbers()


@dataclass(frozen=True)
class TrainedFilter:
    """A trained filter and what is known about it, in the caller's units.

    Attributes
    ----------
    w : ndarray of shape (p,)
        Filter.
    loss : float
        ``0.5 * sum_i s_i (f(x_i) - y_i)^2``.
    residual : float
        Norm of the weighted residual divided by that of the labels.
    is_recovered : bool
        Whether the residual is at most `tol`.
    is_zero : bool
        Whether no patch of the training rows has a positive response.
    relaxation_value : float
        Value of the last program, (8) to be minimised or (9) to be maximised.
    violation : float
        How far that is from solved: :class:`~convexnn.filters.Judgement`.
    direction : ndarray of shape (p,)
        Direction of that program.
    n_restarts : int
        Starts made.
    n_iter : int
        Iterations of the backend and steps of the refinement in all starts.
    is_converged : bool
        Whether the refinement ended at a local minimum; True without one.
    is_out_of_time : bool
        Whether a :func:`~convexnn.solvers.time_limit.time_limit` ended the training.
    """

    w: np.ndarray
    loss: float
    residual: float
    is_recovered: bool
    is_zero: bool
    relaxation_value: float
    violation: float
    direction: np.ndarray
    n_restarts: int
    n_iter: int
    is_converged: bool
    is_out_of_time: bool


@dataclass(frozen=True)
class _Attempt:
    """What one start led to; `relaxed` is None where it needed no program."""

    refined: Refined
    relaxed: Relaxed | None
    n_iter: int


@dataclass(frozen=True)
class FilterTrainer:
    """Rows, where their patches lie, a backend and its settings.

    Minimises the objective of :class:`~convexnn.ConvexCNNRegressor` with
    ``formulation="relaxation"``.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    y : ndarray of shape (n,)
        Labels.
    weights : ndarray of shape (n,) or None
        Non-negative weights of the rows, not all zero.
    grid : PatchGrid
        Where the patches lie.
    backend : Backend
        From :func:`~convexnn.filters.backends.select_relaxation_backend`.
    beta : float or None
        Weight of the linear term; None for its limit at 0.
    direction : {"data", "gaussian", "antithetic"} or ndarray of shape (p,)
        Direction of the linear term.
    n_restarts, refine, tol, max_iter, n_jobs, verbose, random_state
        Of :class:`~convexnn.ConvexCNNRegressor`.
    """

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    grid: PatchGrid
    backend: Backend
    beta: float | None
    direction: str | np.ndarray = "data"
    n_restarts: int = 50
    refine: bool = True
    tol: float = 1e-6
    max_iter: int = 20_000
    n_jobs: int | None = None
    verbose: int = 0
    random_state: int | np.random.RandomState | None = None

    def train(self):
        """Train a filter.

        Returns
        -------
        TrainedFilter
            The filter of the smallest loss of all starts, or of those that there was
            time for: the first is always made, with few steps if need be.

        Raises
        ------
        ValueError
            If every program is unbounded.
        convexnn.solvers.SolverError
            If a backend ends without any point.
        """
        try:
            attempts, is_cut = self._attempts()
        except UnboundedError as error:
            given = repr(self.direction) if self._is_drawn else "an array"
            raise ValueError(
                f"direction is {given}: {error}. Pass more rows, or "
                "direction='data', which always has a solution."
            ) from error
        best = min(attempts, key=lambda attempt: attempt.refined.loss)
        relaxed = best.relaxed or attempts[0].relaxed
        w, loss = best.refined.w, best.refined.loss
        at_zero = 0.5 * float(self._labels @ self._labels)
        # A filter that helps nothing is made the zero filter; a program's is kept.
        if self.refine and not loss < at_zero * (1 - 1e-12):
            w, loss = np.zeros_like(w), at_zero
        residual = float(np.sqrt(loss / at_zero)) if at_zero else float(loss > 0)
        square = self._y_scale**2
        return TrainedFilter(
            w=w * (self._y_scale / self._x_scale),
            loss=loss * square,
            residual=residual,
            is_recovered=residual <= self.tol,
            is_zero=not self._patches.pooled(w).any(),
            relaxation_value=relaxed.judgement.value * square,
            violation=relaxed.judgement.violation,
            direction=relaxed.program.direction * self._y_scale * self._x_scale,
            n_restarts=len(attempts),
            n_iter=max(sum(attempt.n_iter for attempt in attempts), 1),
            is_converged=best.refined.is_converged,
            is_out_of_time=is_cut,
        )

    @cached_property
    def _rows(self):
        """Distinct inputs and labels times the roots of the weights, none of weight 0.

        Outputs scale with the inputs, so that this weighs the squares.
        """
        X, y, weights = _merge_equal_rows(self.X, self.y, self.weights)
        if weights is None:
            return X, y
        roots = np.sqrt(weights)
        return X * roots.astype(X.dtype)[:, None], y * roots

    @cached_property
    def _x_scale(self):
        largest = float(np.abs(self._rows[0]).max())
        if largest == 0 or _SAFE[0] < largest < _SAFE[1]:
            return 1.0
        return largest

    @cached_property
    def _y_scale(self):
        y = self._rows[1]
        largest = float(np.abs(y).max()) or 1.0
        return largest * (float(np.sqrt(np.mean((y / largest) ** 2))) or 1.0)

    @cached_property
    def _patches(self):
        X = self._rows[0].astype(np.float64, copy=False)
        X = X if self._x_scale == 1 else X / self._x_scale
        return Patches(X, self.grid).side_by_side()

    @cached_property
    def _labels(self):
        return self._rows[1] / self._y_scale

    @cached_property
    def _moment(self):
        moment = moment_filter(self._patches, self._labels)
        return moment / (np.linalg.norm(moment) or 1.0)

    @cached_property
    def _is_drawn(self):
        return isinstance(self.direction, str) and self.direction != "data"

    @property
    def _accuracy(self):
        """Violation up to which programs are solved."""
        return max(self.tol, _TRAINING.rough) if self.refine else self.tol

    def _attempts(self):
        """Return the attempts up to the first that needs no successor.

        Also whether time ran out before that.
        """
        n_starts = self.n_restarts if self.refine or self._is_drawn else 1
        seeds = check_random_state(self.random_state).randint(
            np.iinfo(np.int32).max, size=self.n_restarts
        )
        attempts = []
        size = min(effective_n_jobs(self.n_jobs), n_starts)
        # Computed once, before threads would do it at the same time.
        _ = self._patches, self._labels, self._moment
        for first in range(0, n_starts, size):
            numbers = range(first, min(first + size, n_starts))
            # Those past the end of the sequence are dropped: the result does not
            # depend on the number of jobs.
            for attempt in self._run(numbers, seeds):
                if attempt is not None:
                    attempts.append(attempt)
                    if self._is_enough(attempts):
                        return attempts, False
            if attempts and is_out_of_time():
                return attempts, True
        if not attempts:
            raise UnboundedError(NO_SOLUTION.format(f"any of {n_starts} directions"))
        return attempts, False

    def _run(self, numbers, seeds):
        if len(numbers) == 1:
            return [self._attempt(number, seeds) for number in numbers]
        # A limit in seconds is in the context, which other threads do not share.
        work = [
            delayed(copy_context().run)(self._attempt, number, seeds)
            for number in numbers
        ]
        return Parallel(n_jobs=len(numbers), prefer="threads")(work)

    def _is_enough(self, attempts):
        """Return whether the residual is zero, or the same minimum keeps coming up."""
        losses = np.array([attempt.refined.loss for attempt in attempts])
        if self._is_zero_residual(losses[-1]):
            return True
        n_agreeing = int(np.sum(losses <= losses.min() * (1 + _TRAINING.agreement)))
        return self.refine and n_agreeing >= _TRAINING.n_agreeing

    def _is_zero_residual(self, loss):
        return 2 * loss <= self.tol**2 * float(self._labels @ self._labels)

    def _attempt(self, number, seeds):
        """Return what one start leads to, or None for a drawn direction in vain."""
        try:
            if self._is_drawn:
                attempt = self._from_program(self._drawn_direction(number, seeds))
            elif number == 0:
                attempt = self._first()
            else:
                attempt = self._from_perturbation(seeds[number])
        except UnboundedError:
            if not self._is_drawn:
                raise
            return None
        if self.verbose:
            loss, square = attempt.refined.loss, float(self._labels @ self._labels)
            residual = np.sqrt(2 * loss / square) if square else 0.0
            print(f"start {number + 1}: relative residual {residual:.3e} after "
                  f"{attempt.n_iter} iterations")  # fmt: skip
        return attempt

    def _drawn_direction(self, number, seeds):
        """Draw a direction; antithetic ones of odd number are the last one, negated."""
        is_opposite = self.direction == "antithetic" and number % 2
        rng = np.random.RandomState(seeds[number - 1 if is_opposite else number])
        drawn = rng.standard_normal(self.grid.filter_size)
        return (-drawn if is_opposite else drawn) / (self._y_scale * self._x_scale)

    def _first(self):
        """Start from the moments of the data, and from the program if need be."""
        if not isinstance(self.direction, str):
            given = self.direction / (self._y_scale * self._x_scale)
            return self._from_program(given)
        if not self.refine:
            return self._finish(*self._settle())
        attempt = self._finish(self._moment)
        if self._is_zero_residual(attempt.refined.loss) or is_out_of_time():
            return self._with_own_program(attempt)
        other = self._finish(*self._settle())
        best = min(attempt, other, key=lambda one: one.refined.loss)
        return _Attempt(best.refined, other.relaxed, attempt.n_iter + other.n_iter)

    def _with_own_program(self, attempt):
        """Add the program along the filter's own direction.

        A filter without a residual is known to solve it.

        See :func:`~convexnn.filters.data_direction`.
        """
        w = attempt.refined.w
        active = self._patches.responses(w) > 0
        program = self._program(data_direction(self._patches, self._labels, active))
        relaxed = judged(
            program, (1 + (self.beta or 0.0)) * w, active * program.floor[:, None]
        )
        return _Attempt(attempt.refined, relaxed, attempt.n_iter)

    def _from_program(self, direction):
        relaxed = self._solve(direction)
        return self._finish(relaxed.point.w, relaxed, relaxed.point.n_iter)

    def _from_perturbation(self, seed):
        """Start from the moments plus noise of their size."""
        noise = np.random.RandomState(seed).standard_normal(self.grid.filter_size)
        return self._finish(self._moment + noise / np.sqrt(self.grid.filter_size))

    def _settle(self):
        """Solve along the direction of the data, then of the active patches alone.

        Each direction is the slope of ``sum_i max(y_i, 0) f(x_i)`` at the filter
        before, so that the value with this in place of ``r'w`` never falls (for (8),
        never rises): it is the convex-concave procedure.
        """
        active, n_iter, before = None, 0, np.inf
        for _ in range(_TRAINING.most_rounds):
            relaxed = self._solve(data_direction(self._patches, self._labels, active))
            n_iter += relaxed.point.n_iter
            reached = relaxed.program.potential(relaxed.point.w)
            previous = active
            active = self._patches.responses(relaxed.point.w) > 0
            is_same = previous is not None and np.array_equal(active, previous)
            gain = (before - reached) / (abs(reached) or 1.0)
            is_last = is_same or self.beta == 0 or is_out_of_time()
            if is_last or gain <= self._accuracy:
                break
            before = reached
        return relaxed.point.w, relaxed, n_iter

    def _finish(self, w, relaxed=None, n_iter=0):
        """Refine a filter, or judge it as it is."""
        if self.refine:
            refined = refine_filter(
                self._patches, self._labels, w, max_iter=self.max_iter
            )
        else:
            residual = self._patches.pooled(w) - self._labels
            refined = Refined(w, 0.5 * float(residual @ residual), 0, True)
        return _Attempt(refined, relaxed, n_iter + refined.n_iter)

    def _program(self, direction):
        return RelaxationProgram(self._patches, self._labels, direction, self.beta)

    def _solve(self, direction):
        return solve_relaxation(
            self._program(direction),
            self.backend,
            tol=self._accuracy,
            max_iter=self.max_iter,
            verbose=self.verbose,
        )


def _merge_equal_rows(X, y, weights):
    """Return distinct rows of positive weight in the order of their first occurrence.

    A repeated row and a weight of 2 then lead to the same programs. The arrays come
    back as they are, and without weights, where nothing is to be merged.
    """
    if weights is not None:
        used = weights > 0
        X, y, weights = X[used], y[used], weights[used]
    keys = [(hash(row.tobytes()), target) for row, target in zip(X, y, strict=True)]
    places = {key: place for place, key in reversed(list(enumerate(keys)))}
    if len(places) == len(keys):
        return X, y, weights
    first, group = np.unique([places[key] for key in keys], return_inverse=True)
    return X[first], y[first], np.bincount(group, weights=weights).astype(np.float64)
