"""Losses of the margins of labels of -1 and 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, xlogy

from .loss import Loss, Offset, beside
from .smooth import ROUNDING, SmoothLoss

__all__ = [
    "HingeLoss",
    "LogisticLoss",
    "MarginLoss",
    "RoundedHingeLoss",
    "SquaredHingeLoss",
]


class MarginLoss(SmoothLoss):
    """Losses of the margin ``m = y f`` of labels y of -1 and 1."""

    has_labels = True

    #: Largest slope, in magnitude.
    _most = np.inf

    _of_margins: Callable[[np.ndarray], np.ndarray]
    _slopes_of_margins: Callable[[np.ndarray], np.ndarray]
    _duals_of_shares: Callable[[np.ndarray], np.ndarray]

    def _values(self, f: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._of_margins(y * f)

    def _slopes(self, f: np.ndarray, y: np.ndarray) -> np.ndarray:
        return y * self._slopes_of_margins(y * f)

    def _duals(self, v: np.ndarray, y: np.ndarray) -> np.ndarray:
        shares = y * v
        inside = (shares >= -ROUNDING) & (shares <= self._most + ROUNDING)
        duals = self._duals_of_shares(np.clip(shares, 0.0, self._most))
        return np.where(inside, duals, -np.inf)

    def _largest_scale(self, v: np.ndarray) -> float:
        largest = float(np.max(self.y * v / beside(self.weights, v)))
        return self._most / largest if largest > 0 else np.inf

    def _bracket(self, f: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.min(-1 - f, axis=0), np.max(1 - f, axis=0)


class LogisticLoss(MarginLoss):
    """Logistic loss of labels y of -1 and 1: ``log(1 + exp(-y f))``."""

    _largest_curvature = 0.25
    _most = 1.0

    def evaluate_at(
        self, z: np.ndarray, offset: Offset
    ) -> tuple[float | np.ndarray, np.ndarray]:
        """Return value and dual point, which share their exponentials."""
        f, y = self._columns(z + offset)
        margins = y * f
        small = np.exp(-np.abs(margins))
        values = np.log1p(small) + np.maximum(-margins, 0)
        slopes = np.where(margins < 0, 1.0, small) / (1.0 + small)
        duals = self.weights[:, None] * y * slopes
        total = float((self.weights @ values).sum())
        return total + self.constant, duals.reshape(z.shape)

    def _of_margins(self, m: np.ndarray) -> np.ndarray:
        return np.logaddexp(0.0, -m)

    def _slopes_of_margins(self, m: np.ndarray) -> np.ndarray:
        return -expit(-m)

    def _curvatures(self, f: np.ndarray, y: np.ndarray) -> np.ndarray:
        share = expit(f)
        return share * (1 - share)

    def _duals_of_shares(self, a: np.ndarray) -> np.ndarray:
        return -xlogy(a, a) - xlogy(1 - a, 1 - a)

    def _bracket(self, f: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(divide="ignore"):
            odds = np.log(self.weights @ (y > 0)) - np.log(self.weights @ (y < 0))
        return np.min(-f, axis=0) + odds, np.max(-f, axis=0) + odds


class SquaredHingeLoss(MarginLoss):
    """Half the squared hinge of labels y of -1 and 1: ``max(0, 1 - y f)^2 / 2``."""

    def _of_margins(self, m: np.ndarray) -> np.ndarray:
        return 0.5 * np.maximum(1 - m, 0) ** 2

    def _slopes_of_margins(self, m: np.ndarray) -> np.ndarray:
        return -np.maximum(1 - m, 0)

    def _curvatures(self, f: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (y * f < 1).astype(float)

    def _duals_of_shares(self, a: np.ndarray) -> np.ndarray:
        return a - 0.5 * a**2


class RoundedHingeLoss(MarginLoss):
    """Hinge with a parabola in place of its kink, over margins 1 - width to 1."""

    _most = 1.0

    def __init__(
        self,
        y: np.ndarray,
        weights: np.ndarray,
        *,
        intercept: bool,
        constant: float = 0.0,
        width: float = 1e-3,
    ) -> None:
        super().__init__(y, weights, intercept=intercept, constant=constant)
        self.width = width
        self._largest_curvature = 1 / width

    def _of_margins(self, m: np.ndarray) -> np.ndarray:
        short = np.clip(1 - m, 0, self.width)
        return np.maximum(1 - m - self.width, 0) + short**2 / (2 * self.width)

    def _slopes_of_margins(self, m: np.ndarray) -> np.ndarray:
        return -np.clip((1 - m) / self.width, 0, 1)

    def _curvatures(self, f: np.ndarray, y: np.ndarray) -> np.ndarray:
        m = y * f
        return ((m < 1) & (m > 1 - self.width)) / self.width

    def _duals_of_shares(self, a: np.ndarray) -> np.ndarray:
        return a - 0.5 * self.width * a**2


class HingeLoss(RoundedHingeLoss):
    """Hinge of labels y of -1 and 1: ``max(0, 1 - y f)``.

    Its value and conjugate are exact. As the kink has no gradient, the dual point and
    the intercept are those of the hinge with a parabola over a thousandth of the margin
    in place of the kink: a dual point is feasible for the hinge too, and the value is
    that at this intercept.
    """

    is_smooth = False

    def smoothed(self, width: float) -> Loss:
        """Return the hinge rounded over a width, at least a thousandth."""
        return RoundedHingeLoss(
            self.y,
            self.weights,
            intercept=self.intercept,
            constant=self.constant,
            width=max(width, self.width),
        )

    def _of_margins(self, m: np.ndarray) -> np.ndarray:
        return np.maximum(1 - m, 0)

    def _duals_of_shares(self, a: np.ndarray) -> np.ndarray:
        return a
