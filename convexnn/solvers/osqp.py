"""A sequence of quadratic programs for OSQP, warm-started, with updated matrices.

Around a group of norm eta and direction e, the norm is modelled by ::

    (1 - damping) * e'u + damping * (e'u)^2 / (2 eta) + norm2(u - e e'u)^2 / (2 eta)

which agrees with it to first order at u = eta e. With damping 1 it is (up to a
constant) the parabola that touches the norm from above, so that the solution over
the cones lowers the objective of the group lasso; with little damping it is Newton's
model and converges faster. The damping is chosen by what the last program achieved.
A search on the line to the solution keeps the objective falling. Only the blocks of
the Hessian and the linear term change, so OSQP keeps its pattern and its last
point. Groups that shrink to nothing leave the program; the working set
around this backend prices them and brings them back where they are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import osqp
from scipy import sparse

from ..programs.certificate import ProjectionCache, certify
from ..programs.program import ConvexProgram
from .quadratic_models import by_quadratic_models
from .solution import Solution, SolverError
from .time_limit import OUT_OF_TIME, is_out_of_time

__all__ = ["solve"]

#: Settings that users may override through `solver_options`.
_SETTINGS = {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iter": 20_000, "polishing": False}


@dataclass(frozen=True)
class _Numbers:
    """Numbers of the sequence.

    Attributes
    ----------
    most_programs : int
        Largest number of quadratic programs, whatever `max_iter` allows.
    n_cautious : int
        Quadratic programs with damping 1, which makes the model an upper bound, before
        Newton's model is tried.
    damping, trusted : float
        Damping in Newton's model, and share of the way to the last solution from which
        it is used.
    patience : int
        Programs in a row that fail to lower the objective before giving up.
    negligible : float
        Groups below this, relative to the largest, are dropped.
    fewer : float
        Share of the groups below which a smaller program is set up.
    small : float
        What is left of groups that Newton's model leads beyond zero, and size of empty
        groups of a start, relative to what the others have.
    """

    most_programs: int = 500
    n_cautious: int = 8
    damping: float = 0.05
    trusted: float = 0.1
    patience: int = 5
    negligible: float = 1e-7
    fewer: float = 0.8
    small: float = 1e-3


_SEQUENCE = _Numbers()


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
    """Minimise a program by a sequence of quadratic programs.

    Parameters
    ----------
    program : ConvexProgram
        With or without cones. Losses other than squares are minimised through
        quadratic models.
    tol : float
        Relative duality gap to stop at.
    max_iter : int
        Largest number of quadratic programs.
    start : ndarray of shape (d, n_groups) or None
        Where to start.
    verbose : int, default=0
        From 2 on, print a line a quadratic program.
    options : dict, default=None
        OSQP's settings.

    Returns
    -------
    Solution
        The point of the lowest objective.

    Raises
    ------
    SolverError
        If OSQP does not return a point.
    ValueError
        If OSQP refuses a setting.
    """
    options = options or {}
    cache = ProjectionCache()
    U = _first_point(program, start)
    objective, damping, status = program.objective(U), 1.0, "iteration limit"
    alive = np.arange(program.n_groups)
    sequence = _Sequence(program, options)
    n_stalled = 0
    for n_iter in range(1, min(max_iter, _SEQUENCE.most_programs) + 1):
        trial, multipliers = np.zeros(program.shape), np.zeros(program.mask.shape)
        trial[:, alive], multipliers[:, alive] = sequence.solve(U[:, alive], damping)
        trial, certificate, _ = certify(
            program, trial, multipliers=(multipliers,), cache=cache
        )
        flipped = (np.einsum("ij,ij->j", U, trial) < 0) & (damping < 1)
        # Newton's model is wrong beyond zero: such groups shrink instead.
        target = np.where(flipped, _SEQUENCE.small * U, trial)
        U, objective, share = _search(program, U, objective, target)
        if verbose > 1:
            print(f"  osqp {n_iter}: objective {objective:.6g}, gap "
                  f"{certificate.relative_gap:.2e}, {len(alive)} groups")  # fmt: skip
        if certificate.relative_gap <= tol:
            U, status = trial, "tolerance reached"
            break
        if is_out_of_time():
            status = OUT_OF_TIME
            break
        n_stalled = 0 if share > 0 else n_stalled + 1
        if n_stalled == _SEQUENCE.patience:
            status = "no progress within OSQP's accuracy"
            break
        is_safe = n_iter >= _SEQUENCE.n_cautious and share > _SEQUENCE.trusted
        is_safe = is_safe and not flipped.any()
        damping = _SEQUENCE.damping if is_safe else 1.0
        norms = np.linalg.norm(U, axis=0)
        lasting = np.flatnonzero(norms > _SEQUENCE.negligible * norms.max())
        if not len(lasting):
            status = "every group vanished"
            break
        if len(lasting) < _SEQUENCE.fewer * len(alive):
            alive = lasting
            sequence = _Sequence(program.restrict(alive), options)
    return Solution(U=U, n_iter=n_iter, status=status)


def _search(program, U, objective, trial):
    """Return the best of points between U and the trial, and its share of the way."""
    best, best_objective, best_share = U, objective, 0.0
    share = 1.0
    while share > 1e-4:
        point = U + share * (trial - U)
        value = program.objective(point)
        if value < best_objective:
            best, best_objective, best_share = point, value, share
        elif best_share > 0:
            break
        share *= 0.5
    return best, best_objective, best_share


def _first_point(program, start):
    """Return the start, its empty groups filled with small multiples of the gates."""
    value = float(program.loss.value(np.zeros(len(program.X))))
    gates = program.gates / np.linalg.norm(program.gates, axis=0)
    even = gates * (value / (program.beta * program.n_groups))
    if start is None or not start.any():
        return even
    return np.where(start.any(axis=0), start, _SEQUENCE.small * even)


class _Sequence:
    """One OSQP problem whose Hessian's blocks and linear term change.

    Variables: the groups one after another, the intercept, the residuals.
    """

    def __init__(self, program, options):
        self.program = program
        loss = program.loss
        n, (d, m) = len(program.X), program.shape
        blocks = [
            sparse.csc_array(
                program.X * (program.mask[:, g] * program.sign[g])[:, None]
            )
            for g in range(m)
        ]
        one = sparse.csc_array(np.full((n, 1), float(loss.intercept)))
        rows = [sparse.hstack([*blocks, one, -sparse.eye_array(n)])]
        lower, upper = [loss.y], [loss.y]
        if program.has_cones:
            cones = [
                sparse.csc_array(program.X * program.side[:, g, None]) for g in range(m)
            ]
            rows.append(
                sparse.hstack(
                    [sparse.block_diag(cones), sparse.csc_array((n * m, n + 1))]
                )
            )
            lower.append(np.zeros(n * m))
            upper.append(np.full(n * m, np.inf))
        rest = sparse.diags_array(
            np.concatenate([[float(not loss.intercept)], loss.weights])
        )
        full = [sparse.csc_array(np.triu(np.ones((d, d)))) for _ in range(m)]
        hessian = sparse.block_diag([*full, rest], format="csc")
        self._linear = np.zeros(hessian.shape[0])
        self._upper = np.triu_indices(d)
        # CSC stores the upper triangles block by block, column by column.
        order = np.lexsort((self._upper[0], self._upper[1]))
        self._upper = (self._upper[0][order], self._upper[1][order])
        self._solver = osqp.OSQP()
        self._setup(
            options,
            sparse.csc_matrix(hessian),
            self._linear,
            sparse.csc_matrix(sparse.vstack(rows, format="csc")),
            np.concatenate(lower),
            np.concatenate(upper),
        )

    def _setup(self, options, *matrices):
        fixed = {"verbose": False, "warm_starting": True}
        try:
            self._solver.setup(*matrices, **(_SETTINGS | options | fixed))
        except (ValueError, TypeError, osqp.OSQPException) as error:
            raise ValueError(
                f"solver_options {options} were refused by OSQP: {error}"
            ) from error

    def solve(self, U, damping):
        """Return the minimiser of the model around U and the cones' multipliers."""
        program = self.program
        d, m = program.shape
        norms = np.linalg.norm(U, axis=0)
        eta = np.maximum(norms, 1e-9 * max(norms.max(), 1e-300))
        directions = U / eta
        outer = directions.T[:, :, None] * directions.T[:, None, :]
        blocks = (program.beta / eta)[:, None, None] * (
            np.eye(d) - (1 - damping) * outer
        )
        values = blocks[:, self._upper[0], self._upper[1]].reshape(-1)
        self._linear[: d * m] = (1 - damping) * program.beta * directions.T.reshape(-1)
        # OSQP up to 1.1.1 takes indices of another size for ones of 32 bits.
        places = np.arange(len(values), dtype=np.int32)
        self._solver.update(Px=values, Px_idx=places, q=self._linear)
        result = self._solver.solve(raise_error=False)
        if result.x is None or not np.isfinite(result.x).all():
            raise SolverError(
                f"OSQP stopped with status {result.info.status!r} and no point; relax "
                "its limits in solver_options or choose another solver."
            )
        U = result.x[: d * m].reshape(m, d).T
        if not program.has_cones:
            return U, 0.0
        return U, np.maximum(-result.y[len(program.X) :].reshape(m, -1).T, 0)
