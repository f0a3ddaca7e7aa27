"""Two-layer ReLU networks: units ``max(x'u, 0) a`` with any number of outputs."""

from __future__ import annotations

import numpy as np

from .base import PullBoth
from .one_layer import OneLayer
from .rectifiers import (
    Rectifier,
    Widths,
    blocks_of,
    parabolic,
    slopes_of,
    start_rounded,
)

__all__ = ["ReLU"]

#: Inputs up to which, and numbers of pre-activations beyond which, descents compute
#: these twice rather than keep them.
_FEW_INPUTS, _KEPT = 64, 2**20


class ReLU(OneLayer):
    """Units max(x'u, 0), whose derivatives are written by hand, for speed."""

    words = "activation='relu'"

    def correlate(
        self,
        X: np.ndarray,
        v: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return ``v' (X u)_+`` for each column u, and its gradient.

        With one output and parabolas rows are taken in blocks that fit a cache, and
        only slopes are computed: the unit itself is ``z slope + width slope (1 -
        slope)``.
        """
        if v.ndim == 2 or rectifier is not parabolic:
            return super().correlate(X, v, directions, widths, rectifier)
        gradients = np.zeros_like(directions)
        excess = np.zeros(directions.shape[1], dtype=directions.dtype)
        if widths is not None:
            # Units that are zero everywhere have no spread.
            widths = np.maximum(widths, np.finfo(directions.dtype).tiny ** 0.5)
            scaled = directions * (0.5 / widths)
        for rows in blocks_of(len(X), directions.shape[1]):
            if widths is None:
                slopes = (X[rows] @ directions > 0) * v[rows, None]
            else:
                slopes = X[rows] @ scaled
                slopes += directions.dtype.type(0.5)
                np.clip(slopes, 0, 1, out=slopes)
                excess += v[rows] @ slopes
                excess -= np.einsum("i,ij,ij->j", v[rows], slopes, slopes)
                slopes *= v[rows, None]
            gradients += X[rows].T @ slopes
        values = np.sum(directions * gradients, axis=0)
        return (values if widths is None else values + widths * excess), gradients

    def linearise(
        self,
        X: np.ndarray,
        hidden: np.ndarray,
        output: np.ndarray,
        width: Widths | None,
    ) -> tuple[np.ndarray, PullBoth]:
        """Return a smoothed network's output and its derivatives.

        The rows are taken in blocks that fit a cache, and worked on in place.
        """
        blocks = list(blocks_of(len(X), hidden.shape[1]))
        z = np.empty((len(X), *output.shape[1:]), dtype=hidden.dtype)
        # Where the units of all rows outgrow the cache, few inputs are gone through
        # again in less time than it takes to fetch what was known of the units.
        is_kept = X.shape[1] > _FEW_INPUTS or len(X) * len(output) <= _KEPT
        kept = []
        for rows in blocks:
            units, roots = start_rounded(X[rows] @ hidden, width)
            z[rows] = units @ output
            if is_kept:
                kept.append((units, roots))

        def pull(v):
            by_output, by_hidden = np.zeros_like(output), np.zeros_like(hidden)
            for k, rows in enumerate(blocks):
                known = kept[k] if is_kept else start_rounded(X[rows] @ hidden, width)
                by_output += known[0].T @ v[rows]
                by_hidden += _pull_back(X[rows], v[rows], slopes_of(*known), output)
            return by_hidden, by_output

        return z, pull


def _pull_back(X, v, slopes, output):
    """Return the gradient by the hidden weights over a block of rows."""
    if v.ndim == 1:
        return ((X * v[:, None]).T @ slopes) * output
    slopes *= v @ output.T
    return X.T @ slopes
