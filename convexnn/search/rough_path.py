"""Networks of plain units along descending penalties, by a few descents at each.

No pricing, no polish, no certificate: what such networks predict tells where along a
path of penalties the best one lies, for a small part of what the optima there cost.
Each penalty begins with the units of the one before; units that have died come back as
small random ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..architectures import Architecture, Units
from ..programs.losses import Loss
from .descent import Objective, minimised
from .schedule import ALONG_PATHS

__all__ = ["RoughPath", "RoughUnits"]

#: Relative decrease in a step below which a descent ends: single precision ends there.
_SLOW = 1e-7


@dataclass(frozen=True)
class RoughUnits:
    """Where descents at one penalty ended.

    Attributes
    ----------
    units : Units
        All of them, whether dead or alive, in their order.
    offset : float or ndarray of shape (q,)
        Intercept.
    objective : float
        Value of the objective there.
    random_state : numpy.random.RandomState
        Source of the units that come next.
    """

    units: Units
    offset: float | np.ndarray
    objective: float
    random_state: np.random.RandomState


class RoughPath:
    """Descends from penalty to penalty.

    Parameters
    ----------
    architecture : Architecture
        Of :mod:`convexnn.architectures`.
    X : ndarray of shape (n, d)
        Inputs.
    loss : Loss
        A loss of :mod:`convexnn.programs.losses`.
    n_units : int
        Number of units.
    random_state : numpy.random.RandomState
        Source of the units of a path that begins.
    last : RoughUnits, default=None
        Where a path ended that is to be gone on with.
    """

    def __init__(
        self,
        architecture: Architecture,
        X: np.ndarray,
        loss: Loss,
        *,
        n_units: int,
        random_state: np.random.RandomState,
        last: RoughUnits | None = None,
    ) -> None:
        self.architecture, self.X, self.loss = architecture, X, loss
        self.n_units, self.last = n_units, last
        self.random_state = random_state if last is None else last.random_state
        self._at_zero = float(loss.value(np.zeros_like(loss.y)))

    def follow(self, beta: float) -> RoughUnits:
        """Descend at the next penalty.

        Parameters
        ----------
        beta : float
            Penalty, smaller than the one before.

        Returns
        -------
        RoughUnits
            Where the descent ended.
        """
        about = self.X, self.loss
        least = ALONG_PATHS.no_better * self._at_zero
        if self.last is None or self.last.objective > least:
            units = self.architecture.random_units(
                *about, beta, self.n_units, self.random_state
            )
            n_steps, offset = ALONG_PATHS.first_steps, None
        else:
            fresh = self.architecture.draw(
                self.X, self.loss.y, self.n_units, self.random_state
            )
            units = _revived(self.architecture, self.last.units, *fresh)
            n_steps, offset = ALONG_PATHS.steps, self.last.offset
        self.last = self._descend(units, beta, n_steps, offset)
        return self.last

    def _descend(self, units, beta, n_steps, offset):
        about = self.architecture, self.X, self.loss, beta
        objective = Objective(*about, units)
        start = objective.start
        # Squares know their best intercepts in closed form; those of other losses
        # are weights like the others, rather than a search in every step.
        is_free = self.loss.intercept and not self.loss.is_quadratic
        function = objective
        if is_free:
            function = objective.at_intercepts
            if offset is None:
                offset = self.loss.offset(np.zeros_like(self.loss.y))
            start = np.append(start, offset)
        flat = minimised(function, start, n_steps=n_steps, slow=_SLOW)
        flat = flat[: start.size - np.size(offset)] if is_free else flat
        units = objective.units(flat)
        z = objective.output(flat)
        value, _, offset = self.loss.evaluate(z)
        if offset is None:
            offset = self.loss.offset(z)
        penalty = beta * float(self.architecture.norms(units).sum())
        return RoughUnits(units, offset, float(value) + penalty, self.random_state)


def _revived(architecture, units, directions, heads):
    """Return balanced units, with small fresh ones in place of those that have died."""
    norms = architecture.norms(units)
    alive = norms > ALONG_PATHS.dead * norms.max()
    share = ALONG_PATHS.revived
    size = share * norms[alive].mean() if alive.any() else share**2
    fresh = architecture.units_of(directions, heads)
    fresh = architecture.scaled(fresh, np.full(len(fresh), size))
    hidden, output = fresh.hidden.copy(), fresh.output.copy()
    # Layers of equal norm have the smallest penalty.
    living = architecture.balanced(units.take(alive))
    hidden[:, alive], output[alive] = living.hidden, living.output
    return Units(hidden, output)
