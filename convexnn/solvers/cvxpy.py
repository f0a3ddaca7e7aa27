"""Any conic solver that cvxpy reaches; Clarabel by default.

The whole program is handed over as it stands, so that the result is independent of
everything the other backends rely on.
"""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy
import numpy as np
from scipy import sparse

from ..programs.losses import (
    HingeLoss,
    HuberLoss,
    LogisticLoss,
    Loss,
    MultinomialLoss,
    SquaredHingeLoss,
    SquaredLoss,
)
from ..programs.program import ConvexProgram
from .solution import Solution, SolverError
from .time_limit import OUT_OF_TIME, is_out_of_time, seconds_left

__all__ = ["express_loss", "maximise_margin", "run", "solve"]


def solve(
    program: ConvexProgram,
    *,
    tol: float,
    max_iter: int,
    start: np.ndarray | None = None,
    verbose: int = 0,
    options: dict[str, Any] | None = None,
) -> Solution:
    """Hand a program to cvxpy.

    Parameters
    ----------
    program : ConvexProgram
        Of any features.
    tol : float
        Relative duality gap aimed at. Conic solvers measure their own residuals; they
        keep their defaults unless `options` say otherwise, except that those whose
        defaults are looser than `tol` are tightened.
    max_iter : int
        Not used: the solvers' iterations are not comparable. Limits go to `options`.
    start : ndarray, default=None
        Not used.
    verbose : int, default=0
        From 2 on, print the solver's own log.
    options : dict, default=None
        `solver`, the name of a conic solver that cvxpy knows ("CLARABEL" by
        default); the rest is passed to ``cvxpy.Problem.solve``.

    Returns
    -------
    Solution
        The solver's point and multipliers.

    Raises
    ------
    SolverError
        If the solver fails, or stops without a point.
    ValueError
        If cvxpy does not know the solver, or the solver refuses an option.
    """
    if is_out_of_time() or not program.n_groups:
        status = OUT_OF_TIME if program.n_groups else "no group"
        return Solution(np.zeros(program.shape), 1, status)
    options = {"verbose": verbose > 1} | (options or {})
    given = options.pop("solver", "CLARABEL")
    solver = str(given).upper()
    if solver not in cvxpy.installed_solvers():
        raise ValueError(
            f"solver_options['solver'] must be one of cvxpy's installed solvers "
            f"{cvxpy.installed_solvers()}, got {given!r}."
        )
    if solver == "SCS":
        tight = {"eps_abs": 0.01 * tol, "eps_rel": 0.01 * tol, "max_iters": 100_000}
        options = tight | options
    terms = _Terms(program)
    loss = express_loss(program.loss, terms.fitted())
    objective = cvxpy.Minimize(loss + program.beta * terms.norms)
    problem = cvxpy.Problem(objective, terms.constraints)
    n_iter, status = run(problem, terms.U, solver=solver, **options)
    return Solution(terms.point(), n_iter, status, terms.multipliers())


def maximise_margin(program: ConvexProgram) -> tuple[Solution, np.ndarray]:
    """Maximise the smallest margin over sums of norms of at most 1, by Clarabel.

    This is the program of :mod:`convexnn.training.max_margin` after a change of scale,
    but one that has a solution whether the labels can be separated or not.

    Parameters
    ----------
    program : ConvexProgram
        Its loss has the labels and tells whether an intercept is free.

    Returns
    -------
    solution : Solution
        Groups, not necessarily in their cones, and multipliers of the cones.
    shares : ndarray of shape (n,)
        Multipliers of the margins, not negative; they sum to 1 within the solver's
        accuracy.

    Raises
    ------
    SolverError
        If the solver stops without a point.
    """
    terms, margin = _Terms(program), cvxpy.Variable()
    separated = cvxpy.multiply(program.loss.y, terms.fitted()) >= margin
    constraints = [separated, terms.norms <= 1, *terms.constraints]
    problem = cvxpy.Problem(cvxpy.Maximize(margin), constraints)
    n_iter, status = run(problem, terms.U)
    solution = Solution(terms.point(), n_iter, status, terms.multipliers())
    return solution, np.maximum(separated.dual_value, 0)


def run(
    problem: cvxpy.Problem,
    variable: cvxpy.Variable,
    *,
    solver: str = "CLARABEL",
    **options: Any,
) -> tuple[int, str]:
    """Solve a problem of cvxpy and see to it that there is a point.

    Parameters
    ----------
    problem : cvxpy.Problem
        The problem.
    variable : cvxpy.Variable
        Where the point is.
    solver : str, default="CLARABEL"
        Name of an installed conic solver. Clarabel is told of a
        :func:`~convexnn.solvers.time_limit.time_limit`.
    **options
        For ``cvxpy.Problem.solve``.

    Returns
    -------
    n_iter : int
        Iterations of the solver, 1 if it does not tell.
    status : str
        What it says of the point.

    Raises
    ------
    SolverError
        If the solver fails, or stops without a point.
    ValueError
        If the solver refuses an option.
    """
    if solver == "CLARABEL" and np.isfinite(seconds_left()):
        options = {"time_limit": seconds_left()} | options
    try:
        with warnings.catch_warnings():
            # Inaccuracy is judged by the duality gap, not by the solver's word.
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            warnings.filterwarnings("ignore", message="Converting A to a CSC")
            problem.solve(solver=solver, **options)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"solver_options {options} were refused by cvxpy's solver {solver}: {error}"
        ) from error
    except cvxpy.SolverError as error:
        raise SolverError(f"cvxpy's solver {solver} failed: {error}") from error
    if variable.value is None or not np.isfinite(variable.value).all():
        raise SolverError(
            f"cvxpy's solver {solver} stopped with status {problem.status!r} and no "
            "point; standardise X and y, relax the limits in solver_options or choose "
            "another solver."
        )
    n_iter = int(getattr(problem.solver_stats, "num_iters", None) or 1)
    is_late = problem.status == cvxpy.USER_LIMIT and is_out_of_time()
    return n_iter, OUT_OF_TIME if is_late else problem.status


