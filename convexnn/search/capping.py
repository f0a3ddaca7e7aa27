"""Networks cut to their largest units, and trained again."""

from __future__ import annotations

import numpy as np

from ..architectures import Architecture, Units
from ..programs.losses import Loss
from ..solvers.time_limit import is_out_of_time
from .descent import descend
from .polish import polish
from .schedule import schedule_of

__all__ = ["capped"]


def capped(
    architecture: Architecture,
    X: np.ndarray,
    loss: Loss,
    beta: float,
    units: Units,
    n_units: int,
    tol: float,
) -> Units:
    """Return the largest units of a network, trained without the others.

    Over the cells they are in, and then by descents, free to leave these; the best of
    all is kept, so that the cut itself is the worst that can come of it.

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
        The network.
    n_units : int
        Number of units to keep.
    tol : float
        Relative gap to which the program over the cells of the units is solved.

    Returns
    -------
    Units
        At most as many. A :func:`~convexnn.solvers.time_limit.time_limit` ends the
        training early.
    """
    about = X, loss, beta
    order = np.argsort(-architecture.norms(units), kind="stable")[:n_units]
    best = units.take(np.sort(order))
    if is_out_of_time():
        return best

    def value(units):
        return architecture.value(*about, units)

    best = min(best, polish(architecture, *about, best, tol=tol), key=value)
    descended = best
    schedule = schedule_of(architecture, 0.0)
    for width, n_steps in schedule.stages.widths:
        if is_out_of_time():
            break
        descended = descend(
            *(architecture, *about, descended),
            width=width,
            n_steps=n_steps,
            least=schedule.least_capped,
        )
        best = min(best, descended, key=value)
    return best
