"""L-BFGS on the weights of a wide two-layer network, under log loss."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["descend_log_loss"]


def descend_log_loss(X, y, beta, seed, *, n_units=100, n_iterations=2000):
    """Return the objective where L-BFGS from one random start ends.

    It is ``sum_i log(1 + exp(-y_i f(x_i)))`` plus ``beta / 2`` times the squares of
    weights and hidden biases; labels are -1 and 1.
    """
    inputs = np.column_stack([X, np.ones(len(X))])
    d, m = inputs.shape[1], n_units

    def objective(flat):
        hidden, output, offset = flat[: d * m].reshape(d, m), flat[d * m : -1], flat[-1]
        values = inputs @ hidden
        layer = np.maximum(values, 0)
        margins = y * (layer @ output + offset)
        v = y * expit(-margins)
        gradient = beta * flat
        gradient[-1] = -v.sum()
        slopes = (values > 0) * v[:, None]
        gradient[: d * m] -= (inputs.T @ slopes * output).ravel()
        gradient[d * m : -1] -= layer.T @ v
        penalty = 0.5 * beta * (flat[:-1] @ flat[:-1])
        return np.logaddexp(0, -margins).sum() + penalty, gradient

    start = np.random.default_rng(seed).standard_normal(d * m + m + 1)
    start[: d * m] /= np.sqrt(d)
    start[d * m :] /= np.sqrt(m)
    options = {"maxiter": n_iterations, "maxfun": 2 * n_iterations, "ftol": 1e-10}
    return minimize(objective, start, jac=True, method="L-BFGS-B", options=options).fun
