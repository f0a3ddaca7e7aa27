"""Strictly convex quadratics over a box, exactly or by conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve

__all__ = ["minimize_by_conjugate_gradients", "minimize_by_pivoting"]

#: Rounds of exchanges of whole blocks before single ones, which cannot cycle.
_BLOCK_ROUNDS = 20

#: Multipliers below this share of the largest gradient entry count as zero.
_ROUNDING = 1e-12


def minimize_by_pivoting(
    matrix: np.ndarray, gradient: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    r"""Minimise :math:`\frac12 s^\top H s + g^\top s` over a box, exactly.

    Block principal pivoting [1]_: entries beyond a bound are fixed at it, and fixed
    entries whose multiplier has the wrong sign are freed, all at once. After twenty
    rounds only the last such entry is exchanged, which ends after finitely many.

    Parameters
    ----------
    matrix : ndarray of shape (d, d)
        H, symmetric positive definite.
    gradient, lower, upper : ndarray of shape (d,)
        g and the bounds.

    Returns
    -------
    ndarray of shape (d,)
        The minimiser.

    Raises
    ------
    numpy.linalg.LinAlgError
        If H is not positive definite to working precision.

    References
    ----------
    .. [1] L. F. Portugal, J. J. Judice and L. N. Vicente, "A Comparison of Block
       Pivoting and Interior-Point Algorithms for Linear Least Squares Problems with
       Nonnegative Variables", Mathematics of Computation, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.decoding.box_quadratic import minimize_by_pivoting
    >>> H, one = np.array([[2.0, 1.0], [1.0, 2.0]]), np.ones(2)
    >>> minimize_by_pivoting(H, np.array([-6.0, 0.0]), -one, one).round(12).tolist()
    [1.0, -0.5]
    """
    side = np.zeros(len(gradient), dtype=int)
    tolerance = _ROUNDING * np.max(np.abs(gradient), initial=0.0)
    best = len(gradient) + 1
    patience = _BLOCK_ROUNDS
    for _ in range(50 * len(gradient) + _BLOCK_ROUNDS):
        point = np.where(side < 0, lower, np.where(side > 0, upper, 0.0))
        free = side == 0
        fixed = ~free
        right = -gradient[free] - matrix[np.ix_(free, fixed)] @ point[fixed]
        if free.any():
            factor = matrix if free.all() else matrix[np.ix_(free, free)]
            point[free] = cho_solve(cho_factor(factor), right)
        slope = matrix @ point + gradient
        below, above = free & (point < lower), free & (point > upper)
        released = fixed & (side * slope > tolerance)
        wrong = below | above | released
        n_wrong = int(np.count_nonzero(wrong))
        if n_wrong == 0:
            break
        if n_wrong < best:
            best, patience = n_wrong, _BLOCK_ROUNDS
        else:
            patience -= 1
        if patience <= 0:
            wrong[: np.flatnonzero(wrong)[-1]] = False
        side[wrong & below], side[wrong & above] = -1, 1
        side[wrong & released] = 0
    return np.clip(point, lower, upper)


def minimize_by_conjugate_gradients(
    product: Callable[[np.ndarray], np.ndarray],
    gradient: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    tol: float,
    max_products: int,
) -> tuple[np.ndarray, int]:
    r"""Minimise :math:`\frac12 s^\top H s + g^\top s` over a box with products by H.

    Starts from zero, which the box must contain. Entries at a bound that the gradient
    pushes outwards are fixed, conjugate gradients minimise over the others, and the
    step is projected on the box and halved until it lowers the quadratic [1]_.

    Parameters
    ----------
    product : callable
        ``product(v)`` returns H v.
    gradient, lower, upper : ndarray of shape (d,)
        g and the bounds, lower <= 0 <= upper.
    tol : float
        Ends when the norm of the gradient over the free entries is at most `tol` times
        that at zero.
    max_products : int
        Largest number of products.

    Returns
    -------
    point : ndarray of shape (d,)
        A point of the box where the quadratic is not larger than at zero.
    n_products : int
        Products that it took.

    References
    ----------
    .. [1] D. P. Bertsekas, "Projected Newton Methods for Optimization Problems with
       Simple Constraints", SIAM Journal on Control and Optimization, 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.decoding.box_quadratic import minimize_by_conjugate_gradients
    >>> H, one = np.array([[2.0, 1.0], [1.0, 2.0]]), np.ones(2)
    >>> point, _ = minimize_by_conjugate_gradients(
    ...     lambda v: H @ v, np.array([-6.0, 0.0]), -one, one, tol=1e-12,
    ...     max_products=20,
    ... )
    >>> point.round(12).tolist()
    [1.0, -0.5]
    """
    point, slope = np.zeros_like(gradient), gradient.copy()
    target, used = None, 0
    while used < max_products:
        free = ((point > lower) | (slope < 0)) & ((point < upper) | (slope > 0))
        left = float(np.linalg.norm(slope[free]))
        target = tol * left if target is None else target
        if left <= target or left == 0:
            break
        step, n_products = _conjugate_gradients(
            product, np.where(free, -slope, 0.0), free, target, max_products - used
        )
        used += n_products
        if free.all() and np.all((lower <= point + step) & (point + step <= upper)):
            return point + step, used
        point, slope, n_products = _projected_step(
            product, point, slope, step, lower, upper
        )
        used += n_products
        if n_products == 0:
            break
    return point, used


def _conjugate_gradients(
    product: Callable[[np.ndarray], np.ndarray],
    residual: np.ndarray,
    free: np.ndarray,
    target: float,
    max_products: int,
) -> tuple[np.ndarray, int]:
    """Solve H s = residual on the free entries, zero elsewhere."""
    step, direction = np.zeros_like(residual), residual.copy()
    square, used = residual @ residual, 0
    while used < max_products and np.sqrt(square) > target:
        image = np.where(free, product(direction), 0.0)
        used += 1
        curvature = direction @ image
        if curvature <= 0:
            break
        length = square / curvature
        step += length * direction
        residual = residual - length * image
        before, square = square, residual @ residual
        direction = residual + (square / before) * direction
    return step, used


def _projected_step(
    product: Callable[[np.ndarray], np.ndarray],
    point: np.ndarray,
    slope: np.ndarray,
    step: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Go along a step, bent at the box, as far as the quadratic falls.

    Returns the point, the gradient there and the number of products, zero if no
    length of the step lowered the quadratic.
    """
    length = 1.0
    for trial in range(1, 31):
        reached = np.clip(point + length * step, lower, upper)
        moved = reached - point
        image = product(moved)
        if slope @ moved + 0.5 * moved @ image < 0:
            return reached, slope + image, trial
        length *= 0.5
    return point, slope, 0
