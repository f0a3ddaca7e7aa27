"""Cross entropy of softmax probabilities."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from .loss import Offset, beside
from .smooth import FLAT, INTERCEPT_STEPS, ROUNDING, SmoothLoss
from .squares import SquaredLoss

__all__ = ["MultinomialLoss"]

#: Largest change of an intercept in a step towards softmax probabilities.
_LONGEST_STEP = 10.0


class MultinomialLoss(SmoothLoss):
    """Cross entropy of softmax probabilities: ``logsumexp(f) - f_y``.

    Parameters
    ----------
    y : ndarray of shape (n, q)
        One in the column of each sample's class, else zero. Every class occurs.
    weights, intercept, constant
        Of :class:`~convexnn.programs.losses.Loss`. The intercepts sum to 0.
    """

    has_labels = True
    _largest_curvature = 0.5

    def offset(self, z: np.ndarray, near: Offset | None = None) -> Offset:
        """Return the intercepts c that minimise the loss at the output z."""
        if not self.intercept:
            return np.zeros(z.shape[1:])
        z = np.asarray(z, dtype=np.float64)
        if z.ndim == 2:
            start = np.zeros(z.shape[1]) if near is None else np.asarray(near)
            return self._minimise(z, start)
        offsets, start = np.empty(z.shape[1:]), np.zeros(z.shape[1])
        for k in range(z.shape[2]):
            start = offsets[:, k] = self._minimise(z[:, :, k], start)
        return offsets

    def dual_value(self, v: np.ndarray) -> float:
        """Return ``-L*(-v)``: the entropy of the probabilities that v stands for."""
        shares = self.y - v / self.weights[:, None]
        if max(-shares.min(), np.abs(shares.sum(axis=1) - 1).max()) > ROUNDING:
            return -np.inf
        shares = np.maximum(shares, 0.0)
        return float(-self.weights @ xlogy(shares, shares).sum(axis=1)) + self.constant

    def quadratic_model(self, z: np.ndarray) -> SquaredLoss:
        """Return a squared loss that agrees with this one at z in value and gradient.

        Its curvature, the same for all outputs of a sample, is a bound on the largest
        eigenvalue of the loss's.
        """
        offset = self.offset(z)
        return self._model(z, offset, self._bounds(z + offset).max(axis=1))

    def outputwise_model(self, z: np.ndarray) -> SquaredLoss:
        """Return the same with a curvature for each output, nowhere below the loss's.

        The sums of the sizes of the rows of the loss's Hessian are such curvatures.
        """
        offset = self.offset(z)
        return self._model(z, offset, self._bounds(z + offset))

    def evaluate(
        self, z: np.ndarray, near: Offset | None = None
    ) -> tuple[float | np.ndarray, np.ndarray, Offset | None]:
        """Return value, dual point and intercepts at one output."""
        offset = self.offset(z, near)
        return *self.evaluate_at(z, offset), offset

    def evaluate_at(
        self, z: np.ndarray, offset: Offset
    ) -> tuple[float | np.ndarray, np.ndarray]:
        """Return value and dual point, which share their probabilities."""
        value, shares = self._value_and_shares(z + offset)
        return value, self.weights[:, None] * (self.y - shares)

    def _value_at(self, z: np.ndarray, offset: Offset) -> float | np.ndarray:
        return self._value_and_shares(z + offset)[0]

    def _dual_point_at(self, z: np.ndarray, offset: Offset) -> np.ndarray:
        shares = self._value_and_shares(z + offset)[1]
        return self.weights[:, None] * (self.y - shares)

    def _bounds(self, f: np.ndarray) -> np.ndarray:
        shares = self._value_and_shares(f)[1]
        return 2 * shares * (1 - shares)

    def _value_and_shares(self, f: np.ndarray) -> tuple[float | np.ndarray, np.ndarray]:
        """Return the loss of outputs and their softmax probabilities."""
        f = np.asarray(f, dtype=np.float64)
        shares = f - f.max(axis=1, keepdims=True)
        chosen = np.sum(shares * beside(self.y, f), axis=1)
        np.exp(shares, out=shares)
        totals = shares.sum(axis=1, keepdims=True)
        shares /= totals
        losses = np.log(totals[:, 0]) - chosen
        return self.weights @ losses + self.constant, shares

    def _largest_scale(self, v: np.ndarray) -> float:
        shares = (v / self.weights[:, None] * self.y).max()
        return 1 / float(shares) if shares > 0 else np.inf

    def _minimise(self, z: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Return the best intercepts by Newton steps, shortened until they gain."""
        wanted = self.weights @ self.y
        value, shares = self._value_and_shares(z + c)
        for _ in range(INTERCEPT_STEPS):
            weighted = self.weights[:, None] * shares
            sums = weighted.sum(axis=0)
            slope = sums - wanted
            if np.abs(slope).max() <= FLAT * self._total:
                break
            hessian = np.diag(sums) - weighted.T @ shares
            # The intercepts of sum zero are those that the loss tells apart; where all
            # shares are near 0 or 1 the steps are kept in bounds.
            hessian += self._total / len(c) ** 2
            hessian[np.diag_indices_from(hessian)] += 1e-12 * self._total
            step = np.linalg.solve(hessian, -slope)
            step *= min(1.0, _LONGEST_STEP / np.abs(step).max())
            length = 1.0
            reached, shares = self._value_and_shares(z + (c + step))
            # The last steps change the value by less than its rounding.
            allowed = value + 1e-13 * max(abs(float(value)), 1.0)
            while reached > allowed and length > 1e-10:
                length *= 0.5
                reached, shares = self._value_and_shares(z + (c + length * step))
            if reached > allowed:
                break
            c, value = c + length * step, reached
        return c
