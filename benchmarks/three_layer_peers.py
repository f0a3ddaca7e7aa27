"""Descents on the non-convex problem of three-layer networks (paper, eq. 4)."""

from __future__ import annotations

import time

import numpy as np
from scipy.optimize import minimize

__all__ = ["Network", "adam", "best_of", "lbfgs", "sgd", "tuned_step"]

#: Units of the first layer of a sub-network.
N_UNITS = 7


class Network:
    """The objective of eq. (4), the first layers divided by their norms."""

    def __init__(self, X, y, n_subnetworks, seed, beta):
        self.X, self.y, self.n, self.beta = X, y, n_subnetworks, beta
        rng = np.random.default_rng(seed)
        d = X.shape[1]
        self.ends = np.cumsum([d * self.n * N_UNITS, self.n * N_UNITS, self.n])
        self.start = np.concatenate(
            [
                rng.standard_normal(self.ends[0]) / np.sqrt(d),
                rng.standard_normal(self.n * N_UNITS) / np.sqrt(N_UNITS),
                rng.standard_normal(self.n) / np.sqrt(self.n),
            ]
        )

    def parts(self, flat):
        first = flat[: self.ends[0]].reshape(-1, self.n, N_UNITS)
        second = flat[self.ends[0] : self.ends[1]].reshape(self.n, N_UNITS)
        return first, second, flat[self.ends[1] :]

    def predict(self, flat, X):
        first, second, third = self.parts(flat)
        norms = np.sqrt(np.sum(first**2, axis=(0, 2)))
        values = np.maximum(X @ (first / norms[:, None]).reshape(len(first), -1), 0)
        values = values.reshape(len(X), self.n, N_UNITS)
        return np.maximum(np.einsum("ikj,kj->ik", values, second), 0) @ third

    def __call__(self, flat, rows=slice(None)):
        """Return the objective, its loss over some rows scaled to all, and gradient."""
        X, y = self.X[rows], self.y[rows]
        factor = len(self.X) / len(X)
        first, second, third = self.parts(flat)
        norms = np.sqrt(np.sum(first**2, axis=(0, 2)))
        unit = first / norms[:, None]
        values = X @ unit.reshape(len(unit), -1)
        inner = np.maximum(values, 0).reshape(len(X), self.n, N_UNITS)
        hidden = np.einsum("ikj,kj->ik", inner, second)
        outer = np.maximum(hidden, 0)
        residual = factor * (outer @ third - y)
        pull = residual[:, None] * third * (hidden > 0)
        by_second = np.einsum("ik,ikj->kj", pull, inner) + self.beta * second
        pulled = pull[:, :, None] * second * (inner > 0)
        by_unit = (X.T @ pulled.reshape(len(X), -1)).reshape(unit.shape)
        along = np.sum(by_unit * unit, axis=(0, 2))
        by_first = (by_unit - unit * along[:, None]) / norms[:, None]
        by_third = outer.T @ residual + self.beta * third
        squares = np.sum(second**2) + np.sum(third**2)
        value = 0.5 * residual @ residual / factor + 0.5 * self.beta * squares
        gradient = [by_first.ravel(), by_second.ravel(), by_third]
        return float(value), np.concatenate(gradient)


def lbfgs(network, n_steps):
    options = {"maxiter": n_steps, "maxfun": 2 * n_steps, "ftol": 1e-12, "gtol": 1e-10}
    return minimize(
        network, network.start, jac=True, method="L-BFGS-B", options=options
    ).x


def adam(network, n_steps, step):
    flat, mean, square = network.start.copy(), 0.0, 0.0
    for t in range(1, n_steps + 1):
        _, gradient = network(flat)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        root = np.sqrt(square / (1 - 0.999**t)) + 1e-8
        rate = step * decay(t / n_steps)
        flat -= rate * (mean / (1 - 0.9**t)) / root
    return flat


def sgd(network, n_epochs, step):
    flat, rng = network.start.copy(), np.random.default_rng(0)
    n = len(network.X)
    size = max(n // 8, 1)
    for epoch in range(n_epochs):
        rate = step * decay(epoch / n_epochs)
        order = rng.permutation(n)
        for first in range(0, n, size):
            _, gradient = network(flat, order[first : first + size])
            # A step as long as the weights ends plain descent on raw data.
            norm = np.linalg.norm(gradient)
            flat -= rate * gradient * min(1.0, 10.0 / max(norm, 1e-300))
    return flat


def decay(share):
    """Return the factor of the step after a share of all steps."""
    return 1.0 if share < 0.7 else 0.1 if share < 0.9 else 0.01


def best_of(method, X, y, n_subnetworks, n_starts, *settings, beta):
    """Return objective, network, its weights, and CPU seconds of all starts."""
    started, best = time.process_time(), (np.inf, None, None)
    for seed in range(n_starts):
        network = Network(X, y, n_subnetworks, seed, beta)
        with np.errstate(all="ignore"):
            flat = method(network, *settings)
            value = network(flat)[0]
        if np.isfinite(value) and value < best[0]:
            best = value, network, flat
    return (*best, time.process_time() - started)


def tuned_step(method, X, y, n_subnetworks, n_steps, *, beta):
    """Return the step with the best final objective from one start."""
    values = {
        step: best_of(method, X, y, n_subnetworks, 1, n_steps, step, beta=beta)[0]
        for step in STEPS[method]
    }
    return min(values, key=values.get)


#: Steps to choose from.
STEPS = {
    sgd: (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001),
    adam: (0.1, 0.03, 0.01, 0.003, 0.001),
}
