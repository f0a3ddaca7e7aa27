"""scipy's L-BFGS on the weights of 100 units, from five random starts."""

from __future__ import annotations

import numpy as np
from exchange import serve
from scipy.optimize import minimize

N_UNITS = 100
N_STARTS = 5


def value_and_gradient(weights, X, y, beta):
    """Return the objective of flat weights, and its gradient.

    `X` has a last column of ones; the weights are those of the hidden layer, unit by
    unit in the columns, of the output layer, and the intercept.
    """
    n_inputs = X.shape[1]
    hidden = weights[: n_inputs * N_UNITS].reshape(n_inputs, N_UNITS)
    output, intercept = weights[-N_UNITS - 1 : -1], weights[-1]
    active = np.maximum(X @ hidden, 0)
    residual = active @ output + (intercept - y)
    value = 0.5 * residual @ residual + 0.5 * beta * (weights[:-1] @ weights[:-1])
    gradient = beta * weights
    gradient[-1] = residual.sum()
    gradient[-N_UNITS - 1 : -1] += active.T @ residual
    slope = np.multiply.outer(residual, output)
    slope[active <= 0] = 0
    gradient[: n_inputs * N_UNITS] += (X.T @ slope).ravel()
    return value, gradient


def draw(rng, n_inputs):
    """Return weights of the usual size: unit variance through both layers."""
    hidden = rng.standard_normal((n_inputs, N_UNITS)) * np.sqrt(2 / n_inputs)
    output = rng.standard_normal(N_UNITS) / np.sqrt(N_UNITS)
    hidden[-1] = 0
    return np.concatenate([hidden.ravel(), output, [0.0]])


def descend(weights, X, case, limit, watch):
    """Return the last weights and the curve of one start."""
    begun = watch.seconds()
    curve = []

    def note(intermediate_result):
        curve.append((watch.seconds() - begun, intermediate_result.fun))
        if curve[-1][0] > limit:
            raise StopIteration

    found = minimize(
        value_and_gradient,
        weights,
        args=(X, case.y, case.beta),
        jac=True,
        method="L-BFGS-B",
        callback=note,
        options={
            "maxiter": 10**6,
            "maxfun": 10**7,
            "maxcor": 20,
            "ftol": 1e-13,
            "gtol": 1e-9,
        },
    )
    curve.append((watch.seconds() - begun, found.fun))
    return found.x, curve


def solve(case, watch):
    """Hand in every start; what a start leaves of its share goes to the next."""
    X = np.column_stack([case.X, np.ones(len(case.y))])
    rng = np.random.default_rng(case.seed)
    watch.start(1.5 * case.limit + 5)
    for k in range(N_STARTS):
        share = (case.limit - watch.seconds()) / (N_STARTS - k)
        weights, curve = descend(draw(rng, X.shape[1]), X, case, share, watch)
        hidden = weights[: -N_UNITS - 1].reshape(-1, N_UNITS)
        network = {
            "hidden": hidden[:-1],
            "bias": hidden[-1],
            "output": weights[-N_UNITS - 1 : -1],
            "intercept": weights[-1],
        }
        watch.hand_in(network, curve[-1][0], curve)


if __name__ == "__main__":
    serve(solve, ["numpy", "scipy"])
