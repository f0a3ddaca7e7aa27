"""Half a weighted sum of squares."""

from __future__ import annotations

import numpy as np

from .loss import Loss, Offset, beside

__all__ = ["OutputwiseSquaredLoss", "SquaredLoss"]

#: Size of a residual, relative to the targets, that is rounding.
_ROUNDING = 4 * np.finfo(float).eps


class SquaredLoss(Loss):
    """Half the weighted sum of squares: ``l(f, y) = norm2(f - y)^2 / 2``.

    See :class:`~convexnn.programs.losses.Loss` for the parameters. Everything is in
    closed form.
    """

    is_quadratic = True

    def majorizer(self) -> SquaredLoss:
        """Return a squared loss whose curvature is nowhere below this one's."""
        return self

    def centre(self, z: np.ndarray) -> np.ndarray:
        """Return z less its weighted mean when an intercept is fitted, else z."""
        return z - self._mean(z) if self.intercept else z

    def offset(self, z: np.ndarray, near: Offset | None = None) -> Offset:
        """Return the intercept c that minimises the loss at the output z."""
        if self.intercept:
            return self._mean(self.y - z)
        return 0.0 if self.y.ndim == 1 else np.zeros(self.y.shape[1])

    def value(self, z: np.ndarray) -> float | np.ndarray:
        """Return L(z), a float for one output and an array for several."""
        squares = self.centre(beside(self.y, z) - z) ** 2
        if self.y.ndim == 2:
            squares = squares.sum(axis=1)
        return 0.5 * (self.weights @ squares) + self.constant

    def dual_point(self, z: np.ndarray) -> np.ndarray:
        """Return minus the gradient of L at z; it sums to 0 with an intercept."""
        return beside(self.weights, z) * self.centre(self.y - z)

    def evaluate(
        self, z: np.ndarray, near: Offset | None = None
    ) -> tuple[float | np.ndarray, np.ndarray, Offset | None]:
        """Return value, dual point and intercept at one output."""
        return self.value(z), self.dual_point(z), None

    def dual_value(self, v: np.ndarray) -> float:
        """Return ``-L*(-v)``, the dual objective of a dual point v."""
        inner, square = float(np.vdot(v, self.y)), self._square(v)
        return inner - 0.5 * square + self.constant

    def best_scale(self, v: np.ndarray, limit: float) -> float:
        """Return the t in [0, limit] that maximises ``dual_value(t * v)``."""
        norm = self._square(v)
        # What is left of an exact fit is rounding, of which no multiple is a bound.
        if norm <= _ROUNDING**2 * float(np.sum(beside(self.weights, v) * self.y**2)):
            return 0.0
        return float(np.clip(np.vdot(v, self.y) / norm, 0.0, limit))

    @property
    def smoothness(self) -> float:
        """Lipschitz constant of the gradient."""
        return float(self.weights.max())

    def _square(self, v: np.ndarray) -> float:
        return float(np.sum(v**2 / beside(self.weights, v)))

    def _mean(self, z: np.ndarray) -> float | np.ndarray:
        if z.ndim < 3:
            return self.weights @ z / self._total
        return np.tensordot(self.weights, z, axes=1) / self._total


class OutputwiseSquaredLoss(SquaredLoss):
    """Half the weighted sum of squares, with weights of shape (n, q)."""

    def value(self, z: np.ndarray) -> float | np.ndarray:
        """Return L(z), a float for one output and an array for several."""
        squares = self.centre(beside(self.y, z) - z) ** 2
        total = np.sum(beside(self.weights, z) * squares, axis=(0, 1))
        return 0.5 * total + self.constant

    def _mean(self, z: np.ndarray) -> float | np.ndarray:
        weights = beside(self.weights, z)
        return np.sum(weights * z, axis=0) / weights.sum(axis=0)
