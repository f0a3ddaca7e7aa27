"""Linear algebra that several solvers need: factors with shifts, products."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpotrf, dtrtri

__all__ = [
    "add_gram",
    "conjugate_gradients",
    "inverse_roots",
    "lower_root",
    "solve_positive",
]


def add_gram(
    matrix: np.ndarray, factor: np.ndarray, *, transposed: bool = False
) -> np.ndarray:
    """Add ``factor @ factor.T``, or the other way round, to the lower triangle."""
    return dsyrk(
        1.0, factor, beta=1.0, c=matrix, trans=transposed, lower=1, overwrite_c=1
    )


def solve_positive(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Solve a positive definite system, given by its lower triangle; it is overwritten.

    Raises
    ------
    LinAlgError
        If it is not positive definite, or overflowed.
    """
    if not np.isfinite(vector).all() or not np.isfinite(matrix).all():
        raise LinAlgError("the Newton system overflowed")
    factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    return cho_solve(factor, vector, check_finite=False)


def lower_root(matrix: np.ndarray, shifts: Sequence[float] = (0.0,)) -> np.ndarray:
    """Return L of a matrix L L', its diagonal raised where rounding asks for it.

    Parameters
    ----------
    matrix : ndarray of shape (k, k)
        Of which the lower triangle counts; its diagonal is overwritten.
    shifts : sequence of float
        Raises of the diagonal, relative to its mean, to try in turn, and on top of
        each other.

    Raises
    ------
    LinAlgError
        If none of them helps.
    """
    for shift in shifts:
        if shift:
            diagonal = np.einsum("ii->i", matrix)
            diagonal += shift * diagonal.mean()
        root, info = dpotrf(matrix, lower=1)
        if info == 0:
            return root
    raise LinAlgError("the Newton system is not positive definite")


def inverse_roots(matrices: np.ndarray, shifts: Sequence[float] = (0.0,)) -> np.ndarray:
    """Return the inverses of the roots L of symmetric matrices L L', (k, r, r)."""
    inverses = np.empty_like(matrices)
    for matrix, into in zip(matrices, inverses, strict=True):
        # Of a symmetric matrix, the transpose is in the order of Fortran.
        into[...] = dtrtri(lower_root(matrix.T, shifts), lower=1)[0]
    return inverses


def conjugate_gradients(
    times: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
    *,
    residual: float,
    max_products: int,
) -> tuple[np.ndarray, bool]:
    """Solve ``times(step) = right`` approximately, for a positive definite map.

    Parameters
    ----------
    times : callable
        The map.
    right : ndarray
        Right-hand side.
    residual : float
        Size of the residual to stop at, relative to the right-hand side.
    max_products : int
        Largest number of products.

    Returns
    -------
    step : ndarray
        A direction of descent after any number of products.
    is_solved : bool
        Whether the residual is as small as asked for.
    """
    step, left, direction = np.zeros_like(right), right, right
    square = np.vdot(right, right)
    goal = residual**2 * square
    for _ in range(max_products):
        if square <= goal:
            break
        product = times(direction)
        curvature = np.vdot(direction, product)
        if not curvature > 0:  # rounding has won
            break
        length = square / curvature
        step = step + length * direction
        left = left - length * product
        square, previous = np.vdot(left, left), square
        direction = left + (square / previous) * direction
    return step, bool(square <= goal)
