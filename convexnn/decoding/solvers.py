"""Decoding a vector through ReLU: the table of solvers, their starts and their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from .descent import AcceleratedSteps, GradientSteps, descend
from .encoder import DecodingProblem
from .newton import decode_newton, finish_on_kinks
from .progress import Decoded, Progress, Settings

__all__ = [
    "SOLVERS",
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


def choose_solver(name: str, shape: tuple[int, ...]) -> str:
    """Return the solver that a name stands for on `X` of that shape.

    "auto" is "newton", and "newton_cg" where X has more than 100,000 entries.

    Examples
    --------
    >>> from convexnn.decoding.solvers import choose_solver
    >>> choose_solver("auto", (200, 100)), choose_solver("auto", (4000, 2000))
    ('newton', 'newton_cg')
    """
    if name != "auto":
        return name
    return "newton" if shape[0] * shape[1] <= FACTORIZED_SIZE else "newton_cg"


def decode(
    problem: DecodingProblem,
    solver: str,
    settings: Settings,
    random_state: np.random.RandomState,
) -> Decoded:
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


def middle_start(problem: DecodingProblem, theta: float) -> np.ndarray:
    """Return minus the means of the probes, inside the box.

    There each unit is active on about half of the rows, where slopes tell most.
    """
    return np.clip(-(problem.shares @ problem.X), -theta, theta)


def _mean_absolute_deviation(
    problem: DecodingProblem, middle: np.ndarray
) -> np.ndarray:
    """Return that of each column of X about its mean, in passes over few rows."""
    result = np.zeros(len(middle))
    size = max(1, 2**16 // len(middle))
    for first in range(0, len(problem.y), size):
        rows = slice(first, first + size)
        result += problem.shares[rows] @ np.abs(problem.X[rows] - middle)
    return result


def _starts(
    problem: DecodingProblem, settings: Settings, random_state: np.random.RandomState
) -> Iterator[np.ndarray]:
    """Yield the middle start and random ones about it, of two widths in turn."""
    theta = settings.theta
    yield middle_start(problem, theta)
    means = problem.shares @ problem.X
    deviations = _mean_absolute_deviation(problem, means)
    for k in range(settings.n_restarts):
        width = np.minimum(theta, _WIDTHS[k % len(_WIDTHS)] * deviations)
        draw = random_state.uniform(-1.0, 1.0, len(means))
        yield np.clip(width * draw - means, -theta, theta)


def _agree(ends: list[Decoded]) -> bool:
    """Whether the smallest losses are those of one minimum."""
    losses = [end.losses[-1] for end in ends[:_AGREEING]]
    return len(losses) == _AGREEING and losses[-1] - losses[0] <= _AGREEMENT * losses[0]


def _solve_newton(
    problem: DecodingProblem,
    settings: Settings,
    random_state: np.random.RandomState,
    *,
    factorize: bool,
) -> Decoded:
    """Return the best of several starts, finished on kinks if it is not exact."""
    theta, ends = settings.theta, []
    for start in _starts(problem, settings, random_state):
        progress = Progress(problem, settings)
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
        progress = Progress(problem, settings)
        progress.losses.extend(best.losses)
        best = finish_on_kinks(problem, theta, best.w, progress, factorize=factorize)
    return replace(best, n_starts=len(ends))


def _solve_gradient(
    problem: DecodingProblem, settings: Settings, random_state: np.random.RandomState
) -> Decoded:
    start = middle_start(problem, settings.theta)
    steps = GradientSteps(
        problem,
        settings.theta,
        start,
        learning_rate=settings.learning_rate,
        centered=settings.centered,
        batches=problem.batches(settings.n_batches, random_state),
    )
    progress = Progress(problem, settings)
    return descend(problem, start, progress, steps, may_stall=settings.n_batches == 1)


def _solve_accelerated(
    problem: DecodingProblem, settings: Settings, random_state: np.random.RandomState
) -> Decoded:
    start = middle_start(problem, settings.theta)
    rate = settings.learning_rate
    steps = AcceleratedSteps(problem, settings.theta, start, learning_rate=rate)
    return descend(problem, start, Progress(problem, settings), steps)


#: Solvers by name, each called with a problem, settings and a random state.
SOLVERS: dict[str, Callable[..., Decoded]] = {
    "newton": partial(_solve_newton, factorize=True),
    "newton_cg": partial(_solve_newton, factorize=False),
    "centered_gd": _solve_gradient,
    "nesterov": _solve_accelerated,
}
