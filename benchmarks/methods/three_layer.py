"""Descents on the non-convex problem of three-layer networks (paper, eq. 4).

Weights are W1 of shape (runs, d, K, m), w2 (runs, K, m) and w3 (runs, K); data are X of
shape (runs, n, d) and y of shape (runs, n), so that each run can have its own.
"""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
from scipy.optimize import minimize

__all__ = ["STEPS", "Flat", "Problem", "adam", "as_subnetworks", "best_of"]
__all__ += ["draw_weights", "lbfgs", "minibatch_sgd", "project", "sgd", "teacher"]
__all__ += ["tuned_step"]


def draw_weights(d, m, n_subnetworks, seed):
    """Draw Gaussian weights of one run, first layers of unit Frobenius norm."""
    rng = np.random.default_rng(seed)
    W1 = rng.standard_normal((1, d, n_subnetworks, m))
    W1 /= np.sqrt(np.sum(W1**2, axis=(1, 3)))[:, None, :, None]
    w2 = rng.standard_normal((1, n_subnetworks, m))
    return W1, w2, rng.standard_normal((1, n_subnetworks))


def scaled_weights(d, m, n_subnetworks, seed):
    """Draw Gaussian weights of one run, each layer divided by the root of its width."""
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((1, d, n_subnetworks, m)) / np.sqrt(d),
        rng.standard_normal((1, n_subnetworks, m)) / np.sqrt(m),
        rng.standard_normal((1, n_subnetworks)) / np.sqrt(n_subnetworks),
    )


def teacher(n, d, m, n_subnetworks, seed):
    """Draw Gaussian inputs, and their outputs in a network that is drawn, too."""
    X = np.random.default_rng([seed, 0]).standard_normal((1, n, d))
    weights = draw_weights(d, m, n_subnetworks, [seed, 1])
    return X[0], Problem(X, np.zeros((1, n)), 0.0).layers(*weights)[2][0]


class Problem:
    """The objective of each run, 1/2 sum of squares + beta/2 (|w2|^2 + w3^2).

    Parameters
    ----------
    X, y : ndarray
        Data of the runs.
    beta : float
        Penalty.
    factor : float, default=1.0
        Factor of the loss, such as rows of all data over those of a batch.
    """

    def __init__(self, X, y, beta, factor=1.0):
        self.X, self.y, self.beta, self.factor = X, y, beta, factor

    def layers(self, W1, w2, w3):
        """Return what the first and the second layer put out, and the network."""
        shape = *self.X.shape[:2], *w2.shape[1:]
        inner = np.maximum(self.X @ W1.reshape(*W1.shape[:2], -1), 0).reshape(shape)
        hidden = np.maximum(np.einsum("snkm,skm->snk", inner, w2), 0)
        return inner, hidden, np.einsum("snk,sk->sn", hidden, w3)

    def value(self, W1, w2, w3):
        return self._value(self.layers(W1, w2, w3)[2] - self.y, w2, w3)

    def _value(self, residual, w2, w3):
        penalty = np.einsum("skm,skm->s", w2, w2) + np.einsum("sk,sk->s", w3, w3)
        loss = self.factor * np.einsum("sn,sn->s", residual, residual)
        return 0.5 * loss + 0.5 * self.beta * penalty

    def value_and_slopes(self, W1, w2, w3):
        """Return the objective of each run and its derivatives by the weights."""
        inner, hidden, output = self.layers(W1, w2, w3)
        residual = output - self.y
        value = self._value(residual, w2, w3)
        residual *= self.factor
        pull = residual[:, :, None] * w3[:, None] * (hidden > 0)
        spread = pull[..., None] * w2[:, None] * (inner > 0)
        by_first = self.X.swapaxes(1, 2) @ spread.reshape(*self.y.shape, -1)
        return value, (
            by_first.reshape(W1.shape),
            np.einsum("snk,snkm->skm", pull, inner) + self.beta * w2,
            np.einsum("snk,sn->sk", hidden, residual) + self.beta * w3,
        )


class Flat:
    """The problem of one run in one vector, first layers divided by their norms.

    Parameters
    ----------
    X, y : ndarray of shape (n, d) and (n,)
        Data.
    weights : tuple of ndarray
        Where a descent starts; `start` in one vector.
    beta : float
        Penalty.
    """

    def __init__(self, X, y, weights, beta):
        self.X, self.y, self.beta = X, y, beta
        self.shapes = [layer.shape for layer in weights]
        ends = np.cumsum([0, *(layer.size for layer in weights)])
        self.parts = [slice(*pair) for pair in pairwise(ends)]
        self.start = np.concatenate([layer.ravel() for layer in weights])

    def weights(self, flat):
        """Return the weights that a vector stands for, and norms of first layers."""
        places = zip(self.parts, self.shapes, strict=True)
        W1, w2, w3 = (flat[part].reshape(shape) for part, shape in places)
        norms = np.sqrt(np.einsum("sdkm,sdkm->sk", W1, W1))[:, None, :, None]
        return (W1 / norms, w2, w3), norms

    def predict(self, flat, X):
        return Problem(X[None], 0.0, 0.0).layers(*self.weights(flat)[0])[2][0]

    def __call__(self, flat, rows=slice(None)):
        """Return objective and gradient, the loss of some rows scaled to all."""
        X, y = self.X[rows], self.y[rows]
        problem = Problem(X[None], y[None], self.beta, len(self.X) / len(X))
        weights, norms = self.weights(flat)
        value, (by_first, *others) = problem.value_and_slopes(*weights)
        along = np.einsum("sdkm,sdkm->sk", by_first, weights[0])[:, None, :, None]
        by_first = (by_first - weights[0] * along) / norms
        return float(value[0]), np.concatenate(
            [slope.ravel() for slope in (by_first, *others)]
        )


