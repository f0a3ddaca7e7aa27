"""Grids of the penalty, from the value that silences the network downwards."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import column_or_1d

from .architectures import ARCHITECTURES
from .cells import sample_cells
from .certificate import price_groups
from .losses import SquaredLoss
from .samples import collect_samples

__all__ = ["beta_grid"]


def beta_grid(
    X,
    y,
    *,
    n_betas=10,
    beta_min_ratio=1e-3,
    activation="relu",
    n_cells=50,
    fit_intercept=True,
    random_state=None,
):
    """Return penalties from beta_max down, evenly spaced on a logarithmic scale.

    ``beta_max`` is the smallest penalty for which the zero network is optimal over
    sampled cells: the largest norm of the projected correlations of the (centred)
    targets with the cells.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Inputs, scaled as they will be in the fit.
    y : array-like of shape (n_samples,)
        Targets.
    n_betas : int, default=10
        Number of penalties, at least 1.
    beta_min_ratio : float, default=1e-3
        Smallest penalty divided by the largest, in (0, 1].
    activation : {"relu", "gated_relu"}, default="relu"
        Architecture.
    n_cells : int, default=50
        Number of sampled cells.
    fit_intercept : bool, default=True
        Whether biases and an output intercept are fitted.
    random_state : int, RandomState instance or None, default=None
        Source of the cells.

    Returns
    -------
    ndarray of shape (n_betas,)
        Penalties in descending order, the first being beta_max.

    Raises
    ------
    ValueError
        If a parameter is out of range, or beta_max is 0 because the targets are
        constant or the inputs are zero.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn.path import beta_grid
    >>> X, y = load_diabetes(return_X_y=True)
    >>> betas = beta_grid(X, y, n_betas=4, random_state=0)
    >>> (betas / betas[0]).round(6).tolist()
    [1.0, 0.1, 0.01, 0.001]
    """
    if n_betas < 1:
        raise ValueError(f"n_betas must be at least 1, got {n_betas!r}.")
    if not 0 < beta_min_ratio <= 1:
        raise ValueError(f"beta_min_ratio must be in (0, 1], got {beta_min_ratio!r}.")
    if activation not in ARCHITECTURES:
        raise ValueError(
            f"activation must be one of {sorted(ARCHITECTURES)}, got {activation!r}."
        )
    X, y = check_array(X), column_or_1d(check_array(y, ensure_2d=False))
    check_consistent_length(X, y)
    samples = collect_samples(X, y, fit_intercept=fit_intercept)
    loss = SquaredLoss(samples.y, samples.weights, intercept=fit_intercept)
    cells = sample_cells(samples.X, n_cells, check_random_state(random_state))
    program = ARCHITECTURES[activation].program(samples.X, loss, 1.0, cells)
    at_zero = loss.dual_point(np.zeros_like(samples.y))
    beta_max = price_groups(program, at_zero).largest * samples.beta_scale
    if beta_max == 0:
        raise ValueError(
            "beta_max is 0: y is constant or X is zero, so that every penalty gives "
            "the zero network."
        )
    return beta_max * np.geomspace(1.0, beta_min_ratio, n_betas)
