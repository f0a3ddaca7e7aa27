"""Convex losses of a network's output: value, gradient, conjugate, smoothness.

Shapes: outputs `z` are of shape (n,) or (n, k); in the second case each column is
a network's output and values come back with shape (k,).
"""

from __future__ import annotations

import numpy as np

__all__ = ["SquaredLoss"]


class SquaredLoss:
    """Half the weighted sum of squares, an output intercept minimised out.

    The loss of an output z in R^n is ::

        L(z) = min over c of 1/2 * sum_i s_i * (z_i + c - y_i)**2 + constant

    where c is fixed at 0 without an intercept. It is the sum over samples, as in
    the papers, not the mean.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets.
    weights : ndarray of shape (n,)
        Positive sample weights s.
    intercept : bool
        Whether the constant c is free and unpenalised.
    constant : float, default=0.0
        Added to every value; no network changes it.
    """

    def __init__(self, y, weights, *, intercept, constant=0.0):
        self.weights = weights
        self.intercept = intercept
        self.constant = constant
        self._total = float(weights.sum())
        self.y = y

    def centre(self, z):
        """Return z less its weighted mean when an intercept is fitted, else z."""
        return z - self._mean(z) if self.intercept else z

    def offset(self, z):
        """Return the intercept c that minimises the loss at the output z."""
        return self._mean(self.y - z) if self.intercept else 0.0

    def value(self, z):
        """Return L(z), a float for one output and an array for columns of outputs."""
        residual = self.centre((self.y - z.T).T)
        return 0.5 * (self.weights @ residual**2) + self.constant

    def dual_point(self, z):
        """Return minus the gradient of L at z; it sums to 0 with an intercept."""
        return self.weights * self.centre(self.y - z)

    def dual_value(self, v):
        """Return ``-L*(-v)``, the dual objective of a dual point v.

        For v with ``abs(v' phi) <= beta`` over the atoms phi, and sum 0 where an
        intercept is fitted, it is a lower bound on the optimum (three-layer
        paper, eq. 6).
        """
        return float(v @ self.y - 0.5 * np.sum(v**2 / self.weights)) + self.constant

    def best_scale(self, v, limit):
        """Return the t in [0, limit] that maximises ``dual_value(t * v)``."""
        norm = float(np.sum(v**2 / self.weights))
        return float(np.clip(v @ self.y / norm, 0.0, limit)) if norm > 0 else 0.0

    @property
    def smoothness(self):
        """Lipschitz constant of the gradient."""
        return float(self.weights.max())

    def _mean(self, z):
        return self.weights @ z / self._total
