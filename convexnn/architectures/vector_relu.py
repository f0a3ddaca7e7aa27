"""Two-layer ReLU networks of several outputs: atoms ``(X u)_+ a'`` with unit u and a.

A unit is worth ``norm2(V' (X u)_+)`` at a dual point V of shape (n, q): the largest
inner product over output weights a of norm 1, which is attained at their direction.
"""

from __future__ import annotations

import numpy as np

from .bounds import relu_price_bound
from .relu import ReLU

__all__ = ["VectorReLU"]

#: Numbers in a block of pre-activations.
_BLOCK = 2**19

#: Turns between hidden and output weights when a direction is made exact.
_TURNS = 5


class VectorReLU(ReLU):
    """Units max(x'u, 0) with a vector of output weights each.

    Weight decay on both layers equals ``beta * sum_j norm2(u_j) * norm2(a_j)`` after
    rescaling (Sahiner, Ergen, Pauly and Pilanci, "Vector-output ReLU Neural Network
    Problems are Copositive Programs", ICLR 2021; talk, "Vector Output Two-layer ReLU
    Networks"). Groups of its programs have a fixed direction of their output weights.
    """

    name = "vector_relu"
    features = frozenset({"cones", "several_outputs"})

    def correlate(self, X, v, directions, widths=None):
        """Return ``norm2(v' (X u)_+)`` for each column u, and its gradient.

        The parameters are those of :class:`~convexnn.architectures.ReLU`, with a dual
        point `v` of shape (n, q).
        """
        values = np.empty(directions.shape[1], dtype=directions.dtype)
        gradients = np.empty_like(directions)
        for part in _parts(len(X), directions.shape[1]):
            width = None if widths is None else widths[part]
            slopes, activations = _activate(X, directions[:, part], width)
            heads = activations.T @ v
            values[part] = np.linalg.norm(heads, axis=1)
            slopes *= v @ _normalised(heads).T
            gradients[:, part] = X.T @ slopes
        return values, gradients

    def heads(self, X, v, directions, signs):
        """Return the directions of the output weights that lower the loss most.

        Of shape (m, q), one row for each column of `directions`.
        """
        return _normalised(self.atoms(X, directions).T @ v)

    def random_heads(self, m, y, random_state):
        """Return random directions of the output weights of m units."""
        return _normalised(random_state.standard_normal((m, y.shape[1])))

    def ascend_cells(self, X, v, direction, n_cells=20):
        """Raise ``norm2(v' (X u)_+)``, for one side's weights after the other's.

        Given output weights the cells of u are climbed exactly; a direction that is
        returned is a maximum for the output weights that are best there.
        """
        best, value = direction, 0.0
        for _ in range(_TURNS):
            head = self.heads(X, v, best[:, None], None)[0]
            found, _ = super().ascend_cells(X, v @ head, best, n_cells)
            reached = float(np.linalg.norm(v.T @ np.maximum(X @ found, 0)))
            if reached <= value * (1 + 1e-9):
                break
            best, value = found, reached
        return best, value

    def _pull_back(self, X, v, slopes, output):
        """Return the gradient by the hidden weights over a block of rows."""
        slopes *= v @ output.T
        return X.T @ slopes

    def price_bound(self, X, v):
        """Return a rigorous bound on the price of a dual point."""
        bounds = [relu_price_bound(X, column) for column in v.T]
        return float(np.linalg.norm(bounds))


def _activate(X, directions, widths):
    """Return slopes and values of units, smoothed to some widths or as they are."""
    if widths is None:
        values = X @ directions
        return (values > 0).astype(values.dtype), np.maximum(values, 0)
    widths = np.maximum(widths, np.finfo(directions.dtype).tiny ** 0.5)
    slopes = X @ (directions * (0.5 / widths))
    slopes += directions.dtype.type(0.5)
    values = 2 * slopes - 1
    np.clip(slopes, 0, 1, out=slopes)
    # z * slope + width * slope * (1 - slope), with z = width * values.
    values += 1 - slopes
    values *= slopes
    values *= widths
    return slopes, values


def _normalised(rows):
    """Return rows of norm 1; rows of zeros stay so."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, np.finfo(rows.dtype).tiny)


def _parts(n, m):
    """Yield slices of directions whose pre-activations fit a block."""
    size = max(_BLOCK // max(n, 1), 8)
    for first in range(0, m, size):
        yield slice(first, first + size)
