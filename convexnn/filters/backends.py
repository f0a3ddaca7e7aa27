"""Backends for the relaxation of convolutional networks: their table, one way in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..solvers.registry import Backend, select
from ..solvers.solution import SolverError
from ..solvers.time_limit import is_out_of_time
from .program import Judgement, RelaxationProgram

__all__ = [
    "NO_SOLUTION",
    "RELAXATION_BACKENDS",
    "FilterPoint",
    "Relaxed",
    "UnboundedError",
    "select_relaxation_backend",
    "solve_relaxation",
]


#: What an :class:`UnboundedError` says, of one direction or several.
NO_SOLUTION = (
    "the program has no solution along {}, because some filter without a positive "
    "response lowers the objective without end"
)


@dataclass(frozen=True)
class FilterPoint:
    """What a backend returns.

    Attributes
    ----------
    w : ndarray of shape (p,)
        Filter.
    multipliers : ndarray of shape (n, k)
        Multipliers of ``z_ij >= X_ij w`` for the objective divided by beta.
    n_iter : int
        Iterations spent.
    status : str
        What the backend says of the point.
    """

    w: np.ndarray
    multipliers: np.ndarray
    n_iter: int
    status: str


@dataclass(frozen=True)
class Relaxed:
    """A solved program: its filter, and what is known about it.

    Attributes
    ----------
    program : RelaxationProgram
        The program.
    point : FilterPoint
        What the backend returned.
    judgement : Judgement
        Value, bound and violation, computed from the point.
    """

    program: RelaxationProgram
    point: FilterPoint
    judgement: Judgement


class UnboundedError(SolverError):
    """The program has no solution: some filter lowers it without end."""


def _backend(name, kinds, *requires):
    place = f"convexnn.filters.{name}:solve"
    return Backend(name, place, frozenset(kinds), requires=requires)


#: In the order of preference of solver="auto". A backend is called as ``solve(program,
#: *, tol, max_iter, verbose)``, with the arguments of :func:`solve_relaxation`, and
#: returns a :class:`FilterPoint`, its last one, or raises a SolverError.
RELAXATION_BACKENDS = {
    backend.name: backend
    for backend in (
        _backend("interior_point", ("quadratic", "linear")),
        _backend("osqp", ("quadratic", "linear", "naive"), "osqp"),
        _backend("highs", ("linear",)),
        _backend("cvxpy", ("quadratic", "linear", "naive"), "cvxpy"),
    )
}

#: How the kinds of programs are asked for.
_ASKED_BY = {"quadratic": "beta > 0", "linear": "beta='limit'", "naive": "beta=0"}


def select_relaxation_backend(name, kind):
    """Return the backend of that name after checking that it can be used.

    Parameters
    ----------
    name : str
        A backend's name, or "auto" for the first that fits.
    kind : {"quadratic", "linear", "naive"}
        Form of the program.

    Returns
    -------
    Backend
        The backend.

    Raises
    ------
    ValueError
        If it is unknown, not installed, or cannot express the program. The message
        names those that can be used.

    Examples
    --------
    >>> from convexnn.filters.backends import select_relaxation_backend
    >>> select_relaxation_backend("auto", "naive").name
    'osqp'
    """
    return select(
        RELAXATION_BACKENDS,
        name,
        frozenset({kind}),
        subject=_ASKED_BY[kind],
        words={each: f"the {each} program" for each in _ASKED_BY},
    )


def solve_relaxation(program, backend, *, tol, max_iter, verbose=0):
    """Solve a program and judge what the backend returns.

    Parameters
    ----------
    program : RelaxationProgram
        The program; labels should be of the order of 1.
    backend : Backend
        From :func:`select_relaxation_backend`.
    tol : float
        Violation aimed at.
    max_iter : int
        Largest number of iterations.
    verbose : int, default=0
        From 2 on, a line an iteration or the backend's own log.

    Returns
    -------
    Relaxed
        The point. Its violation may exceed `tol`. A
        :func:`~convexnn.solvers.time_limit.time_limit` around the call ends the own
        backend after a step; the others end by themselves.

    Raises
    ------
    UnboundedError
        If the program has no solution, unless there was no time to find out.
    SolverError
        If the backend returns no point although there is a solution.
    """
    if not program.direction.any() or not program.floor.any():
        # Nothing pulls the filter away from zero.
        return judged(program, np.zeros_like(program.direction), 0.0)
    try:
        point = backend.load()(program, tol=tol, max_iter=max_iter, verbose=verbose)
    except SolverError as error:
        if program.is_bounded():
            raise
        raise _unbounded() from error
    relaxed = Relaxed(program, point, program.judge(point.w, point.multipliers))
    is_poor = relaxed.judgement.violation > max(tol, 1e-2) and not is_out_of_time()
    if is_poor and not program.is_bounded():
        raise _unbounded()
    return relaxed


def judged(program, w, multipliers):
    """Return a point that is known without a solver, with its judgement."""
    n, k, _ = program.patches.shape
    multipliers = np.broadcast_to(multipliers, (n, k))
    point = FilterPoint(w, multipliers, 0, "known in closed form")
    return Relaxed(program, point, program.judge(w, multipliers))


def _unbounded():
    return UnboundedError(NO_SOLUTION.format("this direction"))