def express_loss(loss: Loss, output: cvxpy.Expression) -> cvxpy.Expression:
    """Return a loss of an output, whose intercept is part of it, as cvxpy knows it."""
    if isinstance(loss, SquaredLoss):
        roots = np.sqrt(_beside(loss.weights, loss.y))
        residual = cvxpy.multiply(roots, output - loss.y)
        return 0.5 * cvxpy.sum_squares(residual)
    if isinstance(loss, HuberLoss):
        values = 0.5 * cvxpy.huber(output - loss.y, loss.epsilon)
        return cvxpy.sum(loss.weights @ values)
    if isinstance(loss, MultinomialLoss):
        chosen = cvxpy.sum(cvxpy.multiply(loss.y, output), axis=1)
        return loss.weights @ (cvxpy.log_sum_exp(output, axis=1) - chosen)
    margins = cvxpy.multiply(loss.y, output)
    if isinstance(loss, LogisticLoss):
        return cvxpy.sum(loss.weights @ cvxpy.logistic(-margins))
    if isinstance(loss, SquaredHingeLoss):
        squares = cvxpy.square(cvxpy.pos(1 - margins))
        return 0.5 * cvxpy.sum(loss.weights @ squares)
    if isinstance(loss, HingeLoss):
        return cvxpy.sum(loss.weights @ cvxpy.pos(1 - margins))
    raise SolverError(f"solver='cvxpy' cannot express {type(loss).__name__}.")


class _Terms:
    """What programs are made of: variable U, output, norms and cones.

    Matrices of nuclear norms are side by side in U.
    """

    def __init__(self, program):
        self.program = program
        d, n_groups, *q = program.shape
        self.U = cvxpy.Variable((d, n_groups * (q[0] if q else 1)))
        #: The families of cones: constraints, and the rows that they are about.
        self.constraints, self.rows = [], []
        if "nuclear_norms" in program.features:
            self._nuclear_norms(q[0])
        else:
            self._groups()

    def _nuclear_norms(self, q):
        self.output, self.norms = 0, 0
        for k, column in enumerate(self.program.mask.T):
            matrix = self.U[:, k * q : (k + 1) * q]
            self.output += (column[:, None] * self.program.X) @ matrix
            self.norms += cvxpy.normNuc(matrix)

    def _groups(self):
        program, values = self.program, self.program.X @ self.U
        output = cvxpy.multiply(program.mask, values) @ program.sign
        if program.n_patches > 1:
            inputs = sparse.eye_array(len(program.loss.y))
            output = sparse.kron(inputs, np.ones((1, program.n_patches))) @ output
        self.output = output
        self.norms = cvxpy.sum(cvxpy.norm(self.U, 2, axis=0))
        if program.has_cones:
            self._constrain(program.side, values)
        for family in program.coupled:
            parts = np.kron(np.eye(family.side.shape[1]), np.ones((family.size, 1)))
            self._constrain(family.side, cvxpy.multiply(family.factors, values) @ parts)

    def _constrain(self, side, values):
        """Ask for ``side * values >= 0`` where there is a side and a row."""
        rows = (side != 0) & self.program.X.any(axis=1)[:, None]
        flat = cvxpy.vec(cvxpy.multiply(side, values), order="F")
        if not rows.all():
            flat = flat[np.flatnonzero(rows.T)]
        self.rows.append(rows)
        # An empty constraint is none.
        self.constraints += [flat >= 0] if rows.any() else []

    def fitted(self):
        """Return the output with its intercepts, which are variables of their own."""
        loss = self.program.loss
        if loss.intercept and not loss.is_vector:
            return self.output + cvxpy.Variable()
        if loss.intercept:
            offsets = cvxpy.Variable((1, loss.y.shape[1]))
            return self.output + np.ones((len(loss.y), 1)) @ offsets
        return self.output

    def point(self):
        """Return the point reached, in the program's shape."""
        return np.asarray(self.U.value).reshape(self.program.shape)

    def multipliers(self):
        """Return the multipliers of all families, None without them."""
        values = [constraint.dual_value for constraint in self.constraints]
        if not self.rows or any(value is None for value in values):
            return None
        multipliers, values = [], iter(values)
        for rows in self.rows:
            turned = np.zeros(rows.shape[::-1])
            if rows.any():
                turned[rows.T] = np.maximum(next(values), 0)
            multipliers.append(turned.T)
        return tuple(multipliers)


def _beside(weights, y):
    return weights if y.ndim == 1 else np.repeat(weights[:, None], y.shape[1], axis=1)
