"""What all losses share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Self

import numpy as np
from scipy.optimize import minimize_scalar

__all__ = ["Loss", "Offset", "beside"]

#: The intercept of one output, or those of several.
Offset = float | np.ndarray


class Loss(ABC):
    """What all losses share.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, q)
        Targets.
    weights : ndarray of shape (n,)
        Positive sample weights s.
    intercept : bool
        Whether the constant c, one for each of the q outputs, is free and unpenalised.
    constant : float, default=0.0
        Added to every value; no network changes it.
    """

    #: Whether the loss is half a weighted sum of squares.
    is_quadratic = False

    #: Whether the targets are labels, which have no units.
    has_labels = False

    #: Whether the loss itself has a gradient everywhere.
    is_smooth = True

    def __init__(
        self,
        y: np.ndarray,
        weights: np.ndarray,
        *,
        intercept: bool,
        constant: float = 0.0,
    ) -> None:
        self.y = y
        self.weights = weights
        self.intercept = intercept
        self.constant = constant
        self._total = float(weights.sum())

    @property
    def is_vector(self) -> bool:
        """Whether targets, and outputs, have several columns."""
        return self.y.ndim == 2

    @abstractmethod
    def offset(self, z: np.ndarray, near: Offset | None = None) -> Offset:
        """Return the intercept c that minimises the loss at the output z."""

    @abstractmethod
    def value(self, z: np.ndarray) -> float | np.ndarray:
        """Return L(z), a float for one output and an array for several."""

    @abstractmethod
    def dual_point(self, z: np.ndarray) -> np.ndarray:
        """Return minus the gradient of L at z; it sums to 0 with an intercept."""

    @abstractmethod
    def evaluate(
        self, z: np.ndarray, near: Offset | None = None
    ) -> tuple[float | np.ndarray, np.ndarray, Offset | None]:
        """Return value, dual point and intercept at one output.

        `near` is an intercept to start from where it takes a search.
        """

    @abstractmethod
    def dual_value(self, v: np.ndarray) -> float:
        """Return ``-L*(-v)``, the dual objective of a dual point v."""

    @abstractmethod
    def majorizer(self) -> Loss:
        """Return a squared loss whose curvature is nowhere below this one's."""

    @property
    @abstractmethod
    def smoothness(self) -> float:
        """Lipschitz constant of the gradient."""

    def rounded(self) -> Self:
        """Return the loss of targets and weights rounded to single precision.

        Descents start from it: a change of units moves the last bits of the targets,
        and each step magnifies what that changes.
        """
        other = copy(self)
        other.y, other.weights = _rounded(self.y), _rounded(self.weights)
        other.constant = float(np.float32(self.constant))
        other._total = float(other.weights.sum())
        return other

    def smoothed(self, width: float) -> Loss:
        """Return a smooth loss near this one: itself, if it is smooth."""
        return self

    def bound(self, v: np.ndarray, beta: float, price: float) -> float:
        """Return the best lower bound that the multiples of a dual point prove.

        A dual point of price p, the largest norm that a unit or group makes of it, is
        feasible after division by ``p / beta``, and so are all smaller multiples of
        it. Their largest dual value bounds every objective from below (three-layer
        paper, eq. 6).

        Parameters
        ----------
        v : ndarray of shape (n,) or (n, q)
            Dual point.
        beta : float
            Penalty.
        price : float
            Its price, or a bound on it from above.

        Returns
        -------
        float
            The bound.

        Examples
        --------
        >>> import numpy as np
        >>> from convexnn.programs.losses import SquaredLoss
        >>> loss = SquaredLoss(np.array([3.0, 4.0]), np.ones(2), intercept=False)
        >>> loss.bound(loss.y, beta=1.0, price=2.0), loss.bound(loss.y, 1.0, 0.0)
        (9.375, 12.5)
        """
        limit = beta / price if price > 0 else np.inf
        return self.dual_value(self.best_scale(v, limit) * v)

    def best_scale(self, v: np.ndarray, limit: float) -> float:
        """Return the t in [0, limit] that maximises ``dual_value(t * v)``."""
        limit = min(limit, self._largest_scale(v))
        if not limit > 0:
            return 0.0
        if not np.isfinite(limit):
            # Beyond twice the scale of a gradient every dual falls.
            limit = 2.0
        found = minimize_scalar(
            lambda t: -self.dual_value(t * v),
            bounds=(0.0, limit),
            method="bounded",
            options={"xatol": 1e-9 * limit},
        ).x
        return max((float(found), limit), key=lambda t: self.dual_value(t * v))

    def _largest_scale(self, v: np.ndarray) -> float:
        """Return the t up to which ``t * v`` is in the domain of the conjugate."""
        return np.inf


def beside(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return values of the samples with as many axes as some other array has."""
    return values.reshape(values.shape + (1,) * (other.ndim - values.ndim))


def _rounded(array: np.ndarray) -> np.ndarray:
    """Return an array in double precision with the digits of single precision."""
    return array.astype(np.float32).astype(np.float64)