def project(W1):
    """Divide first layers by their norms, in place, where these are above 1."""
    norms = np.sqrt(np.einsum("sdkm,sdkm->sk", W1, W1))
    W1 /= np.maximum(norms, 1.0)[:, None, :, None]


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
    objectives : ndarray of shape (n_records, runs)
        Objectives, infinite where a run diverged.
    seconds : ndarray of shape (n_records,)
        CPU seconds of the steps up to there, without those of the records.
    """
    weights = [layer.copy() for layer in weights]
    rates = [rates.reshape(-1, *[1] * (layer.ndim - 1)) for layer in weights]
    objectives, seconds, spent, done = [], [], 0.0, 0
    with np.errstate(over="ignore", invalid="ignore"):
        for record in records:
            started = time.process_time()
            for _ in range(done, record):
                _, slopes = problem.value_and_slopes(*weights)
                for layer, rate, slope in zip(weights, rates, slopes, strict=True):
                    layer -= rate * slope
                project(weights[0])
            spent, done = spent + time.process_time() - started, record
            seconds.append(spent)
            reached = problem.value(*weights)
            objectives.append(np.where(np.isfinite(reached), reached, np.inf))
    return np.array(objectives), np.array(seconds)


def lbfgs(flat, n_steps, gtol=1e-10):
    """Return where L-BFGS ends."""
    options = {"maxiter": n_steps, "maxfun": 2 * n_steps, "ftol": 1e-12, "gtol": gtol}
    return minimize(flat, flat.start, jac=True, method="L-BFGS-B", options=options).x


def adam(flat, n_steps, step):
    """Return where Adam ends, its gradients those of all rows."""
    point, mean, square = flat.start.copy(), 0.0, 0.0
    for t in range(1, n_steps + 1):
        _, gradient = flat(point)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        root = np.sqrt(square / (1 - 0.999**t)) + 1e-8
        point -= step * _decay(t / n_steps) * (mean / (1 - 0.9**t)) / root
    return point


def minibatch_sgd(flat, n_epochs, step):
    """Return where plain SGD of batches of an eighth of the rows ends."""
    point, rng = flat.start.copy(), np.random.default_rng(0)
    n = len(flat.X)
    size = max(n // 8, 1)
    for epoch in range(n_epochs):
        rate = step * _decay(epoch / n_epochs)
        order = rng.permutation(n)
        for first in range(0, n, size):
            _, gradient = flat(point, order[first : first + size])
            # A step as long as the weights ends plain descent on raw data.
            norm = np.linalg.norm(gradient)
            point -= rate * gradient * min(1.0, 10.0 / max(norm, 1e-300))
    return point


def _decay(share):
    """Return the factor of the step after a share of all steps."""
    return 1.0 if share < 0.7 else 0.1 if share < 0.9 else 0.01


#: Steps to choose from.
STEPS = {
    minibatch_sgd: (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001),
    adam: (0.1, 0.03, 0.01, 0.003, 0.001),
}


def best_of(method, X, y, size, n_starts, *settings, beta):
    """Return objective, problem and vector of the best of some starts, and CPU seconds.

    The size is m and the number of sub-networks.
    """
    started, best = time.process_time(), (np.inf, None, None)
    for seed in range(n_starts):
        flat = Flat(X, y, scaled_weights(X.shape[1], *size, seed), beta)
        with np.errstate(all="ignore"):
            point = method(flat, *settings)
            value = flat(point)[0]
        if np.isfinite(value) and value < best[0]:
            best = value, flat, point
    return (*best, time.process_time() - started)


def tuned_step(method, X, y, size, n_steps, *, beta):
    """Return the step with the best final objective from one start."""
    values = {
        step: best_of(method, X, y, size, 1, n_steps, step, beta=beta)[0]
        for step in STEPS[method]
    }
    return min(values, key=values.get)


def as_subnetworks(weights, run=0):
    """Return a run's weights as a list of tuples (W1, w2, w3)."""
    W1, w2, w3 = (layer[run] for layer in weights)
    return [(W1[:, k], w2[k], w3[k]) for k in range(len(w3))]
