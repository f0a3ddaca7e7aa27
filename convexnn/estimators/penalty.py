"""The penalty of a fit: a number, or a share of the one that silences the network."""

from __future__ import annotations

import warnings

import numpy as np

from ..checks import Interval, Real
from ..programs.program import pool

__all__ = ["PENALTY_CONSTRAINTS", "beyond_rounding", "chosen_penalty"]

#: Parameters of everything that is trained at one penalty.
PENALTY_CONSTRAINTS = {
    "beta": [Interval(Real, 0, np.inf, closed="neither"), None],
    "beta_ratio": [Interval(Real, 0, np.inf, closed="neither")],
}

#: Share of beta_max below which a penalty was hardly meant.
_HARDLY_MEANT = 1e-5

#: Error of a target's deviation from the mean, relative to the target.
_ROUNDING = 4 * float(np.finfo(float).eps)


def chosen_penalty(beta, beta_ratio, beta_max, *, stacklevel):
    """Return the penalty to train with, and warn if a given one is far out.

    Parameters
    ----------
    beta : float or None
        The penalty, or None for ``beta_ratio * beta_max``.
    beta_ratio : float
        Penalty divided by `beta_max`.
    beta_max : float
        Smallest penalty for which the zero network is optimal. Where it is 0 every
        penalty gives that network, and 1 stands for all of them.
    stacklevel : int
        Of the warning, as seen from here.

    Returns
    -------
    float
        The penalty.

    Warns
    -----
    UserWarning
        If `beta` is a number below 1e-5 of `beta_max`, or above it.
    """
    if beta is None:
        return float(beta_ratio * beta_max) if beta_max > 0 else 1.0
    if beta_max > 0 and not _HARDLY_MEANT * beta_max <= beta <= beta_max:
        if beta > beta_max:
            place, follows = "above", "the network is constant"
        else:
            place = f"below {_HARDLY_MEANT:g} of"
            follows = "training takes long and follows the noise"
        warnings.warn(
            f"beta={beta:g} is {place} beta_max={beta_max:g}, so that {follows}. "
            f"beta=None takes beta_ratio={beta_ratio:g} times beta_max, whatever the "
            "units of the data.",
            UserWarning,
            stacklevel=stacklevel,
        )
    return float(beta)


def beyond_rounding(beta_max, samples):
    """Return beta_max, or 0 where the rounding of constant targets explains it.

    Parameters
    ----------
    beta_max : float
        Of the samples, in the caller's units.
    samples : convexnn.data.samples.Samples
        What it was computed from.

    Returns
    -------
    float
        `beta_max` or 0.
    """
    offset = np.abs(samples.y_offset) / samples.y_scale
    sizes = (np.abs(samples.y) + offset).reshape(len(samples.y), -1).sum(axis=1)
    norms = pool(np.linalg.norm(samples.X, axis=1), samples.n_patches)
    limit = _ROUNDING * float(samples.weights @ (sizes * norms))
    return float(beta_max) if beta_max > limit * samples.beta_scale else 0.0
