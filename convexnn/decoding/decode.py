"""Decoding a vector through ReLU: the table of solvers, their starts and their ends."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np

from .descent import AcceleratedSteps, GradientSteps, descend
from .newton import decode_newton, finish_on_kinks

__all__ = [
    "SOLVERS",
    "Decoded",
    "Progress",
    "Settings",
    "choose_solver",
    "decode",
    "middle_start",
]

#: Entries of X up to which "auto" factorises; measured, see docs/decoder.rst.
FACTORIZED_SIZE = 100_000

#: Widths of the random starts in mean absolute deviations of the probes, in turn.
_WIDTHS = (1.25, 0.5)

#: As many ends whose losses differ by less than this share have found the minimum.
_AGREEING, _AGREEMENT = 3, 1e-2


@dataclass(frozen=True)
class Decoded:
    """Where the iterations from one start ended.

    Attributes
    ----------
    w : ndarray of shape (n_features,)
        The vector found.
    losses : ndarray of shape (n_iter + 1,)
        Loss (2) before and after each iteration.
    has_converged : bool
        Whether they ended with an exact fit or because the loss fell no more.
    is_exact : bool
        Whether the root mean square of the residuals is at most `tol` times the scale
        of y.
    learning_rate : float or None
        The last step of a first-order solver.
    n_starts : int
        Starts of which this is the best.
    """

    w: np.ndarray
    losses: np.ndarray
    has_converged: bool
    is_exact: bool
    learning_rate: float | None = None
    n_starts: int = 1


@dataclass
class Progress:
    """Records losses, shows them, and says when to stop.

    Parameters
    ----------
    problem : DecodingProblem
        What is solved.
    tol : float
        See :class:`convexnn.CenteredGDDecoder`.
    max_iter : int
        Largest number of iterations.
    verbose : int, default=0
        2 prints a line an iteration.
    watch : callable, default=None
        Called as ``watch(w)`` before the first iteration and after each.
    """

    problem: object
    tol: float
    max_iter: int
    verbose: int = 0
    watch: object = None
    losses: list = field(default_factory=list)
    started: float = field(default_factory=time.process_time)

    def record(self, w, loss):
        """Note the loss before the first iteration or after one."""
        self.losses.append(loss)
        if self.verbose > 1:
            seconds = time.process_time() - self.started
            print(f"  iteration {self.n_iter:5d}  loss {loss:.6e}  {seconds:.2f} s")
        if self.watch is not None:
            self.watch(w)

    @property
    def n_iter(self):
        """Iterations so far."""
        return len(self.losses) - 1

    def is_exact(self, loss):
        """Whether a loss is that of an exact fit, up to `tol`."""
        return bool(np.sqrt(2 * loss) <= self.tol * self.problem.scale)

    def is_over(self, loss):
        """Whether the fit is exact or the iterations are used up."""
        return self.is_exact(loss) or self.n_iter >= self.max_iter

    def is_stalled(self, before, after):
        """Whether an iteration changed what it minimises by next to nothing."""
        return bool(abs(before - after) <= self.tol * before)

    def result(self, w, *, has_converged, learning_rate=None):
        """Return the end; the last loss recorded is that of `w`."""
        is_exact = self.is_exact(self.losses[-1])
        losses = np.array(self.losses)
        return Decoded(w, losses, has_converged or is_exact, is_exact, learning_rate)


@dataclass(frozen=True)
class Settings:
    """What a solver is told; parameters of :class:`convexnn.CenteredGDDecoder`.

    Attributes
    ----------
    theta : float
        Half-width of the box.
    tol : float
        When to stop.
    max_iter : int
        Largest number of iterations from one start.
    n_restarts : int
        Largest number of further starts.
    learning_rate : float or None
        Step of a first-order solver; None for its own choice.
    centered : bool
        Centre the residuals of "centered_gd".
    n_batches : int
        Parts of the rows that "centered_gd" goes through.
    verbose : int
        0, 1 or 2.
    watch : callable or None
        See :class:`Progress`.
    """

    theta: float
    tol: float = 1e-12
    max_iter: int = 1000
    n_restarts: int = 0
    learning_rate: float | None = None
    centered: bool = True
    n_batches: int = 1
    verbose: int = 0
    watch: object = None

    def progress(self, problem):
        """Return a record for iterations from one start."""
        return Progress(problem, self.tol, self.max_iter, self.verbose, self.watch)


def choose_solver(name, shape):
    """Return the solver that a name stands for on `X` of that shape.

    "auto" is "newton", and "newton_cg" where X has more than 100,000 entries.

    Examples
    --------
    >>> from convexnn.decoding.decode import choose_solver
    >>> choose_solver("auto", (200, 100)), choose_solver("auto", (4000, 2000))
    ('newton', 'newton_cg')
    """
    if name != "auto":
        return name
    return "newton" if shape[0] * shape[1] <= FACTORIZED_SIZE else "newton_cg"


def decode(problem, solver, settings, random_state):
    """Return the best vector found for a decoding problem.

    Parameters
    ----------
    problem : DecodingProblem
        What is solved.
    solver : str
        A key of `SOLVERS`.
    settings : Settings
        How.
    random_state : RandomState
        Source of further starts and of batches.

    Returns
    -------
    Decoded
        The end with the smallest loss.
    """
    return SOLVERS[solver](problem, settings, random_state)


def middle_start(problem, theta):
    """Return minus the means of the probes, inside the box.

    There each unit is active on about half of the rows, where slopes tell most.
    """
    return np.clip(-(problem.shares @ problem.X), -theta, theta)


def _mean_absolute_deviation(problem, middle):
    """Return that of each column of X about its mean, in passes over few rows."""
    result = np.zeros(len(middle))
    size = max(1, 2**16 // len(middle))
    for first in range(0, len(problem.y), size):
        rows = slice(first, first + size)
        result += problem.shares[rows] @ np.abs(problem.X[rows] - middle)
    return result


def _starts(problem, settings, random_state):
    """Yield the middle start and random ones about it, of two widths in turn."""
    theta = settings.theta
    yield middle_start(problem, theta)
    means = problem.shares @ problem.X
    deviations = _mean_absolute_deviation(problem, means)
    for k in range(settings.n_restarts):
        width = np.minimum(theta, _WIDTHS[k % len(_WIDTHS)] * deviations)
        draw = random_state.uniform(-1.0, 1.0, len(means))
        yield np.clip(width * draw - means, -theta, theta)


def _agree(ends):
    """Whether the smallest losses are those of one minimum."""
    losses = [end.losses[-1] for end in ends[:_AGREEING]]
    return len(losses) == _AGREEING and losses[-1] - losses[0] <= _AGREEMENT * losses[0]


def _solve_newton(problem, settings, random_state, *, factorize):
    """Return the best of several starts, finished on kinks if it is not exact."""
    theta, ends = settings.theta, []
    for start in _starts(problem, settings, random_state):
        progress = settings.progress(problem)
        one = decode_newton(problem, theta, start, progress, factorize=factorize)
        ends.append(one)
        if settings.verbose:
            n_iter = len(one.losses) - 1
            print(
                f"start {len(ends)}: loss {one.losses[-1]:.6e} "
                f"after {n_iter} iterations"
            )
        ends.sort(key=lambda end: end.losses[-1])
        if one.is_exact or _agree(ends):
            break
    best = ends[0]
    if not best.is_exact:
        progress = settings.progress(problem)
        progress.losses.extend(best.losses)
        best = finish_on_kinks(problem, theta, best.w, progress, factorize=factorize)
    return replace(best, n_starts=len(ends))


def _solve_newton_factorized(problem, settings, random_state):
    return _solve_newton(problem, settings, random_state, factorize=True)


def _solve_newton_iterative(problem, settings, random_state):
    return _solve_newton(problem, settings, random_state, factorize=False)


def _solve_gradient(problem, settings, random_state):
    start = middle_start(problem, settings.theta)
    steps = GradientSteps(
        problem,
        settings.theta,
        start,
        learning_rate=settings.learning_rate,
        centered=settings.centered,
        batches=problem.batches(settings.n_batches, random_state),
    )
    progress = settings.progress(problem)
    return descend(problem, start, progress, steps, may_stall=settings.n_batches == 1)


def _solve_accelerated(problem, settings, random_state):
    start = middle_start(problem, settings.theta)
    rate = settings.learning_rate
    steps = AcceleratedSteps(problem, settings.theta, start, learning_rate=rate)
    return descend(problem, start, settings.progress(problem), steps)


#: Solvers by name, each called with a problem, settings and a random state.
SOLVERS = {
    "newton": _solve_newton_factorized,
    "newton_cg": _solve_newton_iterative,
    "centered_gd": _solve_gradient,
    "nesterov": _solve_accelerated,
}
