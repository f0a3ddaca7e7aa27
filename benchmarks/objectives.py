"""Objectives from weights: the benchmarks' own, used for every competitor alike."""

from __future__ import annotations

import numpy as np

__all__ = ["as_units", "cell_objective", "count_units", "relu_objective", "violation"]

#: Units below this, relative to the largest, are not counted as neurons.
_DUST = 1e-6


def as_units(network):
    """Return hidden weights with bias, output weights and intercept.

    A block u becomes the unit ``u / sqrt(norm(u))`` with output weight
    ``+-sqrt(norm(u))``: the same function on its cell, at the same penalty.
    """
    if "hidden" in network:
        hidden = np.vstack([network["hidden"], network["bias"]])
        return hidden, network["output"], float(network["intercept"])
    blocks = np.hstack([network["positive"], network["negative"]])
    signs = np.repeat([1.0, -1.0], network["positive"].shape[1])
    norms = np.linalg.norm(blocks, axis=0)
    kept = norms > 0
    root = np.sqrt(norms[kept])
    return blocks[:, kept] / root, signs[kept] * root, float(network["intercept"])


def relu_objective(network, X, y, beta):
    """Return the objective of a ReLU network.

    It is ``1/2 sum_i (f(x_i) - y_i)^2`` plus ``beta / 2`` times the squares of all
    weights but the intercept. Blocks count as the units that they stand for, whether
    or not they keep to their cells, so the value is one that a network has.
    """
    hidden, output, intercept = as_units(network)
    outputs = np.maximum(X @ hidden[:-1] + hidden[-1], 0) @ output + intercept
    penalty = np.sum(hidden**2) + np.sum(output**2)
    return 0.5 * np.sum((outputs - y) ** 2) + 0.5 * beta * penalty


def _signed_blocks(network):
    yield 1.0, network["positive"]
    if "negative" in network:
        yield -1.0, network["negative"]


def cell_objective(network, X, y, beta, patterns):
    """Return the objective of blocks in the convex program over given cells.

    Gated networks have positive blocks only, and this is their objective.
    """
    outputs = np.full(len(y), float(network["intercept"]))
    penalty = 0.0
    for sign, block in _signed_blocks(network):
        outputs += sign * np.sum(patterns * (X @ block[:-1] + block[-1]), axis=1)
        penalty += np.linalg.norm(block, axis=0).sum()
    return 0.5 * np.sum((outputs - y) ** 2) + beta * penalty


def violation(network, X, patterns):
    """Return the largest amount by which a block leaves its cone.

    Parameters
    ----------
    network : dict of ndarray
        Blocks.
    X : ndarray of shape (n, d)
        Inputs.
    patterns : ndarray of shape (n, n_cells)
        Activation patterns.

    Returns
    -------
    float
        Largest of ``-(2 D - I) X u``, at least 0, divided by the largest output of a
        block.
    """
    worst, largest = 0.0, 0.0
    for _, block in _signed_blocks(network):
        values = X @ block[:-1] + block[-1]
        worst = max(worst, float(np.where(patterns, -values, values).max()))
        largest = max(largest, float(np.abs(values).max()))
    return worst / largest if largest > 0 else 0.0


def count_units(network):
    """Return the number of units that are not negligible."""
    if "hidden" in network:
        hidden, output, _ = as_units(network)
        sizes = np.linalg.norm(hidden, axis=0) * np.abs(output)
    else:
        sizes = np.concatenate(
            [np.linalg.norm(block, axis=0) for _, block in _signed_blocks(network)]
        )
    return int(np.sum(sizes > _DUST * sizes.max(initial=0.0)))
