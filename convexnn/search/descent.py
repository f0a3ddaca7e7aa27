"""Descent over all units of a network at once, their directions free to change cell.

The kinks of the units stall quasi-Newton methods long before the optimum; a smoothed
unit whose width shrinks in a few stages does not. What a stage returns is judged by
the true objective, so smoothing can lead the way but not deceive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from scipy.optimize import minimize

from ..architectures import Architecture, Units
from ..architectures.rectifiers import Widths
from ..programs.losses import Loss, Offset, SmoothLoss
from ..solvers.time_limit import is_out_of_time
from .coordinates import coordinates_of

__all__ = ["Objective", "descend", "minimised"]

#: Smoothing from which on single precision is exact enough; so it is without any.
_COARSE = 0.003

#: Steps over which the rate of decrease is measured.
_WINDOW = 10


class Objective:
    """Objective of smoothed units as a function of all their weights in one vector.

    The penalty is ``beta / 2`` times the squares of all weights; units of several
    hidden layers have output weights of norm 1, whose lengths do not count.

    Parameters
    ----------
    architecture, X, loss, beta, units
        Of :func:`descend`.
    is_exact : bool, default=False
        Whether to compute in double precision.
    """

    def __init__(
        self,
        architecture: Architecture,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        units: Units,
        *,
        is_exact: bool = False,
    ) -> None:
        self.architecture, self.like = architecture, units
        about: tuple = architecture, X, loss, beta, units
        self.coordinates = coordinates_of(architecture)(*about, is_exact=is_exact)
        self.beta, self.X = self.coordinates.beta, self.coordinates.X
        self.scales, self.decay = self.coordinates.scales, self.coordinates.decay
        self.loss = self.coordinates.loss.smoothed(0.0)
        self.width: Widths = 0.0
        self.offset: Offset | None = None

    def smooth(self, X: np.ndarray, width: float) -> None:
        """Smooth the kinks, by a width relative to what enters the rectifiers."""
        about = self.architecture, X, self.like
        self.loss = self.coordinates.loss.smoothed(width)
        self.width = self.coordinates.widths_of(*about, width) if width else 0.0

    @property
    def start(self) -> np.ndarray:
        """The weights of the units that it was made with, as one vector."""
        return self.coordinates.join(self.like)

    def units(self, flat: np.ndarray) -> Units:
        """Return the units of a vector."""
        return self.coordinates.split(flat)

    def output(self, flat: np.ndarray) -> np.ndarray:
        """Return the network's output, without intercept, in double precision."""
        return self._linearise(flat)[0].astype(np.float64)

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and gradient, the intercept being minimised out."""
        z, pull = self._linearise(flat)
        value, v, self.offset = self.loss.evaluate(z, self.offset)
        return self._with_penalty(flat, value, pull, v)

    def at_intercepts(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the same with the intercepts as the last entries of the vector."""
        weights, offset = np.split(flat, [self.decay.size])
        z, pull = self._linearise(weights)
        offset = offset.reshape(self.like.output.shape[1:])
        value, v = cast(SmoothLoss, self.loss).evaluate_at(z, offset)
        value, gradient = self._with_penalty(weights, value, pull, v)
        return value, np.append(gradient, -v.sum(axis=0))

    def _linearise(self, flat):
        flat = flat if self.scales is None else flat * self.scales
        flat = flat.astype(self.X.dtype, copy=False)
        hidden, output = self.coordinates.parts(flat)
        heads = self.coordinates.heads(output)
        z, pull = self.architecture.linearise(self.X, hidden, heads, self.width)

        def pull_parts(v):
            by_hidden, by_heads = pull(v)
            return by_hidden, self.coordinates.pull_heads(output, by_heads)

        return z, pull_parts

    def _with_penalty(self, flat, value, pull, v):
        by_hidden, by_output = pull(v.astype(self.X.dtype, copy=False))
        gradient = self.beta * (self.decay * flat)
        penalty = 0.5 * float(flat @ gradient)
        pulled = np.concatenate([by_hidden.reshape(-1), by_output.reshape(-1)])
        gradient -= pulled if self.scales is None else self.scales * pulled
        return float(value) + penalty, gradient


def descend(
    architecture: Architecture,
    X: np.ndarray,
    loss: Loss,
    beta: float,
    units: Units,
    *,
    width: float = 0.0,
    n_steps: int = 100,
    least: float = 0.0,
    observe: Callable[[float], None] | None = None,
) -> Units:
    """Lower the objective of smoothed units by L-BFGS.

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
    units : Units
        Where to start.
    width : float, default=0.0
        Width of the smoothing relative to the root mean square of the
        pre-activations; 0 for the units as they are. Unless it is narrow, single
        precision is exact enough for units of one hidden layer.
    n_steps : int, default=100
        Largest number of quasi-Newton steps.
    least : float, default=0.0
        Smallest relative decrease per step, over the last steps, to go on.
    observe : callable, default=None
        Called with the objective after every step without smoothing.

    Returns
    -------
    Units
        Balanced. Their true objective may be higher than at the start. A
        :func:`~convexnn.solvers.time_limit.time_limit` ends the steps early.
    """
    if not len(units):
        return units
    is_exact = 0 < width < _COARSE or architecture.degree > 1
    objective = Objective(architecture, X, loss, beta, units, is_exact=is_exact)
    objective.smooth(X, width)
    values = []

    def follow(value):
        values.append(value)
        if observe is not None and width == 0:
            observe(value)
        if len(values) <= _WINDOW:
            return True
        decrease = values[-_WINDOW - 1] - values[-1]
        return decrease >= least * _WINDOW * abs(values[-1])

    flat = minimised(objective, objective.start, n_steps=n_steps, follow=follow)
    return architecture.balanced(objective.units(flat))


def minimised(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    *,
    n_steps: int,
    follow: Callable[[float], bool] | None = None,
    slow: float = 1e-12,
) -> np.ndarray:
    """Return where L-BFGS ends, or was when time was up.

    Parameters
    ----------
    function : callable
        Returns value and gradient at a vector.
    start : ndarray
        The vector to begin at.
    n_steps : int
        Largest number of steps.
    follow : callable, default=None
        Called with the value after every step; returns whether to go on.
    slow : float, default=1e-12
        Relative decrease in a step below which it ends.

    Returns
    -------
    ndarray
        A vector.
    """

    def judge(intermediate_result):
        is_slow = follow is not None and not follow(intermediate_result.fun)
        if is_slow or is_out_of_time():
            raise StopIteration

    return minimize(
        function,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=judge,
        options={"maxiter": n_steps, "maxcor": 10, "ftol": slow, "gtol": 1e-12},
    ).x
