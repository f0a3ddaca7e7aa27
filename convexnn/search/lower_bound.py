"""The best dual point of a search, and what it says of the optimum."""

from __future__ import annotations

import numpy as np

from ..architectures import Architecture
from ..programs.losses import Loss
from .listed import Arrangement

__all__ = ["LowerBound"]


class LowerBound:
    """The best of the dual points that were priced.

    Parameters
    ----------
    architecture : Architecture
        Of :mod:`convexnn.architectures`.
    X : ndarray of shape (n, d)
        Inputs.
    loss : Loss
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty.

    Attributes
    ----------
    value : float
        Its dual value: an estimate, as its price is the largest that was found.
    point : ndarray of shape (n,) or (n, q)
        The dual point, zero as long as there is none.
    is_proved : bool
        Whether it has been priced over all cells.
    rigorous : float
        The best bound of any dual point by its architecture's `price_bound`: looser,
        and a proof.
    """

    def __init__(
        self, architecture: Architecture, X: np.ndarray, loss: Loss, beta: float
    ) -> None:
        self.architecture, self.X = architecture, X
        self.loss, self.beta = loss, beta
        self.rigorous = 0.0
        self.forget()

    def forget(self) -> None:
        """Forget the dual point."""
        self.value = self._price = 0.0
        self.point = np.zeros_like(self.loss.y)
        self.is_proved = False

    def take(
        self, v: np.ndarray, price: float, directions: np.ndarray | None = None
    ) -> None:
        """Take a dual point of some price, if it is the best.

        What was found for it may tell against the one that is known.
        """
        bound = self.architecture.price_bound(self.X, v)
        self.rigorous = max(self.rigorous, self.loss.bound(v, self.beta, bound))
        if directions is not None:
            self.doubt(directions)
        value = self.loss.bound(v, self.beta, price)
        if value > self.value or not self.point.any():
            self.value, self.point, self._price = value, v, price
            self.is_proved = False

    def doubt(self, directions: np.ndarray) -> None:
        """Hold the dual point against directions found for another."""
        values, _ = self.architecture.correlate(self.X, self.point, directions)
        self._raise(float(np.abs(values).max(initial=0.0)))

    def prove(self, arrangement: Arrangement) -> np.ndarray | None:
        """Price the dual point over all cells; return a direction that was missed."""
        price, missed = arrangement.price(self.point, self._price)
        self.is_proved = True
        return missed if self._raise(price) else None

    def _raise(self, price):
        """Take a larger price of the dual point; return whether it is one."""
        if price <= self._price:
            return False
        self._price = price
        self.value = self.loss.bound(self.point, self.beta, price)
        return True
