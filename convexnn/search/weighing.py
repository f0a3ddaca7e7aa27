"""The best factors of given units, jointly: a convex problem."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from ..architectures import Architecture, Units
from ..programs.losses import Loss
from ..solvers.time_limit import is_out_of_time

__all__ = ["weighed"]


def weighed(
    architecture: Architecture,
    X: np.ndarray,
    loss: Loss,
    beta: float,
    units: Units,
    n_known: int,
) -> Units:
    """Return units with the best factors >= 0, those of factor 0 left out.

    Minimises ``L(sum_k t_k phi(X; z_k) a_k') + beta sum_k t_k norm_k`` over t >= 0.

    Parameters
    ----------
    architecture : Architecture
        Of :mod:`convexnn.architectures`, with `scaled`.
    X : ndarray of shape (n, d)
        Inputs.
    loss : Loss
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty.
    units : Units
        The units.
    n_known : int
        The first units, so many, start at one, the others at zero.

    Returns
    -------
    Units
        As many or fewer. A :func:`~convexnn.solvers.time_limit.time_limit` ends the
        steps early.
    """
    if not len(units):
        return units
    atoms, norms = architecture.atoms(X, units.hidden), architecture.norms(units)
    heads = units.output
    is_single = heads.ndim == 1
    atoms = atoms * heads if is_single else atoms
    scale = np.where(norms > 0, norms, 1.0)
    offset = None

    def objective(z):
        nonlocal offset
        factors = z / scale
        output = atoms @ factors if is_single else (atoms * factors) @ heads
        value, v, offset = loss.evaluate(output, offset)
        by_unit = v if is_single else v @ heads.T
        pulled = atoms.T @ v if is_single else np.sum(atoms * by_unit, axis=0)
        gradient = (beta * norms - pulled) / scale
        return float(value) + beta * float(norms @ factors), gradient

    start = np.zeros(len(units))
    start[:n_known] = 1.0
    found = minimize(
        objective,
        start * scale,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * len(start),
        callback=_stop_in_time,
        options={"maxiter": 500, "maxcor": 20, "ftol": 1e-14, "gtol": 1e-12},
    ).x
    return architecture.balanced(architecture.scaled(units, found / scale))


def _stop_in_time(intermediate_result):
    if is_out_of_time():
        raise StopIteration
