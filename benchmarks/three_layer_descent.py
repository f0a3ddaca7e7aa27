"""Descent on three-layer networks as they are (eq. 4), over many runs at once.

Weights are W1 of shape (runs, d, K, m), w2 (runs, K, m) and w3 (runs, K); data are X of
shape (runs, n, d) and y of shape (runs, n), so that each run can have its own.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.optimize import minimize

__all__ = ["Problem", "as_subnetworks", "draw_weights", "lbfgs", "sgd", "teacher"]


def draw_weights(d, m, n_subnetworks, seed):
    """Draw Gaussian weights of one run, first layers of unit Frobenius norm."""
    rng = np.random.default_rng(seed)
    W1 = rng.standard_normal((1, d, n_subnetworks, m))
    W1 /= np.sqrt(np.sum(W1**2, axis=(1, 3)))[:, None, :, None]
    w2 = rng.standard_normal((1, n_subnetworks, m))
    return W1, w2, rng.standard_normal((1, n_subnetworks))


def teacher(n, d, m, n_subnetworks, seed):
    """Draw Gaussian inputs, and their outputs in a network that is drawn, too."""
    X = np.random.default_rng([seed, 0]).standard_normal((1, n, d))
    weights = draw_weights(d, m, n_subnetworks, [seed, 1])
    return X[0], Problem(X, np.zeros((1, n)), 0.0).layers(*weights)[2][0]


class Problem:
    """The objective of each run, 1/2 sum of squares + beta/2 (|w2|^2 + w3^2)."""

    def __init__(self, X, y, beta):
        self.X, self.y, self.beta = X, y, beta

    def layers(self, W1, w2, w3):
        """Return what the first and the second layer put out, and the network."""
        shape = *self.y.shape, *w2.shape[1:]
        inner = np.maximum(self.X @ W1.reshape(*W1.shape[:2], -1), 0).reshape(shape)
        hidden = np.maximum(np.einsum("snkm,skm->snk", inner, w2), 0)
        return inner, hidden, np.einsum("snk,sk->sn", hidden, w3)

    def value(self, W1, w2, w3):
        residual = self.layers(W1, w2, w3)[2] - self.y
        return self._value(residual, w2, w3)

    def _value(self, residual, w2, w3):
        penalty = np.sum(w2**2, axis=(1, 2)) + np.sum(w3**2, axis=1)
        return 0.5 * np.sum(residual**2, axis=1) + 0.5 * self.beta * penalty

    def value_and_slopes(self, W1, w2, w3):
        """Return the objective of each run and its derivatives by the weights."""
        inner, hidden, output = self.layers(W1, w2, w3)
        residual = output - self.y
        pull = residual[:, :, None] * w3[:, None] * (hidden > 0)
        spread = pull[..., None] * w2[:, None] * (inner > 0)
        by_first = self.X.swapaxes(1, 2) @ spread.reshape(*self.y.shape, -1)
        return self._value(residual, w2, w3), (
            by_first.reshape(W1.shape),
            np.einsum("snk,snkm->skm", pull, inner) + self.beta * w2,
            np.einsum("snk,sn->sk", hidden, residual) + self.beta * w3,
        )


def sgd(problem, weights, rates, records):
    """Descend along the gradient of all rows, projecting on the unit balls.

    Parameters
    ----------
    problem : Problem
        Data of the runs.
    weights : tuple of ndarray
        Where they start.
    rates : ndarray of shape (runs,)
        Length of the steps.
    records : ndarray of int
        Steps, ascending, after which the objective is recorded.

    Returns
    -------
    weights : tuple of ndarray
        Where they end.
    objectives : ndarray of shape (n_records, runs)
        Objectives, infinite where a run diverged.
    seconds : ndarray of shape (n_records,)
        CPU seconds of the steps up to there, without those of the records.
    """
    W1, w2, w3 = (layer.copy() for layer in weights)
    rates = rates[:, None]
    objectives, seconds, spent, done = [], [], 0.0, 0
    with np.errstate(over="ignore", invalid="ignore"):
        for record in records:
            started = time.process_time()
            for _ in range(done, record):
                _, (by_first, by_second, by_third) = problem.value_and_slopes(
                    W1, w2, w3
                )
                W1 -= rates[:, :, None, None] * by_first
                w2 -= rates[:, :, None] * by_second
                w3 -= rates * by_third
                norms = np.sqrt(np.einsum("sdkm,sdkm->sk", W1, W1))
                W1 /= np.maximum(norms, 1.0)[:, None, :, None]
            spent, done = spent + time.process_time() - started, record
            seconds.append(spent)
            reached = problem.value(W1, w2, w3)
            objectives.append(np.where(np.isfinite(reached), reached, np.inf))
    return (W1, w2, w3), np.array(objectives), np.array(seconds)


def lbfgs(problem, weights, n_steps):
    """Return weights and objective of one run, first layers divided by their norms."""
    sizes = np.cumsum([layer.size for layer in weights])[:-1]

    def unpacked(flat):
        parts = zip(weights, np.split(flat, sizes), strict=True)
        W1, w2, w3 = (part.reshape(layer.shape) for layer, part in parts)
        norms = np.sqrt(np.sum(W1**2, axis=(1, 3)))[:, None, :, None]
        return W1 / norms, norms, w2, w3

    def evaluated(flat):
        W1, norms, w2, w3 = unpacked(flat)
        value, (by_first, *others) = problem.value_and_slopes(W1, w2, w3)
        along = np.sum(by_first * W1, axis=(1, 3))[:, None, :, None]
        by_first = (by_first - W1 * along) / norms
        return value[0], np.concatenate([s.ravel() for s in (by_first, *others)])

    found = minimize(
        *(evaluated, np.concatenate([layer.ravel() for layer in weights])),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": n_steps, "maxfun": 2 * n_steps, "ftol": 1e-12},
    )
    W1, _, w2, w3 = unpacked(found.x)
    return (W1, w2, w3), float(found.fun)


def as_subnetworks(weights, run=0):
    """Return a run's weights as a list of tuples (W1, w2, w3)."""
    W1, w2, w3 = (layer[run] for layer in weights)
    return [(W1[:, k], w2[k], w3[k]) for k in range(len(w3))]
