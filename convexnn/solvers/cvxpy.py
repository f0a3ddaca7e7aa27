"""Any conic solver that cvxpy reaches; Clarabel by default.

The whole program is handed over as it stands, so that the result is independent of
everything the other backends rely on.
"""

from __future__ import annotations

import warnings

import cvxpy
import numpy as np
from scipy import sparse

from ..programs.losses import (
    HingeLoss,
    HuberLoss,
    LogisticLoss,
    MultinomialLoss,
    SquaredHingeLoss,
    SquaredLoss,
)
from ..programs.nuclear_norms import NuclearNormProgram
from .solution import Solution, SolverError

__all__ = ["express_loss", "solve"]


def solve(program, *, tol, max_iter, start=None, verbose=0, options=None):
    """Hand a program to cvxpy.

    Parameters
    ----------
    program : ConvexProgram
        With or without cones.
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
    options = {"verbose": verbose > 1} | (options or {})
    solver = options.pop("solver", "CLARABEL")
    name = str(solver).upper()
    if name not in cvxpy.installed_solvers():
        raise ValueError(
            f"solver_options['solver'] must be one of cvxpy's installed solvers "
            f"{cvxpy.installed_solvers()}, got {solver!r}."
        )
    problem, U, inside = _build(program)
    if name == "SCS":
        options = {
            "eps_abs": 0.01 * tol,
            "eps_rel": 0.01 * tol,
            "max_iters": 100_000,
        } | options
    try:
        with warnings.catch_warnings():
            # Inaccuracy is judged by the duality gap, not by the solver's word.
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            warnings.filterwarnings("ignore", message="Converting A to a CSC")
            problem.solve(solver=name, **options)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"solver_options {options} were refused by cvxpy's solver {name}: {error}"
        ) from error
    except cvxpy.SolverError as error:
        raise SolverError(f"cvxpy's solver {name} failed: {error}") from error
    if U.value is None or not np.isfinite(U.value).all():
        raise SolverError(
            f"cvxpy's solver {name} stopped with status {problem.status!r} and no "
            "point; relax its limits in solver_options or choose another solver."
        )
    multipliers = None
    if inside is not None and inside.dual_value is not None:
        multipliers = np.maximum(inside.dual_value, 0)
    n_iter = getattr(problem.solver_stats, "num_iters", None)
    return Solution(
        U.value.reshape(program.shape), int(n_iter or 1), problem.status, multipliers
    )


def express_loss(loss, output):
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


def _build(program):
    """Return the problem, its variable, and the constraint of the cones (or None)."""
    if isinstance(program, NuclearNormProgram):
        return _build_nuclear_norms(program)
    U = cvxpy.Variable(program.shape)
    values = program.X @ U
    output = cvxpy.multiply(program.mask, values) @ program.sign
    if program.n_patches > 1:
        inputs = sparse.eye_array(len(program.loss.y))
        output = sparse.kron(inputs, np.ones((1, program.n_patches))) @ output
    norms = cvxpy.sum(cvxpy.norm(U, 2, axis=0))
    objective = _objective(program, output, norms)
    if not program.has_cones:
        return cvxpy.Problem(objective), U, None
    inside = cvxpy.multiply(program.side, values) >= 0
    return cvxpy.Problem(objective, [inside]), U, inside


def _build_nuclear_norms(program):
    """Return the problem of nuclear norms; its variable has the matrices in a row."""
    d, n_groups, q = program.shape
    U = cvxpy.Variable((d, n_groups * q))
    output, norms = 0, 0
    for k, column in enumerate(program.mask.T):
        matrix = U[:, k * q : (k + 1) * q]
        output = output + (column[:, None] * program.X) @ matrix
        norms = norms + cvxpy.normNuc(matrix)
    return cvxpy.Problem(_objective(program, output, norms)), U, None


def _objective(program, output, norms):
    """Return the objective, whose intercepts are variables of their own."""
    loss = program.loss
    if loss.intercept and loss.y.ndim == 1:
        output = output + cvxpy.Variable()
    elif loss.intercept:
        output = output + np.ones((len(loss.y), 1)) @ cvxpy.Variable((1, len(loss.y.T)))
    return cvxpy.Minimize(express_loss(loss, output) + program.beta * norms)


def _beside(weights, y):
    return weights if y.ndim == 1 else np.repeat(weights[:, None], y.shape[1], axis=1)
