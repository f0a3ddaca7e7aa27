"""The recovered networks: weights, forward pass, penalty, objective.

What takes networks of any origin reads ``getattr(weights, "network_", weights)``:
fitted estimators have theirs under that name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.patches import Patches, PatchGrid

__all__ = ["ConvolutionalReLUNetwork", "GatedReLUNetwork", "ReLUNetwork"]


@dataclass(frozen=True)
class ReLUNetwork:
    """Two-layer network ``f(x) = relu(x W + b) a + c``.

    Attributes
    ----------
    hidden : ndarray of shape (d, m)
        Hidden weights W, one unit a column.
    hidden_bias : ndarray of shape (m,)
        Hidden biases b.
    output : ndarray of shape (m,)
        Output weights a.
    output_bias : float
        Output intercept c, not penalised.
    """

    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    output_bias: float

    @property
    def n_neurons(self):
        """Number m of hidden units."""
        return len(self.output)

    def activations(self, X):
        """Return the hidden layer's output, of shape (n, m)."""
        return np.maximum(X @ self.hidden + self.hidden_bias, 0)

    def predict(self, X):
        """Return the outputs of the network, of shape (n,)."""
        return self.activations(X) @ self.output + self.output_bias

    def penalty(self):
        """Return the sum of squares of all weights but the output intercept."""
        weights = (self.hidden, self.hidden_bias, self.output)
        return float(sum(np.sum(np.square(w, dtype=np.float64)) for w in weights))

    def objective(self, X, y, beta, sample_weight=None):
        """Return ``1/2 sum_i s_i (f(x_i) - y_i)^2 + beta/2 penalty()``.

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
            The objective that training minimises over all networks.
        """
        squares = np.square(self.predict(X) - y, dtype=np.float64)
        total = squares.sum() if sample_weight is None else sample_weight @ squares
        return 0.5 * float(total) + 0.5 * beta * self.penalty()


@dataclass(frozen=True)
class GatedReLUNetwork(ReLUNetwork):
    """Network ``f(x) = (1[x G + g0 >= 0] * (x W + b)) a + c`` with fixed gates.

    Attributes
    ----------
    gates : ndarray of shape (d, m)
        Gates G, one unit a column.
    gate_bias : ndarray of shape (m,)
        Biases g0 of the gates.
    """

    gates: np.ndarray
    gate_bias: np.ndarray

    def activations(self, X):
        """Return the hidden layer's output, of shape (n, m)."""
        return (X @ self.gates + self.gate_bias >= 0) * (
            X @ self.hidden + self.hidden_bias
        )


@dataclass(frozen=True)
class ConvolutionalReLUNetwork(ReLUNetwork):
    """Network ``f(x) = sum_j relu(x_j W + b) a + c`` over the patches x_j of an input.

    Attributes
    ----------
    grid : PatchGrid
        Where the patches lie; W has a row for each entry of a patch.
    """

    grid: PatchGrid

    def activations(self, X):
        """Return the pooled responses of the filters, of shape (n, m)."""
        return Patches(X, self.grid).pooled(self.hidden, self.hidden_bias)
