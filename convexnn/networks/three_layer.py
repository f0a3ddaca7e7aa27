"""Recovered networks of parallel three-layer sub-networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.samples import Samples
from .network import Network

__all__ = ["ThreeLayerNetwork"]


@dataclass(frozen=True)
class ThreeLayerNetwork(Network):
    """Network ``f(x) = sum_k ((x W1_k + b_k)_+ w2_k)_+ w3_k + c``.

    Attributes
    ----------
    subnetworks : list of tuple (W1, w2, w3)
        First layers of shape (d, m), or (d + 1, m) with the biases b in the last row,
        of unit Frobenius norm, second layers of shape (m,), and output weights:
        numbers, or arrays of shape (q,) for q outputs.
    intercept : float or ndarray of shape (q,)
        Output intercept c, not penalised.
    has_bias : bool
        Whether the first layers have the row of biases.
    """

    subnetworks: list[tuple[np.ndarray, np.ndarray, float | np.ndarray]]
    intercept: float | np.ndarray
    has_bias: bool

    @property
    def n_neurons(self) -> int:
        """Number K of sub-networks."""
        return len(self.subnetworks)

    @property
    def output(self) -> np.ndarray:
        """Output weights, of shape (K,) or (K, q)."""
        shape = (self.n_neurons, *np.shape(self.intercept))
        return np.reshape([w3 for _, _, w3 in self.subnetworks], shape)

    def stacked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the layers of all sub-networks, of which there has to be one.

        Returns
        -------
        first : ndarray of shape (d, K, m) or (d + 1, K, m)
            First layers, with their biases if there are any.
        second : ndarray of shape (K, m)
            Second layers.
        third : ndarray of shape (K,) or (K, q)
            Output weights.
        """
        first, second, _ = zip(*self.subnetworks, strict=True)
        return (
            np.stack(first, axis=1).astype(np.float64),
            np.stack(second).astype(np.float64),
            self.output.astype(np.float64),
        )

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the outputs of the network, of shape (n,) or (n, q)."""
        if not self.subnetworks:
            return np.full((len(X), *np.shape(self.intercept)), self.intercept, X.dtype)
        dtype = self.subnetworks[0][0].dtype
        first, second, third = (a.astype(dtype, copy=False) for a in self.stacked())
        d = X.shape[1]
        values = X @ first[:d].reshape(d, -1)
        if self.has_bias:
            values += first[d].reshape(-1)
        values = np.maximum(values, 0).reshape(len(X), *second.shape)
        hidden = np.einsum("ikj,kj->ik", values, second)
        return np.maximum(hidden, 0) @ third + np.asarray(self.intercept, dtype)

    def penalty(self) -> float:
        """Return the sum of squares of all second layers and output weights.

        With `objective` this is eq. 4 of the paper.
        """
        weights = (layer for _, *layers in self.subnetworks for layer in layers)
        return float(sum(np.sum(np.square(w, dtype=np.float64)) for w in weights))

    @classmethod
    def recover(
        cls,
        groups: np.ndarray,
        inner: np.ndarray,
        sign: np.ndarray,
        samples: Samples,
        offset: float | np.ndarray,
    ) -> ThreeLayerNetwork:
        """Return the network of a point of the convex program (Proposition 1).

        With ``rho = sum_j norm2(w_j)`` a block becomes ``W1_j = w_j /
        sqrt(norm2(w_j) rho)``, ``w2_j = I_j sqrt(norm2(w_j))`` and ``w3 = s
        sqrt(rho)``: of unit Frobenius norm, the same output, and the same penalty.

        Parameters
        ----------
        groups : ndarray of shape (d, K, m)
            Vectors w, in the solvers' units.
        inner : ndarray of shape (K, m)
            Signs I.
        sign : ndarray of shape (K,) or (K, q)
            Signs s, or unit vectors for q outputs.
        samples : convexnn.data.samples.Samples
            Their scales undo those units.
        offset : float or ndarray of shape (q,)
            Output intercept, in the solvers' units.

        Returns
        -------
        ThreeLayerNetwork
            Without sub-networks that are zero.
        """
        scaled = groups * (samples.y_scale / samples.x_scale)
        norms = np.linalg.norm(scaled, axis=0)
        subnetworks = []
        for k in np.argsort(-norms.sum(axis=1), kind="stable"):
            total = norms[k].sum()
            if total > 0:
                root = np.sqrt(norms[k])
                divisor = np.where(root > 0, root * np.sqrt(total), 1.0)
                subnetworks.append(
                    (scaled[:, k] / divisor, inner[k] * root, sign[k] * np.sqrt(total))
                )
        intercept = offset * samples.y_scale + samples.y_offset
        return cls(subnetworks, np.asarray(intercept, np.float64)[()], samples.has_bias)

    def locate(self, samples: Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return groups, inner signs and signs of the network in the solvers' units.

        Layers of any scale are undone by ``w_j = W1_j abs(w2_j) norm2(w3)``; several
        outputs have the directions of w3 for signs, of shape (K, q).
        """
        first, second, third = self.stacked()
        sizes = np.linalg.norm(third.reshape(len(third), -1), axis=1)
        scale = samples.x_scale / samples.y_scale
        groups = first * np.abs(second) * sizes[:, None] * scale
        inner, sign = (np.where(layer < 0, -1.0, 1.0) for layer in (second, third))
        if third.ndim > 1:
            sign = third / np.where(sizes > 0, sizes, 1.0)[:, None]
        return groups, inner, sign
