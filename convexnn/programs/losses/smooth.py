"""Losses with a gradient everywhere, and squares with straight tails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from .loss import Loss, Offset, beside
from .squares import OutputwiseSquaredLoss, SquaredLoss

__all__ = ["HuberLoss", "SmoothLoss"]

#: Curvature of a quadratic model, at least, as a share of the largest possible or of 1.
_LEAST_CURVATURE = 1e-3

#: How far rounding may take a dual point out of the domain of the conjugate.
ROUNDING = 1e-9

#: Most steps to the intercept, and the slope there as a share of the weights.
INTERCEPT_STEPS, FLAT = 100, 1e-13


class SmoothLoss(Loss):
    """Losses that are a sum of a function of each output, with a search for c.

    Several outputs are those of as many problems that share their samples: targets of
    shape (n, q) have the sum over their columns as loss. Subclasses have
    ``_values(f, y)``, ``_slopes(f, y)``, ``_curvatures(f, y)``, ``_duals(v, y)`` and
    ``_bracket(f, y)``, entry by entry, and `_largest_curvature`.
    """

    _largest_curvature = 1.0
    _values: Callable[[np.ndarray, np.ndarray], np.ndarray]
    _slopes: Callable[[np.ndarray, np.ndarray], np.ndarray]
    _curvatures: Callable[[np.ndarray, np.ndarray], np.ndarray]
    _duals: Callable[[np.ndarray, np.ndarray], np.ndarray]
    _bracket: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

    def offset(self, z: np.ndarray, near: Offset | None = None) -> Offset:
        """Return the intercept c that minimises the loss at the output z."""
        shape = z.shape[1:]
        if not self.intercept:
            return np.zeros(shape) if shape else 0.0
        f, y = self._columns(z)
        start = np.zeros(f.shape[1]) if near is None else np.reshape(near, -1)
        found = self._search(f, y, start)
        return found.reshape(shape) if shape else float(found[0])

    def dual_value(self, v: np.ndarray) -> float:
        """Return ``-L*(-v)``, the dual objective of a dual point v.

        It is minus infinity outside the domain of the conjugate.
        """
        weights = beside(self.weights, v)
        duals = self._duals(v / weights, self.y)
        return float(np.sum(weights * duals)) + self.constant

    def quadratic_model(self, z: np.ndarray) -> SquaredLoss:
        """Return the squared loss that agrees with this one at z to second order.

        Curvatures below a thousandth of the largest possible one are raised to that.
        """
        offset = self.offset(z)
        f, y = self._columns(z + offset)
        curvatures = self._curvatures(f, y).max(axis=1)
        return self._model(z, offset, curvatures)

    def outputwise_model(self, z: np.ndarray) -> SquaredLoss:
        """Return the same for several outputs with a curvature for each of them."""
        offset = self.offset(z)
        return self._model(z, offset, self._curvatures(*self._columns(z + offset)))

    def evaluate(
        self, z: np.ndarray, near: Offset | None = None
    ) -> tuple[float | np.ndarray, np.ndarray, Offset | None]:
        """Return value, dual point and intercept at one output.

        `near` is an intercept to start from where it takes a search.
        """
        offset = self.offset(z, near)
        return self._value_at(z, offset), self._dual_point_at(z, offset), offset

    def evaluate_at(
        self, z: np.ndarray, offset: Offset
    ) -> tuple[float | np.ndarray, np.ndarray]:
        """Return value and dual point at one output and a given intercept."""
        return self._value_at(z, offset), self._dual_point_at(z, offset)

    def value(self, z: np.ndarray) -> float | np.ndarray:
        """Return L(z), a float for one output and an array for several."""
        return self._value_at(z, self.offset(z))

    def dual_point(self, z: np.ndarray) -> np.ndarray:
        """Return minus the gradient of L at z; it sums to 0 with an intercept."""
        return self._dual_point_at(z, self.offset(z))

    @property
    def smoothness(self) -> float:
        """Lipschitz constant of the gradient."""
        return self._largest_curvature * float(self.weights.max())

    def majorizer(self) -> SquaredLoss:
        """Return a squared loss whose curvature is nowhere below this one's."""
        weights = self._largest_curvature * self.weights
        return SquaredLoss(self.y, weights, intercept=False)

    def _model(
        self, z: np.ndarray, offset: Offset, curvatures: np.ndarray
    ) -> SquaredLoss:
        floor = _LEAST_CURVATURE * min(self._largest_curvature, 1.0)
        curvatures = np.maximum(curvatures, floor)
        weights = beside(self.weights, curvatures) * curvatures
        v = self._dual_point_at(z, offset)
        steps = v / beside(weights, v)
        gain = 0.5 * float(np.sum(v * steps))
        constant = float(self._value_at(z, offset)) - gain
        kind = SquaredLoss if weights.ndim == 1 else OutputwiseSquaredLoss
        return kind(
            z + offset + steps, weights, intercept=self.intercept, constant=constant
        )

    def _value_at(self, z: np.ndarray, offset: Offset) -> float | np.ndarray:
        f, y = self._columns(z + offset)
        values = self.weights @ self._values(f, y)
        values = values.reshape(z.shape[1:])
        if self.y.ndim == 2:
            values = values.sum(axis=0)
        return values + self.constant

    def _dual_point_at(self, z: np.ndarray, offset: Offset) -> np.ndarray:
        f, y = self._columns(z + offset)
        slopes = self._slopes(f, y).reshape(z.shape)
        return -beside(self.weights, slopes) * slopes

    def _columns(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return outputs and targets as matrices of the same shape."""
        f = np.asarray(z, dtype=np.float64).reshape(len(z), -1)
        y = self.y.reshape(len(z), -1)
        return f, np.repeat(y, f.shape[1] // y.shape[1], axis=1)

    def _search(self, f: np.ndarray, y: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Return the zero of the slope of each column, by Newton steps in a bracket."""
        low, high = self._bracket(f, y)
        c = np.clip(c, low, high)
        step = high - low
        for _ in range(INTERCEPT_STEPS):
            slope = self.weights @ self._slopes(f + c, y)
            curvature = self.weights @ self._curvatures(f + c, y)
            low, high = np.where(slope < 0, c, low), np.where(slope > 0, c, high)
            done = (np.abs(slope) <= FLAT * self._total) | (high - low <= 1e-15)
            if done.all():
                break
            with np.errstate(divide="ignore", invalid="ignore"):
                newton = c - slope / curvature
            # Steps that do not halve, or leave the bracket, give way to bisection.
            trusted = (newton > low) & (newton < high)
            trusted &= np.abs(newton - c) <= 0.5 * step
            following = np.where(trusted, newton, 0.5 * (low + high))
            following = np.where(done, c, following)
            step, c = np.abs(following - c), following
        return c


class HuberLoss(SmoothLoss):
    """Squares with straight lines beyond a residual of epsilon.

    For ``r = abs(f - y)`` it is ``r^2 / 2`` up to epsilon, then
    ``epsilon * (r - epsilon / 2)``.

    Parameters
    ----------
    y, weights, intercept, constant
        Of :class:`~convexnn.programs.losses.Loss`.
    epsilon : float, default=1.35
        Residual from which on the loss is linear.
    """

    def __init__(
        self,
        y: np.ndarray,
        weights: np.ndarray,
        *,
        intercept: bool,
        constant: float = 0.0,
        epsilon: float = 1.35,
    ) -> None:
        super().__init__(y, weights, intercept=intercept, constant=constant)
        self.epsilon = epsilon

    def rounded(self) -> Self:
        """Return the loss of targets, weights and epsilon in single precision."""
        other = super().rounded()
        other.epsilon = float(np.float32(self.epsilon))
        return other

    def _values(self, f: np.ndarray, y: np.ndarray) -> np.ndarray:
        size = np.abs(f - y)
        near = np.minimum(size, self.epsilon)
        return near * (size - 0.5 * near)

    def _slopes(self, f: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.clip(f - y, -self.epsilon, self.epsilon)

    def _curvatures(self, f: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (np.abs(f - y) <= self.epsilon).astype(float)

    def _duals(self, v: np.ndarray, y: np.ndarray) -> np.ndarray:
        inside = np.abs(v) <= self.epsilon * (1 + ROUNDING)
        return np.where(inside, v * y - 0.5 * v**2, -np.inf)

    def _largest_scale(self, v: np.ndarray) -> float:
        largest = float(np.max(np.abs(v) / beside(self.weights, v)))
        return self.epsilon / largest if largest > 0 else np.inf

    def _bracket(self, f: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.min(y - f, axis=0), np.max(y - f, axis=0)
