"""Recovered networks of parallel three-layer sub-networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ThreeLayerNetwork"]


@dataclass(frozen=True)
class ThreeLayerNetwork:
    """Network ``f(x) = sum_k ((x W1_k + b_k)_+ w2_k)_+ w3_k + c``.

    Attributes
    ----------
    subnetworks : list of tuple (W1, w2, w3)
        First layers of shape (d, m), or (d + 1, m) with the biases b in the last row,
        of unit Frobenius norm, second layers of shape (m,), and output weights.
    intercept : float
        Output intercept c, not penalised.
    has_bias : bool
        Whether the first layers have the row of biases.
    """

    subnetworks: list
    intercept: float
    has_bias: bool

    def predict(self, X):
        """Return the outputs of the network, of shape (n,)."""
        if not self.subnetworks:
            return np.full(len(X), self.intercept, dtype=X.dtype)
        first = np.stack([W1 for W1, _, _ in self.subnetworks], axis=1)
        second = np.stack([w2 for _, w2, _ in self.subnetworks])
        third = np.array([w3 for _, _, w3 in self.subnetworks], dtype=first.dtype)
        d = X.shape[1]
        values = X @ first[:d].reshape(d, -1)
        if self.has_bias:
            values += first[d].reshape(-1)
        values = np.maximum(values, 0).reshape(len(X), *second.shape)
        hidden = np.einsum("ikj,kj->ik", values, second)
        return np.maximum(hidden, 0) @ third + first.dtype.type(self.intercept)

    def penalty(self):
        """Return the sum of squares of all second layers and output weights."""
        return float(
            sum(
                np.sum(np.square(w2, dtype=np.float64)) + float(w3) ** 2
                for _, w2, w3 in self.subnetworks
            )
        )

    def objective(self, X, y, beta, sample_weight=None):
        """Return ``1/2 sum_i s_i (f(x_i) - y_i)^2 + beta/2 penalty()`` (paper, eq. 4).

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        y : ndarray of shape (n,)
            Targets.
        beta : float
            Penalty.
        sample_weight : ndarray of shape (n,), default=None
            Weights s, ones by default.

        Returns
        -------
        float
            The objective.
        """
        squares = np.square(self.predict(X) - y, dtype=np.float64)
        total = squares.sum() if sample_weight is None else sample_weight @ squares
        return 0.5 * float(total) + 0.5 * beta * self.penalty()

    @classmethod
    def recover(cls, groups, inner, sign, samples, offset):
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
        sign : ndarray of shape (K,)
            Signs s.
        samples : convexnn.data.samples.Samples
            Their scales undo those units.
        offset : float
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
        return cls(subnetworks, float(intercept), samples.has_bias)

    def locate(self, samples):
        """Return groups, inner signs and signs of the network in the solvers' units.

        Layers of any scale are undone by ``w_j = W1_j abs(w2_j w3)``.
        """
        first = np.stack([W1 for W1, _, _ in self.subnetworks], axis=1).astype(float)
        second = np.stack([w2 for _, w2, _ in self.subnetworks]).astype(float)
        third = np.array([w3 for _, _, w3 in self.subnetworks], dtype=float)
        scale = samples.x_scale / samples.y_scale
        groups = first * np.abs(second) * np.abs(third)[:, None] * scale
        inner = np.where(second < 0, -1.0, 1.0)
        return groups, inner, np.where(third < 0, -1.0, 1.0)
