r"""Least squares of one filter: Levenberg-Marquardt, then the active sets themselves.

The network :math:`f(X) = \sum_j (X_j w)_+` is linear in w while the active sets
:math:`S_j = \{i : X_{ij} w > 0\}` stay: its Jacobian is the sum of the active patches
of each row. So a step of Levenberg-Marquardt with little damping is least squares on
the active sets, and near a zero residual one such step is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq

from ..solvers.time_limit import is_out_of_time

__all__ = ["Refined", "refine_filter", "scale_filter"]

#: Gradients below this, relative to the norms of Jacobian and residual, are rounding.
_STATIONARY = 1e-12


@dataclass(frozen=True)
class _Numbers:
    """Numbers of the steps.

    Attributes
    ----------
    damping, least_damping, most_damping : float
        Damping at the start and its bounds, relative to the squared columns.
    least_progress, patience : float, int
        Steps that lower the loss by less than this share count as no progress, and
        after so many in a row the filter creeps along a kink.
    n_exact : int
        Largest number of exact least-squares steps at the end.
    """

    damping: float = 1e-2
    least_damping: float = 1e-14
    most_damping: float = 1e8
    least_progress: float = 1e-9
    patience: int = 5
    n_exact: int = 5


_STEPS = _Numbers()


@dataclass(frozen=True)
class Refined:
    """Where the steps ended: at a local minimum, or on a kink near one.

    Attributes
    ----------
    w : ndarray of shape (p,)
        Filter.
    loss : float
        ``0.5 * norm2(f - y)^2``.
    n_iter : int
        Steps taken.
    is_converged : bool
        Whether no further step lowered the loss; False at the iteration limit, or at
        a :func:`~convexnn.solvers.time_limit.time_limit`.
    """

    w: np.ndarray
    loss: float
    n_iter: int
    is_converged: bool


def scale_filter(patches, y, w):
    """Return a filter times the non-negative number that fits the labels best.

    Parameters
    ----------
    patches : Patches
        The data.
    y : ndarray of shape (n,)
        Labels.
    w : ndarray of shape (p,)
        Filter.

    Returns
    -------
    ndarray of shape (p,)
        The scaled filter; as it was where the best multiple would be zero.
    """
    outputs = patches.pooled(w)
    agreement, size = float(outputs @ y), float(outputs @ outputs)
    return w * (agreement / size) if agreement > 0 and size > 0 else w


def refine_filter(patches, y, w, *, max_iter):
    r"""Lower :math:`\tfrac12 \|\sum_j (X_j w)_+ - y\|_2^2` from a filter.

    Parameters
    ----------
    patches : Patches
        The data.
    y : ndarray of shape (n,)
        Labels.
    w : ndarray of shape (p,)
        Where to start; it is scaled first.
    max_iter : int
        Largest number of steps.

    Returns
    -------
    Refined
        Where no step lowers the loss, unless iterations or time ran out: a local
        minimum, or a point where some patch's response is about zero and steps that
        believe in one side of that kink fail. The loss is never above that of the
        start.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.data.patches import Patches, patch_grid
    >>> from convexnn.filters import moment_filter
    >>> from convexnn.filters import refine_filter
    >>> X = np.random.default_rng(0).standard_normal((60, 12))
    >>> patches = Patches(X, patch_grid(12, filter_shape=4))
    >>> y = patches.pooled(np.array([1.0, -2.0, 0.5, 1.0]))
    >>> found = refine_filter(patches, y, moment_filter(patches, y), max_iter=100)
    >>> found.w.round(12)
    array([ 1. , -2. ,  0.5,  1. ])
    """
    point = _Point(patches, y, scale_filter(patches, y, w))
    damping, growth, n_idle, is_converged = _STEPS.damping, 2.0, 0, False
    n_iter = 0
    while n_iter < max_iter and not (is_converged or is_out_of_time()):
        n_iter += 1
        change = point.step(damping)
        trial = None if change is None else _Point(patches, y, point.w + change)
        if trial is not None and trial.loss < point.loss:
            share = (point.loss - trial.loss) / point.loss
            expected = point.expected_decrease(change, damping)
            ratio = (point.loss - trial.loss) / expected if expected > 0 else 0.0
            damping *= max(0.1, 1 - (2 * ratio - 1) ** 3)
            damping, growth = max(damping, _STEPS.least_damping), 2.0
            point = trial
            n_idle = n_idle + 1 if share < _STEPS.least_progress else 0
        else:
            damping, growth = damping * growth, 2 * growth
        is_stuck = n_idle == _STEPS.patience or damping > _STEPS.most_damping
        is_converged = point.is_stationary or is_stuck
    point = _solve_exactly(patches, y, point)
    return Refined(point.w, point.loss, n_iter, is_converged)


def _solve_exactly(patches, y, point):
    """Repeat least squares on the active sets while that lowers the loss."""
    for _ in range(_STEPS.n_exact):
        if is_out_of_time():
            break
        jacobian = point.jacobian
        if not jacobian.any():
            break
        # As a change, so that what the rows do not determine stays as it is.
        change = lstsq(jacobian, point.residual, check_finite=False)[0]
        trial = _Point(patches, y, point.w - change)
        if not trial.loss < point.loss:
            break
        point = trial
    return point


class _Point:
    """A filter, its loss, and what a step from it needs, computed once."""

    def __init__(self, patches, y, w):
        responses = patches.responses(w)
        self.patches = patches
        self.w = w
        self.active = responses > 0
        np.maximum(responses, 0, out=responses)
        self.residual = responses.sum(axis=1) - y
        self.loss = 0.5 * float(self.residual @ self.residual)

    @property
    def jacobian(self):
        """Sum of the active patches of each row, of shape (n, p)."""
        return self.patches.combine(self.active)

    @cached_property
    def model(self):
        """Gradient and Gauss-Newton matrix."""
        jacobian = self.jacobian
        return jacobian.T @ self.residual, jacobian.T @ jacobian

    @property
    def is_stationary(self):
        """Whether the gradient is rounding, or there is none."""
        gradient, matrix = self.model
        limit = _STATIONARY**2 * 2 * self.loss * np.trace(matrix)
        return float(gradient @ gradient) <= limit

    def step(self, damping):
        """Return the step for a damping, or None if it cannot be computed."""
        gradient, matrix = self.model
        damped = matrix.copy()
        damped[np.diag_indices(len(damped))] += damping * self._sizes
        try:
            factor = cho_factor(damped, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return None
        return -cho_solve(factor, gradient, check_finite=False)

    def expected_decrease(self, change, damping):
        """Return the decrease of the loss that the linear model promises."""
        gradient, _ = self.model
        return 0.5 * float(damping * self._sizes @ change**2 - change @ gradient)

    @property
    def _sizes(self):
        """Squared columns of the Jacobian: damping that no scale of inputs changes."""
        sizes = np.diag(self.model[1])
        return np.where(sizes > 1e-30 * sizes.max(), sizes, sizes.max())
