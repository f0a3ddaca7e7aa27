"""Run a backend on a program and certify what it returns."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import numpy as np

from ..programs.certificate import Certificate, certify
from ..programs.program import ConvexProgram
from ..programs.row_space import in_row_space
from .history import Clock, History
from .registry import Backend
from .solution import SolverError
from .time_limit import OUT_OF_TIME, is_out_of_time
from .working_set import iterate_working_sets

__all__ = ["CertifiedPoint", "cap_width", "solve_program"]

#: Share of the tolerance that pruning may spend on fewer units.
_PRUNING_SHARE = 0.1


@dataclass(frozen=True)
class CertifiedPoint:
    """Feasible point of a program with its certificate.

    Attributes
    ----------
    U : ndarray of shape (d, n_groups)
        The point.
    certificate : Certificate
        Its gap, in the program's units.
    n_iter : int
        Iterations of the backend, over all rounds.
    status : str
        What the backend said last.
    history : History
        Objective and bound after every round.
    """

    U: np.ndarray
    certificate: Certificate
    n_iter: int
    status: str
    history: History


@in_row_space
def solve_program(
    program: ConvexProgram,
    backend: Backend,
    *,
    tol: float,
    max_iter: int,
    start: np.ndarray | None = None,
    options: dict[str, Any] | None = None,
    verbose: int = 0,
) -> CertifiedPoint:
    """Solve a program over given cells to a relative duality gap.

    Parameters
    ----------
    program : ConvexProgram
        Program.
    backend : Backend
        From :func:`convexnn.solvers.select_backend`.
    tol : float
        Bound on the relative duality gap, whatever the backend.
    max_iter : int
        Largest number of the backend's iterations, over all rounds.
    start : ndarray of shape (d, n_groups), default=None
        Starting point for backends that can use one.
    options : dict, default=None
        The user's `solver_options`.
    verbose : int, default=0
        1 prints a line a round, 2 more.

    Returns
    -------
    CertifiedPoint
        The point of the smallest objective that was certified, with the status "time
        limit reached" where a :func:`~convexnn.solvers.time_limit.time_limit` around
        the call ended the rounds: the zero network, if there was no time for another.
        Its gap may exceed `tol`; telling the user is up to the caller.
    """
    clock = Clock()
    zero = np.zeros(program.shape)
    _, certificate, prices = certify(program, zero)
    clock.record(certificate.primal, certificate.dual, 0)
    if prices.largest <= program.beta:
        status = "the zero network is optimal"
        return CertifiedPoint(zero, certificate, 1, status, clock.history())
    run = _Run(program, backend, max_iter, dict(options or {}), verbose)
    if backend.uses_working_set and not program.coupled:
        rounds = iterate_working_sets(program, run.solve, tol=tol, start=start)
    else:
        rounds = run.single_round(tol, start)
    best_dual, best, status = certificate.dual, (zero, certificate), ""
    for U, certificate, solution in rounds:
        best_dual, status = max(best_dual, certificate.dual), solution.status
        if certificate.primal <= best[1].primal:
            best = (U, certificate)
        certificate = Certificate(best[1].primal, best_dual, certificate.scope)
        clock.record(certificate.primal, certificate.dual, n_used(program, best[0]))
        run.report(certificate, best[0])
        if certificate.relative_gap <= tol or run.n_iter >= max_iter:
            break
        if is_out_of_time():
            status = OUT_OF_TIME
            break
    U, certificate = prune(program, best[0], certificate, tol)
    clock.record(certificate.primal, certificate.dual, n_used(program, U))
    n_iter = max(run.n_iter, 1)
    return CertifiedPoint(U, certificate, n_iter, status, clock.history())


def n_used(program: ConvexProgram, U: np.ndarray) -> int:
    """Return the number of units of a point."""
    units, V = program.factored(U)
    return int(np.count_nonzero(units.sizes(V)))


def prune(
    program: ConvexProgram, U: np.ndarray, certificate: Certificate, tol: float
) -> tuple[np.ndarray, Certificate]:
    """Zero the smallest units while the objective hardly grows.

    Solvers leave dust in units that are zero at the optimum. The objective may grow
    by a share of the tolerance, and not beyond what the tolerance allows. All
    candidates are judged at once, by sums over the sorted units.
    """
    units, V = program.factored(U)
    norms = units.sizes(V)
    order = np.flatnonzero(norms)[np.argsort(norms[norms > 0], kind="stable")]
    if not len(order):
        return U, certificate
    removed = np.cumsum(units.contributions(V)[..., order], axis=-1)
    outputs = program.network_output(U)[..., None] - removed
    left = np.maximum(norms.sum() - np.cumsum(norms[order]), 0)
    objectives = program.loss.value(outputs) + program.beta * left
    limit = min(
        certificate.primal * (1 + _PRUNING_SHARE * tol), certificate.dual / (1 - tol)
    )
    allowed = np.flatnonzero(objectives <= max(limit, certificate.primal))
    if not len(allowed):
        return U, certificate
    V = V.copy()
    V[:, units.groups_of(order[: allowed[-1] + 1])] = 0
    U = program.collected(units, V)
    return U, replace(certificate, primal=program.network_objective(U))


def cap_width(
    program: ConvexProgram,
    point: CertifiedPoint,
    backend: Backend,
    max_neurons: int,
    **settings: Any,
) -> CertifiedPoint:
    """Train the largest units of a point again, without the others.

    Parameters
    ----------
    program : ConvexProgram
        Program of the point.
    point : CertifiedPoint
        Solution of any width.
    backend : Backend
        Solves the restricted program.
    max_neurons : int
        Number of units to keep, those of the largest norms.
    **settings
        Of :func:`solve_program`.

    Returns
    -------
    CertifiedPoint
        Point with at most `max_neurons` units. Its dual bound is that of `point`,
        for networks of any width, and its certificate says that it is capped.
    """
    norms = program.sizes(point.U)
    if np.count_nonzero(norms) <= max_neurons:
        return point
    kept = np.sort(np.argsort(-norms, kind="stable")[:max_neurons])
    groups = program.groups_of(kept)
    inner = solve_program(
        program.restrict(kept), backend, start=point.U[:, groups], **settings
    )
    U = np.zeros(program.shape)
    U[:, groups] = inner.U
    primal = inner.certificate.primal
    if is_out_of_time():
        # What there was no time to train may be worse than where it began.
        cut = np.zeros(program.shape)
        cut[:, groups] = point.U[:, groups]
        primal, U = min(
            (primal, U), (program.network_objective(cut), cut), key=itemgetter(0)
        )
    certificate = replace(point.certificate, primal=primal, is_capped=True)
    return replace(
        point, U=U, certificate=certificate, n_iter=point.n_iter + inner.n_iter
    )


class _Run:
    """Counts a backend's iterations and prints its progress."""

    def __init__(self, program, backend, max_iter, options, verbose):
        self.program = program
        self.backend = backend
        self.function = backend.load()
        self.max_iter = max_iter
        self.options = options
        self.verbose = verbose
        self.n_iter = 0
        self.n_rounds = 0
        self.started = time.perf_counter()

    def solve(self, program, tol, start):
        solution = self.function(
            program,
            tol=tol,
            max_iter=max(self.max_iter - self.n_iter, 1),
            start=start,
            verbose=self.verbose,
            options=self.options,
        )
        U = self._checked(program, getattr(solution, "U", None))
        self.n_iter += solution.n_iter
        multipliers = solution.multipliers
        if multipliers is not None:
            # Only non-negative ones bound prices.
            multipliers = tuple(np.maximum(each, 0) for each in multipliers)
        return replace(solution, U=U, multipliers=multipliers)

    def _checked(self, program, U):
        U = np.array([]) if U is None else np.asarray(U, dtype=float)
        with np.errstate(over="ignore", invalid="ignore"):
            is_usable = U.shape == program.shape and np.isfinite(program.objective(U))
        if not is_usable:
            raise SolverError(
                f"solver={self.backend.name!r} returned no usable point: expected one "
                f"of shape {program.shape} with a finite objective, got shape "
                f"{U.shape} with {np.count_nonzero(~np.isfinite(U))} entries that are "
                "not finite. Choose another solver."
            )
        return U

    def single_round(self, tol, start):
        solution = self.solve(self.program, tol, start)
        U, certificate, _ = certify(
            self.program, solution.U, multipliers=solution.multipliers
        )
        yield U, certificate, solution

    def report(self, certificate, U):
        self.n_rounds += 1
        if self.verbose:
            seconds = time.perf_counter() - self.started
            print(
                f"[{self.backend.name}] round {self.n_rounds}: "
                f"objective {certificate.primal:.6g}, "
                f"gap {certificate.relative_gap:.2e}, "
                f"{n_used(self.program, U)} neurons, "
                f"{self.n_iter} iterations, {seconds:.2f} s"
            )
