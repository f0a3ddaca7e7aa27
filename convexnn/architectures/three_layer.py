"""Three-layer sub-networks ``((X U)_+ v)_+`` with normF(U) <= 1, norm2(v) <= 1.

A unit is one direction of d * m + m entries, U and then v, on the unit sphere: for the
best scales of its layers ``normF(U)^2 + norm2(v)^2 = 1`` allows what ``sqrt(2) U,
sqrt(2) v`` in the two unit balls does, so that its atom has a factor of two. With it
:mod:`convexnn.search.climbing` climbs these units as it does those of two layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .bounds import three_layer_price_bound

__all__ = [
    "ThreeLayerReLU",
    "parabolic",
    "rounded",
]

#: Numbers in a block of pre-activations.
_BLOCK = 2**17


def rounded(z, widths):
    """Return ``(z + sqrt(z^2 + width^2)) / 2``, a rectifier without widths; its slope.

    Its slope is nowhere zero, so that weights that reach no output are still moved.
    """
    if widths is None:
        slope = (z > 0).astype(z.dtype)
        return z * slope, slope
    # A layer that is zero everywhere has no spread.
    widths = np.maximum(widths, np.finfo(z.dtype).tiny ** 0.5)
    roots = z * z
    roots += widths * widths
    np.sqrt(roots, out=roots)
    value = z + roots
    value *= 0.5
    return value, value / roots


def parabolic(z, widths):
    """Return a rectifier with a parabola from -width to width, and its slope.

    Beyond them it is the rectifier itself, which it is without widths.
    """
    if widths is None:
        return rounded(z, None)
    widths = np.maximum(widths, np.finfo(z.dtype).tiny ** 0.5)
    slope = z * (0.5 / widths)
    slope += z.dtype.type(0.5)
    np.clip(slope, 0, 1, out=slope)
    value = z * slope
    value += widths * (slope - slope * slope)
    return value, slope


@dataclass(frozen=True)
class ThreeLayerReLU:
    """Sub-networks of two hidden layers, `n_units` wide in the first.

    ``((X U)_+ v)_+`` is ``(sum_j sign(v_j) (X w_j)_+)_+`` for ``w_j = U_j abs(v_j)``,
    and both norms can be at most 1 for some scales of the layers just where
    ``sum_j norm2(w_j) <= 1`` (three-layer paper, eqs. 9 to 11).

    Parameters
    ----------
    n_units : int
        Hidden units m of the first layer.
    rounding : callable, default=rounded
        What stands for a rectifier while climbing: :func:`rounded` or
        :func:`parabolic`.
    """

    n_units: int
    rounding: Callable = rounded

    name = "three_layer"
    features = frozenset({"cones", "coupled_cones"})
    has_cones = True

    def directions(self, groups, inner):
        """Return the unit directions of some sub-networks, one a column.

        Parameters
        ----------
        groups : ndarray of shape (d, K, m)
            Vectors w, not all zero in any sub-network.
        inner : ndarray of shape (K, m)
            Signs of v.

        Returns
        -------
        ndarray of shape (d * m + m, K)
            With layers of equal norm.
        """
        norms = np.linalg.norm(groups, axis=0)
        share = np.sqrt(norms / (2 * norms.sum(axis=1, keepdims=True)))
        # Both layers of a unit get the root of its share.
        first = groups * (share / np.where(norms > 0, norms, 1.0))
        d, n_subnetworks, m = groups.shape
        first = first.transpose(0, 2, 1).reshape(d * m, n_subnetworks)
        return np.concatenate([first, (inner * share).T])

    def subnetworks(self, directions):
        """Return the vectors w and signs of directions, ``sum_j norm2(w_j) = 1``.

        A direction whose layers have different norms ends with a larger atom.
        """
        m = self.n_units
        first = directions[:-m].reshape(
            len(directions) // m - 1, m, -1 if directions.size else 0
        )
        second = directions[-m:]
        groups = (first * np.abs(second)).transpose(0, 2, 1)
        total = np.linalg.norm(groups, axis=0).sum(axis=1)
        groups = groups / np.maximum(total, np.finfo(groups.dtype).tiny)[:, None]
        return groups, np.where(second < 0, -1.0, 1.0).T

    def spread(self, X, directions):
        """Return the root mean squares of both layers' pre-activations.

        Returns
        -------
        ndarray of shape (n_directions, 2)
            For each column of `directions`.
        """
        spreads = np.empty((directions.shape[1], 2), dtype=directions.dtype)
        for part in self._parts(X, directions):
            first, second = self._split(directions[:, part])
            values = X @ first
            spreads[part, 0] = np.sqrt(
                np.einsum("ij,ij->j", values, values).reshape(second.shape).sum(axis=0)
                / values[:, : self.n_units].size
            )
            hidden = self._sum(np.maximum(values, 0), second)
            spreads[part, 1] = np.sqrt(np.mean(hidden * hidden, axis=0))
        return spreads

    def correlate(self, X, v, directions, widths=None):
        """Return ``2 v' ((X U)_+ v)_+`` for each direction, and its gradient.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        v : ndarray of shape (n,)
            Dual point.
        directions : ndarray of shape (d * m + m, n_directions)
            Weights of both layers, of any norm.
        widths : ndarray of shape (n_directions, 2), default=None
            Widths of the `rounding` of either layer; None for the units as they are.

        Returns
        -------
        values : ndarray of shape (n_directions,)
            Correlations.
        gradients : ndarray of shape (d * m + m, n_directions)
            Their derivatives by the directions.
        """
        values = np.empty(directions.shape[1], dtype=directions.dtype)
        gradients = np.empty_like(directions)
        for part in self._parts(X, directions):
            first, second = self._split(directions[:, part])
            tile = widths is not None
            width = np.tile(widths[part, 0], self.n_units) if tile else None
            inner, slopes = self.rounding(X @ first, width)
            hidden = self._sum(inner, second)
            outer, pull = self.rounding(hidden, widths[part, 1] if tile else None)
            values[part] = 2 * (v @ outer)
            pull *= 2 * v[:, None]
            shape = (len(X), *second.shape)
            by_second = np.einsum("ijk,ik->jk", inner.reshape(shape), pull)
            slopes *= second.reshape(-1)
            slopes.reshape(shape)[...] *= pull[:, None]
            gradients[: -self.n_units, part] = (X.T @ slopes).reshape(
                -1, second.shape[1]
            )
            gradients[-self.n_units :, part] = by_second
        return values, gradients

    def price_bound(self, X, v):
        """Return a rigorous bound on the price of a dual point."""
        return three_layer_price_bound(X, v)

    def _parts(self, X, directions):
        """Yield slices of directions whose pre-activations fit a cache."""
        size = max(_BLOCK // (len(X) * self.n_units), 1)
        for first in range(0, directions.shape[1], size):
            yield slice(first, first + size)

    def _split(self, directions):
        """Return the first layers, (d, m * n_directions), and the second, (m, ...)."""
        m = self.n_units
        first = directions[:-m].reshape(-1, m * directions.shape[1])
        return first, directions[-m:]

    def _sum(self, values, second):
        """Return ``sum_j values_j second_j``, of shape (n, n_directions)."""
        return np.einsum("ijk,jk->ik", values.reshape(-1, *second.shape), second)
